"""`python -m trainer.captioner DIR`: writes a caption beside each picture that has none; tells its progress as JSON."""

from __future__ import annotations

if __name__ == "__main__":  # before the imports, which take seconds
    from trainer.contract.run.program import begin

    begin()

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from trainer.captioner.asked import Asked, NoCaptioner
from trainer.captioner.files import CaptionFrame, CaptionWork, InUse, alone_in, caption_file, find_work, write_new
from trainer.contract.captioning.known import AUTO, KNOWN
from trainer.contract.captioning.tokens import MOST, caption_counter, cut
from trainer.contract.paths import os_words
from trainer.contract.pictures.folder import NoDataset, Picture
from trainer.contract.run import exits
from trainer.contract.settings.config import BY_KEY
from trainer.contract.settings.kinds import Kind
from trainer.contract.settings.triggers import holds_word, split_triggers

if TYPE_CHECKING:
    import torch

    from trainer.captioner.asked import Captioner


def main(arguments: list[str]) -> int:
    """Caption the folder; one JSON object a line on stdout, `type` first. Returns the exit code."""
    asked = _parser().parse_args(arguments)
    frame = CaptionFrame(asked.trigger, asked.prefix, asked.suffix)
    try:
        work = find_work(asked.folder, asked.caption_column)
        tell("work", folder=str(asked.folder), wanted=len(work.wanted), left=len(work.left))
        for note in work.notes:
            tell("note", message=note)
        for name, reason in work.left:
            tell("left", file=name, reason=reason)
        if asked.dry_run:
            return _show(work, frame)
        with alone_in(asked.folder):
            return _caption(asked, work, frame) if work.wanted else _end(0, 0)
    except NoDataset as error:
        return _refuse(str(error), exits.DATASET)
    except InUse as error:
        return _refuse(str(error), exits.RUNNING)
    except KeyboardInterrupt:
        return _refuse("stopped; what was written stays, and the next start goes on from there", exits.STOPPED)


