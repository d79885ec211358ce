"""`diptych doctor` says what the machine is and has; whatever is broken becomes a line, never a traceback."""

from __future__ import annotations

import json
import sys
from importlib import metadata
from pathlib import Path

import pytest
import torch
from commands import diptych

from diptych.cli import doctor
from diptych.runtime import report

SECTIONS = ("machine", "devices", "chosen", "extras", "weights", "places", "speed")


def test_every_section_is_said_as_text_and_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "convolution_rates", lambda device, **_: (0.2, 0.1))
    code, out, _ = diptych("doctor")
    assert code == 0
    assert [line for line in out.splitlines() if not line.startswith(" ")] == list(SECTIONS)
    assert "0.200 TFLOP/s in float32, 0.100 in bfloat16, 0.50 times as fast" in out
    code, out, _ = diptych("doctor", "--json", "--no-speed")
    found = json.loads(out)
    assert code == 0
    assert list(found) == list(SECTIONS[:-1])
    assert found["machine"]["torch"] == torch.__version__
    assert found["chosen"]["device"].startswith("cpu" if not torch.cuda.is_available() else "cuda")
    assert "free" in found["places"]["this folder"]
    assert found["extras"]["video"] == f"av {metadata.version('av')}"


def test_the_five_second_speed_test_is_one() -> None:
    assert "TFLOP/s in float32" in report.speed(torch.device("cpu"))


@pytest.mark.parametrize("section", ["machine", "devices", "choices", "speed"])
@pytest.mark.parametrize("error", [RuntimeError("CUDA driver\nis too old"), OSError(), SystemExit(3), KeyError("x")])
def test_a_section_that_fails_is_a_line_and_the_others_are_there(
    monkeypatch: pytest.MonkeyPatch, section: str, error: BaseException
) -> None:
    monkeypatch.setattr(report, "convolution_rates", lambda device, **_: (0.2, 0.1))

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(report, section, fail)
    code, out, _ = diptych("doctor")
    assert code == 0
    assert type(error).__name__ in out
    assert "Traceback" not in out
    assert "\nplaces\n" in out


@pytest.mark.parametrize(
    ("code", "said"),
    [(None, "not here"), ("raise ImportError('no libvips.so')", "broken (ImportError: no libvips.so)"),
     ("raise OSError", "broken (OSError)"), ("import sys; sys.exit(1)", "broken (SystemExit: 1)")],
)  # fmt: skip
def test_an_extra_that_is_missing_or_broken_is_named_with_its_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str | None, said: str
) -> None:
    if code:
        (tmp_path / "shaky_library.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(doctor.EXTRAS, "large", ("shaky_library",))
    monkeypatch.delitem(sys.modules, "shaky_library", raising=False)
    line = doctor.extras()["large"]
    assert line == f"shaky_library {said}" + "; pip install 'diptych[large]'" * (code is None)


def test_weights_and_caches_that_are_not_there_are_said_to_be_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "none"))
    monkeypatch.setenv("DIPTYCH_WEIGHTS", str(tmp_path / "nowhere"))
    assert doctor.weights()["vgg16"] == "not here; diptych weights fetch vgg16"
    assert "(not made yet, " in doctor.places()["exported models"]
