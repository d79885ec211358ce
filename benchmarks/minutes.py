"""Whether a training of so many minutes takes them: `python benchmarks/minutes.py [--minutes 0.5 1 3]`.

Trains on the built-in streets by the command line, each training beside an undisturbed machine and once beside a
process that computes for the middle third of it. What is measured is the whole command, less the start of Python: from
its beginning to its end. The exit code is 1 where one is more than 5 % off, or its schedule was not at its end.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from timing import machine

from diptych.data.samples import write_samples
from diptych.training import checkpoint

ALLOWED = 0.05
SMALL = {
    "pix2pix": ["method.width=32", "method.discriminator_width=32"],
    "cyclegan": ["method.width=16", "method.discriminator_width=16", "method.blocks=4"],
}


def start_of_python() -> float:
    """Seconds until a command begins to do anything."""
    begun = time.monotonic()
    subprocess.run([sys.executable, "-c", "import diptych.training.run"], check=True)
    return time.monotonic() - begun


@contextmanager
def disturbed(seconds: float) -> Iterator[None]:
    """A process that computes from a third of so many seconds to two thirds."""
    code = f"import time\ntime.sleep({seconds / 3})\nend = time.time() + {seconds / 3}\nwhile time.time() < end: pass"
    with subprocess.Popen([sys.executable, "-c", code]) as other:
        yield
        other.kill()


def taken(method: str, minutes: float, data: Path, out: Path) -> float:
    """Seconds of the command."""
    begun = time.monotonic()
    command = [sys.executable, "-m", "diptych", "train", method, "--data", str(data), "--out", str(out)]
    given = [*SMALL[method], "data.direction=labels2day", "data.size=128", "train.batch=4", f"train.minutes={minutes}"]
    subprocess.run([*command, *given], check=True, capture_output=True)
    return time.monotonic() - begun


def last_progress(run: Path) -> float:
    """How far the schedule was when the last image was planned for the last time."""
    state = checkpoint.read(run / "checkpoint")
    assert state
    return float(state["time"]["course"][2])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, nargs="+", default=[0.5, 1, 3])
    asked = parser.parse_args()
    print(machine())
    off, python = 0, start_of_python()
    with tempfile.TemporaryDirectory() as folder:
        data = write_samples("street", Path(folder) / "street", count=300, size=128)
        print("| method | minutes | beside | seconds | off | images |\n|---|---|---|---|---|---|")
        for method in SMALL:
            for minutes in asked.minutes:
                for beside in ("nothing", "a busy process"):
                    out = Path(folder) / f"{method}-{minutes}-{beside}"
                    with disturbed(60 * minutes) if beside != "nothing" else nullcontext():
                        seconds = taken(method, minutes, data, out) - python
                    share = seconds / 60 / minutes - 1
                    bad = abs(share) > ALLOWED or last_progress(out) < 0.9
                    off += bad
                    images = (out / "done").read_text().strip()
                    print(
                        f"| {method} | {minutes:g} | {beside} | {seconds:.1f} | {share:+.1%}{' !' * bad} | {images} |"
                    )
    return int(off > 0)


if __name__ == "__main__":
    sys.exit(main())
