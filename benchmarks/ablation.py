"""What each part of `paired` or `unpaired` gives: as it is, and with one part changed, at equal numbers of images.

Run:  python benchmarks/ablation.py RECIPE DATA --out FOLDER [--images 2400] [--seeds 0 1 2] [--only NAME ...]

Options after --, as data.size=128, go to every training. Each variant is trained and scored by the command line; what
is there already is not trained again. Printed: scores on the test pictures, mean and range over the seeds, and seconds
of training beside the convolution rate of this machine.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from statistics import mean

from diptych.options.recipes import read_recipe
from diptych.training.recipe import resolve

PAIRED: dict[str, list[str]] = {
    "as it is": [],
    "without an adversary": ["method.gan=0"],
    "adversary, three times the weight": ["method.gan=0.3"],
    "discriminator on pixels": ["method.discriminator=pixels"],
    "discriminator on pixels, ten times the weight": ["method.discriminator=pixels", "method.gan=1"],
    "discriminator on pixels, without R1 and R2": ["method.discriminator=pixels", "method.penalty=0"],
    "without deep features": ["method.network=none"],
    "deep features alone": ["method.gan=0", "method.l1=0"],
    "two blocks at each size": ["method.blocks=2"],
    "half as wide": ["method.width=16"],
    "batches of 8": ["train.batch=8"],
    "half the rate": ["train.lr_scale=0.5"],
    "twice the rate": ["train.lr_scale=2"],
    "without an average of weights": ["train.ema=0"],
    "discriminator sees augmented pictures": ["stabilizers.diffaugment=colour,translation,cutout"],
}
UNPAIRED: dict[str, list[str]] = {
    "as it is": [],
    "discriminator on pixels": ["method.network=none"],
    "discriminator on pixels, R1 and R2 ten times as strong": ["method.network=none", "method.penalty=5"],
    "half the contrast of patches": ["method.nce=0.5"],
    "twice the contrast of patches": ["method.nce=2"],
    "without identity": ["method.identity=0"],
    "one block at each size": ["method.blocks=1"],
    "half as wide": ["method.width=16"],
    "batches of 8": ["train.batch=8", "train.ema=0.99"],
    "discriminator sees augmented pictures": ["stabilizers.diffaugment=colour,translation,cutout"],
}
VARIANTS = {"paired": PAIRED, "unpaired": UNPAIRED}
SCORES = ("lpips_squeeze", "psnr", "kd_squeezenet", "features_resnet_nsfw", "kd_resnet_nsfw")
"""Of these, those that the data have: with pairs to test on, or without."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipe")
    parser.add_argument("data")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--images", type=int, default=2400)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--only", nargs="+", metavar="NAME")
    parser.add_argument(
        "--evaluate", action="append", default=[], metavar="OPTION", help="as --evaluate=--size=256x192"
    )
    cut = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    asked = parser.parse_args(sys.argv[1:cut])
    asked.options = sys.argv[cut + 1 :]
    variants = VARIANTS[str(resolve(read_recipe(Path(asked.recipe))).name)]
    if unknown := set(asked.only or []) - set(variants):
        parser.error(f"--only {', '.join(unknown)}: there are {', '.join(variants)}")

    for number, name in enumerate(asked.only or variants):
        runs = [run(asked, name, variants[name], seed) for seed in asked.seeds]
        scores = list(runs[0])
        if number == 0:
            print(f"| {asked.images} images | {' | '.join(scores)} |\n|---|{'---|' * len(scores)}")
        print(f"| {name} | {' | '.join(words([one[score] for one in runs]) for score in scores)} |", flush=True)
    print(diptych("doctor").splitlines()[-1].strip())


def run(asked: argparse.Namespace, name: str, options: list[str], seed: int) -> dict[str, float]:
    """Train and score one variant; what it scored."""
    folder = asked.out / f"{name.replace(' ', '-').replace(',', '')}-{seed}"
    written = folder / "ablation.json"
    if not written.exists():
        start = time.perf_counter()
        options = [f"train.images={asked.images}", f"train.seed={seed}", "train.best=last", *asked.options, *options]
        diptych("train", asked.recipe, "--data", asked.data, "--out", str(folder), *options)
        seconds = time.perf_counter() - start
        said = json.loads(diptych("evaluate", str(folder), "--data", asked.data, "--json", *asked.evaluate))
        scores = {score: said["metrics"][score]["value"] for score in SCORES if score in said["metrics"]}
        written.write_text(json.dumps({**scores, "seconds": seconds}))
    return json.loads(written.read_text())


def diptych(*arguments: str) -> str:
    done = subprocess.run([sys.executable, "-m", "diptych", *arguments], text=True, capture_output=True)
    if done.returncode:
        sys.exit(done.stderr)
    return done.stdout


def words(values: list[float]) -> str:
    """A mean, and the smallest and the largest where there are several."""
    digits = 0 if max(values) >= 60 else 3
    apart = f" ({min(values):.{digits}f} to {max(values):.{digits}f})" if len(values) > 1 else ""
    return f"{mean(values):.{digits}f}{apart}"


if __name__ == "__main__":
    main()
