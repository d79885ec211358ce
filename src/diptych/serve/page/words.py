"""Words of strangers on the page, of a model's card and of files' names: Markdown shows them as they were written."""

from __future__ import annotations

import re

from diptych.card import WORDS, Card, Side
from diptych.errors import printable


def plainly(text: object) -> str:
    """Text in which Markdown, HTML and formulas see nothing to act upon: each sign that could mean more is a number."""
    return re.sub(r"[!-/:-@[-`{-~]", lambda sign: f"&#{ord(sign[0])};", printable(text))


def plain_card(card: Card) -> Card:
    """The card with all its words so."""
    return card.model_copy(
        update={
            **{name: plainly(getattr(card, name)) for name in (*WORDS, "made_with", "method", "task")},
            "source": plain_side(card.source),
            "target": plain_side(card.target),
            "options": {name: plainly(value) for name, value in card.options.items()},
            "data": {plainly(name): plainly(value) for name, value in card.data.items()},
            "scores": {plainly(name): score for name, score in card.scores.items()},
        }
    )


def plain_side(side: Side) -> Side:
    return side.model_copy(update={"name": plainly(side.name)})
