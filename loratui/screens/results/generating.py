"""Pictures of one's own with what a run trained: asked for in one form, drawn by the trainer's program, shown."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from textual.screen import Screen

from loratui.errors import Refusal
from loratui.results.facts import read_facts
from loratui.runs.find import saved_steps
from loratui.runs.possible import possible
from loratui.screens.results.generated_pictures import GeneratedScreen
from loratui.screens.results.job import Job, JobResult, JobScreen, folder_words, path_read
from loratui.screens.shared.editors import Form
from loratui.terminal.text import plural, safe_text, show_path
from trainer.contract.run.rundir import RunDir

MOST = 64  # pictures of one generate
PROMPT, SEED, SCALE, COUNT, STEP = "prompt", "seed", "scale", "pictures", "checkpoint"
BASE = "base beside"
GENERATE = (
    "Pictures with what was trained. The scale says how strongly the LoRA counts: 1 as trained, 0.7 weaker. With the "
    "base beside it, the base model draws the same prompt from the same noise."
)
Tell = Callable[[str], None]


@dataclass(frozen=True)
class GenerateWish:
    """What a person asked to generate, checked."""

    prompt: str
    seed: int
    scale: float
    count: int
    step: int | None  # of a checkpoint; None: the finished files
    base: bool = False  # the base model's pictures too

    @property
    def folder(self) -> str:
        """Where the pictures go, inside the run's `generated`: other settings never overwrite them."""
        return ("final" if self.step is None else f"step-{self.step:06d}") + f"-scale-{self.scale:g}"


def read_generate_wish(given: dict[str, str], kept: tuple[int, ...]) -> GenerateWish:
    """The fields of the form. Raises Refusal with a sentence for the first that is wrong."""
    if not given[PROMPT]:
        raise Refusal("a prompt is needed, such as 'a photo of a TOK on a beach'")
    seed, count = _whole(given[SEED] or "0", SEED, 0, 2**63 - 1), _whole(given[COUNT] or "1", COUNT, 1, MOST)
    try:
        scale = float(given[SCALE] or "1")
    except ValueError:
        scale = math.nan
    if not (math.isfinite(scale) and -10 <= scale <= 10):
        raise Refusal(f"scale: '{safe_text(given[SCALE], 20)}' is not a number from -10 to 10")
    beside = (given.get(BASE) or "no").lower()
    if beside not in ("yes", "no"):
        raise Refusal(f"{BASE}: yes or no")
    if not given[STEP]:
        return GenerateWish(given[PROMPT], seed, scale, count, None, beside == "yes")
    step = _whole(given[STEP], STEP, 0, 10**9)
    if step not in kept:
        there = ", ".join(map(str, kept)) or "none"
        raise Refusal(f"there is no checkpoint of step {step}; there are: {there}")
    return GenerateWish(given[PROMPT], seed, scale, count, step, beside == "yes")


def ask_generate(
    screen: Screen[Any],
    run: RunDir,
    tell: Tell,
    at: int | None = None,
    given: dict[str, str] | None = None,
    wrong: str = "",
) -> None:
    """Ask on top of `screen`, then draw; what was wrong is said and what was typed is kept."""
    facts, saved = read_facts(run), saved_steps(run)
    now = given or {PROMPT: facts.written, SEED: str(facts.seed), SCALE: "1", COUNT: "1", BASE: "yes"}
    if at is None and saved and not possible(run).files:
        at = saved[-1]
    kept = ", ".join(map(str, saved)) or "none is kept"
    fields = [
        (PROMPT, safe_text(now[PROMPT]), "with the trigger"),
        (SEED, now[SEED], "0"),
        (SCALE, now[SCALE], "1"),
        (COUNT, now[COUNT], "1"),
        (STEP, now.get(STEP, str(at or "")), f"the finished files ({safe_text(kept, 24)})"),
        (BASE, now[BASE], "no"),
    ]

    def answered(typed: dict[str, str] | None) -> None:
        if typed is None:
            return
        try:
            wish = read_generate_wish(typed, saved)
        except Refusal as refusal:
            ask_generate(screen, run, tell, None, typed, refusal.messages[0])
        else:
            _draw(screen, run, tell, wish, facts.threads)

    words = f"✗ {wrong}" if wrong else GENERATE
    screen.app.push_screen(
        Form("Generate", words, fields, does="Generate", typed=given is not None, whole=True), answered
    )


def _draw(screen: Screen[Any], run: RunDir, tell: Tell, wish: GenerateWish, threads: int) -> None:
    out = run.path / "generated" / wish.folder
    options = [f"--seed={wish.seed}", f"--scale={wish.scale}", f"--count={wish.count}", f"--out={out}"]
    options += [] if wish.step is None else [f"--checkpoint={wish.step}"]
    options += ["--base"] if wish.base else []
    command = [sys.executable, "-m", "trainer.samples.generate", *options, "--", str(run.path), wish.prompt]
    made = wish.count * (2 if wish.base else 1)
    job = Job(
        f"Generate {plural(made, 'picture')}",
        command,
        "loading the base model and the LoRA",
        path_read("made", made),
        threads,
        f"Pictures that were finished stay in {show_path(out)}.",
    )
    screen.app.push_screen(JobScreen(job), lambda result: _drawn(screen, run, tell, wish, result))


def _drawn(screen: Screen[Any], run: RunDir, tell: Tell, wish: GenerateWish, result: JobResult | None) -> None:
    paths = tuple(Path(one) for one in result.made if one.endswith(".png")) if result is not None else ()
    if not paths:
        return
    tell(f"{plural(len(paths), 'picture')} in {folder_words(paths[0], run.path)}.")
    where = "finished files" if wish.step is None else f"step {wish.step}"
    words = f"{wish.prompt} · seed {wish.seed} · scale {wish.scale:g} · {where}"
    screen.app.push_screen(GeneratedScreen(paths, words))


def _whole(text: str, name: str, low: int, high: int) -> int:
    try:
        value = int(text)
    except ValueError:
        value = low - 1
    if not low <= value <= high:
        raise Refusal(f"{name}: '{safe_text(text, 20)}' is not a whole number from {low} to {high}")
    return value
