"""`loratui caption`: a model writes a caption beside each picture that has none; torch runs in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO, Annotated, Any

import typer

from loratui.children.events import child_events
from loratui.children.start import start_child
from loratui.commands.options import ColumnOption, DatasetArgument, KindOption, beginning, checked, checked_trigger
from loratui.errors import Refusal
from loratui.terminal.asking import agreed, is_anybody_there
from loratui.terminal.text import plural, safe_lines, safe_text, shell_path, show_path
from loratui.terminal.ticker import Ticker
from trainer.contract.captioning.known import AUTO, KNOWN, MOST, suited
from trainer.contract.captioning.servers import CaptionServer, NoServer, server_at
from trainer.contract.paths import expanded
from trainer.contract.run import exits

DEVICES = ("auto", "cuda", "cpu")
HAS_ONE = ("has a caption", "has a caption in the metadata")
TAIL = 12  # lines of the process's stderr that are shown when it died


def caption(
    dataset: DatasetArgument,
    model: Annotated[
        str,
        typer.Option(
            "--model",
            help=f"{', '.join((AUTO, *KNOWN))}, a local folder, a hub id, or a name that --endpoint serves.",
            autocompletion=lambda incomplete: beginning(incomplete, (AUTO, *KNOWN)),
        ),
    ] = AUTO,
    endpoint: Annotated[
        str, typer.Option("--endpoint", help="Your own server instead of a model: http://127.0.0.1:11434/v1.")
    ] = "",
    send_pictures_to: Annotated[
        str,
        typer.Option("--send-pictures-to", help="Yes to a host of --endpoint that is not here: pictures leave for it."),
    ] = "",
    trigger: Annotated[str, typer.Option("--trigger", help="Stands in every caption; '' for none.")] = "TOK",
    prefix: Annotated[str, typer.Option("--prefix", help="Before each caption: 'a photo of TOK,'.")] = "",
    suffix: Annotated[str, typer.Option("--suffix", help="After each caption: ', in the style of TOK'.")] = "",
    kind: KindOption = None,
    class_word: Annotated[str, typer.Option("--class-word", help="What the subject is: dog, woman.")] = "",
    max_tokens: Annotated[
        int, typer.Option("--max-tokens", min=5, max=400, help="Longest caption, as SDXL reads it; cut at a clause.")
    ] = MOST,
    device: Annotated[str, typer.Option("--device", help="auto, cuda or cpu.")] = "auto",
    caption_column: ColumnOption = None,
    yes: Annotated[bool, typer.Option("--yes", help="Download the model without asking.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say which pictures; load and write nothing.")] = False,
) -> None:
    """Write a caption as .txt beside each picture that has none; an existing one is never touched."""
    if device not in DEVICES:
        raise Refusal(f"--device {safe_text(device, 40)}: auto, cuda or cpu")
    folder = expanded(dataset)
    trigger = checked_trigger(trigger)
    wanted = _wanted(folder, caption_column)
    if wanted and dry_run:
        print(_would(_suited(device) if model == AUTO else model, endpoint, wanted), flush=True)
    elif wanted and endpoint:
        send_pictures_to = _agreed_host(endpoint, send_pictures_to, wanted)
    elif wanted:
        model = _agreed(_suited(device) if model == AUTO else model, yes)
    given = {
        "model": model,
        "endpoint": endpoint,
        "send-pictures-to": send_pictures_to,
        "trigger": trigger,
        "prefix": prefix,
        "suffix": suffix,
        "max-tokens": max_tokens,
        "class-word": class_word,
    }
    if kind is not None:
        given["kind"] = checked("--kind", "kind", kind)
    options = {**given, "device": device, **({} if caption_column is None else {"caption-column": caption_column})}
    flags = ["--dry-run"] if dry_run else []
    words = [*(f"--{name}={value}" for name, value in options.items()), *flags, "--", str(folder)]
    raise typer.Exit(_run([sys.executable, "-m", "trainer.captioner", *words], folder))


def _wanted(folder: Path, column: str | None) -> int:
    """How many pictures lack a caption; what is wrong with the folder the captioner says itself."""
    from trainer.contract.pictures.folder import NoDataset, list_pictures

    try:
        listed = list_pictures(folder, column) if column else list_pictures(folder)
    except NoDataset:
        return 0
    return sum(not one.caption for one in listed.pictures)


def _suited(device: str) -> str:
    from loratui.planning.hardware import usable_gpu

    gpu = usable_gpu("cpu" if device == "cpu" else "auto")
    return suited(gpu.free if gpu else 0)


def _would(model: str, endpoint: str, count: int) -> str:
    """What captioning would fetch or send, and does not now."""
    from loratui.basemodels.captioners import download_of

    pictures = plural(count, "picture")
    if endpoint:
        server = _server(endpoint)
        away = "" if server.is_own else f" {safe_text(server.leaving(count), 200)}: asked first."
        sent = f"{pictures} would be sent to {safe_text(server.shown, 80)}, each with one question"
        return f"{sent}; nothing is sent now.{away}"
    found = download_of(model)
    if found is None:
        return (
            f"{safe_text(model, 80)} is on this disk: nothing would be downloaded, and no picture leaves the machine."
        )
    if found.trouble:
        return f"It cannot caption now: {found.trouble}. No picture leaves the machine."
    return f"{found.words}: asked first, unless --yes; nothing is downloaded now. No picture leaves the machine."


def _server(endpoint: str) -> CaptionServer:
    try:
        return server_at(endpoint)
    except NoServer as error:
        raise Refusal(f"--endpoint {safe_text(error)}", exits.USAGE) from None


def _agreed_host(endpoint: str, named: str, count: int) -> str:
    """The other host that pictures may go to: named by the option, or agreed to now; "" for this machine.

    Raises Refusal.
    """
    server = _server(endpoint)
    if server.may_have(named):
        return named
    leaving, host = safe_text(server.leaving(count), 200), safe_text(server.host, 80)
    if named or not is_anybody_there():
        raise Refusal(f"{leaving}: nothing was sent; --send-pictures-to {host} says yes to that", exits.USAGE)
    if not agreed(f"{leaving}. Send them?"):
        raise Refusal("nothing was sent and no caption written", exits.USAGE)
    return server.host


def _agreed(model: str, yes: bool) -> str:
    """`model`, once what it would download was said and agreed to. Raises Refusal."""
    from loratui.basemodels.captioners import download_of

    wanted = download_of(model)
    if wanted is None:
        return model
    if wanted.trouble:
        raise Refusal(wanted.trouble, exits.USAGE)
    if yes:
        print(f"{wanted.words}.", flush=True)
    elif not is_anybody_there():
        raise Refusal(f"{wanted.words}: --yes agrees to that, --model takes another", exits.USAGE)
    elif not agreed(f"{wanted.words}. Download it?"):
        raise Refusal("nothing was downloaded and no caption written; --model takes another", exits.USAGE)
    return model


def _run(command: list[str], folder: Path) -> int:
    """Follow the captioner to its end; its exit code is ours. Ctrl+C stops it after telling it once."""
    from trainer.contract.run.trainer_start import trainer_environment

    with Ticker() as ticker:
        # a session of its own: Ctrl+C reaches it through us, once
        child = start_child(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=trainer_environment(_threads()),
            start_new_session=True,
        )
        complaints = _Complaints(child.stderr, ticker)
        view = _View(ticker, folder)
        try:
            for event in child_events(child.stdout or ()):
                view.show(event)
            code = child.wait()
        except KeyboardInterrupt:
            code = _interrupt(child, view)
        finally:
            if child.poll() is None:
                child.kill()
                child.wait()
        complaints.join()
    if not view.ended and code != exits.STOPPED:
        said = ["the captioner ended without a message; the end of what it said:", *complaints.lines[-TAIL:]]
        raise Refusal(said, exits.FAILED)
    return code


def _threads() -> int:
    """All cores, unless the person's environment says otherwise."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return int(asked) if asked.isdigit() else os.cpu_count() or 1


