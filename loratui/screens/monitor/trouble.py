"""The screen for a run that ended badly: what happened, the end of its log, what to change; Enter starts it again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.events import Click
from textual.message import Message
from textual.screen import Screen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from loratui.basemodels.facts import BaseModelNeed
from loratui.errors import Refusal
from loratui.events.history import History
from loratui.recovery.remedies import case_of, remedies, with_base, with_folder
from loratui.recovery.remedy import BadEnd, Remedy
from loratui.recovery.room import room_lines
from loratui.screens.monitor.run_words import NOTHING, log_text, tail_of
from loratui.screens.monitor.trouble_words import DOES, Does, does, happened, remedy_row, remedy_words, title_words
from loratui.screens.shared.base_model import BaseModelScreen
from loratui.screens.shared.dialogs import Help, Reader
from loratui.screens.shared.editors import LineEditor
from loratui.screens.shared.steady import SteadyScreen
from loratui.terminal.text import os_words, safe_lines, safe_text, show_path
from loratui.widgets.keyline import KeyLine
from trainer.contract.paths import expanded, is_folder
from trainer.contract.run.rundir import RunDir
from trainer.contract.settings.config import flat

HELP = """
A run has ended badly. At the top stands what happened and which checkpoint
there is, then the end of the trainer's own output, then what helps in this
case: the mildest first, and only what helps with these settings.

  ↑ ↓    another remedy; below the list stands what it would do
  Enter  change and start again, start again or resume, from where the text
         below says; begin a new run; or first choose the base model, name
         the folder, look at the machine, see what takes room
  l      all messages, and more of the log
  q      back to the monitor; nothing is changed

