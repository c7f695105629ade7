"""What stands in captions and is no word for the picture, and how it reads without: what a program can put right.

Syntax is what other programs write, which SDXL reads as words: weights, wildcards, markup, a chat's preamble. Filler
are words that say nothing of the picture: "The image shows", "masterpiece", the same tag again and again.
"""

from __future__ import annotations

import html
import re
from collections import Counter

from trainer.contract.captioning.kinds import ForeignSyntax, inner
from trainer.contract.captioning.kinds import kind as _kind
from trainer.contract.captioning.wrappings import WRAPPINGS
from trainer.contract.settings.triggers import holds_word, split_triggers

NUMBER = r"\s*[+-]?\d*\.?\d+\s*"


def _underscores(found: re.Match[str]) -> str:
    return found[0].replace("_", " ").replace("\\", "")


_CHAT = (
    r"(?is)\A\s*(?:<think>.*?</think>\s*)?"
    r"(?:(?:sure|certainly|of course|absolutely|okay|ok|great)\b[^\n:.!]{0,60}[!.,:]\s*"
    r"(?:here(?:'s|\u2019s| is| are)\b[^\n:]{0,120}:\s*)?"
    r"|here(?:'s|\u2019s| is| are)\b[^\n:]{0,120}:\s*)"
    r"[*#\s]*(?:(?:caption|prompt|description)\s*:)?[*\s]*(?P<after>.+)\Z"
)
# what AUTOMATIC1111, Forge, Midjourney and others write behind a prompt
_SETTINGS = (
    r"(?is)(?<!\s)\s*(?:\bnegative prompt:.*"
    r"|(?:\A|[,;.]\s*|(?<=\s))neg(?:ative)?\s*:[^\n]{0,200}?(?:lowres|(?:low|worst) quality|bad (?:anatomy|hands)|ugly"
    r"|blurry|deformed|extra (?:fingers|limbs)|easynegative).*"
    r"|\bsteps:\s*\d+\s*,\s*(?:sampler|schedule type|size|seed|cfg scale|model)\s*:.*"
    r"|(?:\b(?:sampler|schedule type|cfg scale|denoising strength|clip skip|hires upscale|model hash|seed)\s*:"
    r"\s*[\w.+ -]{1,40}(?:,\s*|\Z)){2,}.*)\Z"
    r"|(?<=\s)(?:--(?:ar|aspect|v|version|niji|stylize|s|chaos|c|q|quality|seed|iw|style|no|tile|weird|w)\b(?:\s+[\w.:]+)?)"
)
_REFUSAL = (
    r"(?i)\A\s*(?:unfortunately,? )?(?:i['\u2019]?m (?:sorry|unable)|i am (?:sorry|unable)|sorry, (?:but )?i\b"
    r"|i can(?:['\u2019]t|not)\b)"
    r"|\bas an? (?:ai|(?:large )?language model)\b(?! (?:robot|character|art))"
)
_SHOWS = (
    r"(?i)(?:\A|(?<=,)|(?<=:))\s*(?:in )?(?:the|this) "
    r"(?:image|photo(?:graph)?|picture|illustration|drawing|painting|artwork|scene)"
    r"(?:,? (?:we (?:can )?see|you can see|there (?:is|are))"
    r"| (?:shows?|depicts?|features?|captures?|displays?|portrays?|presents?|showcases?|contains?|is of"
    r"|(?:appears|seems) to show))\s+"
    r"|\A\s*in (?:the|this) (?:image|photo(?:graph)?|picture|drawing|painting|scene),\s+"
    r"|\A\s*(?:this|it|there) is (?:an?|the) (?:image|photo(?:graph)?|picture|drawing|painting) (?:of|showing)\s+"
    r"|\A\s*(?:an?|the) (?:image|photo(?:graph)?|picture|drawing|painting)"
    r" (?:showing|depicting|featuring|that (?:shows|depicts))\s+"
    r"|\A\s*(?:here,? )?(?:we|you) (?:can )?see\s+|\A\s*(?:pictured|shown|seen) (?:here )?(?:is|are)\s+"
)
_QUALITY = (
    r"(?i)(?:,\s*)?(?<![\w-])(?:masterpiece(?! (?:of|by|from|in)\b)|(?:best|high(?:est)?|amazing|top)[ -]quality"
    r"|(?:ultra|super|extremely|highly|insanely|very)[ -]?detailed|ultra[ -]?(?:hd|realistic)"
    r"|[48]k(?: (?:uhd|resolution))?|trending on artstation|award[ -]winning|absurd ?res|score_\d(?:_up)?"
    r"|high[ -]?res(?:olution)?|(?:full |ultra )?u?hd|hdr|hyper[ -]?realistic|sharp focus|raw photo|very aesthetic"
    r"|professional photo(?:graphy)?)(?![\w-]| (?:tv|television|screen|monitor|camera)s?\b)"
)
# the same as tags: between commas nobody describes a picture so
_PART = r"(?i)(?:\A|(?<=[,;\n]))[^\S\n]*(?P<part>{})\s*(?=[,;\n]|\Z)"
_SETTING = (
    r"(?:cfg|guidance)(?:[ _-]?scale)?\s*[:=]?\s*\d+(?:\.\d+)?|seed\s*[:=]?\s*-?\d+|steps\s*[:=]?\s*\d+"
    r"|(?:denois(?:e|ing)(?:[ _-]?strength)?|clip[ _-]?skip|strength)\s*[:=]?\s*\d+(?:\.\d+)?"
    r"|sampler\s*[:=]?\s*[\w+ ]{2,24}|euler[ _](?:a|ancestral)(?: karras)?|k_(?:euler|dpm|lms|heun)\w*"
    r"|size\s*:\s*\d{3,4}\s?[x\u00d7]\s?\d{3,4}|version\s*:\s*v?\d+\.[\w.-]+|model\s*:\s*\w*(?:sd|xl|v\d)\w*"
    r"|(?:vae|rng|ensd|hires (?:steps|upscale|upscaler)|(?:lora|ti|vae|model) hash(?:es)?)\s*:\s*[^,\n]+"
    r"|easynegative(?:v2)?|badhandv\d|bad[-_]hands[-_]\d|ng_deepnegative\w*|verybadimagenegative[\w.]*|fastnegative\w*"
    r"|unaestheticxl\w*|4x[-_ ]?(?:ultrasharp|animesharp)|r-esrgan 4x\+?(?: anime6b)?"
    r"|dpm\+\+[ \w]{0,24}|dpmpp_\w+(?: karras)?|ddim|plms|uni_?pc|[1-9]\d{2,3}\s?[x\u00d7]\s?[1-9]\d{2,3}(?: ?px)?"
)
# words of sites and of models that were trained on them
_RATED = (
    r"rating\s*[:_]\s*(?:safe|general|sensitive|questionable|explicit)"
    r"|source_(?:anime|pony|furry|cartoon)|(?:score_\d(?:_up)?)"
)
# a flight of stairs has 30 steps, and Euler and Karras are persons: with one of the others they are settings
_PERHAPS = r"\d+ steps|euler|karras|heun|lms|lcm|exponential|sgm_uniform"
AGAIN = 3  # times that a tag stands in a caption before it is one too often


