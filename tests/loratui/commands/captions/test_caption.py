"""`loratui caption` with real BLIP and Florence-2 of random weights: what is written, and what never is."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.loratui.commands.captions.captioners import WORDS, save_blip, save_florence
from tests.loratui.conftest import ROOT, LoraTUI
from trainer.captioner.__main__ import main
from trainer.captioner.files import CaptionFrame, find_work, write_new

pytestmark = pytest.mark.slow

Draw = Callable[..., Path]


@pytest.fixture(scope="session")
def blip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_blip(tmp_path_factory.mktemp("models") / "blip")


@pytest.fixture(scope="session")
def florence(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_florence(tmp_path_factory.mktemp("models") / "florence")


@pytest.fixture
def bare(tmp_path: Path, draw_picture: Draw) -> Path:
    """Three pictures without captions."""
    folder = tmp_path / "bare"
    folder.mkdir()
    for number in range(3):
        draw_picture(folder / f"{number}.png", number)
    return folder


Told = Callable[..., tuple[int, list[dict[str, Any]]]]


@pytest.fixture
def told(capfd: pytest.CaptureFixture[str]) -> Told:
    """Runs the captioner here; gives its exit code and events."""

    def run(*words: object) -> tuple[int, list[dict[str, Any]]]:
        code = main([str(word) for word in words])
        return code, [json.loads(line) for line in capfd.readouterr().out.splitlines() if line.startswith("{")]

    return run


def captions(folder: Path) -> dict[str, str]:
    return {one.name: one.read_text() for one in sorted(folder.glob("*.txt"))}


@pytest.mark.parametrize("kind", ["blip", "florence"])
def test_each_picture_gets_a_caption_with_the_trigger(
    told: Told, request: pytest.FixtureRequest, bare: Path, kind: str
) -> None:
    pixels = {one: one.read_bytes() for one in bare.iterdir()}
    code, events = told(bare, "--model", request.getfixturevalue(kind), "--max-tokens", 18, "--suffix", ", drawn")
    assert code == 0 and [one["type"] for one in events] == ["work", "load", *["caption"] * 3, "end"]
    assert list(captions(bare)) == ["0.txt", "1.txt", "2.txt"]
    for text in captions(bare).values():
        assert text.startswith("TOK, ") and text.endswith(", drawn\n")
        assert set(text[5:-8].split()) <= {*WORDS, "image", "is", "detail", "shown", "what", "."}, text
    assert all(one.read_bytes() == raw for one, raw in pixels.items())
    assert not [one for one in bare.iterdir() if one.name.startswith(".")]
    first = captions(bare)
    for one in bare.glob("*.txt"):
        one.unlink()
    told(bare, "--model", request.getfixturevalue(kind), "--max-tokens", 18, "--suffix", ", drawn")
    assert captions(bare) == first  # no draw, no seed: the same words again


def test_what_has_a_caption_is_left_alone(told: Told, blip: Path, bare: Path, draw_picture: Draw) -> None:
    (bare / "0.txt").write_bytes(b"\xef\xbb\xbfmine")
    (bare / "1.txt").write_bytes(b"")  # empty, but the person's
    (bare / "metadata.jsonl").write_text('{"file_name": "2.png", "prompt": "a row"}\n')
    draw_picture(bare / "3.png", 3)
    draw_picture(bare / "3.jpg", 4)  # both would be captioned by 3.txt
    code, events = told(bare, "--model", blip)
    left = {one["file"]: one["reason"] for one in events if one["type"] == "left"}
    assert code == 0 and set(left) == {"0.png", "1.png", "2.png", "3.png"}
    assert "not overwritten" in left["1.png"] and "metadata" in left["2.png"] and "shares 3.txt" in left["3.png"]
    assert (bare / "0.txt").read_bytes() == b"\xef\xbb\xbfmine" and (bare / "1.txt").read_bytes() == b""
    assert not (bare / "2.txt").exists() and (bare / "3.txt").exists()


def test_a_dry_run_loads_no_torch_and_writes_nothing(bare: Path, environment: dict[str, str]) -> None:
    code = (
        f"import sys\nfrom trainer.captioner.__main__ import main\n"
        f"code = main([{str(bare)!r}, '--dry-run', '--prefix', 'x'])\n"
        "print(code, sorted({'torch', 'transformers', 'PIL', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert lines[-1] == "0 []" and json.loads(lines[1])["caption"] == "TOK, x ..."
    assert captions(bare) == {}


@pytest.mark.parametrize("command", ["caption", "fix"])
def test_the_commands_load_no_training_library(command: str, bare: Path, environment: dict[str, str]) -> None:
    code = (
        f"import sys; sys.argv = ['loratui', {command!r}, {str(bare)!r}, '--dry-run']\n"
        "from loratui.cli import main\ntry: main()\nexcept SystemExit: pass\n"
        "print(sorted({'torch', 'transformers', 'diffusers', 'textual', 'safetensors'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_killed_it_leaves_whole_captions_and_goes_on(
    blip: Path, tmp_path: Path, draw_picture: Draw, environment: dict[str, str], told: Told
) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(12):
        draw_picture(folder / f"{number:02}.png", number % 10)
    command = [sys.executable, "-m", "trainer.captioner", str(folder), "--model", str(blip)]
    with subprocess.Popen(command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        while '"caption"' not in child.stdout.readline():
            assert child.poll() is None
        child.kill()
    written = captions(folder)
    assert len(written) >= 1 and all(text.startswith("TOK, ") and text.endswith("\n") for text in written.values())
    code, events = told(folder, "--model", blip)
    assert code == 0 and events[0]["wanted"] == 12 - len(written)
    assert len(captions(folder)) == 12 and captions(folder).items() >= written.items()


def test_a_broken_picture_is_named_and_the_others_are_captioned(told: Told, blip: Path, bare: Path) -> None:
    (bare / "1.png").write_bytes(b"no picture")
    code, events = told(bare, "--model", blip)
    (failed,) = (one for one in events if one["type"] == "failed")
    assert code == 3 and failed["file"] == "1.png" and "not a picture" in failed["reason"]
    assert list(captions(bare)) == ["0.txt", "2.txt"]


def _without_weights(folder: Path) -> str:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    return "holds no .safetensors file"


def _another_kind(folder: Path) -> str:
    (folder / "config.json").write_text('{"model_type": "gpt2"}')
    return "captions come from qwen3_vl or llava or blip or florence2"


def _half_the_weights(folder: Path) -> str:
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    save_file({key: one for key, one in weights.items() if "decoder" not in key}, folder / "model.safetensors")
    return "weights missing"


def _cut_weights(folder: Path) -> str:
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[:2000])
    return "cannot be loaded"


def _with_code(folder: Path) -> str:
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "evil", "auto_map": {"AutoConfig": "evil.Config"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "evil.py").write_text(f"open({str(folder / 'ran')!r}, 'w')\nclass Config: pass\n")
    return "of type 'evil'"


@pytest.mark.parametrize(
    "damage",
    [_without_weights, _another_kind, _half_the_weights, _cut_weights, _with_code],
    ids=lambda one: one.__name__,
)
def test_a_model_that_cannot_caption_is_a_sentence(
    told: Told, tmp_path: Path, bare: Path, damage: Callable[[Path], str]
) -> None:
    folder = save_blip(tmp_path / "damaged")
    said = damage(folder)
    code, events = told(bare, "--model", folder)
    assert code == 2 and events[-1]["type"] == "error" and said in events[-1]["message"]
    assert captions(bare) == {} and not (folder / "ran").exists()


def test_two_captioners_in_one_folder_do_not_meet(told: Told, blip: Path, bare: Path) -> None:
    held = os.open(bare, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    code, events = told(bare, "--model", blip)
    os.close(held)
    assert code == 5 and "another captioner works" in events[-1]["message"] and captions(bare) == {}


@pytest.mark.parametrize("links", [True, False])
def test_a_caption_is_never_written_over_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool) -> None:
    if not links:  # as on FAT and some network file systems

        def refuse(*_: object, **__: object) -> None:
            raise OSError(errno.EPERM, "no links here")

        monkeypatch.setattr(os, "link", refuse)
    path = tmp_path / "a.txt"
    assert write_new(path, "first") and not write_new(path, "second")
    assert path.read_text() == "first\n" and [one.name for one in tmp_path.iterdir()] == ["a.txt"]


@pytest.mark.parametrize(
    ("frame", "whole"),
    [
        (CaptionFrame("TOK"), "TOK, a dog"),
        (CaptionFrame("TOK", "a photo of TOK,"), "a photo of TOK, a dog"),
        (CaptionFrame("TOK", "", ", in the style of TOK"), "a dog, in the style of TOK"),
        (CaptionFrame("TOK", "a TOKEN,"), "TOK, a TOKEN, a dog"),
        (CaptionFrame("", "a photo of"), "a photo of a dog"),
        (CaptionFrame("TOK, SKS"), "TOK, a dog"),
    ],
)
def test_the_trigger_stands_in_every_frame(frame: CaptionFrame, whole: str) -> None:
    assert frame.around("a dog") == whole


def test_links_to_nowhere_are_not_followed_by_a_write(bare: Path, tmp_path: Path) -> None:
    (bare / "0.txt").symlink_to(tmp_path / "elsewhere.txt")
    assert [one.name for one in find_work(bare).wanted] == ["1.png", "2.png"]
    assert not write_new(bare / "0.txt", "x") and not (tmp_path / "elsewhere.txt").exists()


def test_a_link_by_the_name_of_a_half_written_caption_leads_nowhere(bare: Path, tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("precious")
    (bare / ".0.txt.part").symlink_to(tmp_path / "victim")
    assert write_new(bare / "0.txt", "a TOK", bare)
    assert (bare / "0.txt").read_text() == "a TOK\n"
    (bare / "inner").symlink_to(tmp_path)
    with pytest.raises(OSError, match="'inner' is a link"):
        write_new(bare / "inner" / "victim.txt", "a TOK", bare)
    assert (tmp_path / "victim").read_text() == "precious"
    assert not (tmp_path / "victim.txt").exists()


def test_the_command_shows_each_caption_and_obeys_none(loratui: LoraTUI, blip: Path, bare: Path) -> None:
    name = "\x1b[31m[b]x.png"
    (bare / "2.png").rename(bare / name)
    (bare / "1.txt").write_text("mine")
    done = loratui("caption", bare, "--model", blip, "--suffix", "\x1b]52;c;aGk=\x07", "--max-tokens", 30)
    assert done.returncode == 0, done.stderr
    assert "2 of 2  0.png: TOK, " in done.stdout and "[b]x.png: TOK" in done.stdout
    assert "1 picture had a caption already; it stays." in done.stdout and "2 captions written." in done.stdout
    assert not set(done.stdout + done.stderr) & {"\x1b", "\x07"}
    again = loratui("caption", bare, "--model", blip)
    assert again.returncode == 0 and "0 pictures without a caption" in again.stdout


def test_the_command_refuses_with_a_sentence(loratui: LoraTUI, bare: Path, tmp_path: Path) -> None:
    for words, code, said in (
        ((tmp_path / "nowhere", "--dry-run"), 3, "there is no folder"),
        ((bare, "--model", "./nowhere"), 2, "there is no such folder"),
        ((bare, "--trigger", "my dog"), 2, "my_dog"),
        ((bare, "--device", "tpu"), 2, "auto, cuda or cpu"),
    ):
        done = loratui("caption", *words)
        assert done.returncode == code and said in done.stderr and "Traceback" not in done.stderr, done.stderr


def test_ctrl_c_ends_it_with_130_and_keeps_what_was_written(
    blip: Path, tmp_path: Path, draw_picture: Draw, environment: dict[str, str]
) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(40):
        draw_picture(folder / f"{number:02}.png", number % 10)
    command = [sys.executable, "-m", "loratui", "caption", str(folder), "--model", str(blip)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None and child.stderr is not None
        while " of 40  " not in child.stdout.readline():
            assert child.poll() is None
        child.send_signal(signal.SIGINT)
        said = child.stderr.read()
        assert child.wait(30) == 130, said
    assert "what was written stays" in said and 1 <= len(captions(folder)) < 40
    assert all(text.endswith("\n") for text in captions(folder).values())
