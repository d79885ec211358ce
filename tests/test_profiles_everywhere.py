"""A folder with colour profiles is the folder of the same colours in sRGB, for every command, and each says so."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from commands import diptych
from models import model, picture
from pictures import noise, pixels, ramp
from serving import serving
from stored import encoded, grey_profile, rgb_profile

from diptych import images

SMALL = ["data.size=32", "method.generator=unet_32", "method.width=4", "method.discriminator_width=4"]
NOTE = "colours converted from the space that its file describes to sRGB"


def photos(root: Path, *, profile: bytes | None) -> Path:
    """Pairs of which both photos have a profile; or, without one, have been brought to sRGB already."""
    for split in ("train", "test"):
        for side, seed in (("a", 0), ("b", 10)):
            for number in range(3):
                data = encoded(noise(32, 32, seed=seed + number), "PNG", icc_profile=profile or rgb_profile())
                path = root / split / side / f"{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data if profile else images.encode(images.read(data).array, "PNG"))
    return root


def test_every_command_converts_and_says_so(tmp_path: Path) -> None:
    wide, srgb = photos(tmp_path / "wide", profile=rgb_profile()), photos(tmp_path / "srgb", profile=None)
    runs, scores, results = [], [], []
    for root in (wide, srgb):
        said_so = root == wide
        checked = diptych("data", "check", root)
        assert checked.code == 0, checked.err
        assert (f"6 of 6 pictures in b: {NOTE}" in checked.out) == said_so
        out = tmp_path / f"run of {root.name}"
        options = ["data.val=0", "train.images=6", "train.batch=2", *SMALL]
        trained = diptych("train", "pix2pix", "--data", root, "--out", out, *options)
        assert trained.code == 0, trained.err
        assert (NOTE in trained.err) == said_so
        runs.append([pixels(path) for path in sorted(out.rglob("*.png")) if "sample" in path.name])
        scored = diptych("evaluate", tmp_path / "run of wide", "--data", root, "--json", "--out", tmp_path / root.name)
        assert scored.code == 0, scored.err
        found = json.loads(scored.out)
        scores.append(found["metrics"])
        assert any(NOTE in note for note in found["notes"]) == said_so
        results.append(tmp_path / f"results of {root.name}")
        made = diptych("translate", tmp_path / "run of wide", root / "test" / "a", "--out", results[-1])
        assert made.code == 0, made.err
        assert (NOTE in made.err) == said_so
    assert runs[0] == runs[1]
    assert scores[0] == scores[1]
    assert [pixels(path) for path in sorted(results[0].iterdir())] == [
        pixels(path) for path in sorted(results[1].iterdir())
    ]


def test_an_evaluation_without_pairs_says_how_the_real_pictures_were_read(tmp_path: Path) -> None:
    for number in range(4):
        for split in ("train", "test"):
            for side in ("a", "b"):
                data = encoded(noise(32, 32, seed=number), "PNG", icc_profile=rgb_profile() if side == "b" else None)
                path = tmp_path / split / side / f"{side}{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
    folder = model(tmp_path / "model", "cyclegan")
    scored = diptych("evaluate", folder, "--data", tmp_path, "--kind", "unpaired", "--out", tmp_path / "out", "--json")
    assert scored.code == 0, scored.err
    assert json.loads(scored.out)["notes"][NOTE] == 4


@pytest.mark.parametrize("colour", [True, False])
def test_the_server_converts_and_says_so(colour: bool, tmp_path: Path) -> None:
    array = ramp() if colour else ramp()[..., 0]
    wide = encoded(array, "PNG", icc_profile=rgb_profile() if colour else grey_profile())
    srgb = images.encode(images.read(wide).array, "PNG")
    model(tmp_path / "houses")
    with serving(tmp_path / "server", tmp_path / "houses", "--no-page") as client:
        answers = [
            client.post("/v1/models/houses/translate", files={"image": ("a.png", data)}, data={"seed": "1"})
            for data in (wide, srgb, picture())
        ]
    assert [answer.status_code for answer in answers] == [200] * 3
    assert ["to sRGB" in answer.headers.get("x-notes", "") for answer in answers] == [True, False, False]
    one, other, _ = (images.read(answer.content).array for answer in answers)
    np.testing.assert_array_equal(one, other)
