"""In Python an option goes to the section that it is meant for, or is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import diptych
from diptych.errors import ConfigError
from diptych.experiment import sort_options


def first(*, size: int = 1, flip: bool = False) -> None: ...


def second(*, width: int = 1, flip: bool = False) -> None: ...


SECTIONS = {"method": first, "data": second}


@pytest.mark.parametrize("method", ["CUT", "FastCUT"])
def test_an_option_that_two_sections_have_is_refused_with_both_full_names(method: str, tmp_path: Path) -> None:
    make = getattr(diptych, method)
    with pytest.raises(ConfigError, match=r"flip may be method\.flip and data\.flip: say which, as in method=\{'flip'"):
        make(tmp_path, flip=True)
    assert make(tmp_path, method={"flip": True}).sections == {"method": {"flip": True}, "data": {}}
    assert make(tmp_path, data={"flip": False}).sections == {"method": {}, "data": {"flip": False}}


def test_options_of_one_section_go_by_their_names_alone_beside_named_ones() -> None:
    found = sort_options({"size": 2, "method": {"flip": True}, "width": 3, "data": {"flip": False}}, SECTIONS)
    assert found == {"method": {"size": 2, "flip": True}, "data": {"width": 3, "flip": False}}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"siez": 1}, "siez is not an option; did you mean size"),
        ({"method": {"siez": 1}}, r"method\.siez is not an option; did you mean method\.size"),
        ({"size": 1, "method": {"size": 2}}, "size and method={'size': ...} are both given"),
        ({"method": "flip"}, "method must hold options by name"),
        ({"flip": True, "siez": 1}, r"flip may be[^\n]*\nsiez is not"),
    ],
)
def test_what_cannot_be_meant_is_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        sort_options(options, SECTIONS)
