"""What came out of a run: pictures from the base model to the last step, the files, how to use each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.events import Resize
from textual.screen import Screen
from textual.widgets import Footer, Static

from loratui.history import History, clock, megabytes
from loratui.screens.dialogs import Help, PictureView
from loratui.screens.watching import STATES, state_of
from loratui.text import safe_text, show_path
from loratui.widgets.samples import inside
from loratui.widgets.wall import Wall
from trainer.contract.events import Tail
from trainer.contract.rundir import RunDir

HELP = """
The pictures go from the base model (left) to the last step (right), all from
the same prompt and the same first noise, so that only the training differs.

  up, down   another prompt        v   the last picture full screen
  enter, q   done                  escape   back to the curves

The files are yours: copy them where the text says.
"""


@dataclass(frozen=True)
class Made:
    """One file of the result and how it is used."""

    name: str
    size: int  # bytes
    use: tuple[str, ...]


class ResultScreen(Screen[bool]):
    """True: leave the program. False: back to the curves."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,q,f2", "done", "Done", key_display="enter"),
        Binding("v", "view", "View"),
        Binding("up", "prompt(-1)", show=False),
        Binding("down", "prompt(1)", show=False),
        Binding("escape", "curves", "Curves"),
        Binding("f1", "help", "Help"),
    ]

    def __init__(self, run: RunDir) -> None:
        super().__init__()
        self.run_dir = run
        self.history = History()

    def compose(self) -> ComposeResult:
        """One line of numbers, the wall, the files."""
        yield Static("", id="result-head", markup=False)
        yield Wall(self.run_dir.path, id="wall")
        with VerticalScroll(id="files") as box:
            box.border_title = Content("files")
            yield Static("", id="files-text", markup=False)
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        """Read the run once: it has ended."""
        tail = Tail(self.run_dir.events)
        while events := tail.read():
            self.history.absorb(events)
        self.query_one("#result-head", Static).update(_head(self.history))
        self.query_one("#files-text", Static).update(_files(self.run_dir, self.history))
        self.query_one("#files").border_subtitle = Content(show_path(self.run_dir.export))
        self.call_after_refresh(self._show)

    @on(Resize)
    def _show(self) -> None:
        self.query_one("#wall", Wall).show(self.history, 3 if self.size.width < 110 else 4)

    def action_prompt(self, by: int) -> None:
        """Another prompt's pictures."""
        self.query_one("#wall", Wall).next_prompt(by)
        self._show()

    def action_view(self) -> None:
        """The last picture as large as the terminal."""
        picture = self.query_one("#wall", Wall).last
        if picture is not None:
            words = f"step {picture.step} · {safe_text(picture.prompt)}\n{safe_text(picture.path)}"
            self.app.push_screen(PictureView(inside(self.run_dir.path, picture.path), words))

    def action_curves(self) -> None:
        """Back to the monitor."""
        self.dismiss(False)

    def action_done(self) -> None:
        """Leave."""
        self.dismiss(True)

    def action_help(self) -> None:
        """The keys."""
        self.app.push_screen(Help("Result", HELP, keys=""))


def _head(history: History) -> Content:
    state = state_of(history, alive=False)
    glyph, style = STATES[state]
    end = history.end or {}
    facts = [f"{history.step} steps"]
    if isinstance(end.get("seconds"), int | float):
        facts.append(clock(float(end["seconds"])))
    if history.views is not None:
        facts.append(f"{history.views:.1f} views per image")
    if history.ema.last is not None:
        facts.append(f"loss {history.ema.last:.4f}")
    words = " · ".join(facts)
    return Content.assemble(
        (f"{glyph} {state}  ", f"bold {style}"), (safe_text(history.name, 30), "bold"), (f"  {words}", "$muted")
    )


def made_files(run: RunDir, name: str) -> list[Made]:
    """What lies in the run's export folder, what is used first standing first."""
    try:
        files = sorted(one for one in run.export.iterdir() if one.is_file())
    except OSError:
        return []
    order = {
        f"{name}.safetensors": 0,
        f"{name}_emb.safetensors": 1,
        "pytorch_lora_weights.safetensors": 3,
        "README.md": 4,
    }
    return [
        Made(one.name, one.stat().st_size, _use(one, name))
        for one in sorted(files, key=lambda one: order.get(one.name, 2))
    ]


def _use(path: Path, name: str) -> tuple[str, ...]:
    word = path.stem
    if path.name == "pytorch_lora_weights.safetensors":
        return ("diffusers: pipe.load_lora_weights(folder); the README has the whole snippet",)
    if path.name == "README.md":
        return ("the model card: snippet, settings, pictures; goes with the files when shared",)
    if path.name == f"{name}.safetensors":
        return (f"A1111, Forge: into models/Lora, prompt <lora:{word}:1>", "ComfyUI: into models/loras, node Load LoRA")
    if path.name.startswith("sample-"):
        return ("the last validation picture; the model card shows it",)
    if path.name.endswith("_emb.safetensors"):
        return (f"the trained words: into embeddings, in the prompt {word} (ComfyUI: embedding:{word})",)
    return ()


def _files(run: RunDir, history: History) -> Content:
    lines: list[Content] = []
    for one in made_files(run, history.name):
        lines.append(Content.assemble((safe_text(one.name), "bold"), (f"  {megabytes(one.size)}", "$muted")))
        lines += [Content.styled(f"  {safe_text(words)}", "$muted") for words in one.use]
    if not lines:
        lines.append(Content.styled("No files were written: the run ended before its export.", "$text-warning"))
    lines.append(
        Content.assemble(("try it  ", "bold"), f'loratui generate {safe_text(run.path.name)} "a photo of a TOK ..."')
    )
    return Content("\n").join(lines)
