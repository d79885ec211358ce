"""pix2pix and CycleGAN at equal time on the same machine: the official PyTorch code against Diptych.

    python benchmarks/against_official.py --checkout PATH --data DATAROOT --minutes 30 [--model pix2pix|cycle_gan]
        [--direction BtoA] [--method paired ...] [--theirs "--netG unet_128"] [--ours "data.size=128"] [--out DIR]

PATH is a checkout of github.com/junyanz/pytorch-CycleGAN-and-pix2pix with what it needs installed; DATAROOT a folder as
it expects it: train/ and test/ with A and B side by side, or trainA, trainB, testA and testB. Theirs is run by its own
command line: one epoch to learn its speed, then as many as fit into the minutes, half of them at the full learning rate
and half falling, as published. Ours gets the time that theirs took, by train.minutes: the method of the same paper, and
each --method. All translate the same test pictures into files, which are scored alike: pairs by lpips_squeeze, psnr
and ssim, sets by kd_squeezenet.
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from timing import machine

from diptych import images, metrics
from diptych.data.dataset import Data
from diptych.data.opening import open_data
from diptych.errors import WeightsError
from diptych.metrics import sets
from diptych.metrics.interval import bootstrap

OURS = {"pix2pix": "pix2pix", "cycle_gan": "cyclegan"}
PAIRED = ("lpips_squeeze", "psnr", "ssim")
QUIET = {"display_id": "-1", "gpu_ids": "-1"}
"""No visdom; and the processor, where there is no graphics card."""


class Official:
    """A checkout of the official code, and the command lines that it takes; which options it knows it says itself."""

    def __init__(self, checkout: Path, data: Path, model: str, direction: str, out: Path, more: list[str]) -> None:
        self.checkout, self.out, self.more, self.model = checkout.resolve(), out.resolve() / "official", more, model
        self.common = ["--dataroot", str(data.resolve()), "--model", model, "--direction", direction]
        self.common += ["--checkpoints_dir", str(self.out / "checkpoints")]
        if not (self.checkout / "train.py").is_file() or not (self.checkout / "options").is_dir():
            raise SystemExit(f"{checkout} is no checkout of pytorch-CycleGAN-and-pix2pix: no train.py or no options/")
        texts = (path.read_text(encoding="utf-8") for path in sorted((self.checkout / "options").glob("*.py")))
        self.options = "\n".join(texts)

    def known(self, *names: str) -> str:
        """The first of the names of an option that this version has; "" for none."""
        return next((name for name in names if f"--{name}'" in self.options or f'--{name}"' in self.options), "")

    def settings(self, *names: str) -> list[str]:
        skip = {"gpu_ids"} if torch.cuda.is_available() else set()
        return [word for name in names if name not in skip and self.known(name) for word in (f"--{name}", QUIET[name])]

    def train_command(self, name: str, epochs: int) -> list[str]:
        """So many epochs: the first half at the full learning rate."""
        hold, fall = self.known("n_epochs", "niter"), self.known("n_epochs_decay", "niter_decay")
        if not (hold and fall):
            raise SystemExit(f"{self.checkout} has no option for the number of epochs that is known here")
        length = [f"--{hold}", str(epochs - epochs // 2), f"--{fall}", str(epochs // 2)]
        html = ["--no_html"] if self.known("no_html") else []
        command = [sys.executable, "train.py", "--name", name, *self.common, *length, *html]
        return [*command, *self.settings("gpu_ids", "display_id"), *self.more]

    def test_command(self, name: str) -> list[str]:
        command = [sys.executable, "test.py", "--name", name, *self.common, "--results_dir", str(self.out / "results")]
        return [*command, "--num_test", "1000000", *self.settings("gpu_ids"), *self.more]

    def run(self, command: list[str]) -> float:
        """Seconds of a command; what it says goes to a file."""
        self.out.mkdir(parents=True, exist_ok=True)
        begun = time.monotonic()
        with (self.out / "log.txt").open("a", encoding="utf-8") as log:
            log.write(f"\n$ {shlex.join(command)}\n")
            log.flush()
            done = subprocess.run(command, cwd=self.checkout, stdout=log, stderr=subprocess.STDOUT, check=False)
        if done.returncode:
            raise SystemExit(f"the official code ended with {done.returncode}: {shlex.join(command)}; see {log.name}")
        return time.monotonic() - begun

    def train(self, minutes: float) -> tuple[float, int]:
        """Train for so long, or as many whole epochs as are nearest to it: the seconds that it took, and the epochs."""
        one = self.run(self.train_command("speed", 1))
        epochs = max(1, round(60 * minutes / one))
        return self.run(self.train_command("whole", epochs)), epochs

    def outputs(self) -> dict[str, Path]:
        """What it makes of the test pictures, by their names without suffix."""
        self.run(self.test_command("whole"))
        folder = self.out / "results" / "whole" / "test_latest" / "images"
        return {path.name.removesuffix("_fake_B.png"): path for path in sorted(folder.glob("*_fake_B.png"))}


def diptych(*words: str | Path) -> float:
    """Seconds of one of our commands."""
    begun = time.monotonic()
    subprocess.run([sys.executable, "-m", "diptych", *map(str, words)], check=True)
    return time.monotonic() - begun


def ours(method: str, data: Data, asked: argparse.Namespace, minutes: float) -> tuple[float, dict[str, Path]]:
    """Train a method of ours for so many minutes: the seconds that it took, and what it makes of the test pictures."""
    run, sources, results = (asked.out / method / part for part in ("run", "sources", "results"))
    direction = "b2a" if asked.direction == "BtoA" else "a2b"
    seconds = diptych(
        "train", method, "--data", asked.data, "--direction", direction, "--out", run, f"train.minutes={minutes}",
        *shlex.split(asked.ours),
    )  # fmt: skip
    for name, source, _ in examples(data):
        images.write(sources / f"{name}.png", source)
    diptych("translate", run, sources, "--out", results)
    return seconds, {path.stem: path for path in sorted(results.glob("*.png"))}


def examples(data: Data) -> Iterator[tuple[str, np.ndarray, np.ndarray | None]]:
    """Name, source and, of a pair, target of the test pictures."""
    if data.items("test"):
        for name, source, target in data.pairs("test"):
            yield Path(name).stem, source.array, target.array
    else:
        for name, picture in data.pictures("test", 0):
            yield Path(name).stem, picture.array, None


def stacked(arrays: list[np.ndarray]) -> torch.Tensor:
    return torch.stack([images.to_unit(array, 0, 255) for array in arrays])


def scores(data: Data, outputs: dict[str, Path]) -> dict[str, str]:
    """Mean and interval of every metric whose weights are at hand. All pictures must be there, in the targets' size."""
    made, targets = [], []
    for name, _, target in examples(data):
        if name not in outputs:
            raise SystemExit(
                f"of the test picture {name} there is no translation, but of {', '.join(outputs) or 'none'}"
            )
        made.append(images.read(outputs[name]).array)
        if target is not None:
            targets.append(images.resize(target, *made[-1].shape[:2]))
    if targets:
        return {name: paired(name, made, targets) for name in PAIRED}
    shape = made[0].shape[:2]
    real = [images.resize(picture.array, *shape) for _, picture in data.pictures("test", 1)]
    return {"kd_squeezenet": apart("kd_squeezenet", made, real)}


