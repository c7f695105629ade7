"""A transformer block with its LoRA as one node of autograd: fewer operations, the same numbers to rounding."""
