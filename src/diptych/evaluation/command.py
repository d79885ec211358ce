"""Evaluate a translator on a folder of pictures, in pairs or not, and write the report that shows it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import count, islice
from pathlib import Path
from typing import Any

from diptych.data.dataset import Data
from diptych.data.opening import open_data, parse_size
from diptych.errors import ConfigError, DataError, DiptychError
from diptych.evaluation.baselines import TRANSFER, UNTOUCHED, colour_transfer, colours
from diptych.evaluation.evaluate import USUAL, Evaluation, baseline, evaluate, joined
from diptych.evaluation.examples import Example, examples, set_examples
from diptych.evaluation.labels import evaluate_labels, read_back
from diptych.evaluation.report import write_report
from diptych.evaluation.results import Results
from diptych.evaluation.sets import ARTEFACTS, OUTPUT, REAL, FeatureStore, compared, evaluate_sets
from diptych.images import LIMIT_MP, Picture
from diptych.metrics.sets import find as find_sets
from diptych.model.card import Domain
from diptych.model.translator import Translator

COLOURS_FROM = 500
"""Training targets that the colour transfer is taken from, at most: the first by name."""

Sides = tuple[Domain, Domain]


def open_for(
    translator: Translator,
    folder: str | None = None,
    *,
    a: str | None = None,
    b: str | None = None,
    to: str | None = None,
    direction: str | None = None,
    kind: str | None = None,
    limit_mp: float = LIMIT_MP,
) -> Data:
    """The pictures of `folder`, or of the folders `a` and `b`, in the direction in which this translator works.

    What is not given is found out: of the directions, the one in which the names of the sides agree with the
    translator's on its way to the domain `to`, else the one in which their channels do, else a2b; of the layouts, the
    one that is recognised, or that of the training pictures where it tells pairs. Raises DataError or ConfigError
    where no way leads there.
    """
    source, target = sides = translator.ends(to)
    turned = (target.name, source.name) == translator.directions[0] != (source.name, target.name)
    by_role = ["b2a", "a2b"] if turned else ["a2b", "b2a"]
    ways = [direction] if direction else [f"{source.name}2{target.name}", *by_role]
    trained_on = translator.card.data.get("kind", "auto")
    pairs = trained_on in ("side by side", "two folders", "one folder")
    maps = label_maps(sides)
    opened: list[Data] = []
    faults: dict[str, DiptychError] = {}
    for layout in [kind] if kind else ["auto", trained_on] if pairs else ["auto"]:
        for way in ways:
            options: dict[str, Any] = {"direction": way, "kind": layout, "limit_mp": limit_mp, **maps}
            options["ranges"] = set_ranges(translator, turned)
            options["snap_colours"] = bool(maps) and translator.snap_colours
            options["instances"] = translator.card.data.get("instances") if maps else None
            options["maps"] = translator.card.data.get("maps")
            options["axis"] = translator.card.data.get("axis", "k")
            options["neighbours"] = source.neighbours
            options["texts"] = translator.card.data.get("texts", False)
            try:
                data = open_data(translator.task, folder=folder, a=a, b=b, **options, val=0, enlarge=True)
            except (ConfigError, DataError) as error:
                faults.setdefault(way, error)
                continue
            if all(agreement(data, sides, pairs)):
                return data
            opened.append(data)
    if not opened:
        raise faults[ways[0] if maps else direction or "a2b"]
    return max(opened, key=lambda data: agreement(data, sides, pairs))


def open_as_it_is(**options: Any) -> Data:
    """The pictures of a folder for no certain model. options: of `open_data`; those that are None are not given."""
    given: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    return open_data(**given, val=0, enlarge=True)


def set_ranges(translator: Translator, turned: bool) -> dict[str, list[float]]:
    """The ranges that were asked for in training, by role, on the usual way or turned round."""
    other = {"source": "target", "target": "source"}
    ranges = translator.card.data.get("ranges", {})
    return {other[role] if turned else role: span for role, span in ranges.items() if role in other}


def label_maps(sides: Sides) -> dict[str, Any]:
    """Which of the sides is of label maps, and what they mean, as options of `open_data`."""
    for role, side in zip(("source", "target"), sides, strict=True):
        if side.legend:
            return {"labels": role, "legend": side.legend.model_dump(include={"classes"})}
    return {}


def agreement(data: Data, sides: Sides, pairs: bool) -> tuple[bool, bool, bool]:
    """Whether there are pairs if they are wanted, and whether names and channels of the data's sides are these."""
    names, channels = tuple(side.name for side in sides), tuple(side.channels for side in sides)
    return data.paired or not pairs, data.names[:2] == names, data.channels[:2] == channels


