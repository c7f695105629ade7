"""The run, in order: what is read, loaded, cached, trained, pivoted, saved, shown and exported, and when."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch

from trainer.checkpoints.saver import Saver
from trainer.checkpoints.snapshot import FoundCheckpoint, Snapshot, newest_checkpoint, try_room
from trainer.commands import Requests, Stop
from trainer.contract.paths import os_sentence
from trainer.contract.run.changes import read_changes
from trainer.contract.run.events import EventLog, SilentLog
from trainer.contract.run.rundir import RunDir
from trainer.contract.settings.arithmetic import checkpoint_steps, sample_steps
from trainer.contract.settings.config import TrainConfig
from trainer.data.dataset import ViewPlan
from trainer.data.latents import LatentCache
from trainer.data.listing import Listed
from trainer.export.files import export_run
from trainer.ground.caches import caches_of
from trainer.ground.full_disk import NotSaved, until_written
from trainer.ground.room import look_round
from trainer.ground.whereabouts import FolderGone
from trainer.ground.world import World
from trainer.inputs import read_inputs
from trainer.model.download import bring
from trainer.model.fused.unet import checkpoint
from trainer.model.parts import Parts, fix_pooling, load_parts, pick_device
from trainer.model.prompts import PromptCache
from trainer.resumption import check_run
from trainer.samples.class_pictures import class_pictures
from trainer.samples.prompt_list import PromptList
from trainer.samples.sampler import Sampler
from trainer.step.beforehand import cached_latents, cached_prompts, check_words
from trainer.step.early_stop import EARLY, Early, Measurements
from trainer.step.measure import CheckpointMeasure, measured_views
from trainer.step.not_finite.error import NotFinite
from trainer.step.step import Stepper
from trainer.step.step_log import StepLog
from trainer.step.trainee import end_text, make_trainee, run_identity


@dataclass(frozen=True)
class RunEnd:
    """How a run ended; `files` are relative to the run directory."""

    status: str
    step: int
    files: tuple[str, ...]


class Run:
    """One start of one run, from the first look at the pictures to the last file."""

    def __init__(
        self,
        config: TrainConfig,
        run: RunDir,
        log: EventLog | SilentLog,
        requests: Requests | None,
        world: World,
        found: FoundCheckpoint,
        inputs: Listed | None = None,
        load: Callable[[TrainConfig, torch.device], Parts] | None = None,
    ) -> None:
        """Read, load, cache and restore what was `found`; `requests` is None in all processes but the first.

        `inputs`: what was seen of them before torch. `load` is where the base model comes from, for one that lies in
        no folder; else it is downloaded if need be.

        Raises DataError, SettingsError, OtherRun, OtherShare, PeerGone and more, which `trainer.failures` words.
        """
        self.config, self.run, self.log, self.requests, self.world = config, run, log, requests, world
        self.caches = caches_of(run, log)
        self._phase("load", 0, 3)
        world.share(config.train.batch, config.train.accumulation)
        found.tell(log)
        read = read_inputs(config, found.snapshot, read_changes(run), inputs)
        read.tell(config, log)
        device = pick_device(config)
        room = look_round(config, len(read.items), device)
        if load is None:
            with self._first_alone(device):
                bring(config, self._preparing("download"))
        self.parts = (load or load_parts)(config, device)
        self._phase("load", 1, 3)
        fix_pooling(self.parts.text_encoders or (), self.parts.tokenizers)
        # made by the untouched base model, so before any layer is put into it
        with self._first_alone(device):
            given, told = read.class_photographs, self._preparing("prior")
            classes = class_pictures(config, given, self.parts, self.caches, told)
        self.plan = ViewPlan(read.items, classes, config)
        self.held = read.held
        self.measured = measured_views(self.held or self.plan.items, config)
        self.identity = run_identity(config, read.items, classes, self.parts.digests)
        world.compare(self.identity, device)
        self.latents = self._cached_latents()  # before the unet comes to the device: encoding wants the room
        self.trainee = make_trainee(self.parts, config, found.snapshot is None, told=self._preparing("start"))
        self._phase("load", 2, 3)
        self.shown = PromptList(run, log, config)
        self.prompts = self._cached_prompts()
        kept, parts, trainee = room.words(self.plan.captions), self.parts, self.trainee
        self.sampler = Sampler(run, log, config, parts, trainee, self.prompts, self.shown)
        self.stepper = Stepper(parts, trainee, self.plan, self.latents, self.prompts, config, world, log, kept)
        gauge = CheckpointMeasure(parts, trainee, self.latents, self.prompts, config, self.measured)
        self.saver = Saver(run, log, config.train.keep_checkpoints)
        self.done = self._resume(found.snapshot)
        self.steps = StepLog(self.stepper, log, config, self.plan, self.done)
        # a checkpoint that was resumed from was measured before it was saved
        self.losses = Measurements(gauge, config, log, len(self.plan.items), bool(self.held), found.snapshot)
        checkpoint(self.parts, self.trainee.fused, room.level)
        log.emit("phase", name="load", done=3, total=3, words_kept=kept)

    # -- before the first step ------------------------------------------------------------------------------------

    def _preparing(self, name: str) -> Callable[[int, int], None]:
        def progress(done: int, total: int) -> None:
            self._phase(name, done, total)
            if self.requests is not None:
                self.requests.check()

        return progress

    @contextmanager
    def _first_alone(self, device: torch.device) -> Iterator[None]:
        """Rank 0 fills a cache on disk, the others find it full."""
        if not self.world.main:
            self.world.told(0, device)
        yield
        if self.world.main:
            self.world.told(0, device)

    def _cached_latents(self) -> LatentCache:
        views, folder = [*self.plan.distinct_views(), *self.measured], self.caches / "latents"
        with self._first_alone(self.parts.device):
            cache = cached_latents(self.parts, self.config, folder, views, self._preparing("cache"))
        self.parts.put_vae_away(decodes=self.config.sample.drawn)
        return cache

    def _cached_prompts(self) -> PromptCache:
        """Encode what is constant from the start; without new tokens that is everything, and the encoders go."""
        cache = cached_prompts(self.parts, self.trainee, self.caches / "prompts", self._all_prompts(), self.log)
        self._check_words(cache)
        if self.trainee.pivot is None:
            end_text(self.parts, self.trainee, self.config)
        return cache

    def _check_words(self, cache: PromptCache, pivot: bool = False) -> None:
        own, classes = self.plan.items + self.held, self.plan.class_items
        check_words(cache, own, classes, self.trainee, self.parts, self.config, self.log, pivot)

    def _all_prompts(self) -> list[str]:
        empty = [] if self.parts.zero_empty else [""]  # what pictures are led away from, and dropped captions become
        read = (one.prompt for one in self.plan.items + self.held + self.plan.class_items)
        return list(dict.fromkeys([*read, *self.shown.prompts, *empty]))

    def _resume(self, snapshot: Snapshot | None) -> int:
        """Put the newest whole checkpoint back; returns its step, 0 for a fresh start."""
        if snapshot is None:
            return 0
        plan, record = self.plan, read_changes(self.run)
        check_run(snapshot, self.config, plan.items, plan.class_items, self.parts.digests, record)
        self.trainee.restore(snapshot)
        self.stepper.scaler.restore(snapshot.loss_scale)
        if self.trainee.pivoted:
            self._after_pivot()
        return snapshot.step

    # -- the steps ------------------------------------------------------------------------------------------------

    def train(self) -> RunEnd:
        """All steps that are left, then the files. Raises NotFinite, CannotSave, NotSaved, FolderGone, OSError."""
        try:
            return self._train()
        except FolderGone as gone:
            if gone.now is None or not self.done:
                raise
            self.saver = Saver(RunDir(gone.now), self.log, self.config.train.keep_checkpoints)
            raise FolderGone(gone.now, self.done if self._save().wait() else None) from None

    def _train(self) -> RunEnd:
        train, samples, saves = self.config.train, set(sample_steps(self.config)), set(checkpoint_steps(self.config))
        if self.done < train.steps and self.world.main:
            try_room(self.run, self.trainee.checkpoint_bytes(self.config))
        if self.world.main and self.done < train.steps and self.done in samples and self.sampler.is_due(self.done):
            self.sampler.make(self.done, wait=self._wait_until)
        if self.done == 0 and self.world.main:
            self.losses.now(0)
        try:
            for step in range(self.done + 1, train.steps + 1):
                self._look()
                self._one_step(step, known=step in saves | samples | {train.steps})
                # by the step that was taken: on a GPU `done` stays at an earlier one for some steps more
                if step in saves and self.world.main:
                    self.losses.if_due(step)
                    self._save()
                if step in samples and step < train.steps and self.world.main:
                    self.sampler.make(step, wait=self._wait_until)
            if not self.saver.wait():
                self._wait_until(self.saver.is_settled)
        except Stop as stop:
            return self._stopped(stop.save)
        except Early:
            pass  # as where the last checkpoint may have been the one that was waited for
        except NotFinite as error:
            error.advice += self._keep_the_last_good()
            raise
        finally:
            self.saver.wait()  # also where a step fails: what was begun is worth having
        try:
            return self._ended_early() if self.losses.is_over else self._finish("completed", pictures=True)
        except Stop as stop:  # told to, while the disk had no room for the files
            if stop.save:
                raise NotSaved("the files", self.done) from None
            return RunEnd("stopped", self.done, ())

    def _look(self) -> None:
        """Do what was asked for. Rank 0 hears it, and all agree whether the run goes on; raises Stop."""
        heard: Stop | FolderGone | None = None
        try:
            self._wait_until(self.saver.is_settled)
        except (Stop, FolderGone) as error:
            heard = error
        wish = EARLY * self.losses.is_over if heard is None else 1 if isinstance(heard, Stop) and heard.save else 2
        ending = self.world.highest(wish, self.parts.device)
        if heard is not None:
            raise heard
        if ending:
            raise Early if ending == EARLY else Stop(save=ending == 1)

    def _one_step(self, step: int, known: bool = False) -> None:
        """Take a step; `known`: and wait for it, as at the pivot, because what it left is read."""
        self.steps.take(step)
        if known or step == self.trainee.pivot or step in self.trainee.stops:
            self.steps.tell_all()
        self.done = self.steps.known
        for name in self.trainee.stops.get(step, ()):
            self.trainee.freeze_part(name)
        if step == self.trainee.pivot:
            self._pivot(step)

    def _tell_all(self) -> None:
        self.steps.tell_all()
        self.done = self.steps.known

    def _pivot(self, step: int) -> None:
        self.trainee.freeze_text()
        self._after_pivot()
        self.log.emit("pivot", step=step, of="new tokens" if self.trainee.tables else "text encoders")

    def _after_pivot(self) -> None:
        """Every caption is a constant now, but for shuffled ones: encode each once, then let both encoders go."""
        self.parts.encode_only()
        self.prompts.add([self.trainee.vocabulary.write(one) for one in self._all_prompts()])
        self._check_words(self.prompts, pivot=True)
        end_text(self.parts, self.trainee, self.config)

    # -- what is kept ---------------------------------------------------------------------------------------------

    def _save(self) -> Saver:
        self._tell_all()
        taken = self.trainee.snapshot(self.done, self.identity)
        held = tuple(self.losses.held.items())
        self.saver.save(replace(taken, loss_scale=self.stepper.scaler.saved(), held=held))
        return self.saver

    def _sample_asked(self, prompt: str | None, keep: bool | None) -> tuple[bool, str]:
        return self.sampler.asked(self.done, prompt, keep)

    def _save_asked(self) -> tuple[bool, str]:
        self.losses.if_due(self.done)
        saved = self._save().wait()
        return saved, f"saved at step {self.done}" if saved else "not saved: the disk refused it"

    def _stopped(self, save: bool) -> RunEnd:
        if not save or not self.done or not self.world.main:
            return RunEnd("stopped", self.done, ())
        self.saver.wait()
        if not self.run.checkpoint(self.done).exists():
            self._save().wait()
        if self.saver.refused is not None:
            raise NotSaved(f"step {self.done}", newest_checkpoint(self.run).step)
        return self._finish("stopped", pictures=False)

    def _ended_early(self) -> RunEnd:
        """The held-out loss falls no more: the checkpoint where it was lowest is what the run leaves."""
        if self.world.main:
            self.saver.wait()
            self.done = self.losses.take_best(self.run, self.trainee, self.prompts, self.done)
        return self._finish("completed", pictures=True)

    def _keep_the_last_good(self) -> list[str]:
        """The step was not applied: what was trained before it is saved and exported if it is finite; returns so."""
        if not self.world.main:
            return []
        self.saver.wait()
        try:
            if self.done and self.trainee.finite():
                self._stopped(save=True)
            elif (good := newest_checkpoint(self.run).snapshot) is not None:
                self.trainee.end_at(good)
                self.done = good.step
                self._finish("failed", pictures=False)
            else:
                return []
        except (NotSaved, OSError) as error:  # the cause of the end is told all the same
            self.log.emit("warn", code="not-saved", message=os_sentence(error), advice="what was saved before is there")
            return []
        return ["what was trained before is saved and exported"]

    def _finish(self, status: str, pictures: bool) -> RunEnd:
        if not self.world.main:
            return RunEnd(status, self.done, ())
        self.saver.wait()
        if pictures:
            self.sampler.make(self.done, as_exported=True, wait=self._wait_until)
        self._phase("export", 0, 1)
        files = self._exported(status == "completed")
        self._phase("export", 1, 1)
        return RunEnd(status, self.done, tuple(files))

    def _exported(self, patient: bool) -> list[str]:
        """The files of the run; a `patient` one waits while the disk is full. Raises OSError, Stop."""
        size = self.parts.unet.config.layers_per_block

        def write() -> list[str]:
            if self.requests is not None:
                self.requests.check_place()
            with self.trainee.averaged():
                return export_run(self.run, self.config, self.trainee, self.plan.items, size, self.done)

        return until_written(write, self._wait_until) if patient else write()

    def _wait_until(self, is_settled: Callable[[], bool]) -> None:
        """Do what is asked, and wait for room on the disk. Raises Stop."""
        if self.requests is not None:
            self.requests.look(self._save_asked, self._sample_asked, is_settled, self._tell_all)
        else:
            while not is_settled():
                time.sleep(1)

    def _phase(self, name: str, done: int, total: int) -> None:
        self.log.emit("phase", name=name, done=done, total=total)
