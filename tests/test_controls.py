"""What a form, an API or a page shows of a translator comes from the signature of its method's `translate`."""

from __future__ import annotations

from typing import Annotated

import pytest
from annotated_types import Ge, Interval
from small import SMALL

from diptych.cli.arguments import read_arguments
from diptych.errors import ConfigError
from diptych.methods import find, names
from diptych.methods.method import Method
from diptych.model.card import Card, Domain
from diptych.model.controls import Form, describe_controls
from diptych.model.translator import Translator
from diptych.options.controls import control
from diptych.options.recipes import warn_of

EVERYWHERE = ["where", "feather", "strength"]
"""The controls of every model whose results lie on the pixels of what they are made of."""


def card(method: str, ways: str = "b") -> Card:
    sides = {"source": Domain(name="day", channels=3), "target": Domain(name="night", channels=3)}
    return Card(method=method, options={}, ways=list(ways), **sides)


def built(method: str, **options: object) -> Method:
    return find(method)(**{**SMALL.get(method, {}), **options})


@pytest.mark.parametrize("method", names())
def test_every_control_has_a_kind_and_its_default_passes_its_own_check(method: str) -> None:
    network, about = built(method), card(method, "ba")
    form = Form(network, about)
    given = {one.name: one.default for one in form.controls if one.default is not None}
    assert form.read(given) == given
    assert all(one.choices for one in form.controls if one.kind == "choice")


def test_a_model_of_one_way_has_no_choice_of_domains() -> None:
    assert "to" not in [one.name for one in describe_controls(built("munit"), card("munit"))]
    to = describe_controls(built("munit"), card("munit", "ba"))[0]
    assert (to.name, to.choices, to.default) == ("to", ("night", "day"), "night")


def test_a_model_that_draws_nothing_has_no_seed() -> None:
    for method in ("pix2pix", "spade"):
        options = {"dropout": False} if method == "pix2pix" else {}
        assert [one.name for one in describe_controls(built(method, **options), card(method))] == EVERYWHERE


def test_help_comes_from_the_annotation() -> None:
    helps = {one.name: one.help for one in describe_controls(built("munit"), card("munit"))}
    assert helps["style_strength"].startswith("how far the style goes, from the seed's (0)")


def test_words_of_a_form_become_values_and_all_that_is_wrong_is_said_at_once() -> None:
    form = Form(built("munit"), card("munit", "ba"))
    given = {"seed": "7", "style_strength": "0.5", "to": "day", "style": b"picture"}
    assert form.read(given) == {**given, "seed": 7, "style_strength": 0.5}
    with pytest.raises(ConfigError) as error:
        form.read({"seed": "-1", "to": "dusk", "styl": "1", "style_strength": "2"})
    with pytest.raises(ConfigError, match=r"seed = '7_0': give a whole number\nstyle_strength = '2'"):
        form.read({"seed": "7_0", "style_strength": "2"})
    for part in ("seed = -1", "'dusk': the model translates to night or day", "did you mean style", "style_strength"):
        assert part in str(error.value)


def test_a_control_is_understood_under_its_former_name_with_a_warning() -> None:
    network, about = built("bicyclegan"), card("bicyclegan")
    warn_of.cache_clear()
    with pytest.warns(FutureWarning, match="towards is now called interpolate_to_seed"):
        assert Form(network, about).read({"towards": "5"}) == {"interpolate_to_seed": 5}
    warn_of.cache_clear()
    known = Translator(network, about, device="cpu")
    with pytest.warns(FutureWarning, match="until version 0.3"):
        assert known.checked({"towards": 5})["interpolate_to_seed"] == 5
    assert read_arguments(known.controls, {"towards": "5"}) == {"interpolate_to_seed": 5}
    with pytest.raises(ConfigError, match="towards is the former name of interpolate_to_seed, and both are given"):
        known.checked({"towards": 5, "interpolate_to_seed": 6})


def test_a_number_between_bounds_has_a_slider_and_others_a_field() -> None:
    bounded, open_ = (control("contrast", Annotated[float, bound], 1.0) for bound in (Interval(ge=0, le=2), Ge(0)))
    assert (bounded.kind, bounded.widget, bounded.low, bounded.high) == ("number", "strength", 0, 2)
    assert (open_.kind, open_.widget) == ("number", "number")
