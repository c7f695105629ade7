"""The random SDXL: every width and count of the real one, real token ids, the same numbers from the same seed."""

from __future__ import annotations

import pytest
import torch
from transformers import CLIPTokenizer

from trainer.contract.basemodel.inspect import small_model
from trainer.contract.settings.triggers import split_triggers
from trainer.model.full_size import FULL, REDUCED, full_tokenizer, random_parts
from trainer.model.parts import Parts, fix_pooling
from trainer.model.prompts import encode, tokenise
from trainer.model.tokens import Vocabulary, insert_tokens

# counted on stabilityai/stable-diffusion-xl-base-1.0
COUNTS = {"unet": 2_567_463_684, "text_encoder": 123_060_480, "text_encoder_2": 694_659_840, "vae": 83_653_863}


def modules(parts: Parts) -> dict[str, torch.nn.Module]:
    return dict(zip(COUNTS, (parts.unet, *parts.text_encoders, parts.vae), strict=True))


@pytest.mark.slow
def test_the_full_size_is_that_of_sdxl_to_the_last_parameter() -> None:
    parts = random_parts(FULL, "meta", torch.bfloat16)
    assert {name: sum(one.numel() for one in each.parameters()) for name, each in modules(parts).items()} == COUNTS
    encoding = {*parts.vae.encoder.parameters(), *parts.vae.quant_conv.parameters()}  # in fp32: its latents are kept
    assert {one.dtype for one in encoding} == {torch.float32}
    others = {one for each in modules(parts).values() for one in each.parameters()} - encoding
    assert {one.dtype for one in others} == {torch.bfloat16}
    assert not any(one.requires_grad for each in modules(parts).values() for one in each.parameters())
    assert parts.factor == 8


@pytest.mark.slow
def test_the_weights_depend_on_the_seed_alone_and_leave_torchs_own_draws() -> None:
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    one, same, other = random_parts(REDUCED), random_parts(REDUCED), random_parts(REDUCED, seed=1)
    assert torch.equal(torch.rand(1), expected)
    assert torch.get_default_dtype() == torch.float32
    for name, module in modules(one).items():
        mine, again = module.state_dict(), modules(same)[name].state_dict()
        assert all(torch.equal(mine[key], again[key]) for key in mine)
        assert any(not torch.equal(mine[key], value) for key, value in modules(other)[name].state_dict().items())


@pytest.mark.parametrize("name", ["tokenizer", "tokenizer_2"])
def test_the_tokenizer_has_clips_size_and_special_ids(name: str) -> None:
    full = full_tokenizer(name, FULL.vocabulary)
    small = CLIPTokenizer.from_pretrained(small_model(), subfolder=name)
    assert (len(full), full.bos_token_id, full.eos_token_id) == (49408, 49406, 49407)
    assert full.pad_token_id == {"tokenizer": 49407, "tokenizer_2": 0}[name]
    words = "a photo of a ZEBRA, at 3 o'clock!"
    assert full(words).input_ids[1:-1] == small(words).input_ids[1:-1]
    assert max(full(words).input_ids[1:-1]) < len(small)


def test_new_tokens_lie_behind_the_table_and_get_the_gradient() -> None:
    parts = random_parts(REDUCED)
    fix_pooling(parts.text_encoders, parts.tokenizers)
    vocabulary = Vocabulary.of(split_triggers("TOK"), 2)
    tables = insert_tokens(parts.text_encoders, parts.tokenizers, vocabulary, seed=0)
    prompt = vocabulary.write("a photo of a TOK")
    ids = [tokenise(tokenizer, [prompt])[0].tolist() for tokenizer in parts.tokenizers]
    assert [one.index(REDUCED.vocabulary) for one in ids] == [5, 5]  # behind BOS and four words
    assert all(max(one) == REDUCED.vocabulary + 1 for one in ids)
    found = encode(parts, [prompt])
    (found.hidden.square().mean() + found.pooled.square().mean()).backward()
    assert all(bool(table.rows.grad.any(dim=1).all()) for table in tables)
