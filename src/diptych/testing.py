"""The battery that every method passes, ours and third parties': `check_method(MyMethod)`.

A test suite runs the checks one by one, and says which one failed:

    @pytest.mark.parametrize("check", checks(MyMethod, width=4), ids=str)
    def test_my_method(check):
        check()
"""

from __future__ import annotations

import copy
import inspect
import tempfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from diptych import images
from diptych.errors import DiptychError
from diptych.images import Picture
from diptych.methods.method import (
    Method,
    arguments,
    directions,
    domains,
    inputs,
    kinds_of,
    label_inputs,
    of_kind,
    parameters,
    required,
)
from diptych.model.card import Card, Domain, between
from diptych.model.controls import Form
from diptych.model.folder import split_state
from diptych.model.translator import Translator
from diptych.options.controls import controls_of
from diptych.options.schema import schema
from diptych.runtime.speed import PLAIN, Speed
from diptych.tiling import Tiling
from diptych.training.trainer import Trainer

Options = dict[str, Any]
SIZE, IMAGES = 32, 64


@dataclass(frozen=True)
class Check:
    """One check of a method with options for small networks; calling it raises AssertionError that says what is wrong.

    expected: why it is known to fail; then it is an error that it does not.
    """

    run: Callable[[type[Method], Options], None]
    method: type[Method]
    options: Options
    expected: str = ""

    def __str__(self) -> str:
        return self.run.__name__

    def __call__(self) -> None:
        if not self.expected:
            return self.run(self.method, self.options)
        try:
            self.run(self.method, self.options)
        except (AssertionError, DiptychError):  # any other error is a fault of its author's
            return None
        raise AssertionError(f"{self} passes, and was expected to fail: {self.expected}")


def checks(method: type[Method], *, expected: Mapping[str, str] | None = None, **options: Any) -> Iterator[Check]:
    """Every check of `method`, with `options` that make its networks small and fit for 32x32 pixels.

    expected: checks that are known to fail, by name, and why. Raises ValueError for a name that is none.
    """
    known = {check.__name__: check for check in (*CHECKS, exported_it_gives_the_same)}
    if unknown := set(expected or {}) - set(known):
        raise ValueError(f"there is no check called {', '.join(sorted(unknown))}: there are {', '.join(known)}")
    for name, check in known.items():
        yield Check(check, method, options, (expected or {}).get(name, ""))


def check_method(method: type[Method], *, expected: Mapping[str, str] | None = None, **options: Any) -> None:
    """Run all of `checks`. Raises AssertionError that says what is wrong."""
    for check in checks(method, expected=expected, **options):
        check()


def options_are_a_schema(method: type[Method], options: Options) -> None:
    """Every option has a type and a default, and so has every control; the directions agree with the parts."""
    for function, without in ((method, ()), (method.translate, ("self", "x"))):
        fields = schema(function, without=without).model_fields
        missing = [name for name, field in fields.items() if field.is_required()]
        assert not missing, f"{method.__name__}: {', '.join(missing)} has no default"
    assert {part for parts in method.directions.values() for part in parts} in (set(), set(method.keep))
    several = len(directions(method)) > 1
    assert several == any(one.kind == "domain" for one in controls_of(method.translate).values())


def groups_hold_every_parameter_once(method: type[Method], options: Options) -> None:
    """Every parameter moves in exactly one group, and each group has an optimiser."""
    made = method(**options)
    grouped = [id(p) for networks in made.groups().values() for p in parameters(networks)]
    assert sorted(grouped) == sorted(id(p) for p in made.parameters() if p.requires_grad)
    assert made.optimisers().keys() == made.groups().keys()
    assert all(hasattr(made, part) for part in made.keep), "keep names parts that do not exist"


