"""What a program leaves around a caption is found and taken away; what only looks like it stays as it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from loratui.curation.checks.caption_faults import fault_findings
from loratui.curation.checks.captions import caption_findings
from loratui.curation.report import PictureReport
from trainer.contract.captioning.foreign import cleaned, foreign
from trainer.contract.pictures.sidecars import MAX_CAPTION_BYTES

JSON, LABELS, MARKS, REMARKS = "JSON", "a chat's labels", "a model's marks", "a chat model's remarks"
SETTINGS, RATINGS, QUALITY = "a generator's settings", "ratings and sources", "words for quality"
QUOTES, MARKDOWN = "quotation marks around it", "Markdown"
COAT = "TOK woman in a red coat"
# (as a program writes it, what is left, the kinds, a good caption that looks like it)
CASES = [
    (f'{{"caption": "{COAT}"}}', COAT, {JSON}, "TOK woman at a desk, a screen with curly brackets behind her"),
    (f'[{{"caption": "{COAT}", "score": 0.9}}]', COAT, {JSON}, 'TOK woman beside a sign "caption: none"'),
    ('["TOK woman", "red coat", "park"]', "TOK woman, red coat, park", {JSON}, "TOK woman, a list on the wall, park"),
    ("['TOK woman', 'red coat']", "TOK woman, red coat", {JSON}, "TOK woman reads 'Emma', 'Persuasion' beside her"),
    (f'```json\n{{"description": "{COAT}"}}\n```', COAT, {JSON}, "TOK woman and a friend called Json, red coat"),
    (f'"caption": "{COAT}"', COAT, {JSON}, 'TOK woman, "caption" is written on her shirt'),
    (f"{{'<DETAILED_CAPTION>': '{COAT}'}}", COAT, {JSON}, "TOK woman, a detailed caption board in a museum"),
    (f"USER: Describe it. ASSISTANT: {COAT}", COAT, {LABELS}, "TOK woman and her assistant: a small robot"),
    (f"ASSISTANT: {COAT}", COAT, {LABELS}, "TOK woman as a shop assistant, red coat"),
    (f"### Human: what is it? ### Assistant: {COAT}", COAT, {LABELS}, "TOK woman, human anatomy chart on the wall"),
    (f"Q: What is shown? A: {COAT}", COAT, {LABELS}, "TOK woman, Q and A panel, stage light"),
    (f"Caption: {COAT}", COAT, {LABELS}, "TOK woman reading a caption: small letters below a painting"),
    (f"Image description: {COAT}", COAT, {LABELS}, "TOK woman, the description on the box is torn"),
    (f"The caption for this image could be: {COAT}", COAT, {LABELS}, "TOK woman, the caption could be from the 1920s"),
    (f"Positive prompt: {COAT}", COAT, {LABELS}, "TOK woman, a positive pregnancy test in hand"),
    (f"caption - {COAT}", COAT, {LABELS}, "TOK woman - red coat - park"),
    (f"<start_of_turn>model {COAT}", COAT, {LABELS}, "TOK woman at the start of a turn, ice skating"),
    (f"[INST] Describe [/INST] {COAT}", COAT, {LABELS}, "TOK woman at the institute, inst. sign"),
    (f"<think>a woman</think> {COAT}", COAT, {LABELS}, "TOK woman, think tank poster"),
    (f"<s>{COAT}</s>", COAT, {MARKS}, "TOK woman, a heart <3 on the wall"),
    (f"<image> {COAT}", COAT, {MARKS}, "TOK woman, image of a saint above the door"),
    (f"<CAPTION>{COAT}</CAPTION>", COAT, {MARKS}, "TOK woman, arrows << and >> on a screen"),
    (f"{COAT}. Let me know if you need more!", f"{COAT}.", {REMARKS}, "TOK woman. She lets me know the time."),
    (f"{COAT}. I hope this helps.", f"{COAT}.", {REMARKS}, "TOK woman in a HOPE shirt. This is a studio."),
    (f"`{COAT}`", COAT, {MARKDOWN}, "TOK woman, 5` tall"),
    ("*TOK woman*, red coat", "TOK woman, red coat", {MARKDOWN}, "TOK woman, a 3*4*5 box, five stars * on a flag"),
    ("![TOK woman](a.png), coat", "TOK woman, coat", {MARKDOWN}, "TOK woman, a sign that says [sic](here)"),
    (f"- {COAT}", COAT, {MARKDOWN}, "-5 degrees, snow, TOK woman in a red coat"),
    (f"> {COAT}", COAT, {MARKDOWN}, "TOK woman > her dog in the frame"),
    ("1. TOK woman\n2. red coat", "TOK woman red coat", {MARKDOWN}, "1. FC fan scarf, TOK woman in a red coat"),
    (f'"{COAT}"', COAT, {QUOTES}, '"stop" sign behind TOK woman, a shop called "Go"'),
    ("TOK woman in a caf\\u00e9", "TOK woman in a caf\u00e9", {"escapes"}, "TOK woman at a u00 sign"),
    ("TOK woman, coat, negative: lowres, ugly", "TOK woman, coat", {SETTINGS}, "TOK woman, negative: a strip of film"),
    ("TOK woman, size: 1024x1024", "TOK woman", {SETTINGS}, "TOK woman, size: tall, a 10x15 print in hand"),
    (
        "Model: sd_xl_base, VAE: auto, TOK woman",
        "TOK woman",
        {SETTINGS, "underscores"},
        "model: clay figure, TOK woman",
    ),
    ("TOK woman, easynegative, 4x-UltraSharp", "TOK woman", {SETTINGS}, "TOK woman, easy chair, sharp pencil"),
    (
        "TOK woman, Hires steps: 10, Version: v1.6.0",
        "TOK woman",
        {SETTINGS},
        "TOK woman, stone steps: ten, a new version",
    ),
    (
        "TOK woman, rating:safe, coat",
        "TOK woman, coat",
        {RATINGS},
        "TOK woman, a safe with rating plates, explicit sign",
    ),
    (
        "masterpiece, best quality, TOK woman",
        "TOK woman",
        {QUALITY},
        "TOK woman before a masterpiece of Vermeer's school",
    ),
    (
        "arafed TOK woman in a coat",
        "TOK woman in a coat",
        {"'arafed', a slip of BLIP"},
        "TOK woman, Yasser Arafat poster",
    ),
    ("TOK woman, 4k, HD, hdr", "TOK woman", {QUALITY}, "TOK woman, an HD TV and a 4k monitor on the wall"),
    ("[object Object]", "", {"no words at all", "weights"}, "TOK woman, object on a plinth"),
]


@pytest.mark.parametrize(("written", "left", "kinds"), [one[:3] for one in CASES])
def test_what_stands_around_is_named_and_taken_away(written: str, left: str, kinds: set[str]) -> None:
    assert set(foreign(written, "TOK")) == kinds
    assert cleaned(written, "TOK") == left and cleaned(left, "TOK") == left


@pytest.mark.parametrize("caption", [one[3] for one in CASES])
def test_a_good_caption_that_looks_like_it_is_left_alone(caption: str) -> None:
    picture = PictureReport("0.jpg", Path(), True, 9, 9, caption, "txt", "", judged=True)
    found = (*caption_findings("0.jpg", caption, "TOK", ""), *fault_findings([picture], "TOK", "woman"))
    assert [one.code for one in found] == []
    assert foreign(caption, "TOK") == {} and cleaned(caption, "TOK") == caption


@pytest.mark.parametrize(
    "written", ["[" * 5000, "{" * 5000 + "}" * 5000, "[1, 2]", "{}", "[[]]", '{"a": {"b": 1}}', "'" * 4001]
)
def test_what_is_no_caption_in_json_is_no_error(written: str) -> None:
    assert JSON not in foreign(written, "TOK") and isinstance(cleaned(written, "TOK"), str)


@pytest.mark.parametrize(
    "part",
    [
        "\n",
        " ",
        "(",
        "((a",
        "{",
        "[",
        "[INST]",
        "'",
        "`",
        "* ",
        "_a ",
        "USER: a ",
        "caption ",
        "a, ",
        "neg: ",
        "</think>",
        "1. a\n",
    ],
)
def test_the_longest_caption_that_is_read_is_looked_through_whatever_it_repeats(part: str) -> None:
    """One that is looked at anew from each of its letters would take hours of the check of a folder."""
    text = (part * MAX_CAPTION_BYTES)[: MAX_CAPTION_BYTES - 1] + "x"
    assert isinstance(foreign(text, "TOK"), dict) and isinstance(cleaned(text, "TOK"), str)


def test_a_mark_is_no_trigger_of_another_training() -> None:
    for caption in (f"<image> {COAT}", f"<caption>{COAT}</caption>", f"<start_of_turn>model {COAT}"):
        picture = PictureReport("0.jpg", Path(), True, 9, 9, caption, "txt", "", judged=True)
        assert [one.code for one in fault_findings([picture], "TOK", "woman")] == []
