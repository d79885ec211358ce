"""As many threads compute as there are processors that no other program keeps busy.

Threads share each operation in equal parts, and all wait for the one that has to share its processor: beside one busy
process two threads do less than one. What is not known of another system than Linux is left as it is. The number of
threads changes sums in their last bits, so that one that is asked for, or OMP_NUM_THREADS, is never changed.
"""

from __future__ import annotations

import math
import multiprocessing
import os
import time
from functools import cache
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from annotated_types import Gt

Count = Annotated[int, Gt(0)] | Literal["auto"]

FIRST, EVERY = 0.5, 2.0
"""Seconds until the first look at what other programs do, and between two."""
TAKEN = 0.4
"""A processor of which other programs use so much is theirs: competing for it they would have half of it or more."""
PATIENCE = 3
"""Looks in a row that must find a processor free before it is used again."""
SPINS = "50000"
"""How often a thread looks for more to do before it sleeps; GNU's 300 000 outlast another program's turn."""


def wait_briefly() -> None:
    """Let threads that wait for others sleep soon. Of use before torch is loaded; what a user has set stays."""
    if not any(name in os.environ for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")):
        os.environ["GOMP_SPINCOUNT"] = SPINS


class Reading(NamedTuple):
    """The clock, the seconds of processors that this program has used so far, and those that all have; and how many."""

    clock: float
    own: float
    all: float
    processors: int


def read() -> Reading | None:
    """None on another system than Linux."""
    try:
        lines = Path("/proc/stat").read_text(encoding="ascii").splitlines()
        mine = {f"cpu{number}" for number in os.sched_getaffinity(0)}
        used = sum(busy(line) for line in lines if line.partition(" ")[0] in mine)
        return Reading(time.monotonic(), own_seconds(), used, len(mine))
    except (OSError, AttributeError, ValueError, IndexError):
        return None


def busy(line: str) -> float:
    """Seconds that one processor was busy; what yields to this program, as it is nicer than it, does not count."""
    user, nice, system, _, _, irq, softirq, steal = map(int, line.split()[1:9])
    return (user + system + irq + softirq + steal + (nice if os.nice(0) > 0 else 0)) / os.sysconf("SC_CLK_TCK")


def own_seconds() -> float:
    """Processor seconds of this process and of those that it started to work for it."""
    return time.process_time() + sum(seconds_of(child.pid) for child in multiprocessing.active_children())


def seconds_of(process: int | None) -> float:
    try:
        fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:  # it has ended
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


BEGINNING, BEGUN_BY = read(), os.getpid()
"""When this process began, and its number, which one forked from it does not have; the first look compares with it."""


def taken(before: Reading, now: Reading) -> float:
    """How many processors other programs kept busy from one reading to the next."""
    return max(0.0, (now.all - before.all) - (now.own - before.own)) / max(now.clock - before.clock, 1e-9)


def fitting(most: int, processors: int, others: float) -> int:
    """How many threads to use of at most `most`, where other programs keep `others` of the processors busy."""
    return max(1, min(most, processors - math.ceil(max(0.0, others - TAKEN))))


@cache
def usual() -> int:
    """How many threads torch chose by itself."""
    import torch

    return torch.get_num_threads()


class Threads:
    """torch's threads in this process, for those who look. asked: how many, or auto; most: then never more than these.

    As a context it leaves torch with the usual number.
    """

    def __init__(self, asked: Count = "auto", *, most: int | None = None) -> None:
        self.most = asked if asked != "auto" else min(most or usual(), usual())
        fixed = asked != "auto" or "OMP_NUM_THREADS" in os.environ or self.most == 1
        self.before = None if fixed else BEGINNING if os.getpid() == BEGUN_BY else read()
        self.every, self.free = FIRST, 0
        if asked != "auto" or most:
            self.use(self.most)

    def __enter__(self) -> Threads:
        return self

    def __exit__(self, *_: object) -> None:
        self.use(usual())

    def use(self, number: int) -> None:
        import torch

        usual()  # is known from before
        torch.set_num_threads(number)

    def look(self) -> str:
        """Now and then look at what other programs do, and use the threads that fit; what has changed, in words."""
        if self.before is None or time.monotonic() - self.before.clock < self.every or (now := read()) is None:
            return ""
        import torch

        others, processors = taken(self.before, now), now.processors
        self.before, self.every = now, EVERY
        number, used = fitting(self.most, processors, others), torch.get_num_threads()
        self.free = self.free + 1 if number > used else 0
        if number < used or self.free >= PATIENCE:
            self.free = 0
            self.use(number)
            return (
                f"{number} of {self.most} threads, as other programs keep {others:.1f} of {processors} processors busy"
            )
        return ""
