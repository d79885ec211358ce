"""What is where on the page, and what happens when somebody does something."""

from __future__ import annotations

import asyncio
import random
import shutil
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from diptych import images
from diptych.controls import Control
from diptych.serve.engine import Engine, Served
from diptych.serve.errors import BadControl, BadPicture
from diptych.serve.forms import read_controls
from diptych.serve.jobs import Jobs
from diptych.serve.page import drawing, snippets
from diptych.serve.page.errors import said, sentence
from diptych.serve.page.history import History, suffix_of
from diptych.serve.page.many import show_jobs
from diptych.serve.page.words import plain_card
from diptych.serve.store import Past

MOST = 8
"""Answers to one picture that have room side by side."""

SHOWN = 2048
"""Pixels a side of what is shown in the place of a picture that a browser does not know."""


def build(engine: Engine, history: History, jobs: Jobs) -> gr.Blocks:
    """The page for the models that are served."""
    names = list(engine.served)
    with gr.Blocks(title="diptych", analytics_enabled=False, delete_cache=(3600, 86400)) as blocks:
        gr.Markdown("# diptych\nGive a picture, and see what the model makes of it. All of it stays on this server.")
        model = gr.Dropdown(names, value=names[0], label="Model", visible=len(names) > 1, elem_id="model")
        about = gr.Markdown(partial(describe, engine, names[0]), elem_id="about")
        with gr.Accordion("Model card", open=False):
            preview = gr.Image(
                partial(history.preview, engine.find(names[0])), label="What it does", type="filepath", height=300,
                interactive=False, buttons=[], elem_id="preview",
            )  # fmt: skip
            card = gr.Markdown(partial(card_of, engine, names[0]))
        columns = []
        for name in names:
            with gr.Column(visible=name == names[0]) as column:
                Workplace(engine, history, name).show()
            columns.append(column)

        with gr.Accordion("Many pictures", open=False):
            show_jobs(jobs, model)
        model.change(partial(describe, engine), model, about)
        model.change(partial(card_of, engine), model, card)
        model.change(lambda name: history.preview(engine.find(name)), model, preview)
        model.change(lambda chosen: [gr.Column(visible=name == chosen) for name in names], model, columns)
    return blocks


def describe(engine: Engine, name: str) -> str:
    """The model in a few lines, its card below."""
    card = plain_card(engine.find(name).current.card)
    return f"{card.directions()}. Licence: {card.licence}. For: {card.intended_use}. Not for: {card.excluded_use}."


def card_of(engine: Engine, name: str) -> str:
    """All of the model's card."""
    return plain_card(engine.find(name).current.card).to_markdown()


@dataclass(frozen=True)
class Inputs:
    """Where a picture comes from: it is given, or for models that one can draw for, drawn. seen: "give" or "draw"."""

    picture: gr.Image
    drawing: gr.HTML | gr.State
    seen: gr.Textbox | gr.State
    tabs: gr.Tabs | None = None


