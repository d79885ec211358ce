"""An exported model gives the pictures that its origin gives, and does nothing else, whoever made the file."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from commands import diptych
from models import model
from serving import serving
from small import SMALL

from diptych import images
from diptych.errors import ModelError
from diptych.export import export_model, open_exported
from diptych.export.graph import trace
from diptych.methods import find, names
from diptych.model.translator import Translator
from diptych.provenance import verify
from diptych.testing import bundle

pytest.importorskip("onnxscript")
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    **{name: (name, {}) for name in names()},
    "pix2pix with masks": ("pix2pix", {"generator": "unet_64"}),
    "spade with styles": ("spade", {"encoder": True}),
    "pix2pixhd with looks": ("pix2pixhd", {"encoder": True}),
}


def translator(name: str, **options: Any) -> Translator:
    made = bundle(find(name), {**SMALL[name], **options})
    for weight in made.method.parameters():  # what is drawn for training is nearly nothing in use
        if weight.dim() == 4:
            torch.nn.init.kaiming_normal_(weight, nonlinearity="linear")
    return made


def scene(height: int, width: int, channels: int = 3) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    return np.stack([127 + 100 * np.sin((x + 2 * y) / (5 + c)) for c in range(channels)], axis=2).astype(np.uint8)


QUICK = ("cyclegan", "munit", "pix2pix with masks")


@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=() if case in QUICK else pytest.mark.slow) for case in VARIANTS]
)
def test_every_method_gives_the_same_in_both_runtimes(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, options = VARIANTS[case]
    made = translator(name, **options)
    programs: list[Any] = []

    def once(*given: Any) -> Any:
        programs[:] = programs or [trace(*given)]
        return copy.deepcopy(programs[0])

    monkeypatch.setattr("diptych.export.writing.trace", once)
    for runtime, file in (("onnx", "m.onnx"), ("openvino", "m.xml")):
        (report,) = export_model(made, runtime, tmp_path / file, {})
        assert max(one.largest for one in report.sizes) <= 1e-4
        assert len({one.size for one in report.sizes}) == 2
        there = open_exported(tmp_path / file)
        height, width = 3 * max(made.method.size_multiple, 16), 70
        for controls in [{"seed": 1}, {"seed": 2}] if "seed" in there.checked({}) else [{}]:
            x = torch.rand(2, made.card.source.channels, height, width) * 2 - 1
            apart = torch.cat([made.batch(one, **made.checked(controls)) for one in x.split(1)])
            assert torch.allclose(there.batch(x, **controls), apart, atol=1e-4)


def test_what_is_no_graph_is_not_exported_and_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = translator("autoencoder")
    kind = type(made.method)
    monkeypatch.setattr(kind, "translate", lambda self, x: self.decoder(self.encoder(x)) if x.sum() > 0 else x)
    with pytest.raises(ModelError, match="no graph that torch can write down"):
        export_model(made, "onnx", tmp_path / "m.onnx", {})
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_used_as_a_folder_is(tmp_path: Path) -> None:
    folder = model(tmp_path / "model", "munit")
    images.write(tmp_path / "a.png", scene(50, 70))
    images.write(tmp_path / "style.png", scene(64, 64))
    style = ["--style", tmp_path / "style.png", "--style_strength", 0.5]
    said = diptych("export", folder, "--to", "openvino", "--domain", "the a", *style, "--out", tmp_path / "m.xml")
    assert said.code == 0, said.err
    report = json.loads((tmp_path / "m.xml.parity.json").read_text())
    assert report["controls"]["style"] == "a picture"
    assert report["time"] > 0
    plain = ["translate", folder, tmp_path / "a.png", "--to", "the a", "--seed", 5, *style, "--out", tmp_path / "o.png"]
    assert diptych(*plain).code == 0
    file = ["translate", tmp_path / "m.xml", tmp_path / "a.png", "--seed", 5, "--out", tmp_path / "p.png"]
    said = diptych(*file)
    assert said.code == 0, said.err
    one, other = (images.read(tmp_path / name).array.astype(int) for name in ("o.png", "p.png"))
    assert np.abs(one - other).max() <= 1
    assert verify(tmp_path / "p.png").state == "intact"
    fixed = diptych(*file, "--overwrite", "--style_strength", 0.2)
    assert (fixed.code, "style_strength is not an option" in fixed.err) == (2, True)
    whole = diptych(*file, "--tiling", "exact")
    assert (whole.code, "as a whole" in whole.err) == (2, True)


def test_a_wrong_export_is_said_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = model(tmp_path / "model", "autoencoder")
    wrong = diptych("export", folder, "--to", "tensorrt")
    assert (wrong.code, "onnx and openvino" in wrong.err) == (2, True)
    named = diptych("export", folder, "--out", tmp_path / "m.pb")
    assert (named.code, ".onnx" in named.err) == (2, True)
    monkeypatch.setattr("diptych.export.writing.CLOSE", -1.0)
    with pytest.raises(ModelError, match="away from its origin"):
        export_model(Translator.load(folder), "onnx", tmp_path / "m.onnx", {})
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model as an ONNX file."""
    place = tmp_path_factory.mktemp("small") / "m.onnx"
    export_model(translator("autoencoder"), "onnx", place, {})
    return place


