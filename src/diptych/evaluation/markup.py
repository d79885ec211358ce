"""HTML and SVG in which text cannot become markup: everything is escaped, save what `tag` itself has made."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

VOID = {"br", "img", "meta"}


class Markup(str):
    """Text that is markup already."""

    __slots__ = ()


def tag(name: str, /, *content: str, **attributes: str | float) -> Markup:
    """An element; numbers are written to a tenth, `class_` stands for class and `text_anchor` for text-anchor.

    >>> tag("p", "1 < 2, ", tag("b", "always"), class_="quiet")
    '<p class="quiet">1 &lt; 2, <b>always</b></p>'
    """
    written = "".join(f' {_name(key)}="{escape(_value(value))}"' for key, value in attributes.items())
    return Markup(f"<{name}{written}>" if name in VOID else f"<{name}{written}>{join(content)}</{name}>")


def join(content: Iterable[str]) -> Markup:
    """Several pieces of markup or text as one."""
    return Markup("".join(piece if isinstance(piece, Markup) else escape(piece) for piece in content))


def _name(key: str) -> str:
    return key.rstrip("_").replace("_", "-")


def _value(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.1f}".removesuffix(".0")
