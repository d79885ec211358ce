"""The package keeps its shape: imports go one way, the command starts without torch, the environment is pinned."""

from __future__ import annotations

import ast
import importlib.util
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import requires
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "diptych"

EVERYONE_MAY = {"errors", "files"}
MAY_IMPORT = {
    "errors": "",
    "ahead": "",
    "byname": "",
    "files": "",
    "config": "",
    "images": "",
    "packages": "",
    "weights": "packages",
    "onnx_file": "",
    "legend": "images",
    "card": "legend",
    "controls": "methods card config",
    "runtime": "methods",
    "nn": "",
    "methods": "nn byname",
    "tasks": "images byname",
    "data": "images tasks config ahead legend",
    "metrics": "nn weights byname onnx_file",
    "ready": "byname",
    "model_folder": "byname methods tasks images card config ready",
    "sides": "images card legend",
    "translator": "sides model_folder methods tasks images card config runtime tiling",
    "provenance": "images card",
    "tiling": "nn",
    "places": "images",
    "bulk": "places translator images ahead card provenance",
    "large": "translator sides tasks tiling images card provenance",
    "video": "translator images card provenance",
    "export": "translator model_folder methods metrics runtime tiling card",
    "packing": "translator sides model_folder images export",
    "acceleration": "translator model_folder runtime export",
    "serve": "byname runtime acceleration export translator model_folder controls methods images card config legend "
    "provenance ready",
    "training": "methods data metrics translator model_folder weights config images nn card runtime",
    "evaluation": "translator data metrics images card legend",
    "convert": "translator model_folder methods nn card legend",
    "facade": "training evaluation translator sides data methods images config runtime",
    "testing": "training translator model_folder methods config controls images card runtime",
    "cli": "byname training evaluation translator model_folder bulk convert data methods weights config runtime images "
    "card acceleration controls export large provenance serve tiling video places ready packing",
    "__init__": "facade translator images methods",
    "__main__": "cli",
}


def parts() -> list[str]:
    """The files and folders at the top of the package."""
    return sorted({path.relative_to(SOURCE).parts[0].removesuffix(".py") for path in SOURCE.rglob("*.py")})


def imported(part: str) -> Iterator[str]:
    """The parts of the package that the files of `part` import, wherever in the file."""
    place = SOURCE / part
    for path in place.rglob("*.py") if place.is_dir() else [place.with_suffix(".py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
            if isinstance(node, ast.ImportFrom):
                names = [f"{node.module}.{name}" for name in names]
            words = [name.split(".") for name in names if name.startswith("diptych.")]
            yield from (word[1] for word in words if word[1] not in (part, "__version__"))


@pytest.mark.parametrize("part", parts())
def test_imports_follow_the_arrows_of_the_design(part: str) -> None:
    assert set(imported(part)) <= {*MAY_IMPORT[part].split(), *EVERYONE_MAY}


def test_networks_and_methods_know_no_device_and_never_wait_for_one() -> None:
    files = [*SOURCE.glob("nn/**/*.py"), *(path for path in SOURCE.glob("methods/*.py") if path.name != "__init__.py")]
    found = {path.name: re.findall(r"\b(?:cuda|compile|autocast)\b|\.item\(\)", path.read_text()) for path in files}
    assert {name: words for name, words in found.items() if words} == {}


@pytest.mark.parametrize("arguments", ["", "--help", "methods"])
def test_what_needs_no_network_does_not_load_torch(arguments: str) -> None:
    run = (
        "import diptych.cli; sys.argv = ['diptych', *sys.argv[1:]]; diptych.cli.main()"
        if arguments
        else "import diptych"
    )
    code = f"import sys, atexit; atexit.register(lambda: print('torch' in sys.modules)); {run}"
    done = subprocess.run([sys.executable, "-c", code, *arguments.split()], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"


@pytest.mark.parametrize("name", ["torchvision", "torchaudio", "torchcodec"])
def test_what_does_not_import_beside_a_cpu_torch_is_absent(name: str) -> None:
    assert importlib.util.find_spec(name) is None


def test_the_constraints_pin_everything_that_is_required_and_name_no_place() -> None:
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    assert [line for line in lines if not re.fullmatch(r"[\w.-]+==[\w.]+", line)] == []
    pinned = {line.partition("==")[0].lower().replace("_", "-") for line in lines}
    required = {re.match(r"[\w-]+", line)[0].lower() for line in requires("diptych") or []}
    assert required - {"diptych"} <= pinned
