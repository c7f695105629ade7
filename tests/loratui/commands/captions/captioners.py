"""Small captioners of the real classes with random weights, and a tagger, as folders written in a moment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

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


def save_qwen(folder: Path) -> Path:
    """A Qwen3-VL of 20 thousand weights, named on disk as the hub's are; it says at least four words."""
    import json

    import torch
    from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    ends = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    marks = ["<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"]
    names, tokenizer = _words_of([*ends, *marks], eos_token="<|im_end|>", pad_token="<|endoftext|>")
    one = {"hidden_size": 16, "intermediate_size": 32}
    cut = {"patch_size": 16, "spatial_merge_size": 2, "temporal_patch_size": 2, "num_position_embeddings": 16}
    rope = {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [4, 2, 2], "mrope_interleaved": True}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 16}
    ids = {mark: names.index(mark) for mark in marks}
    config = Qwen3VLConfig(
        vision_config={
            **one,
            **cut,
            "depth": 1,
            "num_heads": 2,
            "out_hidden_size": 16,
            "deepstack_visual_indexes": [0],
        },
        text_config={**one, **heads, "vocab_size": len(names), "num_hidden_layers": 1, "rope_parameters": rope},
        image_token_id=ids["<|image_pad|>"],
        video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"],
        vision_end_token_id=ids["<|vision_end|>"],
        tie_word_embeddings=True,
    )
    torch.manual_seed(0)
    model = Qwen3VLForConditionalGeneration(config)
    _speaking(model, names, [*ends[:2], *marks, "<unk>"], names.index("<|im_end|>"))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    Qwen2VLImageProcessorPil(
        patch_size=16, merge_size=2, temporal_patch_size=2, size={"shortest_edge": 4096, "longest_edge": 16384}
    ).save_pretrained(folder)
    settings = json.loads((folder / "preprocessor_config.json").read_text())
    settings |= {"image_processor_type": "Qwen2VLImageProcessorFast", "processor_class": "Qwen3VLProcessor"}
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    return folder


STRAIGHT = (  # as JoyCaption's: words alone, the picture's place set by the template
    "{% for one in messages %}{{ one['role'] }}: {% if one['role'] == 'user' %}<image> {% endif %}"
    "{{ one['content'] | trim }} {% endfor %}{% if add_generation_prompt %}assistant: {% endif %}"
)
IN_PARTS = (  # as llava-hf's: a list of parts, no system
    "{% for one in messages %}{% if one['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}"
    "{% for part in one['content'] %}{% if part['type'] == 'image' %}<image> {% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{% endfor %}{% if add_generation_prompt %} assistant: {% endif %}"
)


def save_llava(folder: Path, template: str | None = STRAIGHT) -> Path:
    """A LLaVA of SigLIP and Llama, as JoyCaption is one, of 12 thousand weights; it says at least four words."""
    import torch
    from transformers import LlamaConfig, LlavaConfig, LlavaForConditionalGeneration, LlavaProcessor, SiglipVisionConfig
    from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

    special = ["<s>", "</s>", "<pad>", "<image>"]
    names, tokenizer = _words_of(special, bos_token="<s>", eos_token="</s>", pad_token="<pad>")
    one = {"hidden_size": 16, "intermediate_size": 32, "num_attention_heads": 2}
    ends = {"bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 2}
    config = LlavaConfig(
        vision_config=SiglipVisionConfig(**one, num_hidden_layers=2, image_size=32, patch_size=8),
        text_config=LlamaConfig(**one, **ends, num_hidden_layers=1, num_key_value_heads=1, vocab_size=len(names)),
        image_token_index=names.index("<image>"),
        vision_feature_select_strategy="full",
    )
    torch.manual_seed(0)
    model = LlavaForConditionalGeneration(config)
    _speaking(model, names, ["<s>", "<pad>", "<image>", "<unk>"], 1)
    model.save_pretrained(folder)
    pictures = SiglipImageProcessorPil(size={"height": 32, "width": 32})
    LlavaProcessor(
        pictures, tokenizer, patch_size=8, vision_feature_select_strategy="full", chat_template=template
    ).save_pretrained(folder)
    return folder


TAGS = (  # name, category, where in the picture's colours (blue, green, red) its answer comes from
    ("general", 9, 0),
    ("sky_blue", 0, 0),
    ("1girl", 0, 1),
    ("red_theme", 0, 2),
    ("^_^", 0, 2),
    ("anna_(saga)", 4, 2),
)


def save_tagger(folder: Path, tags: tuple[tuple[str, int, int], ...] = TAGS, answers: int = len(TAGS)) -> Path:
    """A network of the taggers' form in ONNX: each answer is the mean of one colour, from 0 to 1."""
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    folder.mkdir(parents=True)
    rows = [f"{number},{name},{kind},9" for number, (name, kind, _) in enumerate(tags)]
    (folder / "selected_tags.csv").write_text("\n".join(["tag_id,name,category,count", *rows, ""]))
    colours = np.zeros((3, answers), np.float32)
    for place, (_, _, colour) in enumerate(tags[:answers]):
        colours[colour, place] = 1 / 255
    nodes = [
        helper.make_node("ReduceMean", ["input", "axes"], ["mean"], keepdims=0),
        helper.make_node("MatMul", ["mean", "colours"], ["output"]),
    ]
    given = helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", 448, 448, 3])
    made = helper.make_tensor_value_info("output", TensorProto.FLOAT, ["batch", answers])
    fixed = [numpy_helper.from_array(np.array([1, 2]), "axes"), numpy_helper.from_array(colours, "colours")]
    graph = helper.make_graph(nodes, "tagger", [given], [made], fixed)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(model, folder / "model.onnx")
    return folder


def _words_of(special: list[str], **roles: str) -> tuple[list[str], Any]:
    """A vocabulary of `special` and some words, and its tokenizer."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    names = [*special, "<unk>", *WORDS, "user", "assistant"]
    raw = Tokenizer(models.WordLevel({name: index for index, name in enumerate(names)}, unk_token="<unk>"))
    raw.pre_tokenizer = pre_tokenizers.Whitespace()
    others = [one for one in special if one not in roles.values()]
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=raw, unk_token="<unk>", additional_special_tokens=others, **roles
    )
    return names, tokenizer


def _speaking(model: Any, names: list[str], never: list[str], end: int) -> None:
    """Random weights repeat the start for ever: only words are let through, at least four."""
    model.generation_config.suppress_tokens = [names.index(one) for one in never]
    model.generation_config.min_new_tokens = 4
    model.generation_config.eos_token_id = end
    model.generation_config.pad_token_id = 0
