"""A real Slurm of one node for the tests: `python -m tests.cluster.single_node start|stop|install FOLDER`.

munged, slurmctld and slurmd with a configuration of their own in FOLDER: no systemd, no cgroups, no accounting. Two
partitions on the one node: a job of `urgent` takes the place of one of `normal`, which is put back into the queue.
Programs find it by SLURM_CONF=FOLDER/slurm.conf. `install` is for Debian, by hand; no test calls it.
"""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

PACKAGES = ["slurm-wlm", "munge"]
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scontrol", "scancel")
PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
DAEMONS = ("slurmd", "slurmctld", "munged")  # in the order in which they are stopped
PATIENCE = 30.0  # seconds
CONFIGURATION = """
ClusterName=loratui
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
SlurmctldPort={controller}
SlurmdPort={node}
AuthType=auth/munge
CryptoType=crypto/munge
AuthInfo=socket={folder}/munge.socket,cred_expire={cred_expire}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SelectType=select/linear
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=2,sched_interval=2,sched_min_interval=200000
ReturnToService=2
SlurmdTimeout=300
InactiveLimit=0
MinJobAge=300
KillWait=30
JobRequeue=1
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
NodeName={host} NodeAddr=127.0.0.1 CPUs=1 State=UNKNOWN
PartitionName=normal Nodes={host} Default=YES MaxTime=INFINITE State=UP PriorityTier=1 GraceTime={grace}
PartitionName=urgent Nodes={host} MaxTime=INFINITE State=UP PriorityTier=10 PreemptMode=OFF
"""


def missing() -> str:
    """Why no Slurm can be started here, in a sentence; empty where one can."""
    absent = [one for one in PROGRAMS if shutil.which(one, path=PATH) is None]
    if not absent:
        return ""
    by_hand = "python -m tests.cluster.single_node install"
    return f"Slurm is not installed here ({', '.join(absent)}); on Debian: {by_hand}"


def start(folder: Path, grace: int = 60, cred_expire: int = 5) -> dict[str, str]:
    """Start it in `folder`; returns what programs need in their environment. Raises RuntimeError where it will not.

    `grace`: seconds that a job keeps when another takes its place. `cred_expire`: also how long a job waits that was
    put back into the queue (Slurm's own: 120).
    """
    for name in ("state", "spool", "munge"):
        (folder / name).mkdir(mode=0o700, parents=True)
    (folder / "munge.key").write_bytes(os.urandom(128))
    (folder / "munge.key").chmod(0o600)
    words = {"host": socket.gethostname().partition(".")[0], "user": getpass.getuser(), "folder": folder}
    ports = {"controller": _free_port(), "node": _free_port()}
    text = CONFIGURATION.format(**words, **ports, grace=grace, cred_expire=cred_expire)
    (folder / "slurm.conf").write_text(text)
    environment = {"SLURM_CONF": str(folder / "slurm.conf"), "PATH": PATH}
    own = {**os.environ, **environment}
    munge = ["--key-file", "munge.key", "--socket", "munge.socket", "--pid-file", "munged.pid", "--seed-file"]
    files = [word if word.startswith("--") else str(folder / word) for word in [*munge, "munge/seed"]]
    munged = ["munged", "--force", "--log-file", str(folder / "munged.log"), *files]
    try:
        for command in (munged, ["slurmctld", "-c"], ["slurmd"]):
            done = subprocess.run(command, env=own, capture_output=True, text=True, timeout=PATIENCE, check=False)
            if done.returncode:
                raise RuntimeError(f"{command[0]} does not start: {done.stderr.strip()}")
        _wait_idle(own)
    except BaseException:
        stop(folder)
        raise
    return environment


def stop(folder: Path) -> None:
    """End the daemons that `start` began in `folder`, and the jobs that they run."""
    own = {**os.environ, "SLURM_CONF": str(folder / "slurm.conf"), "PATH": PATH}
    with suppress(OSError, subprocess.TimeoutExpired):
        subprocess.run(["scancel", "--full", f"--user={getpass.getuser()}"], env=own, timeout=10, check=False)
    for name in DAEMONS:
        with suppress(OSError, ValueError):
            pid = int((folder / f"{name}.pid").read_text())
            os.kill(pid, signal.SIGTERM)
            end = time.monotonic() + PATIENCE
            while time.monotonic() < end:
                os.kill(pid, 0)
                time.sleep(0.1)


def install() -> None:
    """Debian's packages: for a machine that is one's own."""
    subprocess.run(["apt-get", "install", "-y", "--no-install-recommends", *PACKAGES], check=True)


def _wait_idle(environment: dict[str, str]) -> None:
    end = time.monotonic() + PATIENCE
    command = ["sinfo", "--noheader", "--format=%T", "--partition=normal"]
    said = ""
    while time.monotonic() < end:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False)
        said = done.stdout.strip() or done.stderr.strip()
        if said == "idle":
            return
        time.sleep(0.2)
    raise RuntimeError(f"the node is not idle but: {said}")


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


if __name__ == "__main__":
    if sys.argv[1:2] == ["install"]:
        install()
    elif sys.argv[1:2] == ["start"]:
        print(f"export SLURM_CONF={start(Path(sys.argv[2]).absolute())['SLURM_CONF']}")
    else:
        stop(Path(sys.argv[2]).absolute())
