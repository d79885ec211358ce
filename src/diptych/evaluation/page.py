"""A page that holds all it shows: its style, its pictures, nothing of a network."""

from __future__ import annotations

import base64
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from diptych import __version__, images
from diptych.evaluation.markup import Markup, join, tag

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def page(title: str, sections: Sequence[Markup]) -> str:
    """The whole page."""
    style = Markup(Path(__file__).with_name("report.css").read_text(encoding="utf-8"))
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", http_equiv="Content-Security-Policy", content=POLICY),
        tag("title", title),
        tag("style", style),
    )
    made = f"Made by Diptych {__version__} on {time.strftime('%Y-%m-%d %H:%M')}. This page holds all it shows."
    body = tag("body", *sections, tag("footer", made, class_="quiet"))
    return "<!doctype html>\n" + tag("html", head, "\n", body, lang="en") + "\n"


def heading(of: str, title: str, about: str) -> Markup:
    """The mark of the program, what the page is, its title, and a line about it."""
    panels = (tag("span", class_="panel source"), tag("span", class_="panel output"))
    return join([tag("div", *panels, f"Diptych · {of}", class_="mark"), tag("h1", title), quiet(about)])


def section(title: str, *content: Markup) -> Markup:
    return tag("section", tag("h2", title), *content)


def panel(title: str, aside: str, *content: Markup) -> Markup:
    return tag("article", tag("header", tag("h3", title), tag("span", aside, class_="quiet")), *content)


def quiet(*content: str) -> Markup:
    return tag("p", *content, class_="quiet")


def embed(array: np.ndarray) -> str:
    """A picture `H W 3` of uint8 as a data URL, as PNG or as JPEG, whichever is shorter."""
    encoded = {kind: images.encode(array, kind.upper()) for kind in ("png", "jpeg")}
    kind, data = min(encoded.items(), key=lambda item: len(item[1]))
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
