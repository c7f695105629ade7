"""What the validation pictures of a run show: its own prompts, and those that a person added while it ran."""

from __future__ import annotations

from trainer.contract.paths import os_words
from trainer.contract.run.added_prompts import AddedPrompt, AddedPrompts, read_added, write_added
from trainer.contract.run.events import EventLog, SilentLog
from trainer.contract.run.rundir import RunDir
from trainer.contract.settings.config import TrainConfig
from trainer.contract.settings.prompts import WantedPicture, sample_pictures, settled
from trainer.contract.settings.sample_prompts import read_sample_prompt


class PromptList:
    """The prompts of a run by index; what is added is on disk before it is drawn. Training never reads any of it."""

    def __init__(self, run: RunDir, log: EventLog | SilentLog, config: TrainConfig) -> None:
        """Take up what was added before a resume; a damaged list is named in the log and left behind."""
        self._run = run
        self.own, self._config = sample_pictures(config), config
        try:
            self._added = read_added(run, len(self.own))
        except ValueError as error:
            self._added = AddedPrompts()
            advice = "add them again where they are wanted; training is the same without"
            log.emit("warn", code="prompts-damaged", message=f"added prompts are lost: {error}", advice=advice)

    @property
    def now(self) -> list[WantedPicture]:
        """Every picture that a sample step draws; none where sample.count is 0, also of what was added."""
        if not self._config.sample.drawn:
            return []
        return [*self.own, *map(self.picture_of, self._added.kept)]

    @property
    def prompts(self) -> list[str]:
        """The words alone, those that no picture shall show too."""
        read = [one.prompt for one in self.now]
        return [*(one.words for one in read), *(one.negative for one in read if one.negative)]

    @property
    def words(self) -> dict[int, str]:
        """Each prompt as it was written, by its index; those that were drawn once as well."""
        return {one.index: one.prompt.text for one in (*self.own, *map(self.picture_of, self._added.prompts))}

    def picture_of(self, added: AddedPrompt) -> WantedPicture:
        """The picture of an added prompt, or that of the run's own that it is."""
        if added.index < len(self.own):
            return self.own[added.index]
        prompt = settled(read_sample_prompt(added.prompt), self._config)
        return WantedPicture(added.index, prompt, self._config.sample.seed if prompt.seed is None else prompt.seed)

    def add(self, prompt: str, keep: bool | None) -> tuple[AddedPrompt, str]:
        """Add a prompt, keep it or drop it; returns it and what was not as it should be. Raises NotAdded."""
        before = self._added
        self._added, new = before.with_prompt(prompt, keep, tuple(one.prompt.text for one in self.own))
        if self._added == before:
            return new, ""
        try:
            write_added(self._run, self._added)
        except OSError as error:
            return new, f"{self._run.prompts.name} could not be written ({os_words(error)}): a resume will not know it"
        return new, ""