def every_group_learns(method: type[Method], options: Options) -> None:
    """After a few steps on one batch every weight has moved (a bias may have no say), and every loss is a number."""
    trainer = begin(method, options)
    before = copy.deepcopy(trainer.method.state_dict())
    for _ in range(3):
        trainer.step(batch(trainer.method))
    trainer.losses()
    names = {name for name, p in trainer.method.named_parameters() if p.requires_grad and p.dim() > 1}
    still = [name for name in names if torch.equal(before[name], trainer.method.state_dict()[name])]
    assert not still, f"never moved: {', '.join(sorted(still))}"


def steps_move_their_groups_alone(method: type[Method], options: Options) -> None:
    """The gradients of a step reach its own groups and are gone before the next."""
    trainer = begin(method, options)
    for step in trainer.method.steps(**batch(trainer.method)):
        moving = {id(p) for p in trainer.parameters(step.groups)}
        step.loss.backward(inputs=trainer.parameters(step.groups))
        reached = {id(p) for p in trainer.method.parameters() if p.grad is not None}
        assert reached, f"the step of {step.groups} has no gradient"
        assert reached <= moving
        trainer.optimise(step.groups)
        assert all(p.grad is None for p in trainer.method.parameters())


def discriminators_say_what_is_real(method: type[Method], options: Options) -> None:
    """In the steps of discriminators the real pictures are named, so that gradient penalties know them."""
    trainer = begin(method, options)
    known = {part for name, part in trainer.method.named_children() if name in method.discriminators}
    seen: set[nn.Module] = set()
    for step in trainer.method.steps(**batch(trainer.method)):
        moving = {network for name in step.groups for network in trainer.groups[name]}
        assert moving & known <= step.real_inputs.keys() <= known, (
            f"the step of {step.groups} names other discriminators"
        )
        seen |= step.real_inputs.keys()
    assert seen == known, f"{method.__name__}: a discriminator never says what is real"


def training_repeats_bit_for_bit(method: type[Method], options: Options) -> None:
    """The same seed gives the same weights, whatever was drawn elsewhere meanwhile."""
    assert_equal(trained(method, options, images=6), trained(method, options, images=6, disturbed=True))


def resuming_equals_going_on(method: type[Method], options: Options) -> None:
    """Stopped, stored, loaded into new objects and continued, training ends with the same bits."""
    through, stopped = begin(method, options, ema=0.9), begin(method, options, ema=0.9)
    for number in range(6):
        through.step(batch(through.method, number))
        if number < 3:
            stopped.step(batch(stopped.method, number))
    with tempfile.NamedTemporaryFile() as file:
        torch.save(stopped.state(), file.name)
        state = torch.load(file.name, weights_only=True)
    resumed = begin(method, options, ema=0.9, init=1)
    resumed.load(state)
    for number in range(3, 6):
        resumed.step(batch(resumed.method, number))
    assert_equal(through.method.state_dict(), resumed.method.state_dict())
    assert_equal(through.trained(), resumed.trained())


def micro_batches_equal_the_whole_batch(method: type[Method], options: Options) -> None:
    """A batch in parts gives the gradients of the whole, where no picture's result depends on neighbours or chance."""
    independent = {"norm": "instance", "dropout": False}
    options = options | {k: v for k, v in independent.items() if k in inspect.signature(method).parameters}
    gradients = []
    for micro_batch in (0, 2):
        trainer = begin(method, options, micro_batch=micro_batch, lr_scale=0.0)
        seen: dict[str, Tensor] = {}
        trainer.optimise = lambda groups, t=trainer, seen=seen: seen.update(take_gradients(t))  # type: ignore
        pictures = batch(trainer.method, size=4)
        with EveryDrawAlike():
            trainer.step(pictures)
        gradients.append(seen)
    largest = {name: float(whole.abs().max()) for name, whole in gradients[0].items()}
    for name, whole in gradients[0].items():
        near = max(size for other, size in largest.items() if other.partition(".")[0] == name.partition(".")[0])
        tolerance = 1e-4 * largest[name] + 5e-6 * max(1.0, near)  # a bias before a norm has nothing but rounding
        assert torch.allclose(whole, gradients[1][name], rtol=0, atol=tolerance), f"{name} differs"


