"""To the hub: an allow-list, a preview, nothing of this machine; against a real server on 127.0.0.1."""

from __future__ import annotations

import json
import platform
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from loratui.errors import Refusal
from loratui.results.parcel import REPOSITORY, make_parcel, parcel_lines
from tests.loratui.basemodels.fakehub import Hub, fake_hub
from tests.ptys import Pty
from trainer.contract.run import exits
from trainer.contract.run.rundir import RunDir
from trainer.contract.settings.config import TrainConfig, dump_config, nested

pytestmark = pytest.mark.slow

TOKEN = "hf_" + "Zq7" * 12
DIFFUSERS = "diffusers/pytorch_lora_weights.safetensors"
CARD = '---\ntags:\n- lora\n---\n# toy\n\n```python\nrepository = ""  # where\nfiles = "."\n```\n'
ALLOWED = ["README.md", DIFFUSERS, "sample-0.png", "toy.json", "toy.png", "toy.safetensors", "toy_emb.safetensors"]


def safetensors(metadata: dict[str, str], extra: bytes = b"") -> bytes:
    """A file with one tensor of eight bytes."""
    header = json.dumps(
        {"__metadata__": metadata, "w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}
    ).encode()
    return struct.pack("<Q", len(header)) + header + bytes(8) + extra


def png(*parts: tuple[bytes, bytes]) -> bytes:
    """A grey pixel, with other parts before its end."""
    grey = [(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)), (b"IDAT", zlib.compress(b"\x00\x7f")), *parts]
    chunks = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in [*grey, (b"IEND", b"")]
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    """A finished run with everything that must stay here."""
    run = RunDir(tmp_path / "runs" / "2026-toy")
    for folder in (run.export, run.checkpoint(2), run.samples):
        folder.mkdir(parents=True)
    run.config.write_text(dump_config(TrainConfig.model_validate(nested({"name": "toy", "dataset.path": "/x/secret"}))))
    run.answers.write_text("schema = 1")
    run.events.write_text("")
    run.log.write_text("secret")
    (run.checkpoint(2) / "optimizer.safetensors").write_bytes(safetensors({}))
    captions = json.dumps({"toy": {"a TOK star": 1, "a TOK heart": 2}})
    (run.export / "toy.safetensors").write_bytes(safetensors({"ss_tag_frequency": captions}))
    (run.export / "diffusers").mkdir()
    for name in ("toy_emb.safetensors", DIFFUSERS):
        (run.export / name).write_bytes(safetensors({"format": "pt"}))
    (run.export / "README.md").write_text(CARD)
    (run.export / "toy.json").write_text("{}")
    for name in ("sample-0.png", "toy.png"):
        (run.export / name).write_bytes(png())
    for name in ("notes.txt", "diffusers/other.txt", "other.safetensors", "sample-0.jpg", "optimizer.pt", ".hidden"):
        (run.export / name).write_text("stays here")
    return run


@pytest.fixture
def hub() -> Iterator[Hub]:
    with fake_hub() as found:
        yield found


@pytest.fixture
def push(environment: dict[str, str], tmp_path: Path, run: RunDir) -> Callable[..., subprocess.CompletedProcess[str]]:
    """`loratui push RUN ...` as a person starts it; keywords are added to the environment."""

    def call(*words: str, **own: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "loratui", "push", *words, str(run.path)]
        environ = {**environment, "HF_HOME": str(tmp_path / "hf"), **own}
        return subprocess.run(
            command, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=60, check=False
        )

    return call