class Workplace:
    """Where one model is used: input and controls on one side, results on the other."""

    def __init__(self, engine: Engine, history: History, name: str) -> None:
        self.engine, self.history, self.name = engine, history, name

    @property
    def served(self) -> Served:
        return self.engine.find(self.name)

    def show(self) -> None:
        current = self.served.current
        with gr.Row():
            with gr.Column(min_width=300):
                inputs = self.show_inputs()
                controls = {one.name: show_control(one) for one in current.controls}
                several = "seed" in controls
                samples = gr.Slider(1, MOST, value=1, step=1, label="Answers", visible=several, elem_id="samples")
                with gr.Row():
                    dice = gr.Button("Another seed", visible=several, elem_id="dice")
                    start = gr.Button("Translate", variant="primary", elem_id="translate")
            with gr.Column(min_width=300):
                slider = gr.ImageSlider(label="Before and after", type="filepath", interactive=False, elem_id="slider")
                answers = gr.Gallery(label="Answers", columns=4, height="auto", visible=False, elem_id="answers")
                with gr.Row():
                    save = gr.DownloadButton("Save the file", interactive=False, elem_id="save")
                    fits = current.card.source.legend is None or current.card.target.legend is not None
                    again = gr.Button("Use as input", interactive=False, visible=fits, elem_id="again")
                with gr.Accordion("The same from a program", open=False):
                    shell = gr.Code(label="curl", language="shell", elem_id="curl")
                    script = gr.Code(label="Python", language="python")
        past = gr.Gallery(
            value=partial(thumbnails, self.history, self.name), label="History", columns=8, height=170,
            object_fit="contain", allow_preview=False, interactive=False, buttons=[], fit_columns=False,
            elem_id="history",
        )  # fmt: skip
        latest, strokes = gr.State(None), gr.State([])
        widgets = list(controls.values())
        outputs = [slider, answers, save, again, shell, script, past, latest]
        here = [inputs.picture, *([inputs.tabs, inputs.seen] if inputs.tabs else [])]

        def put(path: str) -> list[Any]:
            """Make a picture the input, and show that it is."""
            return [path, *([gr.Tabs(selected="give"), "give"] if inputs.tabs else [])]

        async def work(
            request: gr.Request, path: str | None, drawn: Any, seen: str, samples: Any, *values: Any
        ) -> list[Any]:
            asked = self.source(None, drawn) if seen == "draw" else self.source(path, None)
            made = self.translate(request, asked, samples, dict(zip(controls, values, strict=True)))
            return (await said(made))[0]

        async def follow(request: gr.Request, drawn: Any, before: list[str], samples: Any, *values: Any) -> list[Any]:
            """The result of each stroke takes the place of the one before in the history."""
            if not drawn:
                return [*[gr.skip()] * len(outputs), []]
            asked = self.source(None, drawn)
            made = self.translate(request, asked, samples, dict(zip(controls, values, strict=True)), instead_of=before)
            shown, ids = await said(made)
            return [*shown, ids]

        def recall(event: gr.SelectData) -> list[Any]:
            path, *rest = self.recall(list(controls), Path(event.value["image"]["path"]).stem)
            return [*put(path), *rest]

        start.click(
            work, [inputs.picture, inputs.drawing, inputs.seen, samples, *widgets], outputs,
            trigger_mode="once", concurrency_limit=8,
        )  # fmt: skip
        if isinstance(inputs.drawing, gr.HTML):
            inputs.drawing.input(
                follow, [inputs.drawing, strokes, samples, *widgets], [*outputs, strokes],
                trigger_mode="always_last", show_progress="hidden",
            )  # fmt: skip
        if several:
            dice.click(lambda: random.randrange(2**31), None, controls["seed"])
        again.click(lambda result: put(self.history.path(result)), latest, here)
        past.select(recall, None, [*here, slider, save, latest, *widgets])

    def show_inputs(self) -> Inputs:
        side = self.served.current.card.source
        if not drawing.is_for(side):
            return Inputs(self.show_picture(), gr.State(None), gr.State("give"))
        seen = gr.Textbox("draw", visible="hidden")
        with gr.Tabs() as tabs:
            with gr.Tab("Draw", id="draw") as draw:
                canvas = drawing.canvas(side)
            with gr.Tab("Give a picture", id="give") as give:
                picture = self.show_picture()
        draw.select(None, None, seen, js="() => 'draw'")
        give.select(None, None, seen, js="() => 'give'")
        return Inputs(picture, canvas, seen, tabs)

    def show_picture(self) -> gr.Image:
        """Where a picture is given, and examples that can be chosen instead."""
        picture = field_for_pictures(
            label=f"Picture ({self.served.current.card.source.name})", height=300,
            sources=["upload", "webcam", "clipboard"], elem_id="picture",
        )  # fmt: skip
        self.show_examples(picture)
        return picture

    def show_examples(self, picture: gr.Image) -> None:
        """Pictures that came with the model: the one that is chosen becomes the input."""
        examples = gr.Gallery(
            value=lambda: [visible(self.history, name) for name in self.history.examples(self.served)],
            label="Examples", columns=3, height=160, object_fit="contain", allow_preview=False, interactive=False,
            buttons=[], elem_id="examples", visible=bool(self.history.examples(self.served)),
        )  # fmt: skip

        def choose(event: gr.SelectData) -> str:
            return self.history.path(self.history.examples(self.served)[event.index])

        examples.select(choose, None, picture)

    async def source(self, path: str | None, drawn: Any) -> tuple[bytes, str]:
        """The file of a picture that is given, or else of what is drawn, and its suffix. Raises BadPicture."""
        if path:
            return await asyncio.to_thread(Path(path).read_bytes), suffix_of(path)
        file = await asyncio.to_thread(drawing.drawn, drawn, self.served.current.card.source)
        if file is None:
            raise BadPicture("There is no picture yet: give one first.")
        return file, ".png"

    async def translate(
        self,
        request: gr.Request,
        asked: Awaitable[tuple[bytes, str]],
        samples: Any,
        given: Mapping[str, Any],
        *,
        instead_of: Sequence[str] = (),
    ) -> tuple[list[Any], list[str]]:
        """Translate what is asked for, once for each answer wanted; what is shown, and the ids in the history.

        instead_of: ids of what this replaces there.
        """
        file, suffix = await asked
        controls = await asyncio.to_thread(self.controls, self.served, given)
        each = seeds(controls, samples)
        answers = await asyncio.gather(*(self.engine.translate(self.name, file, one) for one in each))
        pasts = [
            await asyncio.to_thread(self.history.add, self.name, file, suffix, one, answer)
            for one, answer in zip(each, answers, strict=True)
        ]
        await asyncio.to_thread(self.history.forget, instead_of)
        before, *shown = await asyncio.to_thread(
            lambda: [visible(self.history, name) for name in (pasts[0].source, *(past.result for past in pasts))]
        )
        url = str(request.base_url).rstrip("/")
        return [
            (before, shown[0]),
            gr.Gallery(value=shown, visible=len(shown) > 1),
            gr.DownloadButton(value=self.history.path(pasts[0].result), interactive=True),
            gr.Button(interactive=True),
            snippets.curl(url, self.name, controls),
            snippets.python(url, self.name, controls),
            await asyncio.to_thread(thumbnails, self.history, self.name),
            pasts[0].result,
        ], [past.id for past in pasts]

    def controls(self, served: Served, given: Mapping[str, Any]) -> dict[str, Any]:
        """The controls as the engine wants them: example pictures as their files, numbers as they are."""
        kinds = {one.name: one.kind for one in served.current.controls}
        filled = {name: value for name, value in given.items() if value not in (None, "")}
        return read_controls(served, {name: word(kinds[name], value) for name, value in filled.items()})

    def recall(self, names: list[str], id: str) -> list[Any]:
        """An earlier translation with its picture, its result and its settings."""
        past = self.history.find(id)
        if past is None:
            raise sentence("This translation is no longer kept: only the latest are.")
        paths = [self.history.path(name) for name in (past.source, past.result)]
        known = {one.name: one for one in self.served.current.controls}
        values = [
            gr.skip() if known[name].kind == "picture" else past.controls.get(name, known[name].default)
            for name in names
        ]
        slider = (visible(self.history, past.source), visible(self.history, past.result))
        return [paths[0], slider, gr.DownloadButton(value=paths[1], interactive=True), past.result, *values]


