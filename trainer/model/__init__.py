"""The parts of SDXL, and what is put into them: tokens and LoRA."""
