"""Values that somebody made to get out of their places: thousands of them, each read back as exactly what it was."""

from __future__ import annotations

import ast
import json
import random
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
import yaml
from markdown_it import MarkdownIt
from markdown_it.token import Token
from pydantic import ValidationError
from safetensors import safe_open

from tests.trainer.export.test_card import script_of
from trainer.contract.run.exports import base_name, public_place
from trainer.contract.settings.config import TrainConfig
from trainer.contract.settings.prompts import sample_pictures
from trainer.export.card import model_card
from trainer.export.files import file_bytes
from trainer.export.quoting import code, front_matter, json_text, markdown, python
from trainer.model.tokens import Vocabulary

SEED = 20261126
PIECES = (
    '"', "'", '"""', "'''", "\\", "\\\\", "`", "``", "```", "````", "~~~", "\n", "\r\n", "\r", "\n\n", "\n---\n", "...",
    "\n```\n", "\n# x\n", "\n    x", "\t", "\0", "\x07", "\x08", "\x1b[31m", "\x1b]0;x\x07", "\x7f", "\x85", "\x9b31m",
    "\xa0", "\xad", "\u200b", "\u200d", "\u200e", "\u202a", "\u202e", "\u2028", "\u2029", "\u2066", "\u2069", "\ufeff",
    "\ue000", "\U000e0041", "\U0010ffff", "\U0001f600", "\u05d0", "\u3042", "e\u0301", "{}", "{0}", "{x!r}", "%s",
    "$(id)", '"+__import__("os").system("id")+"', "<script>x</script>", "<!--", "-->", "&amp;", "&#10;", "[x](y)",
    "![x](y)", "](z)", "[", "]", "(", ")", "|", "||", "*", "**", "_", "#", "## ", "- ", "+ ", "1. ", "> ", "=", "===",
    ": ", " #", "&a", "*a", "!!python/object/apply:os.system [id]", "!x", "%YAML 1.2", "@", "? ", "null", "yes", "0o7",
    "1e3", "~", "TOK", "a TOK star", "x", " ", "  ", "",
)  # fmt: skip
HEADINGS = ["Use", "diffusers", "AUTOMATIC1111, Forge, SD.Next", "ComfyUI", "InvokeAI", "SwarmUI", "Training"]
SEEN = "\n\u200c\u200d"  # line ends of the text itself, and joiners, which turn nothing


def hostile(count: int, seed: int = SEED) -> Iterator[str]:
    draw = random.Random(seed)
    for _ in range(count):
        yield "".join(draw.choices(PIECES, k=draw.randint(1, 7)))


