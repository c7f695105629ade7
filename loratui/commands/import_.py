"""`loratui import`: the settings of kohya, OneTrainer or diffusers' script as an answer file, and what is left out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from loratui.commands.init import ANSWERS, IntoOption, ReplaceOption, TriggerOption, next_words, write_new
from loratui.commands.options import KindOption, PresetOption, checked_trigger, chosen_preset
from loratui.terminal.layout import on_terminal
from loratui.terminal.text import plural, safe_text


def import_(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="kohya's, OneTrainer's or a command line.", readable=False)
    ],
    pictures: Annotated[str, typer.Option("--pictures", metavar="FOLDER", help="Where the pictures are here.")] = "",
    kind: KindOption = None,
    preset: PresetOption = None,
    trigger: TriggerOption = None,
    into: IntoOption = ANSWERS,
    replace: ReplaceOption = False,
) -> None:
    """Take over the settings of kohya (TOML, JSON), OneTrainer (JSON) or diffusers' advanced script (its command)."""
    from loratui.settings.other_trainers.files import shown_value
    from loratui.settings.other_trainers.imported import import_settings
    from loratui.settings.presets import preset as find

    chosen = chosen_preset(kind, preset) if kind or preset else ""  # else as the class words say
    given = {"dataset.trigger": checked_trigger(trigger)} if trigger else {}
    if kind and chosen and kind != find(chosen).kind:
        given["kind"] = kind
    found, answers = import_settings(files, chosen, pictures, given)
    lines = [f"settings of {found.trainer}, on top of the preset '{answers.preset}'"]
    own = {key: name for key, name in found.taken.items() if name and key in found.values}
    rest = [key for key in found.values if key not in own]
    wide = max((len(f"{key} = {shown_value(found.values[key])}") for key in found.values), default=0)
    heads = f"{plural(len(own), 'setting')} taken over", "from a folder's name, or a default there"
    for title, keys in zip(heads, (own, rest), strict=True):
        lines += ["", f"{title}:"] if keys else []
        for key in (one for one in found.values if one in keys):
            lines.append(
                f"  {f'{key} = {shown_value(found.values[key])}':<{min(wide, 48)}}  {own.get(key, '')}".rstrip()
            )
    if found.left:
        lines += ["", f"left out, without a counterpart: {len(found.left)}"]
        lines += [f"  {safe_text(name, 60)}: {safe_text(why, 200)}" for name, why in found.left.items()]
    if found.silent:
        names = ", ".join(safe_text(one, 60) for one in found.silent)
        lines += ["", f"not taken over, for they change nothing that is learned: {names}"]
    lines += ["", *(f"! {safe_text(note, 300)}" for note in found.notes)] if found.notes else []
    write_new(into, answers, replace)
    print(on_terminal("\n".join([*lines, "", next_words(into)]), sys.stdout))
