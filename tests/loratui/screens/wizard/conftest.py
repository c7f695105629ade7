"""A hub that knows SDXL, its VAE and the captioners: what is planned can be had, and nothing of it is fetched."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import OptionList

from loratui.app import LoratuiApp
from tests.hubserver import serving
from tests.loratui.screens.conftest import at, on_row, screen_text, until
from trainer.contract.captioning.known import KNOWN
from trainer.contract.settings.model import SDXL

VAE = "madebyollin/sdxl-vae-fp16-fix"
SIZES = {
    "unet/diffusion_pytorch_model.fp16.safetensors": 5_135_149_760,
    "text_encoder/model.fp16.safetensors": 246_144_152,
    "text_encoder_2/model.fp16.safetensors": 1_389_382_176,
}
ABOUT = {
    SDXL: {"siblings": [{"rfilename": name, "size": size} for name, size in SIZES.items()]},
    VAE: {"siblings": [{"rfilename": "diffusion_pytorch_model.safetensors", "size": 334_643_268}]},
}


@pytest.fixture(scope="session")
def sdxl_hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Its address."""
    nothing = tmp_path_factory.mktemp("hub")
    with serving(dict.fromkeys([SDXL, VAE, *(one.repo for one in KNOWN.values())], nothing), about=ABOUT) as hub:
        yield hub.url


@pytest.fixture(autouse=True)
def own_hub(own_place: Path, sdxl_hub: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hub of these tests, asked by none of them yet."""
    monkeypatch.setenv("HF_ENDPOINT", sdxl_hub)


def read(app: LoratuiApp) -> str:
    """What the screen says, as one line."""
    return " ".join(screen_text(app).replace("│", " ").split())


async def solve(pilot: Pilot[Any], screen: Any, row: str, offer: str) -> None:
    """Take what begins with `offer` for the finding of `row`."""
    await on_row(pilot, screen, row)
    await pilot.press("s")
    chooser = await at(pilot, "Chooser")
    words = [shown.plain for _, shown in chooser._lines]
    chooser.query_one(OptionList).highlighted = next(n for n, one in enumerate(words) if one.startswith(offer))
    await pilot.press("enter")
    await until(pilot, lambda: pilot.app.screen is not chooser)
