"""The result's head and the uses of its files, in as many cells as there are."""

from __future__ import annotations

from pathlib import Path

from loratui.results.facts import read_history
from loratui.results.usage import Usage
from loratui.screens.results.result_words import head, usage_line
from tests.loratui.screens.results.test_result import make_run


def test_a_head_leaves_out_whole_figures_and_a_use_goes_on_in_its_column(own_place: Path) -> None:
    history = read_history(make_run(own_place / "runs" / "2026-11-23-1000-dog"))
    parts = head(history, "x", 300).plain.split(" · ")
    for width in range(20, 120):
        shown = head(history, "x", width).plain
        assert shown.split(" · ") == parts[: len(shown.split(" · "))] or " · " not in shown
        assert len(shown) <= width or " · " not in shown
    use = Usage("ComfyUI", "a photo of an embedding:dog_emb dog on a green meadow", "models/embeddings; prompt")
    for width in (50, 78, 200):
        first, *below = usage_line(use, width).plain.split("\n")
        assert first.startswith("  ComfyUI") and all(one.startswith(" " * 24) for one in below)
        assert max(map(len, (first, *below))) <= width
        assert "".join((first + " ".join(below)).split()) == "".join(f"  ComfyUI{use.note}: {use.copied}".split())
