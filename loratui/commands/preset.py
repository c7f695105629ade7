"""`loratui preset`: presets of one's own, from a run or an answer file; and the list of all there are."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from loratui.terminal.text import plural, safe_text, show_path
from trainer.contract.paths import expanded, is_file

if TYPE_CHECKING:
    from loratui.settings.shipped_presets import Preset

preset = typer.Typer(help="Presets: list them, show one, keep one of your own.", rich_markup_mode=None)

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The preset's name.")]
FromOption = Annotated[
    str | None, typer.Option("--from", metavar="RUN|ANSWERS", help="Whose settings; left out: the newest run's.")
]


@preset.command()
def save(
    name: NameArgument,
    from_: FromOption = None,
    title: Annotated[str, typer.Option("--title", help="A few words for lists.")] = "",
    summary: Annotated[str, typer.Option("--summary", help="One sentence: what it is for.")] = "",
    replace: Annotated[bool, typer.Option("--replace", help="Write over your preset of that name.")] = False,
) -> None:
    """Keep the settings of a run or an answer file under a name."""
    from loratui.runs.find import find_run
    from loratui.runs.past_run import draft_of_run
    from loratui.settings.answers import Answers, read_answers
    from loratui.settings.preset_file import save_preset

    path = expanded(from_) if from_ else None
    if path is not None and is_file(path):
        answers, origin = read_answers(path), path.name
    else:
        run = find_run(from_)
        past = draft_of_run(run)
        for note in past.notes:
            print(f"! {note}", file=sys.stderr)
        answers = Answers(past.draft.preset or Answers().preset, past.draft.values)
        origin = f"run {run.path.name}"
    print(save_preset(name, answers, origin, title, summary, replace).words)


@preset.command(name="list")
def list_() -> None:
    """Every preset: your own first, then those that ship with loratui."""
    from loratui.settings.own_presets import found_presets
    from loratui.settings.shipped_presets import load_presets

    own = found_presets()
    for one in (*own.presets, *load_presets()):
        mark = "yours" if one.own else ""
        print(f"{safe_text(one.name):<22}  {mark:<5}  {one.summary}")
        for variant in one.variants:
            print(f"{one.name + '/' + variant.name:<22}  {mark:<5}  {variant.summary}")
    for said in own.troubles.values():
        print(f"! {said}", file=sys.stderr)


@preset.command()
def show(name: NameArgument) -> None:
    """What a preset sets, and who says so."""
    from loratui.settings.presets import preset as find

    found = find(name)
    print("\n".join(_lines(found)))


@preset.command()
def delete(name: NameArgument) -> None:
    """Delete a preset of your own; runs made with it keep their settings."""
    from loratui.settings.own_presets import delete_preset

    print(f"deleted: {show_path(delete_preset(name))}")


def _lines(one: Preset) -> list[str]:
    from loratui.results.comparison import shown_value

    head = f"{one.name}{' (yours)' if one.own else ''}: {one.title}"
    lines = [head, one.summary, f"for: {one.data}" if one.data else "", f"kind: {one.kind}"]
    if one.steps_per_image:
        lines += [f"steps: {one.steps_per_image} x pictures", f"    {one.steps_source}"]
    lines += ["", f"{plural(len(one.values), 'value')}:"]
    for value in one.values:
        inferred = "  ~ inferred" if value.inferred else ""
        lines += [f"  {value.key} = {shown_value(value.value)}{inferred}", f"    {value.source}"]
    return [line for at, line in enumerate(lines) if line or at > 3]
