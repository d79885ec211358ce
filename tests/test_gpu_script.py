"""The prepared script for a graphics card runs on a processor in seconds, so that it runs when there is a card."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from diptych.methods import names

ROOT = Path(__file__).parents[1]


def test_the_script_for_a_graphics_card_runs_on_the_processor(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "benchmarks" / "gpu.py"), "--device", "cpu", "--tiny", "--out", "found.json"]
    done = subprocess.run(
        command, cwd=tmp_path, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "found.json").read_text())
    for name in names():
        assert found[f"{name}: agrees"] == {"losses": 0.0, "translation": 0.0, "ok": True}
        assert found[f"{name}: never waits"] == {"ok": True, "told": False}
    assert sum(": rate" in title for title in found) == 4
    assert found["time to a score"]["seconds"] > 0
