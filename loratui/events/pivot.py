"""What the pivot froze, in words: the new tokens, or the LoRA of the text encoders."""

from __future__ import annotations

from trainer.contract.run.events import Event

TEXT = "the LoRA of the text encoders is frozen, that of the unet goes on"
TOKENS = "the new tokens are frozen, the LoRA goes on"


def pivot_words(event: Event) -> str:
    """Of a `pivot` event; older ones do not say of what, and were of tokens as a rule."""
    return f"pivot at step {event['step']}: {TEXT if event.get('of') == 'text encoders' else TOKENS}"
