"""What a caption is made of, by every program here: its tokens, words that are none for the picture, who writes it."""
