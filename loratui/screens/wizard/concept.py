"""What is taught: the kind, the new word, the class word, the caption of pictures that have none."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.containers import Grid, Vertical
from textual.content import Content
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from loratui.curation.lines import question_lines
from loratui.screens.shared.questions import Confirm
from loratui.screens.shared.scan import ScanFailed, Scanned, ScanningStep, concepts_beside
from loratui.settings.checks import effective, problems
from loratui.settings.drafts.draft import Draft
from loratui.terminal.text import plural, safe_text

if TYPE_CHECKING:
    from trainer.contract.settings.taught import Taught

KINDS = (
    ("face", "a face", "one person, from 6 to 10 good photographs"),
    ("object", "an object", "a dog, a bag, a product: 4 to 10 pictures"),
    ("character-style", "character + style", "a drawn figure in its style, 30 with captions"),
    ("style", "a style", "a look that any subject can take on, about 27"),
    ("one-picture", "one picture", "content and style of a single image"),
)
SHOWN = 4  # of the further concepts
FIELDS = {  # widget id -> setting
    "trigger": "dataset.trigger",
    "class-word": "dataset.class_word",
    "prompt": "dataset.instance_prompt",
}
WORDS = {
    "trigger": "The new word in captions and prompts. A rare one: nobody else means anything by it.",
    "class-word": "What it is in plain words: dog, woman, backpack. May be empty for a style.",
    "prompt": "The caption of every picture that has none of its own; it must hold the trigger.",
}


class ConceptScreen(ScanningStep):
    """Kind, trigger, class word and instance prompt; each is checked as it is typed."""

    TITLE_OF = "Subject"
    PURPOSE = "What do the pictures show, and which word stands for it? Next: the preset."
    HELP = """
The kind decides which presets and checks fit. Where it was chosen beside
the pictures, the trigger has the cursor; Shift-Tab leads back to the kind.

The trigger stands for the new concept. During the run it becomes two new
tokens that nothing else in the model uses, so a rare word such as TOK is
best. In prompts you write it as you wrote it here.

