"""What other programs write into captions: found once for the set, cleaned in copies; the trigger in any script."""

from __future__ import annotations

from pathlib import Path

import pytest

from loratui.curation.checks.captions import caption_findings
from loratui.curation.copies.folder import FixSettings, fix_pictures
from tests.loratui.curation.conftest import look, of_set, scene
from trainer.contract.captioning.foreign import REFUSAL, cleaned, foreign
from trainer.contract.settings.triggers import holds_word, split_triggers

CASES = [
    ("TOK, (woollen:1.2), [blurry] coat", "TOK, woollen, blurry coat", {"weights"}),
    ("TOK, (masterpiece:1.2), red coat, best quality, 8k", "TOK, red coat", {"weights", "words for quality"}),
    ("The image shows a TOK on a shelf", "a TOK on a shelf", {"'The image shows'"}),
    ("TOK, This photo depicts a man", "TOK, a man", {"'The image shows'"}),
    ("TOK, hat, smile, hat, Hat, hat, coat", "TOK, hat, smile, coat", {"the same tag again"}),
    ("TOK on a shelf, https://example.com/a?b=1", "TOK on a shelf", {"addresses"}),
    ("IMG_2041.JPG", "", {"file names", "underscores"}),
    ("DSC01234", "", {"file names"}),
    ("As an AI language model, I cannot see TOK", "As an AI language model, I cannot see TOK", {REFUSAL}),
    ("TOK, ((detailed)), {best}", "TOK, detailed, best", {"weights"}),
    ("TOK in a {red|blue} coat, __pose__", "TOK in a red coat", {"wildcards"}),
    ("TOK, <lora:detail:0.8> BREAK scene", "TOK, scene", {"networks <lora:...>", "BREAK"}),
    ("TOK, 1boy ||| standing", "TOK, 1boy, standing", {"separators |||"}),
    ("TOK &amp; friends, it&#39;s<br>here", "TOK & friends, it's here", {"HTML"}),
    (
        "TOK, long_hair, saber_\\(fate\\), :d, ^_^, o_o",
        "TOK, long hair, saber (fate), :d, ^_^, o_o",
        {"underscores", "escaped brackets"},
    ),
    (
        'Sure! Here is a caption for the image:\n\n**Caption:** "TOK on a shelf."\n',
        "TOK on a shelf.",
        {"a chat model's preamble", "Markdown"},
    ),
    ("Here's a prompt: TOK in snow", "TOK in snow", {"a chat model's preamble"}),
    ("a TOK\na TOK on a shelf\nTOK, close-up", "a TOK", {"several captions, one a line"}),
    ("In this picture, a TOK sits", "a TOK sits", {"'The image shows'"}),
    ("A picture showing TOK", "TOK", {"'The image shows'"}),
    ("Here we can see TOK", "TOK", {"'The image shows'"}),
    ("TOK, highres, sharp focus, HD", "TOK", {"words for quality"}),
    ("TOK on grass on grass on grass", "TOK on grass", {"the same tag again"}),
    ("TOK, (smile)1.4, collar:1.2", "TOK, smile, collar", {"weights"}),
    ("TOK <LORA:x>, lora:y", "TOK", {"networks <lora:...>"}),
    ("TOK by flickr.com/a, @somebody", "TOK by", {"addresses"}),
    ("WhatsApp Image 2023-01-01 at 10.00.00", "", {"file names"}),
    ("20240611_142233_b", "", {"file names", "underscores"}),
    ("TOK (12)", "TOK", {"file names"}),
    ("a TOK, Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 42", "a TOK", {"a generator's settings"}),
    ("a TOK\nNegative prompt: ugly\nSteps: 20, Sampler: DPM++ 2M", "a TOK", {"a generator's settings"}),
    ("a TOK on grass, CFG scale: 7, Seed: 9", "a TOK on grass", {"a generator's settings"}),
    ("a TOK on grass --ar 16:9 --v 5", "a TOK on grass", {"a generator's settings"}),
    ("I am unable to describe TOK", "I am unable to describe TOK", {REFUSAL}),
    ("I'm sorry, I can't help with that.", "I'm sorry, I can't help with that.", {REFUSAL}),
]
PLAIN = [
    "a TOK on the steps: 3 of them, a seed: a tulip's",
    "a TOK in a model railway -- by night",
    "a photo of a TOK (left), sitting at 12:30, f/1.8",
    "a TOK on a\nwooden shelf",
    "TOK here is a dog & a cat; sure-footed; AT&T",
    "a sign that says [sic](here)",
    "TOK in the picture frame, high detail on the quality seal, 4 keys",
    "a dog, the photo of a dog, dog again",
    "TOK in a high collar, best man at a wedding, detailed embroidery, at 12:30",
    "a photo of TOK, a picture of a ship behind it",
    "a TOK, none of them smiling, imagine a null sign",
    "a TOK, stairs, 30 steps, a portrait of Euler",
    "a TOK, seed packet, 1024 flowers, 85mm lens, the strength of 10 men, 4x4",
]


