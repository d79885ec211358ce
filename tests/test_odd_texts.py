"""A method of others that is told in words, from texts beside images to training, model, and every way to use it."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from commands import diptych
from odd.domains import AnyDomain
from odd.prompted import Prompted
from pictures import noise, save
from torch import Tensor

from diptych import Translator, images, tasks
from diptych.data.opening import open_data
from diptych.errors import ConfigError, DataError
from diptych.kinds import text
from diptych.model.controls import describe_controls
from diptych.options.controls import Prompt
from diptych.serve.engine.worker import Batch, Done, Models, Plan, answer
from diptych.testing import CHECKS, bundle, checks

PLUGIN = ("--plugin", "odd.prompted")
WORDS = ["red", "a blue house", "ein grünes Haus", "night"]


def hash_of(*words: object) -> int:
    return sum(map(ord, repr(words)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    for split in ("train", "test"):
        for number, words in enumerate(WORDS):
            for side in ("input", "output"):
                save(root / split / side / f"{number}.png", noise(40, 48, 3, seed=hash_of(split, side, number)))
            (root / split / "input" / f"{number}.txt").write_text(f"{words}\n", encoding="utf-8")
    return root


@pytest.fixture(scope="module")
def run(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run") / "run"
    options = ["data.size=32", "data.val=0.3", "train.images=8", "train.batch=2", "train.best=l1", "train.lr=0.05"]
    said = diptych("train", "odd.prompted", *PLUGIN, "--data", folder, "--out", out, *options)
    assert said.code == 0, said.err
    assert "left out" not in said.err
    return out


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_it_passes_the_battery(check) -> None:
    check(Prompted, {})


def test_each_pair_comes_with_its_text(folder: Path) -> None:
    data = open_data(folder=str(folder), texts=True, size=32, val=0)
    batch = next(data.loader(seed=1, batch=4))
    read = {bytes(row.tolist()).rstrip(b"\0").decode() for row in data.tensors(("source", "target"), batch)["text"]}
    assert read == set(WORDS)
    assert [source.text for _, source, _ in data.pairs("test")] == WORDS


def test_domains_have_texts_too(folder: Path) -> None:
    data = open_data(tasks.make("itself"), folder=str(folder), kind="photos", texts=False, size=32, val=0)
    assert "text" not in next(data.loader(seed=1, batch=2))
    with pytest.raises(DataError, match=r"8 images or pairs have no text, as (train|test)/output/0\.txt"):
        open_data(folder=str(folder), kind="domains", texts=True, size=32)


def test_the_command_line_the_server_and_python_take_words(run: Path, folder: Path, tmp_path: Path) -> None:
    source, translator = folder / "test" / "input" / "0.png", Translator.load(run)
    models, made = Models(Plan({"m": run / "model"}, provenance=False)), []
    for words in ("night", "ein grünes Haus"):
        out = tmp_path / "a.png"
        said = diptych("translate", "--overwrite", run, source, *PLUGIN, "--prompt", words, "--out", out)
        assert said.code == 0, said.err
        made.append(images.read(out).array)
        assert np.array_equal(translator(source, prompt=words).array, made[-1])
        with ThreadPoolExecutor(1) as pool:
            (served,) = answer(models, Batch("m", [source.read_bytes()], {"prompt": words}, None), pool)
        assert isinstance(served, Done), served
        assert np.array_equal(images.read(served.data).array, made[-1])
    assert not np.array_equal(*made)
    assert np.array_equal(translator(source, prompt=" ").array, translator(source).array)


def test_neighbours_in_a_batch_have_their_own_texts(run: Path, folder: Path) -> None:
    data, translator = open_data(folder=str(folder), texts=True, size=32, val=0), Translator.load(run)
    sources = [source for _, source, _ in data.pairs("test")]
    for made, source in zip(translator.many(sources), sources, strict=True):
        assert np.abs(made.array.astype(int) - translator(source.array, prompt=source.text).array).max() <= 1
    assert np.array_equal(
        next(translator.many(sources, prompt="red")).array, translator(sources[0], prompt="red").array
    )


def test_it_is_evaluated_with_the_texts_of_its_pairs(run: Path, folder: Path, tmp_path: Path) -> None:
    without = shutil.copytree(folder, tmp_path / "without")
    given = ["evaluate", run, *PLUGIN, "--data"]
    said = diptych(*given, folder, "--out", tmp_path / "seen")
    assert said.code == 0, said.err
    for path in without.rglob("*.txt"):
        path.unlink()
    said = diptych(*given, without, "--out", tmp_path / "none")
    assert said.code == 2
    assert "8 images or pairs have no text" in said.err


@pytest.mark.parametrize(
    ("content", "said"),
    [(b" \n", "this is empty"), (b"\xff\xfe\xfa", "a text is in UTF-8"), (b"x" * 3000, "at most 2000 bytes")],
)
def test_texts_that_are_none_are_refused_by_name(folder: Path, tmp_path: Path, content: bytes, said: str) -> None:
    wrong = shutil.copytree(folder, tmp_path / "data") / "train" / "input" / "1.txt"
    wrong.write_bytes(content)
    with pytest.raises(DataError, match=rf"1\.txt: .*{said}"):
        open_data(folder=str(tmp_path / "data"), texts=True, size=32, val=0)


def test_words_that_are_too_many_are_refused(run: Path) -> None:
    with pytest.raises(ConfigError, match="prompt: a text has at most 2000 bytes, and this has 2001"):
        Translator.load(run)(noise(40, 40, 3), prompt="x" * 2001)


def test_a_form_has_a_field_of_words() -> None:
    made = bundle(Prompted, {})
    shown = describe_controls(made.method, made.card)[0]
    assert (shown.name, shown.widget, shown.optional) == ("prompt", "text", True)


def test_tokens_are_bytes_and_end_with_zeros() -> None:
    assert text.tokens(["ab", "ü"]).tolist() == [[97, 98], [195, 188]]
    assert text.tokens(["abc", "a"]).tolist() == [[97, 98, 99], [97, 0, 0]]


@pytest.mark.parametrize("method", [Prompted, AnyDomain])
def test_as_a_file_of_another_runtime_it_gives_the_same(method) -> None:
    (export,) = [check for check in checks(method) if str(check) == "exported_it_gives_the_same"]
    export()


def test_the_text_of_an_image_goes_to_what_the_method_learns_from_alone(folder: Path) -> None:
    class Guided(Prompted):
        def translate(self, x: Tensor, *, prompt: Prompt = None, negative_prompt: Prompt = None) -> Tensor:
            assert negative_prompt is None
            return super().translate(x, prompt=prompt)

    data, translator = open_data(folder=str(folder), texts=True, size=32, val=0), bundle(Prompted, {})
    translator.method.__class__ = Guided
    sources = [source for _, source, _ in data.pairs("test")]
    assert len(list(translator.many(sources))) == len(WORDS)


def test_two_different_texts_of_one_pair_are_refused(folder: Path, tmp_path: Path) -> None:
    (shutil.copytree(folder, tmp_path / "data") / "train" / "output" / "1.txt").write_text("another")
    with pytest.raises(DataError, match=r"train/input/1\.txt and the text of its partner differ: keep one of them"):
        open_data(folder=str(tmp_path / "data"), texts=True, size=32, val=0)


def test_another_text_is_another_data_set(folder: Path, tmp_path: Path) -> None:
    other = shutil.copytree(folder, tmp_path / "data")
    before = open_data(folder=str(other), texts=True, size=32, val=0).fingerprint
    (other / "train" / "input" / "0.txt").write_text("blue")
    assert open_data(folder=str(other), texts=True, size=32, val=0).fingerprint != before