def test_hostile_files_run_nothing_and_are_refused(small: Path, tmp_path: Path) -> None:
    import onnx

    place, good = tmp_path / "m.onnx", small.read_bytes()

    def refused(program: Any, words: str) -> None:
        place.write_bytes(program if isinstance(program, bytes) else program.SerializeToString())
        with pytest.raises(ModelError, match=words):
            open_exported(place)

    refused(good[: len(good) // 2], "no ONNX file")
    refused(b"", "not made by diptych")
    program = onnx.load_model_from_string(good)
    program.graph.initializer[0].data_location = onnx.TensorProto.EXTERNAL
    program.graph.initializer[0].external_data.add(key="location", value="/etc/passwd")
    refused(program, "another file")
    program = onnx.load_model_from_string(good)
    inner = onnx.helper.make_tensor("w", onnx.TensorProto.FLOAT, [1], [0.0])
    inner.external_data.add(key="location", value="../../secret")
    program.graph.node[0].attribute.append(onnx.helper.make_attribute("value", inner))
    refused(program, "another file")
    program = onnx.load_model_from_string(good)
    program.graph.node[0].domain = "evil.ops"
    refused(program, "not ONNX")
    program = onnx.load_model_from_string(good)
    del program.metadata_props[:]
    refused(program, "not made by diptych")
    at = next(i for i in range(len(good) // 2, len(good)))
    refused(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :], "changed|no ONNX")
    program = onnx.load_model_from_string(good)
    entry = next(entry for entry in program.metadata_props if entry.key == "diptych")
    entry.value = json.dumps({**json.loads(entry.value), "card": {"method": "os.system"}})
    refused(program, "card|method")
    refused(b"\x80\x04cos\nsystem\n(S'touch owned'\ntR.", "no ONNX|not made")


def test_a_file_of_openvino_is_refused_without_its_weights_or_with_others(tmp_path: Path) -> None:
    place, weights = tmp_path / "m.xml", tmp_path / "m.bin"
    export_model(translator("autoencoder"), "openvino", place, {})
    data = bytearray(weights.read_bytes())
    data[100] ^= 1
    weights.write_bytes(data)
    with pytest.raises(ModelError, match="changed"):
        open_exported(place)
    weights.unlink()
    with pytest.raises(ModelError, match="not beside it"):
        open_exported(place)
    weights.write_bytes(b"")
    place.write_text("<net")
    with pytest.raises(ModelError, match="no OpenVINO model"):
        open_exported(place)


TWO_MODELS_AND_A_SIGNAL = """
import gc, signal
from pathlib import Path
import numpy as np
import openvino
from diptych.export.formats import OpenVino
def started():
    x = openvino.opset13.parameter([1, 4], dtype=np.float32)
    return OpenVino().start(openvino.Model([openvino.opset13.relu(x)], [x]), Path("m.xml"), 1, False)
first, second = started(), started()
del first; gc.collect(); del second; gc.collect()
signal.signal(signal.SIGUSR1, lambda *_: print("heard"))
signal.raise_signal(signal.SIGUSR1)
"""


def test_models_that_come_and_go_leave_signals_to_the_process() -> None:
    """In a process of its own: OpenVINO's signal stacks would end it."""
    ended = subprocess.run([sys.executable, "-c", TWO_MODELS_AND_A_SIGNAL], capture_output=True, text=True)
    assert (ended.returncode, ended.stdout) == (0, "heard\n"), ended.stderr


def test_a_server_runs_its_models_in_another_runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = model(tmp_path / "model", "munit")
    picture = images.encode(scene(64, 80), "PNG")
    with serving(tmp_path / "server", folder, "--no-page", "--acceleration", "openvino") as server:
        answer = server.post("/v1/models/model/translate", files={"image": picture}, data={"seed": "3"})
        assert answer.status_code == 200, answer.text
        fixed = server.post("/v1/models/model/translate", files={"image": picture}, data={"style_strength": "0.5"})
        assert fixed.status_code == 422
    whole = Translator.load(folder)(images.read(picture), seed=3).array.astype(int)
    assert np.abs(whole - images.read(answer.content).array).max() <= 1


def test_the_fastest_way_is_found_and_what_is_missing_is_said(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = model(tmp_path / "model", "autoencoder")
    only = [word for name in ("onnx", "openvino", "bf16") for word in ("--only", name)]
    said = diptych("bench", folder, "--size", 64, "--rounds", 2, *only)
    assert said.code == 0, said.err
    chosen, *lines = said.out.splitlines()
    assert chosen.startswith("the faster precision on the processor: ")
    assert [line.split()[0] for line in lines[1:5]] == ["plain", "onnx", "openvino", "bf16"]
    assert "1.00x" in lines[1]
    assert [line.split()[-1].endswith("%") for line in lines[:5]] == [False, True, True, True, True]
    assert "fastest here" in lines[5]
    assert len(list((tmp_path / "cache" / "diptych" / "exported").glob("*.onnx"))) == 1
    file = diptych("bench", small, "--size", 64, "--rounds", 1, "--only", "compile")
    assert "not here" in file.out
    assert file.out.splitlines()[2].split()[-1] == "-", "nobody sees its convolutions"
    unknown = diptych("bench", folder, "--only", "warp")
    assert (unknown.code, "there is no acceleration 'warp'" in unknown.err) == (2, True)
