"""What strangers have written, in names and cards, forges no line and neither steers nor ends a console."""

from __future__ import annotations

import io
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from unittest.mock import patch

import pytest
from commands import diptych
from models import model, picture

from diptych.cli import main
from diptych.errors import printable
from diptych.model.card import WORDS
from diptych.model.folder import CARD, SUMS, WEIGHTS, inspect_card, manifest

FORGED = "3 of 3 pictures translated into safe"
SIGNS = ["\n", "\r", "\x1b[2J", "\x07", "\x85", "\u2028", "\u202e", "\u2066", "\u200b", "\x9b31m"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return model(tmp_path_factory.mktemp("trained") / "m")


def stated(folder: Path, words: dict[str, str], to: Path) -> Path:
    """A copy of a model with a card that a stranger has written."""
    shutil.copytree(folder, to)
    card = inspect_card(folder)
    source, target = card.source, card.target.model_copy(update={"name": words["author"]})
    ends = {"domains": [source, target], "directions": [(source.name, target.name)]}
    card = card.model_copy(update={**words, **ends})
    (to / CARD).write_text(card.model_dump_json(), "utf-8")
    (to / SUMS).write_text(manifest({path.name: path.read_bytes() for path in (to / CARD, to / WEIGHTS)}))
    return to


@pytest.mark.parametrize("sign", SIGNS)
def test_a_sign_that_does_not_print_is_shown_as_its_number(sign: str) -> None:
    shown = printable(f"a{sign}b")
    assert shown.isprintable()
    assert shown[:2] + shown[-1] == "a\\b"


@pytest.mark.parametrize("text", ["plain.png", "写真.png", "Größe ÿ.png", "a b.png", "C:\\pictures\\a.png", "🙂.png"])
def test_names_in_any_script_are_printed_as_they_are(text: str) -> None:
    assert printable(text) == text


@pytest.mark.parametrize("command", ["info", "card"])
@pytest.mark.parametrize("sign", ["\n", "\x1b[2J", "\u202e"])
def test_the_words_of_a_card_are_one_line_each_and_steer_nothing(
    command: str, sign: str, trained: Path, tmp_path: Path
) -> None:
    words = {name: f"{name}{sign}{FORGED}" for name in (*WORDS, "made_with")}
    folder = stated(trained, words, tmp_path / "m")
    for shown in (diptych(command, folder).out, inspect_card(folder).to_markdown()):
        assert FORGED in shown
        assert not [line for line in shown.split("\n") if line.strip() == FORGED or not line.isprintable()]


@pytest.mark.parametrize("sign", ["\n", "\x1b[2J", "\u202e"])
def test_the_names_of_files_are_one_line_each_in_every_command(sign: str, trained: Path, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(2):
        (folder / f"{number}{sign}{FORGED}.png").write_bytes(picture(number))
    (folder / f"bad{sign}{FORGED}.png").write_bytes(b"no picture")
    for arguments in (
        ["translate", trained, folder, "--out", tmp_path / "out"],
        ["translate", trained, folder / f"bad{sign}{FORGED}.png", "--out", tmp_path / "alone"],
        ["translate", trained, folder / f"none{sign}{FORGED}"],
        ["translate", tmp_path / f"none{sign}{FORGED}", folder],
        ["data", "check", folder],
        ["data", "check", folder / f"none{sign}{FORGED}"],
        ["info", folder / f"none{sign}{FORGED}"],
        ["verify", *sorted(folder.iterdir())],
    ):
        said = diptych(*arguments)
        assert FORGED in said.out + said.err, arguments
        lines = (said.out + said.err).split("\n")
        assert not [line for line in lines if line.startswith(FORGED) or not line.isprintable()], arguments


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
def test_a_console_that_lacks_the_signs_of_a_name_is_no_error(encoding: str, trained: Path, tmp_path: Path) -> None:
    words = dict.fromkeys((*WORDS, "made_with"), "写真")
    folder, pictures = stated(trained, words, tmp_path / "m"), tmp_path / "写真 \udcff"
    pictures.mkdir()
    (pictures / "写真.png").write_bytes(picture())
    (pictures / "тест.png").write_bytes(b"no picture")
    for arguments in (
        ["info", folder],
        ["card", folder, "author=写真"],
        ["translate", folder, pictures, "--out", tmp_path / "写"],
        ["data", "check", pictures],
        ["verify", pictures / "写真.png", pictures / "тест.png"],
    ):
        out, err = (io.TextIOWrapper(io.BytesIO(), encoding) for _ in range(2))
        argv = patch.object(sys, "argv", ["diptych", *map(str, arguments)])
        with argv, patch.object(sys, "stdout", out), patch.object(sys, "stderr", err), pytest.raises(SystemExit):
            main()
        out.flush()
        assert b"\\u5199" in out.buffer.getvalue()


@pytest.mark.parametrize("command", ["methods", "--help", "info MODEL", "nonsense"])
@pytest.mark.parametrize("place", ["full", "left", "closed"])
def test_a_place_that_takes_no_print_ends_in_no_traceback(command: str, place: str, trained: Path) -> None:
    words = " ".join(
        map(shlex.quote, [sys.executable, "-m", "diptych", *command.replace("MODEL", str(trained)).split()])
    )
    to = {"full": "> /dev/full", "left": "| true", "closed": ">&-"}[place]
    done = subprocess.run(["sh", "-c", f"{words} {to}"], capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    if place == "full" and command != "nonsense":
        assert done.stderr.strip() == "diptych: what is printed could not be written: No space left on device"
        assert done.returncode == 2
