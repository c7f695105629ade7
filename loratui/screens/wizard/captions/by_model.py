"""Captions written by a model while one looks: a job of its own, its download said first; what it says is an edit."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from threading import Thread
from types import MappingProxyType
from typing import TYPE_CHECKING

from textual import on, work
from textual.content import Content
from textual.message import Message
from textual.worker import get_current_worker

from loratui.screens.shared.dialogs import Chooser, Reader
from loratui.screens.shared.editors import Form
from loratui.screens.shared.questions import Confirm
from loratui.screens.wizard.captions.writing import WizardCaptions
from loratui.screens.wizard.decisions import PictureDecisions, of_title
from loratui.settings.checks import effective
from loratui.terminal.text import plural, safe_text
from trainer.contract.captioning.known import AUTO, KNOWN, PROPOSED, KnownCaptioner, suited
from trainer.contract.captioning.servers import EXAMPLE, CaptionServer, NoServer, server_at
from trainer.contract.settings.concepts import number_of, prefix_of
from trainer.contract.settings.config import most_tokens

if TYPE_CHECKING:
    from loratui.children.job import ChildJob
    from loratui.curation.report import Report


SERVER = "server"  # the line of the list that is no model
ADDRESS, MODEL = "address", "model"
ON_SERVER = (
    "A server that speaks OpenAI's chat and sees pictures: ollama, vLLM, llama.cpp. "
    "Each picture that lacks a caption is sent to it with one question."
)


class CaptionMade(Message):
    """A model had words for a picture."""

    def __init__(self, name: str, caption: str, done: int, total: int) -> None:
        super().__init__()
        self.name, self.caption, self.done, self.total = name, caption, done, total


class CaptionersSeen(Message):
    """The machine was looked at: `suits` is the captioner to propose on it."""

    def __init__(self, suits: str, wanted: int) -> None:
        super().__init__()
        self.suits, self.wanted = suits, wanted


class CaptioningEnded(Message):
    """The job is over; `trouble` says why it made fewer than it should."""

    def __init__(self, trouble: str = "") -> None:
        super().__init__()
        self.trouble = trouble


class CaptioningJob(WizardCaptions, PictureDecisions):
    """Adds captions by a model to a step that shows pictures. Leaving the step ends the job."""

    _made: dict[str, str]
    _job: ChildJob | None = None
    _concept: int = 1  # whose pictures it is about
    _server: tuple[str, str] = (EXAMPLE, "")  # address and model as they were typed last

    def ask_for_captions(self, report: Report) -> None:
        """Say what would be downloaded, then start."""
        if self._job is not None:
            self.say("A model is writing captions already; x ends it.", "warn")
            return
        skipped = {*self.draft.skipped, *self.draft.captions}
        bare = [one.name for one in report.pictures if not one.caption and one.opens and one.name not in skipped]
        # a folder at a time: the concept that is shown alone, else the first that lacks some
        self._concept = self.concept_of(bare)
        wanted = sum(number_of(one) == self._concept for one in bare)
        if not wanted:
            self.say("Every picture has a caption.", "good")
            return
        self.say("Looking at what this machine can run ...")
        self._look_for_captioners(wanted)

    @work(thread=True, exclusive=True, group="captioners")
    def _look_for_captioners(self, wanted: int) -> None:
        """nvidia-smi may take seconds."""
        machine = self.session.look("auto")
        if not get_current_worker().is_cancelled:
            self.post_message(CaptionersSeen(suited(machine.free if machine.device == "cuda" else 0), wanted))

    @on(CaptionersSeen)
    def _captioners_seen(self, event: CaptionersSeen) -> None:
        """Each captioner with what it is and what it costs, the one that suits this machine first."""
        lines = [(name, _line(KNOWN[name])) for name in KNOWN]
        lines.insert(len(PROPOSED), (SERVER, _two_lines(SERVER, "your own: ollama, vLLM, llama.cpp", EXAMPLE)))
        lines.sort(key=lambda line: line[0] != event.suits)
        pictures = f"{plural(event.wanted, 'picture')}{of_title(self._concept)}"
        title = f"Which model captions {pictures}? You read them before saving."

        def take(name: str | None) -> None:
            if name == SERVER:
                self._ask_server(event.wanted)
            elif name is not None:
                self._agree(KNOWN[name])

        self.app.push_screen(Chooser(title, lines, event.suits), take)

    def _ask_server(self, wanted: int) -> None:
        """Where the person's own server is, and which of its models is meant."""
        fields = [(ADDRESS, self._server[0], EXAMPLE), (MODEL, self._server[1], "the one that it has")]

        def take(given: dict[str, str] | None) -> None:
            if given is not None:
                self._server = (given[ADDRESS], given[MODEL])
                self._agree_server(server_at(given[ADDRESS]), given[MODEL] or AUTO, wanted)

        form = Form("Captions by a server of yours", ON_SERVER, fields, _no_server, does="Caption", whole=True)
        self.app.push_screen(form, take)

    def _agree_server(self, server: CaptionServer, model: str, wanted: int) -> None:
        """Begin; for another machine once that was agreed to by its name."""
        options = {"endpoint": server.shown}
        if server.is_own:
            self.start_captioning(model, options)
            return
        words = f"{server.leaving(wanted)}. Who runs it can keep them."
        title = f"Send {plural(wanted, 'picture')} to {safe_text(server.host, 40)}?"
        ask = Confirm(title, safe_text(words), "Send them", careful=True)
        options["send-pictures-to"] = server.host
        self.app.push_screen(ask, lambda yes: self.start_captioning(model, options) if yes else None)

    def _agree(self, model: KnownCaptioner) -> None:
        """Start it, once what it would download was said and agreed to."""
        if model.is_here():
            self.start_captioning(model.name)
            return
        needs = f"\nIt needs {model.needs()}." if model.needs() else ""
        words = f"{model.repo}: {model.where()}; it then stays on this disk.{needs}"
        ask = Confirm(f"Download {model.name}?", words, "Download")
        self.app.push_screen(ask, lambda yes: self.start_captioning(model.name) if yes else None)

    def start_captioning(self, model: str, server: Mapping[str, str] = MappingProxyType({})) -> None:
        """Start the job on what has no caption yet; `server`: the options for one in place of a model."""
        self._made = {}
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


def _no_server(given: dict[str, str]) -> str:
    """What is wrong with what was typed as an address."""
    try:
        server_at(given[ADDRESS])
    except NoServer as error:
        return safe_text(error, 100)
    return ""


def _line(one: KnownCaptioner) -> Content:
    """A captioner: what it is; whether it is here or how large it is, and what it needs."""
    needs = f"; needs {one.needs()}" if one.needs() else ""
    return _two_lines(one.name, one.how, f"{one.where()}{needs}")


def _two_lines(name: str, how: str, below: str) -> Content:
    return Content.assemble((f"{name:13}", "bold"), how, (f"\n{'':13}{below}", "$muted"))
