"""pix2pix: a conditional GAN that learns from pairs, with an L1 loss.

Isola, Zhu, Zhou, Efros: Image-to-Image Translation with Conditional Adversarial Networks, CVPR 2017.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diptych.methods.method import Count, Images, Method, Step, Weight
from diptych.nn.discriminators import PatchGAN, PixelGAN
from diptych.nn.gan import Gan, gan_loss, generator_loss, gradient_penalty
from diptych.nn.generators import U_NETS, ResNet, UNet
from diptych.nn.norms import Norm, Statistics, use_statistics
from diptych.options.controls import Seed

Generator = Literal["unet_512", "unet_256", "unet_128", "unet_64", "unet_32", "resnet_9blocks", "resnet_6blocks"]


class Pix2Pix(Method):
    """Generator G and discriminator D play min_G max_D GAN(G, D) + l1 * E|y - G(x)|, D judging the pair (x, y).

    source_channels, target_channels: channels of the pictures, read from the data.
    generator: unet_N halves down to one pixel at N pixels, sizes are multiples of N; resnet_Nblocks, multiples of 4.
    Not given, a training takes the largest U-Net up to unet_256 that fits its pictures.
    width, discriminator_width: channels of the first layer of G and D.
    discriminator: patch (PatchGAN) or pixel; discriminator_layers: the patch grows with it, 3 sees 70 pixels.
    norm, dropout: in G and D, and in G.
    gan, l1: the adversarial loss (none: the ablation of §4.1), and the weight of the mean absolute error.
    penalty: weight of wgan-gp's gradient penalty.
    test_statistics, test_dropout: in use, G normalises by the picture's own statistics (batch) or by the averages
    gathered in training (running), and dropout stays on. The paper's way is batch statistics with dropout (§3.3).
    """

    keep = ("g",)
    discriminators = ("d",)
    by_size: ClassVar[Mapping[str, Mapping[int, Any]]] = {"generator": U_NETS}

    def __init__(
        self,
        *,
        source_channels: Count = 3,
        target_channels: Count = 3,
        generator: Generator = "unet_256",
        width: Count = 64,
        discriminator: Literal["patch", "pixel"] = "patch",
        discriminator_layers: Count = 3,
        discriminator_width: Count = 64,
        norm: Norm = "batch",
        dropout: bool = True,
        gan: Gan | Literal["none"] = "vanilla",
        l1: Weight = 100.0,
        penalty: Weight = 10.0,
        test_statistics: Statistics = "batch",
        test_dropout: bool = True,
    ) -> None:
        super().__init__()
        self.gan, self.l1, self.penalty, self.test_dropout = gan, l1, penalty, test_dropout
        self.stochastic = dropout and test_dropout
        family, _, size = generator.partition("_")
        self.g: UNet | ResNet
        if family == "unet":
            self.size_multiple = int(size)
            depth = self.size_multiple.bit_length() - 1
            self.g = UNet(source_channels, target_channels, depth=depth, width=width, norm=norm, dropout=dropout)
        else:
            self.size_multiple, blocks = 4, int(size.removesuffix("blocks"))
            self.g = ResNet(source_channels, target_channels, blocks=blocks, width=width, norm=norm, dropout=dropout)
        use_statistics(self.g, test_statistics)
        pair = source_channels + target_channels
        self.d: nn.Module
        if discriminator == "patch":
            self.d = PatchGAN(pair, layers=discriminator_layers, width=discriminator_width, norm=norm)
        else:
            self.d = PixelGAN(pair, width=discriminator_width, norm=norm)

    def groups(self) -> dict[str, list[nn.Module]]:
        return {"G": [self.g], "D": [self.d]}

    def steps(self, source: Images, target: Images) -> Iterator[Step]:
        output = self.g(source)
        l1 = self.l1 * F.l1_loss(output, target)
        if self.gan == "none":
            yield Step("G", l1=l1)
            return
        real, fake = torch.cat([source, target], dim=1), torch.cat([source, output], dim=1)
        yield Step("D", real_inputs={self.d: real}, **self.discriminator_terms(real, fake.detach(), self.gan))
        yield Step("G", gan=generator_loss(self.d(fake), self.gan), l1=l1)

    def discriminator_terms(self, real: Tensor, fake: Tensor, gan: Gan) -> dict[str, Tensor]:
        terms = {"fake": 0.5 * gan_loss(self.d(fake), False, gan), "real": 0.5 * gan_loss(self.d(real), True, gan)}
        if gan == "wgan-gp" and self.penalty:
            terms["penalty"] = self.penalty * gradient_penalty(self.d, real, fake)
        return terms

    def translate(self, x: Tensor, *, seed: Seed = 0) -> Tensor:
        """Translate `B C H W` in [-1, 1]; `seed` fixes the dropout masks, the same for every picture of a batch."""
        height, width = x.shape[-2:]
        masks = self.g.masks(height, width, torch.Generator().manual_seed(seed)) if self.test_dropout else ()
        output: Tensor = self.g(x, [mask.to(x) for mask in masks])
        return output
