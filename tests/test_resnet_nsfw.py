"""The second network that scores: its file is read as data, its features are those of its publisher's runtime."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from diptych.errors import DataError, WeightsError
from diptych.metrics import features_resnet_nsfw, resnet_nsfw, sets
from diptych.metrics.sets import fd_resnet_nsfw, kd_resnet_nsfw
from diptych.nn.thin_resnet import ThinResNet
from diptych.storage.onnx_file import convolutions
from diptych.storage.weights import locate


@pytest.fixture
def untrained(monkeypatch):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = ThinResNet().eval()
    monkeypatch.setattr(resnet_nsfw, "locate", Path)
    monkeypatch.setattr(resnet_nsfw, "trained", lambda path: network)
    monkeypatch.setattr(resnet_nsfw, "SIZE", 64)
    return network


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def stored(path: Path, **tensors: np.ndarray) -> Path:
    """An ONNX file with a convolution `x`, and one `y` that has no bias."""
    nodes = [helper.make_node("Conv", ["in", "w", "b"], ["x"]), helper.make_node("Relu", ["x"], ["r"])]
    nodes.append(helper.make_node("Conv", ["r", "v"], ["y"], strides=[2, 2]))
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("in", "y")]
    initial = [numpy_helper.from_array(array, name) for name, array in tensors.items()]
    onnx.save(helper.make_model(helper.make_graph(nodes, "g", ends[:1], ends[1:], initial)), path)
    return path


def test_the_convolutions_of_an_onnx_file_are_read_by_what_they_give(tmp_path):
    w, b, v = (np.random.default_rng(0).normal(size=shape).astype("f4") for shape in ((4, 3, 3, 3), 4, (2, 4, 1, 1)))
    (first, one), (second, other) = convolutions(stored(tmp_path / "a.onnx", w=w, b=b, v=v)).items()
    assert (first, second) == ("x", "y")
    np.testing.assert_array_equal(one.weight.numpy(), w)
    np.testing.assert_array_equal(one.bias.numpy(), b)
    np.testing.assert_array_equal(other.weight.numpy(), v)
    assert other.bias is None


def test_a_file_cut_short_another_file_and_one_of_other_numbers_are_refused(tmp_path):
    w, v = np.zeros((4, 3, 1, 1), "f4"), np.zeros((2, 4, 1, 1), "f4")
    whole = stored(tmp_path / "a.onnx", w=w, b=w[:, 0, 0, 0], v=v).read_bytes()
    for kept in (0, 1, len(whole) // 2, len(whole) - 1):
        (tmp_path / "cut.onnx").write_bytes(whole[:kept])
        with pytest.raises(WeightsError, match=r"cut\.onnx is no ONNX file"):
            convolutions(tmp_path / "cut.onnx")
    for other in (b"\xff" * 99, b"\x89PNG\r\n", bytes(99)):
        (tmp_path / "other.onnx").write_bytes(other)
        with pytest.raises(WeightsError, match="is no ONNX file"):
            convolutions(tmp_path / "other.onnx")
    short = stored(tmp_path / "lacks.onnx", w=w)
    with pytest.raises(WeightsError, match="lacks"):
        convolutions(short)


def test_the_network_gives_five_scales(untrained):
    seen = untrained(noise(2, 3, 65, 96))
    assert [x.shape[1] for x in seen] == list(ThinResNet.channels)
    assert [tuple(x.shape[2:]) for x in seen] == [(33, 48), (16, 24), (8, 12), (4, 6), (2, 3)]


def test_features_do_not_depend_on_the_others_in_a_batch_and_grey_is_colour_three_times(untrained):
    pictures = noise(3, 1, 40, 50)
    together = resnet_nsfw.features(pictures)
    assert together.shape == (3, 1024)
    alone = np.concatenate([resnet_nsfw.features(pictures[k : k + 1]) for k in range(3)])
    np.testing.assert_allclose(together, alone, atol=1e-5)
    np.testing.assert_allclose(together, resnet_nsfw.features(pictures.expand(-1, 3, -1, -1)), atol=1e-5)


def test_the_distance_is_zero_for_equal_pictures_and_grows_with_the_difference(untrained):
    target, other = noise(2, 3, 40, 48), noise(2, 3, 40, 48, seed=1)
    assert features_resnet_nsfw.measure(target, target).tolist() == [0, 0]
    slight, full = (features_resnet_nsfw.measure(target + part * (other - target), target) for part in (0.1, 1))
    assert (slight > 0).all()
    assert (full > slight).all()
    assert (full < 2).all()
    torch.testing.assert_close(features_resnet_nsfw.measure(target, other), full)


def test_four_channels_small_pictures_and_missing_weights_are_clear_errors(untrained, monkeypatch, tmp_path):
    with pytest.raises(DataError, match="4 channels"):
        resnet_nsfw.features(noise(1, 4, 40, 40))
    with pytest.raises(DataError, match="32 pixels a side; a picture of 40 x 31"):
        features_resnet_nsfw.measure(noise(1, 3, 31, 40), noise(1, 3, 31, 40))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("DIPTYCH_WEIGHTS", raising=False)
    monkeypatch.setattr(resnet_nsfw, "locate", locate)
    monkeypatch.setattr("diptych.storage.packages.installed", lambda inside: [])
    with pytest.raises(WeightsError, match="diptych weights fetch resnet_nsfw"):
        resnet_nsfw.features(noise(1, 3, 40, 40))


def test_sets_are_compared_by_it_under_its_name():
    assert sets.find("fd_resnet_nsfw") is fd_resnet_nsfw
    assert fd_resnet_nsfw.features is kd_resnet_nsfw.features is resnet_nsfw.features
    assert "open_nsfw" in fd_resnet_nsfw.PROTOCOL
    assert "/ 1024" in kd_resnet_nsfw.PROTOCOL


def test_the_published_weights_give_what_onnxruntime_gives():
    """Recorded from the published file with onnxruntime 1.32: means after each scale, and the first of the features."""
    try:
        network = resnet_nsfw.trained(locate("resnet_nsfw"))
    except WeightsError as fault:
        pytest.skip(str(fault))
    i = torch.arange(224.0)
    j = i.view(-1, 1)
    planes = torch.sin(j / 9) * torch.cos(i / 13), torch.sin((j + i) / 21), 0.5 * torch.cos(j / 5) + 0 * i
    picture = torch.stack(planes)[None]
    with torch.no_grad():
        means = [float(x.mean()) for x in network(resnet_nsfw.prepared(picture))]
    assert means == pytest.approx([0.2849476, 0.3672667, 0.2672535, 0.1382192, 0.7254404], rel=1e-5)
    features = resnet_nsfw.features(picture)[0]
    assert features[:6] == pytest.approx([0.0546807, 0.0730746, 0.7104783, 0.3823403, 1.2207416, 0.0], rel=1e-4)
    assert int(features.argmax()) == 429


def test_no_method_trains_on_a_network_that_scores():
    methods = Path(resnet_nsfw.__file__).parents[1] / "methods"
    for path in methods.glob("*.py"):
        assert not re.search("squeezenet|lpips|resnet_nsfw|thin_?resnet", path.read_text(encoding="utf-8"), re.I), (
            path.name
        )
