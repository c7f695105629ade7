"""The wall: each picture in its place, whatever the axes are; the page needs nothing beside it and runs nothing."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from loratui.errors import Refusal
from loratui.settings.answers import Answers
from loratui.sweeps.declaration import Sweep, declared, grid_axis
from loratui.sweeps.points import Point, points
from loratui.sweeps.progress import point_runs
from loratui.sweeps.results import Mark, results
from loratui.sweeps.wall import SweepWall, WallBlock, make_wall, prompts
from loratui.sweeps.wall_files import draw_wall, page, write_page, write_png
from loratui.widgets.sweepgrid import cell_words
from trainer.contract.run.events import EventLog
from trainer.contract.run.rundir import RunDir
from trainer.contract.settings.config import TrainConfig, dump_config
from trainer.contract.settings.tracking import NO_SAMPLES

EVIL = "a TOK <script>alert(1)</script>\x1b[31m"
RANK, OPTIMIZER, STEPS = (
    grid_axis(one) for one in ("train.rank=2,4", "train.optimizer=prodigy,adamw", "train.steps=5,6")
)


def colour(point: Point) -> tuple[int, int, int]:
    return 10 * point.number, 255 - 10 * point.number, 100


def drawn(root: Path, sweep: Sweep, but: tuple[int, ...] = ()) -> SweepWall:
    """A run with two pictures for each point, one of its own colour; those in `but` have none."""
    for point in points(sweep):
        run = RunDir(root / point.name)
        run.samples.mkdir(parents=True)
        config = TrainConfig(name=point.name)
        run.config.write_text(dump_config(config))
        log = EventLog(run.events)
        log.emit("run", v=1, name=point.name, steps=5)
        for step, shown in ((0, (0, 0, 0)), (5, colour(point))):
            if point.number in but and step:
                continue
            for ending in ("png", "jpg"):
                Image.new("RGB", (64, 64), shown).save(run.samples / f"{step:06d}-0.{ending}", quality=95)
            path, thumb = f"samples/{step:06d}-0.png", f"samples/{step:06d}-0.jpg"
            log.emit("sample", step=step, index=0, prompt=EVIL, seed=1, path=path, thumb=thumb)
        log.close()
    return make_wall(results(sweep, point_runs(sweep, root)))


def numbers(wall: SweepWall) -> list[list[list[int]]]:
    return [[[cell.one.point.number for cell in row] for row in block.cells] for block in wall.blocks]


def test_the_first_axis_lies_down_and_the_second_across(root: Path) -> None:
    wall = drawn(root, declared("s", Answers(), [RANK, OPTIMIZER]))
    assert numbers(wall) == [[[1, 2], [3, 4]]]
    assert wall.blocks[0].rows == ("rank 2", "rank 4") and wall.blocks[0].columns[0] == "optimizer prodigy"
    assert wall.base is not None and wall.words == "a TOK <script>alert(1)</script>␛[31m"


def test_other_axes_are_blocks_and_seeds_lie_where_there_is_room(root: Path) -> None:
    three = declared("s", Answers(), [RANK, OPTIMIZER, STEPS])
    wall = drawn(root, three)
    assert numbers(wall) == [[[1, 3], [5, 7]], [[2, 4], [6, 8]]]
    assert [block.title for block in wall.blocks] == ["steps 5", "steps 6"]
    found = results(three, point_runs(three, root))
    assert numbers(make_wall(found, 0, "train.steps", "train.rank"))[0] == [[1, 5], [2, 6]]
    assert make_wall(found, 0, "", "train.rank").blocks[0].rows == ("optimizer prodigy", "optimizer adamw")
    with pytest.raises(Refusal, match=r"did you mean 'train\.rank'"):
        make_wall(found, 0, "train.rnk")
    with pytest.raises(Refusal, match="are one axis"):
        make_wall(found, 0, "train.rank", "train.rank")
    seeded = declared("t", Answers(), [RANK], 2)
    assert numbers(drawn(root, seeded)) == [[[1, 3], [2, 4]]]
    assert drawn(root, declared("u", Answers(), [RANK])).blocks[0].rows == ("",)
    alone = drawn(root, declared("v", Answers(), [], 2))
    assert alone.blocks[0].columns == ("seed 0", "seed 1")


def test_the_png_shows_every_picture_in_its_place(root: Path) -> None:
    sweep = declared("s", Answers(), [RANK, OPTIMIZER])
    wall = drawn(root, sweep, but=(4,))
    write_png(wall, root / "wall.png")
    with Image.open(root / "wall.png") as image:
        sheet = image.convert("RGB")
    seen = {pixel for _, pixel in sheet.getcolors(1 << 24) or []}
    shown = [point.number for point in points(sweep) if colour(point) in seen]
    assert shown == [1, 2, 3]
    assert draw_wall(replace(wall, blocks=wall.blocks * 3)).height > sheet.height


def test_a_row_is_marked_as_in_the_table(root: Path) -> None:
    """The lowest alone would look chosen where the table says that another is level with it."""
    wall = drawn(root, declared("s", Answers(), [RANK, OPTIMIZER]))
    marks: list[Mark] = ["best", "level", "", ""]
    row = tuple(replace(one, mark=mark) for one, mark in zip(sum(wall.blocks[0].cells, ()), marks, strict=True))
    block = WallBlock("", ("rank 2",), ("a", "b", "c", "d"), (row,))
    words = row[0].words
    said = [cell_words(block, 0, one) for one in row]
    assert said == [f"★ rank 2: {words}", f"≈ rank 2: {words}", *[f"rank 2: {words}"] * 2]
    marked = replace(wall, blocks=(block,))
    shown = re.findall(r"<td(.*?) title=.*?<span>(.*?)</span>", page([marked], []))
    assert [words for _, words in shown] == [f"{words}  lowest", f"{words}  level with it", words, words]
    assert [bool(green) for green, _ in shown] == [True, True, False, False]
    pixels = [
        dict((pixel, count) for count, pixel in draw_wall(one).getcolors(1 << 24) or [])
        for one in (replace(wall, blocks=(replace(block, cells=((row[0], *row[2:], row[2]),)),)), marked)
    ]
    green = (0x2E, 0x7D, 0x32)
    assert pixels[1][green] > 1.9 * pixels[0][green] > 0


def test_the_page_is_whole_in_itself_and_what_is_from_outside_are_words(root: Path) -> None:
    wall = drawn(root, declared("s", Answers(), [RANK, OPTIMIZER]))
    found = page([wall], ["a < table"])
    assert "<script" not in found and "\x1b" not in found and html.escape("<script>alert(1)</script>") in found
    assert found.count("data:image/jpeg;base64,") == 5 and "a &lt; table" in found
    assert not re.search(r"(?:src|href)=\"(?!data:)", found) and "default-src 'none'" in found


def test_a_link_that_leads_out_of_a_run_is_not_shown(root: Path, draw_picture: Callable[..., Path]) -> None:
    sweep = declared("s", Answers(), [RANK])
    drawn(root, sweep)
    outside = draw_picture(root / "secret.png", 1)
    for one in sorted(root.glob("s-01*/samples/000005-0.*")):
        one.unlink()
        one.symlink_to(outside)
    wall = make_wall(results(sweep, point_runs(sweep, root)))
    assert page([wall], []).count("data:image/jpeg") == 2  # the base model's, and the other run's
    with pytest.raises(Refusal, match="cannot be written"):
        write_page([wall], [], root / "nowhere" / "wall.html")


def test_where_no_run_draws_pictures_the_wall_says_so(root: Path) -> None:
    """And not that there are none yet."""
    sweep = declared("s", Answers(), [RANK])

    def wall() -> SweepWall:
        return make_wall(results(sweep, point_runs(sweep, root)))

    assert wall().words == "no pictures yet"  # none is begun
    for count, words in ((0, NO_SAMPLES), (1, "no pictures yet")):
        for point in points(sweep):
            run = RunDir(root / point.name)
            run.path.mkdir(parents=True, exist_ok=True)
            config = TrainConfig.model_validate({"name": point.name, "sample": {"count": count}})
            run.config.write_text(dump_config(config))
            log = EventLog(run.events)
            log.emit("run", v=1, name=point.name, steps=5)
            log.close()
        assert wall().words == words and f"<h2>{words}</h2>" in page([wall()], [])
        assert wall().drawn is bool(count)


def test_prompts_are_those_of_all_runs(root: Path) -> None:
    sweep = declared("s", Answers(), [RANK])
    drawn(root, sweep)
    assert list(prompts(results(sweep, point_runs(sweep, root)))) == [0]
    assert prompts(results(sweep, point_runs(sweep, root / "nothing"))) == {}
