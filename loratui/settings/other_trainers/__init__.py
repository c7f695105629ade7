"""What other trainers call the settings of loratui: kohya, OneTrainer and diffusers' script, and their files read."""