CASES += [
    ("/imagine prompt: TOK in space", "TOK in space", {"a generator's settings"}),
    ("<|endoftext|> TOK on a chair", "TOK on a chair", {"a model's marks"}),
    ("TOK, embedding:easynegative, smile", "TOK, smile", {"networks <lora:...>"}),
    ("undefined", "", {"no words at all"}),
    ("TOK, cfg 7, 30 steps", "TOK", {"a generator's settings"}),
    ("30 steps, TOK on grass, euler a, seed 12345", "TOK on grass", {"a generator's settings"}),
    ("TOK, DPM++ 2M Karras, guidance scale 7.5, steps=30", "TOK", {"a generator's settings"}),
    ("TOK in snow, 512x768, clip skip 2", "TOK in snow", {"a generator's settings"}),
]


@pytest.mark.parametrize(("text", "plain", "kinds"), CASES)
def test_the_syntax_of_other_programs_is_named_and_cleaned(text: str, plain: str, kinds: set[str]) -> None:
    assert set(foreign(text, "TOK")) == kinds
    assert cleaned(text, "TOK") == plain
    assert cleaned(plain, "TOK") == plain


@pytest.mark.parametrize("text", PLAIN)
def test_plain_words_are_left_alone(text: str) -> None:
    assert foreign(text, "TOK") == {} and cleaned(text, "TOK") == text


def test_a_trigger_is_a_name_whatever_it_looks_like() -> None:
    assert foreign("a photo of my_dog", "my_dog") == {}


@pytest.mark.slow
def test_it_is_one_finding_with_a_count_and_copies_are_clean(folder: Path) -> None:
    for number, text in enumerate(("TOK, (sharp:1.2)", "TOK, {red|blue} hat", "a TOK", "TOK, long_hair")):
        scene(number, (130, 130)).save(folder / f"{number}.png")
        (folder / f"{number}.txt").write_text(text)
    finding = of_set(look(folder, trigger="TOK"))["caption-syntax"]
    assert (finding.severity, finding.value, finding.file) == ("warn", 3, "")
    into = folder.parent / "new"
    fix_pictures(folder, into, FixSettings("TOK"))
    read = [(into / f"{number}.txt").read_text().strip() for number in range(4)]
    assert read == ["TOK, sharp", "TOK, red hat", "a TOK", "TOK, long hair"]
    assert "caption-syntax" not in of_set(look(into, trigger="TOK"))


def test_underscores_alone_are_a_hint(folder: Path) -> None:
    scene(1, (130, 130)).save(folder / "a.png")
    (folder / "a.txt").write_text("TOK, long_hair")
    assert of_set(look(folder, trigger="TOK"))["caption-syntax"].severity == "hint"


@pytest.mark.parametrize(
    ("text", "word", "there"),
    [
        ("\u4e00\u5f20TOK\u7684\u7167\u7247", "TOK", True),  # Chinese
        ("TOK\u306e\u5199\u771f", "TOK", True),  # Japanese
        ("TOK\uc758 \uc0ac\uc9c4", "TOK", True),  # Korean, with a particle
        ("\u0e23\u0e39\u0e1bTOK\u0e2a\u0e35\u0e41\u0e14\u0e07", "TOK", True),  # Thai
        ("\u6211\u7684\u5c0f\u72ac\u5728\u8fd9\u91cc", "\u5c0f\u72ac", True),
        ("\u4e00\u5f20TOK2\u7684", "TOK", False),
        ("STOK", "TOK", False),
        ("\u0421TOK", "TOK", False),  # Cyrillic has spaces
        ("caf\u00e9TOK", "TOK", False),
    ],
)
def test_the_trigger_is_a_word_also_where_no_spaces_are(text: str, word: str, there: bool) -> None:
    assert holds_word(text, word) is there
    codes = [one.code for one in caption_findings("a", text, word, "x")]
    assert ("trigger-missing" in codes) is not there


def test_a_trigger_of_full_width_letters_is_the_plain_one() -> None:
    assert split_triggers("\uff34\uff2f\uff2b, dog") == ("TOK", "dog")
