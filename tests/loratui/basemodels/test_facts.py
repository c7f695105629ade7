"""What is said of a base model before a run: on this disk or not, how much is missing, its licence and gate."""

from __future__ import annotations

import io
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from loratui.basemodels.captioners import download_of, trouble_of
from loratui.basemodels.facts import BaseModelNeed, ask_missing, cached_models, look, look_vae
from loratui.basemodels.hub import HubFacts, HubSilent, ask, remembered
from loratui.basemodels.words import base_errors, base_rows, base_warnings
from loratui.commands.follow import follow
from loratui.events.history import History
from loratui.recovery.doctor import checks
from loratui.screens.monitor.run_words import head, state_of
from loratui.settings.recent_bases import MOST, recent_bases, remember_base
from tests.hubplace import hub_at
from tests.hubserver import SHA, files_of, serving
from tests.loratui.conftest import LoraTUI
from tests.loratui.screens.conftest import fake_run
from trainer.contract.basemodel.inspect import small_model
from trainer.contract.captioning.known import KNOWN
from trainer.contract.captioning.tokens import TokenCount, caption_counter
from trainer.contract.run.events import Tail
from trainer.contract.settings.config import SDXL, SDXL_VAE, TrainConfig, flat, nested

NAME = "owner/small-sdxl"
FREE = shutil.disk_usage


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A hub cache and a state of its own."""
    hub_at(monkeypatch, tmp_path / "hf")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path


def cache(home: Path, name: str, source: Path, left_out: tuple[str, ...] = ()) -> Path:
    """What the hub's library leaves of `source` after a download: blobs, and a snapshot of links to them."""
    repository = home / "hf" / "hub" / f"models--{name.replace('/', '--')}"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(SHA)
    (repository / "blobs").mkdir()
    for number, file in enumerate(files_of(source)):
        if file not in left_out:
            shutil.copy(source / file, repository / "blobs" / f"{number:040x}")
            link = repository / "snapshots" / SHA / file
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(os.path.relpath(repository / "blobs" / f"{number:040x}", link.parent))
    return repository / "snapshots" / SHA


def config(**own: Any) -> TrainConfig:
    values = {"name": "x", "dataset.path": "/x"} | {key.replace("__", "."): value for key, value in own.items()}
    return TrainConfig.model_validate(nested(values))


def weights(folder: Path) -> int:
    return sum((folder / one).stat().st_size for one in files_of(folder) if "/" in one)


