"""An answer file as a task for SkyPilot: the card by the plan's memory, the pictures mounted, a run that goes on.

The answers stand in the file themselves, with the places where they will find their folders there; what lies on this
machine is named only relative to where the task is started, and secrets only by name.
"""

from __future__ import annotations

import hashlib
import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from loratui.basemodels.facts import BaseModelNeed, look
from loratui.basemodels.words import base_errors
from loratui.errors import Refusal
from loratui.planning.hardware import asked_for
from loratui.planning.prepared import PreparedRun, prepare, refuse_if_needed
from loratui.planning.sections import disk_errors
from loratui.runs.find import RUNS as RUNS_HERE
from loratui.settings.answers import Answers, answers_text
from loratui.settings.portable import portable
from loratui.settings.resolve import DATA, FOLDERS, MODELS, names_hub
from loratui.terminal.text import safe_text, show_path
from trainer.contract.paths import can_see, expanded
from trainer.contract.plan.advice import refusals
from trainer.contract.plan.estimate import Estimate, estimate
from trainer.contract.run import exits
from trainer.contract.settings.concepts import KEY as CONCEPTS
from trainer.contract.settings.concepts import PLACES
from trainer.contract.settings.config import SMALL, flat

# the names that SkyPilot lists cards under, and GB of each; none that has no bf16, which SDXL is trained in
CARDS = {"L4": 24, "A10G": 24, "RTX4090": 24, "A100": 40, "A40": 48, "L40S": 48, "A100-80GB": 80, "H100": 80}
JOB, RUNS = "~/loratui-job", "~/loratui-runs"  # on the machine: what it was given, and the bucket
BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]")  # what the stores take between them
TOKEN, GIVEN, PACKAGE = "HF_TOKEN", "LORATUI_ANSWERS", "LORATUI_PACKAGE"
DISK = 64  # GB for the system, torch and SDXL beside the run
GB = 1_000_000_000
IDLE_GPU = "train.device is cpu: the card that is rented would do nothing; --set train.device=auto"
SETUP = f"""\
python3 -m pip install --quiet uv
python3 -m uv venv --quiet --allow-existing --python 3.12 ~/loratui-env
python3 -m uv pip install --quiet --python ~/loratui-env/bin/python "${PACKAGE}"
"""
RUN = """\
set -e
mkdir -p {job}
printf '%s' "${given}" > {job}/answers.toml
~/loratui-env/bin/loratui replay {job}/answers.toml --out {runs}/{name} --resume{gpus}
"""


@dataclass(frozen=True)
class SkyTask:
    """A task file, and what is to be told of it."""

    text: str
    cards: tuple[str, ...]  # any of these
    bucket: str
    secrets: tuple[str, ...]
    warnings: tuple[str, ...] = ()


def sky_task(answers: Answers, sets: Mapping[str, Any], folder: Path, gpus: int = 1, bucket: str = "") -> SkyTask:
    """The task that trains as `answers` say, to be started from `folder`. Raises Refusal.

    `bucket`: where the run's folder lies; one of its own if empty.
    """
    if bucket and not BUCKET.fullmatch(bucket):
        wanted = "3 to 63 small letters, digits and . _ - between them, such as loratui-runs"
        raise Refusal(f"--bucket: '{safe_text(bucket, 70)}' can name no bucket; take {wanted}")
    ready, cards = _cheapest(answers, dict(sets), gpus)
    if not cards:
        raise Refusal(["no card with up to 80 GB is enough for it:", *_why(ready)])
    given, mounts = _placed(ready, folder)
    config = ready.resolved.config
    text = answers_text(given).partition("\n")[2]  # less the line that says how to run it
    bucket = bucket or f"loratui-{_plain(config.name).lower()[:40]}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
    secrets = (TOKEN,) if _wants_hub(ready) else ()
    words = {"job": JOB, "runs": RUNS, "given": GIVEN, "name": config.name, "gpus": f" --gpus {gpus}" * (gpus > 1)}
    task: dict[str, Any] = {
        "name": _plain(config.name),
        "resources": {
            "accelerators": dict.fromkeys(cards, gpus),
            "memory": f"{max(16, math.ceil(_need(ready).ram / GB))}+",
            "disk_size": DISK + math.ceil(ready.plan.disk / GB),
            "use_spot": True,
            # a machine that is taken away stops its run first, which is that exit code
            "job_recovery": {"strategy": "EAGER_NEXT_REGION", "recover_on_exit_codes": [exits.STOPPED]},
        },
        "file_mounts": {**mounts, RUNS: {"name": bucket, "mode": "MOUNT_CACHED"}},
        "envs": {PACKAGE: "loratui", GIVEN: text},
        **({"secrets": dict.fromkeys(secrets)} if secrets else {}),
        "setup": SETUP,
        "run": RUN.format(**words),
    }
    start = f"# from this folder: sky jobs launch FILE{''.join(f' --secret {one}' for one in secrets)}\n"
    warnings = (IDLE_GPU,) if config.train.device == "cpu" else ()
    return SkyTask(start + _yaml(task), tuple(cards), bucket, secrets, warnings)


