"""Pictures, and tiny translators, for tests of tiles."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from small import SMALL

from diptych.images import Picture
from diptych.methods import find
from diptych.model.translator import Translator
from diptych.testing import batch, begin, bundle
from diptych.tiling import Network, Tiling

WHOLE = Tiling("off")
TILES = Tiling("exact", size=64, blend=4)


def scene(height: int, width: int, channels: int = 3) -> Picture:
    """A bright half and a dark half, so that tiles by themselves would have other statistics."""
    y, x = np.mgrid[:height, :width]
    array = np.stack([60 + 40 * np.sin((x + 2 * y) / (5 + c)) + 100 * (x > width / 2) for c in range(channels)], axis=2)
    return Picture(array.clip(0, 255).astype(np.uint8))


def translator(method: str, **options: object) -> Translator:
    translator = bundle(find(method), {**SMALL[method], **options})
    for weight in translator.method.parameters():  # what is drawn for training is nearly nothing in use
        if weight.dim() == 4:
            torch.nn.init.kaiming_normal_(weight)
    if method == "spade":  # whose features grow without a norm that holds them
        head, made = translator.method.g.generator.head, []
        watch = head.register_forward_hook(lambda module, given, result: made.append(result))
        translator.method.translate(torch.rand(1, translator.card.source.channels, 256, 256) * 2 - 1)
        watch.remove()
        head.weight.div_(float(made[0].std()))
    return translator


def trained(method: str, **options: object) -> Translator:
    """With weights as a few steps leave them."""
    options = {**SMALL[method], **options}
    trainer = begin(find(method), options)
    for number in range(8):
        trainer.step(batch(trainer.method, number))
    translator = bundle(find(method), options)
    translator.method.load_state_dict(trainer.method.state_dict())
    return translator


def decibels(one: Picture, other: Picture) -> float:
    error = np.square(one.array.astype(float) - other.array).mean()
    return 10 * np.log10(255**2 / max(error, 1e-9))


def both(
    translator: Translator, picture: Picture, tiling: Tiling = TILES, **controls: object
) -> tuple[Picture, Picture]:
    found = []
    for one in (WHOLE, tiling):
        translator.tiling = one
        found.append(translator(picture, **controls))
    return found[0], found[1]


def network(translate: Callable[[torch.Tensor], torch.Tensor]) -> Network:
    """Of one input, a tensor."""
    return Network(lambda shown: {"x": shown.clone()}, lambda given: translate(given.pop("x")), torch.inference_mode)
