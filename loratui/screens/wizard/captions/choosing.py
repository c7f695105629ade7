"""Choosing who captions: a model on this disk, one to fetch while the hub can be reached, a server, a folder."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from textual import on, work
from textual.content import Content
from textual.message import Message
from textual.worker import get_current_worker

from loratui.basemodels.captioners import hub_silence, trouble_of
from loratui.basemodels.hub import to_be_heard
from loratui.screens.shared.dialogs import Chooser
from loratui.screens.shared.editors import Form
from loratui.screens.shared.questions import Answer, Confirm, Question
from loratui.screens.wizard.captions.writing import WizardCaptions
from loratui.screens.wizard.decisions import PictureDecisions, of_title
from loratui.terminal.text import plural, safe_text
from trainer.contract.captioning.known import AUTO, KNOWN, PROPOSED, KnownCaptioner, is_whole, suited
from trainer.contract.captioning.servers import EXAMPLE, CaptionServer, NoServer, server_at
from trainer.contract.paths import expanded, is_folder
from trainer.contract.settings.concepts import number_of

if TYPE_CHECKING:
    from loratui.curation.report import Report

SERVER, FOLDER = "server", "folder"  # the lines of the list that are no model with a name
ADDRESS, MODEL = "address", "model"
ON_SERVER = (
    "A server that speaks OpenAI's chat and sees pictures: ollama, vLLM, llama.cpp. "
    "Each picture that lacks a caption is sent to it with one question."
)
ON_FOLDER = "A model that sees pictures, as the hub has it: Qwen3-VL, LLaVA, Florence-2, BLIP or a WD tagger."
WAYS = "m chooses another model, a folder on this disk or a server; t tries the same again; w is for writing by hand."
Way = Literal["model", "again", "hand", "leave"]


class CaptionersSeen(Message):
    """The machine was looked at and the hub asked: `suits` is the captioner to propose, `take` the one chosen before.

    `silence` is why none can be fetched now.
    """

    def __init__(self, suits: str, wanted: int, silence: str, take: str) -> None:
        super().__init__()
        self.suits, self.wanted, self.silence, self.take = suits, wanted, silence, take


class CaptionerChoice(WizardCaptions, PictureDecisions):
    """Adds the choice to a step that shows pictures; what is chosen ends in `start_captioning`."""

    _concept: int = 1  # whose pictures it is about
    _server: tuple[str, str] = (EXAMPLE, "")  # address and model as they were typed last
    _model_folder: str = ""  # as it was typed last

    def start_captioning(self, model: str, server: Mapping[str, str] = MappingProxyType({})) -> None:
        """Start the job on what has no caption yet; `server`: the options for one in place of a model."""

    def open_workbench(self, only: Collection[str] = (), at: str = "") -> None:
        """Captions to edit: of `only` these pictures or all, ready to type at one."""

    def ask_for_captions(self, report: Report, take: str = "") -> None:
        """Say what would be downloaded, then start; `take`: the model that was chosen before."""
        bare = self._bare(report)
        # a folder at a time: the concept that is shown alone, else the first that lacks some
        self._concept = self.concept_of(bare)
        wanted = sum(number_of(one) == self._concept for one in bare)
        if not wanted:
            self.say("Every picture has a caption.", "good")
            return
        self.say("Looking at what this machine can run ...")
        self._look_for_captioners(wanted, take)

    def _bare(self, report: Report) -> list[str]:
        """The pictures that lack a caption."""
        skipped = {*self.draft.skipped, *self.draft.captions}
        return [one.name for one in report.pictures if not one.caption and one.opens and one.name not in skipped]

    @work(thread=True, exclusive=True, group="captioners")
    def _look_for_captioners(self, wanted: int, take: str) -> None:
        """nvidia-smi may take seconds, and so may the hub."""
        machine = self.session.look("auto")
        suits, silence = suited(machine.free if machine.device == "cuda" else 0), hub_silence()
        if not get_current_worker().is_cancelled:
            self.post_message(CaptionersSeen(suits, wanted, silence, take))

    @on(CaptionersSeen)
    def _captioners_seen(self, event: CaptionersSeen) -> None:
        """Each captioner with what it is and costs: first the one that suits this machine, last what cannot be had."""
        self.say("")
        if event.take:
            self._agree(KNOWN[event.take])
            return
        lines = [(name, _line(KNOWN[name])) for name in KNOWN]
        own = [(SERVER, _two_lines(SERVER, "your own: ollama, vLLM, llama.cpp", EXAMPLE))]
        own.append((FOLDER, _two_lines(FOLDER, "a model that you have already", "on this disk")))
        lines[len(PROPOSED) : len(PROPOSED)] = own
        troubled = {name for name, one in KNOWN.items() if trouble_of(one)}
        asks_more = {SERVER, FOLDER} if event.silence else set()  # beside what can be taken as it is
        lines.sort(key=lambda line: (line[0] in troubled, line[0] != event.suits, line[0] in asks_more))
        pictures = f"{plural(event.wanted, 'picture')}{of_title(self._concept)}"
        title = f"Which model captions {pictures}? You read them before saving."

        def take(name: str | None) -> None:
            if name == SERVER:
                self._ask_server(event.wanted)
            elif name == FOLDER:
                self._ask_folder()
            elif name is not None:
                self._agree(KNOWN[name])

        self.app.push_screen(Chooser(title, lines, lines[0][0], _note(event.silence)), take)

    def _ask_folder(self) -> None:
        """Where a model lies that has no name here, or was not fetched by the hub's own library."""

        def take(given: dict[str, str] | None) -> None:
            if given is not None:
                self._model_folder = given[FOLDER]
                self.start_captioning(str(expanded(given[FOLDER])))

        fields = [(FOLDER, self._model_folder, "such as ~/models/Florence-2-base")]
        self.app.push_screen(
            Form("Captions by a model on this disk", ON_FOLDER, fields, _no_model, does="Caption"), take
        )

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
        if trouble := trouble_of(model):
            self.no_captions(model.name, trouble, lambda: self._again(model.name))
            return
        if model.is_here():
            self.start_captioning(model.name)
            return
        needs = f"\nIt needs {model.needs()}." if model.needs() else ""
        words = f"{model.repo}: {model.where()}; it then stays on this disk.{needs}"
        ask = Confirm(f"Download {model.name}?", words, "Download")
        self.app.push_screen(ask, lambda yes: self.start_captioning(model.name) if yes else None)

    def _again(self, name: str) -> None:
        """Ask the hub again, and go on with the model that was chosen."""
        if self._report is not None:
            self.ask_for_captions(self._report, name)

    def no_captions(self, by: str, why: str, again: Callable[[], None], made: int = 0) -> None:
        """Say why some have none though `made` have one, and offer what can be done now."""
        said = "Not every picture has a caption now" if made else "No caption was written"
        self.say(f'{said}. On "no caption": s another model, e by hand.', "bad")
        answers: list[Answer[Way]] = [
            Answer("m", "Another model", "model"),
            Answer("t", "Try again", "again"),
            Answer("w", "Write by hand", "hand"),
        ]

        def take(way: Way | None) -> None:
            if way == "again":
                again()
            elif self._report is not None and way == "model":
                self.ask_for_captions(self._report)
            elif self._report is not None and way == "hand":
                self.open_workbench(self._bare(self._report))

        words = f"{safe_text(why, 600)}.\n\n{WAYS}"
        title = f"Captions by {safe_text(by, 40)}: {'not all' if made else 'none'}"
        self.app.push_screen(Question[Way](title, words, answers, "leave"), take)


def _note(silence: str) -> str:
    """What the list means while the hub is silent."""
    if not silence:
        return ""
    here = any(one.is_here() for one in KNOWN.values())
    on_disk = "Only those on this disk can caption" if here else "None of these models is on this disk"
    do = to_be_heard(silence)
    back = f"{do[:1].upper()}{do[1:]} and come back here, or take the line '{FOLDER}' or '{SERVER}'."
    return f"✗ {silence[:1].upper()}{silence[1:]}, so no model can be fetched. {on_disk}. {back}"


def _no_model(given: dict[str, str]) -> str:
    """What is wrong with what was typed as a model's folder."""
    folder = expanded(given[FOLDER])
    if not given[FOLDER] or not is_folder(folder):
        return f"There is no folder '{safe_text(given[FOLDER], 60)}'."
    return "" if is_whole(folder) else "It holds no whole model: no weights as .safetensors, and no tagger."


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
    where = "not on this disk, and cannot be fetched now" if trouble_of(one) else one.where()
    return _two_lines(one.name, one.how, f"{where}{needs}")


def _two_lines(name: str, how: str, below: str) -> Content:
    return Content.assemble((f"{name:13}", "bold"), how, (f"\n{'':13}{below}", "$muted"))