def shown(text: str) -> bool:
    """Whether everything in a text can be seen: no control, no mark of direction, no escape."""
    return all(one in SEEN or unicodedata.category(one) not in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp") for one in text)


def flat(tokens: list[Token]) -> Iterator[Token]:
    for token in tokens:
        yield token
        yield from flat(token.children or [])


def parsed(text: str) -> list[Token]:
    return list(flat(MarkdownIt("commonmark").enable("table").parse(text)))


def plain(text: str) -> str:
    """What of a value stands in one line, every thing that nobody sees by its code."""
    line = " ".join(text.split())
    return "".join(one if one.isprintable() or one in SEEN else repr(one)[1:-1].replace("`", "") for one in line)


def test_thousands_of_values_are_read_back_as_they_were() -> None:
    for text in hostile(4000):
        literal = python([text, {text: 1}])
        assert ast.literal_eval(literal) == [text, {text: 1}] and "`" not in literal and shown(literal)
        written = json_text({text: [text]})
        assert json.loads(written) == {text: [text]} and shown(written)


def test_thousands_of_front_matters_are_read_back_as_they_were() -> None:
    for text in hostile(1000):
        values = {"instance_prompt": text, "widget": [{"text": text, "output": {"url": text}}], "tags": [text, "lora"]}
        written = front_matter(values)
        head, _, rest = written.removeprefix("---\n").partition("\n---\n")
        assert yaml.safe_load(head) == values and rest == "" and shown(written), repr(text)


def test_thousands_of_values_stay_words_in_markdown() -> None:
    for text in hostile(1500):
        tokens = parsed(
            f"* from {markdown(text)}.\n\n| a {markdown(text)} | b |\n|---|---|\n| {markdown(text)} | c |\n"
        )
        kinds = {token.type for token in tokens}
        assert not kinds & {"html_inline", "html_block", "code_inline", "fence", "link_open", "image", "em_open"}, repr(
            text
        )
        assert sum(token.type == "td_open" for token in tokens) == 2 and "heading_open" not in kinds
        read = "".join(token.content for token in tokens if token.type in ("text", "text_special"))
        assert plain(text).strip() in read, (text, read)


def test_thousands_of_values_can_be_copied_out_of_code() -> None:
    for text in hostile(1500):
        found = [token for token in parsed(f"prompt: {code(text)} and `more`") if token.type == "code_inline"]
        assert [one.content.strip() for one in found] == [plain(text).strip(), "more"], repr(text)
        assert shown(code(text))


@pytest.mark.slow
def test_whole_cards_of_hostile_settings_hold_their_values_and_nothing_else(
    settings: Callable[..., TrainConfig],
) -> None:
    for number, text in enumerate(hostile(100)):
        prompt, negative, base, odd = hostile(4, SEED + 1 + number)
        trigger = f"x{''.join(odd.replace(',', '').split())}9"
        own = {"model__base": f"ann/{base}" if number % 4 == 0 else f"/models/{base}", "dataset__trigger": trigger}
        own |= {"sample__prompts": [f"{prompt} {trigger} --n {negative}"], "pivotal__enabled": number % 2 == 0}
        try:
            config = settings(**own, dataset__instance_prompt=f"{text} {trigger}")
        except ValidationError:
            continue  # refused before anything is written
        look_at(model_card(config, 5, 6, ["sample-0.png"]), config)


def look_at(card: str, config: TrainConfig) -> None:
    """A whole card: each value where it belongs, and nothing in a language that only the card itself speaks."""
    shown_prompt = sample_pictures(config)[0].prompt
    words = tuple(config.dataset.trigger.split(",")) if config.pivotal.enabled else ()
    vocabulary = Vocabulary.of(words, config.pivotal.tokens)
    assert shown(card)
    head, body = card.removeprefix("---\n").split("\n---\n", 1)
    front = yaml.safe_load(head)
    assert front["instance_prompt"] == config.dataset.instance_prompt
    assert front["widget"] == [{"text": shown_prompt.words, "output": {"url": "sample-0.png"}}]
    assert front.get("base_model", base_name(config)) == base_name(config)
    calls = [one for one in ast.walk(ast.parse(script_of(card))) if isinstance(one, ast.Call)]
    (drawn,) = (one for one in calls if ast.unparse(one.func) == "pipe")
    assert ast.literal_eval(drawn.args[0]) == vocabulary.write(shown_prompt.words)
    given = {one.arg: one.value for one in drawn.keywords}
    assert not shown_prompt.negative or ast.literal_eval(given["negative_prompt"]) == vocabulary.write(
        shown_prompt.negative
    )
    assert not [one for one in calls if "import" in ast.unparse(one.func) or "system" in ast.unparse(one.func)]
    tokens = parsed(body)
    kinds = Counter(one.type for one in tokens)
    assert [one.info for one in tokens if one.type == "fence"] == ["python"] and kinds["image"] == 1
    assert not kinds.keys() & {"html_inline", "html_block", "link_open", "blockquote_open", "code_block"}
    assert [
        one.content for one in tokens if one.type == "inline" and one.level == 1 and one.content in HEADINGS
    ] == HEADINGS


def test_captions_of_a_header_are_read_back_as_they_were(tmp_path: Path) -> None:
    captions = {text: 1 for text in hostile(2000)}
    told = {"ss_tag_frequency": json.dumps({"toy": captions}, ensure_ascii=False)}
    (tmp_path / "toy.safetensors").write_bytes(file_bytes({"w": torch.zeros(2)}, told))
    with safe_open(tmp_path / "toy.safetensors", "pt") as file:
        assert json.loads(file.metadata()["ss_tag_frequency"]) == {"toy": captions}


@pytest.mark.parametrize("name", ['a"+__import__("os").system("id")+"b', "a\nimport os", "a```b", "a\u202eb\x1b[31m"])
def test_a_base_folder_named_like_code_is_a_name(
    settings: Callable[..., TrainConfig], tmp_path: Path, name: str
) -> None:
    (tmp_path / name).mkdir()
    card = model_card(settings(model__base=str(tmp_path / name)), 5, 6, [])
    assigned = [one for one in ast.parse(script_of(card)).body if isinstance(one, ast.Assign)]
    (base,) = (one.value for one in assigned if ast.unparse(one.targets[0]) == "base")
    assert isinstance(base, ast.Constant) and base.value == name
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", card)


@pytest.mark.parametrize("prefix", ["", "/home/ann/.cache/huggingface/hub/", "~/hub/"])
def test_a_model_of_the_hubs_cache_is_called_by_its_name_and_pinned_to_its_commit(prefix: str) -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    place = f"{prefix}models--some-one--an-XL_v2.0/snapshots/{commit}"
    assert public_place(place if prefix else f"./{place}") == ("some-one/an-XL_v2.0", commit)
    assert public_place(f"{prefix}models--x/snapshots/{commit}")[0] != "x"
    assert public_place("some-one/an-XL", "v2") == ("some-one/an-XL", "v2")
    assert public_place("/data/my model.safetensors", "v2") == ("my model.safetensors", "")