def everything(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def test_exactly_the_allowed_files_arrive_private_and_the_token_nowhere_else(
    push: Callable[..., subprocess.CompletedProcess[str]], run: RunDir, hub: Hub, tmp_path: Path
) -> None:
    done = push("--yes", HF_ENDPOINT=hub.url, HF_TOKEN=TOKEN)
    assert done.returncode == 0, done.stderr
    assert sorted(hub.files) == ALLOWED
    card = hub.files.pop("README.md").decode()
    assert card == CARD.replace('repository = ""', "repository = 'ann/toy'")  # the script fetches from there
    assert all(data == (run.export / name).read_bytes() for name, data in hub.files.items())
    assert hub.repositories == {"ann/toy": "private"}
    writing = [one for path, one in zip(hub.paths, hub.authorizations, strict=True) if "/api/models" in path]
    assert writing and set(writing) == {f"Bearer {TOKEN}"}
    assert done.stdout.splitlines()[-1] == f"sent: {hub.url}/ann/toy"
    assert TOKEN not in done.stdout + done.stderr
    assert TOKEN.encode() not in everything(tmp_path)


def test_the_token_of_the_hubs_own_login_is_used_and_a_repository_can_be_public(
    push: Callable[..., subprocess.CompletedProcess[str]], hub: Hub, tmp_path: Path
) -> None:
    (tmp_path / "hf").mkdir()
    (tmp_path / "hf" / "token").write_text(TOKEN)
    done = push("--yes", "--public", "--no-samples", "--repo", "club/y2k", HF_ENDPOINT=hub.url)
    assert done.returncode == 0, done.stderr
    assert hub.repositories == {"club/y2k": "public"}
    assert sorted(hub.files) == [name for name in ALLOWED if not name.endswith(".png")]
    assert f"Bearer {TOKEN}" in hub.authorizations
    assert TOKEN not in done.stdout + done.stderr


def test_a_name_that_is_taken_is_refused_unless_it_is_to_be_updated(
    push: Callable[..., subprocess.CompletedProcess[str]], hub: Hub
) -> None:
    hub.repositories["ann/toy"] = "public"
    own = {"HF_ENDPOINT": hub.url, "HF_TOKEN": TOKEN}
    done = push("--yes", **own)
    assert (done.returncode, hub.files) == (exits.USAGE, {})
    assert "toy is on the hub already: choose another --repo, or replace its files with --update" in done.stderr
    done = push("--yes", "--update", **own)
    assert (done.returncode, hub.files) == (exits.USAGE, {})
    assert "ann/toy is public on the hub: say so with --public" in done.stderr
    hub.repositories["ann/toy"] = "private"
    assert push("--yes", "--update", **own).returncode == 0
    assert sorted(hub.files) == ALLOWED


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (401, "the hub does not accept the token of HF_TOKEN: it is wrong or expired"),
        (403, "the token of HF_TOKEN may not write to toy"),
        (429, "the hub asks you to wait"),
    ],
)
def test_what_the_hub_refuses_is_said_in_a_sentence(
    push: Callable[..., subprocess.CompletedProcess[str]], hub: Hub, status: int, said: str
) -> None:
    hub.status = status
    done = push("--yes", HF_ENDPOINT=hub.url, HF_TOKEN=TOKEN)
    assert done.returncode == exits.USAGE
    assert said in done.stderr and "Traceback" not in done.stderr
    assert TOKEN not in done.stdout + done.stderr


def test_a_commit_that_fails_says_what_stays_behind(
    push: Callable[..., subprocess.CompletedProcess[str]], hub: Hub
) -> None:
    hub.commit_status = 413
    done = push("--yes", HF_ENDPOINT=hub.url, HF_TOKEN=TOKEN)
    assert done.returncode == exits.USAGE and hub.files == {}
    assert "the hub has no room for ann/toy" in done.stderr
    assert "the repository ann/toy is there, without these files; push again with --update" in done.stderr


