"""What a view reads of its caption: tags in another order, some of them left out; a pure draw."""

from __future__ import annotations

from trainer.contract.settings.captions import Caption
from trainer.contract.settings.triggers import holds_word
from trainer.ground import draws


def caption_seen(caption: str, own: Caption, triggers: tuple[str, ...], seed: int, key: tuple[int, int, int]) -> str:
    """`caption` as the view of `key` reads it. Something is always left: where all would go, the first tag stays.

    The first `own.keep` tags and those that hold a trigger are never left out, and stand first where the others are
    shuffled.
    """
    if not own.varies:
        return caption
    tags = [tag for part in caption.split(",") if (tag := part.strip())]
    kept = [
        place for place, tag in enumerate(tags) if place < own.keep or any(holds_word(tag, one) for one in triggers)
    ]
    others = [
        place
        for place in range(len(tags))
        if place not in kept and draws.uniform(seed, "tag", *key, place) >= own.tag_dropout
    ]
    if own.shuffle:
        others.sort(key=lambda place: draws.uniform(seed, "tag-order", *key, place))
        order = [*kept, *others]
    else:
        order = sorted([*kept, *others])
    return ", ".join(tags[place] for place in order) or ", ".join(tags[:1])
