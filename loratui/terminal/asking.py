"""A command's questions: asked where somebody sits at a terminal, and an answer that is not given is a no."""

from __future__ import annotations

import sys


def is_anybody_there() -> bool:
    """Whether a question can be read and answered."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def agreed(question: str) -> bool:
    """Whether a person says yes to `question`; Enter alone, and the end of input (Ctrl+D), are a no."""
    return answer(f"{question} [y/N] ").lower() in ("y", "yes")


def answer(question: str) -> str:
    """What a person types; empty where they end the input."""
    try:
        return input(question).strip()
    except EOFError:
        print()  # the shell's own prompt begins a line
        return ""
