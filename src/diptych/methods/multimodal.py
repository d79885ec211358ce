"""Ours, for pairs whose source leaves something open: `paired` with a latent code that selects one of many answers.

The code of a picture is what an encoder says of its target, held near N(0, 1) so that draws from there are codes too
(Kingma and Welling 2014; with an adversary, Zhu et al. 2017: cVAE-GAN).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from torch import Tensor, nn

from diptych.methods.method import Count, Images, Step, Weight, extending
from diptych.methods.paired import Paired
from diptych.nn.gaussian import Gaussian, draw_normal, nats, seeded_normal, warmed
from diptych.nn.ops.join import join
from diptych.nn.smooth import SmoothSummary, SmoothUNet
from diptych.options.controls import Seed, Strength, Style


class Multimodal(Paired):
    """G(x, z) with z ~ q(z|y): what `paired` says of G(x), and + kl * KL(q(z|y), N(0, 1)).

    source_channels, target_channels: channels of the pictures, or classes of label maps, read from the data.
    code: how many numbers z has. kl: the weight above, of nats, added up over z; it grows from nothing over the share
    `warmup` of the training. free_bits: of each number of z, so many nats cost nothing: what keeps z in use.
    width, levels, blocks, detail: channels of G at half the size, how many sizes it works at, from half the size down,
    blocks at each, and channels at full size. Sides are multiples of `2**(levels + 1)`; not given, a training takes as
    many levels as fit its pictures, up to 5.
    encoder_width: channels of the encoder of targets at half the size.
    discriminator and what begins so, l1, deep, gan, network, penalty, sigma: as in `paired`.
    """

    keep = ("g", "e")

    @extending(Paired)
    def __init__(
        self,
        *,
        code: Count = 8,
        kl: Weight = 0.01,
        warmup: Strength = 0.3,
        free_bits: Weight = 0.5,
        encoder_width: Count = 24,
        source_channels: Count = 3,
        target_channels: Count = 3,
        width: Count = 32,
        levels: Count = 5,
        blocks: Count = 1,
        detail: Count = 16,
        **options: Any,
    ) -> None:
        super().__init__(
            source_channels=source_channels,
            target_channels=target_channels,
            width=width,
            levels=levels,
            blocks=blocks,
            detail=detail,
            **options,
        )
        self.code, self.kl, self.warmup, self.free_bits = code, kl, warmup, free_bits
        inputs = source_channels + code  # the code is channels of G's input
        self.g = SmoothUNet(
            inputs, target_channels, width=width, levels=levels, blocks=blocks, detail=detail, added_to=self.added_to
        )
        self.e = SmoothSummary(target_channels, 2 * code, width=encoder_width, levels=min(levels, 4))

    def groups(self) -> dict[str, list[nn.Module]]:
        return {"E": [self.e], **super().groups()}

    def steps(self, source: Images, target: Images) -> Iterator[Step]:
        q = Gaussian.of(self.e(target))
        output = self.answer(source, q.at(draw_normal(q.mean)[0]))
        kl = warmed(self.kl, self.progress, self.warmup) * nats(q.divergence(), self.free_bits)
        yield from self.compared(output, source, target, kl=kl)

    def translate(
        self,
        x: Tensor,
        *,
        seed: Seed = 0,
        style: Annotated[Style, "a picture of the target, whose look is taken instead"] = None,
        style_strength: Annotated[
            Strength,
            "how far the look goes, from the seed's (0) to the picture's (1); without a picture, from the average (0) "
            "to the seed's (1)",
        ] = 1.0,
    ) -> Tensor:
        """Translate `B C H W` in [-1, 1]; many answers, one for each `seed`."""
        drawn = seeded_normal(seed, 1, self.code).to(x)
        if style is None:
            return self.answer(x, style_strength * drawn).clamp(-1, 1)
        wanted = Gaussian.of(self.e(style)).mean.to(x)
        return self.answer(x, drawn.lerp(wanted, style_strength)).clamp(-1, 1)

    def answer(self, x: Tensor, code: Tensor) -> Tensor:
        """G(x, z), in no bounds."""
        everywhere = code.to(x)[..., None, None].expand(len(x), -1, *x.shape[-2:])
        output: Tensor = self.g(join(x, everywhere))
        return output
