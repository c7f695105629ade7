"""Streams that hold: what an encoding lacks has a counterpart, what cannot be written is told apart from the work."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from trainer.contract.run.program import COUNTERPART, Aside, Output, OutputLost


def full() -> io.FileIO:
    """A file on a disk that takes no more."""
    return io.FileIO("/dev/full", "w")


def test_what_an_encoding_lacks_is_shown_by_a_counterpart() -> None:
    raw = io.BytesIO()
    stream = Output(raw, encoding="ascii", errors=COUNTERPART, write_through=True)
    stream.write("✓ “a” → b · 3 × 4 … é日\udcff\n")
    assert raw.getvalue() == b'+ "a" > b - 3 x 4 ~ ???\n'


def test_latin1_keeps_what_it_has() -> None:
    raw = io.BytesIO()
    stream = Output(raw, encoding="latin-1", errors=COUNTERPART, write_through=True)
    stream.write("é · × …")
    assert raw.getvalue().decode("latin-1") == "é · × ~"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_an_output_that_cannot_be_written_is_no_error_of_the_work() -> None:
    stream = Output(full(), encoding="utf-8", write_through=True)
    with pytest.raises(OutputLost, match="the disk is full"):
        stream.write("lines")
    assert not issubclass(OutputLost, OSError)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_log_that_cannot_be_written_ends_nothing() -> None:
    stream = Aside(full(), encoding="utf-8", write_through=True)
    assert stream.write("lines") == 5
    stream.flush()
