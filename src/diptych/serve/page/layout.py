"""What is where on the page, and what happens when somebody does something."""

from __future__ import annotations

import asyncio
import random
import shutil
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from diptych import images
from diptych.controls import Control
from diptych.serve.engine import Engine, Served
from diptych.serve.forms import read_controls
from diptych.serve.jobs import Jobs
from diptych.serve.page import drawing, snippets
from diptych.serve.page.errors import said
from diptych.serve.page.history import History, suffix_of
from diptych.serve.page.many import show_jobs
from diptych.serve.store import Past


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
    card = engine.find(name).current.card
    text = f"{card.directions()}. Licence: {card.licence}. For: {card.intended_use}. Not for: {card.excluded_use}."
    return text.replace("<", "&lt;")


def card_of(engine: Engine, name: str) -> str:
    """All of the model's card."""
    return engine.find(name).current.card.to_markdown().replace("<", "&lt;")


class Workplace:
    """Where one model is used: input and controls on one side, results on the other."""

    def __init__(self, engine: Engine, history: History, name: str) -> None:
        self.engine, self.history, self.name = engine, history, name

    @property
    def served(self) -> Served:
        return self.engine.find(self.name)

    def show(self) -> None:
        shown = self.served.current.controls
        with gr.Row():
            with gr.Column(min_width=300):
                picture, canvas = self.show_inputs()
                controls = {one.name: show_control(one) for one in shown}
                several = "seed" in controls
                samples = gr.Slider(1, 8, value=1, step=1, label="Answers", visible=several, elem_id="samples")
                with gr.Row():
                    dice = gr.Button("Another seed", visible=several, elem_id="dice")
                    start = gr.Button("Translate", variant="primary", elem_id="translate")
            with gr.Column(min_width=300):
                slider = gr.ImageSlider(label="Before and after", type="filepath", interactive=False, elem_id="slider")
                answers = gr.Gallery(label="Answers", columns=4, height="auto", visible=False, elem_id="answers")
                with gr.Row():
                    save = gr.DownloadButton("Save the file", interactive=False, elem_id="save")
                    again = gr.Button("Use as input", interactive=False, elem_id="again")
                with gr.Accordion("The same from a program", open=False):
                    shell = gr.Code(label="curl", language="shell", elem_id="curl")
                    script = gr.Code(label="Python", language="python")
        past = gr.Gallery(
            value=partial(thumbnails, self.history, self.name), label="History", columns=8, height=170,
            object_fit="contain", allow_preview=False, interactive=False, buttons=[], fit_columns=False,
            elem_id="history",
        )  # fmt: skip
        latest = gr.State(None)
        widgets = list(controls.values())
        outputs = [slider, answers, save, again, shell, script, past, latest]

        async def work(request: gr.Request, *values: Any) -> list[Any]:
            return await said(self.translate(list(controls), canvas is not None, request, *values))

        async def work_on_strokes(request: gr.Request, _: Any, *values: Any) -> list[Any]:
            return await work(request, None, *values)

        inputs = [picture, *([canvas] if canvas else []), samples, *widgets]
        start.click(work, inputs, outputs, trigger_mode="once", concurrency_limit=8)
        if canvas is not None:  # a picture that was given before makes room for what is drawn, at once
            canvas.input(None, None, picture, js="() => null")
            canvas.input(work_on_strokes, inputs, outputs, trigger_mode="always_last", show_progress="hidden")
        if several:
            dice.click(lambda: random.randrange(2**31), None, controls["seed"])
        again.click(lambda past: past and self.history.path(past), latest, picture)

        def recall(event: gr.SelectData) -> list[Any]:
            return self.recall(list(controls), Path(event.value["image"]["path"]).stem)

        past.select(recall, None, [picture, slider, save, latest, *widgets])

    def show_inputs(self) -> tuple[gr.Image, gr.HTML | None]:
        side = self.served.current.card.source
        if not drawing.is_for(side):
            return self.show_picture(), None
        with gr.Tabs():
            with gr.Tab("Draw"):
                canvas = drawing.canvas(side)
            with gr.Tab("Give a picture"):
                picture = self.show_picture()
        return picture, canvas

    def show_picture(self) -> gr.Image:
        """Where a picture is given, and examples that can be chosen instead."""
        picture = gr.Image(
            label=f"Picture ({self.served.current.card.source.name})", type="filepath", image_mode=None, height=300,
            sources=["upload", "webcam", "clipboard"], elem_id="picture",
        )  # fmt: skip
        self.show_examples(picture)
        return picture

    def show_examples(self, picture: gr.Image) -> None:
        """Pictures that came with the model: the one that is chosen becomes the input."""
        examples = gr.Gallery(
            value=lambda: [visible(self.history, name) for name in self.history.examples(self.served)],
            label="Examples", columns=3, height=130, object_fit="contain", allow_preview=False, interactive=False,
            buttons=[], elem_id="examples", visible=bool(self.history.examples(self.served)),
        )  # fmt: skip

        def choose(event: gr.SelectData) -> str:
            return self.history.path(self.history.examples(self.served)[event.index])

        examples.select(choose, None, picture)

    async def translate(
        self, names: list[str], has_canvas: bool, request: gr.Request | None, *values: Any
    ) -> list[Any]:
        """Translate what is given, or else what is drawn, once for each answer wanted."""
        served = self.served
        path, rest = values[0], list(values[1:])
        drawn = drawing.drawn(rest.pop(0), served.current.card.source) if has_canvas else None
        samples, given = int(rest[0]), dict(zip(names, rest[1:], strict=True))
        file = Path(path).read_bytes() if path else drawn
        if file is None:
            raise gr.Error("There is no picture yet: give one, or draw.", duration=6)
        controls = await asyncio.to_thread(self.controls, served, given)
        suffix = suffix_of(path) if path else ".png"
        asked = [self.engine.translate(self.name, file, one, deadline=120) for one in seeds(controls, samples)]
        pasts = [
            await asyncio.to_thread(self.history.add, self.name, file, suffix, one, answer)
            for one, answer in zip(seeds(controls, samples), await asyncio.gather(*asked), strict=True)
        ]
        shown = [self.history.path(past.result) for past in pasts]
        url = str(request.base_url).rstrip("/") if request else ""
        return [
            (visible(self.history, pasts[0].source), visible(self.history, pasts[0].result)),
            gr.Gallery(value=shown, visible=samples > 1),
            gr.DownloadButton(value=shown[0], interactive=True),
            gr.Button(interactive=True),
            snippets.curl(url, self.name, controls),
            snippets.python(url, self.name, controls),
            thumbnails(self.history, self.name),
            pasts[0].result,
        ]

    def controls(self, served: Served, given: Mapping[str, Any]) -> dict[str, Any]:
        """The controls as the engine wants them: example pictures as their files, numbers as they are."""
        kinds = {one.name: one.kind for one in served.current.controls}
        filled = {name: value for name, value in given.items() if value not in (None, "")}
        return read_controls(served, {name: word(kinds[name], value) for name, value in filled.items()})

    def recall(self, names: list[str], id: str) -> list[Any]:
        """An earlier translation with its picture, its result and its settings."""
        past = self.history.find(id)
        if past is None:
            raise gr.Error("This translation is no longer kept: only the latest are.", duration=6)
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
    if kind in ("seed", "integer") and not isinstance(value, str):
        return str(int(value))
    return str(value)


