"""Whether the place that a person names for a run's base model holds the one that its checkpoint was trained on."""

from __future__ import annotations

from trainer.contract.basemodel.digests import base_digests
from trainer.contract.basemodel.folder import BadFolder
from trainer.contract.basemodel.inspect import NotSDXL, base_of
from trainer.contract.basemodel.single_file import BadCheckpoint
from trainer.contract.basemodel.vae import NoVae, check_vae
from trainer.contract.run.checkpoint_files import read_state
from trainer.contract.run.rundir import RunDir
from trainer.contract.settings.config import TrainConfig, flat, nested, vae_source

PLACES = ("model.base", "model.revision", "model.vae", "model.vae_revision")
READ_IN = ("train.precision", "model.vae_precision")  # the checkpoint's own decide which files it was trained on


def other_base(run: RunDir, old: TrainConfig, new: TrainConfig, step: int) -> list[str]:
    """Why the checkpoint of `step` cannot go on with the base model or VAE that `new` names; empty if it can.

    The weights' contents and the meaning of the configurations are compared, never where they lie. What is not on
    this disk yet is compared by the trainer, when it is.
    """
    before, after = flat(old), flat(new)
    changed = [key for key in PLACES if before[key] != after[key]]
    if not changed:
        return []
    try:
        base = base_of(new.model)
        if own := vae_source(new.model):
            check_vae(own, base, new.model.vae_revision)
        state = read_state(run.checkpoint(step)).value
        if state is None:
            return []  # the trainer says it better
        identity = state["identity"]
        saved = {key: identity["settings"].get(key, after[key]) for key in READ_IN}
        found = base_digests(TrainConfig.model_validate(nested({**after, **saved})))
    except NotSDXL as error:
        return [f"model.base: {error}"]
    except NoVae as error:
        return [f"model.vae: {error}"]
    except (BadFolder, BadCheckpoint, OSError, ValueError, KeyError, TypeError):
        return []  # the trainer says it better
    other = [part for part, digest in found.items() if identity["base"].get(part) != digest]
    if not other:
        return []
    return [
        f"{changed[0]}: the checkpoint of step {step} was trained on another {' and '.join(other)}; "
        "name the same model, wherever it lies now"
    ]
