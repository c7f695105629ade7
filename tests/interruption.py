"""Programs that are interrupted at a moment of their own: a real signal when they import a module of that name."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

AT_IMPORT = """
import os, runpy, signal, sys
number, name, module, *words = sys.argv[1:]
def hook(event, told):
    if event == "import" and told[0] == name:
        os.kill(os.getpid(), int(number))
sys.addaudithook(hook)
sys.argv = [module, *words]
runpy.run_module(module, run_name="__main__", alter_sys=True)
"""


def interrupted(
    number: int, name: str, module: str, words: list[str], folder: Path, environment: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    """`python -m MODULE WORDS`, which gets signal `number` when it begins to import `name`."""
    return subprocess.run(
        [sys.executable, "-c", AT_IMPORT, str(int(number)), name, module, *words],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