def _interrupt(child: subprocess.Popen[bytes], view: _View) -> int:
    child.send_signal(signal.SIGINT)
    try:
        for event in child_events(child.stdout or ()):
            view.show(event)
        child.wait()
    except KeyboardInterrupt:  # again: at once
        child.kill()
    return exits.STOPPED


class _Complaints(threading.Thread):
    """What the process says on stderr: download bars on the ticker, all of it kept for when it dies."""

    def __init__(self, stream: IO[bytes] | None, ticker: Ticker) -> None:
        super().__init__(daemon=True)
        self._stream, self._ticker = stream, ticker
        self.lines: list[str] = []
        self.start()

    def run(self) -> None:
        """Until the process closes it."""
        if self._stream is None:
            return
        while chunk := os.read(self._stream.fileno(), 65536):
            found = [line for line in safe_lines(chunk.decode("utf-8", "replace")) if line.strip()]
            self.lines = [*self.lines, *found][-200:]
            if found:
                self._ticker.say(found[-1])


class _View:
    """Turns the captioner's events into lines."""

    def __init__(self, ticker: Ticker, folder: Path) -> None:
        self._ticker, self._folder = ticker, folder
        self._there = 0
        self.ended = False

    def show(self, event: dict[str, Any]) -> None:
        """One event: a line, or none."""
        name, place = safe_text(event.get("file")), f"{event.get('done')} of {event.get('total')}"
        match event.get("type"):
            case "work":
                self._line(f"{plural(int(event['wanted']), 'picture')} without a caption in {show_path(self._folder)}")
            case "note":
                self._line(f"! {safe_text(event.get('message'))}")
            case "left" if event.get("reason") in HAS_ONE:
                self._there += 1
            case "left":
                self._line(f"- {name}: left alone: {safe_text(event.get('reason'))}")
            case "would":
                written = safe_text(event.get("caption_file"))
                self._line(f"  {name}: would write {written}: {safe_text(event.get('caption'))}")
            case "load":
                self._line(f"loading {safe_text(event.get('model'))} on {event.get('device')} ...")
            case "caption":
                self._line(f"{place}  {name}: {safe_text(event.get('caption'))}")
            case "failed":
                self._line(f"{place}  x {name}: {safe_text(event.get('reason'))}")
            case "error":
                self.ended = True
                self._ticker.wipe()
                print(safe_text(event.get("message")), file=sys.stderr, flush=True)
            case "end":
                self.ended = True
                self._end(int(event.get("done") or 0), int(event.get("failed") or 0))

    def _end(self, done: int, failed: int) -> None:
        if self._there:
            self._line(f"{plural(self._there, 'picture')} had a caption already; it stays.")
        if failed:
            self._line(f"{plural(failed, 'picture')} could not be captioned: see x.")
        if done:
            shown = shell_path(self._folder)
            self._line(f"{plural(done, 'caption')} written. Read them before you train: a model guesses.")
            self._line(f"Then: loratui check {shown}")

    def _line(self, words: str) -> None:
        self._ticker.wipe()
        print(words, flush=True)
