"""The captioners: BLIP and Florence-2 behind one small interface, from safetensors, without code of a model folder."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from trainer.contract.basemodel.names import HUB_ID
from trainer.contract.documents.files import read_json
from trainer.contract.paths import can_see, expanded, is_folder

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

READ = ("*.json", "*.txt", "*.safetensors")  # of a hub repository: no pickle and no .py is ever fetched
BEAMS = 3
# what Florence-2 says before it comes to the point
_OPENING = re.compile(
    r"^(the|this) (image|picture|photo) (shows|is of|depicts|features|contains|captures) "
    r"|^in (the|this) (image|picture|photo),? (we can see|there is|there are|i can see) ",
    re.IGNORECASE,
)


class NoCaptioner(ValueError):
    """The model cannot be used to caption; the text says why and what to do."""


@dataclass(frozen=True)
class Source:
    """Where a captioner comes from: a hub id with the commit that holds safetensors, or a folder."""

    name: str
    revision: str | None = None


# main of the first holds pickles only; this commit is the hub's own conversion of it (refs/pr of SFconvertbot)
BLIP = Source("Salesforce/blip-image-captioning-base", "9cfcdbcaccbcadb2b53b36d4b50042c4eeaa0c25")
FLORENCE = Source("florence-community/Florence-2-base")
KNOWN = {"blip": BLIP, "florence-2": FLORENCE, BLIP.name: BLIP}


class Captioner(Protocol):
    """Says in one line what a picture shows."""

    def describe(self, picture: Image) -> str:
        """The caption of an upright RGB picture, without trigger; the same picture gives the same words."""
        ...


class Blip:
    """BLIP: one short sentence."""

    def __init__(self, folder: Path, device: torch.device, tokens: int) -> None:
        from transformers import BlipForConditionalGeneration, BlipProcessor

        self._processor: Any = _processor(BlipProcessor, folder)
        self._model = _model(BlipForConditionalGeneration, folder, device)
        self._tokens = tokens

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

    def __init__(self, folder: Path, device: torch.device, tokens: int) -> None:
        from transformers import Florence2ForConditionalGeneration, Florence2Processor

        self._processor: Any = _processor(Florence2Processor, folder)
        self._model = _model(Florence2ForConditionalGeneration, folder, device)
        self._tokens = tokens

    def describe(self, picture: Image) -> str:
        """Beam search: no draw, so no seed."""
        given = self._processor(images=picture, text=self.TASK, return_tensors="pt")
        given = given.to(self._model.device, self._model.dtype)
        (made,) = self._model.generate(**given, max_new_tokens=self._tokens, num_beams=BEAMS, do_sample=False)
        return tidy(self._processor.decode(made, skip_special_tokens=True))


CAPTIONERS: dict[str, type[Blip] | type[Florence]] = {"blip": Blip, "florence2": Florence}


def tidy(said: str) -> str:
    """One line, without 'The image shows' before and a full stop after: it follows a trigger."""
    words = " ".join(said.split())
    return _OPENING.sub("", words).rstrip(" .")


def find_model(model: str) -> Path:
    """The folder of `model`: blip, florence-2, a local folder, or a hub id, which is downloaded once.

    Raises NoCaptioner with a sentence.
    """
    folder = expanded(model)
    if model in KNOWN:
        folder = _download(KNOWN[model])
    elif not is_folder(folder):
        if can_see(folder) or model.startswith((".", "~", "/")) or not HUB_ID.fullmatch(model):
            wanted = "blip, florence-2, a folder, or a hub id such as owner/name"
            raise NoCaptioner(f"--model {model}: there is no such folder; give {wanted}")
        folder = _download(Source(model))
    return folder


def load_captioner(folder: Path, device: torch.device, tokens: int) -> Captioner:
    """The captioner in `folder`, by the model_type of its config.json. Raises NoCaptioner with a sentence."""
    config = read_json(folder / "config.json", dict)
    if config.value is None:
        raise NoCaptioner(f"'{folder}' holds no model: config.json: {config.reason}")
    kind = config.value.get("model_type")
    if not isinstance(kind, str) or kind not in CAPTIONERS:
        raise NoCaptioner(f"'{folder}' is a model of type {kind!r}; captions come from {' or '.join(CAPTIONERS)}")
    if not any(folder.glob("*.safetensors")):
        said = "holds no .safetensors file, and no other kind of weights is read"
        raise NoCaptioner(f"'{folder}' {said}; take 'blip', 'florence-2' or a converted copy")
    return CAPTIONERS[kind](folder, device, tokens)


def _download(source: Source) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    wanted: dict[str, Any] = {"revision": source.revision, "allow_patterns": list(READ)}
    with contextlib.suppress(LocalEntryNotFoundError):  # what is here is used as it is, also without a connection
        there = Path(snapshot_download(source.name, local_files_only=True, **wanted))
        if any(there.glob("*.safetensors")):
            return there
    try:
        return Path(snapshot_download(source.name, **wanted))
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        why = " ".join(str(error).split())[:200]
        raise NoCaptioner(
            f"{source.name} could not be downloaded ({why}); look at the connection, or give a folder with --model"
        ) from None


def _processor(kind: Any, folder: Path) -> Any:
    try:
        return kind.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # transformers raises many kinds for a folder that is not complete
        raise NoCaptioner(f"'{folder}' has no usable tokenizer and picture settings: {_short(error)}") from None


def _model(kind: Any, folder: Path, device: torch.device) -> Any:
    import torch

    dtype = torch.float16 if device.type == "cuda" else torch.float32
    settings = {"local_files_only": True, "use_safetensors": True, "trust_remote_code": False}
    try:
        model, loaded = kind.from_pretrained(folder, dtype=dtype, output_loading_info=True, **settings)
    except (torch.OutOfMemoryError, MemoryError):
        raise
    except Exception as error:  # as above
        raise NoCaptioner(f"'{folder}' cannot be loaded: {_short(error)}") from None
    # transformers fills what is missing with random numbers: such a model would caption nonsense
    if loaded["missing_keys"] or loaded["mismatched_keys"]:
        count = len(loaded["missing_keys"]) + len(loaded["mismatched_keys"])
        raise NoCaptioner(f"'{folder}': {count} weights are missing or of another size; the file is of another model")
    return model.to(device).eval()


def _short(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]
