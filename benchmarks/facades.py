"""How good pix2pix gets on facades by images seen: the paper's options, evaluated on the test pictures at marks.

Run:  python benchmarks/facades.py FACADES_FOLDER --out curve.jsonl [--seed 1] [--batch 8] [--gan none] [--ema 0.99]
One line of JSON for each mark: images, seconds of training, and lpips_squeeze and psnr, of the weights as they are and
averaged. FACADES_FOLDER/{train,test} holds photo and label map side by side.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import torch

from diptych import images
from diptych.data.opening import open_data
from diptych.evaluation.evaluate import evaluate
from diptych.methods import find
from diptych.runtime.speed import Speed
from diptych.training import snapshot
from diptych.training.recipe import Recipe, Train
from diptych.training.trainer import Trainer

METRICS = ("lpips_squeeze", "psnr")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--marks", type=int, nargs="+", default=[400, 800, 1600, 2400])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--gan", default="vanilla")
    parser.add_argument("--ema", type=float, default=0.99)
    parser.add_argument("--lr-scale", type=float, default=1.0)
    parser.add_argument("--schedule", default="constant", help="constant: as in the first half of the paper's")
    parser.add_argument("--fp32", action="store_true")
    parser.add_argument("--save", type=Path, help="also save the translator at the last mark")
    asked = parser.parse_args()

    data = open_data(folder=asked.folder, direction="b2a", val=0)
    recipe = Recipe(
        "pix2pix", {"gan": asked.gan}, {"task": "pairs"}, Train(batch=asked.batch), Speed(bf16=not asked.fp32)
    )
    torch.manual_seed(asked.seed)
    method = find("pix2pix")(**recipe.method)
    options = {"schedule": asked.schedule, "lr": asked.lr_scale, "ema": asked.ema, "seed": asked.seed}
    trainer = Trainer(method, images=max(asked.marks), speed=recipe.speed, **options)
    average, seconds = trainer.average, 0.0
    batches = data.loader(seed=asked.seed, batch=asked.batch)
    for mark in asked.marks:
        start = time.perf_counter()
        while trainer.images_seen < mark:
            batch = next(batches)
            trainer.step({name: images.to_unit(x, *data.range[0]) for name, x in batch.items()})
        seconds += time.perf_counter() - start
        row = {"images": trainer.images_seen, "seconds": round(seconds)}
        row |= {name: getattr(asked, name) for name in ("seed", "batch", "lr_scale", "gan", "ema", "fp32")}
        for name, weights in (("raw", None), ("ema", average)):
            trainer.average = weights
            translator = snapshot.translator(trainer, recipe, data, {})
            scores = evaluate(translator, data, metrics=METRICS).metrics
            for metric, score in scores.items():
                row[f"{name}.{metric}"] = [round(score[key], 4) for key in ("value", "low", "high")]
            if asked.save and mark == asked.marks[-1]:
                translator.save(asked.save / name)
        trainer.average = average
        with asked.out.open("a") as file:
            file.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
