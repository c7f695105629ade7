"""What can be taught."""

from __future__ import annotations

from typing import Literal

Kind = Literal["face", "object", "character-style", "style", "one-picture"]
