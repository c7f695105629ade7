"""What a LoRA file holds, whoever wrote it, and a run that begins from one: told from headers, without torch."""
