"""Options that several commands have, and the model that they name."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from diptych.cli.ready import at_hand

if TYPE_CHECKING:
    from diptych.model.translator import Translator

Model = Annotated[
    Path, typer.Argument(help="A translator folder, a run folder, or a ready model's name.", callback=at_hand)
]
Device = Annotated[str, typer.Option(help="auto, cpu, mps, cuda, cuda:1 ...")]
Bf16 = Annotated[bool, typer.Option("--bf16", help="Faster arithmetic with a slight loss; see docs/benchmarks.md.")]
Snap = Annotated[bool, typer.Option("--snap-colours", help="Of smeared label maps take the nearest classes.")]
Compile = Annotated[bool, typer.Option("--compile", help="Fused code: a minute at the start, then faster.")]
Batch = Annotated[int, typer.Option(min=1, help="Pictures of one size translated at once.")]
LimitMp = Annotated[float, typer.Option(min=1e-6, help="Largest picture accepted, in million pixels.")]
Certificate = Annotated[Path | None, typer.Option(help="PEM file to sign with: a private key and its chain.")]
Mark = Annotated[bool, typer.Option("--mark", help="Also mark the pixels, invisibly.")]


def load(model: Path, device: str, bf16: bool, compile: bool, snap_colours: bool) -> Translator:
    from diptych.export.acceleration import ACCELERATIONS, open_translator
    from diptych.runtime.precision import explain, fastest
    from diptych.runtime.threads import Threads

    name = "-".join(word for word, wanted in (("bf16", bf16), ("compile", compile)) if wanted) or "plain"
    ACCELERATIONS[name].speed.start()
    if changed := Threads().look():
        print(f"{changed}; OMP_NUM_THREADS fixes their number", file=sys.stderr)
    translator = open_translator(model, name, device=device, snap_colours=snap_colours)
    if bf16 and not fastest(translator.device).bf16:
        print(f"{explain(True, translator.device)}: leave --bf16 out", file=sys.stderr)
    return translator
