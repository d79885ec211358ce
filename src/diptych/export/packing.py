"""A model made ready to be passed on: without what only training needs, in half the bytes, with examples and scores."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from diptych import images
from diptych.errors import ConfigError, DataError
from diptych.export.comparing import scene
from diptych.images import Picture
from diptych.model import folder as model_folder
from diptych.model.preparing import mirror_pad, prepare
from diptych.model.translator import Translator

SCENE = 128
"""Pixels a side of the made-up picture that models are compared on where there is no example."""

PREVIEW = 640
"""Pixels of the longer side of a preview, at most: that of large pictures would take more bytes than their model."""


def pack(
    model: Path,
    out: Path,
    *,
    half: bool = False,
    examples: Sequence[Path] = (),
    scores: Mapping[str, Any] | None = None,
) -> Translator:
    """Write a translator folder to `out`, to be passed on, and return what it loads as.

    half: weights in float16, half the bytes; what that changes is measured on the examples and stated in the card. In
    use they are float32. examples: pictures to try it on, instead of those in `model`. scores: instead of the card's.

    Raises ConfigError for more examples than a folder holds, DataError for one that cannot be read, ModelError where
    there is no model, something else is at `out`, or a weight is too large for float16.
    """
    if len(examples) > len(model_folder.EXAMPLES):
        raise ConfigError(f"{len(examples)} examples: give at most {len(model_folder.EXAMPLES)}")
    folder = model_folder.resolve(model)
    translator = Translator.load(folder, device="cpu")
    source = translator.ends()[0]
    shown = [translator.opened(path, source) for path in examples or model_folder.examples(folder)]
    card = translator.card.model_copy(update={"scores": dict(scores)} if scores is not None else {})
    if half:
        rounded = Translator(halved(translator), card, device="cpu")
        card = card.model_copy(update={"stored": f"in float16: {difference(translator, rounded, shown)}"})
    preview = folder / "preview.png"
    indices = source.legend is not None
    kept = [images.read(path, indices=indices) for path in examples or model_folder.examples(folder)]
    model_folder.write(
        out, translator.method, card, everything=False, half=half,
        preview=images.reduced(images.read(preview).array, PREVIEW) if preview.is_file() else None, examples=kept,
    )  # fmt: skip
    return Translator.load(out, device="cpu")


def halved(translator: Translator) -> Any:
    """A copy of the method, its weights rounded to float16 and back."""
    method = copy.deepcopy(translator.method)
    model_folder.fill(method, model_folder.rounded(method.state_dict()), translator.card.title())
    return method.requires_grad_(False)


def difference(translator: Translator, rounded: Translator, pictures: Sequence[Picture]) -> str:
    """How far two translators are from one another, in words."""
    controls = translator.of_method(translator.checked({}))
    inputs = [one_of(translator, picture) for picture in pictures] or [scene(translator, controls, SCENE, SCENE)]
    off = torch.cat([(translator.batch(x, **controls) - rounded.batch(x, **controls)).abs().flatten() for x in inputs])
    on = "its examples" if pictures else "a made-up picture"
    return f"on {on}, values in [-1, 1] change by {float(off.max()):.1g} at most, {float(off.mean()):.1g} on average"


def one_of(translator: Translator, picture: Picture) -> Tensor:
    """A picture as a batch of one."""
    source = translator.given_ends()[0]
    given = translator.given(picture, translator.checked({}))
    return mirror_pad(prepare(given, source)[None], translator.method.size_multiple)


def read_scores(path: Path) -> dict[str, Any]:
    """The scores in what `diptych evaluate --json` printed. Raises DataError."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))["metrics"]
        return {
            name: {part: score[part] for part in ("value", "low", "high", "count")} for name, score in found.items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path} holds no scores ({error}): write it by diptych evaluate --json") from None
