"""A home that cannot be written, or that nobody knows: everything works, and nothing is remembered."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from loratui.basemodels.hub import remembered
from loratui.curation.scan import ScanSettings, scan
from loratui.planning.past_runs import gather
from loratui.recovery.doctor import checks
from loratui.settings.drafts.draft import Draft
from loratui.settings.drafts.store import DraftStore, state_dir
from loratui.settings.own_presets import found_presets
from loratui.settings.preferences import keep_shade, shade
from loratui.settings.recent_bases import recent_bases, remember_base
from loratui.settings.recents import recent_sources, remember
from loratui.terminal.text import show_path
from tests.hubplace import hub_at
from trainer.contract.run.rundir import cache_folder, home_folder

NAMES = ("XDG_CACHE_HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "HF_HOME", "HF_HUB_CACHE")
PLAIN = ("-dac_override", "-dac_read_search", "-fowner")  # root's rights to look everywhere


def use_everything(pictures: Path, runs: Path) -> None:
    """All that reads or writes something of the person's home; raises what must not be raised."""
    Image.new("RGB", (200, 200), "red").save(pictures / "a.png")
    assert len(scan(pictures, ScanSettings(resolution=64)).pictures) == 1
    keep_shade("light")
    remember_base("owner/model")
    remember(str(pictures))
    store = DraftStore()
    said = store.save(Draft(values={"name": "dog"}))
    assert said.startswith("The draft could not be saved") and said.count("\n") == 0
    assert store.all().kept == () and recent_bases() == [] and recent_sources() == ()
    assert shade() in ("dark", "light") and found_presets().presets == () and remembered("owner/model") is None
    assert gather(runs).runs == ()
    assert {one.name for one in checks()} >= {"hub login", "terminal"}


@pytest.fixture
def places(tmp_path: Path) -> tuple[Path, Path]:
    (tmp_path / "set").mkdir()
    (tmp_path / "runs").mkdir()
    return tmp_path / "set", tmp_path / "runs"


def test_a_home_in_which_nothing_can_be_made(
    tmp_path: Path, places: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "home").write_text("")
    hub_at(monkeypatch, tmp_path / "home" / ".cache" / "huggingface")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    use_everything(*places)


def test_a_home_that_nobody_knows(places: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(number: int) -> None:
        raise KeyError(number)

    hub_at(monkeypatch, Path("/nonexistent"))
    for name in ("HOME", *NAMES):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", nobody)
    assert home_folder() == Path("/nonexistent") and show_path("/tmp/a") == "/tmp/a"
    for place in (cache_folder(), state_dir()):
        assert place.is_relative_to("/nonexistent")


@pytest.mark.slow
def test_a_home_that_is_another_s(tmp_path: Path, places: tuple[Path, Path]) -> None:
    home = tmp_path / "home"
    (home / ".cache").mkdir(parents=True)
    home.chmod(0)
    command = [
        sys.executable,
        "-c",
        f"from {__name__} import *; use_everything(Path({str(places[0])!r}), Path('runs'))",
    ]
    if os.geteuid() == 0:
        if shutil.which("setpriv") is None:
            pytest.skip("root looks everywhere, and there is no setpriv to make it as others are")
        rights = ",".join(PLAIN)
        command = ["setpriv", f"--bounding-set={rights}", f"--inh-caps={rights}", *command]
    environment = {name: value for name, value in os.environ.items() if name not in NAMES} | {"HOME": str(home)}
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)
    finally:
        home.chmod(0o700)
    assert done.returncode == 0, done.stderr
