"""A run's pictures full screen: one, base beside now, or the wall of all; new ones appear while it is open."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Static

from loratui.events.gallery import GalleryPictures, GalleryPlace, moved, seeded
from loratui.events.history import History, SamplePicture
from loratui.screens.shared.dialogs import Help
from loratui.screens.shared.steady import SteadyScreen
from loratui.terminal import images
from loratui.terminal.text import safe_text, show_path
from loratui.widgets.keyline import KeyLine
from loratui.widgets.samplegrid import Cell, SampleGrid
from loratui.widgets.samples import inside
from loratui.widgets.sharp_picture import picture
from loratui.widgets.thumbnail import Thumbnail

LOOK = 0.5  # seconds between two looks at what the run has drawn
HELP = """
The pictures of a run. Those of a prompt are all from the same first noise
(the seed): only the training makes them differ. New ones appear by themselves.

  ← →   an earlier, a later step         ↑ ↓   another prompt
  b     base beside: the base model's picture too, or no longer
  w     the wall: a row for each prompt, a column for each step;
        enter: open the picture under the cursor
  y     copy path: the file's, for scp; a terminal may not allow it,
        but the path stands in the last line too
  q     back

On the wall the first and the last step are always in sight; the arrow
keys lead through all of those between."""


class GalleryScreen(SteadyScreen[None]):
    """Starts at `prompt` and `step`, or at the newest picture and then follows it; with `wall`, at the wall."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "move(-1,0)", "Step", key_display="← →"),
        Binding("right", "move(1,0)", show=False),
        Binding("up", "move(0,-1)", "Prompt", key_display="↑ ↓"),
        Binding("down", "move(0,1)", show=False),
        Binding("home", "move(-1000000,0)", show=False),
        Binding("end", "move(1000000,0)", show=False),
        Binding("b", "base", "Base beside"),
        Binding("enter", "open", "Open", key_display="enter"),
        Binding("w", "wall", "Wall"),
        Binding("y", "copy", "Copy path"),
        Binding("escape,q,v", "close", "Back", key_display="q"),
        Binding("f1", "help", "Help", show=False),
    ]
    DEFAULT_CSS = """
    GalleryScreen {
        #gallery-head, #gallery-prompt { height: 1; padding: 0 1; }
        #gallery-prompt { color: $muted; }
        #gallery-pictures { height: 1fr; }
        #gallery-base-column, #gallery-now-column { width: 1fr; }
        #gallery-base-column { margin-right: 1; }
        .under { height: 1; width: 1fr; content-align: center middle; color: $muted; }
        #gallery-path { height: auto; max-height: 3; padding: 0 1; color: $muted; }
        #gallery-base-column, .under, #gallery-wall { display: none; }
        &.-pair #gallery-base-column, &.-pair .under { display: block; }
        &.-wall #gallery-wall { display: block; }
        &.-wall #gallery-pictures, &.-wall #gallery-prompt { display: none; }
    }
    """

    def __init__(
        self, run: Path, history: History, prompt: int | None = None, step: int | None = None, *, wall: bool = False
    ) -> None:
        """`history` is looked at, never changed: whoever opens this goes on feeding it."""
        super().__init__()
        self._run, self._history = run, history
        self._pictures = GalleryPictures.of(history)
        self._follow = step is None
        newest = self._pictures.newest or GalleryPlace(0, 0)
        asked = GalleryPlace(newest.prompt if prompt is None else prompt, newest.step if step is None else step)
        self.place = self._at_newest(asked) if self._follow else moved(self._pictures, asked)
        self.set_class(wall, "-wall")

    def compose(self) -> ComposeResult:
        """Two lines of words, the pictures or the wall, the path, the keys."""
        yield Static("", id="gallery-head", markup=False)
        yield Static("", id="gallery-prompt", markup=False)
        with Horizontal(id="gallery-pictures"):
            with Vertical(id="gallery-base-column"):
                yield picture("", id="gallery-base")
                yield Static("base model", classes="under", markup=False)
            with Vertical(id="gallery-now-column"):
                yield picture("no picture yet", id="gallery-now")
                yield Static("", classes="under", id="gallery-under", markup=False)
        yield SampleGrid(self._run, id="gallery-wall")
        yield Static("", id="gallery-path", markup=False)
        yield KeyLine()

    def on_mount(self) -> None:
        """Show what there is, then look for more."""
        self.draw()
        self.set_interval(LOOK, self._look)

    def resized(self) -> None:
        """Words that were cut to a width have another now."""
        self.draw()

    @property
    def wall(self) -> bool:
        """Whether the wall is shown, not one picture."""
        return self.has_class("-wall")

    @property
    def current(self) -> SamplePicture | None:
        """The picture at the cursor; None where none was drawn."""
        return self._pictures.at(self.place)

    def _look(self) -> None:
        pictures = GalleryPictures.of(self._history)
        if pictures != self._pictures:
            self._pictures = pictures
            self.place = self._at_newest(self.place) if self._follow else moved(pictures, self.place, all_steps=True)
            self.draw()

    def _at_newest(self, place: GalleryPlace) -> GalleryPlace:
        return moved(self._pictures, place, steps=len(self._pictures.steps))

    def draw(self) -> None:
        """Show the place as it is."""
        self.query_one("#gallery-head", Static).update(self._head())
        words = self._pictures.words_of(self.place.prompt)
        self.query_one("#gallery-prompt", Static).update(safe_text(words, max(8, self.size.width - 2)))
        self._say_path()
        if self.wall:
            self.query_one("#gallery-wall", SampleGrid).show(self._pictures, self.place)
            return
        now, base = self.current, self._pictures.base(self.place.prompt)
        empty = "no picture yet" if not self._pictures.prompts else f"not drawn at step {self.place.step}"
        self.query_one("#gallery-now", Thumbnail).show(self._file(now), empty)
        self.query_one("#gallery-base", Thumbnail).show(self._file(base), "no picture of the base model")
        self.query_one("#gallery-under", Static).update(f"step {self.place.step}")

    def _file(self, one: SamplePicture | None) -> Path | None:
        """The small copy has more pixels than half blocks show; sharp pictures take the whole one."""
        if one is None:
            return None
        return inside(self._run, one.path if images.drawing().protocol else one.thumb)

    def _head(self) -> Content:
        prompts, steps = self._pictures.prompts, self._pictures.steps_of(self.place.prompt)
        if not steps:
            return Content("no pictures yet")
        now = self.current
        step = "base model" if self.place.step == 0 else f"step {self.place.step}"
        which = "prompt and seed" if seeded(self._history) else "prompt"
        facts = [f"{which} {prompts.index(self.place.prompt) + 1} of {len(prompts)}"]
        if now is not None:
            facts.insert(0, f"picture {steps.index(self.place.step) + 1} of {len(steps)}")
        if steps[0]:
            facts.append(f"no base: added at step {steps[0]}")
        if now is not None:
            facts.append(f"seed {now.seed}")
        if self.place.step == steps[-1]:
            facts.append("newest")
        while len(step) + 2 + len(" · ".join(facts)) > max(20, self.size.width - 2):
            facts.pop()
        return Content.assemble((step, "bold"), ("  " + " · ".join(facts), "$muted"))

    def _say_path(self, said: str = "") -> None:
        now = self.current
        if not said:
            said = "not drawn here" if now is None else show_path(inside(self._run, now.path))
            if words := images.drawing().words or self._colours():
                said = f"{said}\n{words}"
        self.query_one("#gallery-path", Static).update(said)

    def _colours(self) -> str:
        """What the terminal takes from a picture in half blocks; nothing from one of its own pixels."""
        if self.app.no_color:
            return "in grey: NO_COLOR is set"
        if self.app.console.color_system == "standard" and not images.drawing().protocol:
            return "in 16 colours; where the terminal has more: export COLORTERM=truecolor"
        return ""

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Only the keys that mean something in this view."""
        if action == "base":
            return not self.wall
        if action == "open":
            return self.wall
        return True

    def action_move(self, steps: int, prompts: int) -> None:
        """Another step or prompt; at the newest picture the next one will be followed again."""
        self.place = moved(self._pictures, self.place, steps, prompts, all_steps=self.wall)
        known = self._pictures.steps_of(self.place.prompt)
        self._follow = bool(known) and self.place.step == known[-1]
        self.draw()

    def action_base(self) -> None:
        """The base model's picture beside, or no longer."""
        self.toggle_class("-pair")
        self.draw()

    def action_wall(self) -> None:
        """From one picture to all, and back."""
        self.toggle_class("-wall")
        if not self.wall:
            self.place = moved(self._pictures, self.place)
        self.refresh_bindings()
        self.call_after_refresh(self.draw)

    def action_open(self) -> None:
        """The picture under the cursor, if there is one."""
        if self.current is None:
            self._say_path("no picture was drawn of this prompt at this step")
        else:
            self.action_wall()

    @on(Cell.Picked)
    def _picked(self, event: Cell.Picked) -> None:
        if event.place == self.place:
            self.action_open()
        else:
            self.place, self._follow = event.place, False
            self.draw()

    def action_copy(self) -> None:
        """The path into the clipboard of the person's own terminal, by OSC 52; our own safe text."""
        now = self.current
        if now is not None:
            path = show_path(inside(self._run, now.path))
            self.app.copy_to_clipboard(path)
            self._say_path(f"sent to the clipboard: {path}")

    def action_close(self) -> None:
        """Back to where one came from."""
        self.dismiss(None)

    def action_help(self) -> None:
        """The keys."""
        self.app.push_screen(Help("Pictures", HELP, keys=""))
