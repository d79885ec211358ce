"""Whether small models of every method, made by another commit, give the same bytes there and here.

Run:  python benchmarks/same_as.py COMMIT
Each model is made, saved and used by the sources of that commit, in a worktree of its own, and used by these as well.
Exit code 1 where one differs.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
MAKE = """
import sys
from pathlib import Path
from small import SMALL
from diptych.methods import find, names
from diptych.testing import bundle
for name in names():
    bundle(find(name), SMALL.get(name, {})).save(Path(sys.argv[1]) / name)
"""
USE = """
import hashlib, json, sys
from pathlib import Path
import numpy as np
from diptych import Translator
seen = {}
for folder in sorted(Path(sys.argv[1]).iterdir()):
    translator = Translator.load(folder, device="cpu")
    card = json.loads((folder / "card.json").read_text())
    ways = card.get("ways", ["b"]) if "ways" in card else [target for _, target in card["directions"]]
    names = {"a": "source", "b": "target"}
    for way in ways:
        to = card[names[way]]["name"] if way in names and "source" in card else way
        channels = translator.card.ends(to)[0].channels if hasattr(translator.card, "ends") else (
            translator.sides(translator.towards(to))[0].channels)
        picture = np.random.default_rng(0).integers(0, 256, (40, 56, channels), dtype=np.uint8)
        outputs = translator.many([picture, picture[:, ::-1].copy()], **({"to": to} if len(ways) > 1 else {}))
        seen[f"{folder.name} to {to}"] = hashlib.sha256(b"".join(one.array.tobytes() for one in outputs)).hexdigest()
print(json.dumps(seen))
"""


def run(source: Path, program: str, folder: str) -> str:
    """What a program prints that uses the sources there."""
    path = os.pathsep.join([str(source / "src"), str(source / "tests")])
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-c", program, folder], env=environment, check=True, text=True, stdout=subprocess.PIPE
    ).stdout


def main() -> None:
    (commit,) = sys.argv[1:]
    with tempfile.TemporaryDirectory() as place:
        there, models = Path(place) / "there", str(Path(place) / "models")
        git = ["git", "-C", str(ROOT), "worktree"]
        subprocess.run([*git, "add", "--quiet", "--detach", str(there), commit], check=True)
        try:
            run(there, MAKE, models)
            before, now = (json.loads(run(source, USE, models)) for source in (there, ROOT))
        finally:
            subprocess.run([*git, "remove", "--force", str(there)], check=True)
    for name in before | now:
        print(f"{name}: {'the same' if before.get(name) == now.get(name) else 'OTHERWISE'}")
    sys.exit(before != now)


if __name__ == "__main__":
    main()
