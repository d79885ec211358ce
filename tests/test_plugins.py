"""Methods of other packages are trained, used and served by the command line, once the user names them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from models import picture
from pictures import side_by_side
from serving import serving

METHOD = (Path(__file__).parent / "odd" / "worded.py").read_text()


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a package of a method, which announces it, with pairs, and with a trained model."""
    place = tmp_path_factory.mktemp("lab")
    (place / "my_lab").mkdir()
    (place / "my_lab" / "__init__.py").write_text("print('my_lab is imported')\n")
    (place / "my_lab" / "mymethod.py").write_text(METHOD)
    (place / "my_lab" / "mytask.py").write_text("from diptych.tasks.pairs import Pairs\nTASK = Pairs\n")
    (place / "my_lab-1.dist-info").mkdir()
    (place / "my_lab-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: my_lab\nVersion: 1\n")
    (place / "my_lab" / "mymetric.py").write_text(
        "PROTOCOL, BETTER = 'the largest difference', 'lower'\n"
        "def measure(output, target):\n    return (output - target).abs().flatten(1).amax(1)\n"
    )
    announced = {"methods": "mine = my_lab.mymethod", "tasks": "mytask = my_lab.mytask"}
    announced["metrics"] = "largest = my_lab.mymetric"
    points = "".join(f"[diptych.{kind}]\n{line}\n" for kind, line in announced.items())
    (place / "my_lab-1.dist-info" / "entry_points.txt").write_text(points)
    side_by_side(place / "pairs", 6, 64)
    side_by_side(place / "pairs", 2, 64, split="test")
    (place / "a.png").write_bytes(picture())
    small = ["train.images=2", "data.size=64", "data.val=0.3", "speed.bf16=false", "--data", "pairs"]
    for name, task in (("my_lab.mymethod", "pairs"), ("mine", "mytask")):
        said = command(
            place, "train", name, f"task.name={task}", *small, "--plugin", "my_lab", "--out", name, path=True
        )
        assert said.returncode == 0, said.stderr
    return place


def command(place: Path, *arguments: str, path: bool = False) -> subprocess.CompletedProcess[str]:
    """`diptych ARGUMENTS` as the command itself runs, which has not the user's folder among its modules, unless `path`
    says so: as if the package were installed."""
    run = "import sys; sys.path = [p for p in sys.path if p]; from diptych.cli import main; main()"
    environment = os.environ | ({"PYTHONPATH": os.pathsep.join([str(place), *filter(None, sys.path)])} if path else {})
    return subprocess.run(
        [sys.executable, "-c", run, *arguments], cwd=place, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("name", ["my_lab.mymethod", "mine"])
def test_a_model_imports_nothing_by_itself_and_says_what_to_add(name: str, lab: Path) -> None:
    said = command(lab, "info", name, path=True)
    assert said.returncode == 2
    assert f"the method '{name}', which is not built in" in said.stderr
    assert "add --plugin my_lab" in said.stderr
    assert "is imported" not in said.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["info", "my_lab.mymethod"],
        ["translate", "my_lab.mymethod", "a.png", "--caption", "night", "--out", "b.png"],
        ["evaluate", "my_lab.mymethod", "--data", "pairs", "--size", "64"],
        ["bench", "my_lab.mymethod", "--size", "32", "--rounds", "1", "--only", "plain"],
        ["options", "my_lab.mymethod"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_plugin_in_ones_own_folder_works_in_every_command(arguments: list[str], lab: Path) -> None:
    said = command(lab, *arguments, "--plugin", "my_lab")
    assert said.returncode == 0, said.stderr
    assert "my_lab is imported" in said.stdout


def test_a_recipe_imports_nothing_by_itself_neither_as_a_file_nor_when_a_run_goes_on(lab: Path) -> None:
    (lab / "theirs.yaml").write_text("method: {name: my_lab.mymethod}\ndata: {folder: pairs, size: 64}\n")
    (lab / "task.yaml").write_text("method: paired\ndata: {folder: pairs, size: 64, task: my_lab.mytask}\n")
    for given in (["theirs.yaml", "--dry-run"], ["task.yaml", "--dry-run"], ["--resume", "my_lab.mymethod"]):
        said = command(lab, "train", *given, path=True)
        assert said.returncode == 2
        assert "which is not built in" in said.stderr
        assert "add --plugin my_lab" in said.stderr
        assert "is imported" not in said.stdout
        said = command(lab, "train", *given, "--plugin", "my_lab", path=True)
        assert said.returncode == 0, said.stderr


def test_a_plugin_may_be_one_file(lab: Path) -> None:
    (lab / "alone.py").write_text(METHOD)
    small = ["train.images=2", "data.size=64", "data.val=0.3", "speed.bf16=false", "--data", "pairs"]
    said = command(lab, "train", "alone", *small, "--plugin", "alone", "--out", "of-alone")
    assert said.returncode == 0, said.stderr
    said = command(lab, "translate", "of-alone", "a.png", "--out", "by-alone.png")
    assert said.returncode != 0
    assert "names the method 'alone'" in said.stderr
    assert "name its module by --plugin" in said.stderr
    said = command(lab, "translate", "of-alone", "a.png", "--out", "by-alone.png", "--plugin", "alone")
    assert said.returncode == 0, said.stderr


def test_what_a_package_announces_is_found_by_its_name_alone(lab: Path) -> None:
    listed = command(lab, "methods", path=True)
    assert "mine         (in my_lab.mymethod)" in listed.stdout
    assert "is imported" not in listed.stdout
    said = command(lab, "translate", "mine", "a.png", "--out", "c.png", "--plugin", "my_lab", path=True)
    assert said.returncode == 0, said.stderr


@pytest.mark.parametrize("name", ["my_lab.mymetric", "largest"])
def test_a_metric_of_another_package_is_scored_beside_the_others(name: str, lab: Path) -> None:
    scored = ["--data", "pairs", "--size", "64", "--metric", name, "--json", "--plugin", "my_lab"]
    said = command(lab, "evaluate", "my_lab.mymethod", *scored, path=True)
    assert said.returncode == 0, said.stderr
    found = json.loads(said.stdout[said.stdout.index("{") :])
    assert {"psnr", name} <= found["metrics"].keys()
    assert found["metrics"][name]["protocol"] == "the largest difference"


def test_a_plugin_that_is_not_there_is_named(lab: Path) -> None:
    said = command(lab, "info", "my_lab.mymethod", "--plugin", "your_lab")
    assert said.returncode == 2
    assert "there is no module 'your_lab': install its package, or be in its folder" in said.stderr


def test_a_server_and_its_workers_use_a_plugin(lab: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(lab)
    with serving(tmp_path / "server", "my_lab.mymethod", "--plugin", "my_lab") as server:
        answer = server.post(
            "/v1/models/my_lab.mymethod/translate", files={"image": picture()}, data={"caption": "night"}
        )
        assert answer.status_code == 200, answer.text
