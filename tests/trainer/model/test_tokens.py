"""New tokens: whole words, the longest first; only their rows move; pooling at the end of the text."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from trainer.contract.basemodel.inspect import small_model
from trainer.model.parts import fix_pooling, load_text_encoders, load_tokenizers
from trainer.model.prompts import tokenise, too_long
from trainer.model.tokens import PULL, TokenTable, Vocabulary, insert_rows, insert_tokens

CPU = torch.device("cpu")


@pytest.fixture
def text() -> tuple:
    source = str(small_model())
    return load_text_encoders(source, torch.float32, CPU), load_tokenizers(source)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("a photo of TOK", "a photo of <s0><s1>"),
        ("TOK2 beside TOK", "<s2><s3> beside <s0><s1>"),
        (
            "STOK, TOKs and TOK_2 are other words; TOK's is not",
            "STOK, TOKs and TOK_2 are other words; <s0><s1>'s is not",
        ),
        ("(TOK)", "(<s0><s1>)"),
    ],
)
def test_identifiers_are_replaced_as_whole_words_the_longest_first(written: str, read: str) -> None:
    assert Vocabulary.of(("TOK", "TOK2"), 2).write(written) == read


def test_new_tokens_are_one_id_each_above_the_old_vocabulary(text: tuple) -> None:
    encoders, tokenizers = text
    size = encoders[0].get_input_embeddings().num_embeddings
    insert_tokens(encoders, tokenizers, Vocabulary.of(("TOK",), 2), seed=0)
    for tokenizer in tokenizers:
        ids = tokenise(tokenizer, ["a <s0><s1>"])[0].tolist()
        assert ids[0] == tokenizer.bos_token_id
        end = ids.index(tokenizer.eos_token_id)
        assert ids[end - 2 : end] == [size, size + 1]
        assert len(ids) == 77


def test_the_gradient_reaches_the_new_rows_and_nothing_else(text: tuple) -> None:
    encoders, tokenizers = text
    tables = insert_tokens(encoders, tokenizers, Vocabulary.of(("TOK",), 2), seed=0)
    before = [table.table.weight.clone() for table in tables]
    for encoder, tokenizer in zip(encoders, tokenizers, strict=True):
        encoder(tokenise(tokenizer, ["a <s0><s1>"]))[0].square().sum().backward()
    with_gradient = [name for encoder in encoders for name, one in encoder.named_parameters() if one.grad is not None]
    assert [name.rpartition(".")[2] for name in with_gradient] == ["rows", "rows"]
    for table, weight in zip(tables, before, strict=True):
        assert table.rows.shape == (2, table.table.embedding_dim)
        assert table.rows.grad.abs().sum(1).min() > 0
        assert torch.equal(table.table.weight, weight)


def test_rows_start_with_the_spread_of_the_table_and_from_the_seed_alone(text: tuple) -> None:
    encoders, tokenizers = text
    vocabulary = Vocabulary.of(("TOK",), 32)
    tables = insert_tokens(encoders, tokenizers, vocabulary, seed=7)
    source = str(small_model())
    again = insert_tokens(load_text_encoders(source, torch.float32, CPU), load_tokenizers(source), vocabulary, seed=7)
    for table, other in zip(tables, again, strict=True):
        assert torch.equal(table.rows, other.rows)
        assert float(table.rows.detach().std()) == pytest.approx(float(table.table.weight.std()), rel=0.1)


def test_the_pull_back_is_a_tenth_power_of_the_ratio() -> None:
    table = TokenTable(torch.nn.Embedding(50, 8), torch.randn(2, 8) * 3)
    rows, expected = table.rows.detach().clone(), (table.table.weight.std() / table.rows.std()) ** PULL
    table.pull()
    assert torch.allclose(table.rows, rows * expected)


def test_the_pooled_vector_is_read_at_the_end_of_the_text_not_at_a_new_token(text: tuple) -> None:
    encoders, tokenizers = text
    insert_tokens(encoders, tokenizers, Vocabulary.of(("TOK",), 2), seed=0)
    encoder, ids = encoders[1], tokenise(tokenizers[1], ["a <s0><s1> on a green background"])
    end = ids[0].tolist().index(tokenizers[1].eos_token_id)
    found = encoder(ids, output_hidden_states=True)
    hidden = encoder.text_model.final_layer_norm(found.hidden_states[-1])
    projected = encoder.text_projection(hidden)[0]
    # the trap: with eos_token_id = 2 in the configuration, transformers reads the highest id, the last new token
    assert torch.allclose(found.text_embeds[0], projected[ids[0].argmax()], atol=1e-6)
    fix_pooling(encoders, tokenizers)
    assert torch.allclose(encoder(ids).text_embeds[0], projected[end], atol=1e-6)
    assert not torch.allclose(projected[end], projected[ids[0].argmax()], atol=1e-3)


def test_rows_trained_before_come_back_as_they_were(text: tuple) -> None:
    encoders, _ = text
    rows = tuple(torch.randn(2, one.get_input_embeddings().embedding_dim) for one in encoders)
    insert_rows(encoders, rows)
    for encoder, own in zip(encoders, rows, strict=True):
        assert torch.equal(encoder.get_input_embeddings().rows, own)


def test_a_prompt_that_loses_words_is_named(text: tuple) -> None:
    _, tokenizers = text
    long = "a red star " * 40
    parts = SimpleNamespace(tokenizers=tokenizers, chunks=1)
    assert [prompt for prompt, _ in too_long(parts, ["a star", long])] == [long]


def test_rows_can_start_from_words(text: tuple) -> None:
    encoders, tokenizers = text
    ids = tokenizers[0]("red star", add_special_tokens=False).input_ids
    tables = insert_tokens(encoders, tokenizers, Vocabulary.of(("TOK",), 9), seed=0, words="red star")
    expected = tables[0].table.weight[[ids[place % len(ids)] for place in range(9)]]
    assert torch.equal(tables[0].rows, expected)


def test_each_trigger_can_start_from_words_of_its_own(text: tuple) -> None:
    """Nine rows for three triggers: the second starts at random, as it would without words."""
    encoders, tokenizers = text
    vocabulary = Vocabulary.of(("TOK", "TOK2", "ZED"), 3)
    source = str(small_model())
    plain = insert_tokens(load_text_encoders(source, torch.float32, CPU), load_tokenizers(source), vocabulary, seed=0)
    red, blue = (tokenizers[1](one, add_special_tokens=False).input_ids for one in ("red star", "blue"))
    tables = insert_tokens(encoders, tokenizers, vocabulary, seed=0, words="ZED = blue; TOK=red star")
    table, rows = tables[1].table.weight, tables[1].rows
    assert torch.equal(rows[:3], table[[red[place % len(red)] for place in range(3)]])
    assert torch.equal(rows[3:6], plain[1].rows[3:6])
    assert torch.equal(rows[6:], table[[blue[place % len(blue)] for place in range(3)]])


def test_plain_words_are_of_all_triggers_together(text: tuple) -> None:
    encoders, tokenizers = text
    ids = tokenizers[0]("red star; blue", add_special_tokens=False).input_ids
    tables = insert_tokens(encoders, tokenizers, Vocabulary.of(("TOK", "TOK2"), 4), seed=0, words="red star; blue")
    assert torch.equal(tables[0].rows, tables[0].table.weight[[ids[place % len(ids)] for place in range(8)]])
