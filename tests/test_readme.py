"""What the README, the other pages and the demo tell a user to type is typed here, with smaller numbers."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from commands import diptych

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
MEASURED = ROOT / "docs" / "benchmarks.md"
"""Its commands take minutes and data that is not here."""

SMALLER = {
    r"(--count) \d+": r"\1 10",
    r"(--size) \d+": r"\1 32",
    r"\b(size)([=:] ?)\d+": r"\1\g<2>32",
    r"\b(images)([=:] ?)\d+": r"\1\g<2>8",
    r"\b(minutes)=[\d.]+": r"\1=0.02",
    r"\bunet_\d+": "unet_32",
    r"(width)([=:] ?)\d+": r"\1\g<2>4",
}
"""All that is changed in a command before it is run."""


def smaller(text: str) -> str:
    for large, small in SMALLER.items():
        text = re.sub(large, small, text)
    return text


def blocks(page: Path) -> list[tuple[str, str]]:
    """The fenced blocks of a page: language and text."""
    return re.findall(r"^```(\w+)\n(.*?)^```$", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def run_block(language: str, text: str) -> None:
    """Do what a reader does with a block: type its commands, run its Python, save its recipe."""
    if language == "bash":
        for line in text.replace("\\\n", " ").splitlines():
            run_line(shlex.split(line, comments=True))
    elif language == "console":
        assert text.startswith("$ ")  # shown, not run: a server that stays, or a name that is the reader's own
    elif language == "python":
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            exec(compile(text, "README", "exec"), {})
    else:
        assert language == "yaml"
        Path("recipe.yaml").write_text(text)


def run_line(words: list[str]) -> None:
    match words:
        case ["diptych", *arguments]:
            said = diptych(*arguments)
            assert said.code == 0, f"{shlex.join(words)}\n{said.out}{said.err}"
        case ["torchrun", *arguments]:
            command = [sys.executable, "-m", "torch.distributed.run", *arguments]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
        case ["make", target]:
            assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
        case _:
            pytest.fail(f"a test should know how to run {shlex.join(words)}")


def demo_lines() -> list[str]:
    """The commands of `make demo`."""
    makefile = (ROOT / "Makefile").read_text().replace("\\\n", " ")
    recipe = re.search(r"^demo:.*\n((?:\t.*\n)+)", makefile, re.MULTILINE)
    assert recipe
    return re.findall(r"^\t(?:@test .* \|\| )?(diptych .*)$", recipe[1], re.MULTILINE)


@pytest.fixture(scope="module")
def after_demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which `make demo` has been run."""
    place = tmp_path_factory.mktemp("clone")
    for recipe in (ROOT / "recipes").rglob("*.yaml"):
        copy = place / recipe.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(smaller(recipe.read_text(encoding="utf-8")))
    with contextlib.chdir(place):
        for line in demo_lines():
            run_line(shlex.split(smaller(line)))
    return place


def test_the_demo_leaves_what_it_says(after_demo: Path) -> None:
    named = re.findall(r"demo/[\w/.]+", (ROOT / "Makefile").read_text())
    assert [name for name in named if not (after_demo / name).exists()] == []
    assert (after_demo / "demo/translated/0001.png").exists()


def test_the_demo_can_be_run_again(after_demo: Path) -> None:
    before = {path.name for path in (after_demo / "demo" / "translated").iterdir()}
    with contextlib.chdir(after_demo):
        for line in demo_lines():
            if not line.startswith("diptych data samples"):  # make asks whether they are there
                run_line(shlex.split(smaller(line)))
    assert {path.name for path in (after_demo / "demo" / "translated").iterdir()} == before


@pytest.mark.parametrize("page", [page for page in PAGES if page != MEASURED], ids=lambda page: page.name)
def test_everything_in_a_page_runs_as_written(
    page: Path, after_demo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("demo", "recipes"):
        shutil.copytree(after_demo / folder, folder)
    for language, text in blocks(page):
        run_block(language, smaller(text))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)[^)]*\)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_every_script_and_recipe_behind_a_figure_is_there() -> None:
    named = re.findall(r"(?:benchmarks|recipes)/[\w/-]+\.(?:py|yaml)", MEASURED.read_text(encoding="utf-8"))
    assert len(named) > 9
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_pictures_are_small() -> None:
    assert [path.name for path in (ROOT / "docs" / "pictures").iterdir() if path.stat().st_size > 150_000] == []
