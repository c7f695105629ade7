"""samples/index.html: a run's pictures as one page for a browser, with nothing on it from anywhere else.

A row for each prompt, a column for each step; above them one picture with the base model's beneath a slider. It is
written anew after every sample step, for `scp` or `ssh -L`; without a script the wall is all there is.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from pathlib import Path

from trainer.contract.entries import write_atomic
from trainer.contract.run.rundir import RunDir

PAGE = "index.html"
PICTURE = re.compile(r"(?P<step>\d{6,12})-(?P<index>\d{1,6})\.png")

STYLE = """
body { margin: 0; padding: 1.5rem; background: #15181e; color: #d3d7de; font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.1rem; } h2 { font-size: 1rem; font-weight: normal; overflow-wrap: anywhere; }
a { color: #7fb4ca; } figure { margin: 0; } figcaption { color: #8d97a6; text-align: center; }
.row { display: flex; gap: .75rem; overflow-x: auto; padding-bottom: .5rem; }
.row img { height: 12rem; display: block; cursor: pointer; }
#pair { position: relative; max-width: min(90vw, 60vh); } #pair img { width: 100%; display: block; }
#pair #base { position: absolute; inset: 0; } #slide { width: min(90vw, 60vh); }
"""
SCRIPT = """
const now = document.getElementById("now"), base = document.getElementById("base");
const slide = document.getElementById("slide"), words = document.getElementById("words");
const cut = () => { base.style.clipPath = `inset(0 ${100 - slide.value}% 0 0)`; };
const show = (picture) => {
  now.src = picture.dataset.large; base.src = picture.dataset.base; base.hidden = !picture.dataset.base;
  slide.hidden = base.hidden; words.textContent = picture.alt; cut();
};
slide.addEventListener("input", cut);
const all = document.querySelectorAll(".row img");
all.forEach((one) => one.addEventListener("click", (event) => { event.preventDefault(); show(one); scrollTo(0, 0); }));
if (all.length) { document.getElementById("viewer").hidden = false; show(all[all.length - 1]); }
"""


def write_page(run: RunDir, name: str, prompts: Mapping[int, str]) -> None:
    """Write it from the pictures that are there, under the run's own `name`. Raises OSError."""
    write_atomic(run.samples / PAGE, page(name, found(run.samples), prompts), root=run.path)


def found(samples: Path) -> dict[int, list[int]]:
    """The steps of each prompt's pictures, in order."""
    steps: dict[int, list[int]] = {}
    for name in sorted(one.name for one in samples.iterdir()):
        if one := PICTURE.fullmatch(name):
            steps.setdefault(int(one["index"]), []).append(int(one["step"]))
    return {index: sorted(steps[index]) for index in sorted(steps)}


def page(name: str, pictures: Mapping[int, list[int]], prompts: Mapping[int, str]) -> str:
    """The page of `pictures`, the steps of each prompt; what a person wrote stands there as words and nothing else."""
    rows = "\n".join(_row(index, steps, prompts.get(index, f"prompt {index + 1}")) for index, steps in pictures.items())
    title = html.escape(name)
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta name="referrer" content="no-referrer"><title>{title}</title><style>{STYLE}</style></head>
<body><h1>{title}</h1>
<div id="viewer" hidden><p id="words"></p>
<div id="pair"><img id="now" alt=""><img id="base" alt=""></div>
<label>base model <input id="slide" type="range" min="0" max="100" value="50"> now</label></div>
{rows}
<script>{SCRIPT}</script></body></html>
"""


def _row(index: int, steps: list[int], prompt: str) -> str:
    base = f"{0:06d}-{index}.png" if steps[0] == 0 else ""
    cells = []
    for step in steps:
        large, words = f"{step:06d}-{index}.png", "base model" if step == 0 else f"step {step}"
        beside = base if step else ""
        alt = html.escape(f"{words}: {prompt}")
        cells.append(
            f'<figure><a href="{large}"><img loading="lazy" src="{large[:-4]}.jpg" alt="{alt}" data-large="{large}" '
            f'data-base="{beside}"></a><figcaption>{words}</figcaption></figure>'
        )
    return f"<h2>{html.escape(prompt)}</h2>\n<div class=row>\n" + "\n".join(cells) + "\n</div>"
