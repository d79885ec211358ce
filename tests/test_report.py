"""The report: one page that holds all it shows, in which no text becomes markup."""

from __future__ import annotations

import base64
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from diptych.errors import StorageError
from diptych.evaluation.charts import curve, histogram, intervals
from diptych.evaluation.evaluate import Evaluation, Row, Score
from diptych.evaluation.examples import Example
from diptych.evaluation.markup import VOID, tag
from diptych.evaluation.report import flat, number, write_report
from diptych.images import read

EVIL = '<script>alert("1 & 2")</script>'


class Reader(HTMLParser):
    """Collects what a page holds, and fails where an element is not closed in its turn."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.names: list[str] = []
        self.images: list[dict[str, str | None]] = []
        self.text = ""
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        if tag == "img":
            self.images.append(dict(attrs))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def scored(
    count: int = 5, left_out: dict[str, str] | None = None, baselines: dict[str, dict[str, Score]] | None = None
) -> Evaluation:
    rows = [Row(f"picture {k}", {"psnr": 20.0 + k, "l1": 0.1 + k / 100}) for k in range(count)]
    score = {
        "value": 22.0,
        "low": 21.0,
        "high": 23.0,
        "count": count,
        "protocol": f"as {EVIL} says",
        "better": "higher",
    }
    other = {**score, "value": 0.12, "low": 0.11, "high": 0.13, "better": "lower"}
    return Evaluation({"psnr": score, "l1": other}, left_out or {}, rows, "test", 1.5, baselines or {})


def example(name: str = "picture 4", group: str = "Best", label: str = "label") -> Example:
    captions = {label: 10, "output": 128, "photo, the target": 250}
    pictures = {caption: np.full((8, 10, 3), value, "uint8") for caption, value in captions.items()}
    return Example(name, group, pictures, {"psnr": 24.0, "l1": 0.14})


def page(tmp_path, *args, **options) -> str:
    return write_report(tmp_path, *args, **options).read_text(encoding="utf-8")


def test_the_page_holds_all_it_shows(tmp_path):
    html = page(tmp_path, scored(baselines={"untouched": scored().metrics}), [example()], log=[{"images": 1, "G": 2.0}])
    outside = html.replace(re.search(r"<style>.*</style>", html, re.S).group(), "")
    assert "http" not in outside.replace("http-equiv", "")
    assert "<script" not in html
    assert "<link" not in html
    assert "url(" not in html
    assert "default-src &#x27;none&#x27;" in html


def test_pictures_stand_in_the_page_as_source_output_and_target(tmp_path):
    reader = Reader(page(tmp_path, scored(), [example()], names=("label", "photo")))
    assert [image["alt"] for image in reader.images] == [
        "picture 4: label",
        "picture 4: output",
        "picture 4: photo, the target",
    ]
    for image, value in zip(reader.images, (10, 128, 250), strict=True):
        array = read(base64.b64decode(image["src"].partition("base64,")[2])).array
        assert array.shape == (8, 10, 3)
        assert (array == value).all()


def test_the_grid_is_written_beside_the_page(tmp_path):
    write_report(tmp_path / "new", scored(), [example(), example("two", "Worst")])
    assert {path.name for path in (tmp_path / "new").iterdir()} == {"report.html", "grid.png"}
    assert read(tmp_path / "new" / "grid.png").array.shape[1] > 30


def test_no_text_becomes_markup(tmp_path):
    evaluation = scored(left_out={EVIL: EVIL}, baselines={EVIL: scored().metrics})
    evaluation.rows[0] = Row(EVIL, evaluation.rows[0].scores)
    html = page(
        tmp_path,
        evaluation,
        [example(EVIL, EVIL, EVIL)],
        title=EVIL,
        names=(EVIL, EVIL),
        card={EVIL: {EVIL: EVIL}},
        log=[{"images": 1, EVIL: 2.0}],
    )
    assert "script" not in Reader(html).names
    assert Reader(html).text.count(EVIL) > 10


def test_every_score_has_its_interval_its_protocol_and_its_direction(tmp_path):
    text = Reader(page(tmp_path, scored(), [])).text
    for expected in ("22.00", "21.00 to 23.00", "0.1200", "↑ is better", "↓ is better", f"as {EVIL} says"):
        assert expected in text


def test_what_was_left_out_stands_there_with_its_reason(tmp_path):
    text = Reader(page(tmp_path, scored(left_out={"lpips_squeeze": "no weights here"}), [])).text
    assert "lpips_squeeze was left out: no weights here" in text


def test_what_can_be_compared_stands_in_one_table_and_is_explained(tmp_path):
    other = {**scored().metrics["psnr"], "value": 13.7, "low": 12.7, "high": 14.7}
    text = Reader(page(tmp_path, scored(baselines={"untouched": {"psnr": other}}), [])).text
    assert "besidepsnr ↑output22.0021.00 to 23.00untouched13.7012.70 to 14.70" in text
    assert "to be beaten" in text
    assert "untouched" not in Reader(page(tmp_path, scored(), [])).text


def test_a_metric_that_an_anchor_lacks_leaves_a_gap(tmp_path):
    scores = scored().metrics
    baselines = {"untouched": {"psnr": scores["psnr"]}, "colour transfer": {"l1": scores["l1"]}}
    text = Reader(page(tmp_path, scored(baselines=baselines), [])).text
    assert "untouched22.0021.00 to 23.00–" in text
    assert "colour transfer–0.1200" in text


def test_scores_of_sets_have_no_table_of_every_picture(tmp_path):
    sets = Evaluation(scored().metrics, {}, [Row("a", {}), Row("b", {})], "test", 1.0, {"untouched": scored().metrics})
    text = Reader(page(tmp_path, sets, [example()])).text
    assert "Every picture" not in text
    assert "2 pictures of the test split" in text


def test_curves_are_drawn_of_the_numbers_in_the_log_and_of_nothing_else(tmp_path):
    log = [{"images": k, "G.l1": 1 / k, "note": "text", "best": True} for k in range(1, 400)]
    log += [
        {"images": 400, "G.l1": float("nan")},
        {"message": "stopped", "G.l1": 7.0},
        {"images": 401, "val.psnr": 20.0},
    ]
    html = page(tmp_path, scored(), [], log=log)
    assert html.count("<polyline") == 2
    assert "nan" not in html
    assert "at last 0.002506" in Reader(html).text


def test_a_page_of_one_picture_and_of_none_measured_is_still_a_page(tmp_path):
    assert "one picture of the test split" in Reader(page(tmp_path, scored(1), [example(group="All")])).text
    nothing = Evaluation({}, {"psnr": "why"}, [Row("a", {})], "test", 0.0)
    assert "psnr was left out: why" in Reader(page(tmp_path, nothing, [])).text


def test_facts_of_the_card_stand_in_lines_and_empty_ones_do_not():
    card = {"method": "pix2pix", "options": {"width": 64, "sizes": [1, 2]}, "scores": {}, "licence": "", "note": None}
    assert flat(card) == {"method": "pix2pix", "options.width": "64", "options.sizes": "1, 2"}


def test_a_folder_that_cannot_be_written_is_a_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError):
        write_report(tmp_path / "file", scored(), [])


def test_numbers_are_written_as_they_are_read():
    assert [number(value) for value in (0.67616, 6.4405, 13.1, -3.0, 0)] == [
        "0.6762",
        "6.44",
        "13.10",
        "-3.00",
        "0.0000",
    ]


def test_tags_escape_text_and_attributes_but_not_tags():
    assert tag("p", "a < b", tag("br"), class_='"') == '<p class="&quot;">a &lt; b<br></p>'


@pytest.mark.parametrize("values", [[0.5], [0.5] * 10, [1.0, 2.0, 2.0, 9.0]])
def test_a_histogram_stays_within_its_frame(values):
    svg = histogram(values, (np.mean(values), min(values), max(values)))
    widths = [float(x) + float(w) for x, w in re.findall(r'x="([-\d.]+)" y="[-\d.]+" width="([-\d.]+)"', svg)]
    assert "nan" not in svg
    assert 0 < max(widths) <= 260.1


def test_intervals_are_drawn_on_one_axis_in_their_order():
    svg = intervals({"output": (5.0, 4.0, 6.0), "untouched": (9.0, 8.0, 10.0), "real": (2.0, 0.0, 3.0)})
    centres = [float(x) for x in re.findall(r'cx="([\d.]+)"', svg)]
    assert centres[2] < centres[0] < centres[1] <= 260
    assert "nan" not in intervals({"output": (0.0, 0.0, 0.0)})


def test_a_curve_of_one_point_or_of_a_constant_is_drawn():
    assert "nan" not in curve([8.0], [0.3]) + curve([1.0, 2.0], [0.3, 0.3])
