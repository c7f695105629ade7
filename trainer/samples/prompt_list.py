"""What the validation pictures of a run show: its own prompts, and those that a person added while it ran."""

from __future__ import annotations

from trainer.contract.run.added_prompts import AddedPrompt, AddedPrompts, read_added, write_added
from trainer.contract.run.events import EventLog, SilentLog
from trainer.contract.run.rundir import RunDir
from trainer.contract.settings.config import TrainConfig


class PromptList:
    """The prompts of a run by index; what is added is on disk before it is drawn. Training never reads any of it."""

    def __init__(self, run: RunDir, log: EventLog | SilentLog, config: TrainConfig) -> None:
        """Take up what was added before a resume; a damaged list is named in the log and left behind."""
        self._run = run
        self.own = config.sample.prompts or (config.dataset.instance_prompt,)
        try:
            self._added = read_added(run, len(self.own))
        except ValueError as error:
            self._added = AddedPrompts()
            advice = "add them again where they are wanted; training is the same without"
            log.emit("warn", code="prompts-damaged", message=f"added prompts are lost: {error}", advice=advice)

    @property
    def now(self) -> list[tuple[int, str]]:
        """Index and words of every prompt that a sample step draws."""
        return [*enumerate(self.own), *((one.index, one.prompt) for one in self._added.kept)]

    @property
    def prompts(self) -> list[str]:
        """The words alone."""
        return [words for _, words in self.now]

    def add(self, prompt: str, keep: bool | None) -> tuple[AddedPrompt, str]:
        """Add a prompt, keep it or drop it; returns it and what was not as it should be. Raises NotAdded."""
        before = self._added
        self._added, new = before.with_prompt(prompt, keep, self.own)
        if self._added == before:
            return new, ""
        try:
            write_added(self._run, self._added)
        except OSError as error:
            return new, f"{self._run.prompts.name} could not be written ({error.strerror}): a resume will not know it"
        return new, ""
