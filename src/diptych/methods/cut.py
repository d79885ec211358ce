"""CUT: one direction without pairs; a contrastive loss keeps each patch recognisable among the others of its input.

Park, Efros, Zhang, Zhu: Contrastive Learning for Unpaired Image-to-Image Translation, ECCV 2020.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar, Literal

import torch
from annotated_types import Gt
from torch import Tensor, nn

from diptych.errors import ConfigError
from diptych.methods.method import Count, Images, Method, Step, Weight
from diptych.nn.blocks import initialise_xavier
from diptych.nn.contrastive import PatchHeads, draw_flips, draw_places, mirror_places, patch_nce
from diptych.nn.discriminators import PatchGAN
from diptych.nn.gan import gan_loss, generator_loss
from diptych.nn.generators import FeatureResNet
from diptych.nn.norms import Norm, Statistics, use_statistics


class CUT(Method):
    """Generator G, discriminator D and heads F: min_G,F max_D GAN(G, D) + nce * (NCE(G, F, a) + NCE(G, F, b)) / 2.

    NCE tells each patch of G(a) by the same patch of a, and each of G(b) by that of b, so that G leaves b alone. They
    are compared by what G's own encoder makes of them.

    a_channels, b_channels: channels of the pictures, read from the data; G's encoder sees both, so they are the same.
    blocks, width: residual blocks of G and channels of its first layer.
    discriminator_layers, discriminator_width: of the PatchGAN; the patch grows with the layers, 3 sees 70 pixels.
    antialias: G and D change size by blurring, not by strides.
    norm, dropout: in G and D, and in G while it trains. A batch norm sees a and b together.
    gan: the adversarial loss.
    nce, identity: weight of NCE, and whether b is in it.
    flip: half of G's inputs are flipped left to right, and patches compared with those of the picture as it was.
    patches, negatives: how many patches of each picture are compared in each layer, and whether with those of the same
    picture or of the whole batch.
    heads: channels of the layers of F. temperature: how near the others a patch may be.
    test_statistics: with batch norm, translation normalises by the picture's own statistics (batch) or by the averages
    gathered in training (running).
    """

    keep = ("g",)
    discriminators = ("d",)
    length: ClassVar[Mapping[str, int]] = {"epochs": 400}
    size_multiple = 4

    def __init__(
        self,
        *,
        a_channels: Count = 3,
        b_channels: Count = 3,
        blocks: Count = 9,
        width: Count = 64,
        discriminator_layers: Count = 3,
        discriminator_width: Count = 64,
        antialias: bool = True,
        norm: Norm = "instance",
        dropout: bool = False,
        gan: Literal["lsgan", "vanilla", "hinge"] = "lsgan",
        nce: Weight = 1.0,
        identity: bool = True,
        flip: bool = False,
        patches: Count = 256,
        negatives: Literal["picture", "batch"] = "picture",
        heads: Count = 256,
        temperature: Annotated[float, Gt(0)] = 0.07,
        test_statistics: Statistics = "batch",
    ) -> None:
        super().__init__()
        if a_channels != b_channels:
            raise ConfigError(
                f"one encoder sees pictures of both domains, so they need as many channels; a has {a_channels}, b has "
                f"{b_channels}: make them alike, or choose cyclegan, which keeps each domain's own"
            )
        self.gan, self.nce, self.identity, self.flip = gan, nce, identity, flip
        self.patches, self.negatives, self.temperature = patches, negatives, temperature
        self.g = FeatureResNet(
            a_channels, b_channels, blocks=blocks, width=width, norm=norm, dropout=dropout, antialias=antialias
        )
        self.d = PatchGAN(
            b_channels, layers=discriminator_layers, width=discriminator_width, norm=norm, antialias=antialias
        )
        self.f = PatchHeads(self.g.feature_channels, heads)
        for network in (self.g, self.d, self.f):
            initialise_xavier(network)
        use_statistics(self.g, test_statistics)

    def groups(self) -> dict[str, list[nn.Module]]:
        return {"G": [self.g], "D": [self.d], "F": [self.f]}

    def steps(self, a: Images, b: Images) -> Iterator[Step]:
        x = torch.cat([a, b]) if self.identity else a
        flipped = draw_flips(x) if self.flip else None
        y, seen = self.translated(x, flipped)
        fake_b = y[: len(a)]
        fake, real = gan_loss(self.d(fake_b.detach()), False, self.gan), gan_loss(self.d(b), True, self.gan)
        yield Step("D", real_inputs={self.d: b}, fake=0.5 * fake, real=0.5 * real)

        gan = generator_loss(self.d(fake_b), self.gan)
        nce = self.nce * self.contrast(y, seen, flipped)
        yield Step("G", "F", gan=gan, **dict(zip(("nce", "identity"), nce / len(nce), strict=False)))

    def translated(self, x: Tensor, flipped: Tensor | None) -> tuple[Tensor, list[Tensor]]:
        """G's pictures of `x`, with those that are `flipped`, and its features of `x` as it is."""
        if flipped is None:
            y, seen = self.g(x, give="both")
            return y, seen
        with torch.no_grad():
            seen = self.g(x, give="features")
        return self.g(torch.where(flipped[:, None, None, None], x.flip(-1), x)), seen

    def contrast(self, y: Tensor, seen: list[Tensor], flipped: Tensor | None) -> Tensor:
        """NCE of pictures `y` made of those with features `seen`: one value, or one of each half: of a's and of b's.

        What was `flipped` is compared at the mirrored places.
        """
        places = draw_places(seen, self.patches)
        with torch.no_grad():
            keys = self.f(seen, places)
        if flipped is not None:
            pairs = zip(places, seen, strict=True)
            places = [torch.where(flipped[:, None], mirror_places(p, s.shape[-1]), p) for p, s in pairs]
        queries = self.f(self.g(y, give="features"), places)
        halves = 2 if self.identity else 1
        layers = []
        for query, key in zip(queries, keys, strict=True):
            if self.negatives == "batch":
                query, key = query.reshape(halves, -1, query.shape[-1]), key.reshape(halves, -1, key.shape[-1])
            layers.append(patch_nce(query, key, self.temperature).reshape(halves, -1).mean(1))
        return torch.stack(layers).mean(0)

    def translate(self, x: Tensor) -> Tensor:
        """Translate `B C H W` in [-1, 1] of the domain a to b."""
        output: Tensor = self.g(x)
        return output