The class word says what the concept is; the instance prompt joins both and
is the caption of every picture without a .txt or metadata of its own.
It follows the trigger until you edit it; empty it to make it follow again.
Further concepts (+ on the pictures' screen) have theirs in that list.
"""
    FOCUS: ClassVar[str] = "#kind"

    def compose_body(self) -> ComposeResult:
        """The list of kinds, then three fields with a line of words each."""
        kinds = OptionList(*(Option(kind_line(one, self.draft), id=one[0]) for one in KINDS), id="kind", compact=True)
        kinds.border_title = Content("kind")
        yield kinds
        with Vertical(id="fields"):
            for field, label in (("trigger", "trigger"), ("class-word", "class word"), ("prompt", "instance prompt")):
                with Grid(classes="field"):
                    yield Static(label, classes="label", markup=False)
                    yield Input(_said(self.draft, field), id=field, compact=True, select_on_focus=False)
                    yield Static("", classes="gap", markup=False)
                    yield Static(WORDS[field], id=f"{field}-words", classes="words", markup=False)
            yield Static("", id="beside", classes="words", markup=False)

    def on_mount(self) -> None:
        """Start with what the draft says."""
        kinds = self.query_one("#kind", OptionList)
        kinds.highlighted = [key for key, _, _ in KINDS].index(self.draft.get("kind"))
        if "kind" in self.draft.values:  # asked for beside the pictures: what is left are the words
            self.query_one("#trigger", Input).focus()
        else:
            kinds.focus()
        self._take(self.draft)

    @on(OptionList.OptionHighlighted, "#kind")
    def _kind_changed(self, event: OptionList.OptionHighlighted) -> None:
        if event.option_index != event.option_list.highlighted:
            return  # the cursor went on: nobody chose a line that it passed, such as the first one of a new list
        if event.option_id and event.option_id != self.draft.get("kind"):
            before = self.draft.preset_kind or self.draft.get("kind")
            self._take(self.draft.with_settings({"kind": event.option_id}).with_fields(preset_kind=before))
            for one in KINDS:
                event.option_list.replace_option_prompt(one[0], kind_line(one, self.draft))

    @on(OptionList.OptionSelected, "#kind")
    def _kind_chosen(self) -> None:
        self.query_one("#trigger", Input).focus()

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        self._take_field(event.input.id or "", event.value)

    def _take_field(self, field: str, typed: str) -> None:
        value = typed.strip()
        if value == _said(self.draft, field):
            return
        if field == "prompt":
            follows = value in ("", _suggested(self.draft))
            self._take(self.draft.with_settings({FIELDS[field]: None if follows else value}), refill=False)
        else:
            self._take(self.draft.with_settings({FIELDS[field]: value}))

    @on(Input.Submitted)
    def _entered(self, event: Input.Submitted) -> None:
        if event.input.id == "prompt":
            self.action_next()
        else:
            self.focus_next()

    def _take(self, draft: Draft, refill: bool = True) -> None:
        """Keep `draft`; the instance prompt follows the other fields unless the person wrote an own one."""
        if draft.get(FIELDS["prompt"]) == _suggested(draft):
            draft = draft.with_settings({FIELDS["prompt"]: None})
        if refill and FIELDS["prompt"] not in draft.values:
            field = self.query_one("#prompt", Input)
            with field.prevent(Input.Changed):
                field.value = _suggested(draft)
            field.cursor_position = len(field.value)  # what is typed there next stands behind it, not within a word
        self.edit(draft)
        self._show_problems()
        self._show_beside()

    def _show_beside(self) -> None:
        """The further concepts of the run, which are changed where their pictures are."""
        found = concepts_beside(self.draft)
        lines = [_concept(one) for one in found[:SHOWN]]
        if len(found) > SHOWN:
            lines.append(f"and {plural(len(found) - SHOWN, 'concept')} more")
        words = self.query_one("#beside", Static)
        words.display = bool(found)
        words.update(Content("\n".join(["Learned in the same run (escape, then + changes them):", *lines])))

    def _show_problems(self) -> bool:
        found = problems(self.draft)
        for field, key in FIELDS.items():
            words = self.query_one(f"#{field}-words", Static)
            bad = found.get(key, "")
            words.update(Content.styled(f"✗ {bad}", "$text-error") if bad else Content(WORDS[field]))
            self.query_one(f"#{field}", Input).set_class(bool(bad), "-invalid")
        return self._is_sound()

    def _is_sound(self) -> bool:
        return not problems(self.draft).keys() & set(FIELDS.values())

    def take_fields(self) -> None:
        """The three fields, the prompt last: it may follow the others."""
        for field in FIELDS:
            self._take_field(field, self.query_one(f"#{field}", Input).value)

    def action_next(self) -> None:
        """On to the preset, if nothing here is wrong."""
        if self.waits:
            return
        self.take_fields()
        if not self._show_problems():
            self.ask_for("Put right what is marked above, then press F2.", self._is_sound)
            return
        # what was proposed and stands is chosen now, and not before: who goes back has decided nothing
        self.edit(self.draft.with_settings({key: self.draft.get(key) for key in ("kind", "dataset.trigger")}))
        known = self.session.scan
        folder, *measures = self.looks_at()
        if known is None or known.folder != folder or [known.settings, known.concepts] == measures:
            self.dismiss(self.draft)
            return
        self.say("Looking at the pictures with that in mind ...")
        self.waits = True
        self.check_pictures()

    @on(ScanFailed)
    def _failed(self) -> None:
        self.dismiss(self.draft)  # the review says it better

    @on(Scanned)
    def _judged_anew(self, event: Scanned) -> None:
        """Say what is new to decide, and lead back to it."""
        from loratui.curation.report import outcome

        before = self.session.scan
        old = () if before is None else outcome(before.report, self.draft.skipped, self.draft.accepted).to_decide
        found = outcome(event.scan.report, self.draft.skipped, self.draft.accepted).to_decide
        known = {(one.code, one.file) for one in old}
        new = question_lines(one for one in found if (one.code, one.file) not in known)
        if not new:
            self.session.scan = event.scan
            self.dismiss(self.draft)
            return
        self.say("")  # it is looked at
        body = "\n".join([*new, "", "Back at the pictures each has a key that solves it."])
        question = Confirm(f"New findings: {plural(len(new), 'finding')}", body, "Back to the pictures", "Go on")

        def answered(back: bool | None) -> None:
            if back is None:
                return  # escape decides nothing: asked again with the next step
            self.session.scan = event.scan
            self.dismiss(None if back else self.draft)

        self.app.push_screen(question, answered)
        self.stop_waiting()


def _concept(one: Taught) -> str:
    words = f"{one.trigger} {one.class_word}".strip()
    return f"  {one.title}: {safe_text(words, 24)}, '{safe_text(one.prompt, 44)}'"


def _said(draft: Draft, field: str) -> str:
    """What a field shows: what was chosen, or what follows from the rest."""
    return str(effective(draft)[FIELDS[field]])


def _suggested(draft: Draft) -> str:
    """The instance prompt that a run of this draft has while nobody wrote one."""
    return _said(draft.with_settings({FIELDS["prompt"]: None}), "prompt")


def kind_line(one: tuple[str, str, str], draft: Draft) -> Content:
    """With a mark before the chosen one: a colour alone is not seen everywhere."""
    key, title, words = one
    return Content.assemble(
        ("● " if key == draft.get("kind") else "  ", "$accent"), (f"{title:<19}", "bold"), (words, "$muted")
    )
