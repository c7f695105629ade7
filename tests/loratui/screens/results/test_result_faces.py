"""Of a face run the result lays the samples beside the training pictures, when it has looked at them."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from loratui.app import LoratuiApp
from tests.loratui.curation.conftest import PHOTOS, needs_photos
from tests.loratui.results.test_identity import needs_identity
from tests.loratui.screens.conftest import at, screen_text, until
from tests.loratui.screens.results.test_result import make_run
from trainer.contract.settings.config import TrainConfig, dump_config

HOUSE = PHOTOS / "whitehouse"


@needs_photos
@needs_identity
@pytest.mark.slow
async def test_the_column_of_the_face_comes_beside_the_loss(own_place: Path) -> None:
    run = make_run(own_place / "runs" / "2026-11-23-1000-her")
    for step, name in ((0, "biden2.jpg"), (30, "biden2.jpg"), (100, "obama2.jpg")):
        with Image.open(HOUSE / name) as photo:
            photo.convert("RGB").save(run.samples / f"{step:06d}-0.png")
    pictures = own_place / "pictures"
    pictures.mkdir()
    for name in ("obama.jpg", "obama1.jpg"):
        (pictures / name).write_bytes((HOUSE / name).read_bytes())
    config = {"name": "her", "kind": "face", "dataset": {"path": str(pictures)}}
    run.config.write_text(dump_config(TrainConfig.model_validate(config)))
    app = LoratuiApp(run=run)
    async with app.run_test(size=(120, 36)) as pilot:
        await at(pilot, "MonitorScreen")
        await pilot.press("enter")
        screen = await at(pilot, "ResultScreen")
        await until(pilot, lambda: screen.faces is not None)
        await pilot.press("c")
        await pilot.pause()
        said = screen.faces.by_step
        assert said[30] < 0.363 < said[100] and screen.query_one("#point-list").has_focus
        shown = screen_text(app)
        assert "views    face" in shown and f"{said[100]:.2f}" in shown
        words = str(screen.query_one("#point-words").render())
        assert "most like the training pictures at step 100." in words
