"""The presets: tried values for a kind of pictures, each with the sentence that backs it."""

from __future__ import annotations

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from loratui.screens.shared.questions import Confirm
from loratui.screens.shared.scan import CountingStep
from loratui.settings.answers import counted_images
from loratui.settings.checks import effective, shown
from loratui.settings.drafts.draft import Draft
from loratui.settings.own_presets import found_presets
from loratui.settings.presets import suits
from loratui.settings.shipped_presets import Preset, load_presets, with_variant
from loratui.settings.steps import planned_steps, suiting_reason, suiting_steps
from loratui.terminal.text import plural, safe_text
from trainer.contract.plan.views import often
from trainer.contract.settings.arithmetic import views_per_image
from trainer.contract.settings.config import BY_KEY
from trainer.contract.settings.fields import post_named

# What differs between presets and decides most comes first; the rest follows in the order of declaration.
FIRST = ("train.steps", "train.batch", "dataset.repeats", "train.rank", "train.optimizer", "train.learning_rate")
TITLE = 22  # cells


class PresetScreen(CountingStep):
    """The list on the left; what the one under the cursor sets, and who says so, on the right."""

    TITLE_OF = "Preset"
    PURPOSE = "Which preset fits your pictures? Next: single settings, if you like."
    HELP = """
A preset is a set of values that was tried on one kind of pictures. Each value
shows who says so; ~ inferred marks what the sources do not say and was
concluded from them. Those for the kind you chose have "fits" behind their name.

Steps follow the number of your pictures where a preset counts per picture.
What you set yourself, here or later, always goes over the preset.
Presets of your own stand first; p in the settings keeps one.

  Tab   into the values, to scroll them     Enter   take the preset
"""

    def compose_body(self) -> ComposeResult:
        """List left, values right."""
        with Horizontal():
            presets = OptionList(id="presets", compact=True)
            presets.border_title = Content("preset")
            yield presets
            with VerticalScroll(id="values") as box:
                box.border_title = Content("values")
                yield Static("", id="value-text", markup=False)

    def on_mount(self) -> None:
        """Those for the chosen kind first; start on the one taken before, or the first that fits."""
        kind = self.draft.get("kind")
        presets = self.query_one("#presets", OptionList)
        self._known: dict[str, Preset] = {}  # as they are now: a file of one's own may go while this is shown
        own = found_presets()
        if own.presets:
            presets.add_option(Option(Content.styled("yours", "$muted"), disabled=True))
            for one in sorted(own.presets, key=lambda one: one.kind != kind):
                self._offer(one, one.kind == kind)
            presets.add_option(Option(Content.styled("shipped with loratui", "$muted"), disabled=True))
        first = presets.option_count
        for one in sorted(load_presets(), key=lambda one: (one.name == "demo", one.kind != kind, one.name == "cog")):
            self._offer(one, suits(one, kind))
        taken = self._known.get(self.draft.preset)
        holds = taken is not None and (suits(taken, kind) or self.draft.preset_kind in ("", kind))
        presets.highlighted = presets.get_option_index(self.draft.preset) if holds else first
        presets.focus()
        if taken is not None and not holds:
            name = safe_text(self.draft.preset, 30)
            self.say(f"{name} was taken for another kind; the cursor is on one that fits this kind.", "warn")
        if own.troubles:
            names = safe_text(", ".join(f"{name}.toml" for name in own.troubles), 30)
            self.say(f"{names} is left out; 'loratui preset list' says why", "warn")

    def counted(self) -> None:
        """The arithmetic for so many pictures."""
        self._describe(self.chosen.name)

    def _offer(self, one: Preset, fits: bool) -> None:
        presets = self.query_one("#presets", OptionList)
        presets.add_option(Option(_title(one, fits), id=one.name))
        self._known[one.name] = one
        for variant in one.variants:
            self._known[f"{one.name}/{variant.name}"] = with_variant(one, variant)
            shown = Content.styled(f"  {variant.name}", "$muted")
            presets.add_option(Option(shown, id=f"{one.name}/{variant.name}"))

    @property
    def chosen(self) -> Preset:
        """The preset under the cursor."""
        presets = self.query_one("#presets", OptionList)
        return self._known[presets.get_option_at_index(presets.highlighted or 0).id or "object"]

    @on(OptionList.OptionHighlighted)
    def _moved(self, event: OptionList.OptionHighlighted) -> None:
        self._describe(event.option_id or "object")

    def _describe(self, name: str) -> None:
        title, _, variant = name.partition("/")
        base = self._known[title]
        summary = next((one.summary for one in base.variants if one.name == variant), base.summary)
        self.query_one("#value-text", Static).update(describe(self._known[name], summary, self.draft))
        self.query_one("#values").scroll_home(animate=False)
        self.query_one("#values").border_title = Content(name)

    @on(OptionList.OptionSelected)
    def _selected(self) -> None:
        self.action_next()

    def action_next(self) -> None:
        """Take the preset under the cursor; the person's own values stay."""
        taken = self.draft.with_fields(preset=self.chosen.name, preset_kind=self.draft.get("kind"))
        steps = suiting_steps(taken)
        if not steps or self.chosen.own or "train.steps" in taken.values:
            self.dismiss(taken)
            return
        planned, batch, images = planned_steps(taken)
        good = planned_steps(taken.with_settings({"train.steps": steps}))[0] * batch / images
        fitting, now = plural(steps, "step"), often(planned * batch / images)
        words = (
            f"With {plural(planned, 'step')}, each of your {plural(images, 'picture')} is seen {now}. Sets that came "
            f"out well were seen 37 to 148 times. With {fitting} it would be {often(good)} (~ {suiting_reason(taken)})."
        )
        question = Confirm(f"Train {fitting} instead of {planned:,}?", words, fitting, f"Keep {planned:,}")
        self.app.push_screen(question, lambda yes: self._steps_answered(taken, steps, yes))

    def _steps_answered(self, taken: Draft, steps: int, yes: bool | None) -> None:
        if yes is not None:  # escape decides nothing: the list of presets is there again
            self.dismiss(taken.with_settings({"train.steps": steps}) if yes else taken)


