"""What came out of a run: pictures from the base model to the last step, files, checkpoints, and what to do next."""

from __future__ import annotations

from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from loratui.events.history import History
from loratui.results.best_checkpoint import MeasuredStep, checkpoints_of
from loratui.results.checkpoint_table import on_what, table_lines
from loratui.results.facts import read_facts, read_history
from loratui.results.identity import Identity, identity_of
from loratui.results.run_hint import run_hint
from loratui.results.usage import Usage, usage_lines
from loratui.runs.find import saved_steps
from loratui.runs.keeping import read_note
from loratui.runs.possible import possible
from loratui.screens.monitor.gallery import GalleryScreen
from loratui.screens.results.onward import Onward
from loratui.screens.results.result_words import HELP, PICTURES, head, no_files_words, usage_line
from loratui.screens.shared.copy_box import copy
from loratui.screens.shared.dialogs import show_help
from loratui.terminal.text import show_path
from loratui.widgets.keyline import KeyLine
from loratui.widgets.wall import Wall
from trainer.contract.run.rundir import RunDir
from trainer.contract.settings.tracking import NO_SAMPLES

DRAWN = ("view", "wall", "prompt")  # what is nothing without pictures


class FacesCompared(Message):
    """The faces of the samples were looked at."""

    def __init__(self, found: Identity) -> None:
        super().__init__()
        self.found = found


