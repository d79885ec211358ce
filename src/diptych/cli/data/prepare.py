"""`diptych data prepare`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from diptych.cli.data.maps import Maps, named
from diptych.errors import printable


def prepare(
    out: Annotated[Path, typer.Option(help="New folder to make.")],
    folder: Annotated[str | None, typer.Argument(help="The pictures; or give two folders by --a and --b.")] = None,
    size: Annotated[str, typer.Option(help="As data.size in training: 256, or 320x256.")] = "256",
    load: Annotated[int | None, typer.Option(help="As data.load.", show_default="286/256 of the size")] = None,
    resize: Annotated[str, typer.Option(help="As data.resize: square, short or none.")] = "square",
    enlarge: Annotated[
        bool, typer.Option("--enlarge", help="Enlarge pictures that are smaller than the crop.")
    ] = False,
    a: Annotated[str | None, typer.Option(help="Folder of one kind of pictures.")] = None,
    b: Annotated[str | None, typer.Option(help="Folder of the other kind.")] = None,
    kind: Annotated[str, typer.Option(help="auto, or a layout, as data.kind.")] = "auto",
    direction: Annotated[str, typer.Option(help="Of more folders, the two to take: labels2day.")] = "auto",
    labels: Annotated[str | None, typer.Option(help="The side whose pictures are label maps, by its name.")] = None,
    legend: Annotated[str | None, typer.Option(help="What they mean; by default legend.yaml in the folder.")] = None,
    maps: Maps = None,
    shards: Annotated[
        bool, typer.Option("--shards", help="Few large archives instead of a file for each picture: for slow disks.")
    ] = False,
) -> None:
    """Bring a folder to the size of training once: smaller files, which every further training reads faster."""
    from diptych import tasks
    from diptych.data.finding import LEGEND
    from diptych.data.opening import open_data
    from diptych.data.preparing import prepare as write
    from diptych.data.recognising import recognise
    from diptych.options.schema import check
    from diptych.storage.shards import LARGEST

    given: dict[str, Any] = {
        "folder": folder, "a": a, "b": b, "size": size, "load": load, "resize": resize, "enlarge": enlarge,
        "kind": kind, "direction": direction, "labels": labels, "legend": legend, "maps": named(maps or []), "val": 0,
    }  # fmt: skip
    options = check({"data": open_data}, {"data": {name: value for name, value in given.items() if value is not None}})
    alone = recognise(folder, a=a, b=b, kind=kind, direction=direction, maps=given["maps"]).kind == "photos"
    data = open_data(tasks.make("itself") if alone else None, **options["data"])
    if labels is None and any((root / LEGEND).is_file() for root in data.folder.roots.values()):
        print(f"there is a {LEGEND}: a side of label maps is resized as photos unless --labels names it")
    for note in data.notes:
        print(printable(note))
    count, faults = write(data, out, shard=LARGEST if shards else None)
    for fault in faults:
        print(printable(f"left out: {fault}"))
    print(printable(f"{count} pictures in {out}; train on it with the same data.size, data.load and data.resize"))
    if faults:
        raise typer.Exit(1)
