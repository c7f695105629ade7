"""Builds a sweep from the draft: settings and their values, what it would take, and the start."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.widgets import OptionList, Static
from textual.worker import get_current_worker

from loratui.errors import Refusal
from loratui.runs.engines import LOCAL, Engine
from loratui.runs.find import RUNS
from loratui.screens.shared.dialogs import Help
from loratui.screens.shared.questions import Confirm
from loratui.screens.shared.session import Session
from loratui.screens.shared.slurm_choice import ask_options, has_slurm
from loratui.screens.wizard.plan_words import to_accept
from loratui.screens.wizard.sweeps.axes import AxesScreen
from loratui.settings.answers import Answers
from loratui.settings.checks import answers_of
from loratui.settings.drafts.draft import Draft
from loratui.settings.names import run_name
from loratui.sweeps.declaration import Sweep, declared
from loratui.terminal.glyphs import GLYPHS
from loratui.terminal.text import plural, safe_text
from loratui.widgets.keyline import KeyLine

if TYPE_CHECKING:
    from loratui.planning.prepared import Looks
    from loratui.sweeps.forecast import Forecast

SLURM_HELP = """
  f9      Slurm: one job of the cluster for each run; once more: here again
"""
HELP = f"""
One run of each combination, one after the other through the queue, and one
table with all of them at the end. The draft stays as it is.

  enter   change the values of the setting under the cursor
  a       add a setting: its name, a word of its help, or what kohya,
          OneTrainer and diffusers call it
  t       let it change together with the setting above, the first value
          with the first; once more takes them apart
  s       how many seeds each: with three or more the table can tell what
          is chance
  x       leave out the setting again
  F2      start, after a question