def tell(type: str, **fields: Any) -> None:
    """One line of progress, for a program to read: it holds names and captions as they are."""
    print(json.dumps({"type": type, **fields}), flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m trainer.captioner", description=__doc__)
    parser.add_argument("folder", type=Path)
    names = ", ".join((AUTO, *KNOWN))
    parser.add_argument("--model", default=AUTO, help=f"{names}, a local folder, or a hub id")
    parser.add_argument("--endpoint", default="", help="an OpenAI-compatible server in place of a model")
    parser.add_argument("--send-pictures-to", default="", help="the other machine that --endpoint may be on")
    parser.add_argument("--trigger", default="TOK", help="the word that each caption gets; empty: none")
    parser.add_argument("--prefix", default="", help="words before each caption")
    parser.add_argument("--suffix", default="", help="words after each caption")
    parser.add_argument("--caption-column", default="prompt", help="of metadata.jsonl or metadata.csv")
    parser.add_argument("--max-tokens", type=int, default=MOST, help="of a whole caption, as SDXL reads it")
    parser.add_argument("--kind", choices=get_args(Kind), default=BY_KEY["kind"].default, help="what is taught")
    parser.add_argument("--class-word", default="", help="what the subject is: dog, woman")
    parser.add_argument("--base", default=BY_KEY["model.base"].default, help="the model whose tokenizer counts")
    parser.add_argument("--new-tokens", type=int, default=0, help="of each trigger; 0: it is read as a word")
    parser.add_argument("--device", choices=("auto", "cuda", "cpu"), default="auto")
    parser.add_argument("--no-files", action="store_true", help="tell the captions; write none of them")
    parser.add_argument("--dry-run", action="store_true", help="say what would be captioned; load and write nothing")
    return parser


def _show(work: CaptionWork, frame: CaptionFrame) -> int:
    for picture in work.wanted:
        file = caption_file(picture.path).name
        tell("would", file=picture.name, caption_file=file, caption=frame.around("..."))
    return _end(0, 0)


def _caption(asked: argparse.Namespace, work: CaptionWork, frame: CaptionFrame) -> int:
    try:
        return _with_model(asked, work, frame) if not asked.endpoint else _with_server(asked, work, frame)
    except NoCaptioner as error:
        return _refuse(str(error), exits.USAGE, error.why)


def _with_model(asked: argparse.Namespace, work: CaptionWork, frame: CaptionFrame) -> int:
    from trainer.captioner.models import chosen

    folder = None if asked.model == AUTO else _found(asked.model)  # before torch, which takes seconds
    import torch

    device = torch.device("cuda" if asked.device != "cpu" and torch.cuda.is_available() else "cpu")
    if asked.device == "cuda" and device.type == "cpu":
        return _refuse("--device cuda: torch sees no GPU; run 'loratui doctor', or leave it out", exits.USAGE)
    model = chosen(asked.model, device)
    folder = folder or _found(model)
    tell("load", model=model, device=device.type)
    try:
        captioner = _load(folder, device, _wishes(asked, frame))
        with torch.inference_mode():
            return _write_all(asked, work.wanted, captioner, frame, None if asked.no_files else asked.folder)
    except (torch.OutOfMemoryError, MemoryError):
        why = f"{model} does not fit into the memory that is free"
        return _refuse(f"{why}; --device cpu is slower and may fit, --model florence-2 is smaller", exits.MEMORY, why)


def _found(model: str) -> Path:
    from trainer.captioner.models import find_model

    return find_model(model, lambda words: tell("note", message=words))


def _with_server(asked: argparse.Namespace, work: CaptionWork, frame: CaptionFrame) -> int:
    """By the person's own server; torch is not needed."""
    from trainer.captioner.endpoint import Endpoint

    model = asked.model if asked.model != AUTO else ""
    captioner = Endpoint(asked.endpoint, model, _wishes(asked, frame), asked.send_pictures_to)
    tell("load", model=captioner.model, device=captioner.server.shown)
    return _write_all(asked, work.wanted, captioner, frame, None if asked.no_files else asked.folder)


def _wishes(asked: argparse.Namespace, frame: CaptionFrame) -> Asked:
    """What the captioner is told; where the words around name the trigger, it is not told to name it again."""
    from trainer.captioner.instruction import instruction

    around = f"{frame.prefix} {frame.suffix}"
    named = any(holds_word(around, one) for one in split_triggers(frame.trigger))
    words = instruction(asked.kind, "" if named else frame.trigger, asked.class_word)
    return Asked(asked.max_tokens, words, asked.kind)


def _load(folder: Path, device: torch.device, wishes: Asked) -> Captioner:
    from transformers.utils import logging

    from trainer.captioner.models import load_captioner

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    return load_captioner(folder, device, wishes)


def _write_all(
    asked: argparse.Namespace,
    wanted: tuple[Picture, ...],
    captioner: Captioner,
    frame: CaptionFrame,
    root: Path | None,
) -> int:
    """One picture after the other; each caption is on disk before the next is made; without `root` only told."""
    from trainer.contract.pictures.decoding import BadPicture
    from trainer.data.images import open_rgb

    fits, failed = _fitting(asked, frame), 0
    for done, picture in enumerate(wanted, 1):
        began = time.monotonic()
        place = {"file": picture.name, "done": done, "total": len(wanted)}
        try:
            words = cut(captioner.describe(open_rgb(picture.path)), fits)
            if not words:
                raise BadPicture("the model has no words for it; write a caption yourself")
            caption = frame.around(words)
            written = root is None or write_new(caption_file(picture.path), caption, root)
        except BadPicture as error:
            failed += 1
            tell("failed", **place, reason=str(error))
        except OSError as error:
            return _refuse(f"{caption_file(picture.path)}: {os_words(error)}; nothing of it was written", exits.FAILED)
        else:
            took = round(time.monotonic() - began, 3)
            tell("caption" if written else "left", **place, **_what(caption, written), seconds=took)
    return _end(len(wanted) - failed, failed)


def _fitting(asked: argparse.Namespace, frame: CaptionFrame) -> Callable[[str], bool]:
    """Whether words and what stands around them are no more than a caption may have."""
    count = caption_counter(asked.base, frame.trigger, asked.new_tokens)
    return lambda words: count(frame.around(words)).at_most(asked.max_tokens)


def _what(caption: str, written: bool) -> dict[str, str]:
    return {"caption": caption} if written else {"reason": "a caption was written meanwhile; it stays"}


def _end(done: int, failed: int) -> int:
    tell("end", done=done, failed=failed)
    return exits.DATASET if failed else exits.DONE


def _refuse(message: str, code: int, why: str = "") -> int:
    """`why`: what of the message holds no option of a command, where it is not all of it."""
    tell("error", message=message, why=why or message, code=code)
    return code


if __name__ == "__main__":
    from trainer.contract.run.program import run_program

    run_program(lambda: main(sys.argv[1:]))
