"""The first screen: take up a draft, watch a run that is there, start anew, or try the demo."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.events import ScreenResume
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from loratui.runs.find import RUNS, RunInfo
from loratui.runs.listing import count_in_slurm, newest_runs
from loratui.screens.ahead import load_ahead
from loratui.screens.shared.questions import Confirm
from loratui.screens.shared.step import TITLES, Step, Watch
from loratui.settings.drafts.draft import Draft
from loratui.settings.drafts.store import KeptDraft
from loratui.sweeps.place import names
from loratui.terminal.text import plural, safe_text, show_path
from loratui.terminal.units import ago
from trainer.contract.paths import can_see
from trainer.contract.run.queue import waiting
from trainer.contract.run.rundir import RunDir
from trainer.contract.settings.kinds import DEFAULT

if TYPE_CHECKING:
    from pathlib import Path

    from loratui.screens.results.run_deeds import RunsAnswer

STEPS_AHEAD = """Five steps lead to a run: pictures, subject, preset, settings, review.
F2 goes on, Escape goes back, F1 helps. Everything is kept as you go."""
DRAFTS_SHOWN = 5
RUNS_SHOWN = 5
LOOK = 2.0  # seconds between two looks at the runs
LABEL = 20
FOLDER = 24  # cells for a draft's folder
OLDER = 68  # cells of a line in the window of older drafts
FRAME = 6  # cells of padding and border around the list


class WelcomeScreen(Step):
    """A list of ways to begin; Enter chooses one."""

    PURPOSE = "From a folder of pictures to a trained SDXL LoRA. Enter chooses a line."
    HELP = """
loratui leads you in five steps from your pictures to a training run,
shows the run while it goes, and says how to use what came out.

What you choose is kept after every step; leave when you like. Each
start makes a draft of its own; the newest stands first, 20 are kept.

  enter   choose the line      d   delete draft: the one under the cursor

