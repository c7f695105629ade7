"""What a person can ask of a running trainer: signals and the inbox, looked at between two steps."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from types import FrameType

from trainer.contract.run import exits
from trainer.contract.run.control import Command, Inbox
from trainer.contract.run.events import EventLog
from trainer.contract.run.queue import goes_on_words
from trainer.contract.run.rundir import RunDir
from trainer.contract.run.trainer_start import pass_on
from trainer.ground.full_disk import FullDisk
from trainer.ground.whereabouts import Whereabouts

Done = tuple[bool, str]  # whether a command went well, and what to say of it

Save = Callable[[], Done]
Sample = Callable[[str | None, bool | None], Done]
PAUSE_LOOK = 0.2  # seconds between two looks at the inbox while paused
NOT_ANY_MORE = "not done: the run was already ending"


class Stop(Exception):
    """The run is to end now; `save` says whether a checkpoint and the export are wanted."""

    def __init__(self, save: bool) -> None:
        super().__init__("stopped")
        self.save = save


class Requests:
    """Commands and signals of one run; each command is acknowledged, whatever becomes of it.

    SIGTERM and SIGINT ask for a stop; a second SIGINT ends at once.
    """

    def __init__(
        self, run: RunDir, log: EventLog, since: float = 0.0, note: Callable[[str], None] = lambda _: None
    ) -> None:
        """`since`: unix seconds at which this process began; what was sent before was meant for another one.

        `note` says to those who look at the run's lock what keeps it from its work.
        """
        self._inbox, self._log, self._run = Inbox(run), log, run
        self._place = Whereabouts(run.path)
        self._disk = FullDisk(log, note)
        self._signal: str | None = None
        self.waited = 0.0  # seconds that went by paused or for want of room: no part of what the training took
        for command in self._inbox.take(before=since):
            self._acknowledge(command, "not done: it was sent before this trainer began", ok=False)
        signal.signal(signal.SIGTERM, self._on_signal)
        signal.signal(signal.SIGINT, self._on_signal)
        # the terminal that started the run may close: the run goes on
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if self._signal == "SIGINT" and number == signal.SIGINT:
            pass_on(self._run)
            os._exit(exits.STOPPED)
        self._signal = signal.Signals(number).name

    def check(self) -> None:
        """Between two pictures of a preparation: raises Stop if a stop was asked for; other commands wait.

        Raises FolderGone.
        """
        self.check_place()
        waiting = [one for one in self._inbox.waiting() if one.cmd in ("stop", "abort")]
        if not waiting and self._signal is None:
            return
        for command in self._inbox.take():
            if command.cmd in ("stop", "abort"):
                self._acknowledge(command, "no step was taken since the start, so there is nothing to save")
            else:
                self._acknowledge(command, NOT_ANY_MORE, ok=False)
        raise Stop(save=False)

    def look(
        self,
        save: Save,
        sample: Sample,
        is_settled: Callable[[], bool] = lambda: True,
        ready: Callable[[], None] = lambda: None,
    ) -> None:
        """Do what was asked since the last look; waits while paused, and while the disk is full.

        Raises Stop, and FolderGone if the run's folder is not where it was.

        `save` and `sample` do their work and return whether it went well and what to say of it; `sample` takes a
        prompt or None for all, and whether to draw it from now on, or None for once. `is_settled` tries to write what
        the disk refused, and says whether nothing of it is left. `ready` is called before anything is done or waited
        for: it makes sure that what was trained is known.
        """
        paused = False
        while True:
            self.check_place()
            if self._signal is not None:
                ready()
                raise Stop(save=True)
            commands = self._inbox.take()
            self._tell_rejected()
            try:
                if commands:
                    ready()
            except BaseException:
                self._refuse(commands)
                raise
            for place, command in enumerate(commands):
                try:
                    paused = self._do(command, paused, save, sample)
                except Stop:
                    self._refuse(commands[place + 1 :])
                    raise
            if self._disk.has_room(is_settled, held=paused) and not paused:
                return
            ready()
            before = time.monotonic()
            time.sleep(PAUSE_LOOK)
            self.waited += time.monotonic() - before

    def check_place(self) -> None:
        """Raise FolderGone if the run's folder was moved or removed: nothing is to be written at its old place."""
        self._place.check()

    def close(self) -> None:
        """Answer what nobody will do any more: the run is over."""
        self._refuse(self._inbox.take())

    def _tell_rejected(self) -> None:
        """One line for all that was found in the inbox and is no command."""
        rejected = self._inbox.rejected()
        if not rejected:
            return
        more = f" (and {len(rejected) - 1} more)" if len(rejected) > 1 else ""
        message = f"{rejected[0].name} in the inbox is passed over: {rejected[0].reason}{more}"
        advice = "commands are sent by loratui, such as 'loratui stop'; remove what else lies in control/"
        self._log.emit("warn", code="inbox", message=message, advice=advice)

    def _refuse(self, commands: list[Command]) -> None:
        for command in commands:
            self._acknowledge(command, NOT_ANY_MORE, ok=False)

    def _do(self, command: Command, paused: bool, save: Save, sample: Sample) -> bool:
        match command.cmd:
            case "stop":
                self._acknowledge(
                    command, f"what was trained since the start is saved, then the run ends{self._then()}"
                )
                raise Stop(save=True)
            case "abort":
                self._acknowledge(command, f"the run ends at once; nothing more is saved{self._then()}")
                raise Stop(save=False)
            case "pause":
                self._acknowledge(command, "the run waits between two steps")
                return True
            case "resume":
                self._acknowledge(command, "the run goes on")
                return False
            case "save":
                ok, said = save()
                self._acknowledge(command, said, ok)
            case "sample":
                ok, said = self._sampled(command, sample)
                self._acknowledge(command, said, ok)
        return paused

    def _sampled(self, command: Command, sample: Sample) -> Done:
        prompt, keep = command.args.get("prompt"), command.args.get("keep")
        if not isinstance(prompt, str | None) or not isinstance(keep, bool | None):
            return False, "a prompt is text, and keep is true or false"
        if prompt is None and keep is not None:
            return False, "which prompt to keep was not said"
        return sample(prompt, keep)

    def _then(self) -> str:
        return goes_on_words(self._run)

    def _acknowledge(self, command: Command, message: str, ok: bool = True) -> None:
        self._log.emit("command", id=command.id, cmd=command.cmd, ok=ok, message=message)
