"""A training whose options name no network takes the one that fits the size of its pictures, and says which."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import diptych
from pictures import side_by_side
from runs import train

from diptych.errors import ConfigError
from diptych.methods import find
from diptych.model.folder import inspect_card
from diptych.options.recipes import read_recipe

NARROW = {"width": 4, "discriminator_width": 4}


@pytest.mark.parametrize("method", ["pix2pix", "bicyclegan"])
@pytest.mark.parametrize(
    ("size", "generator"),
    [("64", "unet_64"), ("128", "unet_128"), ("192", "unet_64"), ("256", "unet_256"), ("512", "unet_256"),
     ("320x256", "unet_64"), ("256x128", "unet_128")],
)  # fmt: skip
def test_a_dry_run_names_the_u_net_that_fits(tmp_path: Path, method: str, size: str, generator: str) -> None:
    pairs = side_by_side(tmp_path / "pairs", 4, 32)
    options = ["data.enlarge=true", f"data.size={size}", "data.val=0"]
    code, _, err = diptych("train", method, "--data", pairs, "--dry-run", "--out", tmp_path / "run", *options)
    assert code == 0, err
    assert f"method.generator={generator}, as it fits pictures of {size if 'x' in size else f'{size}x{size}'}" in err


def test_the_choice_is_recorded_and_the_run_goes_on_with_it(tmp_path: Path) -> None:
    pairs = side_by_side(tmp_path / "pairs", 4, 64)
    given = {
        "method": {"name": "pix2pix", **NARROW},
        "data": {"folder": str(pairs), "size": 64, "val": 0},
        "train": {"images": 2},
    }
    train(given, tmp_path / "run")
    assert read_recipe(tmp_path / "run" / "recipe.yaml")["method"]["generator"] == "unet_64"
    assert inspect_card(tmp_path / "run").options["generator"] == "unet_64"
    assert "this run is complete" in train(given, tmp_path / "run")
    assert "this run is complete" in train({}, tmp_path / "run", resume=True)
    begun = {
        **given,
        "data": {**given["data"], "size": 128, "enlarge": True},
        "train": {"images": 1, "start": str(tmp_path / "run")},
    }
    train(begun, tmp_path / "next")
    assert inspect_card(tmp_path / "next").options["generator"] == "unet_64", "the weights that it begins from stay"


def test_what_is_asked_for_is_not_changed_and_no_size_is_refused_in_vain(tmp_path: Path) -> None:
    data = {"folder": str(side_by_side(tmp_path / "pairs", 4, 100)), "val": 0}
    asked = {"method": {"name": "pix2pix", "generator": "unet_128"}, "data": {**data, "size": 64}}
    with pytest.raises(ConfigError, match=r"64x64: pix2pix with these options needs multiples of 128"):
        train(asked, tmp_path / "run", dry_run=True)
    with pytest.raises(ConfigError, match=r"100x100: pix2pix with these options needs multiples of 32"):
        train({"method": {"name": "pix2pix"}, "data": {**data, "size": 100}}, tmp_path / "run", dry_run=True)


def test_the_papers_default_stays_where_no_pictures_are_known() -> None:
    assert find("pix2pix")(**NARROW).size_multiple == 256
    assert "method.generator = unet_256" in diptych("options", "pix2pix").out
