"""Who captions: Qwen3-VL, LLaVA and a tagger of the real classes; what they are told, what is kept, what is fetched."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from loratui.basemodels.captioners import CaptionerDownload, download_of
from tests.hubplace import hub_at
from tests.hubserver import serving
from tests.loratui.commands.captions.captioners import IN_PARTS, TAGS, WORDS, save_llava, save_qwen, save_tagger
from tests.loratui.conftest import LoraTUI
from trainer.captioner.__main__ import main
from trainer.captioner.asked import Asked, NoCaptioner
from trainer.captioner.instruction import instruction
from trainer.captioner.tagger import Tagger, prepared, spaced
from trainer.contract.captioning.foreign import tidy
from trainer.contract.captioning.known import INDEX, KNOWN, READ, is_whole, known, read_of, suited
from trainer.contract.captioning.tokens import TokenCount, caption_counter, cut

Draw = Callable[..., Path]
RED = Image.new("RGB", (300, 200), (255, 0, 0))


@pytest.mark.slow
@pytest.mark.parametrize("save", [save_qwen, save_llava, lambda place: save_llava(place, IN_PARTS)])
def test_a_chat_model_writes_captions_from_a_folder_as_the_hub_has_it(
    save: Callable[[Path], Path], tmp_path: Path, draw_picture: Draw, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "pictures").mkdir()
    draw_picture(tmp_path / "pictures" / "0.png", 0)
    model = save(tmp_path / "model")
    said = []
    for _ in range(2):
        code = main([str(tmp_path / "pictures"), "--model", str(model), "--max-tokens", "9", "--no-files"])
        events = [json.loads(line) for line in capfd.readouterr().out.splitlines() if line.startswith("{")]
        assert code == 0, events
        said += [one["caption"] for one in events if one["type"] == "caption"]
    assert said[0] == said[1]  # no draw, no seed
    words = said[0].removeprefix("TOK, ").split()
    assert 1 <= len(words) <= 7 and set(words) <= {*WORDS, "user", "assistant"}


@pytest.mark.slow
def test_a_llava_without_a_chat_is_a_sentence(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    Image.new("RGB", (64, 64)).save(tmp_path / "0.png")
    model = save_llava(tmp_path / "model", None)
    assert main([str(tmp_path), "--model", str(model)]) == 2
    assert "declares no chat" in capfd.readouterr().out


@pytest.fixture
def tagger(tmp_path: Path) -> Path:
    pytest.importorskip("onnxruntime", reason="the extra tagger is not installed")
    pytest.importorskip("onnx", reason="onnx, which writes the network of this test, is not installed")
    return save_tagger(tmp_path / "tagger")


def test_a_tagger_names_what_it_is_sure_of_the_surest_first(tagger: Path) -> None:
    blue = Image.new("RGB", (448, 448), (250, 20, 100))  # red is sure, blue is more than 0.35, green is not
    assert Tagger(tagger, None, Asked(kind="object")).describe(blue) == "red theme, ^_^, sky blue"
    # a name is only told where the trigger does not stand for the one who is drawn; a rating never is
    named = Tagger(tagger, None, Asked(kind="style")).describe(blue)
    assert named == "red theme, ^_^, anna (saga), sky blue" and "general" not in named
    dim = Image.new("RGB", (448, 448), (200, 20, 100))  # 0.78: sure of a tag, not of a name
    assert Tagger(tagger, None, Asked(kind="style")).describe(dim) == "red theme, ^_^, sky blue"


def test_a_tagger_sees_blue_first_on_a_white_square() -> None:
    given = prepared(RED, 448)
    assert given.shape == (448, 448, 3) and given.dtype == "float32"
    assert given[224, 224].tolist() == [0, 0, 255] and given[2, 224].tolist() == [255, 255, 255]
    assert [spaced(one) for one in ("long_hair", "^_^", "saber_(fate)")] == ["long hair", "^_^", "saber (fate)"]


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda folder: (folder / "model.onnx").write_bytes(b"no network"), "cannot be loaded"),
        (lambda folder: (folder / "selected_tags.csv").write_text("a,b\n1,2\n"), "not a table of tags"),
        (lambda folder: (folder / "selected_tags.csv").write_text(""), "not a table of tags"),
        (lambda folder: (folder / "selected_tags.csv").write_text("name,category\na,0\n"), "of another model"),
    ],
)
def test_a_damaged_tagger_is_a_sentence(tagger: Path, damage: Callable[[Path], Any], said: str) -> None:
    damage(tagger)
    with pytest.raises(NoCaptioner, match=said):
        Tagger(tagger, None, Asked()).describe(RED)


@pytest.mark.slow
def test_tags_become_captions_cut_at_a_comma(tagger: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "pictures").mkdir()
    RED.save(tmp_path / "pictures" / "0.png")
    assert main([str(tmp_path / "pictures"), "--model", str(tagger), "--kind", "style", "--max-tokens", "8"]) == 0
    capfd.readouterr()
    assert (tmp_path / "pictures" / "0.txt").read_text() == "TOK, red theme, ^_^\n"
    assert len(TAGS) == 6


def test_what_is_told_leaves_out_what_the_trigger_stands_for() -> None:
    face = instruction("face", "TOK", "woman")
    assert "Say nothing of what woman always looks like: face, eyes" in face and "Call woman 'TOK woman'" in face
    assert "expression, clothes" in face
    named = instruction("object", "", "vase")  # the words around say the trigger already
    assert "TOK" not in named and "Call it 'vase' and nothing more" in named
    style = instruction("style", "TOK, TOK2", "")
    assert "how it is made" in style and "TOK" not in style and "who and what is shown" in style
    assert "Call the main subject 'TOK', once" in instruction("object", "TOK, TOK2", "")


TEXT = "A dog sits on a beach. It looks at the sea, the sun is low, and a red ball lies beside it."


@pytest.mark.parametrize(
    ("most", "kept"),
    [
        (40, TEXT),
        (20, "A dog sits on a beach. It looks at the sea, the sun is low"),
        (8, "A dog sits on a beach."),
        (12, "A dog sits on a beach."),  # half of a sentence is not worth the clause
        (3, "A dog sits"),
        (0, ""),
    ],
)
def test_what_is_too_long_is_cut_where_a_sentence_or_clause_ends(most: int, kept: str) -> None:
    count = caption_counter("no/model", "TOK", 0)
    assert cut(TEXT, lambda words: count(words).count <= most) == kept


def test_an_estimate_leaves_some_room() -> None:
    assert TokenCount(75, True).at_most(75) and not TokenCount(75, False).at_most(75)
    assert TokenCount(68, False).at_most(75)


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("The image shows a dog. It sits.", "a dog. It sits"),
        ("in this image we can see  a dog", "a dog"),
        ("This is a photo of a dog.", "a dog"),
        ("**Caption:** a dog, masterpiece, 8k", "a dog"),
        ("a dog shows a image.", "a dog shows a image"),
        ("I'm sorry, I can't help with that.", ""),
    ],
)
def test_an_answer_becomes_plain_words(said: str, kept: str) -> None:
    assert tidy(said) == kept


def test_the_one_that_is_proposed_has_room() -> None:
    assert [suited(int(free * 1e9)) for free in (0, 5, 6, 12, 80)] == [
        "florence-2",
        "florence-2",
        "qwen3-vl-2b",
        "qwen3-vl-4b",
        "qwen3-vl-4b",
    ]
    assert list(KNOWN) == ["qwen3-vl-4b", "qwen3-vl-2b", "wd-tagger", "joycaption", "florence-2", "blip"]
    assert known("Qwen/Qwen3-VL-2B-Instruct") is KNOWN["qwen3-vl-2b"] and known("who/ever") is None
    assert read_of("SmilingWolf/wd-vit-tagger-v3") == ("selected_tags.csv", "model.onnx") and read_of("a/b") == READ


def test_half_a_download_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "model-00001-of-00002.safetensors").write_bytes(b"")
    parts = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    (tmp_path / INDEX).write_text(json.dumps({"weight_map": parts}))
    assert not is_whole(tmp_path)
    (tmp_path / "model-00002-of-00002.safetensors").write_bytes(b"")
    assert is_whole(tmp_path)
    (tmp_path / "selected_tags.csv").write_text("")
    assert not is_whole(tmp_path)


def test_what_would_be_fetched_is_said_and_asked(
    loratui: LoraTUI, tmp_path: Path, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    RED.save(tmp_path / "0.png")
    done = loratui("caption", tmp_path, "--model", "qwen3-vl-2b", "--yes")  # no hub: said before anything is begun
    assert done.returncode == 2 and "not completely on this disk, and the hub cannot be reached" in done.stderr
    assert "--model takes another model or a folder on this disk, --endpoint a server" in done.stderr
    with serving({KNOWN["qwen3-vl-2b"].repo: tmp_path}) as hub:
        monkeypatch.setitem(environment, "HF_ENDPOINT", hub.url)
        done = loratui("caption", tmp_path, "--model", "qwen3-vl-2b")
    assert done.returncode == 2 and "Qwen/Qwen3-VL-2B-Instruct is downloaded first, about 4.3 GB" in done.stderr
    assert "--yes agrees" in done.stderr and not (tmp_path / "0.txt").exists()
    assert download_of(str(tmp_path)) is None
    assert download_of("wd-tagger") == CaptionerDownload(
        "SmilingWolf/wd-swinv2-tagger-v3", 500_000_000, "pip install 'loratui[tagger]'"
    )


def test_why_there_is_no_captioner_is_said_without_an_option_of_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The message is for the command; what a screen shows of it names no option, and no exception of a library."""
    RED.save(tmp_path / "0.png")
    hub_at(monkeypatch, tmp_path / "hf")
    (tmp_path / "empty").mkdir()
    nobody = "http://127.0.0.1:9/v1"
    for given in (
        ("--model", "blip"),
        ("--model", "./nowhere"),
        ("--model", str(tmp_path / "empty")),
        ("--endpoint", nobody),
    ):
        assert main([str(tmp_path), *given]) == 2
        (error,) = [one for line in capfd.readouterr().out.splitlines() if (one := json.loads(line))["type"] == "error"]
        assert error["message"].startswith(error["why"]) and "--" not in error["why"], error
        assert not any(raw in error["why"] for raw in ("Error", "snapshot", "Please"))
