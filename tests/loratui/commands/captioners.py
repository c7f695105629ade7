"""Small captioners of the real classes with random weights: BLIP and Florence-2 as folders, written in a moment."""

from __future__ import annotations

from pathlib import Path

WORDS = ["a", "dog", "cat", "red", "on", "the", "beach", "photo", "of", "sits", "in", "grass"]


def save_blip(folder: Path) -> Path:
    """A BLIP of 11 thousand weights on pictures of 32 px."""
    import torch
    from transformers import BertTokenizerFast, BlipConfig, BlipForConditionalGeneration, BlipProcessor
    from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, "[DEC]"]
    tokenizer = BertTokenizerFast(vocab={name: index for index, name in enumerate(names)})
    one = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    ends = {"bos_token_id": len(names) - 1, "eos_token_id": 2, "pad_token_id": 0, "sep_token_id": 3}
    text = {**one, **ends, "encoder_hidden_size": 16, "vocab_size": len(names), "max_position_embeddings": 64}
    config = BlipConfig(
        text_config={**text, "projection_dim": 16},
        vision_config={**one, "projection_dim": 16, "image_size": 32, "patch_size": 8},
        projection_dim=16,
        image_text_hidden_size=16,
    )
    torch.manual_seed(0)
    BlipForConditionalGeneration(config).save_pretrained(folder)
    BlipProcessor(BlipImageProcessorPil(size={"height": 32, "width": 32}), tokenizer).save_pretrained(folder)
    return folder


def save_florence(folder: Path) -> Path:
    """A Florence-2 of about 20 thousand weights; it may not end before three words."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import (
        BartConfig,
        Florence2Config,
        Florence2ForConditionalGeneration,
        Florence2Processor,
        PreTrainedTokenizerFast,
    )
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
    from transformers.models.florence2.configuration_florence2 import Florence2VisionConfig

    task = ["Describe", "in", "detail", "what", "is", "shown", "in", "the", "image", "."]
    special = ["<s>", "<pad>", "</s>", "<unk>", "<image>"]
    names = list(dict.fromkeys([*special, *task, *WORDS]))
    raw = Tokenizer(models.WordLevel({name: index for index, name in enumerate(names)}, unk_token="<unk>"))
    raw.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=raw,
        bos_token="<s>",
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        extra_special_tokens={"image_token": "<image>"},
    )
    stage = {"patch_size": (7, 3), "patch_stride": (4, 2), "patch_padding": (3, 1), "patch_prenorm": (False, True)}
    heads = {"embed_dim": (8, 16), "num_heads": (2, 2), "num_groups": (2, 2), "window_size": 4, "depths": (1, 1)}
    vision = Florence2VisionConfig(
        **stage, **heads, projection_dim=16, max_temporal_embeddings=4, max_position_embeddings=8
    )
    ends = {"bos_token_id": 0, "pad_token_id": 1, "eos_token_id": 2}
    layers = {f"{part}_{what}": 1 for part in ("encoder", "decoder") for what in ("layers", "attention_heads")}
    sizes = {"d_model": 16, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32, "max_position_embeddings": 128}
    text = BartConfig(vocab_size=len(names), **sizes, **layers, **ends, decoder_start_token_id=2)
    torch.manual_seed(0)
    model = Florence2ForConditionalGeneration(
        Florence2Config(text_config=text, vision_config=vision, image_token_id=names.index("<image>"), **ends)
    )
    # random weights repeat the start for ever: only words are let through
    model.generation_config.suppress_tokens = [index for index, name in enumerate(special) if name != "</s>"]
    model.generation_config.min_new_tokens = 4
    model.save_pretrained(folder)
    pictures = CLIPImageProcessorPil(size={"height": 32, "width": 32}, do_center_crop=False)
    pictures.image_seq_length = 17  # 4 x 4 places and one for the whole
    Florence2Processor(pictures, tokenizer).save_pretrained(folder)
    return folder