def translation_keeps_size_and_is_pure(method: type[Method], options: Options) -> None:
    """Any size comes back as it was; twice gives the same bits; neither the model nor the global chance is touched."""
    translator = bundle(method, options)
    before = copy.deepcopy(translator.method.state_dict())
    for (height, width), (_, to) in product(((SIZE, SIZE), (37, 51), (5, 70)), translator.directions):
        source, target = translator.ends(to)
        way = translator.checked({"to": to})
        pictures = torch.rand(2, source.channels, height, width) * 2 - 1
        chance = torch.get_rng_state()
        first, second = translator.batch(pictures, **way), translator.batch(pictures, **way)
        assert first.shape == (2, target.channels, height, width)
        assert torch.equal(first, second), "the same picture and seed gave two answers"
        assert torch.equal(chance, torch.get_rng_state()), "translate draws from the global random numbers"
    assert_equal(before, translator.method.state_dict())


def neighbours_in_a_batch_do_not_matter(method: type[Method], options: Options) -> None:
    """A picture is translated alike alone and in company."""
    translator = bundle(method, options)
    pictures = torch.rand(3, translator.card.source.channels, SIZE, SIZE) * 2 - 1
    together = translator.batch(pictures)
    alone = torch.cat([translator.batch(picture[None]) for picture in pictures])
    assert torch.allclose(together, alone, atol=1e-5)


def a_saved_translator_is_the_same(method: type[Method], options: Options) -> None:
    """Saved and loaded, it gives the same bits, and needs no more than the parts it keeps."""
    translator = bundle(method, options)
    pictures = torch.rand(1, translator.card.source.channels, SIZE, SIZE) * 2 - 1
    with tempfile.TemporaryDirectory() as folder:
        loaded = Translator.load(translator.save(Path(folder) / "model"), device="cpu")
    assert {name for name, _ in loaded.method.named_children()} == set(loaded.method.keep)
    assert torch.equal(translator.batch(pictures), loaded.batch(pictures))
    assert split_state(loaded.method)[1] == {}


def recomputing_changes_nothing(method: type[Method], options: Options) -> None:
    """Trained with `speed.recompute`, weights and buffers come out the same."""
    weights = []
    for speed in (PLAIN, replace(PLAIN, recompute=True)):
        trainer = begin(method, options, speed=speed)
        for number in range(2):
            trainer.step(batch(trainer.method, number))
        weights.append(trainer.method.state_dict())
    assert_equal(*weights)


def it_trains_in_bfloat16(method: type[Method], options: Options) -> None:
    """With every speed option but compilation, losses stay close to those of plain arithmetic."""
    plain, fast = (begin(method, options, speed=speed) for speed in (PLAIN, Speed(bf16=True)))
    for trainer in (plain, fast):
        trainer.step(batch(trainer.method))
    for (name, exact), rounded in zip(plain.losses().items(), fast.losses().values(), strict=True):
        assert abs(exact - rounded) <= 0.1 * abs(exact) + 0.05, f"{name}: {exact} became {rounded}"


def every_control_can_be_shown_and_used(method: type[Method], options: Options) -> None:
    """Forms can show every control, each takes its own default, words take words, and examples take pictures."""
    translator = bundle(method, options)
    form = Form(translator.method, translator.card)
    assert {one.name for one in form.controls if one.kind == "picture"} <= translator.examples
    picture = torch.rand(1, translator.card.source.channels, SIZE, SIZE) * 2 - 1
    for one in form.controls:
        value = one.default
        if one.name in translator.examples:
            channels = translator.ends()[1].channels
            value = Picture(np.full((SIZE, SIZE, channels), 128, np.uint8))
        elif one.kind == "prompt":
            value = form.read({one.name: "words"})[one.name]
        elif one.kind in ("seed", "strength", "text", "choice") and value is not None:
            value = form.read({one.name: str(value)})[one.name]
        if value is not None:
            result = translator.batch(picture, **translator.checked({one.name: value}))
            assert result.shape[-2:] == picture.shape[-2:], f"with {one.name} the size is another"


