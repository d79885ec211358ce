"""Asking how something is used is no mistake: every command says it, and leaves with 0."""

from __future__ import annotations

import pytest
from commands import diptych

from diptych import __version__

ALONE = "train translate stylize evaluate export bench serve verify methods options info card convert weights doctor"
COMMANDS = [*((name,) for name in ALONE.split()), ("data", "check"), ("data", "samples")]


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


def test_the_version_is_said() -> None:
    assert diptych("--version") == (0, f"diptych {__version__}\n", "")


def test_a_shell_can_be_told_the_commands() -> None:
    assert "--install-completion" in diptych("--help").out