def evaluate_folder(
    translator: Translator,
    folder: str | None = None,
    *,
    out: Path,
    a: str | None = None,
    b: str | None = None,
    split: str = "test",
    to: str | None = None,
    samples: int = 1,
    direction: str | None = None,
    kind: str | None = None,
    size: int | str | None = None,
    limit: int | None = None,
    limit_mp: float = LIMIT_MP,
    reader: Translator | None = None,
    metrics: Sequence[str] = (),
    log: list[dict[str, float]] | None = None,
    progress: Callable[[int], None] | None = None,
) -> tuple[Evaluation, Path]:
    """Score the translator on one split of `folder`, or of `a` and `b`; report.html and grid.png go to `out`.

    Pairs are scored as such. Without pairs the outputs are compared with the real pictures as sets; pairs by name in
    the split of an unpaired folder are scored too. to: the domain to translate to, of a translator that works both
    ways; by default its target. samples: answers to each source. size: that all pictures are brought to before, as they
    were in training: 256, or "320x256" for width x height. limit: at most so many pairs, or pictures of a side.
    reader: a segmenter that reads the photos made of label maps (the FCN score). metrics: further scores of pairs, by
    the names of `diptych.metrics.find`. progress: called with the number of pictures translated.

    Raises DataError when the channels are not the translator's, ConfigError when the split is empty or the translator
    has neither this way nor several answers, or when there are no pairs of photos for the metrics.
    """
    if samples > 1:
        if translator.ends(to)[1].legend:
            raise ConfigError(f"label maps are scored one to a picture: leave out samples={samples}")
        translator.check_several({})
    if to and direction:
        raise ConfigError(f"to={to} and direction={direction} both say which way: give one of them")
    data = open_for(translator, folder, a=a, b=b, to=to, direction=direction, kind=kind, limit_mp=limit_mp)
    data.shown = None if size is None else parse_size(size)
    to = to or implied(translator, data)
    sides = translator.ends(to, of=data.names[0])
    check(data, split, sides)
    refuse_metrics(metrics, data, split)
    options: dict[str, Any] = {"controls": {"to": to} if to else {}, "answers": samples}
    evaluation = score(translator, data, split, limit=limit, progress=progress, metrics=metrics, **options)
    if reader:
        read = read_back(translator, reader, data, split, limit=limit, controls=options["controls"])
        evaluation = joined(read, evaluation)
    evaluation = replace(evaluation, precision=translator.precision)
    note_unread(evaluation, data)
    source, target = (side.name for side in sides)
    shown = look(translator, data, evaluation, names=(source, target), **options)
    card = translator.card
    title = f"{source} to {target}, by {card.method}"
    facts = card.model_dump(exclude={"scores"})
    page = write_report(out, evaluation, shown, title=title, names=(source, target), card=facts, log=log or [])
    return evaluation, page


def evaluate_results(
    results: Results,
    folder: str | None = None,
    *,
    out: Path,
    a: str | None = None,
    b: str | None = None,
    split: str = "test",
    direction: str | None = None,
    kind: str | None = None,
    size: int | str | None = None,
    limit: int | None = None,
    limit_mp: float = LIMIT_MP,
    metrics: Sequence[str] = (),
    progress: Callable[[int], None] | None = None,
) -> tuple[Evaluation, Path]:
    """Score what another program made of one split of `folder`, or of `a` and `b`, as `evaluate_folder` does a model.

    Raises DataError where a source has no result, ConfigError as there.
    """
    data = open_as_it_is(folder=folder, a=a, b=b, direction=direction, kind=kind, limit_mp=limit_mp)
    show(data, split, size)
    refuse_metrics(metrics, data, split)
    results.fit(data, sources(data, split, limit))
    options: dict[str, Any] = {"controls": {}, "answers": 1}
    evaluation = score(results, data, split, limit=limit, progress=progress, metrics=metrics, **options)
    evaluation = replace(evaluation, precision=results.precision)
    note_unread(evaluation, data)
    source, target = data.names[:2]
    shown = look(results, data, evaluation, names=(source, target), **options)
    title = f"{source} to {target}, in {results.place.resolve().name}"
    return evaluation, write_report(out, evaluation, shown, title=title, names=(source, target))


def show(data: Data, split: str, size: int | str | None) -> None:
    """Bring all pictures to a size, where one is given. Raises ConfigError where the split is empty."""
    data.shown = None if size is None else parse_size(size)
    refuse_empty(data, split)


def sources(data: Data, split: str, limit: int | None) -> list[str]:
    """The names of the first sources of a split, of its pairs where it has some."""
    return [item.name for item in islice(data.items(split) or data.singles(split)[0], limit)]


def refuse_metrics(metrics: Sequence[str], data: Data, split: str) -> None:
    """Raises ConfigError for metrics of pairs where there are none."""
    if metrics and (data.legends[1] or not data.items(split)):
        raise ConfigError(f"{', '.join(metrics)}: such scores compare photos in pairs, and the {split} split has none")


