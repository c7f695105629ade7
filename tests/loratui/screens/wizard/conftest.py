"""A hub that knows SDXL and its VAE by name and size: what is planned can be had, and nothing of it is fetched."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hubserver import serving
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
    with serving({SDXL: nothing, VAE: nothing}, about=ABOUT) as hub:
        yield hub.url


@pytest.fixture(autouse=True)
def own_hub(own_place: Path, sdxl_hub: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hub of these tests, asked by none of them yet."""
    monkeypatch.setenv("HF_ENDPOINT", sdxl_hub)
