"""A run with sample.count = 0 draws nothing: not at its start, not at its end, not when asked, and ends as all do."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.trainer.begun import begun_run, of
from tests.trainer.conftest import make_config, make_run, train
from trainer.contract.run.added_prompts import AddedPrompt, AddedPrompts, write_added
from trainer.contract.run.control import send
from trainer.contract.run.events import Tail
from trainer.contract.run.exports import DIFFUSERS
from trainer.contract.settings.tracking import NO_SAMPLES

pytestmark = pytest.mark.slow


def test_nothing_is_drawn_and_the_rest_is_as_in_any_run(pictures: Path, tmp_path: Path) -> None:
    """Also where a prompt was added before the pictures were switched off; the files are those of a run that draws."""
    own = {"train__steps": 4, "train__sample_every": 2, "train__checkpoint_every": 2, "sample__at_start": True}
    run = make_run(tmp_path / "off", make_config(pictures, **own, sample__count=0))
    write_added(run, AddedPrompts((AddedPrompt(1, "a TOK at night", True),)))
    events = train(run)
    assert not of(events, "sample") and not of(events, "warn")
    assert "sample" not in {one["name"] for one in of(events, "phase")}
    assert not list(run.samples.iterdir())
    drawing = make_run(tmp_path / "on", make_config(pictures, **own))
    assert {one["step"] for one in of(train(drawing), "sample")} == {0, 2, 4}
    assert (run.export / DIFFUSERS).read_bytes() == (drawing.export / DIFFUSERS).read_bytes()
    card = (run.export / "README.md").read_text()
    assert "widget" not in card and "![" not in card and 'picture.save("picture.png")' in card


def test_who_asks_for_one_is_told_why_there_is_none(pictures: Path, tmp_path: Path) -> None:
    own = make_config(pictures, train__steps=2000, sample__count=0, sample__at_start=True)
    with begun_run(tmp_path, own, lambda events: bool(of(events, "step"))) as (run, process):
        keys = [send(run, "sample"), send(run, "sample", prompt="a TOK", keep=True)]
        send(run, "abort")
        process.wait(60)
        told = {one["id"]: one for one in of(Tail(run.events).read(), "command")}
        for key in keys:
            assert not told[key]["ok"] and told[key]["message"].startswith(NO_SAMPLES)
        assert not list(run.samples.iterdir()) and not run.prompts.exists()
