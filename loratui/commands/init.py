"""`loratui init`: an answer file for a folder of pictures, to be edited and run; nothing is looked at or started."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from loratui.commands.options import (
    KindOption,
    PresetOption,
    SetOption,
    SourceArgument,
    checked_trigger,
    chosen_preset,
)
from loratui.errors import Refusal
from loratui.terminal.layout import on_terminal
from loratui.terminal.text import not_written, plural, safe_text, shell_path, show_path
from trainer.contract.paths import can_see, expanded

if TYPE_CHECKING:
    from loratui.settings.answers import Answers

IntoOption = Annotated[
    Path, typer.Option("--into", metavar="FILE.toml", help="The answer file to write.", readable=False)
]
ReplaceOption = Annotated[bool, typer.Option("--replace", help="Write over a file that is there.")]
TriggerOption = Annotated[str | None, typer.Option("--trigger", help="The word that stands for it in captions.")]
ANSWERS = Path("answers.toml")


def init(
    dataset: SourceArgument,
    kind: KindOption = None,
    preset: PresetOption = None,
    trigger: TriggerOption = None,
    class_word: Annotated[str | None, typer.Option("--class-word", help="What it is: dog, woman, backpack.")] = None,
    name: Annotated[str | None, typer.Option("--name", help="The run's name and its files'.")] = None,
    set_: SetOption = None,
    into: IntoOption = ANSWERS,
    replace: ReplaceOption = False,
) -> None:
    """Write an answer file for a folder of pictures; a folder called "10_ohwx woman" says repeats, trigger, class.

    A folder of several such folders, a kohya tree, is a run of as many concepts.
    """
    from loratui.settings.answers import Answers, check_answers
    from loratui.settings.names import run_name
    from loratui.settings.other_trainers.kohya_folders import (
        class_words_of,
        folders_of_tree,
        kind_said,
        taught_by_folder,
        taught_by_tree,
    )
    from loratui.settings.presets import preset as find

    folder = expanded(dataset.rstrip("/") or dataset)
    tree = folders_of_tree(dataset)
    own = taught_by_tree(tree) if tree else {"dataset.path": dataset, **taught_by_folder(folder.absolute().name)}
    values: dict[str, Any] = own
    told = kind or preset or any(one.partition("=")[0].strip() in ("kind", "preset") for one in set_ or ())
    taken, why = ("", "") if told else kind_said(own | ({"dataset.class_word": class_word} if class_word else {}))
    chosen = chosen_preset(kind or taken, preset)
    if len(tree) > 1 and (trigger or class_word):
        said = ", ".join(safe_text(Path(one).name, 40) for one in tree)
        raise Refusal(f"the folders' names say trigger and class word of each concept: {said}; leave the options out")
    given = {"dataset.trigger": checked_trigger(trigger), "dataset.class_word": class_word}
    values |= {key: value for key, value in given.items() if value}
    if kind and kind != find(chosen).kind:
        values["kind"] = kind
    of = "" if len(tree) > 1 else str(values.get("dataset.class_word", ""))
    values["name"] = name or run_name(of, folder.absolute().name)
    if set_:
        from loratui.commands.replay import overrides_of

        values |= overrides_of(set_)
    answers = Answers(str(values.pop("preset", chosen)), values, source="")
    check_answers(answers)
    write_new(into, answers, replace)
    first = [one for one in (why, class_words_of(dataset)) if one]
    print(on_terminal("\n".join([*first, next_words(into)]), sys.stdout))


def write_new(into: Path, answers: Answers, replace: bool) -> None:
    """Write the answer file. Raises Refusal where one is there already, or it cannot be written."""
    from loratui.settings.answers import write_answers

    path = expanded(into)
    if can_see(path) and not replace:
        raise Refusal(f"{show_path(path)} is there already; name another with --into, or add --replace")
    try:
        write_answers(path, answers)
    except OSError as error:
        raise Refusal(not_written(path, error, "name another with --into")) from None


def next_words(into: Path) -> str:
    """What was written, and what to do with it: to run it only where nothing is known to stand in the way."""
    from loratui.planning.prepared import in_the_way
    from loratui.settings.answers import read_answers

    path = shell_path(into)
    faults, written = in_the_way(read_answers(into)), f"written: {show_path(into)}"
    if faults:
        reasons = [f"not ready to run: {plural(len(faults), 'reason')}", *(f"  {one}" for one in faults)]
        return "\n".join([written, f"see what it would do: loratui plan {path}", *reasons])
    looked = f"no picture was looked at yet; to check them, and see what it would do: loratui plan {path}"
    return "\n".join([written, looked, f"then, where nothing is in the way, run it: loratui replay {path}"])
