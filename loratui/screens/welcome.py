"""The first screen: take up a draft, watch a run that is there, start anew, or try the demo."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from loratui.draft import Draft
from loratui.runs import RunInfo, find_runs
from loratui.screens.base import TITLES, Step, Watch
from loratui.screens.dialogs import Confirm
from loratui.text import safe_text
from trainer.contract.rundir import RunDir

STEPS_AHEAD = """Five steps lead to a run: pictures, subject, preset, settings, review.
F2 goes on, Escape goes back, F1 helps. Everything is kept as you go."""
RUNS_SHOWN = 5
LABEL = 20


class WelcomeScreen(Step):
    """A list of ways to begin; Enter takes one."""

    PURPOSE = "From a folder of pictures to a trained SDXL LoRA. Enter takes the line."
    HELP = """
loratui leads you in five steps from your pictures to a training run, shows
the run while it goes, and says how to use what came out.

What you choose is kept after every step; leave when you like.
"""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "Leave"),
        Binding("q", "back", "Leave", show=False),
    ]

    def compose_body(self) -> ComposeResult:
        """The name, and the list."""
        yield Static(_banner(), id="banner")
        options = OptionList(id="ways", compact=True)
        yield options
        yield Static("", id="way-words", markup=False)

    def on_mount(self) -> None:
        """Offer what there is."""
        self._runs = {one.run.path.name: one for one in sorted(find_runs(), key=lambda run: not run.alive)[:RUNS_SHOWN]}
        ways = self.query_one("#ways", OptionList)
        if self.draft.begun:
            ways.add_option(Option(_line("Go on", _draft_words(self.draft)), id="draft"))
        ways.add_option(Option(_line("Start new", "your pictures, step by step"), id="new"))
        ways.add_option(Option(_line("Try the demo", "the small model on the CPU, about a minute"), id="demo"))
        for name, info in self._runs.items():
            does = "Watch" if info.alive else "Look at"
            ways.add_option(Option(_line(does, _run_words(info)), id=f"run:{name}"))
        ways.highlighted = 0
        alive = next((name for name, info in self._runs.items() if info.alive), None)
        if alive is not None and not self.draft.begun:
            ways.highlighted = ways.get_option_index(f"run:{alive}")
        ways.focus()
        self.query_one("#way-words", Static).update(STEPS_AHEAD)

    @on(OptionList.OptionSelected)
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        self._go(event.option_id or "new")

    def action_next(self) -> None:
        """What Enter does."""
        ways = self.query_one("#ways", OptionList)
        if ways.highlighted is not None:
            self._go(ways.get_option_at_index(ways.highlighted).id or "new")

    def _go(self, way: str) -> None:
        if way.startswith("run:"):
            self.dismiss(Watch(RunDir(self._runs[way.removeprefix("run:")].run.path.absolute())))
        elif way == "draft":
            self.dismiss(self.draft)
        elif self.draft.begun:
            words = f"There is a draft: {_draft_words(self.draft)}.\nA new start forgets it. Pictures and runs stay."
            self.app.push_screen(
                Confirm("Forget the draft?", words, "Start new", "Keep it"), lambda yes: self._anew(way, yes)
            )
        else:
            self._anew(way, True)

    def _anew(self, way: str, yes: bool | None) -> None:
        if not yes:
            return
        self.session.scan = None
        self.dismiss(_demo_draft() if way == "demo" else Draft())


def _demo_draft() -> Draft:
    from loratui.demo import demo_answers

    answers = demo_answers()
    return Draft(step=len(TITLES), preset=answers.preset, values=dict(answers.values), prompt_edited=True)


def _banner() -> Content:
    return Content.assemble(
        ("loratui\n", "bold $accent"), ("an SDXL LoRA of your dog, your face, your style", "$muted")
    )


def _line(does: str, words: str) -> Content:
    return Content.assemble((f"{does:<{LABEL}}", "bold"), (words, "$muted"))


def _draft_words(draft: Draft) -> str:
    at = TITLES[min(max(draft.step, 1), len(TITLES)) - 1]
    folder = safe_text(draft.get("dataset.path") or "no folder yet", 30)
    return f"{folder} · {draft.get('kind')} · at {at}"


def _run_words(info: RunInfo) -> str:
    far = f" · step {info.step} of {info.steps}" if info.steps else ""
    return f"{safe_text(info.run.path.name, 34)} · {info.state}{far}"
