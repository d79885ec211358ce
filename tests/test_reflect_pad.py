"""Mirrored borders are torch's, forwards and backwards, in the precision and the layout of the pictures."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from diptych.nn.blocks import Conv2d
from diptych.nn.ops.reflect_pad import ReflectPad, reflect_pad


def pictures(dtype: torch.dtype, size: tuple[int, int] = (9, 11)) -> torch.Tensor:
    x = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(0)).to(dtype)
    return x.contiguous(memory_format=torch.channels_last).requires_grad_()


@pytest.mark.parametrize("pad", [1, 3, 8])
def test_it_pads_as_torch_does(pad: int) -> None:
    x = pictures(torch.bfloat16)
    assert torch.equal(reflect_pad(x, pad), F.pad(x, (pad,) * 4, mode="reflect"))


@pytest.mark.parametrize("pad", [1, 3, 8])
def test_its_gradient_is_that_of_its_numbers(pad: int) -> None:
    assert torch.autograd.gradcheck(lambda x: ReflectPad.apply(x, pad), pictures(torch.double))


def test_precision_and_layout_stay() -> None:
    x = pictures(torch.bfloat16)
    padded = reflect_pad(x, 1)
    assert padded.dtype == torch.bfloat16
    assert padded.is_contiguous(memory_format=torch.channels_last)


def test_a_border_as_wide_as_the_picture_is_refused() -> None:
    with pytest.raises(RuntimeError, match="less than"):
        reflect_pad(pictures(torch.bfloat16, (3, 9)), 3)


@pytest.mark.parametrize("size", [3, 7])
def test_a_convolution_with_mirrored_borders_is_torchs(size: int) -> None:
    ours = Conv2d(3, 4, size, padding=size // 2, padding_mode="reflect")
    theirs = torch.nn.Conv2d(3, 4, size, padding=size // 2, padding_mode="reflect")
    theirs.load_state_dict(ours.state_dict())
    x = pictures(torch.float32)
    assert torch.equal(ours(x), theirs(x))
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(ours(x.bfloat16()), theirs(x.bfloat16()))
