"""Captioners that are told what to say: Qwen3-VL, and LLaVA, which JoyCaption is one of."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.captioner.asked import Asked, NoCaptioner, shown
from trainer.captioner.loading import part, weights
from trainer.contract.captioning.foreign import tidy
from trainer.contract.documents.files import read_json

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image


class Qwen:
    """Qwen3-VL, told what to leave to the trigger.

    Its chat is written out here: transformers' processor for it wants torchvision, for videos that nobody shows it.
    """

    PICTURE = "<|image_pad|>"
    CHAT = "<|im_start|>user\n<|vision_start|>{picture}<|vision_end|>{asked}<|im_end|>\n<|im_start|>assistant\n"

    def __init__(self, folder: Path, device: torch.device, asked: Asked) -> None:
        import torch
        from transformers import AutoImageProcessor, AutoTokenizer, Qwen3VLForConditionalGeneration

        self._tokenizer: Any = part(AutoTokenizer, folder)
        self._pictures: Any = part(AutoImageProcessor, folder)
        self._model = weights(Qwen3VLForConditionalGeneration, folder, device, torch.bfloat16)
        self._asked = asked
        self._placed = "mm_token_type_ids" in inspect.signature(self._model.forward).parameters

    def describe(self, picture: Image) -> str:
        """The likeliest words: no draw, so no seed."""
        given = self._pictures(images=[shown(picture)], return_tensors="pt")
        places = int(given["image_grid_thw"][0].prod()) // self._pictures.merge_size**2
        chat = self.CHAT.format(picture=self.PICTURE * places, asked=self._asked.instruction)
        read = self._tokenizer(chat, return_tensors="pt")
        if self._placed:  # which tokens are the picture's, as its processor would say
            read["mm_token_type_ids"] = (read["input_ids"] == self._model.config.image_token_id).long()
        return _answer(self._model, self._tokenizer, {**read, **given}, self._asked)


class Llava:
    """A LLaVA, such as JoyCaption: by the chat that its folder declares."""

    SYSTEM = "You are a helpful image captioner."  # what JoyCaption was trained with

    def __init__(self, folder: Path, device: torch.device, asked: Asked) -> None:
        import torch
        from transformers import LlavaForConditionalGeneration, LlavaProcessor

        self._processor: Any = part(LlavaProcessor, folder)
        self._model = weights(LlavaForConditionalGeneration, folder, device, torch.bfloat16)
        self._asked = asked
        self._chat = self._asked_in_chat(folder)

    def describe(self, picture: Image) -> str:
        """The likeliest words: no draw, so no seed."""
        given = self._processor(images=[shown(picture)], text=[self._chat], return_tensors="pt")
        return _answer(self._model, self._processor.tokenizer, dict(given), self._asked)

    def _asked_in_chat(self, folder: Path) -> str:
        """The question in the folder's own chat, with one place for the picture. Raises NoCaptioner.

        Templates want words alone or a list of parts; the picture's mark tells which of both this one understood.
        """
        template = self._processor.chat_template or self._processor.tokenizer.chat_template
        template = template or (read_json(folder / "chat_template.json", dict).value or {}).get("chat_template")
        asked, mark = self._asked.instruction, self._processor.image_token
        parts = [{"type": "image"}, {"type": "text", "text": asked}]
        chats = ([_said("system", self.SYSTEM), _said("user", asked)], [_said("user", parts)])
        for chat in chats if template else ():
            try:
                written = self._processor.tokenizer.apply_chat_template(
                    chat, chat_template=template, tokenize=False, add_generation_prompt=True
                )
            except Exception:  # jinja's own kinds, and what a template raises at another form of a message
                continue
            if str(written).count(mark) == 1 and asked in written:
                return str(written)
        raise NoCaptioner(f"'{folder}' declares no chat with a place for a picture: chat_template.json is missing")


def _said(role: str, content: object) -> dict[str, object]:
    return {"role": role, "content": content}


def _answer(model: Any, tokenizer: Any, given: dict[str, Any], asked: Asked) -> str:
    """What the model adds to what it was given, tidied; a model that thinks aloud is read from where it has done so."""
    there = {key: one.to(model.device) for key, one in given.items()}
    there |= {key: one.to(model.dtype) for key, one in there.items() if one.is_floating_point()}
    (made,) = model.generate(**there, max_new_tokens=asked.longest, do_sample=False, num_beams=1)
    said = tokenizer.decode(made[given["input_ids"].shape[1] :], skip_special_tokens=True)
    return tidy(said.rpartition("</think>")[2])
