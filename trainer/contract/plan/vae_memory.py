"""What the VAE takes of memory: its weights, and the fullest moment of its way to latents and of its way back."""

from __future__ import annotations

import re
from dataclasses import dataclass

from trainer.contract.basemodel.headers import Shapes
from trainer.contract.basemodel.inspect import BaseModel
from trainer.contract.documents.files import read_json
from trainer.contract.settings.config import SDXL_VAE, TrainConfig, vae_source

# Bytes per number
WIDTH = {"bf16": 2, "fp16": 2, "fp32": 4}
# Counted on the full-size VAE by tests/bench/activations.py, at 512 and 1024 px: the encoder's first block holds three
# times what it is given, at full size and 128 channels (1.61 GB for 1024 px in fp32; diffusers' own five times); the
# decoder's last one three times its input, at full size and 256 channels (1.61 GB for 1024 px in half precision).
ENCODED_COPIES, DECODED_COPIES = 3, 3
TILE = 512  # px, of sample.tiles
_ENCODER = ("encoder.", "quant_conv.")
_ENCODED = "encoder.conv_in.weight"
_DECODED = re.compile(r"^decoder\.up_blocks\.(\d+)\.resnets\.0\.conv1\.weight$")


@dataclass(frozen=True)
class VaeShape:
    """Parameters of both ways, and the channels of the block of each that works at the full size of the picture."""

    encoder: int
    decoder: int
    encoded: int
    decoded: int

    def held(self, widths: tuple[int, int]) -> int:
        """Bytes of the weights, where a number of the encoder and of the decoder has these `widths`."""
        return self.encoder * widths[0] + self.decoder * widths[1]

    def encoding(self, side: int, width: int) -> int:
        """Bytes at the fullest moment of encoding a picture of `side` px."""
        return ENCODED_COPIES * self.encoded * side**2 * width

    def decoding(self, side: int, width: int) -> int:
        """Bytes at the fullest moment of decoding one of `side` px."""
        return DECODED_COPIES * self.decoded * side**2 * width


SDXL_VAE_SHAPE = VaeShape(34_163_664, 49_490_199, 128, 256)  # with quant_conv and post_quant_conv


def vae_shape(vae: Shapes) -> VaeShape:
    """That of a VAE by the names and shapes of its tensors; SDXL's where there are none."""
    if not vae:
        return SDXL_VAE_SHAPE
    encoder = decoder = 0
    for name, shape in vae.items():
        size = 1
        for side in shape:
            size *= side
        if name.startswith(_ENCODER):
            encoder += size
        else:
            decoder += size
    last = {int(match[1]): shape[1] for name, shape in vae.items() if (match := _DECODED.match(name))}
    encoded = vae[_ENCODED][0] if _ENCODED in vae else SDXL_VAE_SHAPE.encoded
    return VaeShape(encoder, decoder, encoded, last[max(last)] if last else SDXL_VAE_SHAPE.decoded)


def vae_widths(config: TrainConfig, base: BaseModel) -> tuple[int, int]:
    """Bytes a number of the encoder and of the decoder: as the settings say, fp32 where half precision overflows."""
    full, half = WIDTH["fp32"], WIDTH[config.train.precision]
    if config.model.vae_precision == "fp32" or _upcast(config, base):
        return full, full
    return half if config.model.vae_precision == "training" else full, half


def vae_kept(shape: VaeShape, config: TrainConfig, base: BaseModel) -> int:
    """Bytes of the weights that stay once all is encoded: without the decoder's where no sample picture is drawn."""
    encoding, decoding = vae_widths(config, base)
    return shape.held((encoding, decoding if config.sample.drawn else 0))


def _upcast(config: TrainConfig, base: BaseModel) -> bool:
    own = vae_source(config.model)
    upcast = own != SDXL_VAE  # as SDXL's own VAE; the one that replaces it bears half precision
    if base.folder is not None and not own:
        upcast = bool((read_json(base.folder / "vae" / "config.json", dict).value or {}).get("force_upcast", True))
    return upcast
