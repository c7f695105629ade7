"""The line in which the folder of pictures is typed: what was decided about one folder is not lost for another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import on
from textual.widgets import Input

from loratui.curation.concepts import of_others
from loratui.curation.nearby import has_pictures
from loratui.screens.shared.scan import ScanFailed, Scanned
from loratui.screens.shared.undoing import done
from loratui.screens.wizard.captions.writing import WizardCaptions, unwritten_words
from loratui.screens.wizard.recent_folders import RecentFolders
from loratui.settings.drafts.draft import Draft
from loratui.terminal.text import show_path
from trainer.contract.paths import expanded

if TYPE_CHECKING:
    from loratui.curation.report import Report
    from loratui.screens.shared.session import Scan


UNSEEN = {"images": 0, "undecided": None}  # of pictures that nobody has looked at yet


class PictureFolder(WizardCaptions, RecentFolders):
    """A step with an Input called #folder, whose pictures are checked when it is entered."""

    _report: Report | None = None
    _before: Report | None = None  # while the same folder is looked at again
    _looks: bool = False  # at the pictures, now
    _on_trial: bool = False  # the folder was entered, and no pictures were found in it yet: no draft is kept of it

    @on(Input.Submitted, "#folder")
    def _folder_entered(self) -> None:
        self.scan_folder()

    def ask_to_open(self) -> None:
        """To the line; one that was typed over the draft's folder says whose pictures were decided about."""
        self.query_one("#folder", Input).focus()
        if self.folder_kept:
            self.say(f"Not opened yet: Enter does. What was decided so far is of {show_path(self.folder_kept)}.")

    def scan_folder(self) -> None:
        """Look at the pictures in the folder of the line; edits to others' captions are asked about first."""
        typed = self._typed()
        if not typed:
            listed = ", or press ↓ for a list" if self._folders else ""
            self.ask_for(f"Type the folder that holds the pictures{listed}.", lambda: bool(self._typed()))
            return
        if typed != self.draft.get("dataset.path"):
            if self.draft.captions and self._report is not None:
                self.ask_to_write(self._report, self.scan_folder)
                return
            if self.draft.captions:
                self.ask_to_drop(self.scan_folder)
                return
            self._on_trial = True
            self._other_folder(typed)
            self._report = None  # no key decides about pictures that are not those of the line
            self.decided()
        self.session.typed.clear()
        self.query_one("#table").focus()  # what is typed meanwhile is meant for what comes, and is no part of the path
        self.say("Looking at the pictures ...")
        self.check_pictures()

    def check_pictures(self) -> None:
        """Start a look; one that runs is ended."""
        self._looks = True
        super().check_pictures()

    def look_before_next(self) -> None:
        """Look at them; where that is done now, the key for the next step is taken after it."""
        if self._looks and not self.unkept:
            self.waits = True
        else:
            self.scan_folder()

    @on(Scanned)
    @on(ScanFailed)
    def _looked(self) -> None:
        """The step has taken it: go on, if that was asked for meanwhile and no question came instead."""
        self._looks = False
        if self.waits:
            self.waits = False
            if self._report is not None:
                self.action_next()
            if self in self.app.screen_stack:
                self.stop_waiting()

    def edit(self, draft: Draft) -> None:
        """Replace the draft; it is kept on disk from when its folder has shown pictures on."""
        if self._on_trial:
            self.draft = draft
            self.look_whether_done()
        else:
            super().edit(draft)

    @property
    def folder_kept(self) -> str:
        """The folder of the draft, as it was typed."""
        return str(self.draft.get("dataset.path"))

    def keep_folder(self) -> None:
        """The folder of the draft is one: keep it."""
        if self._on_trial:
            self._on_trial = False
            self.session.keep(self.draft)

    @on(Input.Changed, "#folder")
    def _folder_typed(self) -> None:
        self.look_whether_done()

    def _typed(self) -> str:
        return self.query_one("#folder", Input).value.strip()

    def decided(self) -> None:
        """A decision, or another folder, changes what is shown."""

    def what_is_new(self, scan: Scan) -> str:
        """What was written, or what is new since these pictures were looked at before; empty after the first look."""
        from loratui.screens.wizard.picture_list import what_changed

        before, self._before = self._before, None
        news, self.session.news = self.session.news, ""
        if news or before is None or before.folder != scan.report.folder:
            return news
        return f"Read again: {what_changed(before, scan.report)}"

    def say_after_look(self, scan: Scan) -> None:
        """What is new; what may be taken back; what is not in files yet; else what the keys do."""
        if news := self.what_is_new(scan):
            self.say(news, "good")
        elif self.session.undo and self.session.undo[-1].holds(self.draft):
            self.say(done(self.session.undo[-1]), "good")
        elif unwritten := unwritten_words(self.draft):
            self.say(unwritten, "warn")
        else:
            self.say("s says what solves a finding, space skips pictures, a accepts.")

    def _other_folder(self, typed: str) -> None:
        """What was decided about other pictures does not hold for these; it does again for who comes back."""
        decided = {"dataset.skip": self.draft.skipped, "dataset.accept": self.draft.accepted}
        own = {key: tuple(one for one in value if one not in of_others(value)) for key, value in decided.items()}
        self.session.decisions[str(self.draft.get("dataset.path"))] = own
        self.session.forget_decisions()
        there = self.session.decisions.get(typed, {})
        changes = {key: (*there.get(key, ()), *of_others(value)) or None for key, value in decided.items()}
        self.edit(self.draft.with_settings({**changes, "dataset.path": typed}).with_fields(**UNSEEN))

    @property
    def unkept(self) -> bool:
        """Whether a folder was typed and not entered."""
        return self.is_mounted and self._typed() != self.draft.get("dataset.path")

    def take_fields(self) -> None:
        """A folder that was typed and not entered: the draft's if it holds pictures and nothing hangs on another."""
        if not self.unkept:
            return
        typed = self._typed()
        if self.draft.skipped or self.draft.accepted or self.draft.captions or not has_pictures(expanded(typed)):
            self.session.typed[self.folder_kept] = typed
        else:
            self._other_folder(typed)
