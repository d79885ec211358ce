"""`diptych data check`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from diptych.cli.data.maps import Maps, named
from diptych.errors import ConfigError, DataError, printable

if TYPE_CHECKING:
    from diptych.data.audit import Examination


def check(
    folder: Annotated[Path | None, typer.Argument(help="The pictures; or give two folders by --a and --b.")] = None,
    a: Annotated[Path | None, typer.Option(help="Folder of one kind of pictures.")] = None,
    b: Annotated[Path | None, typer.Option(help="Folder of the other kind.")] = None,
    kind: Annotated[str, typer.Option(help="auto, or a layout, as data.kind in training.")] = "auto",
    direction: Annotated[
        str, typer.Option(help="As in training; of more folders, the two to look at: labels2day.")
    ] = "auto",
    labels: Annotated[str | None, typer.Option(help="The side whose pictures are label maps, by its name.")] = None,
    legend: Annotated[str | None, typer.Option(help="What they mean; by default legend.yaml in the folder.")] = None,
    snap_colours: Annotated[
        bool, typer.Option("--snap-colours", help="Of smeared label maps take the nearest classes.")
    ] = False,
    maps: Maps = None,
    texts: Annotated[bool, typer.Option("--texts", help="Each picture has a text beside it.")] = False,
    groups: Annotated[str | None, typer.Option(help="What a group shares in its names, as data.groups.")] = None,
    limit_mp: Annotated[float, typer.Option(help="Largest picture accepted, in million pixels, above 0.")] = 50.0,
    fix: Annotated[Path | None, typer.Option(help="New folder to copy what is good to.")] = None,
    link: Annotated[bool, typer.Option("--link", help="With --fix: hard links instead of copies.")] = False,
    html: Annotated[Path | None, typer.Option(help="Page to write, with the pictures of the findings.")] = None,
    manifest: Annotated[Path | None, typer.Option(help="File to write, with a line of JSON for each picture.")] = None,
    source: Annotated[str | None, typer.Option(help="Where the pictures come from, for the manifest.")] = None,
    licence: Annotated[str | None, typer.Option(help="Their licence, for the manifest.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Say what a folder holds, or two, what is wrong with it, every faulty file by name, and whether to train on it."""
    from diptych.data.audit import examine

    found = examine(
        folder, a=a, b=b, kind=kind, direction=direction, labels=labels, legend=legend, snap_colours=snap_colours,
        maps=named(maps or []), texts=texts, groups=groups, limit_mp=limit_mp,
    )  # fmt: skip
    if link and fix is None:
        raise ConfigError("--link goes with --fix OUT")
    left = fixed(found, fix, link, source, licence) if fix else None
    print(json.dumps(with_left_out(found, left), indent=2) if as_json else found.audit.to_text())
    if left is not None and not as_json:
        print(printable(f"Without {len(left)} file(s) or pair(s), in {fix}/:"))
        print("\n".join(printable(f"  {name}: {why}") for name, why in left.items()))
    if manifest:
        write_manifest(found, manifest, source, licence)
    if html:
        from diptych.evaluation.audit import write_page

        write_page(html, found)
    for path in (manifest, html):
        if path and not as_json:
            print(printable(f"written: {path}"))
    if fix is None and (wrong := found.facts.wrong_ids):
        more = f"; so are {len(wrong) - 1} more label maps" if len(wrong) > 1 else ""
        raise DataError(f"{wrong[0].path} {wrong[0].what}{more}: training refuses it")


def fixed(found: Examination, out: Path, link: bool, source: str | None, licence: str | None) -> dict[str, str]:
    from diptych.data.fixing import fix

    return fix(found, out, link=link, source=source, licence=licence)


def with_left_out(found: Examination, left: dict[str, str] | None) -> dict[str, Any]:
    return {**found.audit.to_dict(), **({} if left is None else {"left_out_by_fix": left})}


def write_manifest(found: Examination, path: Path, source: str | None, licence: str | None) -> None:
    from diptych.data import manifest
    from diptych.images import file_of

    paths = (file_of(path) for item in found.folder.items() for path in item.files)
    files = {path: found.folder.relative(path) for path in paths}
    manifest.write(path, manifest.lines(found.folder, files, source=source, licence=licence))