Values are written with commas between: 4, 16, 32. Number of runs, time and
disk stand below; what cannot start is named there with the reason.
{SLURM_HELP}"""


class Foretold(Message):
    """What the sweep would take; or a sentence on why it is none yet."""

    def __init__(self, forecast: Forecast | None, reason: str = "") -> None:
        super().__init__()
        self.forecast, self.reason = forecast, reason


class SweepStarted(Message):
    """Its runs are in the queue; or a sentence on why they are not."""

    def __init__(self, sweep: Sweep, reason: str = "") -> None:
        super().__init__()
        self.sweep, self.reason = sweep, reason


class SweepBuilder(AxesScreen):
    """The axes as a list, below them what it would take; answers with the sweep that was started."""

    DEFAULT_CSS = """
    SweepBuilder {
        #sweep-purpose { height: 2; padding: 0 1; color: $muted; }
        #axes { height: auto; max-height: 40%; margin: 0 1; }
        #forecast { height: 1fr; margin: 0 1; border: round $line; border-title-color: $foreground; padding: 0 1; }
        #sweep-say { height: 1; padding: 0 1; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f2", "next", "Start"),
        Binding("f9", "slurm", "Slurm"),
        Binding("f9", "here", "Here again"),
        Binding("escape", "back", "Back"),
        Binding("f1", "help", "Help"),
    ]

    def __init__(self, draft: Draft, session: Session, key: str = "") -> None:
        """`key`: the setting to begin with."""
        super().__init__(draft, session)
        self._key = key
        self._accepted: tuple[str, ...] = ()
        self._forecast: Forecast | None = None
        self._looks: Looks | None = None
        self._starting = False
        self._engine: Engine = LOCAL  # where its runs go
        self._has_slurm = has_slurm()

    def compose(self) -> ComposeResult:
        """The axes, the forecast, one line that answers, the keys."""
        yield Static("Try several values: one run each, side by side at the end.", id="sweep-purpose", markup=False)
        yield OptionList(id="axes", compact=True, markup=False)
        with VerticalScroll(id="forecast", can_focus=False) as box:
            box.border_title = Content("what it would take")
            yield Static("", id="forecast-text", markup=False)
        yield Static("", id="sweep-say", markup=False)
        yield KeyLine()

    def on_mount(self) -> None:
        """With what was chosen here before; else the first setting is asked for at once."""
        self.query_one("#axes").focus()
        self.show_axes()
        self.begin_with(self._key)

    def sweep(self) -> Sweep:
        """What is declared so far. Raises AnswersError."""
        from loratui.planning.prepared import merged
        from loratui.sweeps.naming import suggested_name
        from loratui.sweeps.place import names

        base = merged(self._answers(), {})
        name = suggested_name(base, self._session.axes)
        taken = set(names())
        number = 2
        while (called := name if number == 2 else f"{name[:37]}-{number - 1}") in taken:
            number += 1
        return declared(called, base, self._session.axes, self._session.seeds)

    def _answers(self) -> Answers:
        given = answers_of(self._draft)
        accepted = tuple(dict.fromkeys((*self._draft.accepted, *self._accepted)))
        values = dict(given.values) | ({"dataset.accept": accepted} if accepted else {})
        values.setdefault("name", run_name(str(self._draft.get("dataset.class_word")), self._draft.folder.name))
        return replace(given, values=values)

    def foretell(self) -> None:
        """Work it out in a thread."""
        self._forecast = None
        self.query_one("#forecast-text", Static).update(Content.styled("Working it out ...", "$muted"))
        self._foretell()

    @work(thread=True, exclusive=True, group="forecast")
    def _foretell(self) -> None:
        from loratui.planning.hardware import elsewhere
        from loratui.planning.prepared import Looks
        from loratui.sweeps.forecast import forecast
        from loratui.sweeps.points import points

        worker = get_current_worker()
        if not self._session.axes and self._session.seeds == 1:
            self.post_message(Foretold(None, "Nothing changes yet: a adds a setting with its values, s more seeds."))
            return
        try:
            sweep = self.sweep()
        except Refusal as refusal:
            self.post_message(Foretold(None, refusal.messages[0]))
            return
        self._looks = self._looks or Looks(look=self._session.look if self._engine.is_local else elsewhere)
        if (scan := self._session.scan) is not None and not scan.concepts:
            self._looks.reports.setdefault((str(scan.folder.absolute()), scan.settings), scan.report)
        found = forecast(sweep, points(sweep), looks=self._looks)
        if not worker.is_cancelled:
            self.post_message(Foretold(found))

    @on(Foretold)
    def _foretold(self, event: Foretold) -> None:
        from loratui.sweeps.forecast import forecast_lines

        self._forecast = event.forecast
        lines = [event.reason] if event.forecast is None else forecast_lines(event.forecast)
        words = self.query_one("#forecast-text", Static)
        words.update(Content("\n").join([Content.styled(line, _style(line)) for line in lines]))
        if event.forecast is not None:
            count = plural(len(event.forecast.able), "run")
            where = "" if self._engine.is_local else f", {self._engine.words(RUNS)}"
            ready = f"F2 starts {count}{where}."
            asks = bool(self._to_accept())
            self._say("It cannot start yet: the lines with x say why." if event.forecast.errors and not asks else ready)

    def say(self, words: str) -> None:
        """A warning in the line below the forecast."""
        self._say(words, "$text-warning")

    def _say(self, words: str, style: str = "$muted") -> None:
        self.query_one("#sweep-say", Static).update(Content.styled(words, style))

    def _to_accept(self) -> list[str]:
        """Accept keys of the findings that stop a run only until a person says that they shall not."""
        from loratui.curation.groups import accept_keys

        planned = self._forecast.planned if self._forecast is not None else ()
        found = [key for one in planned if one.ready for key in accept_keys(to_accept(one.ready.outcome))]
        return list(dict.fromkeys(found))

    def action_next(self) -> None:
        """Start it, after a question."""
        forecast = self._forecast
        if forecast is None or self._starting:
            return
        if keys := self._to_accept():
            words = f"The check of the pictures found: {safe_text(', '.join(keys), 300)}.\n\nThe runs' answers note it."
            self.app.push_screen(Confirm("Train without solving that?", words, "Accept", "Not yet"), self._accept)
            return
        if forecast.errors:
            self._say(f"✗ {forecast.errors[0]}", "$text-error")
            return
        from loratui.sweeps.forecast import disk_words, time_words

        words = f"{forecast.sweep.words}\n\ntime  {time_words(forecast)}\ndisk  {disk_words(forecast)}"
        if forecast.unable:
            words += f"\n\n{plural(len(forecast.unable), 'run')} cannot start and are left out."
        title = f"Start {plural(len(forecast.able), 'run')}{'' if self._engine.is_local else ' in Slurm'}?"
        self.app.push_screen(Confirm(title, words, "Start", "Not yet"), self._confirmed)

    def _accept(self, yes: bool | None) -> None:
        if yes:
            self._accepted = (*self._accepted, *self._to_accept())
            self.show_axes()

    def _confirmed(self, yes: bool | None) -> None:
        if yes and self._forecast is not None:
            self._starting = self.waits = True
            self._say("Starting ...")
            self._start(self._forecast, self._engine)

    @work(thread=True, exclusive=True, group="start")
    def _start(self, forecast: Forecast, engine: Engine) -> None:
        from loratui.sweeps.files import freeze
        from loratui.sweeps.progress import start, undo

        try:
            freeze(forecast.sweep)
            start(forecast, say=lambda _: None, settle=False, engine=engine)
        except Refusal as refusal:
            undo(forecast.sweep)  # its name was free: what is there was made just now
            self.post_message(SweepStarted(forecast.sweep, refusal.messages[0]))
        else:
            self.post_message(SweepStarted(forecast.sweep))

    @on(SweepStarted)
    def _started(self, event: SweepStarted) -> None:
        self._starting = False
        if event.reason:
            self.stop_waiting()
            self._say(f"✗ {safe_text(event.reason)}", "$text-error")
            return
        self._session.axes, self._session.seeds = (), 1
        self.dismiss(event.sweep)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """The key for a cluster is there where there is one."""
        if action in ("slurm", "here"):
            return self._has_slurm and self._engine.is_local is (action == "slurm")
        return super().check_action(action, parameters)

    def action_slurm(self) -> None:
        """Let the runs go to the cluster, after asking with which options; F2 starts them."""
        ask_options(self, "Take these", self._go_to)

    def action_here(self) -> None:
        """Let the runs go to this machine again."""
        self._go_to(LOCAL)

    def _go_to(self, engine: Engine) -> None:
        self._engine, self._looks = engine, None
        self.refresh_bindings()
        self.foretell()

    def action_back(self) -> None:
        """Back; what was chosen here is there again next time."""
        self.dismiss(None)

    def action_help(self) -> None:
        """The keys."""
        self.app.push_screen(Help("Several values", HELP if self._has_slurm else HELP.replace(SLURM_HELP, "")))


def _style(line: str) -> str:
    return (
        "$text-error" if line.startswith(GLYPHS["bad"]) else "$text-warning" if line.startswith(GLYPHS["warn"]) else ""
    )