def tiles_are_the_whole(method: type[Method], options: Options) -> None:
    """A large picture in tiles is what it is as a whole, to 50 dB, with weights as a few steps leave them."""
    trainer, translator = begin(method, options), bundle(method, options)
    for number in range(4):
        trainer.step(batch(trainer.method, number))
    translator.method.load_state_dict(trainer.method.state_dict())
    picture = scene(64, 352, translator.card.source.channels)
    made = []
    for tiling in (Tiling("off"), Tiling("exact", size=64, blend=4)):
        translator.tiling = tiling
        made.append(translator(picture).array.astype(float))
    error = float(np.square(made[0] - made[1]).mean())
    assert error < 255**2 / 10**5, f"tiles differ from the whole by {error**0.5:.2f} levels"


def served_it_gives_the_same(method: type[Method], options: Options) -> None:
    """A worker of the server makes of a file what the translator makes of the picture."""
    from diptych.serve.engine.worker import Batch, Done, Models, Plan, answer

    translator = bundle(method, options)
    picture = scene(40, 56, translator.card.source.channels)
    with tempfile.TemporaryDirectory() as place, ThreadPoolExecutor(1) as pool:
        models = Models(Plan({"it": translator.save(Path(place) / "it")}, provenance=False))
        format = "PNG" if images.can_hold(".png", np.dtype(np.uint8), picture.shape[2]) else "TIFF"
        (made,) = answer(models, Batch("it", [images.encode(picture, format)], {}, "TIFF"), pool)
    assert isinstance(made, Done), str(made)
    assert np.array_equal(images.read(made.data).array, translator(picture).array)


def exported_it_gives_the_same(method: type[Method], options: Options) -> None:
    """As an ONNX file it gives the same; where the packages for that are missing there is nothing to check."""
    if not all(find_spec(package) for package in ("onnx", "onnxscript", "onnxruntime")):
        return
    from diptych.export import export_model

    with tempfile.TemporaryDirectory() as place:
        export_model(bundle(method, options), "onnx", Path(place) / "model.onnx", {})  # which compares them


CHECKS: tuple[Callable[[type[Method], Options], None], ...] = (
    options_are_a_schema,
    groups_hold_every_parameter_once,
    every_group_learns,
    steps_move_their_groups_alone,
    discriminators_say_what_is_real,
    training_repeats_bit_for_bit,
    resuming_equals_going_on,
    micro_batches_equal_the_whole_batch,
    translation_keeps_size_and_is_pure,
    neighbours_in_a_batch_do_not_matter,
    a_saved_translator_is_the_same,
    every_control_can_be_shown_and_used,
    recomputing_changes_nothing,
    it_trains_in_bfloat16,
    tiles_are_the_whole,
    served_it_gives_the_same,
)
"""All checks but that of export, which takes seconds."""


def begin(method: type[Method], options: Options, *, init: int = 0, speed: Speed = PLAIN, **training: Any) -> Trainer:
    """A trainer of small networks with initial weights by `init`; what would come pretrained is always the same."""
    torch.manual_seed(init)
    made = method(**options)
    for name in method.pretrained.keys() & dict(made.named_modules()).keys():
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            always = method(**options).get_submodule(name)
        for mine, other in zip(made.get_submodule(name).buffers(), always.buffers(), strict=True):
            mine.copy_(other)
    parts: dict[str, Any] = dict(made.named_children())
    for name in method.examples.keys() & parts.keys():
        picture = torch.rand(1, channels_of(method, "target"), SIZE, SIZE, generator=torch.Generator().manual_seed(0))
        parts[name].fill(picture * 2 - 1)
    return Trainer(made, images=IMAGES, speed=speed, **training)


