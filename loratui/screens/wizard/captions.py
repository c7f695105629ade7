"""Captions in the wizard: kept in the draft while edited, written as .txt files only after a plain question."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loratui.screens.shared.dialogs import Confirm, LineEditor
from loratui.screens.wizard.scan import ScanningStep
from loratui.terminal.text import plural, safe_text, show_path
from trainer.contract.entries import write_atomic
from trainer.contract.pictures.folder import MAX_CAPTION_BYTES

if TYPE_CHECKING:
    from loratui.curation.report import PictureReport, Report


class WizardCaptions(ScanningStep):
    """Adds captions to a step that shows pictures."""

    def captions_changed(self) -> None:
        """A caption of the draft changed."""

    def captions_written(self) -> None:
        """Files were written, or the edits were dropped."""

    def edit_caption(self, picture: PictureReport) -> None:
        """Open the editor on the picture's caption."""
        there = self.draft.captions.get(picture.name, picture.caption or "")
        words = f"{safe_text(picture.name)}\nWhat the picture shows, with the trigger. Nothing is written to disk yet."

        def keep(text: str | None) -> None:
            if text is not None:
                self._keep_caption(picture, " ".join(text.split()))

        self.app.push_screen(LineEditor("Caption", safe_text(there), words), keep)

    def _keep_caption(self, picture: PictureReport, text: str) -> None:
        captions = dict(self.draft.captions)
        if len(text.encode()) > MAX_CAPTION_BYTES:
            self.say("That is far too long for a caption; 77 tokens are read.", "bad")
            return
        if text == (picture.caption or ""):
            captions.pop(picture.name, None)
        else:
            captions[picture.name] = text
        self.edit(self.draft.model_copy(update={"captions": captions}))
        self.captions_changed()
        if captions:
            self.say(f"{plural(len(captions), 'caption')} edited, not written yet; F2 asks.", "warn")

    def ask_to_write(self, report: Report) -> None:
        """Ask whether the edited captions shall become files; both answers lead on."""
        known = {one.name: one for one in report.pictures}
        lines = []
        for name, text in self.draft.captions.items():
            if name in known:
                file = known[name].path.with_suffix(".txt")
                does = "replaces what it holds" if file.exists() else "new file"
                lines.append(f"  {safe_text(file.name)} ({does})\n    {safe_text(text, 120)}")
        words = (
            f"Written into {show_path(self.draft.folder)}, beside the pictures:\n\n"
            + "\n".join(lines)
            + "\n\nThe pictures themselves are not touched. 'Drop' forgets these edits."
        )
        title = f"Write {plural(len(lines), 'caption file')}?"
        self.app.push_screen(Confirm(title, words, "Write", "Drop the edits"), lambda yes: self._write(report, yes))

    def _write(self, report: Report, yes: bool | None) -> None:
        left, root = dict(self.draft.captions), self.draft.folder
        for picture in report.pictures if yes else ():
            if picture.name not in left:
                continue
            try:
                write_atomic(picture.path.with_suffix(".txt"), left[picture.name] + "\n", 0o644, root)
            except OSError as error:
                self.say(f"{safe_text(picture.name)}: the caption could not be written: {error.strerror}", "bad")
                return
            del left[picture.name]
        self.edit(self.draft.model_copy(update={"captions": {}}))
        self.captions_written()