def describe(one: Preset, summary: str, draft: Draft) -> Content:
    """Summary, the arithmetic for these pictures, then every value with its source."""
    post = post_named([one.summary, one.steps_source, *(value.source for value in one.values)])
    lines = [
        Content.styled(summary, "bold"),
        *([Content.styled(f"yours: {one.title}", "$accent")] if one.own else []),
        Content.styled(f"for: {one.data}", "$muted"),
        *([Content.styled(post, "$muted")] if post else []),  # before the first line that speaks of it
        Content(""),
        *_steps(one, draft),
    ]
    order = {key: place for place, key in enumerate(sorted(BY_KEY, key=_rank))}
    for value in sorted(one.values, key=lambda value: order.get(value.key, len(order))):
        if value.key == "train.steps" and one.steps_per_image and draft.images:
            continue
        mine = value.key in draft.values and draft.values[value.key] != value.value
        lines.append(_value(BY_KEY[value.key].title, safe_text(shown(value.value)), value.inferred))
        if mine and not value.key.startswith("dataset."):
            lines.append(Content.styled(f"  yours: {safe_text(shown(draft.values[value.key]))}", "$accent"))
        lines.append(Content.styled(f"  {value.source}", "$muted"))
    return Content("\n").join(lines)


def _steps(one: Preset, draft: Draft) -> list[Content]:
    """Steps for the number of pictures, and how often each is then seen."""
    if not draft.images:
        return []
    values = effective(draft.with_fields(preset=one.name))
    images = counted_images(draft.images, values)
    lines = []
    steps = values["train.steps"]
    if one.steps_per_image and "train.steps" not in draft.values:
        lines.append(_value("steps", f"{one.steps_per_image} x {images} = {steps:,}", one.steps_inferred))
        lines.append(Content.styled(f"  {one.steps_source}", "$muted"))
    views = views_per_image(steps, values["train.batch"] * values["train.accumulation"], images)
    lines.append(_value("views per image", f"{views:.0f}", False))
    said = f"{plural(steps, 'step')} x {values['train.batch']} per step over {plural(images, 'picture')}"
    return [*lines, Content.styled(f"  {said}", "$muted"), Content("")]


def _rank(key: str) -> tuple[int, bool]:
    return (FIRST.index(key) if key in FIRST else len(FIRST), not key.startswith("train."))


def _value(title: str, value: str, inferred: bool) -> Content:
    mark = "  ~ inferred" if inferred else ""
    gap = "\n    " if len(value) + len(mark) > 24 else ""  # a hub id stands below its title
    return Content.assemble(f"{title:<{TITLE}} ", gap, (value, "bold"), (mark, "$text-warning"))


def _title(one: Preset, fits: bool) -> Content:
    return Content.assemble(one.name, ("  fits" if fits else "", "$accent"))
