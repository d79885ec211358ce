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
from typing import Any

import pytest
from commands import diptych
from odd import walked
from pictures import noise, save

from diptych.testing import bundle

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "diptych"

MAY_IMPORT = {
    "errors": "",
    "storage": "errors",
    "options": "storage errors",
    "nn": "errors",
    "methods": "nn options errors",
    "images": "storage errors",
    "kinds": "images options storage errors",
    "tasks": "images options errors",
    "metrics": "nn options storage errors",
    "runtime": "methods storage errors",
    "tiling": "nn errors",
    "data": "tasks kinds images options storage errors",
    "model": "tiling runtime tasks kinds images methods nn options storage errors",
    "provenance": "model images storage errors",
    "inference": "provenance model tiling runtime tasks images nn options storage errors",
    "export": "model tiling runtime metrics images methods options storage errors",
    "evaluation": "model data metrics images options storage errors",
    "training": "model data runtime metrics tasks kinds images methods nn options storage errors",
    "convert": "model images methods nn storage errors",
    "experiment": "training evaluation model data runtime images methods options errors",
    "serve": "export provenance model runtime tasks kinds images methods options storage errors",
    "testing": "serve training export model tiling runtime images methods options errors",
    "cli": "serve convert training evaluation export inference provenance model data runtime tiling tasks images "
    "methods options storage errors",
    "__init__": "experiment inference model images methods",
    "__main__": "cli",
}
"""What each room may import, those above before those below: no room imports one that stands above it."""
REACHING = ("getattr", "setattr", "hasattr", "delattr")
BEGINNINGS = ("__init__", "__enter__", "initialise")
"""The functions that make what an object has."""
LOOSE = 8
"""Files beside the rooms, at most."""


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
    assert set(imported(part)) <= set(MAY_IMPORT[part].split())


def test_no_arrow_of_the_design_goes_up() -> None:
    order = list(MAY_IMPORT)
    climbs = [(a, b) for a, below in MAY_IMPORT.items() for b in below.split() if order.index(b) >= order.index(a)]
    assert climbs == []
    assert order[-2:] == ["__init__", "__main__"]
    assert set(order) == set(parts())


def test_nearly_everything_has_a_room() -> None:
    assert len(list(SOURCE.glob("*.py"))) <= LOOSE


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


def nodes(kind: type[ast.AST]) -> Iterator[tuple[Path, Any]]:
    for path in SOURCE.rglob("*.py"):
        yield from ((path, node) for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, kind))


def test_no_function_is_longer_than_a_screen() -> None:
    """60 lines, without the docstring."""

    def lines(function: ast.FunctionDef) -> int:
        docstring = function.body[0] if ast.get_docstring(function) else None
        said = docstring.end_lineno - docstring.lineno + 1 if docstring else 0  # type: ignore[operator]
        return function.end_lineno - function.lineno + 1 - said  # type: ignore[operator]

    functions = [*nodes(ast.FunctionDef), *nodes(ast.AsyncFunctionDef)]
    assert {f"{path.relative_to(SOURCE)}: {one.name}" for path, one in functions if lines(one) > 60} == set()


def test_attributes_are_named_in_the_code_and_not_in_strings() -> None:
    """Where you reach for `getattr`, use a dict: at most one in a thousand lines."""
    reached = [node for _, node in nodes(ast.Call) if isinstance(node.func, ast.Name) and node.func.id in REACHING]
    lines = sum(len(path.read_text("utf-8").splitlines()) for path in SOURCE.rglob("*.py"))
    assert len(reached) <= lines / 1000


def attributes(function: ast.AST) -> set[str]:
    """What a method makes or changes of its own object."""
    return {
        node.attr
        for node in ast.walk(function)
        if isinstance(node, ast.Attribute)
        and isinstance(node.ctx, ast.Store)
        and isinstance(node.value, ast.Name)
        and node.value.id == "self"
    }


def test_no_attribute_is_made_outside_of_a_constructor() -> None:
    """Those of a class are told by its `__init__`, those of a base class by that of the base."""
    classes = {one.name: one for _, one in nodes(ast.ClassDef)}

    def made(one: ast.ClassDef) -> set[str]:
        own = {
            node.target.id for node in one.body if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
        }
        own |= {name for node in one.body if getattr(node, "name", "") in BEGINNINGS for name in attributes(node)}
        bases = [base.id for base in one.bases if isinstance(base, ast.Name)]
        return own.union(*(made(classes[base]) for base in bases if base in classes))

    late = {
        f"{name}.{node.name} makes {', '.join(sorted(new))}"
        for name, one in classes.items()
        for node in one.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (new := attributes(node) - made(one))
    }
    assert late == set()


def test_an_image_goes_down_to_the_network_in_at_most_twelve_functions(tmp_path: Path) -> None:
    """From `diptych translate` on, and never from a package to one that stands above it."""
    model, picture = bundle(walked.Walked, {}).save(tmp_path / "model"), save(tmp_path / "a.png", noise(32, 32, 3))
    said = diptych("translate", model, picture, "--out", tmp_path / "b.png", "--plugin", "odd.walked")
    assert said.code == 0, said.err
    order = [list(MAY_IMPORT).index(package) for package, _ in walked.came]
    assert order[0] == list(MAY_IMPORT).index("cli")
    assert order == sorted(order, reverse=True), walked.came
    assert len(walked.came) + 1 <= 12, walked.came
