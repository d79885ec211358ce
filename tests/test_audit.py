"""What the audit finds by looking at pixels: near copies, shifted and foreign pairs, odd ones; and its verdict."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from commands import diptych
from labelled import folder as labelled
from pictures import noise, save
from PIL import Image, ImageFilter

from diptych import images
from diptych.data import check

DATA = Path(__file__).parents[2] / "shared" / "data"


def scene(seed: int, size: int = 64) -> np.ndarray:
    """Soft blobs and hard rectangles: as unlike another scene as two photos are."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 255, (6, 6, 3), dtype=np.uint8))
    array = np.array(coarse.resize((size, size), Image.Resampling.BICUBIC))
    for _ in range(12):
        (y, x), (h, w) = rng.integers(0, size - 8, 2), rng.integers(3, 20, 2)
        array[y : y + h, x : x + w] = rng.integers(0, 255, 3)
    return array


def outlines(array: np.ndarray) -> np.ndarray:
    """A drawing of a scene: another kind of picture, with edges in the same places."""
    grey = Image.fromarray(array).convert("L").filter(ImageFilter.FIND_EDGES)
    return 255 - np.asarray(grey)[..., None]


def pairs(root: Path, count: int = 24, move: int = 0, moved: int = 0) -> Path:
    """ROOT/train/{drawing,photo}; of the last `moved` pairs the photo shows what lies `move` pixels to the right."""
    for n in range(count):
        whole = scene(n, 80)
        far = move if n >= count - moved else 0
        save(root / "train" / "drawing" / f"{n}.png", outlines(whole)[8:72, 8:72])
        save(root / "train" / "photo" / f"{n}.png", whole[8:72, 8 + far : 72 + far])
    return root


def changed(array: np.ndarray, how: str) -> np.ndarray:
    image = Image.fromarray(array)
    if how == "compressed":
        stream = io.BytesIO()
        image.save(stream, "JPEG", quality=40)
        image = Image.open(stream)
    image = image.resize((40, 40)) if how == "resized" else image
    image = image.point(lambda value: min(255, value * 1.1)) if how == "lighter" else image
    return np.asarray(image)


@pytest.mark.parametrize("how", ["compressed", "resized", "lighter"])
def test_a_copy_that_was_changed_a_little_is_found_across_splits(how: str, tmp_path: Path) -> None:
    for n in range(6):
        save(tmp_path / "train" / f"{n}.png", scene(n))
    save(tmp_path / "test" / "7.png", changed(scene(3), how))
    audit = check(tmp_path, kind="photos")
    assert audit.duplicates == ()
    assert audit.near_duplicates == audit.leaks == (("test/7.png", "train/3.png"),)
    assert audit.verdict.startswith("not ready")
    assert "test/7.png = train/3.png (across splits)" in audit.to_text()


