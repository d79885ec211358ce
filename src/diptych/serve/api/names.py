"""What a result is called when it is saved: its picture's name, and what it has become."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from urllib.parse import quote

from diptych.images import SUFFIX_OF
from diptych.serve.uploads import safe_name

LONGEST = 60
"""Letters of a picture's name, and of a domain's, that are kept."""


def stem_of(name: str) -> str:
    """A client's name for a picture, without its folder and its suffix.

    >>> stem_of("C:\\\\pictures\\\\house.at.night.png")
    'house.at.night'
    """
    stem = PurePosixPath(safe_name(name).rpartition("/")[2]).stem.lstrip(".")
    return stem[:LONGEST].strip() or "picture"


def name_of_result(source: str, domain: str, format: str, seed: int | None = None) -> str:
    """The name of what a picture called `source` has become in a domain.

    >>> name_of_result("house.jpg", "day", "PNG")
    'house-day.png'
    """
    became = re.sub(r"[^\w.]+", "-", domain)[:LONGEST].strip("-.") or "result"
    chance = "" if seed is None else f"-{seed}"
    return f"{stem_of(source)}-{became}{chance}{SUFFIX_OF[format]}"


def disposition(name: str) -> str:
    """The header that says a file's name (RFC 6266), in ASCII for those who read no other."""
    plain = re.sub(r'[^ -~]|["\\%]', "_", name)
    return f"inline; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
