"""pix2pixHD: large images from label maps, by a generator that grows from coarse to fine.

Wang, Liu, Zhu, Tao, Kautz, Catanzaro: High-Resolution Image Synthesis and Semantic Manipulation with Conditional GANs,
CVPR 2018.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Annotated, Any, ClassVar, Literal

import torch.nn.functional as F
from annotated_types import Ge
from torch import Tensor, nn

from diptych.errors import ConfigError
from diptych.methods.method import Count, Images, Labels, Method, Step, Weight
from diptych.nn.coarse_to_fine import CoarseToFine
from diptych.nn.gan import gan_loss, generator_loss
from diptych.nn.instances import FeatureEncoder, classes_of
from diptych.nn.multiscale import MultiScaleFeatures, feature_matching
from diptych.nn.norms import Statistics, use_statistics
from diptych.nn.ops.join import join
from diptych.nn.perceptual import VGGDistance
from diptych.options.controls import Instances, Seed, Strength, Style


class Pix2PixHD(Method):
    """Generator G and D, which looks at several sizes, play min_G max_D GAN(G, D) + features * FM, D judging (x, y).

    FM is the distance between what D's layers see in a fake and in the real picture; perceptual * the same of VGG-19
    may be added. x is a one-hot label map of 0 and 1, and with an encoder E also what E sees in y, averaged
    within each thing.

    source_channels, target_channels: classes of the label maps and channels of the images, read from the data.
    width, downs, blocks: channels of the first layer of the global generator, halvings, residual blocks.
    enhancers, enhancer_blocks: how many local enhancers there are around the global generator, each at twice the size,
    and their residual blocks. Sizes are multiples of 2**(downs + enhancers). From coarse to fine (§3.2): train without
    enhancers at half the size; then, at full size, with train.start=THAT_RUN, enhancers=1 and perhaps one scale more.
    fix_global: the share of the training, from its begin, in which all of G but the outermost enhancer stands still:
    worth it where the global generator has learned before.
    scales, discriminator_layers, discriminator_width: D looks at the picture at so many sizes, and halves it so often
    each time.
    norm: in all networks. gan: the adversarial loss. features, perceptual: the weights above. The published training
    has perceptual at 10.
    encoder: with E, translation takes the looks of things from a picture, or draws them (§3.4). encoder_channels,
    encoder_width, encoder_downs: how many numbers a look is; channels of E's first layer, and its halvings.
    test_statistics: with batch norm, translation normalises by the picture's own statistics (batch) or by the averages
    gathered in training (running).
    """

    keep: tuple[str, ...] = ("g",)
    discriminators = ("d",)
    pretrained: ClassVar[Mapping[str, str]] = {"perceptual_network": "vgg19"}

    def __init__(
        self,
        *,
        source_channels: Count = 36,
        target_channels: Count = 3,
        width: Count = 64,
        downs: Count = 4,
        blocks: Count = 9,
        enhancers: Annotated[int, Ge(0)] = 0,
        enhancer_blocks: Count = 3,
        fix_global: Strength = 0.0,
        scales: Count = 2,
        discriminator_layers: Count = 3,
        discriminator_width: Count = 64,
        norm: Literal["instance", "batch"] = "instance",
        gan: Literal["lsgan", "vanilla", "hinge"] = "lsgan",
        features: Weight = 10.0,
        perceptual: Weight = 0.0,
        encoder: bool = False,
        encoder_channels: Count = 3,
        encoder_width: Count = 16,
        encoder_downs: Count = 4,
        test_statistics: Statistics = "batch",
    ) -> None:
        super().__init__()
        if fix_global and not enhancers:
            raise ConfigError(
                "fix_global keeps the global generator as it is while enhancers learn: set enhancers to 1"
            )
        if width % 2**enhancers:
            raise ConfigError(
                f"each enhancer has half as many channels as the one before: with {enhancers}, width is a multiple of "
                f"{2**enhancers}, not {width}"
            )
        if encoder:
            self.keep = ("g", "e")
        self.stochastic, self.fix_global = encoder, fix_global
        self.gan, self.features, self.perceptual = gan, features, perceptual
        self.size_multiple = 2 ** max(downs + enhancers, encoder_downs if encoder else 0)
        inputs = source_channels + (encoder_channels if encoder else 0)
        generator = partial(CoarseToFine, width=width, downs=downs, blocks=blocks, norm=norm)
        self.g = generator(inputs, target_channels, enhancers=enhancers, enhancer_blocks=enhancer_blocks)
        feature_encoder = partial(FeatureEncoder, classes=source_channels, width=encoder_width, downs=encoder_downs)
        self.e = feature_encoder(target_channels, encoder_channels, norm=norm) if encoder else None
        self.d = MultiScaleFeatures(
            source_channels + target_channels,
            scales=scales,
            layers=discriminator_layers + 1,
            width=discriminator_width,
            norm=norm,
            smallest_first=True,
            features=features > 0,
        )
        self.perceptual_network = VGGDistance() if perceptual else None
        use_statistics(self, test_statistics)

    def groups(self) -> dict[str, list[nn.Module]]:
        e: list[nn.Module] = [self.e] if self.e else []
        if not self.fix_global:
            return {"G": [self.g, *e], "D": [self.d]}
        inner: list[nn.Module]
        *inner, outermost = self.g.base, *self.g.enhancers
        return {"G": [outermost, *e], "global": inner, "D": [self.d]}

    def steps(self, source: Labels, target: Images, instances: Instances = None) -> Iterator[Step]:
        one_hot = x = zero_to_one(source)
        if self.e:
            classes = classes_of(one_hot)
            looks = self.e(target, classes if instances is None else instances)
            self.e.follow(looks, classes)
            x = join(one_hot.to(looks), looks)
        output = self.g(x)

        one_hot = one_hot.to(output)  # 0 and 1 are exact in any precision
        real, fake = join(one_hot, target.to(output)), join(one_hot, output)
        on_real, on_fake = self.d(real, features=True), self.d(fake, features=True)
        terms: dict[str, Any] = {"gan": generator_loss(logits(on_fake), self.gan)}
        if self.features:
            layers = len(on_fake[0]) - 1  # as published their differences are weighed 4 / layers
            terms["features"] = self.features * 4 / layers * feature_matching(on_fake, on_real)
        if self.perceptual_network:
            terms["perceptual"] = self.perceptual * self.perceptual_network(output, target)
        yield Step(*self.moving(), **terms)

        terms = {"real": 0.5 * gan_loss(logits(on_real), True, self.gan)}  # D is as it was: this need not be seen again
        terms["fake"] = 0.5 * gan_loss(self.d(fake.detach()), False, self.gan)
        yield Step("D", real_inputs={self.d: real}, **terms)

    def moving(self) -> list[str]:
        """The groups that move in the step of G."""
        still = {"D", "global"} if self.progress < self.fix_global else {"D"}
        return [name for name in self.groups() if name not in still]

    def adapt_state_dict(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Begun from a model with fewer enhancers, it has no place for the layer that made the picture."""
        levels = ["base", *(f"enhancers.{i}" for i in range(len(self.g.enhancers)))]
        heads = tuple(f"g.{level}.head." for level in levels[:-1])
        return {name: tensor for name, tensor in state.items() if not name.startswith(heads)}

    def translate(
        self,
        x: Tensor,
        *,
        seed: Seed = 0,
        style: Annotated[Style, "a picture with the layout of the label map, whose things' looks are taken"] = None,
        style_strength: Annotated[
            Strength,
            "how far the looks go, from the seed's (0) to the picture's (1); without a picture, from the average of "
            "each class (0) to the seed's (1)",
        ] = 1.0,
        instances: Annotated[
            Instances, "which thing each pixel belongs to; by default all pixels of a class are one"
        ] = None,
    ) -> Tensor:
        """Turn one-hot label maps, `B K H W`, into pictures; with an encoder, one for each `seed`."""
        one_hot = inputs = zero_to_one(x)
        if self.e is None and style is not None:
            raise ConfigError("this model takes no style picture: it was trained with encoder: false; leave it out")
        if self.e is not None:
            classes = classes_of(one_hot)
            ids = classes if instances is None else instances.expand_as(classes)
            looks = self.e.draw(classes, ids, seed=seed, strength=style_strength if style is None else 1.0)
            if style is not None:
                style = F.interpolate(style, size=x.shape[-2:], mode="bilinear", align_corners=False, antialias=True)
                looks = looks.lerp(self.e(style.expand(len(x), -1, -1, -1), ids).to(looks), style_strength)
            inputs = join(one_hot, looks.to(one_hot))
        output: Tensor = self.g(inputs)
        return output


def zero_to_one(one_hot: Tensor) -> Tensor:
    """Planes in [-1, 1] as the networks here want them."""
    return (one_hot + 1).div_(2)


def logits(seen: list[list[Tensor]]) -> list[Tensor]:
    """The last map of each size."""
    return [maps[-1] for maps in seen]
