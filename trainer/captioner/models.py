"""Which captioner a name, a hub id or a folder means; and BLIP and Florence-2, which can be told nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.captioner.asked import Asked, Captioner, NoCaptioner
from trainer.captioner.chat import Llava, Qwen
from trainer.captioner.loading import part, weights
from trainer.captioner.tagger import Tagger
from trainer.contract.basemodel.hub_cache import hub_cache
from trainer.contract.basemodel.names import HUB_ID
from trainer.contract.captioning.foreign import tidy
from trainer.contract.captioning.known import AUTO, KNOWN, TAGS, KnownCaptioner, is_whole, known, read_of, suited
from trainer.contract.documents.files import read_json
from trainer.contract.paths import can_see, expanded, is_folder, os_words
from trainer.model.download import explain

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

BEAMS = 3


class Blip:
    """BLIP: one short sentence."""

    def __init__(self, folder: Path, device: torch.device, asked: Asked) -> None:
        from transformers import BlipForConditionalGeneration, BlipProcessor

        self._processor: Any = part(BlipProcessor, folder)
        self._model = weights(BlipForConditionalGeneration, folder, device, _half(device))
        self._tokens = asked.longest

    def describe(self, picture: Image) -> str:
        """Beam search: no draw, so no seed."""
        given = self._processor(images=picture, return_tensors="pt").to(self._model.device, self._model.dtype)
        (made,) = self._model.generate(**given, max_new_tokens=self._tokens, num_beams=BEAMS, do_sample=False)
        if made[0] == self._model.config.text_config.bos_token_id:
            made = made[1:]  # [DEC], which not every tokenizer knows as special
        return tidy(self._processor.decode(made, skip_special_tokens=True))


class Florence:
    """Florence-2: a detailed sentence or two."""

    TASK = "<DETAILED_CAPTION>"  # the more detailed task overruns the 77 tokens that SDXL reads

    def __init__(self, folder: Path, device: torch.device, asked: Asked) -> None:
        from transformers import Florence2ForConditionalGeneration, Florence2Processor

        self._processor: Any = part(Florence2Processor, folder)
        self._model = weights(Florence2ForConditionalGeneration, folder, device, _half(device))
        self._tokens = asked.longest

    def describe(self, picture: Image) -> str:
        """Beam search: no draw, so no seed."""
        given = self._processor(images=picture, text=self.TASK, return_tensors="pt")
        given = given.to(self._model.device, self._model.dtype)
        (made,) = self._model.generate(**given, max_new_tokens=self._tokens, num_beams=BEAMS, do_sample=False)
        return tidy(self._processor.decode(made, skip_special_tokens=True))


CAPTIONERS: dict[str, Callable[[Path, Any, Asked], Captioner]] = {
    "qwen3_vl": Qwen,
    "llava": Llava,
    "blip": Blip,
    "florence2": Florence,
}


def _half(device: torch.device) -> torch.dtype:
    import torch

    return torch.float16 if device.type == "cuda" else torch.float32


def chosen(model: str, device: torch.device) -> str:
    """`model`, or for auto the name of the one that suits what the device has free."""
    import torch

    if model != AUTO:
        return model
    return suited(torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else 0)


def find_model(model: str, tell: Callable[[str], None] = lambda _: None) -> Path:
    """The folder of `model`: a known name, a local folder, or a hub id, which is downloaded once, told before.

    Raises NoCaptioner with a sentence.
    """
    folder, named = expanded(model), known(model)
    if named is not None and not is_folder(folder):
        if not named.is_here():
            tell(f"{named.repo}: {named.where()}, once")
        return _download(named.repo, named)
    if is_folder(folder):
        return folder
    if can_see(folder) or model.startswith((".", "~", "/")) or not HUB_ID.fullmatch(model):
        wanted = f"{', '.join(KNOWN)}, a folder, or a hub id such as owner/name"
        raise NoCaptioner(f"'{model}': there is no such folder", f"--model takes {wanted}")
    return _download(model, None)


def load_captioner(folder: Path, device: torch.device, asked: Asked) -> Captioner:
    """The captioner in `folder`, by the model_type of its config.json. Raises NoCaptioner with a sentence."""
    if (folder / TAGS).is_file():
        return Tagger(folder, device, asked)
    config = read_json(folder / "config.json", dict)
    if config.value is None:
        raise NoCaptioner(f"'{folder}' holds no model: config.json: {config.reason}")
    kind = config.value.get("model_type")
    if not isinstance(kind, str) or kind not in CAPTIONERS:
        raise NoCaptioner(f"'{folder}' is a model of type {kind!r}; captions come from {' or '.join(CAPTIONERS)}")
    if not any(folder.glob("*.safetensors")):
        said = "holds no .safetensors file, and no other kind of weights is read"
        raise NoCaptioner(f"'{folder}' {said}", f"--model takes {', '.join(KNOWN)} or a converted copy")
    return CAPTIONERS[kind](folder, device, asked)


def _download(repo: str, named: KnownCaptioner | None) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    wanted: dict[str, Any] = {"revision": named.revision if named else None, "allow_patterns": list(read_of(repo))}
    with contextlib.suppress(LocalEntryNotFoundError):  # what is here is used as it is, also without a connection
        there = Path(snapshot_download(repo, local_files_only=True, **wanted))
        if is_whole(there):
            return there
    try:
        return Path(snapshot_download(repo, **wanted))
    except Exception as error:
        said = explain(error, repo) or (_not_written(repo, error) if isinstance(error, OSError) else None)
        if said is None:
            raise
        # what to do is not the same as for a base model: another captioner does as well
        raise NoCaptioner(
            str(said), "try again later, or --model takes another model or a folder on this disk"
        ) from None


def _not_written(repo: str, error: OSError) -> str:
    return f"'{repo}' cannot be put into {hub_cache()}: {os_words(error)}"
