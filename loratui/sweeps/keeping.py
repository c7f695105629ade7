"""Keeps the settings of one run of a sweep as a preset of one's own."""

from __future__ import annotations

from collections.abc import Sequence

from loratui.errors import Refusal
from loratui.runs.past_run import draft_of_run
from loratui.settings.answers import Answers
from loratui.settings.preset_file import SavedPreset, save_preset
from loratui.sweeps.declaration import SEED, Sweep
from loratui.sweeps.points import label
from loratui.sweeps.progress import PointRun
from loratui.sweeps.results import results
from loratui.terminal.text import safe_text


def keep_as_preset(
    sweep: Sweep, found: Sequence[PointRun], which: str, name: str, replace: bool = False
) -> tuple[SavedPreset, tuple[str, ...]]:
    """Save the run `which` ("best", or a number of the table) as the preset `name`; with notes. Raises Refusal."""
    one = chosen_run(sweep, found, which)
    assert one.run is not None
    past = draft_of_run(one.run)
    values = {key: value for key, value in past.draft.values.items() if key != SEED}  # a seed is no insight
    answers = Answers(past.draft.preset or Answers().preset, values)
    words = label(sweep, one.point, seed=False)
    origin = f"sweep {sweep.name}, {words}"
    saved = save_preset(name, answers, origin, "", f"From the sweep {sweep.name}: {words}.", replace)
    return saved, past.notes


def chosen_run(sweep: Sweep, found: Sequence[PointRun], which: str) -> PointRun:
    """The run that `which` means. Raises Refusal."""
    if which == "best":
        best = results(sweep, found).best
        if len(best) != 1:
            why = "several kinds of loss stand side by side" if best else "no loss could be compared yet"
            raise Refusal(f"best: {why}; say the number that stands in the table")
        return best[0].runs[0]
    numbers = {str(one.point.number): one for one in found}
    if which not in numbers:
        raise Refusal(f"'{safe_text(which, 20)}' is not a number of this sweep: 1 to {len(found)}, or best")
    if numbers[which].run is None:
        raise Refusal(f"{numbers[which].point.name} was not made yet")
    return numbers[which]
