"""The terminal program: walks the wizard's steps, keeps the draft on disk, watches a run."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from textual import on, work
from textual.app import SystemCommand
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.screen import Screen

from loratui.screens.shared.key_order import KeyOrder
from loratui.screens.shared.palette import Palette, command, commands_of
from loratui.screens.shared.questions import Confirm, leaving
from loratui.screens.shared.session import Session
from loratui.screens.shared.step import OpenRun, Step, StepAnswer, Watch
from loratui.screens.shared.themes import DARK, LIGHT
from loratui.settings.drafts.draft import Draft
from loratui.settings.drafts.store import DraftStore
from loratui.settings.preferences import keep_shade, shade
from loratui.terminal import images
from loratui.terminal.layout import whole_words
from loratui.terminal.text import safe_text
from trainer.contract.run.rundir import RunDir

if TYPE_CHECKING:
    from loratui.runs.past_run import PastRun
    from loratui.sweeps.declaration import Sweep

# The order of the wizard; a screen's module is loaded when it is first shown.
STEPS: tuple[str, ...] = (
    "welcome:WelcomeScreen",
    "dataset:PicturesScreen",
    "concept:ConceptScreen",
    "preset:PresetScreen",
    "settings:SettingsScreen",
    "review:ReviewScreen",
)
LEAVE = "Ctrl-Q leaves loratui. A training that runs goes on."


def load_step(name: str) -> type[Step]:
    """The screen class of an entry of STEPS."""
    module, _, screen = name.partition(":")
    found: type[Step] = getattr(import_module(f"loratui.screens.wizard.{module}"), screen)
    return found


class LoratuiApp(KeyOrder[str]):
    """Runs the wizard, or watches the run that it is given. Returns the sentence to print on leaving."""

    CSS_PATH = "app.tcss"
    TITLE = "loratui"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+q", "quit", "Quit", show=False, priority=True),
        Binding("f6", "shade", "Light or dark", show=False, priority=True),
    ]
    HORIZONTAL_BREAKPOINTS = [(0, "-tiny"), (24, "-narrow"), (110, "-wide")]  # noqa: RUF012 - Textual declares it as a variable
    VERTICAL_BREAKPOINTS = [(0, "-short"), (32, "-tall")]  # noqa: RUF012

    def __init__(
        self,
        run: RunDir | None = None,
        store: DraftStore | None = None,
        past: PastRun | None = None,
        session: Session | None = None,
        sweep: Sweep | None = None,
    ) -> None:
        """Watch `run` or look at `sweep`, or walk the wizard on the drafts of `store`.

        `session`: with another machine to plan for.
        """
        super().__init__()
        self.register_theme(DARK)
        self.register_theme(LIGHT)
        self.theme = LIGHT.name if shade() == "light" else DARK.name  # here: later, all style sheets are read anew
        self._sweep = sweep
        self._watched = run
        self._past = past  # an old run's answers, to begin with
        self.store = store or DraftStore()
        self.draft = Draft()
        self.session = session or Session()
        self.session.keep, self.session.drafts = self._keep, self.store
        self._unsaved = ""

    class QueueWentOn(Message):
        """Runs that waited were started."""

        def __init__(self, names: list[str]) -> None:
            super().__init__()
            self.names = names

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Two quieter greys than a theme has: their automatic ones are lost inside styled text."""
        return {"muted": "#8d97a6", "faint": "#566070", "line": "#39414e"}

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """What Ctrl+P lists: every action of the screen that means something now, by name, then the program's own."""
        from loratui.screens.wizard.machine import gpu_commands
        from loratui.screens.wizard.sweeps.palette import sweep_commands

        yield from commands_of(screen)
        yield from gpu_commands(screen)
        yield from sweep_commands(screen)
        yield command("Light or dark", "F6", "The other of the two, from now on.", self.action_shade)
        yield command("Quit loratui", "Ctrl-Q", "What was typed is kept, or asked about.", self.action_quit)

    def action_command_palette(self) -> None:
        """List the actions by name."""
        if not any(isinstance(one, Palette) for one in self.screen_stack):
            self.push_screen(Palette())

    def on_mount(self) -> None:
        """Push the first screen: one returned by get_default_screen would not load its own CSS."""
        if words := images.drawing().words:
            self.notify(words, severity="warning", timeout=12, markup=False)
        if self._sweep is not None:
            from loratui.screens.results.sweep import SweepScreen

            self.push_screen(SweepScreen(self._sweep), lambda _: self.exit())
        elif self._watched is not None:
            self._show(self._watched)
        else:
            self.call_after_refresh(self._take_up_queue)  # behind the first picture: it loads more than that needs
            self._walk()

    def action_shade(self) -> None:
        """The other of light and dark, from now on."""
        light = self.theme == DARK.name
        self.theme = LIGHT.name if light else DARK.name
        keep_shade("light" if light else "dark")

    def action_help_quit(self) -> None:
        """Ctrl-C, in other programs the way out, says in our words which key it is here."""
        self.notify(LEAVE, timeout=8, markup=False)

    async def action_quit(self) -> None:
        """Leave; what was typed last is kept in the draft, and asked about where a window holds it."""
        stack = self.screen_stack
        for screen in stack:
            if isinstance(screen, Step) and screen.is_mounted:
                screen.take_fields()
        words = self._last_words(stack)
        unkept = any(getattr(screen, "unkept", False) for screen in stack) or self.session.unopened
        if unkept and not isinstance(self.screen, Confirm):
            self.push_screen(leaving(), lambda yes: self.exit(words) if yes else None)
        else:
            self.exit(words)

    @work(thread=True, group="queue")
    def _take_up_queue(self) -> None:
        """Who opens loratui starts what waits, where nothing trains: after a kill or a power cut nobody else would."""
        from loratui.runs.queue import take_up

        if started := take_up(settle=False):
            self.post_message(self.QueueWentOn([run.path.name for run in started]))

    @on(QueueWentOn)
    def _went_on(self, event: QueueWentOn) -> None:
        names = ", ".join(safe_text(name) for name in event.names)
        self.notify(f"The queue goes on: {names} starts now.", timeout=8, markup=False)

    @work
    async def _walk(self) -> None:
        """The wizard: one step after the other, back on None."""
        from loratui.runs.find import link_trouble

        self.say(" ".join(self.store.all().troubles))
        index = 0 if self._past is None else self._take_up(self._past)
        self._past = None
        while 0 <= index < len(STEPS):
            answer: StepAnswer = await self.push_screen_wait(load_step(STEPS[index])(self.draft, self.session))
            if isinstance(answer, Watch) and (trouble := link_trouble(answer.run)):
                self.say(f"{safe_text(answer.run.path.name)}: {trouble}")
                continue
            if isinstance(answer, Watch):
                if answer.started:
                    self.store.clear()
                if not await self._watch(answer.run, within=True):
                    return
                if answer.started:  # its draft is a run now, which stands in the list
                    index, self.draft, self.session.looked_at = 0, Draft(), answer.run.path
                continue  # back where it was chosen
            if answer is None:
                if index == 0 and self.session.unopened and not await self.push_screen_wait(leaving()):
                    continue
                index = index - 1  # below the welcome: leave
            else:
                self.draft = answer
                index = min(max(1, answer.step), len(STEPS) - 1) if index == 0 else index + 1
            if index > 0:
                self._keep(self.draft.with_fields(step=min(index, len(STEPS) - 1)))
        self.exit(self.store.kept_words())

    def _take_up(self, past: PastRun) -> int:
        """Begin with an old run's answers; returns the step."""
        self.store.begin(past.draft)
        self._keep(past.draft)
        self.say(past.words)
        return past.draft.step

    def say(self, words: str) -> None:
        """A note over the screen, long enough to be read; nothing for no words."""
        if words:
            self.notify(words, severity="warning", timeout=12, markup=False)

    @work
    async def _show(self, run: RunDir, within: bool = False) -> None:
        await self._watch(run, within)

    @on(OpenRun)
    def _open(self, event: OpenRun) -> None:
        self._show(event.run, within=True)

    async def _watch(self, run: RunDir, within: bool = False) -> bool:
        """The monitor, and the result as often as it is asked for; from there perhaps to the wizard.

        `within`: it was chosen in a list of the program, to which Escape goes back. Returns whether it does.
        """
        from loratui.runs.find import parting_words
        from loratui.screens.monitor.monitor import MonitorScreen
        from loratui.screens.monitor.trouble import Restarted
        from loratui.screens.results.result import ResultScreen

        started = 0
        while True:
            leaving = await self.push_screen_wait(MonitorScreen(run, started, within))
            started = 0
            if isinstance(leaving, RunDir):
                run = leaving  # a new run in place of one that ended badly
                continue
            if leaving == "back":
                return True
            if leaving == "detach":
                break
            answer = await self.push_screen_wait(ResultScreen(run))
            while isinstance(answer, RunDir):  # it has another name now
                run = answer
                answer = await self.push_screen_wait(ResultScreen(run))
            if isinstance(answer, Restarted):
                run, started = answer.run, answer.pid
            elif answer == "deleted":
                if within:
                    return True
                break
            elif not isinstance(answer, bool):  # an old run's answers
                self._past = answer
                self._walk()
                return False
            elif answer:
                break
        self.exit(parting_words(run))
        return False

    def _keep(self, draft: Draft) -> None:
        self.draft = draft = draft.with_fields(undecided=self.session.undecided(draft))
        trouble = self.store.save(draft)
        if trouble and trouble != self._unsaved:  # once, not at every key
            self.notify(trouble, severity="error", timeout=12, markup=False)
        self._unsaved = trouble

    def _last_words(self, stack: Sequence[Screen[Any]]) -> str:
        """What is said on leaving from here: of the run that is looked at, or in the wizard of the drafts."""
        from loratui.runs.find import parting_words

        runs = (getattr(screen, "run_dir", None) for screen in reversed(stack))
        if (run := next((one for one in runs if isinstance(one, RunDir)), None)) is not None:
            return parting_words(run)
        return self.store.kept_words() if any(isinstance(screen, Step) for screen in stack) else ""


def run_wizard(draft_dir: Path | None = None, past: PastRun | None = None) -> int:
    """Guide a person to a run and show it, from an old run's answers if they are given. Returns an exit code."""
    return _run(LoratuiApp(store=DraftStore(draft_dir), past=past))


def run_monitor(run: RunDir, after: Callable[[RunDir], int] | None = None) -> int:
    """Watch `run` until the person leaves; `after` then decides the exit code."""
    code = _run(LoratuiApp(run=run))
    return after(run) if after is not None and code == 0 else code


def run_sweep(sweep: Sweep) -> int:
    """Show `sweep` until the person leaves; its runs go on."""
    return _run(LoratuiApp(sweep=sweep))


def _run(app: LoratuiApp) -> int:
    words: Any = app.run()
    if words:
        print(whole_words(words, shutil.get_terminal_size().columns))
    return app.return_code or 0
