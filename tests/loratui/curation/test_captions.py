"""Captions: their files, their length by CLIP's own rules, the trigger, and what only shows over all of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from loratui.curation.checks.caption_faults import fault_findings
from loratui.curation.checks.caption_offers import offers
from loratui.curation.checks.caption_words import wording_findings
from loratui.curation.checks.captions import caption_findings
from loratui.curation.report import PictureReport
from tests.hubplace import hub_at
from tests.loratui.curation.conftest import look, of_set, picture, scene
from trainer.contract.captioning.tokens import caption_counter, estimate, known_word


def said(caption: str, trigger: str = "TOK") -> list[tuple[str, object]]:
    return [(one.code, one.value) for one in caption_findings("a", caption, trigger, "a photo of a TOK")]


@pytest.mark.parametrize(
    ("caption", "found"),
    [
        ("a photo of TOK person", []),
        ("a man in a suit", [("trigger-missing", None)]),
        ("a photo of TOKYO at night", [("trigger-missing", "inside")]),
        ("a photo of tok person", [("trigger-missing", "case")]),
        ("TOK, a photo of TOK", [("trigger-twice", 2)]),
        ("a photo of TOK\x00 person", [("caption-control", 1)]),
        ("a photo of T\u200bOK person", [("trigger-missing", None), ("caption-control", 1)]),
        ("a TOK 👩‍🎨 paints", []),
    ],
)
def test_the_trigger_is_a_word_and_nothing_is_hidden(caption: str, found: list[tuple[str, object]]) -> None:
    assert said(caption) == found


def test_what_a_caption_file_looks_like_is_told(folder: Path) -> None:
    for name, raw in {
        "bom": b"\xef\xbb\xbfa TOK",
        "dos": b"a TOK\r\n",
        "empty": b"",
        "blank": b"\xef\xbb\xbf \t\n",
        "latin": "caf\xe9 TOK".encode("latin-1"),
        "plain": b"a TOK\n",
    }.items():
        scene(1, (130, 130)).save(folder / f"{name}.png")
        (folder / f"{name}.txt").write_bytes(raw)
    report = look(folder)
    found = {one.name[:-4]: {f.code for f in one.findings} - {"duplicate", "low-resolution"} for one in report.pictures}
    assert found == {
        "bom": {"caption-bom"},
        "dos": {"caption-bom"},
        "empty": {"no-caption", "caption-empty"},
        "blank": {"no-caption", "caption-empty", "caption-bom"},
        "latin": {"no-caption", "caption-not-utf8"},
        "plain": set(),
    }


def test_an_estimate_knows_short_words_digits_and_signs() -> None:
    assert estimate("TOK " + "dog " * 74) == 75
    assert estimate("a dog, in 1998!") == 9
    assert estimate("internationalisation") == 4
    assert estimate("") == 0


def test_the_small_model_s_own_tokenizer_counts_as_transformers_does() -> None:
    transformers = pytest.importorskip("transformers")
    from trainer.contract.basemodel.inspect import small_model

    theirs = transformers.CLIPTokenizer.from_pretrained(small_model() / "tokenizer")
    count = caption_counter("sdxl-small", "TOK", 0)
    for text in (
        "a photo of a TOK",
        "a red star on a  striped ground, it's 42!",
        "Zoë – «ça» 犬",
        "internationalisation",
    ):
        assert count(text).exact
        assert count(text).count == len(theirs(text).input_ids) - 2, text


def test_a_trigger_of_new_tokens_counts_as_so_many() -> None:
    assert caption_counter("sdxl-small", "TOK", 4)("a TOK").count == caption_counter("sdxl-small", "", 0)("a").count + 4


def test_a_tokenizer_in_the_hub_s_cache_is_found_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from trainer.contract.basemodel.inspect import small_model

    snapshot = hub_at(monkeypatch, tmp_path) / "models--some--model" / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (snapshot / "tokenizer").symlink_to(small_model() / "tokenizer")
    assert caption_counter("some/model", "TOK", 0)("a dog").exact
    assert not caption_counter("other/model", "TOK", 0)("a dog").exact


def test_what_is_cut_off_is_told(folder: Path) -> None:
    words = {"fits": 74, "over": 75, "far": 140}
    for number, (name, count) in enumerate(words.items()):
        scene(number, (300, 300)).save(folder / f"{name}.png")
        (folder / f"{name}.txt").write_text("TOK " + "dog " * count)
    report = look(folder, base="nowhere/model")
    found = {
        name: [f.severity for f in picture(report, f"{name}.png").findings if f.code == "caption-long"]
        for name in words
    }
    assert found == {"fits": [], "over": ["hint"], "far": ["warn"]}
    assert picture(report, "far.png").tokens == 141
    longer = look(folder, base="nowhere/model", most=150)  # caption.max_tokens
    assert all(f.code != "caption-long" for name in words for f in picture(longer, f"{name}.png").findings)
    assert "about 141 tokens" in next(
        f.message for f in picture(report, "far.png").findings if f.code == "caption-long"
    )


def wording(*captions: str, class_word: str = "", trigger: str = "TOK", new: bool = True) -> dict[str, object]:
    found = wording_findings(captions, trigger, class_word, "", new)
    return {one.code: one.value for one in found}


def test_the_same_caption_everywhere_and_words_that_never_change() -> None:
    assert wording(*["a TOK dog"] * 5) == {"same-caption": 5}
    five = [f"a TOK dog with a red collar {word}" for word in ("running", "asleep", "eating", "in snow", "at home")]
    assert wording(*five, class_word="dog") == {"constant-words": ["collar", "red"]}
    assert wording("a TOK one", "a TOK two") == {}


def test_the_class_word_is_missed_and_a_known_word_is_no_trigger() -> None:
    assert wording("a TOK cat", "a TOK dog", class_word="dog") == {"class-word-missing": 1}
    assert wording(trigger="dog", new=False) == {"trigger-common": ["dog"]}
    assert wording(trigger="dog", new=True) == {} and wording(trigger="TOK", new=False) == {}
    assert not known_word("sdxl-small", "dog")


def test_metadata_problems_of_sub_folders_are_named_with_their_folder(folder: Path) -> None:
    (folder / "sub").mkdir()
    scene(1, (300, 300)).save(folder / "sub" / "a.png")
    (folder / "sub" / "metadata.jsonl").write_text(json.dumps({"file_name": "gone.png", "prompt": "x"}))
    assert of_set(look(folder, subfolders=True))["metadata-without-picture"].file == "sub/gone.png"


def faults(*captions: str, trigger: str = "anna", class_word: str = "woman") -> dict[str, object]:
    pictures = [
        PictureReport(f"{n}.jpg", Path(), True, 9, 9, words, "txt", "", judged=True) for n, words in enumerate(captions)
    ]
    return {one.code: one.value for one in fault_findings(pictures, trigger, class_word)}


@pytest.mark.parametrize(
    ("caption", "code"),
    [
        ("a photo of anna woman, sks, in a park", "other-trigger"),
        ("anna", "caption-bare"),
        ("a photo of anna woman", "caption-bare"),
        ("a woman " + "in a very large green park " * 4 + "who is anna", "trigger-late"),
        ("anna in a park, watermark", "caption-marks"),
        ("anna, ein roter Ball", "caption-language"),
        ("anna på stranden", "caption-language"),
        ("a photo of S* woman", "other-trigger"),
        ("a photo of <s0><s1> anna", "other-trigger"),
        ("one, two, three, four, five, six, seven, eight, anna", "trigger-late"),
        ("anna, a stamp of getty images", "caption-marks"),
        ("anna sitzt mit einem Hund auf der Wiese", "caption-language"),
        ("anna avec un chien dans le parc", "caption-language"),
        ("anna с собакой в парке", "caption-language"),
        ("公園にいる anna と犬", "caption-language"),
        ("anna, Regenjacke, Fahrrad, Herbst", "caption-language"),
        ("anna, Sonnenuntergang, Strand", "caption-language"),
        ("anna, paraguas, lluvia, noche", "caption-language"),
        ("anna, manteau, hiver, marché", "caption-language"),
        ("anna, ombrello, pioggia", "caption-language"),
        ("anna, no watermark, blurry", "caption-marks"),
        ("anna in a park, watermarks", "caption-marks"),
        ("anna in a park, the photo is blurry", "caption-marks"),
        ("anna, deformed hands, smile", "caption-marks"),
        ("anna in a park, a logo", "caption-marks"),
        ("SKS woman, anna in a park", "other-trigger"),
        ("my photo of anna", "caption-bare"),
        ("anna, 1girl, solo", "caption-bare"),
        ("anna, Frau, rotes Kleid, Park, lächelnd", "caption-language"),
        ("anna, Frau, Hut, Baum, Haus", "caption-language"),
        ("anna, von hinten", "caption-language"),
        ("anna, femme, robe rouge, plage", "caption-language"),
        ("anna, mujer, vestido rojo, playa", "caption-language"),
        ("anna, donna, vestito rosso, spiaggia", "caption-language"),
        ("anna, mulher, vestido vermelho, praia", "caption-language"),
        ("anna, vrouw, rode jurk, strand", "caption-language"),
        ("anna, kobieta, czerwona sukienka", "caption-language"),
        ("anna, kvinna, röd klänning", "caption-language"),
    ],
)
def test_what_no_program_can_put_right_in_a_caption_is_told(caption: str, code: str) -> None:
    assert faults(caption) == {code: ["0.jpg"]}


@pytest.mark.parametrize(
    "caption",
    [
        "a photo of anna woman in a red coat, standing in a park",
        "anna, red coat, park, café au lait, no watermark",
        "anna, close-up, smiling",
        "anna on la rambla with a dog, her hat is from Zürich",
        "anna, 1girl, die cast toy in hand",
        "anna, salsa, patio, sombrero, casa, rosa",
        "anna, hut, strand of hair, kind face, robe, red bed, boom, van",
        "anna, los angeles, las vegas, el capitan, playa del rey",
        "anna, https://example.com/a/b.jpg",
        "anna as a nurse, no hat",
        "anna, Łódź",
    ],
)
def test_a_good_caption_has_no_fault(caption: str) -> None:
    assert faults(caption) == {}


def test_one_fault_is_one_finding_and_the_own_trigger_is_none() -> None:
    assert faults("anna", "anna in snow", "anna woman") == {"caption-bare": ["0.jpg", "2.jpg"]}
    assert faults("sks dog in snow", trigger="sks") == {} and faults("a sks dog in snow", trigger="") == {}


def test_words_that_are_in_nearly_all_captions_are_told() -> None:
    doing = ("running", "asleep", "eating", "sitting", "wet", "old", "new", "big", "calm")
    nine = [f"a TOK dog with a red collar, {word}" for word in doing]
    assert wording(*nine, "a TOK dog in snow", class_word="dog") == {"constant-words": ["collar", "red"]}
    assert wording(*nine[:5], *["a TOK dog in snow"] * 4, class_word="dog") == {}


def test_the_words_of_one_s_own_prompts_are_looked_for_in_the_captions() -> None:
    five = [f"TOK dog smiling, {word}" for word in ("beach", "snow", "sofa", "street", "forest")]

    def said(*prompts: str, kind: str = "object") -> dict[str, object]:
        return {one.code: one.value for one in offers(five, prompts, "TOK", "dog", kind)}

    assert said("a photo of a TOK dog, smile, on the moon --n blurry --d 3") == {"prompt-words": ["moon"]}
    assert said("a TOK dog in forests") == {} and said() == {}
    assert offers(five[:4], ["on the moon"], "TOK", "dog", "face") == ()
    assert said(kind="face") == {"lookalike": None}  # an offer; who, is never guessed
