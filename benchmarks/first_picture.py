"""From the start of the command to the first picture without training, with a ready model and without a network.

    python benchmarks/first_picture.py                          in the environment that this Python has
    python benchmarks/first_picture.py --wheel dist/NAME.whl    in a new one with this wheel, and the libraries of this

Each ready model translates one of its own examples in a new process, with an empty cache, inside a network namespace
that holds no network, where the system grants one (util-linux's unshare). Leaves with 1 if any takes more than 10 s.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path

MOST = 10.0
LIST = "from diptych.model import ready; [print(name, place, sep='\\t') for name, place in ready.folders().items()]"


def alone() -> list[str]:
    """What a command is prefixed with to run without a network; nothing where the system grants no namespace."""
    for prefix in (["unshare", "-n"], ["unshare", "-rn"]):
        if shutil.which("unshare") and subprocess.run([*prefix, "true"], capture_output=True).returncode == 0:
            return prefix
    return []


def installed(wheel: Path, folder: Path) -> Path:
    """The Python of a new environment that has the wheel, and finds all other libraries in this one."""
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    where = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = Path(subprocess.run([python, "-c", where], capture_output=True, text=True, check=True).stdout.strip())
    subprocess.run([python, "-m", "pip", "install", "-q", "--no-deps", "--no-index", wheel], check=True)
    (site / "libraries.pth").write_text(f"{sysconfig.get_path('purelib')}\n{sysconfig.get_path('platlib')}\n")
    return python


def main() -> int:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--wheel", type=Path, help="install this, in a new environment")
    words.add_argument("--rounds", type=int, default=3)
    given = words.parse_args()
    with tempfile.TemporaryDirectory() as place:
        here = Path(place)
        python = installed(given.wheel.resolve(), here / "environment") if given.wheel else Path(sys.executable)
        environment = {name: value for name, value in os.environ.items() if not given.wheel or name != "PYTHONPATH"}
        environment["XDG_CACHE_HOME"] = str(here / "cache")
        run = {"cwd": here, "env": environment}
        said = subprocess.run([python, "-c", LIST], capture_output=True, text=True, check=True, **run)
        prefix, longest = alone(), 0.0
        print(f"network: {'none, by ' + ' '.join(prefix) if prefix else 'as it is here, no namespace is granted'}")
        for line in said.stdout.splitlines():
            name, folder = line.split("\t")
            example = next(iter(sorted(Path(folder).glob("example-*"))))
            for number in range(given.rounds):
                out = here / f"{name}-{number}"
                command = [*prefix, python, "-m", "diptych", "translate", name, example, "--out", out]
                start = time.perf_counter()
                subprocess.run(command, check=True, stdout=subprocess.DEVNULL, **run)
                seconds = time.perf_counter() - start
                assert any(path.stat().st_size for path in (out.iterdir() if out.is_dir() else [out]))
                print(f"{name:16} {seconds:5.1f} s")
                longest = max(longest, seconds)
        if not longest:
            print("no ready model is installed: there is nothing to measure")
            return 1
        print(f"longest: {longest:.1f} s, to be at most {MOST:.0f} s")
        return int(longest > MOST)


if __name__ == "__main__":
    sys.exit(main())
