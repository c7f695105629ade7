"""ZipLoRA keeps more of two concepts than their plain sum does, on pictures that neither was trained on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.trainer.merging.measure import PAIR, figures


@pytest.mark.slow
def test_a_learned_merge_is_nearer_to_each_lora_alone_than_the_plain_sum(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    found = figures(tmp_path, 0, 30, {"sum": ["--weights", "1", "1"], "ZipLoRA": ["--learned", "--steps", "24"]}, 6)
    for one in PAIR:
        lost = {way: losses[one] - found["alone"][one] for way, losses in found.items()}
        assert lost["base model"] > lost["sum"] > lost["ZipLoRA"] > 0, found
