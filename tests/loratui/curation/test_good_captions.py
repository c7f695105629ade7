"""Captions as good trainers write them, in many manners: nothing is found in them, and nothing is changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from loratui.curation.checks.caption_faults import fault_findings
from loratui.curation.checks.captions import caption_findings
from loratui.curation.report import PictureReport
from trainer.contract.captioning.foreign import cleaned, foreign

GOOD = """
a photo of TOK woman in a red coat, standing in a park
TOK woman, red coat, park bench, autumn leaves, overcast light
TOK woman smiling at the camera, close-up, blurry background
TOK woman, 1girl, solo, long hair, red dress, blurry background, bokeh
a candid photo of TOK woman laughing with a friend in a cafe, café au lait on the table
TOK woman in her signature hat, arms crossed, at the Signature Air lounge
TOK woman wearing a hoodie with a logo on the chest, a phone in her hand
TOK woman holding a sign that says "stop", at night, rain
TOK woman on Rue de Rivoli in Paris, trench coat, winter
TOK woman, rock concert, guitar, stage light
TOK woman by the sea, mist, estate car, winter coat
TOK woman at a mercado in Los Angeles, sombrero, sunglasses
TOK woman reading a C++ book, glasses, desk lamp
TOK woman at 12:30, f/1.8, 85mm, 4x4 truck behind her
a TOK woman with cropped hair and a cropped jacket, looking left
TOK woman in a grainy black-and-white film still, smoking
TOK woman, lunch break, sandwich, kitchen table
TOK woman and two dogs, one brown and one white, running on grass
TOK woman (left) beside an old car, low angle
TOK woman's portrait, oil painting, thick brush strokes, van Gogh colours
TOK woman, beautiful sunset, beautiful lake, hiking boots
TOK woman with extra large earrings, missing button on the coat
TOK woman, das boot poster, die cast toy in hand
TOK woman at a museum, looking at the photo on the wall
TOK woman in the middle of a crowd, the picture frame behind her is gold
TOK woman sits on a flight of 30 steps, height chart on the wall
TOK woman, no watermark, plain wall
TOK woman in front of the negative space, white wall, film negative in hand
TOK woman, salt AND PEPPER shakers, diner
TOK woman wearing a Model T cap, model: clay figure
TOK woman, Zoë and Müller in the background, naïve drawing, jalapeño on a plate
TOK woman in an evening gown, red carpet, flash photography, high contrast
TOK woman doing yoga -- eyes closed, sunrise
TOK woman waves; behind her a ferry, a lighthouse, gulls
TOK woman, 3/4 view, from below, hands on hips
TOK woman at the i/o conference, AT&T booth, badge
a low-poly render of TOK woman, pastel colours, isometric
TOK woman, watercolour, loose washes, paper texture, visible pencil lines
TOK woman on a train, the window reflects her face
TOK woman with a perfect bun, detailed lace collar, professional kitchen
TOK woman, very tall, very small hat, very red lips
TOK woman in Sao Paulo, rain, umbrella, neon signs, night
TOK woman, expression: surprised, pose: sitting, light: soft
TOK woman, freckles, green eyes, sad expression, looking at viewer
TOK woman, rouge, lipstick, visage, mirror
TOK woman, fedora, trench coat, noir, smoke, chiaroscuro
TOK woman with I ♥ NY shirt, 🙂
TOK woman, la land of lakes, el paso street, taco truck
TOK woman; red scarf; snow
TOK woman: studio portrait, grey backdrop, rim light
"""


@pytest.mark.parametrize("caption", GOOD.strip().splitlines())
def test_a_good_caption_is_left_alone(caption: str) -> None:
    picture = PictureReport("0.jpg", Path(), True, 9, 9, caption, "txt", "", judged=True)
    found = (*caption_findings("0.jpg", caption, "TOK", ""), *fault_findings([picture], "TOK", "woman"))
    assert [one.code for one in found] == []
    assert foreign(caption, "TOK") == {} and cleaned(caption, "TOK") == caption
