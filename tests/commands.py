"""The command line as a user meets it, without the wait for a new process."""

from __future__ import annotations

import io
import sys
from contextlib import redirect_stderr, redirect_stdout
from typing import NamedTuple
from unittest.mock import patch

import pytest

from diptych.cli import main
from diptych.options import plugins


class Said(NamedTuple):
    """What a command said, and the code it left with."""

    code: int
    out: str
    err: str


def diptych(*arguments: object) -> Said:
    """Run `diptych ARGUMENTS...` in this process, which forgets the plugins that it names."""
    out, err = io.StringIO(), io.StringIO()
    argv = patch.object(sys, "argv", ["diptych", *map(str, arguments)])
    own = patch.object(plugins, "plugins", [*plugins.plugins])
    with own, argv, redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as left:
        main()
    return Said(int(left.value.code or 0), out.getvalue(), err.getvalue())
