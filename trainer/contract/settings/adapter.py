"""The settings of the adapter itself: its kind, its scale, its start, and which layers have more or less of it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import ClassVar, Literal

from pydantic import field_validator

from trainer.contract.settings.fields import Section, setting

KOHYA = "kohya's scripts"


class Adapter(Section):
    """What is trained in each layer, beyond rank, alpha and DoRA."""

    TITLE: ClassVar[str] = "kind of adapter"

    kind: Literal["lora", "lokr", "loha", "oft"] = setting(
        "lora",
        "adapter",
        "lora: two narrow matrices; lokr: a Kronecker product, a small file; loha: two of lora's products multiplied "
        "number by number; oft: the outputs turned in groups, which changes no length or angle within one.",
        source="LyCORIS (Yeh et al. 2023); PEFT (LoKrConfig, LoHaConfig); OFT (Qiu et al. 2023)",
        up="All but lora are for the user interfaces alone, are computed layer by layer and slower.",
    )
    factor: int = setting(
        -1,
        "factor of LoKr",
        "Into how many parts each side of a weight is divided; -1: as near to its square root as can be.",
        source="LyCORIS (factor)",
        up="A larger first matrix and a smaller second one.",
        ge=-1,
        le=1024,
    )
    block: int = setting(
        16,
        "group of OFT",
        "How many outputs are turned together, or the next smaller number that divides them.",
        source="LyCORIS (diag-oft), which names the number of groups",
        up="More can be learned; outputs x this numbers a layer.",
        ge=2,
        le=256,
    )
    rslora: bool = setting(
        False,
        "rank-stabilised scale",
        "Scale by alpha / sqrt(rank) in place of alpha / rank.",
        source="Kalajdzievski 2023; PEFT (use_rslora)",
        up="Large ranks learn as fast as small ones; with alpha 0 the scale is sqrt(rank): lower the rates.",
    )
    start: Literal["default", "pissa", "olora"] = setting(
        "default",
        "start of the LoRA",
        "default: from nothing; pissa: from the largest singular values of each Linear's weight; olora: from its QR "
        "decomposition. What is trained is the difference to that start, which any program reads as a LoRA of twice "
        "the rank.",
        source="PEFT (init_lora_weights); PiSSA (Meng et al. 2024); OLoRA (Buyukakyuz 2024)",
        up="Said to learn faster at a small rank; the file is twice as large, layers are computed one by one.",
    )
    start_rounds: int = setting(
        16,
        "rounds of PiSSA",
        "How exactly its singular values are found: rounds of subspace iteration; 0: the whole decomposition.",
        source="PEFT (pissa_niter_16)",
        up="Nearer to the whole decomposition, which takes many minutes before the first step.",
        ge=0,
        le=100,
    )
    ranks: tuple[str, ...] = setting(
        (),
        "ranks of blocks",
        "Other ranks for some blocks or layers: up_blocks.0=32, attn2=8, up_blocks.0.attentions.1=64; the longest name "
        "that is in a layer's path counts.",
        source=f"PEFT (rank_pattern); {KOHYA} (block_dims)",
    )
    alphas: tuple[str, ...] = setting(
        (),
        "alphas of blocks",
        "Other alphas for some, written the same way; otherwise train.alpha, and where that is 0 the layer's rank.",
        source=f"PEFT (alpha_pattern); {KOHYA} (block_alphas)",
    )
    conv_rank: int = setting(
        0,
        "rank of convolutions",
        "Of the unet's convolutions, which then are trained as well (LoCon); 0: they are not.",
        source=f"{KOHYA} (conv_dim)",
        up="Textures and line work are learned better; more memory and a larger file.",
        ge=0,
        le=256,
    )
    conv_alpha: float = setting(
        0.0,
        "alpha of convolutions",
        "Theirs are scaled by this / their rank; 0: their rank.",
        source=f"{KOHYA} (conv_alpha)",
        ge=0,
        le=4096,
    )

    @property
    def kind_words(self) -> str:
        """The kind and what decides its size: "LoKr, factor 8"."""
        named = {"lora": "LoRA", "lokr": "LoKr", "loha": "LoHa", "oft": "OFT"}[self.kind]
        more = {
            "lokr": f"factor {'auto' if self.factor < 1 else self.factor}",
            "oft": f"groups of {self.block} outputs",
        }
        return ", ".join(filter(None, (named, more.get(self.kind, ""))))

    @property
    def words(self) -> str:
        """What of it is not a plain LoRA of one rank; empty where nothing is."""
        conv_alpha = self.conv_alpha or self.conv_rank
        found = [
            *([self.kind_words] if self.kind != "lora" else []),
            *([{"pissa": "PiSSA", "olora": "OLoRA"}[self.start]] if self.start != "default" else []),
            *(["scale alpha / sqrt(rank)"] if self.rslora else []),
            *([f"ranks {', '.join(self.ranks)}"] if self.ranks else []),
            *([f"alphas {', '.join(self.alphas)}"] if self.alphas else []),
            *([f"convolutions at rank {self.conv_rank}, alpha {conv_alpha:g}"] if self.conv_rank else []),
        ]
        return "; ".join(found)

    @field_validator("ranks", "alphas")
    @classmethod
    def _readable(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        pattern(value)
        return value

    @field_validator("ranks")
    @classmethod
    def _whole(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name, rank in pattern(value).items():
            if not rank.is_integer() or not 1 <= rank <= 1024:
                raise ValueError(f"{name}={rank:g} is not a rank: a whole number from 1 to 1024")
        return value


def oft_block(outputs: int, wanted: int) -> int:
    """How many of `outputs` are turned together: the largest number up to `wanted` that divides them."""
    return next(one for one in range(min(wanted, outputs), 0, -1) if outputs % one == 0)


def factors(side: int, wanted: int) -> tuple[int, int]:
    """The two factors of a weight's side for LoKr, as LyCORIS and PEFT find them."""
    if wanted > 0 and side % wanted == 0:
        return wanted, side // wanted
    most = side if wanted < 1 else wanted
    first = max(one for one in range(1, math.isqrt(side) + 1) if side % one == 0 and one <= most)
    return first, side // first


def pattern(entries: Iterable[str]) -> dict[str, float]:
    """The numbers of "NAME=NUMBER" by their names. Raises ValueError with a sentence."""
    found: dict[str, float] = {}
    for one in entries:
        name, sign, number = (part.strip() for part in one.partition("="))
        try:
            value = float(number)
        except ValueError:
            value = math.nan
        if not name or not sign or not value > 0 or math.isinf(value):
            raise ValueError(f"'{one}': write NAME=NUMBER, such as up_blocks.0.attentions.1=32")
        found[name.strip(".")] = value
    return found


def is_in(name: str, path: str) -> bool:
    """Whether the whole names of `name` stand one after the other in `path`: attn2 is in "x.attn2.to_q"."""
    return f".{name}." in f".{path}."


def chosen(entries: Iterable[str], path: str) -> float | None:
    """What the longest name that is in `path` gives it; None where none is."""
    found: Mapping[str, float] = pattern(entries)
    names = [name for name in found if is_in(name, path)]
    return found[max(names, key=len)] if names else None