def note_unread(evaluation: Evaluation, data: Data) -> None:
    if unread := [note for note in dict.fromkeys(data.notes) if note.startswith("left out")]:
        evaluation.left_out["pictures"] = "; ".join(unread)


def implied(translator: Translator, data: Data) -> str | None:
    """The domain that the data's own direction leads to, where that is not the model's usual one.

    Raises ConfigError when the model does not go that way.
    """
    (source, target), own = translator.directions[0], data.names[:2]
    if own == (target, source) and own not in translator.directions:
        raise ConfigError(f"the model translates {source} to {target} only, not {target} to {source}")
    if own[1] not in (domain.name for domain in translator.card.domains):
        return None  # called otherwise than in training
    translator.ends(own[1])  # refuses what it does not translate to
    return own[1] if own[1] != target else None


def check(data: Data, split: str, sides: Sides) -> None:
    """Raises ConfigError when the split holds nothing to evaluate on, DataError when it is not for this translator."""
    refuse_empty(data, split)
    channels = tuple(side.channels for side in sides)
    if data.channels[:2] != channels:
        what = "pairs" if data.paired else "pictures"
        raise DataError(
            f"{data.folder.place} holds {what} of {data.channels} channels, the model translates {channels}"
        )


def refuse_empty(data: Data, split: str) -> None:
    if not all(data.singles(split)):
        filled = [name for name in ("train", "val", "test") if all(data.singles(name))]
        raise ConfigError(
            f"{data.folder.place} has no {split} split; it has: {', '.join(filled)} (choose one by --split)"
        )


def score(
    translator: Translator | Results,
    data: Data,
    split: str,
    *,
    limit: int | None = None,
    progress: Callable[[int], None] | None = None,
    metrics: Sequence[str] = (),
    **options: Any,
) -> Evaluation:
    """The scores of a split: of its pairs, and of its sides as sets where the folder has no pairs to learn from.

    metrics: besides the usual ones of pairs. options: `controls` and `answers` of `evaluate`.
    """
    done = count(1)
    common: dict[str, Any] = {"limit": limit, "progress": progress and (lambda _: progress(next(done)))}
    pairs = sets = None
    if data.items(split) and data.legends[1]:
        return evaluate_labels(translator, data, split, controls=options["controls"], **common)
    if data.items(split):
        named = tuple(dict.fromkeys((*USUAL, *metrics)))
        pairs = evaluate_pairs(translator, data, split, metrics=named, **common, **options)
        add_baselines(pairs, data, limit, named)
    if not data.paired:
        options["answers"] = 1 if pairs else options.get("answers", 1)
        sets = evaluate_sets(translator, data, split, **common, **options)
    found = [evaluation for evaluation in (sets, pairs) if evaluation]
    return joined(*found) if len(found) == 2 else found[0]


def evaluate_pairs(translator: Translator | Results, data: Data, split: str, **options: Any) -> Evaluation:
    """The scores of pairs, and whether the outputs, taken together, have marks that real pictures do not have."""
    start = time.perf_counter()
    modules = {name: find_sets(name) for name in ARTEFACTS}
    seen = FeatureStore(modules, translator.device)

    def look(output: Picture, target: Picture) -> None:
        seen.look(OUTPUT, output, data.range[1])
        seen.look(REAL, target, data.range[1])

    pairs = evaluate(translator, data, split, look=look, **options)
    both = compared(modules, seen, pairs, seed=0, start=start)
    return replace(both, metrics=pairs.metrics | both.metrics)


def add_baselines(evaluation: Evaluation, data: Data, limit: int | None, metrics: Sequence[str]) -> None:
    """Set beside the scores of pairs those of answers that need no learning, where the channels allow them."""
    if data.channels[0] != data.channels[1] or any(data.legends) or data.folder.kind == "photos twice":
        return
    split = evaluation.split
    if data.dtype[0] == data.dtype[1]:
        evaluation.baselines[UNTOUCHED] = baseline(data, split, limit=limit, metrics=metrics).metrics
    targets = (picture for _, picture in islice(data.pictures("train", 1), COLOURS_FROM))
    try:
        recoloured = colour_transfer(colours(targets), data.dtype[1], data.range[1])
    except DataError:
        evaluation.left_out[TRANSFER] = f"{data.folder.place} has no training pictures to take colours from"
        return
    evaluation.baselines[TRANSFER] = evaluate(recoloured, data, split, limit=limit, metrics=metrics).metrics


def look(translator: Translator | Results, data: Data, evaluation: Evaluation, **options: Any) -> list[Example]:
    """The pictures to show: pairs where there are some, else sources, outputs and, where there is one, the way back."""
    if data.items(evaluation.split):
        return examples(translator, data, evaluation, **options)
    back = {"to": options["names"][0]} if translator.two_way else None
    return set_examples(translator, data, evaluation, back=back, **options)