def _once(found: re.Match[str]) -> str:
    """The text with each tag once, if one of them comes again and again."""
    tags = [one.strip() for one in found[0].split(",")]
    counts = Counter(one.casefold() for one in tags if one)
    if max(counts.values(), default=0) < AGAIN:
        return found[0]
    return ", ".join({one.casefold(): one for one in reversed(tags) if one}[key] for key in counts)


def _unless_seen(found: re.Match[str]) -> str:
    """Nothing for "30 steps" where another part of the caption is surely a generator's; else the words."""
    return "" if re.search(_PART.format(_SETTING), found.string) else found[0]


# in the order in which they are cleaned: what stands around others comes first
KINDS = (
    _kind("a chat model's preamble", _CHAT, inner),
    *WRAPPINGS,
    _kind("a generator's settings", _SETTINGS, lambda _: ""),
    _kind("a generator's settings", _PART.format(_PERHAPS), _unless_seen),
    _kind("a generator's settings", _PART.format(_SETTING), lambda _: ""),
    _kind("a generator's settings", r"(?i)\A\s*/imagine\s+(?:prompt\s*:)?\s*", lambda _: ""),
    _kind("no words at all", r"(?i)\A\s*(?:undefined|null|none|nan|n/a|\[object object\])\s*\Z", lambda _: ""),
    _kind("Markdown", r"\*\*([^*\n]+)\*\*|(?m:^#{1,6} )", lambda found: found[1] or ""),
    _kind("HTML", r"&(?:[a-zA-Z]{2,8}|#\d{1,6}|#x[0-9a-fA-F]{1,6});", lambda found: html.unescape(found[0])),
    _kind("HTML", r"</?(?:p|br|b|i|u|em|strong|div|span|ul|li)\b[^<>]{0,80}>", lambda _: " "),
    _kind("networks <lora:...>", r"(?i)<(?:lora|lyco|locon|loha|hypernet|embedding|ti)\s*:[^<>\n]*>", lambda _: " "),
    _kind("networks <lora:...>", r"(?i)(?<!\w)(?:lora|lyco|embedding):[\w-]+(?::[\d.]+)?", lambda _: " "),
    _kind("wildcards", r"\{([^{}|\n]*)\|[^{}\n]*\}", lambda found: re.sub(r"^\d*\.?\d+::", "", found[1])),
    _kind("wildcards", r"(?<!\w)__[\w/*.-]+?__(?!\w)", lambda _: ""),
    _kind("weights", rf"(?<!\\)\(((?:[^()\\\n]|\\.)+?):{NUMBER}\)", lambda found: found[1]),
    _kind("weights", r"(?<!\\)\(((?:[^()\\\n]|\\.)+?)\)[01]\.\d+(?![\d.])", lambda found: found[1]),
    _kind("weights", r"(?<=[A-Za-z]):[01]\.\d+(?![\d.]*[\d.>)])", lambda _: ""),
    _kind("weights", r"(?<![\\(])\(\(+((?:[^()\\\n]|\\.)+)\)\)+", lambda found: found[1]),
    _kind("weights", r"\[([^\[\]\n:]+)(?::[^\[\]\n]*)?\](?!\()", lambda found: found[1]),
    _kind("weights", r"(?<!\{)\{+([^{}|\n]+)\}+", lambda found: found[1]),
    _kind("addresses", r"(?i)(?<![\w@])(?:https?://|www\.)[^\s<>]+", lambda _: " "),
    _kind("addresses", r"(?i)(?<![\w@./-])[a-z0-9-]{2,}\.(?:com|net|org|io|ru)(?![\w-])(?:/[^\s<>]*)?", lambda _: " "),
    _kind("addresses", r"(?<![\w.@])@[A-Za-z]\w{2,}", lambda _: " "),
    _kind("file names", r"(?i)(?<![\w()/-])[\w()-]+\.(?:jpe?g|png|webp|gif|bmp|tiff?|heic|avif)(?!\w)", lambda _: " "),
    _kind(
        "file names",
        r"(?i)\A\s*(?:img|dsc[fn]?|pxl|dcim|image|photo|picture|screenshot|whatsapp image)[_ -]*\(?\d[\d_ .:)-]*"
        r"(?:at [\d .:)-]*)?\Z",
        lambda _: "",
    ),
    _kind("file names", r"\A(\s*[\w-]+) \(\d{1,4}\)\s*\Z", lambda found: found[1]),
    # one long word with digits in it: a time, a number in an archive, a digest
    _kind("file names", r"\A\s*(?=(?:[^\s\d]*\d){4})[A-Za-z0-9_-]{12,}\s*\Z", lambda _: ""),
    _kind("'The image shows'", _SHOWS, lambda _: " ", filler=True),
    _kind("words for quality", _QUALITY, lambda _: "", filler=True),
    _kind("the same tag again", r"(?s)\A.+\Z", _once, filler=True),
    _kind("the same tag again", r"(?i)(?<!\w)(\w[\w' -]{1,39}?)(?:[\s,.]+\1(?!\w)){2,}", lambda f: f[1], filler=True),
    _kind("ratings and sources", _PART.format(_RATED), lambda _: "", filler=True),
    _kind("'arafed', a slip of BLIP", r"(?i)(?<!\w)(?:an? )?araf(?:f?ed|fe)(?!\w)\s*", lambda _: "", filler=True),
    _kind("separators |||", r"(?<!\s)\s*\|\|\|\s*", lambda _: ", "),
    _kind("BREAK", r"(?<!\w)(?:BREAK|ADDCOMM|ADDROW|ADDCOL|ADDBASE)(?!\w)", lambda _: ", "),
    _kind("escaped brackets", r"\\([()\[\]])", lambda found: found[1], mild=True),
    # :3 and ^_^ are faces, o_o too: a tag has more letters
    _kind("underscores", r"(?<![\w/.])(?!\w_\w(?!\w))[^\W_]+(?:_[^\W_]*)+(?![\w/])", _underscores, mild=True),
)
LINES = "several captions, one a line"
REFUSAL = "a chat model's refusal"


