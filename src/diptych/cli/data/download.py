"""`diptych data download`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from diptych.errors import ConfigError, printable

if TYPE_CHECKING:
    from diptych.data.published import Published


def download(
    name: Annotated[str | None, typer.Argument(help="One of the list, which is printed without a name.")] = None,
    out: Annotated[Path | None, typer.Option(help="New folder to make; by default NAME.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="The terms are known: do not ask.")] = False,
    source: Annotated[
        str | None, typer.Option("--from", help="A mirror's address, or the archive on this machine.")
    ] = None,
) -> None:
    """Fetch a published data set, after saying its address, size and terms; what broke off goes on."""
    from rich.console import Console
    from rich.progress import DownloadColumn, Progress

    from diptych.data.published import PUBLISHED
    from diptych.data.published import download as fetch

    if name is None:
        for known, one in PUBLISHED.items():
            print(f"{known:24} {one.what}; {one.layout}")
        return

    def agree(published: Published, address: str, size: int | None) -> bool:
        for fact, words in facts(published, address, size).items():
            print(printable(f"{fact:9} {words}"))
        if not yes and not sys.stdin.isatty():
            raise ConfigError("nobody can be asked here whether the terms are agreed to: read them, and give --yes")
        return yes or typer.confirm("Fetch it on these terms?")

    with Progress(
        *Progress.get_default_columns(), DownloadColumn(), console=Console(stderr=True), transient=True
    ) as bar:
        bar.stop()
        task = bar.add_task("fetching", total=None)

        def report(done: int, total: int | None) -> None:
            bar.start()
            bar.update(task, completed=done, total=total)

        made = fetch(name, out or Path(name), source=source, agree=agree, progress=report)
    if made:
        print(printable(f"{made['files']} files in {out or name}; sha256 of the archive: {made['sha256']}"))


def facts(published: Published, address: str, size: int | None) -> dict[str, str]:
    """What a user should know before fetching."""
    from diptych.runtime.memory import size as words

    return {
        "what": f"{published.what}; {published.layout}",
        "from": address,
        "size": "not said by the server" if size is None else words(size),
        "terms": published.terms,
        "cite": published.citation,
        "sha256": published.sha256 or "not published; that of what comes is printed and recorded",
    }