def paired(name: str, made: list[np.ndarray], targets: list[np.ndarray]) -> str:
    try:
        measure = metrics.find(name).measure
        pairs = zip(made, targets, strict=True)
        return words(bootstrap([float(measure(stacked([one]), stacked([other]))) for one, other in pairs]))
    except WeightsError as error:
        return f"left out: {error}".partition(":")[0]


def apart(name: str, made: list[np.ndarray], real: list[np.ndarray]) -> str:
    metric = sets.find(name)
    try:
        seen = [np.concatenate([metric.features(stacked([one])) for one in some]) for some in (made, real)]
        return words(metric.compare(*seen, size=min(map(len, seen))))
    except WeightsError:
        return "left out"


def words(interval: tuple[float, float, float]) -> str:
    value, low, high = interval
    return f"{value:.4g} ({low:.4g} to {high:.4g})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkout", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("--model", choices=list(OURS), default="pix2pix")
    parser.add_argument("--direction", choices=["AtoB", "BtoA"], default="AtoB")
    parser.add_argument("--method", action="append", default=[], help="another method of ours; may be given again")
    parser.add_argument("--theirs", default="", help="more options of their train.py and test.py")
    parser.add_argument("--ours", default="", help="more options of diptych train")
    parser.add_argument("--out", type=Path, default=Path("against-official"))
    asked = parser.parse_args()
    print(machine())
    way = "b2a" if asked.direction == "BtoA" else "a2b"
    data = open_data(folder=str(asked.data), direction=way, val=0, enlarge=True)  # whole test pictures alone are read
    more = shlex.split(asked.theirs)
    official = Official(asked.checkout, asked.data, asked.model, asked.direction, asked.out, more)
    seconds, epochs = official.train(asked.minutes)
    rows = {f"official {asked.model}, {epochs} epochs": (seconds, scores(data, official.outputs()))}
    for method in dict.fromkeys([OURS[asked.model], *asked.method]):
        took, outputs = ours(method, data, asked, seconds / 60)
        rows[f"Diptych, {method}"] = (took, scores(data, outputs))
    names = list(next(iter(rows.values()))[1])
    print(f"\n| | minutes | {' | '.join(names)} |\n|---|---|{'---|' * len(names)}")
    for name, (took, found) in rows.items():
        print(f"| {name} | {took / 60:.2f} | {' | '.join(found.values())} |")


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    main()
