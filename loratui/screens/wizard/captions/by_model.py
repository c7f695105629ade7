"""Captions written by a model while one looks: a job of its own, its download said first; what it says is an edit."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from threading import Thread
from types import MappingProxyType
from typing import TYPE_CHECKING

from textual import on, work
from textual.message import Message
from textual.worker import get_current_worker

from loratui.screens.wizard.captions.choosing import CaptionerChoice
from loratui.settings.checks import effective
from loratui.terminal.text import os_words, plural, safe_text
from trainer.contract.settings.concepts import prefix_of
from trainer.contract.settings.config import most_tokens

if TYPE_CHECKING:
    from loratui.children.job import ChildJob
    from loratui.curation.report import Report


class CaptionMade(Message):
    """A model had words for a picture."""

    def __init__(self, name: str, caption: str, done: int, total: int) -> None:
        super().__init__()
        self.name, self.caption, self.done, self.total = name, caption, done, total


class CaptioningEnded(Message):
    """The job is over; `trouble` says why it made fewer than it should."""

    def __init__(self, trouble: str = "") -> None:
        super().__init__()
        self.trouble = trouble


class CaptioningJob(CaptionerChoice):
    """Adds captions by a model to a step that shows pictures. Leaving the step ends the job."""

    _made: dict[str, str]
    _job: ChildJob | None = None
    _started: tuple[str, Mapping[str, str]] = ("", MappingProxyType({}))  # the model and server of the last job

    def ask_for_captions(self, report: Report, take: str = "") -> None:
        """Choose who captions, while no job runs."""
        if self._job is not None:
            self.say("A model is writing captions already; x ends it.", "warn")
            return
        super().ask_for_captions(report, take)

    def start_captioning(self, model: str, server: Mapping[str, str] = MappingProxyType({})) -> None:
        """Start the job on what has no caption yet; `server`: the options for one in place of a model."""
        self._made, self._started = {}, (model, server)
        values, folder = effective(self.draft), self.draft.folder
        own = tuple(str(values[f"dataset.{name}"]) for name in ("trigger", "caption_column", "class_word"))
        if (beside := self.concept_beside(self._concept)) is not None:
            own = (beside.trigger, beside.caption_column, beside.class_word)
            folder = self._folder_of(self._concept)
        options = {
            **server,
            "model": model,
            "trigger": own[0],
            "caption-column": own[1],
            "kind": values["kind"],
            "class-word": own[2],
            "base": values["model.base"],
            "max-tokens": values["caption.max_tokens"],
            "new-tokens": most_tokens(values) if values["pivotal.enabled"] else 0,
        }
        words = [f"--{name}={value}" for name, value in options.items()]
        self.say(f"{'Asking the server' if server else 'Loading the model'}; x ends it ...")
        self._write_captions([sys.executable, "-m", "trainer.captioner", "--no-files", *words, "--", str(folder)])

    @work(thread=True, exclusive=True, group="captions")
    def _write_captions(self, command: list[str]) -> None:
        from loratui.children.events import child_events
        from loratui.children.job import ChildJob

        worker, trouble = get_current_worker(), ""
        try:
            job = self._job = ChildJob(command)
        except OSError as error:
            self.post_message(CaptioningEnded(os_words(error)))
            return
        ended = False
        for event in child_events(job.lines()):
            if worker.is_cancelled:
                job.cancel()
            elif event["type"] == "caption":
                place = int(event.get("done") or 0), int(event.get("total") or 0)
                self.post_message(CaptionMade(str(event.get("file")), str(event.get("caption")), *place))
            elif event["type"] == "error":
                trouble, ended = str(event.get("why") or event.get("message")), True
            elif event["type"] == "end":
                failed, ended = int(event.get("failed") or 0), True
                trouble = f"the model had no words for {plural(failed, 'picture')}" if failed else ""
        code, last = job.end()
        self._job = None
        if not ended and code >= 0:
            trouble = "the captioner ended without a message: " + " ".join(last[-2:])
        if not worker.is_cancelled:
            self.post_message(CaptioningEnded(trouble))

    @on(CaptionMade)
    def _caption_made(self, event: CaptionMade) -> None:
        self._made[prefix_of(self._concept) + event.name] = event.caption
        self.say(f"Captioned {event.done} of {event.total}: {safe_text(event.caption, 44)} (x ends it)")

    @on(CaptioningEnded)
    def _captioning_ended(self, event: CaptioningEnded) -> None:
        known = set() if self._report is None else {one.name for one in self._report.pictures}
        made = {name: text for name, text in self._made.items() if name in known - {*self.draft.captions}}
        made = {name: text for name, text in made.items() if name not in self.draft.skipped}
        if made:
            said = f"{plural(len(made), 'caption')} by a model, which guesses: read them; F2 writes them."
            self.do(said, self.draft.with_fields(captions={**self.draft.captions, **made}))
        if event.trouble:
            model, server = self._started
            by = server.get("endpoint") or model
            self.no_captions(by, event.trouble, lambda: self.start_captioning(model, server), len(made))
        elif not made:
            self.say("No caption was written.", "warn")

    def can(self, action: str) -> bool:
        """A job is ended where one runs."""
        return (action != "end_captioning" or self._job is not None) and super().can(action)

    def action_end_captioning(self) -> None:
        """End the job; what it said so far stays as edits."""
        job = self._job
        if job is not None:
            self.say("Ending ...")
            self.run_worker(job.cancel, thread=True, group="captions-end")

    def on_unmount(self) -> None:
        """Leaving ends the job, which may take it a moment: nobody waits for that here."""
        if self._job is not None:
            Thread(target=self._job.cancel, daemon=True).start()