All runs lists them, compares two, opens old answers as a new draft.
"""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("d", "forget", "Delete draft"),
        Binding("escape", "back", "Leave"),
        Binding("q", "back", "Leave", show=False),
    ]

    _runs: dict[str, RunInfo] = {}  # noqa: RUF012 - replaced, never changed
    _count = 0
    _in_slurm = 0  # how many runs wait in a cluster

    def compose_body(self) -> ComposeResult:
        """The name, and the list."""
        yield Static(_banner(), id="banner")
        yield OptionList(id="ways", compact=True)
        yield Static("", id="way-words", markup=False)

    def on_mount(self) -> None:
        """Offer what there is."""
        self._look()
        self._show_ways()
        self.set_interval(LOOK, self._look_again)
        self.call_after_refresh(load_ahead, self)
        ways = self.query_one("#ways", OptionList)
        alive = next((name for name, info in self._runs.items() if info.alive), None)
        if alive is not None and not self._drafts:
            ways.highlighted = ways.get_option_index(f"run:{alive}")
        ways.focus()
        if (run := self.session.looked_at) is not None:
            self.session.looked_at = None
            self._open_runs(run)

    def resized(self) -> None:
        """The lines in the columns that there are."""
        self._show_ways(at=self._way)

    def _look(self) -> bool:
        """Read the runs; whether they are others than those shown, or otherwise."""
        (infos, count), before = newest_runs(RUNS_SHOWN), (self._runs, self._count, self._in_slurm)
        self._runs, self._count = {one.run.path.name: one for one in infos}, count
        self._in_slurm = count_in_slurm()
        return before != (self._runs, self._count, self._in_slurm)

    @on(ScreenResume)
    def _look_again(self) -> None:
        """Runs were renamed, deleted or made longer from here, or ended meanwhile: the cursor stays on its line."""
        if self.is_mounted and self.is_current and self._look():
            self._show_ways(at=self._way)

    def _show_ways(self, at: str | None = None) -> None:
        self._drafts = {one.key: one for one in self._kept()}
        shown = list(self._drafts.values())[:DRAFTS_SHOWN]
        ways = self.query_one("#ways", OptionList)
        before = ways.highlighted or 0
        ways.clear_options()
        for one in shown:
            words = draft_words(one, self._is_wide, self.app.size.width - FRAME - LABEL)
            ways.add_option(Option(_line("Go on", words), id=f"draft:{one.key}"))
        if len(self._drafts) > len(shown):
            rest = len(self._drafts) - len(shown)
            ways.add_option(Option(_line("Older drafts", f"{rest} more"), id="drafts"))
        ways.add_option(Option(_line("Start new", "your pictures, step by step"), id="new"))
        ways.add_option(Option(_line("Try the demo", "the small model on the CPU, about a minute"), id="demo"))
        for name, info in self._runs.items():
            does = "Watch" if info.alive else "Look at"
            ways.add_option(Option(_line(does, _run_words(info, self.app.size.width)), id=f"run:{name}"))
        if waits := len(waiting(RUNS)) + self._in_slurm:
            ways.add_option(Option(_line("Queue", f"{waits} waiting: order, take out"), id="queue"))
        if self._count:
            ways.add_option(Option(_line("All runs", f"{plural(self._count, 'run')}: look, compare"), id="runs"))
        if tried := len(names()):
            ways.add_option(Option(_line("Sweeps", f"{plural(tried, 'sweep')}: table and pictures"), id="sweeps"))
        ids = [ways.get_option_at_index(place).id for place in range(ways.option_count)]
        ways.highlighted = ids.index(at) if at in ids else min(before, len(ids) - 1) if at else 0
        ahead = self.query_one("#way-words", Static)
        ahead.update(STEPS_AHEAD)
        ahead.display = not self._drafts and not self._count  # who has been here needs the room for the list

    def _kept(self) -> list[KeptDraft]:
        """The drafts on disk; the one in hand too if the disk did not take it, under the key of no file."""
        store = self.session.drafts
        unsaved = self.draft.begun and not can_see(store.path)
        return [*([KeptDraft("", self.draft, time.time(), False)] if unsaved else []), *store.all().kept]

    @property
    def _is_wide(self) -> bool:
        return self.app.size.width >= 110

    @on(OptionList.OptionSelected)
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        self._go(event.option_id or "new")

    @on(OptionList.OptionHighlighted)
    def _moved(self) -> None:
        self.refresh_bindings()

    def action_next(self) -> None:
        """What Enter does."""
        if (way := self._way) is not None:
            self._go(way)

    @property
    def _way(self) -> str | None:
        ways = self.query_one("#ways", OptionList)
        return None if ways.highlighted is None else ways.get_option_at_index(ways.highlighted).id

    def _go(self, way: str) -> None:
        kind, _, which = way.partition(":")
        match kind:
            case "run":
                self.dismiss(Watch(RunDir(self._runs[which].run.path.absolute())))
            case "draft":
                self._take(which)
            case "drafts":
                from loratui.screens.shared.dialogs import Chooser

                older = list(self._drafts.values())[DRAFTS_SHOWN:]
                lines = [(one.key, Content(draft_words(one, wide=False, room=OLDER))) for one in older]
                self.app.push_screen(Chooser("Older drafts", lines, lines[0][0]), self._take)
            case "queue":
                from loratui.screens.monitor.queue import QueueScreen

                self.app.push_screen(QueueScreen(RUNS), self._from_queue)
            case "runs":
                self._open_runs()
            case "sweeps":
                from loratui.screens.wizard.sweeps.palette import choose

                choose(self.app)
            case _:
                self._begin(_demo_draft() if kind == "demo" else Draft())

    def _take(self, key: str | None) -> None:
        if key == "":
            self.dismiss(self.draft)
        elif key is not None:
            loaded = self.session.drafts.take(key)
            self._say_over(loaded.trouble)
            self._forget_session()
            self.dismiss(loaded.draft)

    def _begin(self, draft: Draft) -> None:
        self.session.drafts.begin(draft)
        self._forget_session()
        self.dismiss(draft)

    def _forget_session(self) -> None:
        """What was looked at and decided belongs to another draft."""
        self.session.scan = None
        self.session.forget_decisions()

    def _from_queue(self, run: RunDir | None) -> None:
        if run is not None:
            self.dismiss(Watch(run))
        else:
            self._show_ways()

    def _open_runs(self, at: Path | None = None) -> None:
        from loratui.screens.results.runs import RunsScreen

        self.app.push_screen(RunsScreen(RUNS, at), self._from_runs)

    def _from_runs(self, answer: RunsAnswer) -> None:
        if isinstance(answer, Watch):
            self.session.looked_at = answer.run.path
            self.dismiss(answer)
        elif answer is not None:
            self._say_over(answer.words)
            self._begin(answer.draft)

    def _say_over(self, words: str) -> None:
        if words:
            self.app.notify(words, severity="warning", timeout=12, markup=False)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Only a draft can be deleted."""
        if action == "forget":
            return re.match("draft:.", self._way or "") is not None
        return True

    def action_forget(self) -> None:
        """Delete the draft under the cursor, after a question."""
        key = (self._way or "").removeprefix("draft:")
        words = f"{draft_words(self._drafts[key], wide=True, room=OLDER)}\n\nPictures and runs stay as they are."
        question = Confirm("Delete this draft?", words, "Delete", "Keep it", destroys=True)
        self.app.push_screen(question, lambda yes: self._forget(key, yes))

    def _forget(self, key: str, yes: bool | None) -> None:
        store = self.session.drafts
        if not yes:
            return
        if key == store.open_key:
            self.draft = Draft()
        if not store.forget(key):
            self.say("This draft is open in another window; it stays.", "warn")
        ways = self.query_one("#ways", OptionList)
        at = ways.highlighted or 0
        self._show_ways()
        ways.highlighted = min(at, ways.option_count - 1)


def _demo_draft() -> Draft:
    from loratui.settings.demo import demo_answers

    answers = demo_answers()
    return Draft(step=len(TITLES), preset=answers.preset, values=dict(answers.values))


def _banner() -> Content:
    return Content.assemble(
        ("loratui\n", "bold $accent"), ("an SDXL LoRA of your dog, your face, your style", "$muted")
    )


def _line(does: str, words: str) -> Content:
    return Content.assemble((f"{does:<{LABEL}}", "bold"), (words, "$muted"))


def draft_words(one: KeptDraft, wide: bool, room: int) -> str:
    """A draft in `room` cells: its folder, what it teaches where it is `wide`, where the person is, when that was."""
    draft = one.draft
    at = TITLES[min(max(draft.step, 1), len(TITLES)) - 1]
    path, kind = draft.values.get("dataset.path"), draft.values.get("kind", DEFAULT)  # get() would load all settings
    folder = show_path(path) if path and isinstance(path, str) else "no folder yet"
    taught = f" · {safe_text(kind, 20)}" if wide else ""
    rest = f"{taught} · at {at} · {'open elsewhere' if one.busy else ago(one.changed)}"
    cells = max(8, min(FOLDER, room - len(rest)))
    if len(folder) > cells:
        folder = f"…{folder[1 - cells :]}"  # the end of a path tells more
    return folder + rest


def _run_words(info: RunInfo, width: int) -> str:
    whole = info.state == "completed"  # the word says it
    far = f" · step {info.step} of {info.steps}" if info.steps and not whole else ""
    rest = f" · {info.state}{far}"
    return safe_text(info.run.path.name, max(12, width - FRAME - LABEL - len(rest))) + rest