def foreign(text: str, trigger: str) -> dict[str, str]:
    """Which kinds stand in `text`, with an example of each."""
    found: dict[str, str] = {}
    if re.search(_REFUSAL, text):
        found[REFUSAL] = text.strip()
    if len(_captions(text, trigger)) > 1:
        found[LINES] = _captions(text, trigger)[1]
    for kind in KINDS:
        there = next((one[0] for one in kind.pattern.finditer(text) if _changes(kind, one, trigger)), None)
        if there is not None:
            found.setdefault(kind.name, there.strip(" ,\n"))
        if kind in WRAPPINGS:  # brackets of JSON are no weights
            text = _without(kind, text, trigger)
    return found


def is_mild(names: set[str]) -> bool:
    """Whether none of these kinds costs a caption more than a few tokens."""
    return names <= {one.name for one in KINDS if one.mild or one.filler}


def is_filler(name: str) -> bool:
    """Whether a kind is words that say nothing, and no syntax."""
    return any(one.name == name and one.filler for one in KINDS)


def tidy(said: str) -> str:
    """A model's answer as words for a caption: one line without filler or a full stop, for it follows a trigger.

    Empty for a refusal, which describes nothing.
    """
    return "" if re.search(_REFUSAL, said) else " ".join(cleaned(said, "").split()).rstrip(" .")


