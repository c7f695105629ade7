"""The folders used last and those nearby, offered where pictures are asked for, chosen by the down key."""

from __future__ import annotations

import os
from pathlib import Path
from typing import ClassVar

from textual import on, work
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.widgets import DataTable, Input, Static

from loratui.screens.shared.dialogs import Chooser
from loratui.screens.shared.questions import Confirm
from loratui.screens.shared.scan import ScanFailed, Scanned, ScanningStep
from loratui.settings.other_trainers.kohya_folders import folders_of_tree, taught_by_tree
from loratui.settings.recents import recent_sources, remember
from loratui.terminal.text import plural, safe_text, show_path
from loratui.widgets.paths import FolderSuggester, complete
from trainer.contract.paths import expanded, is_folder

HINT = "Press ↓ to choose one of these folders, or type another and press Enter."
NONE_NEAR = "No folder with pictures was found nearby: type its path; Tab completes it."
WHERE = (
    "None was found in the folder where you are, nor in the usual places of your home folder.\n\n"
    "Type the folder of your pictures above, such as ~/photos/anna, and press Enter. "
    "Every picture is looked at, and none is changed."
)
LOOKING = "Looking for folders with pictures nearby ..."
TAKES = "Enter looks at this folder."
NO_MATCH = "No folder begins like this."
WIDEST = 40  # cells of a path in the list, before its count


class FoldersFound(Message):
    """What can be taken: `dataset.path` with words beside it, those used last first."""

    def __init__(self, lines: tuple[tuple[str, str], ...], recent: tuple[str, ...]) -> None:
        super().__init__()
        self.lines, self.recent = lines, recent


class RecentFolders(ScanningStep):
    """A step with an Input called #folder; what was scanned is remembered."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down", "recent", "Folders", key_display="↓", priority=True),
        Binding("tab", "complete", "Complete", show=False, priority=True),
    ]

    _folders: tuple[tuple[str, str], ...] | None = None  # None: still looked for

    def on_mount(self) -> None:
        """Look for them in a thread: a folder may lie on a disk that answers slowly."""
        self._find_folders()

    @work(thread=True, exclusive=True, group="recent")
    def _find_folders(self) -> None:
        from loratui.curation.nearby import folders_nearby

        recent = recent_sources()
        lines = [(one, "used last") for one in recent]
        known = {os.path.realpath(expanded(one)) for one in recent}
        lines += [
            (show_path(one.path), one.words) for one in folders_nearby() if os.path.realpath(one.path) not in known
        ]
        self.post_message(FoldersFound(tuple(lines), recent))

    @on(FoldersFound)
    def _folders_found(self, event: FoldersFound) -> None:
        self._folders = event.lines
        line = self.query_one("#folder", Input)
        line.suggester = FolderSuggester(event.recent)
        if not line.value:
            self.say(HINT if event.lines else NONE_NEAR)
        if not line.value or self.has_class("-choosing"):
            self._show_folders()
        self.refresh_bindings()

    @on(ScanFailed)
    def _show_folders(self) -> None:
        """While there are no pictures, the folders to choose from have the room of their list."""
        self.add_class("-choosing")
        self.query_one("#findings").border_title = Content("folders with pictures")
        words = Content("\n").join(map(_line, self._folders or ()))
        if not self._folders:
            words = Content(LOOKING if self._folders is None else WHERE)
        self.query_one("#finding-text", Static).update(words)

    @on(Scanned)
    def _remember(self) -> None:
        self.remove_class("-choosing")
        self.query_one("#findings").border_title = Content("what was found")
        remember(str(self.draft.get("dataset.path")))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """List and completion are for the line in which a folder is typed."""
        at_line = self.focused is not None and self.focused.id == "folder"
        if action == "recent":
            return bool(self._folders) and at_line
        if action == "complete":
            return at_line
        return super().check_action(action, parameters)

    def action_recent(self) -> None:
        """Take one of the folders."""
        lines = [(one, _line((one, words))) for one, words in self._folders or ()]
        at = self.query_one("#folder", Input).value.strip()
        self.app.push_screen(Chooser("Which folder has your pictures?", lines, at), self.take_folder)

    def action_complete(self) -> None:
        """Complete the path as a shell does; what is whole goes on to the list, where there is one."""
        line = self.query_one("#folder", Input)
        typed = line.value
        found = complete(typed)
        if found is None and typed and not typed.endswith("/") and is_folder(expanded(typed)):
            found = f"{typed}/" if complete(f"{typed}/") else None
        if found is None and self.query_one(DataTable).row_count:
            self.focus_next()
            return
        if found is None:  # letters that follow are still a path
            whole = is_folder(expanded(typed)) if typed else False
            self.say(TAKES if whole else NO_MATCH if typed else HINT if self._folders else NONE_NEAR)
            return
        line.value = found
        line.cursor_position = len(found)

    def ask_below(self) -> bool:
        """Open what lies below the typed folder, if pictures are there and none in itself; False if there are none."""
        from loratui.curation.nearby import folders_below

        folder = self.draft.folder
        if self.asks_for_tree():
            return True
        found = folders_below(folder) if is_folder(folder) else ()
        if not found:
            return False
        typed = str(self.draft.get("dataset.path")).rstrip("/")
        lines = [(f"{typed}/{one.path.relative_to(folder).as_posix()}", one.words) for one in found]
        if len(lines) == 1:
            self.take_folder(lines[0][0])
            return True
        self.say("The pictures are in folders below; a run takes one of them.", "warn")
        shown = [(one, _line((one, words))) for one, words in lines]
        self.app.push_screen(Chooser(f"Below {safe_text(typed, 200)}", shown, ""), self.take_folder)
        return True

    def asks_for_tree(self) -> bool:
        """Whether the typed folder is a kohya tree of several concepts; asks to learn all of them in one run."""
        typed = str(self.draft.get("dataset.path")).rstrip("/")
        tree = folders_of_tree(typed)
        if len(tree) < 2 or self.draft.get("concepts"):
            return False
        lines = "\n".join(f"  {safe_text(Path(one).name, 60)}" for one in tree)
        self.say("The pictures are in folders below: take one of them, or all as concepts.", "warn")
        words = f"Each folder's name says repeats, trigger and class word:\n\n{lines}"
        title = f"Learn {plural(len(tree), 'concept')} in one run?"
        self.app.push_screen(Confirm(title, words, "All of them", "Choose one"), lambda yes: self._tree(tree, yes))
        return True

    def _tree(self, tree: tuple[str, ...], yes: bool | None) -> None:
        if yes:
            self.edit(self.draft.with_settings(taught_by_tree(tree)))
            self.take_folder(tree[0])
        elif yes is not None:  # escape decides nothing: the line is there again
            typed = str(self.draft.get("dataset.path")).rstrip("/")
            shown = [(one, Content(safe_text(Path(one).name, 60))) for one in tree]
            self.app.push_screen(Chooser(f"Below {safe_text(typed, 200)}", shown, ""), self.take_folder)

    def take_folder(self, source: str | None) -> None:
        """Put it into the line as if it had been typed and entered."""
        if source is not None:
            line = self.query_one("#folder", Input)
            line.value = source
            line.post_message(Input.Submitted(line, source))


def _line(one: tuple[str, str]) -> Content:
    path = safe_text(show_path(one[0]), WIDEST)
    return Content.assemble(f"{path:<{WIDEST}}  ", (one[1], "$muted"))
