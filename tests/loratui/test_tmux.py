"""The real program in a real terminal (tmux, 80x24): the whole way, a kill of the terminal, the main job."""

from __future__ import annotations

import itertools
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.slow_motion import slow_motion
from tests.warm.client import warm_environment
from trainer.contract.run.events import Tail
from trainer.contract.run.lock import lock_holder
from trainer.contract.run.rundir import RunDir

pytestmark = [
    pytest.mark.tmux,
    pytest.mark.slow,
    pytest.mark.usefixtures("warm_trainer"),
    pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed"),
]

ROOT = Path(__file__).parents[2]
PHOTOS = ROOT.parent / "shared" / "photos" / "dreambooth_dog6"
PATIENCE = 90.0  # seconds; two busy cores are slow, and nothing here measures time
PROMPT = "READY>"

NUMBERS = itertools.count()
QUIET_LOOKS = 3  # how often in a row a screen is seen unchanged; on a busy machine one is not enough


class Terminal:
    """One tmux server with one window of 80x24."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        self._environment = {**environment, **warm_environment()}
        self._name = f"loratui-test-{os.getpid()}-{next(NUMBERS)}"  # a server that was killed may still be leaving
        clean = ["env", f"PS1={PROMPT}", "bash", "--norc", "--noprofile"]
        self._tmux("-f", "/dev/null", "new-session", "-d", "-x", "80", "-y", "24", *clean)

    def _tmux(self, *words: str, check: bool = True) -> str:
        done = subprocess.run(
            ["tmux", "-L", self._name, *words],
            cwd=self.folder,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert not check or done.returncode == 0, done.stderr
        return done.stdout

    def press(self, *keys: str) -> None:
        """Send keys by their tmux names."""
        self._tmux("send-keys", *keys)

    def type(self, text: str) -> None:
        """Send text as it is."""
        self._tmux("send-keys", "-l", text)

    def screen(self) -> str:
        """What is seen now."""
        return self._tmux("capture-pane", "-p", check=False)

    def wait(self, pattern: str) -> str:
        """Wait until the screen matches; the screen is in the message if it does not."""
        end = time.monotonic() + PATIENCE
        while not re.search(pattern, text := self.screen()):
            assert time.monotonic() < end, f"waited for {pattern!r}, saw:\n{text}"
            time.sleep(0.1)
        return text

    def settled(self, pattern: str) -> None:
        """Wait until the screen matches and stays: keys sent while a screen is built may reach the one before."""
        before, same = "", 0
        while same < QUIET_LOOKS:
            text = self.wait(pattern)
            before, same = text, same + 1 if text == before else 0
            time.sleep(0.3)

    def resize(self, columns: int, rows: int) -> None:
        """Change the window's size."""
        self._tmux("resize-window", "-x", str(columns), "-y", str(rows))

    def kill(self) -> None:
        """Kill the server, as a lost machine would."""
        self._tmux("kill-server", check=False)


@pytest.fixture
def terminal(tmp_path: Path, environment: dict[str, str]) -> Iterator[Callable[[], Terminal]]:
    """Opens terminals in an empty folder; none survives the test, and no trainer either."""
    opened: list[Terminal] = []

    def start() -> Terminal:
        opened.append(Terminal(tmp_path, {**environment, "TERM": "xterm-256color", "TEXTUAL_ANIMATIONS": "none"}))
        opened[-1].wait(PROMPT)
        return opened[-1]

    yield start
    for one in opened:
        one.kill()
    for path in tmp_path.glob("runs/*"):
        stop(RunDir(path))


def stop(run: RunDir) -> None:
    """End a trainer that is still alive."""
    holder = lock_holder(run.lock)
    if holder is not None and holder.pid:  # 0: it lets go just now; that would be all of the tests
        os.kill(holder.pid, 9)


def until(condition: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.1)


def drawn_pictures(folder: Path) -> Path:
    """Five pictures with captions."""
    from PIL import Image, ImageDraw

    folder.mkdir()
    for index in range(5):
        picture = Image.new("RGB", (96, 96), (240, 240, 230 - 20 * index))
        ImageDraw.Draw(picture).ellipse([20, 20, 60 + 5 * index, 70], fill=(200, 40 * index, 30))
        picture.save(folder / f"{index}.png")
        (folder / f"{index}.txt").write_text(f"a TOK ball, picture {index}\n")
    return folder


