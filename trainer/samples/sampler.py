"""Validation pictures of a run: made, written beside their small copies, announced; never the end of a run."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext, suppress

import torch

from trainer.contract.entries import make_private
from trainer.contract.paths import os_words
from trainer.contract.run.added_prompts import NotAdded, without_trigger
from trainer.contract.run.disk import is_full
from trainer.contract.run.events import EventLog, SilentLog
from trainer.contract.run.rundir import RunDir
from trainer.contract.settings.arithmetic import sample_steps
from trainer.contract.settings.config import TrainConfig
from trainer.contract.settings.prompts import WantedPicture
from trainer.contract.settings.sample_prompts import read_sample_prompt
from trainer.contract.settings.tracking import NO_SAMPLES
from trainer.contract.units import plural
from trainer.data.images import save_picture
from trainer.ground.full_disk import Wait, until_written
from trainer.model.adapters import copy_text_lora, rounded_to
from trainer.model.parts import DTYPES, Parts, base_source, fix_pooling, free, load_text_encoders
from trainer.model.prompts import Encoded, PromptCache, encode, too_long
from trainer.model.tokens import insert_rows
from trainer.samples.drawing import make_picture, negative_prompt
from trainer.samples.page import write_page
from trainer.samples.prompt_list import PromptList
from trainer.step.trainee import Trainee


class Sampler:
    """Makes the validation pictures of a run from its live modules."""

    def __init__(
        self,
        run: RunDir,
        log: EventLog | SilentLog,
        config: TrainConfig,
        parts: Parts,
        trainee: Trainee,
        prompts: PromptCache,
        shown: PromptList,
    ) -> None:
        self._run, self._log, self._config = run, log, config
        self._parts, self._trainee, self._cache = parts, trainee, prompts
        self._shown = shown
        make_private(run.samples, run.path)

    def asked(self, step: int, prompt: str | None, keep: bool | None) -> tuple[bool, str]:
        """What a person asked for at `step`: all prompts (None), or one of theirs, once or from now on.

        Returns whether it went well and what to say of it.
        """
        if not self._config.sample.drawn:
            return False, f"{NO_SAMPLES} by this run; 'loratui generate' can draw some from its checkpoints"
        if prompt is None:
            made = self.make(step)
            count = plural(made, "picture")
            return bool(made), f"{count} at step {step}" if made else "no pictures; the log says why"
        try:
            added, trouble = self._shown.add(prompt, keep)
        except NotAdded as error:
            return False, str(error)
        if keep is False:
            return True, "no longer drawn at the sample steps" + (f"; {trouble}" if trouble else "")
        if not self.make(step, only=self._shown.picture_of(added)):
            return False, "no picture; the log says why" + (f"; {trouble}" if trouble else "")
        left = sum(one > step for one in sample_steps(self._config))
        said = [
            f"1 picture at step {step}",
            f"drawn at each sample step from now on ({left} to come)" if added.kept else "",
            without_trigger(added.prompt, self._config.every_trigger),
            *(f"it has {plural(length, 'token')}, its end is cut" for _, length in self._too_long(added.prompt)),
            trouble,
        ]
        return True, "; ".join(filter(None, said))

    def is_due(self, step: int) -> bool:
        """Whether pictures of the step that a run starts at are wanted: a kill came before the last of its own."""
        return step == 0 or not all(self._run.sample(step, one.index).exists() for one in self._shown.own)

    def make(
        self, step: int, as_exported: bool = False, only: WantedPicture | None = None, wait: Wait | None = None
    ) -> int:
        """Pictures of all prompts, or `only` one; returns how many were made.

        `as_exported` shows the LoRA as its file will hold it. Neither a lack of memory nor a full disk ends the run:
        with `wait` they are drawn again when there is room, and what it raises is raised.
        """
        if wait is not None:
            return until_written(lambda: self._make(step, as_exported, only, patient=True), wait)
        return self._make(step, as_exported, only, patient=False)

    def _make(self, step: int, as_exported: bool, only: WantedPicture | None, patient: bool) -> int:
        wanted = [only] if only is not None else self._shown.now
        if not wanted:
            return 0
        rounded: AbstractContextManager[None] = nullcontext()
        if as_exported:
            rounded = rounded_to(self._trainee.layers, DTYPES[self._config.export.precision])
        try:
            with self._trainee.averaged(), rounded:
                for done, one in enumerate(wanted):
                    self._log.emit("phase", name="sample", done=done, total=len(wanted))
                    self._one(step, one)
        except torch.OutOfMemoryError:
            free()
            advice = "sample.tiles=true, or a smaller sample.width and sample.height; sample.count=0 draws none"
            self._log.emit(
                "warn", code="sample-memory", message="no memory for pictures; training goes on", advice=advice
            )
            return 0
        except OSError as error:
            if patient and is_full(error):
                raise
            message = f"the pictures of step {step} could not be made: {os_words(error)}; training goes on"
            self._log.emit("warn", code="sample-failed", message=message, advice="free some space, then ask again")
            return 0
        self._log.emit("phase", name="sample", done=len(wanted), total=len(wanted))
        with suppress(OSError):  # a page for a browser: the pictures themselves are there
            write_page(self._run, self._config.name, self._shown.words)
        return len(wanted)

    def _one(self, step: int, wanted: WantedPicture) -> None:
        sample, write, prompt = self._config.sample, self._trainee.vocabulary.write, wanted.prompt
        encoded = self._encode(write(prompt.words))
        negative = negative_prompt(self._parts, write(prompt.negative), self._encode)
        size, steps, guidance = (prompt.width, prompt.height), sample.steps, sample.guidance
        picture = make_picture(self._parts, encoded, negative, size, steps, guidance, wanted.seed, sample.tiles)
        path = self._run.sample(step, wanted.index)
        save_picture(picture, path.with_suffix(".jpg"), thumb=True, root=self._run.path)
        save_picture(picture, path, root=self._run.path)
        small = path.with_suffix(".jpg").name
        self._log.emit(
            "sample",
            step=step,
            index=wanted.index,
            prompt=prompt.text,
            seed=wanted.seed,
            path=f"samples/{path.name}",
            thumb=f"samples/{small}",
        )

    def _too_long(self, prompt: str) -> list[tuple[str, int]]:
        words = read_sample_prompt(prompt).words
        return too_long(self._parts, [self._trainee.vocabulary.write(words)])

    @torch.no_grad()
    def _encode(self, prompt: str) -> Encoded:
        if prompt in self._cache:
            return self._cache.get([prompt])
        if self._parts.text_encoders is not None:
            return encode(self._parts, [prompt])
        return self._encode_anew(prompt)

    def _encode_anew(self, prompt: str) -> Encoded:
        # a new prompt after the pivot: the encoders come back for a moment, with the rows as they are
        parts, tables = self._parts, self._trainee.tables
        parts.text_encoders = load_text_encoders(base_source(self._config), parts.dtype, parts.device)
        try:
            fix_pooling(parts.text_encoders, parts.tokenizers)
            if tables:
                insert_rows(parts.text_encoders, (tables[0].rows.detach(), tables[1].rows.detach()))
            if trained := self._trainee.text_layers:
                copy_text_lora(parts.text_encoders, self._config, trained)
            self._cache.add([prompt])
        finally:  # also where memory runs out: training needs what they take
            parts.release_encoders()
        return self._cache.get([prompt])
