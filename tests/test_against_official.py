"""The comparison with the official code: its command lines and files, with a stand-in for the checkout.

The stand-in is ours: what the real one says to these command lines is tried where there is a checkout of it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from commands import diptych
from pictures import side_by_side

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
SMALL = (
    "method.generator=unet_32 method.width=4 method.discriminator_width=4 method.discriminator_layers=1 data.size=32"
)
OPTIONS = "parser.add_argument('--{}')\n"
TRAIN = """
import json, sys
with open("said.jsonl", "a") as file:
    file.write(json.dumps(sys.argv) + "\\n")
"""
TEST = """
import pathlib, shutil, sys
given = dict(zip(sys.argv[1::2], sys.argv[2::2]))
out = pathlib.Path(given["--results_dir"], given["--name"], "test_latest", "images")
out.mkdir(parents=True)
for path in pathlib.Path(given["--dataroot"], "test").iterdir():
    for part in ("real_A", "fake_B", "real_B"):
        shutil.copy(PICTURE, out / f"{path.stem}_{part}.png")
"""


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import against_official

    def command(*words: Any) -> float:
        said = diptych(*words)
        assert said.code == 0, said.err
        return 1.0

    monkeypatch.setattr(against_official, "diptych", command)
    return against_official


@pytest.fixture
def data(tmp_path: Path) -> Path:
    side_by_side(tmp_path / "data", 6, 32)
    return side_by_side(tmp_path / "data", 2, 32, split="test")


def checkout(place: Path, picture: Path, *options: str) -> Path:
    """What passes for one, of a version with these options."""
    (place / "options").mkdir(parents=True)
    (place / "options" / "base_options.py").write_text("".join(map(OPTIONS.format, options)))
    (place / "train.py").write_text(TRAIN)
    (place / "test.py").write_text(f"PICTURE = {str(picture)!r}\n" + TEST)
    return place


def picture(place: Path) -> Path:
    from PIL import Image

    Image.new("RGB", (32, 32), (90, 60, 30)).save(place / "answer.png")
    return place / "answer.png"


def test_both_are_trained_as_long_and_scored_on_the_same_pictures(
    script: Any, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("gpu_ids", "display_id", "n_epochs", "n_epochs_decay", "no_html")
    theirs = checkout(tmp_path / "theirs", picture(tmp_path), *options)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(script.Official, "train", lambda self, minutes: (self.run(self.train_command("whole", 3)), 3))
    arguments = ["--checkout", str(theirs), "--data", str(data), "--minutes", "0.01", "--direction", "BtoA"]
    monkeypatch.setattr(sys, "argv", ["against_official.py", *arguments, "--ours", SMALL, "--theirs", "--netG unet_32"])
    script.main()
    *_, head, _, official, own = capsys.readouterr().out.splitlines()
    assert head == "| | minutes | lpips_squeeze | psnr | ssim |"
    assert official.startswith("| official pix2pix, 3 epochs | 0.0")
    assert own.startswith("| Diptych, pix2pix | 0.0")
    (said,) = map(json.loads, (theirs / "said.jsonl").read_text().splitlines())
    given = dict(zip(said[1::2], said[2::2], strict=False))
    assert given["--dataroot"] == str(data)
    assert (given["--name"], given["--model"], given["--direction"]) == ("whole", "pix2pix", "BtoA")
    assert (given["--n_epochs"], given["--n_epochs_decay"]) == ("2", "1")
    assert "--no_html" in said
    assert "--netG unet_32" in " ".join(said)
    assert "--display_id -1" in " ".join(said)


def test_as_many_epochs_are_trained_as_fit(script: Any, data: Path, tmp_path: Path) -> None:
    theirs = checkout(tmp_path / "theirs", picture(tmp_path), "niter", "niter_decay")
    official = script.Official(theirs, data, "cycle_gan", "AtoB", tmp_path / "out", [])
    commands: list[list[str]] = []
    official.run = lambda command: (commands.append(command), 25.0)[1]
    assert official.train(10) == (25.0, 24)
    first, whole = (" ".join(command) for command in commands)
    assert "--niter 1 --niter_decay 0" in first
    assert "--niter 12 --niter_decay 12" in whole
    assert "--gpu_ids" not in whole, "it is not known to this version"


def test_a_translation_that_is_missing_is_named(script: Any, data: Path) -> None:
    opened = script.open_data(folder=str(data), direction="b2a", val=0, enlarge=True)
    with pytest.raises(SystemExit, match="there is no translation, but of none"):
        script.scores(opened, {})


def test_what_is_no_checkout_is_refused(script: Any, data: Path, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"is no checkout of pytorch-CycleGAN-and-pix2pix: no train\.py"):
        script.Official(tmp_path, data, "pix2pix", "AtoB", tmp_path / "out", [])
