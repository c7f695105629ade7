"""What a LoRA file holds, and a run that begins from one."""
