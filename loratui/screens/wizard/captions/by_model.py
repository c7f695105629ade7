"""Captions written by a model while one looks: a job of its own, its download said first; what it says is an edit."""

from __future__ import annotations

import sys
from threading import Thread
from typing import TYPE_CHECKING

from textual import on, work
from textual.message import Message
from textual.worker import get_current_worker

from loratui.screens.shared.dialogs import Reader
from loratui.screens.shared.questions import Answer, Question
from loratui.screens.wizard.captions.writing import WizardCaptions
from loratui.screens.wizard.decisions import PictureDecisions
from loratui.settings.checks import effective
from loratui.terminal.text import plural, safe_text
from trainer.contract.basemodel.hub_cache import repo_folder

if TYPE_CHECKING:
    from loratui.children.job import ChildJob
    from loratui.curation.report import Report

MODELS = {  # by the captioner's name for it: what is fetched once, and how much (sizes of the files that are read)
    "blip": ("Salesforce/blip-image-captioning-base", "1 GB", "one short sentence"),
    "florence-2": ("florence-community/Florence-2-base", "0.5 GB", "a detailed sentence or two"),
}


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


class CaptioningJob(WizardCaptions, PictureDecisions):
    """Adds captions by a model to a step that shows pictures. Leaving the step ends the job."""

    _made: dict[str, str]
    _job: ChildJob | None = None

    def ask_for_captions(self, report: Report) -> None:
        """Say what would be downloaded, then start."""
        if self._job is not None:
            self.say("A model is writing captions already; x ends it.", "warn")
            return
        skipped = {*self.draft.skipped, *self.draft.captions}
        wanted = [one for one in report.pictures if not one.caption and one.opens and one.name not in skipped]
        if not wanted:
            self.say("Every picture has a caption.", "good")
            return
        lines = [
            f"{plural(len(wanted), 'picture')} without a caption. Nothing is written before you have read them.",
            "",
        ]
        for name, (hub, size, how) in MODELS.items():
            where = "on this disk" if is_here(hub) else f"downloaded first, about {size}"
            lines.append(f"{name}: {how}; {hub}, {where}")
        answers = [Answer(name[0], name, name) for name in MODELS]
        question = Question[str]("Which model writes?", "\n".join(lines), [*answers, Answer("n", "None", "")], "")
        self.app.push_screen(question, lambda name: self.start_captioning(name) if name else None)

    def start_captioning(self, model: str) -> None:
        """Start the job on what has no caption yet."""
        self._made = {}
        values = effective(self.draft)
        options = {
            "model": model,
            "trigger": values["dataset.trigger"],
            "caption-column": values["dataset.caption_column"],
        }
        words = [f"--{name}={value}" for name, value in options.items()]
        self.say("Loading the model; x ends it ...")
        self._write_captions(
            [sys.executable, "-m", "trainer.captioner", "--no-files", *words, "--", str(self.draft.folder)]
        )

    @work(thread=True, exclusive=True, group="captions")
    def _write_captions(self, command: list[str]) -> None:
        from loratui.children.events import child_events
        from loratui.children.job import ChildJob

        worker, trouble = get_current_worker(), ""
        try:
            job = self._job = ChildJob(command)
        except OSError as error:
            self.post_message(CaptioningEnded(str(error.strerror)))
            return
        ended = False
        for event in child_events(job.lines()):
            if worker.is_cancelled:
                job.cancel()
            elif event["type"] == "caption":
                place = int(event.get("done") or 0), int(event.get("total") or 0)
                self.post_message(CaptionMade(str(event.get("file")), str(event.get("caption")), *place))
            elif event["type"] == "error":
                trouble, ended = str(event.get("message")), True
            elif event["type"] == "end":
                failed, ended = int(event.get("failed") or 0), True
                trouble = f"the model had no words for {plural(failed, 'picture')}" if failed else ""
        code, last = job.end()
        self._job = None
        if not ended and code >= 0:
            trouble = "the captioner ended without a word: " + " ".join(last[-2:])
        if not worker.is_cancelled:
            self.post_message(CaptioningEnded(trouble))

    @on(CaptionMade)
    def _caption_made(self, event: CaptionMade) -> None:
        self._made[event.name] = event.caption
        self.say(f"Captioned {event.done} of {event.total}: {safe_text(event.caption, 44)} (x ends it)")

    @on(CaptioningEnded)
    def _captioning_ended(self, event: CaptioningEnded) -> None:
        known = set() if self._report is None else {one.name for one in self._report.pictures}
        made = {name: text for name, text in self._made.items() if name in known - {*self.draft.captions}}
        made = {name: text for name, text in made.items() if name not in self.draft.skipped}
        if made:
            said = f"{plural(len(made), 'caption')} by a model, which guesses: read them; F2 writes them."
            self.do(said, self.draft.model_copy(update={"captions": {**self.draft.captions, **made}}))
        if event.trouble:
            self.say("No captions by the model." if not made else "Not every picture has a caption now.", "bad")
            self.app.push_screen(Reader("Captions by a model", safe_text(event.trouble)))
        elif not made:
            self.say("No caption was written.", "warn")

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


def is_here(hub: str) -> bool:
    """Whether the weights of a repository lie in the hub's cache."""
    return any((repo_folder(hub) / "snapshots").glob("*/*.safetensors"))