def _cheapest(answers: Answers, sets: dict[str, Any], gpus: int) -> tuple[PreparedRun, list[str]]:
    """The run as planned on the smallest card that it fits on, and every card of that size and above."""
    for size in sorted(set(CARDS.values())):
        ready = prepare(answers, sets, "answers.toml", machine=asked_for(size), gpus=gpus)
        refuse_if_needed(replace(ready, plan=replace(ready.plan, errors=_elsewhere(ready))))
        if ready.plan.verdict is not None and ready.plan.verdict.fits:
            return ready, [name for name, own in CARDS.items() if own >= size]
    return ready, []


def _why(ready: PreparedRun) -> list[str]:
    return [ready.plan.verdict.words] if ready.plan.verdict is not None else []


def _need(ready: PreparedRun) -> Estimate:
    return estimate(ready.resolved.config, len(ready.outcome.images), "cuda")


def _elsewhere(ready: PreparedRun) -> tuple[str, ...]:
    """What makes the run impossible on any machine: less what this one's disk and its way to the hub refuse."""
    config = ready.resolved.config
    if refusals(config):
        return ready.plan.errors
    own = disk_errors(_need(ready), RUNS_HERE)
    if not look(config.model.base, BaseModelNeed.of(flat(config))).trouble:
        own += [one.partition(": ")[2] for one in base_errors(config)]
    return tuple(one for one in ready.plan.errors if not any(one.endswith(mine) for mine in own))


def _wants_hub(ready: PreparedRun) -> bool:
    """Whether something is fetched from the hub, which may want to know who asks."""
    model, values = ready.resolved.config.model, ready.answers.values
    fetched = model.base != SMALL and not model.base.startswith("/")
    return fetched or any(names_hub(key, values.get(key, "")) for key in DATA if values.get(key))


def _placed(ready: PreparedRun, folder: Path) -> tuple[Answers, dict[str, str]]:
    """The answers with the places on the other machine, and what is mounted there from where."""
    resolved, answers = portable(ready.resolved, ready.answers)
    values, whole = dict(answers.values), flat(resolved.config)
    mounts: dict[str, str] = {}

    def there(place: str) -> str:
        source = relative_to(expanded(place).absolute(), folder)
        known = next((one for one, mounted in mounts.items() if mounted == source), "")
        found = known or f"{JOB}/{len(mounts) + 1}-{_plain(Path(place).name)}"
        mounts[found] = source
        return found

    for key in (*FOLDERS, *MODELS):
        value = values.get(key)
        local = isinstance(value, str) and value and not names_hub(key, value)
        if local and str(whole[key]).startswith("/"):
            values[key] = there(str(whole[key] if key in MODELS else value))
    if values.get(CONCEPTS):
        values[CONCEPTS] = [
            {name: there(one) if name in PLACES and one else one for name, one in table.items()}
            for table in values[CONCEPTS]
        ]
    values["name"] = resolved.config.name
    return replace(answers, values=values), mounts


def _plain(name: str) -> str:
    """As jobs, buckets and folders can be called anywhere: letters, digits and dots, with single dashes between."""
    return re.sub(r"[^A-Za-z0-9.]+", "-", name).strip("-.") or "run"


def relative_to(place: Path, folder: Path) -> str:
    """`place` as a task that is started from `folder` names it: relative, or from ~, never with a home in it.

    Raises Refusal.
    """
    home = expanded("~").absolute()
    found = os.path.relpath(place, folder)
    if home.name and home.name in Path(found).parts and place.is_relative_to(home):
        return f"~/{place.relative_to(home)}"
    if not can_see(place):
        raise Refusal(f"there is nothing at {show_path(place)}")
    return found


def _yaml(task: Mapping[str, Any]) -> str:
    """Texts of several lines stand as lines."""
    import yaml

    def text(dumper: Any, value: str) -> Any:
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)

    dumper: Any = type("Dumper", (yaml.SafeDumper,), {})
    dumper.add_representer(str, text)
    return str(yaml.dump(dict(task), Dumper=dumper, sort_keys=False, allow_unicode=True, width=1 << 30))
