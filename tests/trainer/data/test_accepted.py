"""A run that was told to train in spite of its captions does."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.trainer.conftest import draw_dataset, make_config, make_run, train
from trainer.contract.pictures.folder import list_pictures
from trainer.contract.pictures.problems import accept_key, severity_of


@pytest.mark.slow
def test_a_run_trains_with_every_kind_of_caption_problem_accepted(tmp_path: Path) -> None:
    folder = draw_dataset(tmp_path / "pictures")
    (folder / "0.txt").write_bytes(b"a TOK, caf\xe9")
    (folder / "1.txt").write_text("a TOK " * 20_000)
    (folder / "2.txt").unlink()
    (folder / "3.txt").rename(folder / "3.tags")
    (folder / "metadata.jsonl").write_text(
        'no row\n{"file_name": "gone.png", "prompt": "x"}\n{"file_name": "2.png", "prompt": ["a TOK", "TOK"]}\n'
    )
    problems = list_pictures(folder).problems
    assert {one.code for one in problems if severity_of(one) == "warn"} == {
        "caption-not-utf8", "caption-unreadable", "captions-unread", "caption-several", "metadata-bad-row",
        "metadata-without-picture",
    }  # fmt: skip
    accept = [accept_key(one.code, one.file) for one in problems]
    own = make_config(folder, dataset__accept=accept, train__steps=1, train__checkpoint_every=0, pivotal__enabled=False)
    events = train(make_run(tmp_path / "run", own))
    assert events[-1]["type"] == "end" and events[-1]["status"] == "completed"
