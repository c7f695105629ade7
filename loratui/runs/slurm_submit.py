"""Hands runs to a Slurm cluster through submitit and takes them out again; what Slurm refuses becomes a sentence."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from loratui.errors import Refusal
from loratui.runs import slurm, slurm_job
from loratui.runs.find import RUNS
from loratui.runs.slurm import NO_JOB, SlurmEntry, entry_of, write_entry
from loratui.terminal.text import os_words, safe_text, show_path
from trainer.contract.entries import make_private, remove
from trainer.contract.run.devices import on_cpu, runs_in
from trainer.contract.run.rundir import RunDir
from trainer.contract.run.trainer_start import trainer_environment

WARNING = 120  # seconds before the end of its time at which a job is told
OURS = ("array", "chdir", "error", "export", "help", "open-mode", "output", "parsable", "requeue", "test-only", "wrap")
GPU = ("gpus", "gpus-per-node", "gpus-per-task", "gres", "tres-per-node", "tres-per-task")
INSTALL = "pip install 'loratui[slurm]'"
ADVICE = (  # what Slurm's words hold, and what to do
    ("config", "no cluster is set up on this machine: call it on the login node, or set SLURM_CONF"),
    ("controller", "the cluster does not answer: try again later, or ask who runs it ('sinfo' says the same)"),
    ("partition", "'sinfo -o %P' lists the partitions: --slurm-option partition=NAME"),
    ("account", "'sacctmgr show associations user=$USER' lists yours: --slurm-option account=NAME"),
    ("qos", "'sacctmgr show qos' lists them: --slurm-option qos=NAME"),
    ("time", "'sinfo -o \"%P %l\"' says how long a job may take: --slurm-option time=HOURS:MINUTES:SECONDS"),
    ("memory", "'sinfo -o \"%P %m\"' says what a node has: --slurm-option mem=16G"),
    ("gres", "'sinfo -o \"%P %G\"' lists what each partition has: --slurm-option gres=gpu:1, or gres=none"),
    ("node configuration", "no node has all of that: 'sinfo -o \"%P %c %m %G\"' says what each has"),
    ("option", "'sbatch --help' lists the options that it takes"),
    ("limit", "wait until some have ended; the same command then submits the others"),
)


def read_options(texts: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """The options of sbatch in KEY=VALUE or KEY, the last of a key winning. Raises Refusal with all that is wrong."""
    found: dict[str, str] = {}
    wrong: list[str] = []
    for text in texts:
        key, _, value = text.removeprefix("--").partition("=")
        name = key.strip().replace("_", "-")
        if not re.fullmatch(r"[a-z][a-z0-9-]*", name) or not value.isprintable():
            wrong.append(f"--slurm-option {safe_text(text, 60)}: write KEY=VALUE, such as partition=gpu")
        elif name in OURS:
            wrong.append(f"--slurm-option {name}: loratui sets that one itself")
        else:
            found[name] = value
    if wrong:
        raise Refusal(wrong)
    return tuple(found.items())


def refuse_without_slurm() -> None:
    """Raise Refusal where nothing can be submitted from here: no submitit, or no Slurm."""
    if importlib.util.find_spec("submitit") is None:
        raise Refusal(f"--slurm needs submitit: {INSTALL}")
    absent = [one for one in ("sbatch", "srun", "squeue") if shutil.which(one) is None]
    if absent:
        raise Refusal(
            f"--slurm: there is no {' and no '.join(absent)} on this machine: call it on the cluster's login node, "
            "with the module or the PATH that has Slurm"
        )


def last_options(runs: Path = RUNS) -> str:
    """What sbatch was given the last time that a run of `runs` was handed in, as it is typed; empty where none was."""
    entries = [entry for run in runs_in(runs) if (entry := entry_of(run)) is not None]
    last = max(entries, key=lambda one: one.since, default=None)
    return shlex.join(f"{key}={value}" if value else key for key, value in last.options) if last is not None else ""


def submit(run: RunDir, options: tuple[tuple[str, str], ...] = (), gpus: int = 1) -> str:
    """Hand `run` to Slurm as one job; returns its number. Raises Refusal with Slurm's words and what to do."""
    refuse_without_slurm()
    entry = SlurmEntry(NO_JOB, time.time(), gpus, options, str(Path.cwd()))
    there: set[Path] = set()
    try:
        make_private(run.slurm_files, run.path)
        there = set(run.slurm_files.iterdir())
        executor = _executor(run, options, gpus)
        said = io.StringIO()
        with contextlib.redirect_stderr(said):  # submitit repeats there what it raises
            job = executor.submit(slurm_job.train, str(run.path), entry).job_id
    except OSError as error:
        raise Refusal(f"{show_path(run.path)} cannot be handed to Slurm: {os_words(error)}") from None
    except (RuntimeError, ValueError, subprocess.CalledProcessError) as error:
        for one in set(run.slurm_files.iterdir()) - there:
            remove(one, run.path)
        raise Refusal(_refused(str(error) or said.getvalue())) from None
    finally:
        slurm_job.tidy(run)
    known = entry_of(run)
    if known is None or known.job != job:  # else the job has begun meanwhile, and said so itself
        write_entry(run, replace(entry, job=str(job)))
    slurm.forget()
    return str(job)


def take_out(run: RunDir) -> str:
    """Cancel the job that has `run` and waits; returns its number. Raises Refusal, OSError."""
    entry = entry_of(run)
    if entry is None or entry.job == NO_JOB:
        raise Refusal(f"{show_path(run.path)} is in no cluster")
    try:
        done = subprocess.run(["scancel", entry.job], capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        raise Refusal(f"job {entry.job} can be cancelled on the cluster's login node alone: no scancel here") from None
    if done.returncode:
        raise Refusal(_refused(done.stderr))
    write_entry(run, replace(entry, job=NO_JOB))
    slurm.forget()
    return entry.job


def _executor(run: RunDir, options: tuple[tuple[str, str], ...], gpus: int) -> Any:
    import submitit

    python = [sys.executable, "-P"]  # no .py of the folder in which the job begins is run
    if places := trainer_environment().get("PYTHONPATH"):
        python = ["env", f"PYTHONPATH={places}", *python]
    executor = submitit.SlurmExecutor(folder=run.slurm_files, python=shlex.join(python))
    given: dict[str, Any] = {key.replace("-", "_"): value or True for key, value in options}
    if not on_cpu(run) and not any(key in GPU for key, _ in options):
        given["gpus_per_node"] = gpus
    threads = dict(options).get("cpus-per-task")
    executor.update_parameters(
        job_name=run.path.name,
        time=None,  # the partition's own; submitit's is five minutes
        wckey=None,
        srun_args=[f"--cpus-per-task={threads}"] if threads else None,  # srun takes no job's word for it
        additional_parameters={"signal": f"USR1@{WARNING}", "requeue": True, **given},
    )
    return executor


def _refused(words: str) -> str:
    lines = [line.strip() for line in words.splitlines() if line.strip()]
    told = next((line for line in reversed(lines) if "error" in line), lines[-1] if lines else "it gave no reason")
    told = re.sub(r"^(sbatch|scancel): (error: )?", "", told)
    advice = next((then for word, then in ADVICE if word in told.lower()), "'sbatch --help' says what it takes")
    return f"Slurm refuses it: {safe_text(told, 200)}; {advice}"