def cleaned(text: str, trigger: str) -> str:
    """`text` in plain words, in one line where anything was changed; a refusal stays: it needs another caption."""
    lines = _captions(text, trigger)
    plain = lines[0] if len(lines) > 1 else text
    for kind in KINDS:
        plain = _without(kind, plain, trigger)
    if plain == text:
        return text
    plain = re.sub(r"\s+([,.])", r"\1", " ".join(plain.split()))
    return re.sub(r"(?:,\s*){2,}", ", ", plain).strip(" ,")


def _without(kind: ForeignSyntax, text: str, trigger: str) -> str:
    return kind.pattern.sub(lambda one: kind.clean(one) if _changes(kind, one, trigger) else one[0], text)


def _changes(kind: ForeignSyntax, found: re.Match[str], trigger: str) -> bool:
    """A trigger is a name, whatever it looks like; and &copyright; is no entity."""
    return found[0] not in split_triggers(trigger) and kind.clean(found) != found[0]


def _captions(text: str, trigger: str) -> list[str]:
    """The lines of a file that has several captions: each with the trigger of its own. A long one may be wrapped."""
    words = split_triggers(trigger)
    lines = [one.strip() for one in text.splitlines() if one.strip()]
    alone = all(any(holds_word(line, word) for word in words) for line in lines)
    return lines if words and len(lines) > 1 and alone else []
