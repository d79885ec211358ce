"""MUNIT: content and style of an image are separate codes; each style of the other domain gives another answer.

Huang, Liu, Belongie, Kautz: Multimodal Unsupervised Image-to-Image Translation, ECCV 2018.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Annotated, Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diptych.methods.method import Adam, Count, Images, Method, Step, Weight
from diptych.nn.blocks import Activation, Pad
from diptych.nn.decoders import Decoder
from diptych.nn.encoders import ContentEncoder, StyleEncoder
from diptych.nn.gan import discriminator_losses, generator_loss
from diptych.nn.gaussian import seeded_normal
from diptych.nn.multiscale import MultiScale
from diptych.nn.perceptual import DomainInvariant
from diptych.options.controls import Seed, Strength, Style, To


class AutoEncoder(nn.Module):
    """The networks of one domain: a picture to its content c, a picture to its style s, and both to a picture."""

    def __init__(
        self,
        channels: int,
        *,
        width: int,
        downs: int,
        blocks: int,
        style_channels: int,
        hidden: int,
        activation: Activation = "relu",
        pad: Pad = "reflect",
    ) -> None:
        super().__init__()
        self.content = ContentEncoder(channels, width=width, downs=downs, blocks=blocks, activation=activation, pad=pad)
        self.style = StyleEncoder(channels, style_channels, width=width, activation=activation, pad=pad)
        self.decoder = Decoder(
            channels,
            width=width,
            ups=downs,
            blocks=blocks,
            style_channels=style_channels,
            hidden=hidden,
            activation=activation,
            pad=pad,
        )


class MUNIT(Method):
    """Auto-encoders a and b exchange contents c and draw styles s ~ N(0, 1); d_a and d_b are their discriminators.

    With ab = b.decode(c_a, s_b): min max adversarial * GAN + recon_x * E|a.decode(c_a, s(a)) - a|
    + recon_c * E|c(ab) - c_a| + recon_s * E|s(ba) - s_a| + cycle * E|a.decode(c(ab), s(a)) - a|, and the same with a
    and b exchanged.

    a_channels, b_channels: channels of the pictures, read from the data.
    width, downs, blocks: channels of the first layer, halvings, and residual blocks on each side of the content. Sizes
    are multiples of 2**downs.
    style_channels, hidden: how many numbers a style is, and the width of the network in the decoder that reads it.
    scales, discriminator_layers, discriminator_width, discriminator_norm: the discriminators look at the picture at
    so many sizes, and halve it so often each time; training pictures have 2**(layers + scales - 1) pixels a side at
    least.
    activation, pad: of the auto-encoders; what all networks see beyond the border.
    gan: the adversarial loss. adversarial, recon_x, recon_s, recon_c, cycle: the weights above. perceptual: weight of
    the distance between what a picture shows before and after, seen by VGG-16, for pictures of 512 pixels (§5.1).
    """

    keep = ("a", "b")
    directions: ClassVar[Mapping[tuple[str, str], tuple[str, ...]]] = {("a", "b"): ("a", "b"), ("b", "a"): ("a", "b")}
    discriminators = ("d_a", "d_b")
    pretrained: ClassVar[Mapping[str, str]] = {"perceptual_network": "vgg16"}
    schedule = "halving"
    length: ClassVar[Mapping[str, int]] = {"images": 1_000_000}

    def __init__(
        self,
        *,
        a_channels: Count = 3,
        b_channels: Count = 3,
        width: Count = 64,
        downs: Count = 2,
        blocks: Count = 4,
        style_channels: Count = 8,
        hidden: Count = 256,
        scales: Count = 3,
        discriminator_layers: Count = 4,
        discriminator_width: Count = 64,
        discriminator_norm: Literal["none", "instance", "spectral"] = "none",
        activation: Activation = "relu",
        pad: Pad = "reflect",
        gan: Literal["lsgan", "vanilla", "hinge"] = "lsgan",
        adversarial: Weight = 1.0,
        recon_x: Weight = 10.0,
        recon_s: Weight = 1.0,
        recon_c: Weight = 1.0,
        cycle: Weight = 0.0,
        perceptual: Weight = 0.0,
    ) -> None:
        super().__init__()
        self.size_multiple, self.style_channels = 2**downs, style_channels
        self.gan, self.adversarial, self.recon_x = gan, adversarial, recon_x
        self.recon_s, self.recon_c, self.cycle, self.perceptual = recon_s, recon_c, cycle, perceptual
        autoencoder = partial(AutoEncoder, width=width, downs=downs, blocks=blocks, activation=activation, pad=pad)
        self.a = autoencoder(a_channels, style_channels=style_channels, hidden=hidden)
        self.b = autoencoder(b_channels, style_channels=style_channels, hidden=hidden)
        discriminator = partial(MultiScale, scales=scales, layers=discriminator_layers, width=discriminator_width)
        self.d_a = discriminator(a_channels, norm=discriminator_norm, pad=pad)
        self.d_b = discriminator(b_channels, norm=discriminator_norm, pad=pad)
        self.perceptual_network = DomainInvariant() if perceptual else None

    def groups(self) -> dict[str, list[nn.Module]]:
        return {"G": [self.a, self.b], "D": [self.d_a, self.d_b]}

    def optimisers(self) -> dict[str, Adam]:
        return dict.fromkeys(self.groups(), Adam(lr=1e-4, weight_decay=1e-4))

    def steps(self, a: Images, b: Images) -> Iterator[Step]:
        c_a, c_b = self.a.content(a), self.b.content(b)  # for both steps: the first leaves the encoders alone
        s_a, s_b = self.styles(a)
        with torch.no_grad():
            fake_a, fake_b = self.a.decoder(c_b, s_a), self.b.decoder(c_a, s_b)
        terms: dict[str, Any] = {}
        terms["real_a"], terms["fake_a"] = discriminator_losses(self.d_a, a, fake_a, self.gan)
        terms["real_b"], terms["fake_b"] = discriminator_losses(self.d_b, b, fake_b, self.gan)
        yield Step("D", real_inputs={self.d_a: a, self.d_b: b}, **terms)

        s_a, s_b = self.styles(a)
        own_a, own_b = self.a.style(a), self.b.style(b)
        same_a, fake_a = self.a.decoder(torch.cat([c_a, c_b]), torch.cat([own_a, s_a])).chunk(2)
        same_b, fake_b = self.b.decoder(torch.cat([c_b, c_a]), torch.cat([own_b, s_b])).chunk(2)
        c_ab, c_ba = self.b.content(fake_b), self.a.content(fake_a)
        terms = {
            "gan_a": self.adversarial * generator_loss(self.d_a(fake_a), self.gan),
            "gan_b": self.adversarial * generator_loss(self.d_b(fake_b), self.gan),
            "recon_x_a": self.recon_x * F.l1_loss(same_a, a),
            "recon_x_b": self.recon_x * F.l1_loss(same_b, b),
            "recon_s_a": self.recon_s * F.l1_loss(self.a.style(fake_a), s_a),
            "recon_s_b": self.recon_s * F.l1_loss(self.b.style(fake_b), s_b),
            "recon_c_a": self.recon_c * F.l1_loss(c_ab, c_a),
            "recon_c_b": self.recon_c * F.l1_loss(c_ba, c_b),
        }
        if self.cycle:
            terms["cycle_a"] = self.cycle * F.l1_loss(self.a.decoder(c_ab, own_a), a)
            terms["cycle_b"] = self.cycle * F.l1_loss(self.b.decoder(c_ba, own_b), b)
        if self.perceptual_network:
            terms["perceptual_a"] = self.perceptual * self.perceptual_network(fake_a, b)
            terms["perceptual_b"] = self.perceptual * self.perceptual_network(fake_b, a)
        yield Step("G", **terms)

    def styles(self, x: Tensor) -> tuple[Tensor, ...]:
        """A style of each domain for each picture of `x`, `B style_channels`, from N(0, 1).

        They are drawn picture by picture, so that a batch in parts has the draws of the whole.
        """
        return torch.randn(len(x), 2, self.style_channels, device=x.device).unbind(1)

    def translate(
        self,
        x: Tensor,
        *,
        to: To = "b",
        seed: Seed = 0,
        style: Annotated[
            Style, "a picture of the domain translated to, of 16 pixels a side at least, whose style is taken instead"
        ] = None,
        style_strength: Annotated[
            Strength,
            "how far the style goes, from the seed's (0) to the picture's (1); without a picture, from the average of "
            "all styles (0) to the seed's (1)",
        ] = 1.0,
    ) -> Tensor:
        """Translate `B C H W` in [-1, 1] of one domain `to` the other; many answers, one for each `seed`."""
        source, target = (self.a, self.b) if to == "b" else (self.b, self.a)
        drawn = seeded_normal(seed, 1, self.style_channels).to(x)
        wanted = style_strength * drawn if style is None else drawn.lerp(target.style(style).to(x), style_strength)
        output: Tensor = target.decoder(source.content(x), wanted.expand(len(x), -1))
        return output
