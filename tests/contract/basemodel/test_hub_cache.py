"""Where the hub's cache is: the library that downloads into it says so, and nothing else here works it out."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
ASK = """
import sys
from trainer.contract.basemodel.hub_cache import hub_cache, repo_folder
print(hub_cache(), repo_folder("owner/name").name, *sorted(one for one in sys.modules if "huggingface_hub" in one))
"""
VARIABLES = ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, "/home/me/.cache/huggingface/hub"),
        ({"XDG_CACHE_HOME": "/fast"}, "/fast/huggingface/hub"),
        ({"XDG_CACHE_HOME": "/fast", "HF_HOME": "/models"}, "/models/hub"),
        ({"HF_HOME": "~/$DISK"}, "/home/me/large/hub"),
        ({"HF_HOME": "/models", "HUGGINGFACE_HUB_CACHE": "/old"}, "/old"),
        ({"HUGGINGFACE_HUB_CACHE": "/old", "HF_HUB_CACHE": "$DISK/~here"}, "large/~here"),
    ],
)
def test_the_cache_is_where_the_hubs_library_has_it(given: dict[str, str], expected: str) -> None:
    kept = {key: value for key, value in os.environ.items() if key not in VARIABLES}
    environment = {**kept, "HOME": "/home/me", "DISK": "large", "PYTHONPATH": str(ROOT), **given}
    done = subprocess.run(
        [sys.executable, "-c", ASK], env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    # of the library one small module is read: no client, no network
    assert done.stdout.split() == [expected, "models--owner--name", "huggingface_hub", "huggingface_hub.constants"]


def test_nothing_else_works_it_out() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {name}"
        for room in ("loratui", "trainer")
        for path in (ROOT / room).rglob("*.py")
        for name in VARIABLES[:3]
        if f'environ.get("{name}"' in (text := path.read_text(encoding="utf-8")) or f'environ["{name}"' in text
    ]
    assert found == []
