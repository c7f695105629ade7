"""What a person can ask of the trainer from the monitor, and what came of it: each command is sent, and answered."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Literal

from textual import on, work

from loratui.errors import Refusal
from loratui.events.history import History, Message
from loratui.runs.added_prompts import trigger_and_prompt
from loratui.runs.inbox import ask
from loratui.runs.possible import Possible
from loratui.runs.states import StateName
from loratui.screens.monitor.add_prompt import AddPrompt, Arguments
from loratui.screens.monitor.ending import Restart, abort_question, asked_words, late_words, stop_question
from loratui.screens.monitor.liveness import Liveness
from loratui.screens.monitor.run_words import is_paused
from loratui.screens.shared.going_on import WentOn, ask_go_on
from loratui.screens.shared.key_reasons import KeyReasons
from loratui.screens.shared.questions import Confirm, close_unanswered
from loratui.screens.shared.steady import SteadyModal
from loratui.terminal.text import os_sentence, os_words
from trainer.contract.run.control import Cmd, send
from trainer.contract.run.lock import lock_holder
from trainer.contract.run.rundir import RunDir
from trainer.contract.settings.config import TrainConfig
from trainer.contract.settings.tracking import NO_SAMPLES

Leaving = Literal["detach", "back", "result"] | RunDir  # a RunDir: to the monitor of that run
UNANSWERED = 20.0  # seconds after which a command that nobody took is spoken of
GONE = "no trainer works on the run any more"
ASKED = ("send", "sample", "pause", "unpause", "stop", "abort", "add")  # what a trainer alone can do
DRAWING = ("sample", "add", "view", "wall")  # what a run without sample pictures has nothing for
ABSENT = {
    "view": "no picture is drawn yet",
    "wall": "no picture is drawn yet",
    "queue": "no run waits in the queue",
    "lower": "no other chart has room",
}
REASON_STAYS = 4.0  # seconds


class RequestsScreen(KeyReasons[Leaving]):
    """A screen over the run at `run` that sends commands; what it shows is its subclass's."""

    def __init__(self, run: RunDir, started: int = 0, within: bool = False) -> None:
        """`started`: the process id of a trainer that was started on it again just now.

        `within`: it was chosen in a list, to which Escape goes back; else Escape leaves, as `q` does.
        """
        super().__init__()
        self._started, self._within = started, within
        self.run_dir = run
        self.history = History()
        self.config: TrainConfig | None = None  # None: its settings cannot be read
        self._waiting: dict[str, tuple[str, float]] = {}  # command id -> what was asked, when
        self._restart: Restart | None = None
        self._now = Possible("starting")  # what can be done with it
        self._live = Liveness(run)
        self.alive = True  # a trainer works on it, by the last look
        self._question: SteadyModal[Any] | None = None  # whose answer is sent to the trainer
        self._asked: Callable[[History, RunDir, StateName], Confirm] | None = None  # what it says, by what holds

    def pull(self) -> None:
        """Take in what the trainer appended."""

    def draw(self) -> None:
        """Show the history as it is."""

    @property
    def draws(self) -> bool:
        """Whether the run draws sample pictures, as far as is known."""
        return self.config is None or self.config.sample.drawn

    @property
    def has_pictures(self) -> bool:
        """Whether there are pictures, or will be."""
        return self.draws or bool(self.history.samples)

    @property
    def state(self) -> StateName:
        """The run's state in one word."""
        if self._restart is not None:
            return "starting"
        return self._live.state(self.history, self.alive)

    def why_not(self, action: str) -> str:
        """By the run's state; of what needs a trainer, a picture or a queue: that there is none."""
        if action in ("go_on", "fix"):
            return self._now.why_not(action)  # type: ignore[arg-type]
        if not self.draws and action in DRAWING and (action in ABSENT or self.alive):
            return NO_SAMPLES
        if action in (*ASKED, "result", "ahead"):
            return f"it is {self.state}" if self.state != "queued" else "it waits in the queue"
        return ABSENT.get(action, "")

    def refuse(self, words: str) -> None:
        """Over all else, and not for long: at a bad end a small window has no room for the events."""
        self.app.clear_notifications()
        self.notify(words, severity="warning", timeout=REASON_STAYS, markup=False)

    def action_send(self, cmd: Cmd, **arguments: str | bool) -> None:
        """Ask the trainer for something; the answer comes as an event. One that has ended since is asked nothing."""
        if not self._live.look(self.history):
            self._answered("warn", f"{cmd}: not sent: {GONE}")
            return
        try:
            key = send(self.run_dir, cmd, **arguments)
        except OSError as error:
            self._say("bad", f"{cmd}: could not be sent ({os_words(error)})")
        else:
            self._waiting[key] = (cmd, time.monotonic())
            self._say("info", asked_words(cmd, self.history, self.state))
        self.draw()

    def action_sample(self) -> None:
        """Every prompt, now."""
        self.action_send("sample")

    def action_detach(self) -> None:
        """Leave; a trainer that works goes on."""
        self.dismiss("detach")

    def action_back(self) -> None:
        """To the list in which the run was chosen."""
        self.dismiss("back")

    def action_pause(self) -> None:
        """Wait between two steps."""
        self.action_send("pause")

    def action_unpause(self) -> None:
        """Go on after a pause."""
        self.action_send("resume")

    def action_go_on(self) -> None:
        """Go on with a run that is paused or over."""
        if is_paused(self.history, self.state):
            self.action_unpause()
        else:
            ask_go_on(self, self.run_dir)

    def action_begin(self) -> None:
        """Start a run that was never started."""
        self.action_go_on()

    @on(WentOn)
    def _went_on(self, event: WentOn) -> None:
        if event.reason:
            self._say("bad", event.reason)
        elif (holder := lock_holder(event.run.lock)) is not None:
            self._restart = Restart(holder.pid, self.history.run)
        self.pull()
        self.draw()

    def action_stop(self) -> None:
        """Stop after a question that says what stays."""
        self._ask(stop_question, "stop")

    def action_abort(self) -> None:
        """End at once, after a question that says what is lost."""
        self._ask(abort_question, "abort")

    def _ask(self, asked: Callable[[History, RunDir, StateName], Confirm], cmd: Cmd) -> None:
        self._asked = asked
        self._question = question = asked(self.history, self.run_dir, self.state)
        self.app.push_screen(question, lambda yes: self._end(cmd) if yes else None)

    def _renew_question(self, changed: bool) -> None:
        """A question says what holds, once that `changed`; of a run that ended meanwhile it has no answer any more."""
        if not self.alive:
            if close_unanswered(self._question):
                self._answered("info", f"the question is closed: {GONE}")
        elif changed and isinstance(self._question, Confirm) and self._question.is_current and self._asked is not None:
            self._question.say_anew(self._asked(self.history, self.run_dir, self.state))

    def _end(self, cmd: Cmd) -> None:
        if self._live.begins_in_slurm:
            self._take_out(cmd)
        else:
            self.action_send(cmd)

    @work(thread=True, exclusive=True, group="taking-out")
    def _take_out(self, cmd: Cmd) -> None:
        """As `loratui stop` does it; scancel may take seconds."""
        try:
            answer: tuple[Literal["info", "bad"], str] = ("info", ask(self.run_dir, cmd))
        except (Refusal, OSError) as error:
            answer = ("bad", f"{cmd}: {os_sentence(error)}")
        self.app.call_from_thread(self._answered, *answer)

    def _answered(self, tone: Literal["info", "warn", "bad"], text: str) -> None:
        self._say(tone, text)
        self.draw()

    def action_fix(self) -> None:
        """What happened, and what to change to go on."""
        from loratui.screens.monitor.trouble import open_trouble

        open_trouble(self, self.run_dir, self.history, self._again)

    async def action_ahead(self, key: str) -> None:
        """What helps where there is no result to look at."""
        await self.run_action(key)

    def _again(self, run: RunDir, pid: int) -> None:
        if run.path != self.run_dir.path:
            self.dismiss(run)
            return
        self._restart = Restart(pid, self.history.run) if pid else None  # of a cluster's job the folder tells
        self.pull()
        self.draw()

    def _settle_restart(self) -> bool:
        """Once the log was read: whether a trainer that was started again has spoken, or ended before it could."""
        if self._started and self.history.end is not None:
            self._restart = Restart(self._started, self.history.run)
        self._started = 0
        said = self._restart.settle(self.history) if self._restart is not None else None
        if said is None:
            return False
        self._restart = None
        if said:
            self._say("bad", said)
        return True

    def action_add(self) -> None:
        """One more prompt, typed now."""
        trigger, start = trigger_and_prompt(self.run_dir)
        self._question = window = AddPrompt(start, trigger)
        self.app.push_screen(window, self._add)

    def _add(self, arguments: Arguments | None) -> None:
        if arguments is not None:
            self.action_send("sample", **arguments)

    def _settle_commands(self) -> bool:
        for key in [key for key in self._waiting if key in self.history.acknowledged]:
            del self._waiting[key]
        late = [key for key, (_, sent) in self._waiting.items() if time.monotonic() - sent > UNANSWERED]
        for key in late:
            cmd, _ = self._waiting.pop(key)
            self._say("warn", late_words(cmd, self.history, self.state))
        return bool(late)

    def _say(self, tone: Literal["info", "good", "warn", "bad"], text: str) -> None:
        self.history.messages.append(Message(time.time(), tone, text))
