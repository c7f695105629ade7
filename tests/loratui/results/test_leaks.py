"""What gives a secret, a person or this machine away is named with its place and never told again; words are not."""

from __future__ import annotations

import base64
import io
import json
import re
import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image

from loratui.results import leak_patterns
from loratui.results.leaks import Leak, looked_through
from tests.loratui.results.test_push import png, safetensors
from trainer.contract.basemodel.inspect import small_model
from trainer.contract.settings.config import TrainConfig, nested
from trainer.export.card import model_card
from trainer.export.header import Told, kohya_header

KEY = "b3BlbnNzaC1rZXktdjEAAAAA"
SECRETS = {  # by the text: its kind, and the part that may not be told again
    "machine git.example login anna password hunter2-secret": ("password", "hunter2-secret"),
    "machine x login anna account y password hunter2-secret": ("password", "hunter2-secret"),
    "clone https://anna:hunter2-secret@git.example/x.git": ("password", "hunter2-secret"),
    "postgres://anna:hunter2-secret@db/photos": ("password", "hunter2-secret"),
    "a note: password: hunter2-secret": ("password", "hunter2-secret"),
    "DB_PASSWORD='hunter2-secret'": ("password", "hunter2-secret"),
    f"-----BEGIN OPENSSH PRIVATE KEY----- {KEY}": ("key", KEY),
    f"-----BEGIN RSA PRIVATE KEY-----\n{KEY}\n": ("key", KEY),
    f"-----BEGIN PRIVATE KEY-----\n{KEY}": ("key", KEY),
    "-----BEGIN PGP PRIVATE KEY BLOCK-----": ("key", KEY),
    "AGE-SECRET-KEY-1QQQSYQCYQ5RQWZQFPG9SCRGWPUGPZYSNZS23V9CCRYDPK8QARC0S": ("key", "QQQSYQCYQ"),
    "PuTTY-User-Key-File-3: ssh-ed25519": ("key", "ssh-ed25519"),
    f"hf_{'Zq7' * 12}": ("token", "Zq7Zq7"),
    f"ghp_{'a1B' * 12}": ("token", "a1Ba1B"),
    f"github_pat_{'11AB_x9' * 6}": ("token", "11AB_x9"),
    f"glpat-{'x1Y-' * 5}": ("token", "x1Y-x1Y"),
    f"sk-proj-{'T3Blb' * 8}": ("token", "T3BlbT3"),
    f"sk-ant-api03-{'xY9_' * 8}": ("token", "xY9_xY9"),
    "AKIAIOSFODNN7EXAMPLE": ("token", "IOSFODNN7"),
    "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY": ("token", "wJalrXUtn"),
    f"AIza{'Sy9_-' * 7}": ("token", "Sy9_-Sy9"),
    "xoxb-123456789012-abcdefGHIJ": ("token", "123456789012"),
    "https://hooks.slack.com/services/T00000000/B00000000/XXXXXXXXXXXXXXXX": ("token", "T00000000"),
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmN": ("token", "dozjgNry"),
    f"Authorization: Bearer {'abc123' * 5}": ("token", "abc123abc"),
    "WANDB_API_KEY=0123456789abcdef0123": ("token", "0123456789ab"),
    "by anna.lee+lora@mail.berlin": ("email", "anna.lee"),
    "see http://192.168.1.20:7860 and": ("address", "192.168.1.20"),
    "fe80::1ff:fe23:4567:890a": ("address", "4567"),
    r"C:\Users\anna\photos": ("home", "anna"),
}
WORDS = (
    "a photo of TOK dog, sitting on a bench, golden hour, 85mm f/1.4",
    "1girl, solo, @_@, looking at viewer, (masterpiece:1.2), <lora:toy:1>",
    "a login screen with a password field, blurry",
    "the password is on the wall, in neon letters",
    "a desk-with-a-very-long-descriptive-file-name-2024, sk-8er boy, sk-inny-jeans-and-a-very-long-coat",
    "a mailbox @ home, meet me @ 8:30, follow @anna on the net",
    "hf_ glyph, ghp_short, AKIA, eyJ, xoxb",
    "a secret garden, secret: a key = an old key, token=['<s0>', '<s1>'], api key: none",
    "https://huggingface.co/stabilityai/stable-diffusion-xl-base-1.0 and https://x.org/home/bob?at=1:2@3",
    "you@example.com, git@github.com:ann/pets.git, model@fp16.safetensors, ann/pets@main",
    "version 0.38.0.1 of 12.6.85, 10.5 x 4.2, 1.2.3.4, 127.0.0.1, 0.0.0.0, 12:30:45, a::b, C::D",
    "0x" + "deadbeef" * 8 + " " + "0123456789abcdef" * 4,
    "-----BEGIN PUBLIC KEY-----, -----BEGIN CERTIFICATE-----",
    "トリガー TOK の写真、東京、夜景。 @東京 https://例え.jp",
    "Bearer of the ring, a bearer token on a table, machine room, login hall",
    "up_blocks.0.attentions.1.transformer_blocks.0.attn1.to_q, lora_unet_input_blocks_4_1",
    "a TOK " + "very long caption without any end " * 40,
)


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine with a name of its own and nobody's secrets."""
    monkeypatch.setattr(leak_patterns.platform, "node", lambda: "atelier-7.lan")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    # the library asks for the home when it is first imported, which may be another test's
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "home/.cache/huggingface/token"))
    for name in ("HF_TOKEN", "NETRC"):
        monkeypatch.delenv(name, raising=False)


