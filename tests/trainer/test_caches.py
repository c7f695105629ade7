"""A cache that cannot be written is no error: the run keeps what it needs in its own folder, or makes it again."""

from __future__ import annotations

import hashlib
import json
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL
from PIL import Image

from tests.trainer.conftest import make_config
from trainer.contract.basemodel.digests import file_digest
from trainer.contract.basemodel.inspect import small_model
from trainer.contract.run.events import EventLog
from trainer.contract.run.rundir import RunDir
from trainer.data.dataset import View, geometry, read_dataset
from trainer.data.latents import LatentCache
from trainer.ground.caches import caches_of
from trainer.model.parts import load_parts
from trainer.model.prompts import PromptCache


@contextmanager
def full_disk() -> Iterator[None]:
    """Names can be made, but no file can grow: what a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture
def blocked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache in which nothing can be made, whoever tries: a file stands in its place."""
    place = tmp_path / "blocked"
    place.write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(place))
    return place


def warned(run: RunDir) -> list[dict[str, Any]]:
    events = [json.loads(line) for line in run.events.read_text().splitlines()]
    return [one for one in events if one["type"] == "warn"]


def test_the_run_s_own_folder_takes_what_the_common_cache_does_not(tmp_path: Path, blocked: Path) -> None:
    run = RunDir(tmp_path / "run")
    run.path.mkdir()
    assert caches_of(run, EventLog(run.events)) == run.cache
    (said,) = warned(run)
    assert said["code"] == "cache-elsewhere" and str(blocked) in said["message"]


def test_a_full_disk_of_the_caches_is_found_before_the_first_latent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    run = RunDir(tmp_path / "run")
    run.path.mkdir()
    said: list[str] = []

    class Log:
        def emit(self, kind: str, **words: Any) -> None:
            said.append(words["message"])

    with full_disk():
        assert caches_of(run, Log()) == run.cache  # type: ignore[arg-type]
    assert len(said) == 1 and "the file is too large" in said[0]
    assert caches_of(run, Log()) == tmp_path / "cache" / "loratui" and len(said) == 1  # type: ignore[arg-type]


def test_latents_that_cannot_be_kept_are_encoded_again(tmp_path: Path, blocked: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8)).save(folder / "a.png")
    (item,) = read_dataset(make_config(folder))
    view = View(item, geometry(item, (64, 64), None, False), 1, 0)
    found = []
    for place in (blocked / "latents", tmp_path / "latents"):
        cache = LatentCache(place, "#ffffff")
        cache.use(AutoencoderKL.from_pretrained(small_model(), subfolder="vae"), torch.device("cpu"), "digest")
        cache.fill([view], lambda done, total: None)
        found.append(cache.get(view)["mean"])
    assert torch.equal(*found) and not (blocked / "latents").exists()


def test_prompts_and_digests_that_cannot_be_kept_are_made_again(tmp_path: Path, blocked: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    Image.new("RGB", (64, 64)).save(folder / "a.png")
    parts = load_parts(make_config(folder), torch.device("cpu"))
    cache = PromptCache(parts, blocked / "prompts")
    cache.add(["a cat"], keep=True)
    assert cache.get(["a cat"]).hidden.shape[:2] == (1, 77)
    assert file_digest(folder / "a.png") == hashlib.sha256((folder / "a.png").read_bytes()).hexdigest()
