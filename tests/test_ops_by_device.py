"""The fast operators choose by device as well: what goes picture by picture on a processor does not on a card."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from diptych.nn.ops import group_norm, instance_norm, on_processor, picture_by_picture, reflect_pad
from diptych.nn.ops.group_norm import adaptive_group_norm
from diptych.nn.ops.instance_norm import adaptive_instance_norm


def pictures(device: str, dtype: torch.dtype, *, last: bool) -> Any:
    """What the choice looks at, of a tensor on a device that is not here."""
    lies = {torch.channels_last: last, torch.contiguous_format: not last}
    return SimpleNamespace(
        device=torch.device(device),
        dtype=dtype,
        is_contiguous=lambda memory_format=torch.contiguous_format: lies[memory_format],
    )


@pytest.mark.parametrize("choice", [picture_by_picture, reflect_pad.copied])
def test_a_card_gets_one_kernel_for_the_whole_batch(choice: Any) -> None:
    assert choice(pictures("cpu", torch.bfloat16, last=True))
    assert choice(pictures("meta", torch.bfloat16, last=True)), "estimates are of the processor's way"
    assert not choice(pictures("cpu", torch.float32, last=True))
    assert not choice(pictures("cpu", torch.bfloat16, last=False))
    for device in ("cuda", "mps", "xpu"):
        assert not choice(pictures(device, torch.bfloat16, last=True))
        assert not on_processor(pictures(device, torch.bfloat16, last=True))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_ways_of_a_card_give_the_same_numbers(monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    x = torch.randn(3, 8, 6, 5).to(dtype).contiguous(memory_format=torch.channels_last)
    scale, shift = torch.rand(3, 8).to(dtype) + 0.5, torch.randn(3, 8).to(dtype)
    ways = {
        "group": lambda: adaptive_group_norm(x, 2, scale, shift),
        "instance": lambda: adaptive_instance_norm(x, scale, shift),
        "instance of constants": lambda: instance_norm.instance_norm(x),
        "pad": lambda: reflect_pad.reflect_pad(x, 2),
    }
    here = {name: way() for name, way in ways.items()}
    for module in (group_norm, instance_norm, reflect_pad):
        for name in ("on_processor", "picture_by_picture"):
            monkeypatch.setattr(module, name, lambda x: False, raising=False)
    passes: list[int] = []
    count = F.group_norm
    monkeypatch.setattr(F, "group_norm", lambda x, *given, **more: passes.append(len(x)) or count(x, *given, **more))
    for name, way in ways.items():
        torch.testing.assert_close(
            way().float(), here[name].float(), rtol=2e-2, atol=5e-2 if dtype != torch.float32 else 1e-5
        )
    assert passes == [3], "one pass for the batch"
