"""SPADE: photos from label maps; the norms of the generator are modulated by the labels at each pixel.

Park, Liu, Wang, Zhu: Semantic Image Synthesis with Spatially-Adaptive Normalization, CVPR 2019.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from diptych.errors import ConfigError
from diptych.methods.method import Adam, Count, Images, Labels, Method, Step, Weight
from diptych.nn.gan import discriminator_losses, generator_loss
from diptych.nn.gaussian import Gaussian, seeded_normal
from diptych.nn.image_encoder import ImageEncoder
from diptych.nn.multiscale import MultiScaleFeatures, feature_matching
from diptych.nn.perceptual import VGGDistance
from diptych.nn.spade import PlainNorm, SpatialGenerator, Upsampling
from diptych.nn.spectral import power_iteration, spectral_convolutions
from diptych.options.controls import Seed, Strength, Style


class Painter(nn.Module):
    """The networks that translation needs: label maps and codes to pictures, and perhaps pictures to codes."""

    def __init__(self, generator: SpatialGenerator, encoder: ImageEncoder | None) -> None:
        super().__init__()
        self.generator, self.encoder = generator, encoder


class SPADE(Method):
    """Generator G and discriminator D, for label maps m and photos y, play min_G max_D GAN(G, D) + features * the mean
    absolute difference of what D sees in (m, G(m)) and in (m, y) + perceptual * the same of VGG-19.

    With an encoder E, G(m, z) starts from a code z ~ N(mu(y), sigma(y)), and kl * KL(z, N(0, 1)) is added.

    source_channels, target_channels: classes of the label maps and channels of the photos, read from the data.
    width, hidden, kernel: channels of G's last features; those between labels and norms, and the size of the
    convolutions there. upsampling: sizes are multiples of 16 (fewer; our addition, for small pictures), 32 (normal), 64
    (more, as published for Cityscapes) or 128 (most, with a further block).
    norm: what the labels modulate; batch is by running statistics in use.
    spectral, discriminator_spectral: whether weights of G and E, and those of D, are divided by their largest singular
    values.
    scales, discriminator_layers, discriminator_width: D looks at the pair at so many sizes, and so deep.
    encoder: learn E, for photos in the style of another and for several answers. style_channels: numbers in a code.
    start_height, start_width: of the first features, which with E are learned for one size: training pictures are best
    (start * 32) pixels high and wide (normal).
    gan: the adversarial loss. features, perceptual, kl: the weights above. The paper has perceptual at 10. kl is for
    the mean over pictures; the published code adds up those of one GPU.
    """

    keep = ("g",)
    discriminators = ("d",)
    pretrained: ClassVar[Mapping[str, str]] = {"perceptual_network": "vgg19"}
    schedule = "constant"
    length: ClassVar[Mapping[str, int]] = {"epochs": 50}

    def __init__(
        self,
        *,
        source_channels: Count = 3,
        target_channels: Count = 3,
        width: Count = 64,
        upsampling: Upsampling = "normal",
        norm: PlainNorm = "batch",
        spectral: bool = True,
        hidden: Count = 128,
        kernel: Literal[1, 3, 5] = 3,
        scales: Count = 2,
        discriminator_layers: Count = 4,
        discriminator_width: Count = 64,
        discriminator_spectral: bool = True,
        encoder: bool = False,
        style_channels: Count = 256,
        start_height: Count = 8,
        start_width: Count = 8,
        gan: Literal["hinge", "lsgan", "vanilla"] = "hinge",
        features: Weight = 10.0,
        perceptual: Weight = 0.0,
        kl: Weight = 0.05,
    ) -> None:
        super().__init__()
        self.gan, self.features, self.perceptual, self.kl = gan, features, perceptual, kl
        self.style_channels, self.stochastic, self.latest = style_channels, encoder, ""
        e = ImageEncoder(target_channels, style_channels, width=width, spectral=spectral) if encoder else None
        generator = SpatialGenerator(
            source_channels,
            target_channels,
            width=width,
            upsampling=upsampling,
            norm=norm,
            spectral=spectral,
            hidden=hidden,
            kernel=kernel,
            code=style_channels if encoder else 0,
            start=(start_height, start_width),
        )
        self.g, self.size_multiple = Painter(generator, e), generator.size_multiple
        self.d = MultiScaleFeatures(
            source_channels + target_channels,
            scales=scales,
            layers=discriminator_layers,
            width=discriminator_width,
            bias=False,
            spectral=discriminator_spectral,
            xavier=True,
        )
        self.perceptual_network = VGGDistance() if perceptual else None

    def groups(self) -> dict[str, list[nn.Module]]:
        return {"G": [self.g], "D": [self.d]}

    def optimisers(self) -> dict[str, Adam]:
        return {"G": Adam(lr=1e-4, betas=(0.0, 0.9)), "D": Adam(lr=4e-4, betas=(0.0, 0.9))}

    def steps(self, source: Labels, target: Images) -> Iterator[Step]:
        labels = (source + 1) / 2
        self.power_iteration("G")
        fake, kl = self.painted(labels, target)
        pair, real = joined(labels, fake), joined(labels, target.to(fake.dtype))
        seen = self.d(pair, features=True)
        with torch.no_grad():  # apart from the fakes, as no gradient passes here; no norm in D looks at two pictures
            wanted = self.d(real, features=True)
        terms: dict[str, Any] = {"gan": generator_loss([maps[-1] for maps in seen], self.gan) / len(seen)}
        if self.features:
            terms["features"] = self.features * feature_matching(seen, wanted)
        if kl is not None:
            terms["kl"] = self.kl * kl.mean()
        if self.perceptual_network:
            terms["perceptual"] = self.perceptual * self.perceptual_network(fake, target)
        yield Step("G", **terms)

        self.power_iteration("D")
        with torch.no_grad():
            fake, _ = self.painted(labels, target)
        on_real, on_fake = discriminator_losses(self.d, real, joined(labels, fake), self.gan)
        yield Step("D", real_inputs={self.d: real}, fake=on_fake / len(seen), real=on_real / len(seen))

    def painted(self, labels: Tensor, target: Tensor) -> tuple[Tensor, Tensor | None]:
        """G's picture for each label map, and how far the distribution of its code is from N(0, 1)."""
        if self.g.encoder is None:
            return self.g.generator(labels), None
        q: Gaussian = self.g.encoder(target)
        return self.g.generator(labels, q.at(self.noise(q.mean))), q.divergence().sum(1)

    def noise(self, mean: Tensor) -> Tensor:
        """Standard normal draws like `mean`, made picture by picture: a batch in parts has those of the whole."""
        return torch.randn(mean.shape, device=mean.device)

    def power_iteration(self, step: str) -> None:
        """Move the singular vectors after their weights as each step begins, as the reference does in each pass.

        That is once for all parts of a batch: the first one has come to the next step.
        """
        if step != self.latest:
            self.latest = step
            power_iteration([self.g, self.d])

    def fold_weights(self) -> None:
        for convolution in spectral_convolutions([self.g]):
            convolution.fold_weights()

    def translate(
        self,
        x: Tensor,
        *,
        seed: Seed = 0,
        style: Annotated[Style, "a photo whose style is taken instead"] = None,
        style_strength: Annotated[
            Strength,
            "how far the style goes, from the seed's (0) to the photo's (1); without a photo, from the average of all "
            "styles (0) to the seed's (1)",
        ] = 1.0,
    ) -> Tensor:
        """Paint one-hot label maps `B K H W` in [-1, 1]; with an encoder in many ways, one for each `seed`.

        Raises ConfigError for a style, or a strength, of a model without an encoder.
        """
        labels, code = (x + 1) / 2, None
        if self.g.encoder is None and (style is not None or style_strength != 1.0):
            raise ConfigError(
                "the model knows no styles: leave style and style_strength out, or train with method.encoder=true"
            )
        if self.g.encoder is not None:
            drawn = seeded_normal(seed, 1, self.style_channels).to(x)
            wanted = style_strength * drawn
            if style is not None:
                wanted = drawn.lerp(self.g.encoder(style).mean.to(x), style_strength)
            code = wanted.expand(len(x), -1)
        output: Tensor = self.g.generator(labels, code)
        return output


def joined(labels: Tensor, picture: Tensor) -> Tensor:
    """What D sees: labels, in the precision that the picture has, and the picture."""
    return torch.cat([labels.to(picture.dtype), picture], dim=1)
