"""What stands around a caption that another program wrote: JSON, who speaks in a chat, Markdown, a model's marks.

Only whole forms count: an assistant, a question and a list may well be seen in a picture.
"""

from __future__ import annotations

import re
from typing import Any

from trainer.contract.captioning.kinds import inner, kind
from trainer.contract.documents.parsers import parse_json

SAYS = ("caption", "prompt", "description", "text", "tags", "long_caption", "short_caption", "detailed_caption")
_KEY = r"[\"'](?:<\w+>|{})[\"']".format("|".join(SAYS))
_ASKED = (
    r"(?:(?:user|human|system|question|instruction)\s*:.*?(?<!\w)(?:assistant|response|answer|ai|gpt|bot)"
    r"|q\s*:.*?\?\s*a)"
)
# marks of tokenizers and tasks; of placeholders as papers write them (<token>, <s0>) they are none
MARKS = (
    r"(?i)<\|[\w ]{1,30}\|>|</?s>|<(?:image|video|bos|eos|pad|unk)>|<(?:start|end)_of_(?:turn|image)>"
    r"|\[/?INST\]|<</?SYS>>|</?(?:MORE_DETAILED_|DETAILED_)?CAPTION>|</?(?:caption|prompt|answer|output|description)>"
)
_TURN = (
    r"\[/INST\]|<\|im_start\|>\s*assistant\b|<start_of_turn>\s*model\b|#{2,3}\s*(?:assistant|response)\s*:"
    r"|<\|start_header_id\|>\s*assistant\s*<\|end_header_id\|>|</think>|<\|assistant\|>"
)
_LABEL = (
    r"(?:(?:image|photo|picture|short|long|detailed|suggested|final|generated)\s+)?(?:caption|prompt|description)"
    r"|positive prompt|alt[- ]text|(?:final )?answer|output|parameters|assistant|response"
    r"|(?:the |a |one )?(?:possible |suggested |suitable )?caption(?: for (?:this|the) (?:image|photo|picture))?"
    r" (?:is|(?:could|would|might) be)"
)
_PARTING = (
    r"(?:let me know if|feel free to|i hope (?:this|that|it)|hope this helps|is there anything|please let me know"
    r"|would you like (?:me|another|a different|more|any)|if you(?:'d| would)? (?:like|need|want)|do you want me)"
)


def _said(found: re.Match[str]) -> str:
    """The words of a JSON value that is a caption; the text as it is where it holds none."""
    text = re.sub(r"\A```\w*\s*|\s*```\Z", "", found[0].strip())
    for one in (text, re.sub(r"'((?:[^'\\\n]|\\.)*)'", lambda each: f'"{each[1]}"', text)):  # Python's quotes
        value = parse_json(one, object).value
        if words := _words(value):
            return words
    return found[0]


def _words(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(words for each in value if (words := each if isinstance(each, str) else _words(each)))
    if not isinstance(value, dict):
        return ""
    named = {str(key).strip("<>").lower(): one for key, one in value.items()}
    there = [named[key] for key in SAYS if named.get(key)]
    if there:
        return there[0] if isinstance(there[0], str) else _words(there[0])
    return ", ".join(one for one in value.values() if isinstance(one, str))


def _letters(found: re.Match[str]) -> str:
    return chr(int(found[1], 16)) if not 0xD800 <= int(found[1], 16) < 0xE000 else found[0]


def _lines(found: re.Match[str]) -> str:
    return re.sub(r"(?m)^[^\S\n]*(?:[*\u2022]|-(?!\s*\d)|\d{1,2}[.)])\s+", "", found[0])


# in the order in which they are cleaned: the outermost first
WRAPPINGS = (
    kind("JSON", r"(?s)\A\s*(?:```\w*\s*)?[\[{].*[\]}]\s*(?:```)?\s*\Z", _said),
    kind("JSON", rf"(?is)\A\s*(?:[{{\[]\s*)?{_KEY}\s*:\s*[\"'](?P<after>[^\"\n]+)[\"']?\s*[,}}\]]*\s*\Z", inner),
    kind("a chat's labels", rf"(?is)\A.*(?:{_TURN})\s*(?P<after>\S.*)\Z", inner),
    kind("a chat's labels", rf"(?is)\A\s*{_ASKED}\s*:\s*(?P<after>\S.*)\Z", inner),
    kind("a chat's labels", rf"(?is)\A[\s*#>-]*(?:{_LABEL})[\s*]*[:=][*\s]*(?P<after>\S.*)\Z", inner),
    kind("a chat's labels", r"(?is)\A\s*caption\s+[-\u2013\u2014]\s+(?P<after>\S.*)\Z", inner),
    kind("a model's marks", MARKS, lambda _: " "),
    kind("a chat model's remarks", rf"(?is)(?:(?<=[.!?])\s+|\n[^\S\n]*){_PARTING}\b[^\n]*\Z", lambda _: ""),
    kind("Markdown", r"(?s)\A\s*(`{1,3})(?:\w*\n)?(?P<after>[^`]+)\1\s*\Z", inner),
    kind("Markdown", r"!?\[([^\[\]\n]*)\]\((?:https?://|www\.|\.{0,2}/|[\w-]+\.\w{2,4})[^()\s]*\)", lambda one: one[1]),
    kind("Markdown", r"(?<![*\w])\*([^\W_][^*\n]{0,200})\*(?![*\w])|~~([^~\n]+)~~", lambda one: one[1] or one[2]),
    kind("Markdown", r"(?<![\w])_([^\W_][^_,\n]{0,200}\s[^_,\n]*[^\W_])_(?!\w)", lambda one: one[1]),
    kind("Markdown", r"\A\s*(?:[*\u2022>]|-(?!\s*\d))\s+(?=\S)", lambda _: ""),
    kind("Markdown", r"(?s)\A\s*1[.)]\s.*\n[^\S\n]*2[.)]\s.*\Z", _lines),
    kind("escapes", r"\\u([0-9a-fA-F]{4})", _letters),
    kind(
        "quotation marks around it",
        r"(?s)\A\s*(?:(?P<q>[\"'])(?P<one>(?:(?!(?P=q)).)+)(?P=q)|\u201c(?P<two>[^\u201c\u201d]+)\u201d)\s*\Z",
        lambda found: found["one"] or found["two"],
        mild=True,
    ),
)
