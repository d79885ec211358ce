"""What a translator of facades has to beat: the label map itself, and the mean colour of each class.

Run:  python benchmarks/facades_baselines.py FACADES_FOLDER
FACADES_FOLDER/{train,test} holds photo and label map side by side. The classes are told by the label maps' colours,
whose channels are multiples of 85; the means are taken over the training photos.
"""

from __future__ import annotations

import argparse

import numpy as np

from diptych.data.dataset import Data
from diptych.data.opening import open_data
from diptych.evaluation.evaluate import Translate, baseline, evaluate
from diptych.images import Picture


def classes(labels: np.ndarray) -> np.ndarray:
    """`H W 3` to class numbers `H W`, JPEG's deviations rounded away."""
    steps = np.rint(labels / 85).astype(int)
    return steps @ np.array([16, 4, 1])


def mean_colours(data: Data) -> Translate:
    """A translator that paints each class in its mean colour; classes never seen in training get that of all."""
    sums, counts = np.zeros((64, 3)), np.zeros(64)
    for _, labels, photo in data.pairs("train"):
        found = classes(labels.array).ravel()
        counts += np.bincount(found, minlength=64)
        for channel in range(3):
            sums[:, channel] += np.bincount(found, weights=photo.array[..., channel].ravel(), minlength=64)
    overall = sums.sum(axis=0) / counts.sum()
    colours = np.where(counts[:, None] > 0, sums / np.maximum(counts, 1)[:, None], overall).round().astype(np.uint8)
    return lambda picture: Picture(colours[classes(picture.array)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    data = open_data(folder=parser.parse_args().folder, direction="b2a", val=0)
    print(f"the label map taken as the photo\n{baseline(data).to_text()}")
    print(f"the mean colour of each class\n{evaluate(mean_colours(data), data).to_text()}")


if __name__ == "__main__":
    main()