class ResultScreen(Onward):
    """True: leave the program. False: back to the curves. A run: that is what it is called now; show it anew.

    "deleted": it is gone. Restarted: to the curves of what was started. A past run: to the wizard with it.
    """

    CSS = """
    ResultScreen {
        #result-head { height: 1; padding: 0 1; }
        #wall { height: 1fr; }
        #lists { height: 10; }
        &.-tall #lists { height: 14; }
        &.-no-pictures #wall { height: 3; }
        &.-no-pictures #lists { height: 1fr; }
        &.-narrow.-points #wall { display: none; }
        &.-narrow.-points #lists { height: 1fr; }
        #files { width: 10fr; height: 1fr; border-subtitle-color: $muted; }
        #points {
            display: none; width: 9fr; height: 1fr;
            border: round $line; border-title-color: $foreground; border-subtitle-color: $muted;
        }
        &.-wide #points { display: block; }
        &.-points #points { display: block; }
        &.-points #files { display: none; }
        &.-wide #files { display: block; }
        #point-list, #point-list:focus {
            border: none; height: auto; padding: 0; background: $background; background-tint: $background 0%;
        }
        #point-head, #point-words { height: auto; padding: 0 1; }
        #point-words { margin-bottom: 1; }
        #point-head { color: $muted; }
        #result-say { height: auto; min-height: 1; max-height: 4; padding: 0 1; color: $muted; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "copy", "Copy", show=False),
        Binding("f", "fix", "Fix"),
        Binding("o", "go_on", "Resume"),
        Binding("y", "copy", "Copy"),
        Binding("e", "export", "Export"),
        Binding("g", "generate", "Generate"),
        Binding("l", "longer", "Longer"),
        Binding("c", "points", "Steps"),
        Binding("u", "push", "Hub"),
        Binding("v", "view", "View"),
        Binding("w", "wall", "Wall", show=False),
        Binding("left", "prompt(-1)", show=False),
        Binding("right", "prompt(1)", show=False),
        Binding("q,f2", "done", "Done", key_display="q"),
        Binding("escape", "curves", "Curves", key_display="esc"),
        Binding("f1", "help", "Help", show=False),
    ]

    def __init__(self, run: RunDir) -> None:
        super().__init__()
        self.run_dir = run
        self.history = History()
        self.lines: tuple[Usage, ...] = ()
        self.faces: Identity | None = None
        self.found: tuple[MeasuredStep, ...] = ()

    def compose(self) -> ComposeResult:
        """One line of numbers, the wall, the two lists, one line that answers."""
        yield Static("", id="result-head", markup=False)
        yield Wall(self.run_dir.path, id="wall")
        with Horizontal(id="lists"):
            files = OptionList(id="files", compact=True)
            files.border_title = Content("files")
            yield files
            with VerticalScroll(id="points", can_focus=False) as box:
                box.border_title = Content("checkpoints")
                yield Static("", id="point-words", markup=False)
                with Vertical():
                    yield Static("", id="point-head", markup=False)
                    yield OptionList(id="point-list", compact=True)
        yield Static("", id="result-say", markup=False)
        yield KeyLine()

    def on_mount(self) -> None:
        """Read the run once: it has ended."""
        self.history, self.facts = read_history(self.run_dir), read_facts(self.run_dir)
        self.query_one("#files").border_subtitle = Content(show_path(self.run_dir.export))
        self._list()
        self.say_note()
        self.query_one("#files").focus()
        self.call_after_refresh(self._show)
        self._look_at_faces()

    @work(thread=True, exclusive=True, group="faces")
    def _look_at_faces(self) -> None:
        """Of a run that taught a face; each picture takes a tenth of a second."""
        if found := identity_of(self.run_dir, self.history):
            self.post_message(FacesCompared(found))

    @on(FacesCompared)
    def _compared(self, event: FacesCompared) -> None:
        self.faces = event.found
        self._list_points()

    def _list(self) -> None:
        self.found = checkpoints_of(self.history, saved_steps(self.run_dir))
        self.hinted = run_hint(self.found, self.history, self.facts)
        self.lines = usage_lines(self.run_dir, self.facts)
        self._now = possible(self.run_dir)
        files = self.query_one("#files", OptionList)
        files.clear_options()
        if not self.lines:
            files.add_options([Option(words, disabled=True) for words in no_files_words(self._now)])
        files.add_options(
            [Option(usage_line(one, self._files_width), id=f"line-{place}") for place, one in enumerate(self.lines)]
        )
        files.highlighted = next((place for place, one in enumerate(files.options) if not one.disabled), None)
        self._list_points()
        self.refresh_bindings()

    @property
    def _files_width(self) -> int:
        return self.query_one("#files", OptionList).scrollable_content_region.width

    def _list_points(self) -> None:
        points, faces = self.query_one("#point-list", OptionList), self.faces
        head, *rows = table_lines(self.found, self.hinted.step, faces.by_step if faces else None)
        self.query_one("#point-head", Static).update(head.rstrip())
        steps, looked = [one.step for one in self.found], points.highlighted
        hinted = steps.index(self.hinted.step) if self.hinted.step in steps else len(rows) - 1
        points.clear_options()
        points.add_options([Option(Content(row)) for row in rows])
        points.highlighted = hinted if looked is None or looked >= len(rows) else looked
        words = (*self.hinted.sentences, *([faces.sentence] if faces else ()))
        self.query_one("#point-words", Static).update("\n".join(words))
        self.query_one("#points").border_subtitle = Content(on_what(self.found)) if self.found else None

    def resized(self) -> None:
        """Set the pictures anew, and what depends on the width."""
        self._show()

    def _show(self) -> None:
        name, files = self.run_dir.path.name, self.query_one("#files", OptionList)
        self.query_one("#result-head", Static).update(head(self.history, name, self.size.width - 2))
        for place, one in enumerate(self.lines):
            files.replace_option_prompt(f"line-{place}", usage_line(one, self._files_width))
        self.set_class(not self.history.samples, "-no-pictures")
        nothing = "no pictures" if self.facts.draws else NO_SAMPLES
        self.query_one("#wall", Wall).show(self.history, 3 if self.size.width < 110 else 4, self.hinted.step, nothing)

    def tell(self, words: str, bad: bool = False) -> None:
        """Answer in the line above the keys."""
        style = "$text-error" if bad else "$text-success"
        self.query_one("#result-say", Static).update(Content.styled(f"{'✗' if bad else '✓'} {words}", style))

    def files_changed(self) -> None:
        """Look again."""
        self._list()

    @on(OptionList.OptionSelected, "#files")
    def _taken(self, event: OptionList.OptionSelected) -> None:
        self._copy(event.option.id)

    @on(OptionList.OptionSelected, "#point-list")
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        self.ask_export(self._point())

    def action_copy(self) -> None:
        """Copy what the highlighted line stands for."""
        files = self.query_one("#files", OptionList)
        if files.highlighted is not None and files.display:
            self._copy(files.get_option_at_index(files.highlighted).id)

    def _copy(self, key: str | None) -> None:
        if key is not None:
            copy(self.app, self.lines[int(key.removeprefix("line-"))].copied)

    def action_points(self) -> None:
        """The checkpoints in place of the files, and back; side by side where there is room."""
        to_points = not self.query_one("#point-list").has_focus
        self.set_class(to_points, "-points")
        self.query_one("#point-list" if to_points else "#files").focus()

    def _point(self) -> int | None:
        """The step of the highlighted checkpoint, if that list has the focus."""
        points = self.query_one("#point-list", OptionList)
        if not points.has_focus or points.highlighted is None:
            return None
        return self.found[points.highlighted].step

    def action_export(self) -> None:
        """The files of another step."""
        self.ask_export(self._point())

    def action_generate(self) -> None:
        """Pictures of one's own."""
        self.ask_generate(self._point())

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Only the keys that mean something now."""
        if action == "copy":
            return bool(self.lines)
        if action == "points":
            return bool(self.found)
        if action in DRAWN:
            return bool(self.history.samples)
        return super().check_action(action, parameters)

    def say_note(self) -> None:
        """The note on the run, or where the keys are explained."""
        note = read_note(self.run_dir)
        self.query_one("#result-say", Static).update(Content(f"Note: {note}") if note else "F1 explains the keys.")

    def action_push(self) -> None:
        """To the hub."""
        self.ask_push()

    def action_prompt(self, by: int) -> None:
        """Another prompt's pictures."""
        self.query_one("#wall", Wall).next_prompt(by)
        self._show()

    def action_view(self) -> None:
        """The last picture as large as the terminal; from there to all others."""
        picture = self.query_one("#wall", Wall).last
        if picture is not None:
            self.app.push_screen(GalleryScreen(self.run_dir.path, self.history, picture.index, picture.step))

    def action_wall(self) -> None:
        """All pictures, by prompt and step."""
        if self.history.samples:
            self.app.push_screen(GalleryScreen(self.run_dir.path, self.history, wall=True))

    def action_curves(self) -> None:
        """Back to the monitor."""
        self.dismiss(False)

    def action_done(self) -> None:
        """Leave."""
        self.dismiss(True)

    def action_help(self) -> None:
        """The keys, and what the hint rests on."""
        sources = "\n".join(f"\n  {one}" for one in self.hinted.sources) or "\n  nothing: there is none"
        if self.history.samples:
            show_help(self, "Result", HELP + sources)
        else:
            show_help(self, "Result", HELP.replace(PICTURES, "") + sources, unused=DRAWN)
