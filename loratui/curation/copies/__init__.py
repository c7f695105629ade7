"""What `fix` does: copies of pictures and captions in which is right what a program can put right."""