def found(path: Path, data: bytes | str) -> list[Leak]:
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return looked_through(path)[0]


@pytest.mark.parametrize("text", SECRETS)
def test_each_kind_is_named_with_its_place_and_masked_in_every_text(tmp_path: Path, text: str) -> None:
    code, secret = SECRETS[text]
    captions = json.dumps({"toy": {f"a TOK dog {text}": 1}})
    packed = b"Comment\0\0" + zlib.compress(text.encode())
    for name, data, place in (
        ("README.md", f"# toy\n\nx {text}", "line 3"),
        ("toy.json", json.dumps({"description": text}), "line 1" if '"' not in json.dumps(text)[1:-1] else "JSON"),
        ("toy.safetensors", safetensors({"ss_tag_frequency": captions}), "ss_tag_frequency of its header"),
        ("toy.png", png((b"tEXt", f"parameters\0{text}".encode())), "its part 'tEXt'"),
        ("toy.png", png((b"zTXt", packed)), "its part 'zTXt'"),
    ):
        leaks = found(tmp_path / name, data)
        mine = [one for one in leaks if one.code == code]
        assert mine and any(place in one.message or "JSON" in one.message for one in mine), (name, leaks)
        assert not [one for one in leaks if secret in one.message], leaks
        assert all(one.acceptable for one in mine)


@pytest.mark.parametrize("text", WORDS)
def test_ordinary_words_are_none(tmp_path: Path, text: str) -> None:
    captions = json.dumps({"toy": {text: 1}}, ensure_ascii=False)
    for name, data in (
        ("README.md", f"# toy\n\n{text}\n"),
        ("toy.json", json.dumps({"description": text})),
        ("toy.safetensors", safetensors({"ss_tag_frequency": captions})),
    ):
        assert found(tmp_path / name, data) == []


def test_the_card_and_the_header_of_an_export_hold_none(tmp_path: Path) -> None:
    values = {"name": "toy", "model.base": str(small_model()), "dataset.path": "/x", "sample.prompts": ["a TOK star"]}
    for more in ({}, {"pivotal.enabled": False}, {"train.dora": True, "train.dora_axis": "output"}):
        config = TrainConfig.model_validate(nested({**values, **more}))
        assert found(tmp_path / "README.md", model_card(config, 5, 6, ["sample-0.png"])) == []
        picture = io.BytesIO()
        Image.effect_noise((256, 256), 90).convert("RGB").save(picture, "JPEG")
        header = kohya_header(config, Told((), 6, picture=picture.getvalue()), {}, "toy")
        assert "data:image/jpeg" in header["modelspec.thumbnail"]
        assert found(tmp_path / "toy.safetensors", safetensors(header)) == []


