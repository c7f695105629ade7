"""What no name and no prompt can hold is refused where it is read, and never raised where it is used."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from loratui.settings.drafts.draft import Draft
from loratui.settings.drafts.store import DraftStore
from loratui.settings.problems import AnswersError, validated
from tests.loratui.conftest import LoraTUI
from trainer.contract.settings.config import SETTINGS, load_config
from trainer.contract.settings.fields import OF_FILES

NUL, HALF, LATIN = "/a\0b", "/a\ud800b", "/caf\udce9"
TEXTS = [one for one in SETTINGS if one.kind in ("str", "list")]


@pytest.mark.parametrize("one", TEXTS, ids=lambda one: one.key)
@pytest.mark.parametrize("text", [NUL, HALF, LATIN], ids=["nul", "half", "latin"])
def test_no_text_that_nothing_can_read_is_a_setting(one, text: str) -> None:  # type: ignore[no-untyped-def]
    value = text if one.kind == "str" else (text,)
    values = {"name": "x", "dataset.path": "/pictures", one.key: value}
    if text == LATIN and one.key.rpartition(".")[2] in OF_FILES:  # a folder that was named on an old machine
        assert validated(values, str)
        return
    with pytest.raises(AnswersError, match=f"{one.key}: it holds"):
        validated(values, str)


@pytest.mark.parametrize("key", ["dataset.path", "model.base"])
@pytest.mark.parametrize("text", [NUL, HALF])
def test_a_draft_that_holds_it_opens_without_it(tmp_path: Path, key: str, text: str) -> None:
    store = DraftStore(tmp_path)
    (tmp_path / "drafts").mkdir(parents=True)
    held = Draft(values={"train.rank": 8, key: text}, out=text)
    (tmp_path / "drafts" / "draft-one.json").write_text(json.dumps(asdict(held)))
    loaded = store.take("one")
    assert loaded.draft == Draft(values={"train.rank": 8}) and loaded.trouble


@pytest.mark.parametrize("line", ['[dataset]\npath = "/a\\u0000b"', '[model]\nbase = "/a\\u0000b"'])
def test_a_plan_says_it_and_so_does_the_trainer(loratui: LoraTUI, tmp_path: Path, line: str) -> None:
    (tmp_path / "a.toml").write_text(f'schema = 1\npreset = "object"\nname = "x"\n{line}\n')
    done = loratui("plan", "a.toml")
    assert done.returncode == 2 and "it holds a NUL character" in done.stderr and "Traceback" not in done.stderr
    (tmp_path / "config.toml").write_text(f"{line}\n")
    with pytest.raises(ValueError, match="NUL"):
        load_config(tmp_path / "config.toml")