def word(kind: str, value: Any) -> Any:
    """What a field of the page holds, as a form would send it."""
    if kind == "picture":
        return Path(value).read_bytes()
    whole = kind in ("seed", "integer") and isinstance(value, float) and value.is_integer()
    return str(int(value) if whole else value)


def seeds(controls: Mapping[str, Any], samples: Any) -> list[dict[str, Any]]:
    """The controls of each of several answers. Raises BadControl for a number of them that there is no room for."""
    if samples not in range(1, MOST + 1):
        raise BadControl(f"answers: give a whole number from 1 to {MOST}")
    if samples == 1:
        return [dict(controls)]
    return [{**controls, "seed": controls.get("seed", 0) + number} for number in range(int(samples))]


def field_for_pictures(**looks: Any) -> gr.Image:
    """Where a picture is given, of any format. Gradio would open it, and know of a damaged one to say but "Error"."""
    field = gr.Image(type="filepath", image_mode=None, **looks)
    field.preprocess = lambda payload: payload and payload.path
    return field


def show_control(control: Control) -> gr.components.Component:
    """What sets a control."""
    label, help = control.name.replace("_", " ").capitalize(), control.help or None
    if control.optional and control.kind in ("integer", "number"):  # a field for numbers has no way to be empty
        return gr.Textbox(label=label, info=help, placeholder="none", max_lines=1)
    match control.kind:
        case "picture":
            return field_for_pictures(label=label, height=160, sources=["upload", "clipboard"])
        case "seed":
            return gr.Number(control.default, label=label, info=help, precision=0, minimum=0, elem_id="seed")
        case "strength":
            return gr.Slider(0, 1, value=control.default, step=0.01, label=label, info=help)
        case "choice":
            return gr.Radio(list(control.choices), value=control.default, label=label, info=help)
        case "switch":
            return gr.Checkbox(control.default, label=label, info=help)
        case "text":
            return gr.Textbox(control.default, label=label, info=help, max_lines=1)
        case "integer":
            return gr.Number(control.default, label=label, info=help, precision=0, minimum=control.low)
        case _:
            return gr.Number(control.default, label=label, info=help, minimum=control.low, maximum=control.high)


def thumbnails(history: History, model: str) -> list[tuple[str, str]]:
    """A model's results in the history, newest first, each with its seed; their files are named by their ids."""
    pasts = history.latest(model)
    return [(named(Path(visible(history, past.result)), past.id), caption(past)) for past in pasts]


def named(path: Path, id: str) -> str:
    """The same file by another name: all that the page says of a picture that is chosen is what its file is called."""
    place = path.with_name(f"{id}{path.suffix}")
    if not place.exists():
        shutil.copy2(path, place)
    return str(place)


def caption(past: Past) -> str:
    return f"seed {past.controls['seed']}" if "seed" in past.controls else ""


def visible(history: History, name: str) -> str:
    """The path of a picture that a browser can show: of others, a PNG beside them."""
    path = Path(history.path(name))
    if path.suffix in (".png", ".jpg", ".jpeg", ".webp", ".gif", ".avif", ".bmp"):
        return str(path)
    shown = path.with_suffix(".shown.png")
    if not shown.exists():
        picture = images.read(path, limit_mp=float("inf"))  # a worker has read it, and kept to the limit
        images.write(shown, images.displayable(picture.visible, side=SHOWN))
    return str(shown)
