"""BicycleGAN: many answers to an image, learned from pairs, one for each latent code of eight numbers.

Zhu, Zhang, Pathak, Darrell, Efros, Wang, Shechtman: Toward Multimodal Image-to-Image Translation, NeurIPS 2017.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Annotated, Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from diptych.errors import ConfigError
from diptych.methods.method import Count, Images, Method, Step, Weight
from diptych.nn.blocks import Activation
from diptych.nn.code_encoder import CodeEncoder
from diptych.nn.coded_unet import CodedUNet, Upsampling, Where
from diptych.nn.gan import discriminator_losses, gan_loss, generator_loss
from diptych.nn.gaussian import Gaussian, seeded_normal
from diptych.nn.generators import U_NETS
from diptych.nn.multiscale import MultiScalePatchGAN
from diptych.nn.norms import Norm
from diptych.options.controls import Of, Seed, Strength, Style

Generator = Literal["unet_512", "unet_256", "unet_128", "unet_64", "unet_32"]


class BicycleGAN(Method):
    """Generator G makes of a source x and a code z an answer; encoder E reads the code of an answer; two cycles.

    cVAE-GAN, y -> z -> y, with z ~ N(mean, variance) by E(y): adversarial * GAN(G(x, z), D) + l1 * E|G(x, z) - y|
    + kl * KL(E(y), N(0, 1)). cLR-GAN, z -> y -> z, with z ~ N(0, 1): adversarial2 * GAN(G(x, z), D2)
    + latent * E|mean by E(G(x, z)) - z|, which moves G alone: with E, it would hide codes that nobody sees (§4).

    A batch is taken in pairs. The first of a pair, source and target, goes through both cycles; the second is only the
    example of a real target that D2 is shown, so that it does not see the target of its input. One picture alone,
    as in a batch of one or at the end of an odd one, is both. With batch 2 that is the published step. A loss is the
    mean over pairs, a lone picture being half a pair; so a batch in parts is as the whole where the parts are even.

    source_channels, target_channels: channels of the pictures, read from the data.
    generator: unet_N halves down to one pixel at N pixels; sizes are multiples of N. Not given, a training takes the
    largest U-Net up to unet_256 that fits its pictures.
    code: how many numbers a code is. where: G sees it at all levels on the way down, or at the input alone.
    width, encoder_width, discriminator_width: channels of the first layer of G, E, and D and D2.
    upsampling, activation, dropout: on G's way up; bilinear leaves no checkerboards. Dropout, which the
    published trainings turn on, acts in training alone.
    encoder_blocks: halvings of E after its first, 4 for 256 pixels, 3 for 128; training pictures and styles have
    2**(encoder_blocks + 1) pixels a side at least.
    scales, discriminator_layers: D and D2 look at the picture at so many sizes; the patch grows with the layers.
    norm: in all four networks.
    conditional_d: D and D2 see the source beside the target. As published, they see the target alone.
    gan: the adversarial loss. adversarial, adversarial2, l1, kl, latent: the weights above; the divergence is the sum
    over a code's numbers, the two means are over pixels and numbers.
    """

    keep = ("g", "e")
    discriminators = ("d", "d2")
    by_size: ClassVar[Mapping[str, Mapping[int, Any]]] = {"generator": U_NETS}

    def __init__(
        self,
        *,
        source_channels: Count = 3,
        target_channels: Count = 3,
        generator: Generator = "unet_256",
        code: Count = 8,
        where: Where = "all",
        width: Count = 64,
        upsampling: Upsampling = "basic",
        activation: Activation = "relu",
        dropout: bool = True,
        encoder_blocks: Count = 4,
        encoder_width: Count = 64,
        scales: Count = 2,
        discriminator_layers: Count = 3,
        discriminator_width: Count = 64,
        norm: Norm = "instance",
        conditional_d: bool = False,
        gan: Literal["lsgan", "vanilla", "hinge"] = "lsgan",
        adversarial: Weight = 1.0,
        adversarial2: Weight = 1.0,
        l1: Weight = 10.0,
        kl: Weight = 0.01,
        latent: Weight = 0.5,
    ) -> None:
        super().__init__()
        self.size_multiple, self.code = int(generator.removeprefix("unet_")), code
        self.conditional_d, self.gan = conditional_d, gan
        self.adversarial, self.adversarial2 = adversarial, adversarial2
        self.l1, self.kl, self.latent = l1, kl, latent
        self.one_pass = norm != "batch"  # no norm looks at more than one picture
        self.g = CodedUNet(
            source_channels,
            target_channels,
            code,
            where=where,
            depth=self.size_multiple.bit_length() - 1,
            width=width,
            norm=norm,
            dropout=dropout,
            upsampling=upsampling,
            activation=activation,
        )
        self.e = CodeEncoder(target_channels, code, blocks=encoder_blocks, width=encoder_width, norm=norm)
        seen = target_channels + (source_channels if conditional_d else 0)
        discriminator = partial(
            MultiScalePatchGAN, scales=scales, layers=discriminator_layers, width=discriminator_width, norm=norm
        )
        self.d, self.d2 = discriminator(seen), discriminator(seen)

    def groups(self) -> dict[str, list[torch.nn.Module]]:
        return {"G": [self.g], "E": [self.e], "D": [self.d], "D2": [self.d2]}

    def steps(self, source: Images, target: Images) -> Iterator[Step]:
        count = len(source)
        if count > 1 and count % 2:
            pairs, alone = self.steps(source[:-1], target[:-1]), self.steps(source[-1:], target[-1:])
            yield from weighed(pairs, alone, share=1 / count)
            return
        (x, other_x), (y, other_y) = roles(source), roles(target)
        noise, drawn = self.draw(x)
        q: Gaussian = self.e(y)
        same, new = self.answers(x, q.at(noise), drawn)
        fake, real = self.seen(x, same), self.seen(x, y)
        fake2, real2 = self.seen(x, new), self.seen(other_x, other_y)
        terms: dict[str, Any] = {
            "gan": self.adversarial * generator_loss(self.d(fake), self.gan),
            "gan2": self.adversarial2 * generator_loss(self.d2(fake2), self.gan),
            "l1": self.l1 * F.l1_loss(same, y),
            "kl": self.kl * q.divergence().sum(1).mean(),
        }
        if self.latent:
            terms["latent"] = self.latent * through(lambda y: F.l1_loss(self.e(y).mean, drawn), new)
        yield Step("G", "E", **terms)

        yield Step("D", real_inputs={self.d: real}, **self.judgement(self.d, real, fake.detach()))
        yield Step("D2", real_inputs={self.d2: real2}, **self.judgement(self.d2, real2, fake2.detach()))

    def draw(self, x: Tensor) -> tuple[Tensor, ...]:
        """For each picture of `x` the noise around its target's code, and a code of its own, from N(0, 1).

        They are drawn picture by picture, so that a batch in parts has the draws of the whole.
        """
        return torch.randn(len(x), 2, self.code, device=x.device).unbind(1)

    def answers(self, x: Tensor, *codes: Tensor) -> tuple[Tensor, ...]:
        """What G makes of `x` and each of `codes`."""
        if self.one_pass:
            outputs: Tensor = self.g(torch.cat([x] * len(codes)), torch.cat(codes))
            return outputs.chunk(len(codes))
        return tuple(self.g(x, code) for code in codes)

    def seen(self, x: Tensor, y: Tensor) -> Tensor:
        """What the discriminators see of a source and an answer."""
        return torch.cat([x, y], dim=1) if self.conditional_d else y

    def judgement(self, d: MultiScalePatchGAN, real: Tensor, fake: Tensor) -> dict[str, Tensor]:
        """The terms of a discriminator; not halved."""
        if self.one_pass:
            on_real, on_fake = discriminator_losses(d, real, fake, self.gan)
        else:  # in the published order, which the averages of a batch norm remember
            on_fake, on_real = gan_loss(d(fake), False, self.gan), gan_loss(d(real), True, self.gan)
        return {"fake": on_fake, "real": on_real}

    def translate(
        self,
        x: Tensor,
        *,
        seed: Seed = 0,
        interpolate_to_seed: Annotated[
            Seed | None, Of("seed", was="towards"), "another seed, to whose answer this one goes"
        ] = None,
        style: Annotated[Style, "a picture of the target, to whose look the answer goes"] = None,
        style_strength: Annotated[
            Strength,
            "how far, from the seed's answer (0) to the other seed's or the picture's (1); with neither, from the "
            "average answer (0) to the seed's (1)",
        ] = 1.0,
    ) -> Tensor:
        """Translate `B C H W` in [-1, 1]; many answers, one for each `seed`, on straight lines of codes."""
        if style is not None and interpolate_to_seed is not None:
            both = "style and interpolate_to_seed both say where the code of the seed goes"
            raise ConfigError(f"{both}: leave one of them out")
        code = self.code_of(seed).to(x)
        if style is not None:
            code = code.lerp(self.e(style).mean.to(x), style_strength)
        elif interpolate_to_seed is not None:
            code = code.lerp(self.code_of(interpolate_to_seed).to(x), style_strength)
        else:
            code = style_strength * code
        output: Tensor = self.g(x, code.expand(len(x), -1))
        return output

    def code_of(self, seed: int) -> Tensor:
        """The code that `seed` stands for, `1 code`."""
        return seeded_normal(seed, 1, self.code)


def roles(pictures: Tensor) -> tuple[Tensor, Tensor]:
    """Of pairs of pictures the first ones and the second ones; one picture alone is both."""
    return (pictures[::2], pictures[1::2]) if len(pictures) > 1 else (pictures, pictures)


def weighed(pairs: Iterator[Step], alone: Iterator[Step], share: float) -> Iterator[Step]:
    """The steps of both parts of a batch as one, of which `alone` has this share."""
    for many, one in zip(pairs, alone, strict=True):
        real = {d: torch.cat([many.real_inputs[d], one.real_inputs[d]]) for d in many.real_inputs}
        terms = {name: (1 - share) * term + share * one.terms[name] for name, term in many.terms.items()}
        yield Step(*many.groups, real_inputs=real, **terms)


def through(loss: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """`loss(x)`, with the gradient that reaches `x` and none that reaches the networks in `loss`."""
    given = x.detach().requires_grad_()
    value = loss(given)
    (slope,) = torch.autograd.grad(value, given)
    return value.detach() + ((x - given.detach()) * slope).sum()