def through_the_wizard(screen: Terminal, folder: str, steps: int, class_word: str) -> RunDir:
    """From the welcome to the started run, the small SDXL chosen by its preset."""
    screen.type(f"{sys.executable} -m loratui; echo LEFT $?")
    screen.press("Enter")
    screen.settled("Start new")
    screen.press("Enter")
    screen.settled("● Pictures")
    screen.type(folder)
    screen.press("Enter")
    screen.settled("What do your pictures show")
    screen.press("Enter")
    screen.settled("5 to train on")
    screen.press("F2")
    screen.settled("● Subject")
    screen.press("Enter")  # the kind is chosen: the cursor stands in the trigger
    screen.settled("Subject")
    screen.type(class_word)
    screen.settled(f"a photo of a TOK {class_word}")
    screen.press("F2")
    screen.settled("● Preset")
    screen.press("End")
    screen.settled("about a minute on two cores")
    screen.press("F2")
    screen.settled("● Settings")
    screen.press("Enter")  # the cursor stands on the steps
    screen.settled("Enter keeps")
    screen.type(str(steps))
    screen.press("Enter")
    screen.settled(rf"• steps +{steps}\b")
    screen.press("F2")
    screen.settled("✓ Ready: F2 starts")
    screen.press("F2")
    until(lambda: bool(list(screen.folder.glob("runs/*/config.toml"))), "the run's folder")
    (path,) = screen.folder.glob("runs/*")
    return RunDir(path)


def events(run: RunDir, kind: str) -> list[dict[str, object]]:
    return [event for event in Tail(run.events).read() if event["type"] == kind]


def test_from_a_folder_of_pictures_to_the_files(terminal: Callable[[], Terminal], tmp_path: Path) -> None:
    drawn_pictures(tmp_path / "balls")
    screen = terminal()
    run = through_the_wizard(screen, "balls", steps=4, class_word="ball")
    screen.wait("✓ completed")
    screen.press("Enter")
    text = screen.wait("base model")
    assert "step 4" in text
    assert "ball.safetensors" in text
    screen.press("F2")
    text = screen.wait("LEFT 0")
    assert "completed" in text
    assert events(run, "end")[-1]["status"] == "completed"
    assert (run.export / "ball_emb.safetensors").is_file()
    assert not list((tmp_path / ".local").glob("**/draft*.json"))  # the draft became the run


def test_a_killed_terminal_leaves_the_training_and_attach_finds_it(
    terminal: Callable[[], Terminal], tmp_path: Path
) -> None:
    drawn_pictures(tmp_path / "balls")
    screen = terminal()
    run = through_the_wizard(screen, "balls", steps=5000, class_word="ball")
    with slow_motion(run):
        until(lambda: bool(events(run, "step")), "the first step")
        screen.kill()
        seen = len(events(run, "step"))
        until(lambda: len(events(run, "step")) > seen, "a step after the kill")
        assert lock_holder(run.lock) is not None

        again = terminal()
        again.type(f"{sys.executable} -m loratui attach; echo LEFT $?")
        again.press("Enter")
        again.wait(r"● training .*ball")
        again.press("c")
        again.wait("save: ")
        until(lambda: bool(events(run, "checkpoint")), "the checkpoint that was asked for")
        again.press("x")
        again.wait("Stop this run")
        again.press("BTab", "Enter")  # from the harmless answer to the other
    again.wait("■ stopped")
    again.press("q")
    again.wait("LEFT 130")
    assert events(run, "end")[-1]["status"] == "stopped"
    assert list(run.export.glob("*.safetensors"))


@pytest.mark.skipif(not PHOTOS.is_dir(), reason="../shared/photos is not on this machine: no real photographs")
def test_the_main_job_on_photographs_is_the_same_by_wizard_and_replay(
    terminal: Callable[[], Terminal], tmp_path: Path, environment: dict[str, str]
) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for picture in sorted(PHOTOS.glob("*.jpg"))[:5]:
        shutil.copy(picture, folder)
        (folder / picture.name).with_suffix(".txt").write_text("a photo of a TOK dog\n")
    screen = terminal()
    run = through_the_wizard(screen, "photos", steps=12, class_word="dog")
    screen.wait("✓ completed")
    screen.press("q")
    screen.wait("LEFT 0")

    other = RunDir(tmp_path / "replayed")
    command = [sys.executable, "-m", "loratui", "replay", str(run.answers), "--out", str(other.path)]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert [events(one, "end")[-1]["status"] for one in (run, other)] == ["completed", "completed"]
    for name in ("dog.safetensors", "dog_emb.safetensors", "diffusers/pytorch_lora_weights.safetensors"):
        assert (run.export / name).read_bytes() == (other.export / name).read_bytes(), name
