"""What a run imports until it is over: SDXL's parts, and none of the families that diffusers would bring with them."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from safetensors.torch import load

from tests.trainer.conftest import make_config, make_run
from tests.trainer.trap_parts import same
from trainer.contract.run.program import collector_rests
from trainer.ground.libraries import OPTIONAL

HEAVY = (*OPTIONAL, "scipy.optimize", "scipy.integrate._quadpack", "scipy.stats._stats_py", "datasets")
AT_MOST = 3250  # modules, where the same run took 4,700 before; what of torch is most of them
ASK = """
import atexit, gc, json, runpy, sys

def tell():
    names, searched_no_more = sorted(sys.modules), gc.get_freeze_count()
    from diffusers import EulerDiscreteScheduler, FluxTransformer2DModel
    euler = EulerDiscreteScheduler(use_beta_sigmas=True)
    euler.set_timesteps(4)
    import bitsandbytes.optim
    print(json.dumps([names, FluxTransformer2DModel.__name__, len(euler.sigmas), searched_no_more]))

atexit.register(tell)
sys.argv = ["trainer", sys.argv[1]]
runpy.run_module("trainer", run_name="__main__", alter_sys=True)
"""


@pytest.mark.slow
def test_a_run_imports_what_sdxl_needs(pictures: Path, tmp_path: Path, cold: None) -> None:
    run = make_run(tmp_path / "run", make_config(pictures, train__steps=1, train__batch=1, sample__steps=1))
    told = subprocess.run([sys.executable, "-c", ASK, str(run.config)], capture_output=True, text=True, check=True)
    names, family, levels, searched_no_more = json.loads(told.stdout.splitlines()[-1])
    assert [one for one in HEAVY if one in names] == []
    families = [one for one in names if one.startswith("diffusers.models.transformers.")]
    assert len(families) <= 8, families  # of more than sixty
    print(f"\nmodules: {len(names)}")
    assert len(names) <= AT_MOST
    assert searched_no_more > 200_000  # of some 400,000: each collection of a run would go through all of them
    # what was left out is there for who asks for it by name
    assert (family, levels) == ("FluxTransformer2DModel", 5)
    assert "pip install" not in told.stderr  # as bitsandbytes advises on a processor with bf16


ASKED_FOR = """
import json, sys
from trainer.ground import libraries

libraries.is_trainers = lambda: True
libraries.take_needed()
import diffusers, transformers

before = type(transformers).__name__
from transformers import T5EncoderModel
import transformers.models.llama.modeling_llama
from importlib.metadata import packages_distributions
found = [T5EncoderModel.__name__, transformers.models.gpt2.__name__, packages_distributions()["PIL"]]
found.append(diffusers.utils.import_utils._package_map["PIL"] == found[-1])
found.append(hasattr(transformers, "Nothing"))
print(json.dumps([before, found]))
"""


@pytest.mark.slow
def test_what_was_left_out_is_there_for_who_asks_for_it() -> None:
    told = subprocess.run([sys.executable, "-c", ASKED_FOR], capture_output=True, text=True, check=True).stdout
    before, found = json.loads(told.splitlines()[-1])
    assert before == "Narrow"
    assert found == ["T5EncoderModel", "transformers.models.gpt2", ["pillow"], True, False]


ANOTHER_VERSION = """
import json, runpy, sys
from trainer.ground import lean_imports, libraries

lean_imports.FAMILIES = ()  # so that a name is missing which this version of diffusers asks for
forget, libraries.forget = libraries.forget, lambda: (print("forgotten"), forget())
sys.argv = ["trainer", sys.argv[1]]
runpy.run_module("trainer", run_name="__main__", alter_sys=True)
"""


@pytest.mark.slow
def test_what_another_version_needs_more_is_imported_as_it_stands(pictures: Path, tmp_path: Path, cold: None) -> None:
    """And the run is the same to the bit."""
    config = make_config(pictures, train__steps=1, train__batch=1)
    told = {}
    for name, start in (("lean", ["-m", "trainer"]), ("whole", ["-c", ANOTHER_VERSION])):
        run = make_run(tmp_path / name, config)
        asked = [sys.executable, *start, str(run.config)]
        told[name] = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
        told[f"{name} files"] = {one.name: one.read_bytes() for one in run.export.glob("*.safetensors")}
    assert "forgotten" in told["whole"] and "forgotten" not in told["lean"]
    weights = [load(told[f"{name} files"]["toy.safetensors"]) for name in ("lean", "whole")]
    assert same(*weights)


PROGRAMS = ("trainer.export", "trainer.samples.generate", "trainer.merging", "trainer.merging.apart")
LATER = """
import atexit, json, runpy, sys

def tell():
    if "diffusers" in sys.modules:
        from diffusers import StableDiffusionXLPipeline, UNet2DConditionModel
    print(json.dumps(sorted(sys.modules)))

atexit.register(tell)
program, *sys.argv[1:] = sys.argv[1:]
runpy.run_module(program, run_name="__main__", alter_sys=True)
"""


@pytest.mark.parametrize("program", PROGRAMS)
def test_no_program_of_ours_takes_diffusers_with_its_relatives(program: str, tmp_path: Path) -> None:
    """They advise on stderr, and cost seconds. Each is far enough with a run that is none."""
    words = {
        "trainer.export": ["none"],
        "trainer.samples.generate": ["none", "a TOK"],
        "trainer.merging": ["none", "none-either", "--out=none.safetensors"],
        "trainer.merging.apart": ["--content=none", "a TOK"],
    }
    asked = [sys.executable, "-c", LATER, program, *words[program]]
    told = subprocess.run(asked, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert set(OPTIONAL) & set(json.loads(told.stdout.splitlines()[-1])) == set()
    assert "pip install" not in told.stderr and len(told.stderr.splitlines()) == 1, told.stderr  # what is wrong is said


def test_the_collector_rests_while_what_stays_is_imported() -> None:
    gc.enable()
    with collector_rests():
        assert not gc.isenabled()
        with collector_rests():
            pass
        assert not gc.isenabled(), "the outer one is not over"
    assert gc.isenabled()
    with suppress(ImportError), collector_rests():
        raise ImportError
    assert gc.isenabled()
