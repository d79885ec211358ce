"""What bfloat16 costs in quality: one trained model evaluated in both arithmetics on the same pairs.

Run:  python benchmarks/bf16_cost.py MODEL DATA_FOLDER [--split test] [--limit 100]
"""

from __future__ import annotations

import argparse

from diptych.evaluation.command import open_for
from diptych.evaluation.evaluate import evaluate
from diptych.model.translator import Translator
from diptych.runtime.speed import Speed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("folder")
    parser.add_argument("--split", default="test")
    parser.add_argument("--limit", type=int)
    asked = parser.parse_args()
    scores = []
    for bf16 in (False, True):
        translator = Translator.load(asked.model, speed=Speed(bf16=bf16))
        scores.append(evaluate(translator, open_for(translator, asked.folder), asked.split, limit=asked.limit).metrics)
    for name, exact in scores[0].items():
        rounded = scores[1][name]["value"]
        difference = rounded - exact["value"]
        print(f"{name:14} float32 {exact['value']:.4f}   bfloat16 {rounded:.4f}   difference {difference:+.4f}")


if __name__ == "__main__":
    main()
