"""samples/index.html: every picture that is there, words that stay words, nothing from anywhere else."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

from trainer.contract.run.rundir import RunDir
from trainer.samples.page import write_page

HOSTILE = '"><script>alert(1)</script><img src=http://example.org/x onerror=x> \x1b[31m &amp;'


class Tags(HTMLParser):
    """What a browser sees: each tag with its attributes, and the words."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note it."""
        self.seen.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        """Note them."""
        self.words += data


def made(tmp_path: Path, prompts: dict[int, str]) -> tuple[RunDir, str, Tags]:
    run = RunDir(tmp_path)
    run.samples.mkdir()
    for name in ("000000-0", "000000-1", "000100-0", "000100-1", "001000-0", "000100-7"):
        (run.samples / f"{name}.png").write_bytes(b"")
        (run.samples / f"{name}.jpg").write_bytes(b"")
    (run.samples / "notes.png").write_bytes(b"")
    write_page(run, "anna", prompts)
    text = (run.samples / "index.html").read_text()
    return run, text, Tags(text)


def test_every_picture_stands_there_in_the_order_of_its_step(tmp_path: Path) -> None:
    run, _, tags = made(tmp_path, {0: "a TOK", 1: "a TOK, red", 7: "added"})
    shown = [found for tag, found in tags.seen if tag == "img" and "data-large" in found]
    assert [one["data-large"] for one in shown] == [
        *("000000-0.png", "000100-0.png", "001000-0.png"),
        *("000000-1.png", "000100-1.png"),
        "000100-7.png",
    ]
    assert [one["data-base"] for one in shown] == ["", *["000000-0.png"] * 2, "", "000000-1.png", ""]
    for one in shown:
        assert (run.samples / str(one["src"])).is_file() and (run.samples / str(one["data-large"])).is_file()
    assert "a TOK, red" in tags.words and "step 1000" in tags.words and "base model" in tags.words


def test_words_from_outside_stay_words(tmp_path: Path) -> None:
    _, _, tags = made(tmp_path, {0: HOSTILE})
    assert "alert(1)" in tags.words and [tag for tag, _ in tags.seen].count("script") == 1
    assert not [found for _, found in tags.seen if "onerror" in found]


def test_nothing_comes_from_elsewhere_and_nothing_of_the_machine_is_told(tmp_path: Path) -> None:
    _, text, tags = made(tmp_path, {0: "a TOK"})
    named = [value for _, found in tags.seen for key, value in found.items() if key in ("src", "href") and value]
    assert named and all(re.fullmatch(r"[\d-]+\.(png|jpg)", one) for one in named)
    assert "//" not in text.replace("<!doctype", "") and str(tmp_path) not in text
    assert (tmp_path / "samples" / "index.html").stat().st_mode & 0o077 == 0
