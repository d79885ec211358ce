"""A translator folder is what was saved, to the bit, or it is refused; nothing in it is executed."""

from __future__ import annotations

import errno
import json
import os
import random
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from commands import diptych
from runs import NETWORKS

from diptych import images
from diptych.errors import ModelError, StorageError
from diptych.methods import find
from diptych.model import folder as module
from diptych.model.card import Card, Domain, between
from diptych.model.folder import CARD, TRAINING, WEIGHTS, begin_from, inspect_card, load_method, manifest
from diptych.model.translator import Translator
from diptych.storage.files import SUMS, UNFINISHED, HashingFile
from diptych.testing import bundle

PICTURE = np.full((32, 32, 3), 200, np.uint8)


@pytest.fixture(scope="module")
def translator() -> Translator:
    return bundle(find("pix2pix"), NETWORKS)


@pytest.fixture
def folder(translator: Translator, tmp_path: Path) -> Path:
    return translator.save(tmp_path / "model", everything=True)


def rewrite(folder: Path, **changes: Any) -> None:
    """Change the card, and note its new sha256 as one who means it would."""
    card = json.loads((folder / CARD).read_text()) | changes
    (folder / CARD).write_text(json.dumps(card))
    sign(folder)


def sign(folder: Path) -> None:
    files = {name: (folder / name).read_bytes() for name in (CARD, WEIGHTS, TRAINING)}
    (folder / SUMS).write_text(manifest(files))


def test_a_loaded_translator_gives_the_same_picture(translator: Translator, folder: Path) -> None:
    assert np.array_equal(Translator.load(folder)(PICTURE).array, translator(PICTURE).array)


