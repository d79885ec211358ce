"""How often the 95 % interval of a mean score covers the true mean, for scores of three kinds.

python benchmarks/intervals.py              2000 draws of each kind and number, in about a minute
python benchmarks/intervals.py --draws 200  a glance
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from diptych.metrics.interval import bootstrap

KINDS = {
    "normal": (lambda rng, n: rng.normal(size=n), 0.0),
    "exponential": (lambda rng, n: rng.exponential(size=n), 1.0),
    "lognormal, sigma 1": (lambda rng, n: rng.lognormal(size=n), float(np.exp(0.5))),
}
NUMBERS = (20, 60, 200)


def coverage(kind: str, number: int, draws: int, seed: int) -> float:
    """The share of draws of so many scores whose interval holds the true mean."""
    draw, mean = KINDS[kind]
    rng = np.random.default_rng([seed, number, list(KINDS).index(kind)])
    intervals = [bootstrap(draw(rng, number), seed=k) for k in range(draws)]
    return float(np.mean([low <= mean <= high for _, low, high in intervals]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    start = time.perf_counter()
    print("| scores | " + " | ".join(f"{number} pictures" for number in NUMBERS) + " |")
    print("|---" * (len(NUMBERS) + 1) + "|")
    for kind in KINDS:
        shares = [f"{100 * coverage(kind, number, asked.draws, asked.seed):.1f} %" for number in NUMBERS]
        print(f"| {kind} | {' | '.join(shares)} |", flush=True)
    print(f"{asked.draws} draws each; {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