def test_no_login_no_network_and_nobody_to_ask_are_said(push: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    nowhere = "http://127.0.0.1:9"
    assert "not logged in to the hub: 'hf auth login', or set HF_TOKEN" in push("--yes", HF_ENDPOINT=nowhere).stderr
    done = push("--yes", HF_ENDPOINT=nowhere, HF_TOKEN=TOKEN)
    assert done.returncode == exits.USAGE
    assert "the hub cannot be reached" in done.stderr and TOKEN not in done.stderr
    assert "HF_HUB_OFFLINE" in push("--yes", HF_HUB_OFFLINE="1", HF_TOKEN=TOKEN).stderr
    assert "without a terminal nobody can be asked" in push().stderr


def test_a_dry_run_shows_every_file_and_asks_nobody(
    push: Callable[..., subprocess.CompletedProcess[str]], hub: Hub
) -> None:
    done = push("--dry-run", HF_ENDPOINT=hub.url)
    assert (done.returncode, done.stderr, hub.paths) == (0, "", [])
    assert all(f"{name}  " in done.stdout for name in ALLOWED)
    assert "private: only you" in done.stdout
    assert "its header holds settings and 2 captions of the pictures" in done.stdout
    assert (
        "stay here: .hidden, diffusers/other.txt, notes.txt, optimizer.pt, other.safetensors, sample-0.jpg"
        in done.stdout
    )


def exported(run: RunDir, name: str, data: bytes) -> tuple[str, ...]:
    (run.export / name).write_bytes(data)
    return make_parcel(run.export, "toy").problems


def test_what_names_this_machine_or_holds_a_secret_is_never_sent(
    run: RunDir, monkeypatch: pytest.MonkeyPatch, push: Callable[..., subprocess.CompletedProcess[str]], hub: Hub
) -> None:
    monkeypatch.setenv("HOME", "/srv/people/ann")
    monkeypatch.setenv("HF_TOKEN", "an-odd-token-of-a-proxy")
    assert make_parcel(run.export, "toy").problems == ()
    card = "README.md"
    assert "names the home folder" in exported(run, card, b"base = /srv/people/ann/models")[0]
    assert exported(run, card, b"base = /srv/people/anna") == ()
    assert "home folder" in exported(run, card, b"see /home/bob/x")[0]
    assert exported(run, card, b"https://x.org/home/bob") == ()
    assert "token" in exported(run, card, TOKEN.encode())[0]
    assert "token" in exported(run, card, b"an-odd-token-of-a-proxy")[0]
    assert exported(run, card, b"# toy") == ()
    assert "home folder" in exported(run, "toy.safetensors", safetensors({"x": 'a "quoted" /home/bob/pics'}))[0]
    assert "no tensor" in exported(run, "toy.safetensors", safetensors({}, extra=b"/home/bob"))[0]
    assert "damaged" in exported(run, "toy.safetensors", struct.pack("<Q", 4) + b"{{}}" + bytes(9))[0]
    exported(run, "toy.safetensors", safetensors({}))
    for part in (b"tEXt", b"eXIf", b"iTXt", b"tIME"):
        assert f"'{part.decode()}'" in exported(run, "sample-0.png", png((part, b"x")))[0]
    assert "after the end" in exported(run, "sample-0.png", png() + b"more")[0]
    done = push("--yes", HF_ENDPOINT=hub.url, HF_TOKEN=TOKEN)
    assert (done.returncode, hub.paths) == (exits.USAGE, [])
    assert "Nothing is sent:" in done.stdout and "after the end of the picture" in done.stdout


def test_the_name_of_the_machine_may_be_a_word_that_is_meant(run: RunDir) -> None:
    (run.export / "README.md").write_text(f"pictures of a {platform.node()} in the sun")
    (problem,) = make_parcel(run.export, "toy").problems
    assert "it names this machine (line 1); if it is meant: --accept host:README.md" in problem
    assert make_parcel(run.export, "toy", accept=("host:README.md",)).problems == ()
    (run.export / "README.md").write_text(f"x{platform.node()}y")
    assert make_parcel(run.export, "toy").problems == ()


def test_what_is_found_in_words_can_be_meant_and_what_is_hidden_cannot(
    run: RunDir, push: Callable[..., subprocess.CompletedProcess[str]], hub: Hub
) -> None:
    own = {"HF_ENDPOINT": hub.url, "HF_TOKEN": TOKEN}
    (run.export / "README.md").write_text("by ann@mail.berlin, password: hunter2-secret")
    done = push("--yes", **own)
    assert (done.returncode, hub.paths) == (exits.USAGE, [])
    assert "Found in it:" in done.stdout and "hunter2" not in done.stdout + done.stderr
    assert "(line 1); if it is meant: --accept password:README.md" in done.stdout
    assert push("--yes", "--accept", "email:README.md", **own).returncode == exits.USAGE
    meant = ("--accept", "email:README.md", "--accept", "password:README.md")
    (run.export / "toy.png").write_bytes(png((b"eXIf", b"x")))
    assert push("--yes", *meant, "--accept", "metadata:toy.png", **own).returncode == exits.USAGE
    assert hub.paths == []
    (run.export / "toy.png").write_bytes(png())
    done = push("--yes", *meant, **own)
    assert done.returncode == exits.DONE and "README.md" in hub.files
    assert "with what you accepted: password:README.md, email:README.md" in done.stdout


@pytest.mark.parametrize(("typed", "sent"), [(b"y\n", False), (b"\n", False), (b"yes\n", True)])
def test_at_a_terminal_only_the_whole_word_sends_what_was_found(
    run: RunDir, hub: Hub, environment: dict[str, str], tmp_path: Path, typed: bytes, sent: bool
) -> None:
    (run.export / "README.md").write_text("by ann@mail.berlin")
    own = {**environment, "HF_HOME": str(tmp_path / "hf"), "HF_ENDPOINT": hub.url, "HF_TOKEN": TOKEN}
    with Pty([sys.executable, "-m", "loratui", "push", str(run.path)], tmp_path, own) as program:
        program.until(lambda wrote: b"Type yes in full: " in wrote)
        program.type(typed)
        assert program.end() == (exits.DONE if sent else exits.USAGE)
    assert ("README.md" in hub.files) == sent


def test_links_are_not_followed_and_a_folder_without_a_lora_is_refused(run: RunDir, tmp_path: Path) -> None:
    (run.export / "sample-1.png").symlink_to(run.config)
    (problem,) = make_parcel(run.export, "toy").problems
    assert "sample-1.png: not a file of its own" in problem
    with pytest.raises(Refusal, match="holds no LoRA of 'other-name'"):
        make_parcel(run.samples, "other-name")
    with pytest.raises(Refusal, match="there is no folder"):
        make_parcel(tmp_path / "nowhere", "toy")


def test_a_hostile_file_name_is_shown_and_not_sent(run: RunDir) -> None:
    (run.export / "toy_\x1b[31m_emb.safetensors").write_bytes(b"")
    parcel = make_parcel(run.export, "toy")
    assert len(parcel.files) == 7
    assert "\x1b" not in "\n".join(parcel_lines(parcel, "x", False))


def test_a_repository_name_that_is_none_is_refused(push: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    for name in ("a/b/c", "-x", "a b", "../x", "x.", "", "a/", "/b", "x\n"):
        assert not REPOSITORY.fullmatch(name), name
    for name in ("y2k", "club/y2k", "a.b-c_d", "x"):
        assert REPOSITORY.fullmatch(name), name
    done = push("--dry-run", "--repo=a/b/c")
    assert (done.returncode, done.stdout) == (exits.USAGE, "")
    assert "--repo a/b/c: write owner/name" in done.stderr


def test_the_hub_is_loaded_only_when_something_is_sent(run: RunDir, environment: dict[str, str]) -> None:
    code = (
        "import sys\nfrom loratui.cli import main\n"
        f"sys.argv = ['loratui', 'push', '--dry-run', {str(run.path)!r}]\n"
        "try: main()\nexcept SystemExit as end: print('CODE', end.code)\n"
        "hub = 'huggingface_hub.hf_api' in sys.modules\n"
        "print('MODULES', *sorted({name.partition('.')[0] for name in sys.modules}), hub)"
    )
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert "CODE 0" in done.stdout
    loaded = set(done.stdout.rpartition("MODULES ")[2].split())
    assert "loratui" in loaded
    # where the hub keeps its own login is asked of its constants, so that a token is known when it is seen
    assert "False" in loaded and not loaded & {"httpx", "httpx2", "requests", "torch", "textual", "numpy", "PIL"}