def seeds(controls: Mapping[str, Any], samples: int) -> list[dict[str, Any]]:
    """The controls of each of several answers."""
    if samples == 1:
        return [dict(controls)]
    return [{**controls, "seed": controls.get("seed", 0) + number} for number in range(samples)]


def show_control(control: Control) -> gr.components.Component:
    """What sets a control."""
    label, help = control.name.replace("_", " ").capitalize(), control.help or None
    if control.optional and control.kind in ("integer", "number"):  # a field for numbers has no way to be empty
        return gr.Textbox(label=label, info=help, placeholder="none", max_lines=1)
    match control.kind:
        case "picture":
            return gr.Image(label=label, type="filepath", image_mode=None, height=160, sources=["upload", "clipboard"])
        case "seed":
            return gr.Number(control.default, label=label, info=help, precision=0, minimum=0, elem_id="seed")
        case "strength":
            return gr.Slider(0, 1, value=control.default, step=0.01, label=label, info=help)
        case "choice":
            return gr.Radio(list(control.choices), value=control.default, label=label, info=help)
        case "switch":
            return gr.Checkbox(control.default, label=label, info=help)
        case "integer":
            return gr.Number(control.default, label=label, info=help, precision=0, minimum=control.low)
        case _:
            return gr.Number(control.default, label=label, info=help, minimum=control.low, maximum=control.high)


def thumbnails(history: History, model: str) -> list[tuple[str, str]]:
    """A model's results in the history, newest first, each with its seed; their files are named by their ids."""
    pasts = [past for past in history.latest() if past.model == model][:48]
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
        images.write(shown, images.grid([[images.read(path).visible]], gap=0))
    return str(shown)
