"""What model.base and model.vae may be called: a hub id, and the sentence for what people paste in its place."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

from trainer.contract.paths import can_see, expanded

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
PICKLES = (".ckpt", ".pt", ".pth", ".bin")
FILES = (".safetensors", ".gguf", *PICKLES)
_HUBS = ("huggingface.co", "www.huggingface.co", "hf.co", "hf-mirror.com")
_FILE = re.compile(r"(?P<repo>[^/\s]+/[^/\s]+)/(?:(?:blob|resolve|tree)/[^/]+/)?(?P<file>.+)")


def is_hub_id(value: str) -> bool:
    """Whether `value` has the form owner/name and no file or folder here goes by it."""
    if not HUB_ID.fullmatch(value) or value.lower().endswith(FILES):
        return False
    return not can_see(expanded(value))


def not_here(value: str, what: str, key: str) -> str:
    """Why there is no `what` (a base model, a VAE) of this name, and what to write for `key` in its place."""
    said = f"there is no {what} '{value}'"
    bare = value.strip()
    if bare != value and (is_hub_id(bare) or can_see(expanded(bare))):
        return f"{said}: there is one space too many; write '{bare}'"
    where, rest = _address(bare)
    if where == "elsewhere":
        return f"{said}: loratui downloads nothing from that address; download the file and give its path"
    if where == "hub":
        return f"{said}: {_of_hub(rest, key)}"
    name, at, revision = bare.partition("@")
    if at and HUB_ID.fullmatch(name) and key == "model.base":
        return f"{said}: write '{name}', and '{revision}' for model.revision"
    if bare.startswith(("/", "~", ".")):
        return f"{said}: nothing is there; look at the path"
    if (found := _FILE.fullmatch(bare)) and HUB_ID.fullmatch(found["repo"]):
        return f"{said}: no such file is here; {_file_of(found['repo'], found['file'], key)}"
    return f"{said}: neither a folder nor a .safetensors file here, nor a hub id such as owner/name"


def one_file(repo: str, files: list[str]) -> str:
    """What to do about a model of the hub that is not in diffusers' layout, as its `files` tell; after its name."""
    single = sorted(name for name in files if name.lower().endswith(".safetensors") and "/" not in name)
    if single:
        named = ", ".join(f"'{name}'" for name in single[:3]) + (" ..." if len(single) > 3 else "")
        return (
            f"is not in diffusers' layout; it has the single file {named}: download it "
            f"(hf download {repo} '{single[0]}') and give its path"
        )
    return "has no .safetensors in diffusers' layout on the hub, and nothing else is read; choose another model"


def _address(value: str) -> tuple[str, str]:
    """Whether a value is an address (hub, elsewhere, or nothing of the kind), and the path within the hub."""
    parts = urlsplit(value if "://" in value else f"//{value}")
    host = (parts.hostname or "") if "://" in value or value.lower().startswith(_HUBS) else ""
    if parts.scheme == "hf":
        return "hub", f"{parts.netloc}{unquote(parts.path)}"
    if host in _HUBS:
        return "hub", unquote(parts.path).strip("/")
    return ("elsewhere", "") if parts.scheme in ("http", "https", "ftp", "s3", "gs") else ("", "")


def _of_hub(rest: str, key: str) -> str:
    rest = rest.removeprefix("models/").rstrip("/")
    repo = "/".join(rest.split("/")[:2])
    if not HUB_ID.fullmatch(repo):
        return "an address is not read; write a hub id such as owner/name"
    if found := _FILE.fullmatch(rest):
        if found["file"].lower().endswith(FILES):
            return _file_of(repo, found["file"], key)
        revision = re.match(r"(?:tree|blob|resolve)/([^/]+)", rest.removeprefix(f"{repo}/"))
        if revision and revision[1] != "main" and key == "model.base":
            return f"an address is not read; write '{repo}', and '{revision[1]}' for model.revision"
    return f"an address is not read; write '{repo}'"


def _file_of(repo: str, file: str, key: str) -> str:
    return f"one file of a model of the hub is not read from there: hf download {repo} '{file}', then give its path"
