"""What runs the reference, the script of diffusers, beside ours."""
