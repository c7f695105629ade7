"""The one exception that ends a command with sentences instead of a traceback."""

from __future__ import annotations

from trainer.contract.run import exits


class Refusal(ValueError):
    """Something cannot be done: sentences that say what, where and what to do, and the exit code."""

    def __init__(self, messages: list[str] | str, code: int = exits.USAGE) -> None:
        self.messages = [messages] if isinstance(messages, str) else messages
        self.code = code
        super().__init__("\n".join(self.messages))
