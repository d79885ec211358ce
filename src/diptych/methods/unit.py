"""UNIT: both directions without pairs, through one latent space that two domains share.

Liu, Breuel, Kautz: Unsupervised Image-to-Image Translation Networks, NeurIPS 2017.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diptych.methods.method import Adam, Count, Images, Method, Step, Weight
from diptych.nn.blocks import Activation, Pad
from diptych.nn.decoders import Decoder
from diptych.nn.encoders import ContentEncoder
from diptych.nn.gan import discriminator_losses, generator_loss
from diptych.nn.multiscale import MultiScale
from diptych.nn.perceptual import DomainInvariant
from diptych.options.controls import To


class AutoEncoder(nn.Module):
    """The networks of one domain: a picture to the mean h of its code, and a code to a picture."""

    def __init__(
        self,
        channels: int,
        *,
        width: int,
        downs: int,
        blocks: int,
        activation: Activation = "relu",
        pad: Pad = "reflect",
    ) -> None:
        super().__init__()
        self.encoder = ContentEncoder(channels, width=width, downs=downs, blocks=blocks, activation=activation, pad=pad)
        self.decoder = Decoder(channels, width=width, ups=downs, blocks=blocks, activation=activation, pad=pad)


class UNIT(Method):
    """Auto-encoders a and b of one latent space z ~ N(h, 1); discriminators d_a and d_b see what crosses over.

    min max adversarial * GAN + recon_x * E|a.decode(z_a) - a| + kl * E h_a^2 + cycle * E|aba - a| + cycle_kl * E h_ab^2
    and the same with a and b exchanged: h_ab is the code of the translated picture, aba its way back.

    a_channels, b_channels: channels of the pictures, read from the data.
    width, downs, blocks: channels of the first layer, halvings, and residual blocks on each side of the code. Sizes
    are multiples of 2**downs.
    scales, discriminator_layers, discriminator_width, discriminator_norm: the discriminators look at the picture at
    so many sizes, and halve it so often each time; training pictures have 2**(layers + scales - 1) pixels a side at
    least.
    activation, pad: of the auto-encoders; what all networks see beyond the border.
    gan: the adversarial loss. adversarial, recon_x, kl, cycle, cycle_kl: the weights above. perceptual: weight of the
    distance between what a picture shows before and after, seen by VGG-16; the paper has it at 1 in its later code.
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
        scales: Count = 3,
        discriminator_layers: Count = 4,
        discriminator_width: Count = 64,
        discriminator_norm: Literal["none", "instance", "spectral"] = "none",
        activation: Activation = "relu",
        pad: Pad = "reflect",
        gan: Literal["lsgan", "vanilla", "hinge"] = "lsgan",
        adversarial: Weight = 1.0,
        recon_x: Weight = 10.0,
        kl: Weight = 0.01,
        cycle: Weight = 10.0,
        cycle_kl: Weight = 0.01,
        perceptual: Weight = 0.0,
    ) -> None:
        super().__init__()
        self.size_multiple = 2**downs
        self.gan, self.adversarial, self.recon_x, self.kl = gan, adversarial, recon_x, kl
        self.cycle, self.cycle_kl, self.perceptual = cycle, cycle_kl, perceptual
        autoencoder = partial(AutoEncoder, width=width, downs=downs, blocks=blocks, activation=activation, pad=pad)
        self.a, self.b = autoencoder(a_channels), autoencoder(b_channels)
        discriminator = partial(MultiScale, scales=scales, layers=discriminator_layers, width=discriminator_width)
        self.d_a = discriminator(a_channels, norm=discriminator_norm, pad=pad)
        self.d_b = discriminator(b_channels, norm=discriminator_norm, pad=pad)
        self.perceptual_network = DomainInvariant() if perceptual else None

    def groups(self) -> dict[str, list[nn.Module]]:
        return {"G": [self.a, self.b], "D": [self.d_a, self.d_b]}

    def optimisers(self) -> dict[str, Adam]:
        return dict.fromkeys(self.groups(), Adam(lr=1e-4, weight_decay=1e-4))

    def steps(self, a: Images, b: Images) -> Iterator[Step]:
        h_a, h_b = self.a.encoder(a), self.b.encoder(b)  # for both steps: the first leaves the encoders alone
        n_a, n_b = self.noise(h_a, 2)
        with torch.no_grad():
            fake_a, fake_b = self.a.decoder(h_b + n_b), self.b.decoder(h_a + n_a)
        terms: dict[str, Any] = {}
        terms["real_a"], terms["fake_a"] = discriminator_losses(self.d_a, a, fake_a, self.gan)
        terms["real_b"], terms["fake_b"] = discriminator_losses(self.d_b, b, fake_b, self.gan)
        yield Step("D", real_inputs={self.d_a: a, self.d_b: b}, **terms)

        n_a, n_b, n_ba, n_ab = self.noise(h_a, 4)
        z_a, z_b = h_a + n_a, h_b + n_b
        same_a, fake_a = self.a.decoder(torch.cat([z_a, z_b])).chunk(2)
        same_b, fake_b = self.b.decoder(torch.cat([z_b, z_a])).chunk(2)
        h_ba, h_ab = self.a.encoder(fake_a), self.b.encoder(fake_b)
        aba, bab = self.a.decoder(h_ab + n_ab), self.b.decoder(h_ba + n_ba)
        terms = {
            "gan_a": self.adversarial * generator_loss(self.d_a(fake_a), self.gan),
            "gan_b": self.adversarial * generator_loss(self.d_b(fake_b), self.gan),
            "recon_x_a": self.recon_x * F.l1_loss(same_a, a),
            "recon_x_b": self.recon_x * F.l1_loss(same_b, b),
            "kl_a": self.kl * divergence(h_a),
            "kl_b": self.kl * divergence(h_b),
            "cycle_a": self.cycle * F.l1_loss(aba, a),
            "cycle_b": self.cycle * F.l1_loss(bab, b),
            "cycle_kl_a": self.cycle_kl * divergence(h_ab),
            "cycle_kl_b": self.cycle_kl * divergence(h_ba),
        }
        if self.perceptual_network:
            terms["perceptual_a"] = self.perceptual * self.perceptual_network(fake_a, b)
            terms["perceptual_b"] = self.perceptual * self.perceptual_network(fake_b, a)
        yield Step("G", **terms)

    def noise(self, h: Tensor, count: int) -> tuple[Tensor, ...]:
        """Standard normal draws like `h`; made picture by picture, so that a batch in parts has those of the whole."""
        batch, *shape = h.shape
        return torch.randn(batch, count, *shape, device=h.device).to(h.dtype).unbind(1)

    def translate(self, x: Tensor, *, to: To = "b") -> Tensor:
        """Translate `B C H W` in [-1, 1] of one domain `to` the other, by the mean of its code."""
        source, target = (self.a, self.b) if to == "b" else (self.b, self.a)
        output: Tensor = target.decoder(source.encoder(x))
        return output


def divergence(h: Tensor) -> Tensor:
    """Twice the Kullback-Leibler divergence of N(h, 1) from N(0, 1), a mean over the code's elements."""
    return h.square().mean()
