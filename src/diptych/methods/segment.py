"""Segmentation: a U-Net learns from label maps the class of each pixel of a photo.

Ronneberger, Fischer, Brox: U-Net: Convolutional Networks for Biomedical Image Segmentation, MICCAI 2015.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from torch import Tensor, nn

from diptych.methods.method import Adam, Count, Images, Labels, Method, Step, Weight
from diptych.nn.segmentation import PixelNorm, PixelUNet, cross_entropy, dice
from diptych.options.controls import Strength


class Segment(Method):
    """min E -log p(y|x) + dice * (1 - overlap), p the softmax of the U-Net's logits; void pixels do not count.

    source_channels: channels of the pictures, target_channels: classes of the label maps, read from the data.
    width, depth: channels of the first layer, doubled at each halving, and halvings. The paper has 64 and 4. Sizes are
    multiples of 2**depth.
    norm: group, batch or instance; the paper has none.
    balance: from 0, all pixels of a picture weigh the same, to 1, all classes in it do.
    dice: weight of what overlap is lacking, for classes of few pixels.
    """

    keep = ("net",)
    schedule = "cosine"
    length: ClassVar[Mapping[str, int]] = {"epochs": 100}

    def __init__(
        self,
        *,
        source_channels: Count = 3,
        target_channels: Count = 3,
        width: Count = 32,
        depth: Count = 4,
        norm: PixelNorm = "group",
        balance: Strength = 0.0,
        dice: Weight = 0.0,
    ) -> None:
        super().__init__()
        self.size_multiple, self.balance, self.dice = 2**depth, balance, dice
        self.net = PixelUNet(source_channels, target_channels, width=width, depth=depth, norm=norm)

    def groups(self) -> dict[str, list[nn.Module]]:
        return {"G": [self.net]}

    def optimisers(self) -> dict[str, Adam]:
        return {"G": Adam(lr=1e-3, betas=(0.9, 0.999))}

    def steps(self, source: Images, target: Labels) -> Iterator[Step]:
        logits, shares = self.net(source).float(), (target.float() + 1) / 2
        terms: dict[str, Any] = {"cross_entropy": cross_entropy(logits, shares, self.balance)}
        if self.dice:
            terms["dice"] = self.dice * dice(logits, shares)
        yield Step("G", **terms)

    def translate(self, x: Tensor) -> Tensor:
        """One-hot channels of `B C H W` in [-1, 1]: from -1, surely not of the class, to 1, surely of it."""
        logits: Tensor = self.net(x)
        return 2 * logits.float().softmax(dim=1) - 1