A change is written into the run's config.toml and answers.toml; the files
as they were are kept as config.1.toml, answers.1.toml and so on. The same
without this screen:  loratui resume RUN --set train.batch=2"""


@dataclass(frozen=True)
class Restarted:
    """A trainer that was started from here: of which run, and its process id."""

    run: RunDir
    pid: int


class RemedyList(OptionList):
    """A list in which a click chooses a line and no more: what it would do is read before Enter."""

    async def _on_click(self, event: Click) -> None:
        event.prevent_default()
        place = event.style.meta.get("option")
        if place is not None:
            self.highlighted = place


class TroubleScreen(SteadyScreen[Restarted | None]):
    """What happened to `run`, and what to do; dismisses with what was started, or None."""

    CSS = """
    TroubleScreen {
        #trouble-title { height: 1; padding: 0 1; }
        #trouble-happened { height: auto; max-height: 7; padding: 0 1; }
        #trouble-log { height: 1fr; min-height: 5; border: round $line; border-title-color: $foreground; padding: 0 1; }
        #trouble-log Static { height: auto; color: $muted; }
        #remedies { height: auto; max-height: 8; }
        #trouble-does { height: auto; max-height: 6; padding: 0 1; }
        &.-tall #trouble-happened { max-height: 10; }
        &.-tall #remedies { max-height: 14; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        *(Binding("enter,f2", f"apply('{one}')", words, key_display="enter") for one, words in DOES.items()),
        Binding("l", "log", "Log"),
        Binding("f1", "help", "Help"),
        Binding("q,escape", "back", "Back", key_display="q"),
    ]

    class Started(Message):
        """The trainer was started again."""

        def __init__(self, again: Restarted) -> None:
            super().__init__()
            self.again = again

    class Refused(Message):
        """It could not be; nothing runs."""

        def __init__(self, reason: str) -> None:
            super().__init__()
            self.reason = reason

    class Looked(Message):
        """The machine was looked at."""

        def __init__(self, lines: list[str]) -> None:
            super().__init__()
            self.lines = lines

    def __init__(self, run: RunDir, history: History, case: BadEnd) -> None:
        """`case` is the run's, as `case_of` reads it."""
        super().__init__()
        self._run, self._history, self.case = run, history, case
        self.remedies: list[Remedy] = remedies(case)
        self._starting = False

    def compose(self) -> ComposeResult:
        """What happened, the log's end, the remedies, what the chosen one does, the keys."""
        yield Static("", id="trouble-title", markup=False)
        yield Static("", id="trouble-happened", markup=False)
        with VerticalScroll(id="trouble-log", can_focus=False) as box:
            box.border_title = Content("end of trainer.log")
            yield Static("", id="trouble-tail", markup=False)
        listed = RemedyList(*(Option("") for _ in self.remedies), id="remedies", compact=True)
        listed.border_title = Content("what to change")
        yield listed
        yield Static("", id="trouble-does", markup=False)
        yield KeyLine()

    def on_mount(self) -> None:
        """Start on the mildest remedy that is likely to do."""
        listed = self.query_one("#remedies", OptionList)
        fitting = (place for place, one in enumerate(self.remedies) if one.fits(self.case.room))
        listed.highlighted = next(fitting, 0)
        listed.focus()
        self._show()

    def resized(self) -> None:
        """Set the words anew."""
        self.call_after_refresh(self._show)

    def _show(self) -> None:
        self.query_one("#trouble-title", Static).update(
            title_words(self.case, self._history, self._run.path.name, self.size.width - 2)
        )
        self.query_one("#trouble-happened", Static).update(happened(self.case, self._history, self._run))
        said = str((self._history.error or {}).get("message"))
        lines = [safe_text(line, 200) for line in tail_of(self._run, 20, said=said)]
        nothing = f"{NOTHING[:-1]} else." if self._history.error else NOTHING
        self.query_one("#trouble-tail", Static).update(Content("\n".join(lines) or nothing))
        listed = self.query_one("#remedies", OptionList)
        for place, one in enumerate(self.remedies):
            listed.replace_option_prompt_at_index(place, remedy_row(one, self.case, self.size.width - 6))
        self.query_one("#trouble-log", VerticalScroll).scroll_end(animate=False)
        self._show_effect()

    def _show_effect(self) -> None:
        remedy = self.chosen
        self.query_one("#trouble-does", Static).update(remedy_words(remedy, self.case))

    @property
    def chosen(self) -> Remedy:
        """The remedy under the cursor."""
        return self.remedies[self.query_one("#remedies", OptionList).highlighted or 0]

    @on(OptionList.OptionHighlighted)
    def _moved(self) -> None:
        if not self._starting:
            self._show_effect()
        self.refresh_bindings()

    @on(OptionList.OptionSelected)
    def _selected(self) -> None:
        self.action_apply()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Enter is called what it does on the chosen row."""
        return action != "apply" or (self.is_mounted and does(self.chosen) in parameters)

    def action_apply(self, _: Does | None = None) -> None:
        """Change what the chosen remedy changes, and start the trainer; or open what it leads to."""
        if self._starting:
            return
        match self.chosen.opens:
            case "base model":
                model = self.case.config.model
                need = BaseModelNeed.of(flat(self.case.config))
                self.app.push_screen(BaseModelScreen(model.base, need, "Next: the run starts again."), self._with_base)
            case "folder":
                words = "The folder where they are now. Enter starts the run again."
                self.app.push_screen(LineEditor("Where are they?", "", words, no_folder), self._with_folder)
            case "doctor":
                self._look_at_machine()
            case "disk":
                lines = room_lines(self._run)
                self.app.push_screen(Reader("What takes the room", "\n".join(safe_text(line) for line in lines)))
            case _:
                self._begin(self.chosen)

    def _with_base(self, base: str | None) -> None:
        if base is not None:
            self._begin(with_base(self.case, base))

    def _with_folder(self, folder: str | None) -> None:
        if folder:
            self._begin(with_folder(self.case, folder))

    def _begin(self, remedy: Remedy) -> None:
        self._starting = True
        self.query_one("#trouble-does", Static).update(Content("Writing the settings, starting the trainer ..."))
        self._start(remedy)

    @work(thread=True, exclusive=True, group="doctor")
    def _look_at_machine(self) -> None:
        from loratui.recovery.doctor import checks, doctor_lines

        self.post_message(self.Looked(doctor_lines(list(checks()))))

    @on(Looked)
    def _looked(self, event: Looked) -> None:
        self.app.push_screen(Reader("This machine", "\n".join(safe_text(line) for line in event.lines)))

    @work(thread=True, exclusive=True, group="again")
    def _start(self, remedy: Remedy) -> None:
        from loratui.recovery.restart import start_again

        try:
            run, pid = start_again(self._run, remedy)
        except Refusal as refusal:
            self.post_message(self.Refused(" ".join(refusal.messages)))
        except OSError as error:
            self.post_message(self.Refused(f"the settings cannot be written: {os_words(error)}; nothing was changed"))
        else:
            self.post_message(self.Started(Restarted(run, pid)))

    @on(Started)
    def _started(self, event: Started) -> None:
        self.dismiss(event.again)

    @on(Refused)
    def _refused(self, event: Refused) -> None:
        self._starting = False
        words = Content.styled(f"✗ {safe_text(event.reason)}", "$text-error")
        self.query_one("#trouble-does", Static).update(words)

    def action_log(self) -> None:
        """All messages, and the end of the trainer's own output."""
        self.app.push_screen(Reader("What happened", log_text(self._history, self._run)))

    def action_help(self) -> None:
        """What this is, and the keys."""
        self.app.push_screen(Help("Fix", HELP, keys=""))

    def action_back(self) -> None:
        """Back to the monitor; nothing was changed."""
        if not self._starting:
            self.dismiss(None)


def no_folder(typed: str) -> str:
    """What is wrong with `typed` as the place of pictures; empty if nothing."""
    return "" if is_folder(expanded(typed)) else f"there is no folder '{show_path(typed)}'"


def open_trouble(monitor: Screen[Any], run: RunDir, history: History, again: Callable[[RunDir, int], None]) -> None:
    """Show the screen for `run` over its monitor; `again` is told what was started, if anything was."""
    try:
        case = case_of(run, history)
    except (OSError, ValueError) as error:
        why = os_words(error) if isinstance(error, OSError) else safe_lines(error)[0]
        words = f"{show_path(run.config)} cannot be read, so nothing can be started from it: {why}"
        monitor.app.push_screen(Reader("What happened", Content(safe_text(words))))
        return

    def told(answer: Restarted | None) -> None:
        if answer is not None:
            again(answer.run, answer.pid)

    monitor.app.push_screen(TroubleScreen(run, history, case), told)
