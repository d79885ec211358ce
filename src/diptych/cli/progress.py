"""Progress on standard error, gone when the work is done."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def counting(what: str) -> Iterator[Callable[[int], None]]:
    """A function to call with the number of pictures done; meanwhile torch leaves other programs their processors."""
    from rich.console import Console
    from rich.progress import Progress

    from diptych.runtime.threads import Threads

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task, threads = progress.add_task(what, total=None), Threads()

        def report(done: int) -> None:
            progress.update(task, completed=done)
            threads.look()

        yield report
