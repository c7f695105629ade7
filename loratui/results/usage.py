"""The files that a run made, with sizes, and how each is used: lines that can be copied."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from loratui.results.facts import RunFacts
from loratui.terminal.text import safe_lines, safe_text, shell_path, show_path
from loratui.terminal.units import in_bytes
from trainer.contract.paths import is_file
from trainer.contract.run.exports import AGAIN, CARD, EMBEDDINGS, FILES, dora_readers, file_at, place_of
from trainer.contract.run.rundir import RunDir
from trainer.contract.settings.config import BY_KEY

SNIPPET = re.compile(r"```python\n(.*?)```", re.DOTALL)
LONGEST = 1 << 20  # bytes of a card that are read


@dataclass(frozen=True)
class Usage:
    """One line: a file (`head`) or a way to use it, and the text that is copied for it, which is safe to show."""

    shown: str
    copied: str
    note: str = ""  # a file's size, or what the text is for
    head: bool = False


def usage_lines(run: RunDir, facts: RunFacts) -> tuple[Usage, ...]:
    """Everything in the run's export with its uses, what is used first standing first, then how to try it.

    Empty where there are no files.
    """
    found: list[Usage] = []
    script = _snippet(run.export / CARD) or "pipe.load_lora_weights(folder)"
    for path in _files(run.export, facts.name):
        size, name = in_bytes(path.stat().st_size), str(path.relative_to(run.export))
        found.append(Usage(safe_text(name), show_path(path), size, head=True))
        if facts.dora and name in (one.called(facts.name) for one in FILES if one.readers):
            words = dora_readers(facts.dora)
            found.append(Usage(f"DoRA along the {facts.dora} axis", words, f"read by {words}"))
        found += _uses(path, name, facts, script)
    if not found:
        return ()
    prompt = safe_text(facts.written) or str(BY_KEY["dataset.instance_prompt"].default)
    command = f"loratui generate {shell_path(run.path)} {shlex.quote(prompt)}"
    found.append(Usage("try it", command, command, head=True))
    return tuple(found)


def _files(folder: Path, name: str) -> list[Path]:
    first = tuple(one for one in FILES if one not in AGAIN)
    try:
        files = [one for one in folder.iterdir() if is_file(one) and not one.name.startswith(".")]
    except OSError:
        return []
    inner = (folder / one.called(name) for one in FILES if "/" in one.pattern)
    files += [one for one in inner if is_file(one)]
    return sorted(files, key=lambda one: (place_of(str(one.relative_to(folder)), name, first), one.name))


def _uses(path: Path, name: str, facts: RunFacts, script: str) -> list[Usage]:
    """How the file `name` of the export is used; embeddings are known where the run's name is not, too."""
    file = file_at(name, facts.name) or (EMBEDDINGS if path.name.endswith(EMBEDDINGS.called("")) else None)
    if file is None:
        return []
    word, one_trigger = safe_text(path.stem), bool(facts.trigger) and "," not in facts.trigger
    known = {"file": safe_text(path.name), "stem": word, "path": show_path(path), "script": script}
    # of several triggers the embeddings alone are shown
    prompt, names = (safe_text(facts.prompt), {facts.trigger: word}) if one_trigger else (word, {word: word})
    return [
        Usage(
            one.program,
            one.typed.format(**known) if isinstance(one.typed, str) else one.typed(prompt, names),
            one.note,
        )
        for one in file.uses
    ]


def _snippet(card: Path) -> str:
    """The script of the model card, with the folder of the files written in."""
    try:
        with card.open(encoding="utf-8", errors="replace") as file:
            found = SNIPPET.search(file.read(LONGEST))
    except OSError:
        return ""
    if found is None:
        return ""
    folder = f"files = {str(card.parent)!r}"
    text = re.sub(r'^files = "\."', lambda _: folder, found[1], count=1, flags=re.MULTILINE)
    return "\n".join(safe_lines(text))
