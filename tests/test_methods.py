"""Every method, by name, passes the public battery; a new method is tested by existing."""

from __future__ import annotations

import pytest
from small import SMALL

from diptych.errors import ConfigError
from diptych.methods import find, names, summaries
from diptych.testing import CHECKS

VARIANTS = {
    "resnet": ("pix2pix", {**SMALL["pix2pix"], "generator": "resnet_6blocks", "norm": "instance"}),
    "pixel wgan-gp": ("pix2pix", {**SMALL["pix2pix"], "discriminator": "pixel", "gan": "wgan-gp", "norm": "instance"}),
    "hinge running": ("pix2pix", {**SMALL["pix2pix"], "gan": "hinge", "test_statistics": "running"}),
    "deep": ("paired", {**SMALL["paired"], "network": "efficientnet_lite0"}),
    "deep adversary": ("unpaired", {**SMALL["unpaired"], "network": "efficientnet_lite0"}),
    "attention": ("cyclegan", {**SMALL["cyclegan"], "attention": True}),
    "antialias": ("cyclegan", {**SMALL["cyclegan"], "antialias": True}),
    "batch norm": ("cyclegan", {**SMALL["cyclegan"], "norm": "batch", "dropout": True, "gan": "vanilla"}),
    "noise": ("autoencoder", {**SMALL["autoencoder"], "noise": 0.1, "loss": "l2", "blocks": 2}),
    "free bits": ("vae", {**SMALL["vae"], "free_bits": 0.01, "warmup": 0.5, "loss": "l2"}),
    "standard": ("cvae", {**SMALL["cvae"], "prior": "standard", "free_bits": 0.05}),
    "classes": ("cvae", {**SMALL["cvae"], "classes": 3}),
    "dice": ("segment", {**SMALL["segment"], "norm": "batch", "balance": 0.5, "dice": 1.0}),
    "instance": ("spade", {**SMALL["spade"], "norm": "instance", "spectral": False, "kernel": 1, "scales": 3}),
    "spade encoder": ("spade", {**SMALL["spade"], "encoder": True, "style_channels": 8, "start_height": 2}),
    "code at the input": ("bicyclegan", {**SMALL["bicyclegan"], "where": "input", "conditional_d": True}),
    "code bilinear batch": ("bicyclegan", {**SMALL["bicyclegan"], "upsampling": "bilinear", "norm": "batch"}),
    "enhancer": ("pix2pixhd", {**SMALL["pix2pixhd"], "enhancers": 1, "enhancer_blocks": 1, "fix_global": 0.02}),
    "pix2pixhd encoder": ("pix2pixhd", {**SMALL["pix2pixhd"], "encoder": True, "encoder_width": 4, "encoder_downs": 2}),
    "batch norm, no features": ("pix2pixhd", {**SMALL["pix2pixhd"], "norm": "batch", "features": 0.0, "gan": "hinge"}),
}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", names())
def test_every_method_passes_the_battery(name, check):
    check(find(name), SMALL.get(name, {}))


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("variant", VARIANTS)
def test_variants_of_a_method_pass_the_battery(variant, check):
    name, options = VARIANTS[variant]
    check(find(name), options)


def test_every_method_says_in_one_sentence_what_it_is():
    assert all(summary.endswith(".") for summary in summaries().values())


def test_an_unknown_method_is_answered_with_the_nearest_name():
    with pytest.raises(ConfigError, match="did you mean 'pix2pix'"):
        find("pix2pxi")
