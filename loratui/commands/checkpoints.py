"""`loratui checkpoints`: what was measured at each checkpoint, and which looks best."""

from __future__ import annotations

from loratui.commands.options import RunArgument


def checkpoints(
    run: RunArgument = None,
) -> None:
    """What was measured at each checkpoint, and which looks best: a hint."""
    from loratui.results.best_checkpoint import checkpoints_of
    from loratui.results.checkpoint_table import on_what, table_lines
    from loratui.results.facts import read_facts, read_history
    from loratui.results.identity import identity_of
    from loratui.results.run_hint import run_hint
    from loratui.runs.find import find_run, saved_steps
    from loratui.runs.states import run_word
    from loratui.terminal.text import shell_path, show_path
    from loratui.terminal.ticker import Ticker

    chosen = find_run(run)
    history = read_history(chosen)
    found = checkpoints_of(history, saved_steps(chosen))
    if not found:
        print(f"no checkpoint in {show_path(chosen.path)} yet")
        return
    said = run_hint(found, history, read_facts(chosen))
    with Ticker(log=False) as ticker:
        faces = identity_of(chosen, history, lambda done, total: ticker.counted("looking at faces:", done, total))
    rows = table_lines(found, said.step, faces.by_step if faces else None)
    print("\n".join([*rows, f"  {on_what(found)}", "", *said.sentences, *([faces.sentence] if faces else ())]))
    for source in said.sources:
        print(f"  source: {source}")
    if said.step is not None:
        shown, out = run_word(chosen), shell_path(chosen.path / f"export-step-{said.step:06d}")
        print(f"\nIts files: loratui export {shown} --checkpoint {said.step} --out {out}")