@pytest.mark.parametrize("name", [WEIGHTS, TRAINING, CARD, SUMS])
def test_every_flipped_bit_is_noticed(name: str, folder: Path) -> None:
    whole = bytearray((folder / name).read_bytes())
    bits = random.Random(name).sample(range(8 * len(whole)), 80)
    with (folder / name).open("r+b", buffering=0) as file:
        for bit in bits:
            file.seek(bit // 8)
            file.write(bytes([whole[bit // 8] ^ 1 << bit % 8]))
            with pytest.raises(ModelError, match=r"copy it again"):
                Translator.load(folder)
            file.seek(bit // 8)
            file.write(whole[bit // 8 : bit // 8 + 1])
    Translator.load(folder)


def test_the_list_of_sums_counts_too_in_every_byte(folder: Path) -> None:
    whole = (folder / SUMS).read_bytes()
    for bit in range(0, 8 * len(whole), 5):
        changed = bytearray(whole)
        changed[bit // 8] ^= 1 << bit % 8
        (folder / SUMS).write_bytes(changed)
        with pytest.raises(ModelError):
            module.verified(folder)


@pytest.mark.parametrize("name", [WEIGHTS, TRAINING, CARD, SUMS])
def test_a_half_copied_folder_is_refused(name: str, folder: Path) -> None:
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(ModelError, match=r"copy it again|not what was saved"):
        Translator.load(folder)
    (folder / name).unlink()
    with pytest.raises(ModelError, match=f"{folder} (is incomplete|holds no translator)"):
        Translator.load(folder)


def test_a_file_less_in_the_list_is_noticed(folder: Path) -> None:
    lines = (folder / SUMS).read_text().splitlines(keepends=True)
    (folder / SUMS).write_text("".join(line for line in lines if WEIGHTS not in line))
    with pytest.raises(ModelError, match=SUMS):
        Translator.load(folder)


def test_a_newer_schema_asks_for_a_newer_version(folder: Path) -> None:
    rewrite(folder, schema_version=99, made_with="diptych 9.0", novelty=True)
    with pytest.raises(ModelError, match=r"newer version, diptych 9\.0: upgrade diptych"):
        Translator.load(folder)


@pytest.mark.parametrize("changes", [{"source": 3}, {"options": []}, {"schema_version": "one"}, {"novelty": True}])
def test_a_card_that_is_none_is_refused(changes: dict[str, Any], folder: Path) -> None:
    rewrite(folder, **changes)
    with pytest.raises(ModelError, match=f"{CARD} is not a card"):
        Translator.load(folder)


@pytest.mark.parametrize("content", ["[]", "null", "{", "[" * 100_000, "\x00"])
def test_a_card_that_is_not_even_a_table_is_refused(content: str, folder: Path) -> None:
    (folder / CARD).write_text(content)
    sign(folder)
    with pytest.raises(ModelError, match=f"{CARD} is not a card"):
        inspect_card(folder)


@pytest.mark.parametrize("method", ["pix3pix", "", "method", "os", "os.path", "diptych.methods.method", "..pix2pix"])
@pytest.mark.parametrize("load", [Translator.load, load_method])
def test_a_card_with_a_method_that_is_none_is_refused(method: str, load: Any, folder: Path) -> None:
    rewrite(folder, method=method)
    with pytest.raises(ModelError, match=CARD):
        load(folder)


def test_options_that_the_method_does_not_have_are_named_all_at_once(folder: Path) -> None:
    rewrite(folder, options={**NETWORKS, "widht": 4, "norm": "none at all"})
    with pytest.raises(ModelError, match=r"(?s)card\.json does not fit.*norm.*widht.*did you mean method\.width\?"):
        Translator.load(folder)


@pytest.mark.parametrize("name", [WEIGHTS, TRAINING])
def test_weights_that_are_no_safetensors_are_refused(name: str, folder: Path) -> None:
    torch.save({"g": Trap(folder / "executed")}, folder / name)
    sign(folder)
    with pytest.raises(ModelError, match=f"{name} is no safetensors file"):
        load_method(folder)
    assert not (folder / "executed").exists()


class Trap:
    """Leaves a file where it is unpickled by a loader that runs what it reads."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, tuple[Path]]:
        return Path.touch, (self.mark,)


def test_weights_of_other_networks_are_refused(folder: Path) -> None:
    rewrite(folder, options={**NETWORKS, "width": 8})
    with pytest.raises(ModelError, match=f"{WEIGHTS} does not fit its method: size mismatch"):
        Translator.load(folder)


def test_a_module_named_in_a_card_is_used_only_if_it_was_imported(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = "from diptych.methods.pix2pix import Pix2Pix\nclass Mine(Pix2Pix): ...\nopen('executed', 'w')\n"
    (tmp_path / "my_lab").mkdir()
    (tmp_path / "my_lab" / "mine.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    rewrite(folder, method="my_lab.mine")
    for load in (Translator.load, load_method):
        with pytest.raises(
            ModelError, match=r"'my_lab\.mine', which is not built in.* if you trust it, add --plugin my_lab"
        ):
            load(folder)
    assert not Path("executed").exists()
    find("my_lab.mine")
    assert type(Translator.load(folder).method).__name__ == "Mine"
    for name in ("my_lab", "my_lab.mine"):
        monkeypatch.delitem(sys.modules, name)


def test_training_begins_only_from_the_same_method_and_networks(folder: Path) -> None:
    from odd.encoder import Encoder

    with pytest.raises(ModelError, match="is of the method pix2pix, not of Encoder"):
        begin_from(Encoder(), folder)
    with pytest.raises(ModelError, match="does not fit its method"):
        begin_from(find("pix2pix")(**NETWORKS | {"width": 8}), folder)
    method = find("pix2pix")(**NETWORKS, l1=1.0)
    begin_from(method, folder)
    assert all(torch.equal(x, load_method(folder).state_dict()[name]) for name, x in method.state_dict().items())


def test_training_begins_anew_where_the_folder_holds_only_what_translates(
    translator: Translator, tmp_path: Path
) -> None:
    method = find("pix2pix")(**NETWORKS)
    fresh = {name: x.clone() for name, x in method.state_dict().items() if name.startswith("d.")}
    begin_from(method, translator.save(tmp_path / "small"))
    assert all(torch.equal(method.state_dict()[name], x) for name, x in fresh.items())
    assert all(p.requires_grad for p in method.parameters())


@pytest.mark.parametrize("foreign", ["file", "folder"])
def test_saving_does_not_touch_what_is_no_translator(foreign: str, translator: Translator, tmp_path: Path) -> None:
    place = tmp_path / "thesis"
    if foreign == "folder":
        place.mkdir()
    text = place if foreign == "file" else place / "thesis.tex"
    text.write_text("three years of work")
    with pytest.raises(ModelError, match="exists and holds something else than a translator: choose another place"):
        translator.save(place)
    assert text.read_text() == "three years of work"


def test_saving_replaces_an_older_translator_and_leaves_nothing_beside_it(translator: Translator, folder: Path) -> None:
    translator.save(folder)
    assert sorted(path.name for path in folder.iterdir()) == ["README.md", SUMS, CARD, WEIGHTS]
    assert [path.name for path in folder.parent.iterdir()] == ["model"]


@pytest.mark.parametrize("share", [0, 0.001, 0.5, 0.997])
def test_a_full_disk_leaves_the_older_translator(
    share: float, translator: Translator, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needed = sum((folder / name).stat().st_size for name in (CARD, WEIGHTS, SUMS, "README.md"))
    left, original = [int(share * needed)], HashingFile.write

    def write(file: HashingFile, data: bytes) -> int:
        left[0] -= len(data)
        if left[0] < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return original(file, data)

    monkeypatch.setattr(HashingFile, "write", write)
    with pytest.raises(StorageError, match="could not be written: No space left on device"):
        translator.save(folder, preview=PICTURE)
    monkeypatch.undo()
    assert (folder / TRAINING).exists()
    Translator.load(folder)
    assert [path.name for path in folder.parent.iterdir()] == ["model"]


def test_a_rename_that_fails_leaves_the_older_translator(
    translator: Translator, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = os.replace

    def replace(source: Path, target: Path) -> None:
        if Path(target) == folder and "old" not in Path(source).name:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        original(source, target)

    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(StorageError):
        translator.save(folder)
    assert (folder / TRAINING).exists()
    assert [path.name for path in folder.parent.iterdir()] == ["model"]


def test_a_translator_can_be_read_while_another_takes_its_place(folder: Path) -> None:
    """Between the two renames the older one is read where it waits, and stays there: the writer comes for it."""
    waiting = folder.rename(folder.parent / f"{UNFINISHED}old-model")
    Translator.load(folder)
    assert waiting.exists()
    assert not folder.exists()


def test_a_run_folder_stands_for_its_model(folder: Path) -> None:
    assert inspect_card(folder.parent).method == "pix2pix"


def test_the_present_folder_may_hold_no_translator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for place in (".", "nowhere", "/"):
        with pytest.raises(ModelError, match="holds no translator"):
            Translator.load(place)


def test_a_copied_folder_loads(folder: Path, tmp_path: Path) -> None:
    Translator.load(shutil.copytree(folder, tmp_path / "copy"))


@pytest.mark.parametrize("task", ["tomorrow", "my_lab.task", "os.path"])
def test_a_task_that_is_not_built_in_is_not_imported_for_a_card(task: str, folder: Path) -> None:
    rewrite(folder, task=task)
    with pytest.raises(ModelError, match="task"):
        Translator.load(folder)


@pytest.mark.parametrize("to", ["zebras", "horses"])
def test_a_folder_of_schema_2_is_read_and_gives_the_same_bytes(to: str) -> None:
    here = Path(__file__).parent / "data" / "schema-2"
    translator = Translator.load(here / "cyclegan", device="cpu")
    assert translator.directions == [("horses", "zebras"), ("zebras", "horses")]
    picture = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    assert np.array_equal(translator(picture, to=to).array, images.read(here / f"to-{to}.png").array)


def test_domains_of_one_name_are_one_or_get_names_of_their_own() -> None:
    photo, deep = Domain(name="photo", channels=3), Domain(name="photo", channels=1, dtype="uint16", high=65535)
    same, other = (between({"source": photo, "target": one}, [("source", "target")]) for one in (photo, deep))
    assert (same["domains"], same["directions"]) == ([photo], [("photo", "photo")])
    assert other["directions"] == [("photo", "photo (target)")]
    assert Card(method="pix2pix", options={}, **other).target.channels == 1


def test_a_card_whose_directions_lead_nowhere_is_refused(folder: Path) -> None:
    rewrite(folder, directions=[["the source", "the moon"]])
    with pytest.raises(ModelError, match="a direction names the domain the moon, and there are the source, the target"):
        Translator.load(folder)


def test_domains_go_by_their_names_alone(tmp_path: Path) -> None:
    here = Path(__file__).parent / "data" / "schema-2" / "cyclegan"
    assert "--to  zebras or horses (zebras by default)" in diptych("info", here).out
    (tmp_path / "a.png").write_bytes(images.encode(PICTURE, "PNG"))
    said = diptych("translate", here, tmp_path / "a.png", "--to", "b", "--out", tmp_path / "b.png")
    assert said.code == 2
    assert "does not translate to 'b': use to=zebras or to=horses" in said.err
