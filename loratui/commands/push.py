"""`loratui push`: the files of a run to the hub, after a preview of each."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from loratui.commands.options import RunArgument
from loratui.errors import Refusal
from loratui.terminal.asking import agreed, answer, is_anybody_there
from loratui.terminal.text import safe_text
from loratui.terminal.units import bytes_of
from trainer.contract.paths import expanded
from trainer.contract.run import exits


def push(
    run: RunArgument = None,
    repo: Annotated[str | None, typer.Option("--repo", metavar="OWNER/NAME", help="Left out: the run's name.")] = None,
    public: Annotated[bool, typer.Option("--public", help="Everyone can see it; private otherwise.")] = False,
    update: Annotated[bool, typer.Option("--update", help="Replace files of a repository that is there.")] = False,
    folder: Annotated[
        Path | None, typer.Option("--from", help="Another folder of exported files.", readable=False)
    ] = None,
    samples: Annotated[bool, typer.Option("--samples/--no-samples", help="The card's pictures.")] = True,
    accept: Annotated[
        list[str] | None, typer.Option("--accept", metavar="CODE:FILE", help="Accept this finding: it is meant.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be sent; ask nobody.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Send without asking.")] = False,
    as_events: Annotated[bool, typer.Option("--events", hidden=True)] = False,
) -> None:
    """Send the files to the hub: private, from an allow-list, after a preview."""
    from loratui.commands.outputs import refuse_empty
    from loratui.results.facts import read_facts
    from loratui.results.parcel import REPOSITORY, make_parcel, parcel_lines
    from loratui.runs.find import find_run

    chosen = find_run(run)
    if folder is None:
        refuse_empty(chosen, files_do=True)
    name = read_facts(chosen).name
    repository = repo or name
    if not REPOSITORY.fullmatch(repository):
        raise Refusal(f"--repo {safe_text(repository, 60)}: write owner/name in letters, digits, '-', '_' and '.'")
    parcel = make_parcel(expanded(folder) if folder else chosen.export, name, samples, tuple(accept or ()))
    shown = repository if "/" in repository else f"{repository} (of your account)"
    if not as_events:
        print("\n".join(parcel_lines(parcel, shown, public)))
    if dry_run:
        raise typer.Exit(exits.USAGE if parcel.problems else exits.DONE)
    if parcel.problems:
        if as_events or yes or parcel.final or not _agreed_to_all():
            raise Refusal("nothing was sent" if not as_events else list(parcel.problems))
        parcel = replace(parcel, problems=(), accepted=parcel.asked)
    elif not yes and not _agreed():
        raise Refusal("nothing was sent")
    raise typer.Exit(_send(parcel, repository, public, update, as_events))


def _agreed() -> bool:
    if not is_anybody_there():
        raise Refusal("without a terminal nobody can be asked: look with --dry-run, then send with --yes")
    return agreed("\nSend it?")


def _agreed_to_all() -> bool:
    """Whether a person who has read what was found wants it sent: the whole word, which no habit types."""
    if not is_anybody_there():
        return False
    return answer("\nSend it all the same, for others to read? Type yes in full: ") == "yes"


def _send(parcel: object, repository: str, public: bool, update: bool, as_events: bool) -> int:
    from loratui.results.parcel import Parcel
    from loratui.results.push import push as send
    from loratui.terminal.ticker import Ticker

    assert isinstance(parcel, Parcel)
    if as_events:

        def tell(done: int, total: int, what: str) -> None:
            _event(type="phase", name=what, done=done, total=total)

        _event(type="end", link=send(parcel, repository, public, update, tell))
        return exits.DONE
    with Ticker() as ticker:
        link = send(
            parcel,
            repository,
            public,
            update,
            lambda done, total, what: ticker.say(f"sending {what}: {bytes_of(done, total)}"),
        )
    print(f"sent: {link}")
    return exits.DONE


def _event(**fields: object) -> None:
    print(json.dumps(fields), flush=True)