def test_what_lies_on_this_disk_is_known_without_asking(own_home: Path) -> None:
    shipped = look("sdxl-small", BaseModelNeed())
    assert shipped.here and shipped.kind == "shipped" and shipped.size == weights(small_model())
    folder = own_home / "mine"
    shutil.copytree(small_model(), folder)
    (folder / "README.md").write_text('---\ntags: [a]\nlicense: other\nlicense_name: "fair-ai"\n---\nlicense: no\n')
    found = look(str(folder), BaseModelNeed())
    assert found.here and found.kind == "folder" and found.licence == "fair-ai" and found.size == weights(folder)
    (folder / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    broken = look(str(folder), BaseModelNeed())
    assert not broken.here and "unet/diffusion_pytorch_model.safetensors missing" in broken.trouble
    assert "nothing is there; look at the path" in look("./nowhere", BaseModelNeed()).trouble


def test_the_hubs_cache_is_looked_into_file_by_file(own_home: Path) -> None:
    lost = "text_encoder_2/model.safetensors"
    there = cache(own_home, NAME, small_model(), left_out=(lost,))
    found = look(NAME, BaseModelNeed())
    assert not found.here and found.begun and not found.counted and found.trouble == ""
    assert list(cached_models()) == [(NAME, False)]
    shutil.copy(small_model() / lost, there / lost)
    (there / "README.md").write_text("---\nlicense: openrail++\n---\n")
    whole = look(NAME, BaseModelNeed())
    assert whole.here and whole.licence == "openrail++" and whole.size == weights(small_model())
    assert list(cached_models()) == [(NAME, True)]
    # with another VAE the model's own is not missed, without one it is
    shutil.rmtree(there / "vae")
    (there / "vae").mkdir()
    shutil.copy(small_model() / "vae" / "config.json", there / "vae")
    assert look(NAME, BaseModelNeed(vae="owner/vae")).here and not look(NAME, BaseModelNeed()).here


def test_the_hub_is_asked_once_and_its_answer_kept(own_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    about = {NAME: {"gated": "manual", "cardData": {"license": "other", "license_name": "\x1b[31mfair"}}}
    cache(own_home, NAME, small_model(), left_out=("unet/diffusion_pytorch_model.safetensors",))
    with serving({NAME: small_model()}, about=about) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        told = ask(NAME)
        assert [one for one in hub.asked if NAME in one] == [f"GET /api/models/{NAME}"]
    assert told == remembered(NAME) and told.gated and told.licence == "\x1b[31mfair"
    found = look(NAME, BaseModelNeed())
    assert found.counted and found.gated
    assert found.download == (small_model() / "unet" / "diffusion_pytorch_model.safetensors").stat().st_size
    rows = {label: (value, note) for label, value, note in base_rows(config(model__base=NAME))}
    assert rows["model"][0].endswith(" MB more") and "about" not in rows["model"][0]
    assert rows["gated"][0] == "yes: accept its terms first" and "hf auth login" in rows["gated"][1]
    assert f"https://huggingface.co/{NAME}" in rows["gated"][1]
    assert any("is gated; unless you have done so" in one for one in base_warnings(config(model__base=NAME)))
    assert ask_missing(flat(config(model__base=NAME))) is False  # it is known, and nothing answers any more


@pytest.mark.parametrize(
    ("mute", "name", "said"), [(False, "owner/none", "no such model"), (True, NAME, "cannot be reached")]
)
def test_a_hub_that_does_not_say_is_a_sentence_and_no_wait(
    mute: bool, name: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving({NAME: small_model()}, mute=mute) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        with pytest.raises(HubSilent, match=said):
            ask(name, patience=0.3)
    assert remembered(name) is None


def test_a_model_without_safetensors_on_the_hub_cannot_be_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "pickled" / "unet").mkdir(parents=True)
    (tmp_path / "pickled" / "unet" / "diffusion_pytorch_model.bin").write_bytes(b"x")
    with serving({NAME: tmp_path / "pickled"}) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        ask(NAME)
    assert "no .safetensors" in look(NAME, BaseModelNeed()).trouble
    assert any("no .safetensors" in one for one in base_errors(config(model__base=NAME)))


def test_the_plan_reckons_sdxl_before_the_hub_was_asked_and_leaves_out_what_is_not_read() -> None:
    half, full = look(SDXL, BaseModelNeed()), look(SDXL, BaseModelNeed(half=False))
    # unet and both text encoders of SDXL at 2 bytes a number; its own VAE is not downloaded
    assert half.download == 2 * (2_567_463_684 + 123_060_480 + 694_659_840) and full.download == 2 * half.download
    vae = look_vae(SDXL, BaseModelNeed())
    assert vae is not None and vae.value == SDXL_VAE and look_vae("owner/other", BaseModelNeed()) is None
    rows = base_rows(config())
    assert [label for label, _, _ in rows] == ["model", "VAE", "free", "licence", "gated"]
    assert rows[0][1] == "download about 6.8 GB" and rows[4][1] == "not asked yet"
    assert base_rows(config(model__base="sdxl-small", dataset__trigger="TOK")) == ()


def test_a_disk_that_is_too_small_forbids_the_start(own_home: Path) -> None:
    from loratui.basemodels.hub import _keep

    assert base_errors(config()) == [] or FREE(own_home).free < 9e9
    _keep(NAME, HubFacts({"unet/diffusion_pytorch_model.safetensors": FREE(own_home).free}, "", False))
    (error,) = base_errors(config(model__base=NAME))
    assert error.startswith("model.base: ") and "are to be downloaded" in error and "HF_HOME" in error
    # what is here needs no room
    cache(own_home, NAME, small_model())
    assert base_errors(config(model__base=NAME)) == []


def test_a_model_that_cannot_be_had_is_told_with_what_to_do_wherever_it_is_said(
    own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Connect, or take what is here: of a base model, of a captioner by command and in the wizard."""
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    ask_missing(flat(TrainConfig()), again=True)
    by_option = download_of("florence-2")
    assert by_option is not None
    told = [*base_errors(TrainConfig()), by_option.trouble, trouble_of(KNOWN["florence-2"])]
    for one, other in zip(told, ("sdxl-small", "--endpoint", "the folder of one"), strict=True):
        assert "is not completely on this disk, and the hub cannot be reached; connect this machine to the" in one
        assert " and try again, or " in one and other in one


def test_where_the_hub_is_switched_off_that_is_what_is_to_be_undone(
    loratui: LoraTUI, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(environment, "HF_HUB_OFFLINE", "1")
    told = " ".join(loratui("doctor").stdout.split())
    assert "HF_HUB_OFFLINE is set, so the hub was not asked; unset HF_HUB_OFFLINE and try again, or choose" in told


def test_the_doctor_names_the_models_on_this_disk(own_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def said() -> list[tuple[str, bool, str]]:
        return [(one.found, one.ok, one.remedy) for one in checks() if one.name == "base model"]

    with serving({SDXL: small_model(), SDXL_VAE: small_model() / "vae"}) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        assert said() == [("none on disk yet; a run on SDXL downloads about 7 GB first", True, "")]
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # gone: what the plan would say is said here too
    assert said() == [("none on disk", False, *base_errors(TrainConfig()))] and "cannot be reached" in said()[0][2]
    cache(own_home, NAME, small_model())
    assert [one.found for one in checks() if one.name == "base model"] == [f"{NAME} on disk"]


def test_a_download_is_told_in_bytes_by_the_monitor_and_by_the_lines(tmp_path: Path) -> None:
    run = fake_run(
        tmp_path / "run",
        [
            {"type": "run", "v": 1, "pid": 1, "host": "h", "name": "dog", "steps": 9, "resumed_from": None},
            {"type": "phase", "name": "load", "done": 0, "total": 3},
            {"type": "phase", "name": "download", "done": 0, "total": 6_900_000_000},
            {"type": "phase", "name": "download", "done": 2_100_000_000, "total": 6_900_000_000},
        ],
    )
    history = History()
    history.absorb(Tail(run.events).read())
    shown = head(history, state_of(history, alive=True), 80, "dog").plain
    assert "downloading the base model" in shown and "2.1 of 6.9 GB · 30 %" in shown
    out = io.StringIO()
    follow(run, out, until_end=False)
    assert "downloading the base model ..." in out.getvalue()


def test_captions_for_a_single_checkpoint_are_counted_by_clips_own_vocabulary(tmp_path: Path) -> None:
    path = tmp_path / "own.safetensors"
    path.write_bytes(b"")
    assert caption_counter(str(path), "TOK", 0)("an astronaut riding a horse") == TokenCount(5, True)


def test_models_given_by_hand_are_remembered_while_they_exist(own_home: Path) -> None:
    gone = own_home / "gone.safetensors"
    gone.write_bytes(b"")
    for value in (str(gone), *(f"owner/model{number}" for number in range(MOST))):
        remember_base(value)
    assert recent_bases() == [f"owner/model{number}" for number in reversed(range(MOST))]
    remember_base(str(gone))
    assert recent_bases()[0] == str(gone) and len(recent_bases()) == MOST
    gone.unlink()
    assert recent_bases()[0] == f"owner/model{MOST - 1}"
    (own_home / "state" / "loratui" / "bases.json").write_text("{broken")
    assert recent_bases() == []
