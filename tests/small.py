"""Options that make each method's networks small and fit for 32x32 pixels; another method has its defaults."""

from __future__ import annotations

from typing import Any

SMALL: dict[str, dict[str, Any]] = {
    "pix2pix": {"generator": "unet_32", "width": 4, "discriminator_width": 4, "discriminator_layers": 2},
    "paired": {
        "width": 4,
        "levels": 2,
        "detail": 4,
        "discriminator_width": 4,
        "discriminator_levels": 2,
        "network": "none",
    },
    "unpaired": {
        "width": 4,
        "levels": 2,
        "blocks": 1,
        "detail": 4,
        "discriminator_width": 4,
        "discriminator_levels": 2,
        "patches": 16,
        "heads": 8,
        "network": "none",
    },
    "multimodal": {
        "width": 4,
        "levels": 2,
        "detail": 4,
        "code": 4,
        "encoder_width": 4,
        "discriminator_width": 4,
        "discriminator_levels": 2,
        "network": "none",
    },
    "cyclegan": {"blocks": 2, "width": 4, "discriminator_width": 4, "discriminator_layers": 2, "history": 3},
    "cut": {"blocks": 2, "width": 4, "discriminator_width": 4, "patches": 16, "heads": 8},
    "fastcut": {"blocks": 2, "width": 4, "discriminator_width": 4, "patches": 16, "heads": 8},
    "unit": {"blocks": 1, "width": 4, "discriminator_width": 4, "scales": 1, "discriminator_layers": 2},
    "munit": {"blocks": 1, "width": 4, "discriminator_width": 4, "scales": 1, "discriminator_layers": 2, "hidden": 8},
    "autoencoder": {"code": 4, "width": 4, "downs": 2},
    "vae": {"code": 4, "width": 4, "downs": 2},
    "cvae": {"code": 4, "width": 4, "downs": 2, "hidden": 8, "free_bits": 0.0},
    "segment": {"width": 4, "depth": 2},
    "spade": {"width": 2, "upsampling": "fewer", "hidden": 8, "discriminator_width": 4, "discriminator_layers": 2},
    "bicyclegan": {
        "generator": "unet_32",
        "width": 4,
        "encoder_blocks": 2,
        "encoder_width": 4,
        "discriminator_layers": 2,
        "discriminator_width": 4,
    },
    "faststyle": {"width": 4, "blocks": 1},
    "adain": {"width": 4},
    "pix2pixhd": {"width": 4, "downs": 2, "blocks": 1, "discriminator_width": 4, "discriminator_layers": 2},
}