def batch(method: Method, number: int = 0, size: int = 2) -> dict[str, Tensor]:
    """Random pictures for every argument of the method's `steps`; those called NAME have `NAME_channels` channels."""
    generator = torch.Generator().manual_seed(number)
    channels = {name: channels_of(type(method), name) for name in inputs(method)}
    pictures = {name: torch.rand(size, c, SIZE, SIZE, generator=generator) * 2 - 1 for name, c in channels.items()}
    images = {name: one_hot(x) if name in label_inputs(method) else x for name, x in pictures.items()}
    beside = {
        "domain": torch.arange(size) % count_of(type(method)),
        "text": torch.randint(1, 256, (size, 9), generator=generator),
        "mask": torch.randint(2, (size, 1, SIZE, SIZE), generator=generator).float(),
        "instances": torch.randint(9, (size, 1, SIZE, SIZE), generator=generator),
    }
    needed = {kind for name, kind in kinds_of(method).items() if name in required(method)}
    return arguments(method, images | {kind: x for kind, x in beside.items() if kind in needed})


def one_hot(pictures: Tensor) -> Tensor:
    """One-hot label maps: at each pixel 1 for the largest channel, -1 for the others."""
    return torch.zeros_like(pictures).scatter_(1, pictures.argmax(1, keepdim=True), 1.0) * 2 - 1


def scene(height: int, width: int, channels: int) -> np.ndarray:
    """A smooth picture of a dark half and a bright one, so that parts of it have other statistics than the whole."""
    y, x = np.mgrid[:height, :width]
    array = np.stack([60 + 40 * np.sin((x + 2 * y) / (5 + c)) + 100 * (x > width / 2) for c in range(channels)], axis=2)
    return array.clip(0, 255).astype(np.uint8)


def channels_of(method: type[Method], name: str) -> int:
    option = inspect.signature(method).parameters.get(f"{name}_channels")
    return 3 if option is None else int(option.default)


def count_of(method: type[Method]) -> int:
    """How many domains a method has: two, or as many as its option says."""
    option = inspect.signature(method).parameters.get("domains")
    return 2 if option is None else int(option.default)


def trained(method: type[Method], options: Options, *, images: int, disturbed: bool = False) -> dict[str, Tensor]:
    trainer = begin(method, options)
    for number in range(images // 2):
        if disturbed:
            torch.rand(number + 1)
        trainer.step(batch(trainer.method, number))
    return trainer.method.state_dict()


def bundle(method: type[Method], options: Options) -> Translator:
    """A translator with random weights."""
    torch.manual_seed(0)
    module = method.__module__.rpartition(".")
    name = module[2] if module[0] == "diptych.methods" else method.__module__
    count = count_of(method)
    names = inputs(method) if not of_kind(method, "domain") else inputs(method) * count
    named = {
        own: Domain(name=f"the {own}", channels=channels_of(method, one))
        for own, one in zip(domains(method, count), names, strict=True)
    }
    card = Card(method=name, options=options, **between(named, directions(method, count)))
    return Translator(method(**options), card, device="cpu")


class EveryDrawAlike(TorchFunctionMode):
    """Random tensors are one draw, repeated for every picture of the batch, and the same at every call."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        chance = torch.Generator().manual_seed(0)
        if func is torch.randperm:
            return torch.randperm(len(result), generator=chance).to(result)
        for draw, like in (torch.randn, torch.randn_like), (torch.rand, torch.rand_like):
            if func in (draw, like):
                return draw(result.shape[1:], generator=chance).to(result).expand_as(result).clone()
        return result


def take_gradients(trainer: Trainer) -> Iterator[tuple[str, Tensor]]:
    """The gradients that are there, by name; they are cleared."""
    for name, parameter in trainer.method.named_parameters():
        if parameter.grad is not None:
            yield name, parameter.grad.clone()
            parameter.grad = None


def assert_equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    different = [name for name in one if not torch.equal(one[name], other[name])]
    assert not different, f"not equal: {', '.join(different[:5])}"
