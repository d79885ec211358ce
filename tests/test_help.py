"""Asking how something is used is no mistake: every command says it, and leaves with 0."""

from __future__ import annotations

import pytest
import typer
from commands import diptych
from typer.main import get_command

from diptych import __version__, cli

ALONE = (
    "train translate stylize chain evaluate compare export bench serve verify methods tasks options info card convert "
    "weights recommend doctor"
)
OF_DATA = "check split prepare download samples"
COMMANDS = [*((name,) for name in ALONE.split()), *(("data", name) for name in OF_DATA.split()), ("models", "pack")]


@pytest.mark.parametrize("option", ["-h", "--help"])
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_help_and_takes_plugins(command: tuple[str, ...], option: str) -> None:
    said = diptych(*command, option)
    assert said.code == 0
    assert "Usage: diptych " + " ".join(command) in said.out
    assert "--plugin" in said.out


@pytest.mark.parametrize("arguments", [(), ("-h",), ("--help",), ("data",), ("data", "-h")], ids=" ".join)
def test_what_is_no_command_yet_lists_the_commands(arguments: tuple[str, ...]) -> None:
    said = diptych(*arguments)
    assert said.code == 0
    assert "check" in said.out if "data" in arguments else "translate" in said.out
    assert said.err == ""


def test_a_program_that_runs_commands_again_and_again_has_them_once(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[typer.Typer] = []
    monkeypatch.setattr(cli, "get_command", lambda app: (seen.append(app), get_command(app))[1])
    counts = []
    for _ in range(3):
        seen.clear()
        assert diptych("--version").code == 0
        apps = [app for whole in seen for app in (whole, *(group.typer_instance for group in whole.registered_groups))]
        counts.append([len(app.registered_commands) for app in apps if app])
    assert counts[0] == counts[1] == counts[2]


def test_the_version_is_said() -> None:
    assert diptych("--version") == (0, f"diptych {__version__}\n", "")


def test_a_shell_can_be_told_the_commands() -> None:
    assert "--install-completion" in diptych("--help").out