def test_pictures_alike_in_the_large_but_not_in_detail_are_no_near_copies(tmp_path: Path) -> None:
    large = np.asarray(Image.fromarray(scene(1)).resize((8, 8)).resize((64, 64), Image.Resampling.BICUBIC))
    for n in range(3):
        save(tmp_path / f"{n}.png", (large // 2 + noise(64, 64, seed=n) // 4).astype(np.uint8))
    assert check(tmp_path, kind="photos").near_duplicates == ()


def test_pairs_are_near_copies_only_where_both_sides_are(tmp_path: Path) -> None:
    pairs(tmp_path, 6)
    shutil.copy(tmp_path / "train" / "photo" / "1.png", tmp_path / "train" / "photo" / "2.png")
    assert check(tmp_path).near_duplicates == ()
    lines = images.read(tmp_path / "train" / "drawing" / "1.png").array
    save(tmp_path / "train" / "drawing" / "2.png", np.minimum(lines, 250))
    assert check(tmp_path).near_duplicates == (("train/drawing/1.png", "train/drawing/2.png"),)


def test_one_image_in_two_domains_is_found_though_it_was_compressed_again(tmp_path: Path) -> None:
    for n in range(5):
        save(tmp_path / "trainA" / f"a{n}.png", scene(n))
        save(tmp_path / "trainB" / f"b{n}.png", scene(10 + n))
    save(tmp_path / "trainB" / "x.png", changed(scene(2), "compressed"))
    audit = check(tmp_path)
    assert audit.overlaps == (("trainA/a2.png", "trainB/x.png"),)
    assert any("lie, nearly the same, in both domains" in text for text in audit.advice)


def test_shifted_pairs_are_found_with_their_shift_in_pixels(tmp_path: Path) -> None:
    audit = check(pairs(tmp_path, 24, move=6, moved=5))
    assert {name for name, *_ in audit.shifted} == {f"train/drawing/{n}.png" for n in range(19, 24)}
    assert {(dx, dy) for _, dx, dy in audit.shifted} == {(-6, 0)}
    assert "the second lies 6 pixels to the left" in audit.to_text()


def test_pairs_in_place_are_not_called_shifted_or_foreign(tmp_path: Path) -> None:
    audit = check(pairs(tmp_path))
    assert (audit.shifted, audit.strange, audit.near_duplicates) == ((), (), ())


def test_a_pair_of_two_different_scenes_is_found(tmp_path: Path) -> None:
    pairs(tmp_path)
    save(tmp_path / "train" / "photo" / "7.png", scene(99))
    audit = check(tmp_path)
    assert audit.strange == ("train/drawing/7.png",)
    assert any("1 pair(s) have no more edges in common" in text for text in audit.advice)


def test_pairs_that_have_nothing_in_common_are_said_and_none_is_called_foreign(tmp_path: Path) -> None:
    pairs(tmp_path)
    for n in range(24):
        save(tmp_path / "train" / "photo" / f"{n}.png", scene(100 + n))
    audit = check(tmp_path)
    assert audit.strange == ()
    assert any("look whether their names are right" in text for text in audit.advice)


def test_odd_sizes_shapes_exposures_and_blur_are_named(tmp_path: Path) -> None:
    for n in range(30):
        save(tmp_path / f"{n}.png", scene(n))
    save(tmp_path / "wide.png", scene(50)[:20])
    save(tmp_path / "dark.png", scene(51) // 16)
    soft = Image.fromarray(scene(52)).filter(ImageFilter.GaussianBlur(5))
    save(tmp_path / "soft.png", np.asarray(soft))
    audit = check(tmp_path, kind="photos")
    assert dict(audit.odd) == {"wide.png": "64x20 among 64x64", "dark.png": "nearly black"}
    assert audit.blurred == ("soft.png",)
    assert audit.verdict.startswith("can be trained on")


def test_pixels_of_a_damaged_sensor_and_specks_are_named(tmp_path: Path) -> None:
    for n in range(20):
        array = np.asarray(Image.fromarray(scene(n)).filter(ImageFilter.GaussianBlur(2))).copy()
        array[30, 40] = 255 if array[20:40, 30:50].mean() < 128 else 0
        save(tmp_path / f"{n}.png", array)
    grain = np.asarray(Image.fromarray(scene(7)).filter(ImageFilter.GaussianBlur(2))).copy()
    grain[2:62:4, 2:62:4] = np.where(grain[2:62:4, 2:62:4] < 128, 255, 0)
    save(tmp_path / "grain.png", grain)
    audit = check(tmp_path, kind="photos")
    assert any("1 pixel(s) of photo are faulty in half of its pictures (x,y: 40,30)" in text for text in audit.advice)
    assert [file for file, what in audit.odd if "specks" in what] == ["grain.png"]


def test_label_maps_that_do_not_keep_to_their_legend_are_named_one_by_one(tmp_path: Path) -> None:
    labelled(tmp_path)
    for name in ("1.png", "4.png"):
        save(tmp_path / "train" / "label" / name, np.full((32, 32, 1), 9, np.uint8))
    audit = check(tmp_path, labels="label")
    wrong = [file for file, _ in audit.faults]
    assert wrong == ["train/label/1.png", "train/label/4.png"]
    assert audit.counts["train"] == (4,)
    assert any("2 label map(s) do not keep to the legend" in text for text in audit.advice)


def test_missing_maps_and_texts_are_named_one_by_one(tmp_path: Path) -> None:
    pairs(tmp_path, 4)
    for n in (0, 1, 3):
        save(tmp_path / "train" / "masks" / f"{n}.png", np.full((64, 64, 1), 255, np.uint8))
        (tmp_path / "train" / "photo" / f"{n}.txt").write_text("a scene", encoding="utf-8")
    said = diptych("data", "check", tmp_path, "--maps", "mask=masks", "--texts")
    assert said.code == 0, said.err
    assert "train/drawing/2.png: has no map of the kind mask in masks/" in said.out
    assert "3 pairs" in said.out
    shutil.rmtree(tmp_path / "train" / "masks")
    assert "train/drawing/2.png: has no text, 2.txt" in diptych("data", "check", tmp_path, "--texts").out
    assert diptych("data", "check", tmp_path, "--maps", "mask").code == 2


def test_a_group_in_two_splits_is_named(tmp_path: Path) -> None:
    for split, name in (("train", "p1-a"), ("train", "p2-a"), ("test", "p1-b")):
        save(tmp_path / split / f"{name}.png", scene(len(name + split)))
    said = diptych("data", "check", tmp_path, "--kind", "photos", "--groups", "(p[0-9]+)-")
    assert "1 groups are in more than one split: p1: keep each in one split" in said.out
    assert "Verdict: not ready" in said.out


def test_findings_come_by_their_weight(tmp_path: Path) -> None:
    for n in range(3):
        save(tmp_path / "train" / f"{n}.png", scene(n))
    shutil.copy(tmp_path / "train" / "1.png", tmp_path / "train" / "again.png")
    (tmp_path / "test").mkdir()
    shutil.copy(tmp_path / "train" / "0.png", tmp_path / "test" / "leak.png")
    weights = [finding.weight for finding in check(tmp_path, kind="photos").findings]
    assert weights == sorted(weights, key=["spoils", "improve", "know"].index)
    assert set(weights) >= {"spoils", "improve"}


def test_deep_and_many_channelled_pictures_are_looked_at_too(tmp_path: Path) -> None:
    for n in range(3):
        save(tmp_path / f"{n}.tif", noise(40, 40, 5, "float32", seed=n) * 1000)
        save(tmp_path / f"tiny{n}.tif", noise(2, 1, 5, "float32", seed=n))
    assert check(tmp_path, kind="photos").counts == {"train": (6,)}


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (1, 5), (5, 1), (17, 3), (16, 900), (16, 16)])
def test_pairs_of_any_size_are_looked_at(size: tuple[int, int], tmp_path: Path) -> None:
    for n in range(3):
        save(tmp_path / "a" / f"{n}.tif", noise(*size, 3, seed=n))
        save(tmp_path / "b" / f"{n}.tif", noise(*size, 1, "float32", seed=9 + n))
    assert check(tmp_path).counts == {"train": (3,)}


@pytest.mark.skipif(not DATA.is_dir(), reason="the real data sets are not here")
@pytest.mark.slow
@pytest.mark.parametrize("name", ["facades", "ct-mri", "roadscene"])
def test_no_pair_of_the_registered_data_sets_is_called_shifted_or_foreign(name: str) -> None:
    audit = check(DATA / name)
    assert (audit.shifted, audit.strange, audit.leaks) == ((), (), ())


# --- What becomes of it ----------------------------------------------------------------------------------------------


def faulty(root: Path) -> Path:
    """Pairs with a leak, a copy, a blank one, a damaged one, a foreign pair and shifted ones."""
    pairs(root, 30, move=6, moved=3)
    train = root / "train"
    for side in ("drawing", "photo"):
        save(root / "test" / side / "leak.png", images.read(train / side / "0.png").array)
        save(root / "test" / side / "fine.png", scene(200) if side == "photo" else outlines(scene(200)))
        shutil.copy(train / side / "1.png", train / side / "copy.png")
        (train / side / "2.txt").write_text("two", encoding="utf-8")
    save(train / "photo" / "3.png", np.zeros((64, 64, 3), np.uint8))
    (train / "photo" / "4.png").write_bytes(b"nothing")
    save(train / "photo" / "5.png", scene(300))
    return root


def test_a_fixed_folder_is_a_new_one_without_what_was_found(tmp_path: Path) -> None:
    root, out = faulty(tmp_path / "data"), tmp_path / "fixed"
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    said = diptych("data", "check", root, "--fix", out, "--source", "our camera", "--licence", "CC0-1.0")
    assert said.code == 0, said.err
    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before
    assert "train/drawing/0.png: is, or is nearly, in test/ too, and here in train/" in said.out
    gone = {"0", "3", "4", "5", "27", "28", "29"}
    left = {path.stem for path in (out / "train" / "photo").glob("*.png")}
    assert left in ({str(n) for n in range(30)} - gone, {str(n) for n in range(30)} - gone - {"1"} | {"copy"})
    assert (out / "train" / "photo" / "2.txt").read_text() == "two"
    again = check(out)
    assert (again.leaks, again.shifted, again.strange, again.blank) == ((), (), (), ())
    assert {file for file, _ in again.faults} == {"train/drawing/2.txt", "train/photo/2.txt"}
    assert "2.txt" not in said.out.partition("Without")[2]
    lines = [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]
    first = next(line for line in lines if line["path"] == "train/photo/7.png")
    assert first["sha256"] == hashlib.sha256((out / first["path"]).read_bytes()).hexdigest()
    assert (first["split"], first["domain"], first["source"], first["licence"]) == (
        "train", "photo", "our camera", "CC0-1.0",
    )  # fmt: skip
    assert {line["path"] for line in lines if "left_out" in line} >= {"train/drawing/5.png", "train/photo/4.png"}


def test_a_manifest_keeps_what_the_folders_own_one_says_of_source_and_licence(tmp_path: Path) -> None:
    save(tmp_path / "data" / "1.png", scene(1))
    (tmp_path / "data" / "manifest.jsonl").write_text('{"path": "1.png", "source": "here", "licence": "CC0-1.0"}\n')
    out = tmp_path / "new.jsonl"
    assert diptych("data", "check", tmp_path / "data", "--manifest", out).code == 0
    line = json.loads(out.read_text())
    assert (line["path"], line["source"], line["licence"]) == ("1.png", "here", "CC0-1.0")
    (tmp_path / "data" / "manifest.jsonl").write_text("[]\n")
    said = diptych("data", "check", tmp_path / "data", "--manifest", out)
    assert (said.code, "line 1 names no path" in said.err) == (2, True)


@pytest.mark.parametrize("out", ["data/inside", "data", "."])
def test_a_folder_that_is_there_or_would_lie_among_the_pictures_is_refused(out: str, tmp_path: Path) -> None:
    save(tmp_path / "data" / "1.png", scene(1))
    said = diptych("data", "check", tmp_path / "data", "--fix", tmp_path / out)
    assert said.code == 2
    assert "name a new folder" in said.err or "name a folder elsewhere" in said.err
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["1.png", "data"]


def test_a_folder_of_which_nothing_would_be_left_is_not_fixed(tmp_path: Path) -> None:
    save(tmp_path / "data" / "1.png", np.zeros((9, 9, 3), np.uint8))
    said = diptych("data", "check", tmp_path / "data", "--fix", tmp_path / "out")
    assert (said.code, "nothing would be left" in said.err) == (2, True)
    assert not (tmp_path / "out").exists()


def test_links_are_made_where_they_are_asked_for(tmp_path: Path) -> None:
    path = save(tmp_path / "data" / "1.png", scene(1))
    assert diptych("data", "check", tmp_path / "data", "--fix", tmp_path / "out", "--link").code == 0
    assert (tmp_path / "out" / "1.png").samefile(path)
    assert diptych("data", "check", tmp_path / "data", "--link").code == 2


def test_the_page_holds_the_pictures_of_the_findings_and_nothing_of_a_network(tmp_path: Path) -> None:
    root, page = faulty(tmp_path / "<data>"), tmp_path / "report.html"
    said = diptych("data", "check", root, "--html", page)
    assert said.code == 0, said.err
    text = page.read_text(encoding="utf-8")
    assert "Verdict: not ready to train on" in text
    for title in ("Exact duplicates", "Shifted pairs (3)", "Pairs that may not belong together", "Blank pictures"):
        assert title in text
    assert text.count("data:image/") > 8
    assert "&lt;data&gt;" in text
    assert "http://" not in text
    assert "https://" not in text
