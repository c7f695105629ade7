"""Prompts of more than one chunk: beside the concatenation that transformers' own encoders give, made by hand."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from trainer.contract.run.events import SilentLog
from trainer.contract.settings.config import TrainConfig
from trainer.model.parts import Parts, fix_pooling, load_parts
from trainer.model.prompts import encode, pieces, tokenise, too_long, warn_of_long
from trainer.step.trainee import make_trainee

LONG = "a red star on a blue background and " * 15 + "a heart"  # 122 words, each a token of the small SDXL


def parts_of(config: TrainConfig) -> Parts:
    found = load_parts(config, torch.device("cpu"))
    fix_pooling(found.text_encoders, found.tokenizers)
    return found


@torch.no_grad()
@pytest.mark.parametrize("most", [150, 225])
def test_hidden_states_of_the_chunks_follow_each_other_and_the_first_is_pooled(
    settings: Callable[..., TrainConfig], most: int
) -> None:
    parts = parts_of(settings(caption__max_tokens=most))
    found = encode(parts, [LONG, "a star", ""])
    widths, pooled = [], None
    for tokenizer, encoder in zip(parts.tokenizers, parts.text_encoders, strict=True):
        rows = []
        for prompt in (LONG, "a star", ""):
            ids = tokenizer(prompt, add_special_tokens=False).input_ids
            chunks = [ids[at : at + 75] for at in range(0, most, 75)]
            padded = [
                [tokenizer.bos_token_id, *one, tokenizer.eos_token_id] + [tokenizer.pad_token_id] * (75 - len(one))
                for one in chunks
            ]
            said = [encoder(torch.tensor([one]), output_hidden_states=True) for one in padded]
            rows.append((torch.cat([one.hidden_states[-2] for one in said], 1), said[0]))
        widths.append(torch.cat([row for row, _ in rows]))
        pooled = torch.cat([first.text_embeds for _, first in rows]) if hasattr(rows[0][1], "text_embeds") else pooled
    assert pooled is not None and found.hidden.shape[1] == most // 75 * 77
    torch.testing.assert_close(found.hidden, torch.cat(widths, -1), rtol=0, atol=1e-5)
    torch.testing.assert_close(found.pooled, pooled, rtol=0, atol=1e-5)


def test_one_chunk_has_the_ids_of_the_tokenizer_alone(settings: Callable[..., TrainConfig]) -> None:
    parts = parts_of(settings())
    for tokenizer in parts.tokenizers:
        one, two = tokenise(tokenizer, ["a star", LONG]), tokenise(tokenizer, ["a star", LONG], 2)
        assert torch.equal(two[0, :77], one[0]) and torch.equal(two[1, :77], one[1])
        assert int(two[1, 77]) == tokenizer.bos_token_id


def test_new_tokens_train_in_any_chunk_and_are_never_torn(settings: Callable[..., TrainConfig]) -> None:
    parts = parts_of(settings(caption__max_tokens=150, pivotal__tokens=3))
    trainee = make_trainee(parts, settings(caption__max_tokens=150, pivotal__tokens=3))
    write = trainee.vocabulary.write
    for before, first in ((72, 75), (73, 73), (74, 74), (75, 75)):  # where it would be torn the first chunk is shorter
        own = pieces(parts.tokenizers[0], write("star " * before + "TOK"))
        assert [len(one) for one in own] == ([75] if before == 72 else [first, 3])
    encode(parts, [write("star " * 100 + "TOK")]).hidden.sum().backward()
    assert all(float(table.rows.grad.abs().sum(1).min()) > 0 for table in trainee.tables)


def test_what_is_longer_than_all_chunks_is_told(settings: Callable[..., TrainConfig]) -> None:
    class Log(SilentLog):
        def emit(self, type: str, **fields: object) -> None:
            said.append(fields)

    said: list[dict[str, object]] = []
    for most, cut in ((75, [LONG]), (150, [])):
        parts = parts_of(settings(caption__max_tokens=most))
        assert [prompt for prompt, _ in too_long(parts, [LONG, "a star"])] == cut
        warn_of_long(parts, [LONG, "a star"], Log())
    assert [one["message"] for one in said] == [f"a prompt of 122 tokens is cut at 75: {LONG}"]
    assert "caption.max_tokens" in str(said[0]["advice"])