def test_the_secrets_names_and_addresses_of_this_machine_are_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    (home / ".cache" / "huggingface").mkdir(parents=True)
    (home / ".cache" / "huggingface" / "token").write_text("an-odd-token-of-a-proxy\n")
    (home / ".netrc").write_text("machine api.wandb.ai login user password 0123456789abcdef\n")
    (home / ".netrc").chmod(0o600)
    monkeypatch.setenv("STUDIO_API_KEY", "lighthouse-keeper")
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "not-a-secret")
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "fib_trie").write_text("   |-- 203.0.113.9\n      /32 host LOCAL\n")
    (tmp_path / "net" / "if_inet6").write_text("20010db8000000000000000000000042 02 40 00 80 eth0\n")
    monkeypatch.setattr(leak_patterns, "LOCAL", tmp_path / "net")
    said = {
        "a an-odd-token-of-a-proxy": "the token or key of the hub's login",
        "x 0123456789abcdef": "the token or key of api.wandb.ai in .netrc",
        "a lighthouse-keeper": "the token or key of STUDIO_API_KEY",
        "at 203.0.113.9:80": "an address of this machine",
        "at [2001:db8::42]": "an address of this machine",
        "on atelier-7.lan": "names this machine",
        "on atelier-7, again": "names this machine",
        f"in {home}/x": "names the home folder of this machine",
    }
    for text, words in said.items():
        leaks = found(tmp_path / "README.md", text)
        assert any(words in one.message for one in leaks), (text, leaks)
    assert found(tmp_path / "README.md", "not-a-secret, 203.0.113.90, the atelier-70") == []


def test_a_place_in_exif_is_named_and_is_never_sent(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8825)[1] = "N"
    exif[271] = "ann@mail.berlin"
    (leak, mail) = found(tmp_path / "a.png", png((b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0"))))
    assert "'eXIf'" in leak.message and "GPS" in leak.message and not leak.acceptable
    assert mail.code == "email" and "its part 'eXIf'" in mail.message
    without = Image.Exif()
    without[271] = "a camera"
    (leak,) = found(tmp_path / "a.png", png((b"eXIf", without.tobytes().removeprefix(b"Exif\0\0"))))
    assert "GPS" not in leak.message
    for raw in (b"", b"II", b"II*\0\xff\xff\xff\xff", b"MM\0*\0\0\0\x08\xff\xff", b"xx"):
        assert len(found(tmp_path / "a.png", png((b"eXIf", raw)))) == 1


def test_the_picture_of_a_header_holds_pixels_only(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[271] = "a camera"
    for more, count in (({}, 0), ({"exif": exif}, 1)):
        raw = io.BytesIO()
        Image.new("RGB", (8, 8)).save(raw, "JPEG", **more)
        told = {"modelspec.thumbnail": f"data:image/jpeg;base64,{base64.b64encode(raw.getvalue()).decode()}"}
        assert len(found(tmp_path / "toy.safetensors", safetensors(told))) == count


def test_many_of_one_kind_are_counted(tmp_path: Path) -> None:
    text = "\n".join(f"ann{number}@mail{number}.berlin" for number in range(50))
    leaks = found(tmp_path / "README.md", text)
    assert len(leaks) == 4 and leaks[-1].message == "and 47 more of the kind 'email'"


@pytest.mark.parametrize(
    "piece", ["a", "a.", "a@", "login ", "1.", "ab:", "sk-", "eyJ", "token=", "://", "-----BEGIN "]
)
def test_a_long_text_of_any_letters_is_read_in_one_pass(piece: str) -> None:
    """Steps of the patterns grow with the text, not with its square: counted as time would be, by doubling."""
    machine = leak_patterns.Machine.here()
    text = piece * (200_000 // len(piece))
    assert list(leak_patterns.telltales(text, machine)) == []  # a square of this would take minutes


def test_no_pattern_can_be_without_an_end() -> None:
    for one in leak_patterns.PATTERNS:
        loose = re.sub(r"\[[^\]]*\]|\\.", "x", one.expression.pattern)
        assert not re.search(r"[*+](?![*+])", loose.replace("(?", "")), one.what


def test_json_in_json_without_end_is_read(tmp_path: Path) -> None:
    deep = '{"a":' * 5000 + "1" + "}" * 5000
    nested_text = "ann@mail.berlin"
    for _ in range(6):
        nested_text = json.dumps([nested_text])
    assert [one.code for one in found(tmp_path / "toy.safetensors", safetensors({"x": nested_text, "y": deep}))] == [
        "email"
    ]
    header = b'{"a":' * 60_000
    damaged = struct.pack("<Q", len(header)) + header + bytes(8)
    assert [one.code for one in found(tmp_path / "toy.safetensors", damaged)] == ["file"]
