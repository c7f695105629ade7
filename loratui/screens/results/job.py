"""A child at work on a finished run: how far it is, for how long, a key to cancel it, and what it refused."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from loratui.children.events import child_events
from loratui.children.job import ChildJob
from loratui.screens.shared.questions import Confirm
from loratui.screens.shared.steady import SteadyModal
from loratui.terminal.numbers import whole
from loratui.terminal.text import os_words, safe_text, show_path
from loratui.terminal.units import bytes_of, clock
from loratui.widgets.dialog import Dialog
from loratui.widgets.progress import progress_bar


@dataclass(frozen=True)
class JobProgress:
    """How far a job is; `total` is 0 where nobody knows. `made` is what it finished with this word, if anything."""

    words: str
    done: int = 0
    total: int = 0
    made: str = ""


@dataclass(frozen=True)
class Job:
    """What is started and how its lines are read."""

    title: str
    command: list[str]
    first: str  # what it does before it says anything
    read: Callable[[dict[str, Any], int], JobProgress]  # an event, and how many came before it
    threads: int = 1
    cancel: str = "Nothing is left behind but what was finished."


@dataclass(frozen=True)
class JobResult:
    """What a job finished, in order."""

    made: tuple[str, ...] = field(default=())


class JobSaid(Message):
    """The child said how far it is."""

    def __init__(self, progress: JobProgress) -> None:
        super().__init__()
        self.progress = progress


class JobEnded(Message):
    """The child is gone."""

    def __init__(self, code: int, words: list[str]) -> None:
        super().__init__()
        self.code, self.words = code, words


class JobScreen(SteadyModal[JobResult | None]):
    """Runs one job. Done: closes with what was made. Refused: says why. Escape cancels, after a question."""

    DEFAULT_CSS = """
    JobScreen #job-state { height: 2; }
    JobScreen #job-bar { height: 1; margin-top: 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,enter,q", "close", "Cancel", key_display="esc")]

    def __init__(self, job: Job) -> None:
        super().__init__()
        self._job = job
        self._child: ChildJob | None = None
        self._began = time.monotonic()
        self._progress = JobProgress(job.first)
        self._made: list[str] = []
        self._cancelled = False
        self._over: JobEnded | None = None
        self.failed = False

    def compose(self) -> ComposeResult:
        """What it does, a bar, what went wrong."""
        with Dialog(self._job.title, "Escape cancels"):
            yield Static("", id="job-state", markup=False)
            with VerticalScroll(classes="dialog-body", can_focus=False):
                yield Static("", id="job-words", markup=False)
            yield Static("", id="job-bar", markup=False)

    def on_mount(self) -> None:
        """Start the child, and show the seconds go by."""
        try:
            self._child = ChildJob(self._job.command, self._job.threads)
        except OSError as error:
            self._refused([f"it cannot be started: {os_words(error)}"])
            return
        self._draw()
        self.set_interval(1.0, self._draw)
        self._follow(self._child)

    def on_unmount(self) -> None:
        """A program that ends takes its job with it; nothing half-written is left, files are renamed into place."""
        if self._child is not None:
            self._child.cancel()

    @work(thread=True, exclusive=True, group="job")
    def _follow(self, child: ChildJob) -> None:
        for told, event in enumerate(child_events(child.lines())):
            self.post_message(JobSaid(self._job.read(event, told)))
        self.post_message(JobEnded(*child.end()))

    @on(JobSaid)
    def _said(self, event: JobSaid) -> None:
        self._progress = event.progress
        if event.progress.made:
            self._made.append(event.progress.made)
        self._draw()

    @on(JobEnded)
    def _ended(self, event: JobEnded) -> None:
        self._over = event
        if self.is_active:
            self._close_with(event)

    def on_screen_resume(self) -> None:
        """It may have ended behind the question whether to cancel it."""
        if self._over is not None and not self.failed:
            self._close_with(self._over)

    def _close_with(self, event: JobEnded) -> None:
        if self._cancelled:
            self.dismiss(None)
        elif event.code == 0:
            self.dismiss(JobResult(tuple(self._made)))
        else:
            self._refused(event.words or [f"it ended with code {event.code} and said nothing"])

    def _refused(self, words: list[str]) -> None:
        self.failed = True
        self.query_one(".dialog").border_subtitle = Content("Escape closes")
        self.query_one("#job-state", Static).update(Content.styled("✗ This did not work:", "bold $text-error"))
        self.query_one("#job-words", Static).update("\n".join(words))
        self.query_one("#job-bar", Static).update("")

    def _draw(self) -> None:
        if self.failed:
            return
        now, took = self._progress, clock(time.monotonic() - self._began)
        self.query_one("#job-state", Static).update(Content(f"● {now.words}\n  {took} so far"))
        bar = self.query_one("#job-bar", Static)
        bar.update(progress_bar(now.done, now.total, max(10, bar.size.width)) if now.total else "")

    def action_close(self) -> None:
        """Close what failed; cancel what works, after a question."""
        if self.failed:
            self.dismiss(None)
            return
        question = Confirm("Cancel this?", self._job.cancel, "Cancel it", "Let it run", destroys=True)
        self.app.push_screen(question, self._cancel)

    def _cancel(self, yes: bool | None) -> None:
        if yes and self._child is not None and self._over is None:
            self._cancelled = True
            self._end(self._child)

    @work(thread=True, group="cancel")
    def _end(self, child: ChildJob) -> None:
        child.cancel()


def path_read(verb: str, total: int) -> Callable[[dict[str, Any], int], JobProgress]:
    """For a program that prints the path of each file when it is there."""

    def read(event: dict[str, Any], told: int) -> JobProgress:
        path = str(event.get("message", ""))
        words = f"{verb} {safe_text(Path(path).name)}"
        return JobProgress(words, told + 1, total, path)

    return read


def upload_read(event: dict[str, Any], _told: int) -> JobProgress:
    """For `loratui push --events`."""
    if event["type"] == "end":
        return JobProgress("sent", 1, 1, safe_text(event.get("link")))
    if event["type"] != "phase":
        return JobProgress("sending")
    done, total = whole(event.get("done")), whole(event.get("total"))
    what = f"{safe_text(event.get('name'))}: {bytes_of(done, total)}"
    return JobProgress(f"sending {what}", done, total)


def folder_words(path: Path, run: Path) -> str:
    """The folder of a file that a job made, as short as it can be said."""
    folder = path.parent
    return f"{safe_text(folder.relative_to(run))}/ of this run" if folder.is_relative_to(run) else show_path(folder)
