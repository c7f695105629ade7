"""What can be taught."""

from __future__ import annotations

from typing import Literal

Kind = Literal["face", "object", "character-style", "style", "one-picture"]
DEFAULT: Kind = "object"
CONCEPTS = "concepts"  # the setting of those that are taught beside the one of [dataset]

CHUNK = 75  # tokens that the text encoders read at once, beside the first and the last, which are their own
