"""CycleGAN: both directions without pairs; translated there and back, an image must be what it was.

Zhu, Park, Isola, Efros: Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks, ICCV 2017.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Annotated, Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from annotated_types import Ge
from torch import Tensor, nn

from diptych.errors import ConfigError
from diptych.methods.method import Count, Images, Method, Step, Weight
from diptych.nn.discriminators import PatchGAN
from diptych.nn.gan import Gan, gan_loss, generator_loss, gradient_penalty
from diptych.nn.generators import AttentiveResNet, ResNet
from diptych.nn.norms import Norm, Statistics, use_statistics
from diptych.nn.pool import ImagePool
from diptych.options.controls import To


class CycleGAN(Method):
    """Generators ab and ba fool the discriminators of where they lead, d_b and d_a, and undo each other.

    min max GAN(ab, d_b) + GAN(ba, d_a) + cycle_a * E|ba(ab(a)) - a| + cycle_b * E|ab(ba(b)) - b|, and a generator
    leaves alone what is there already: + identity * (cycle_a * E|ba(a) - a| + cycle_b * E|ab(b) - b|).

    a_channels, b_channels: channels of the pictures, read from the data. Where they differ, there is no identity term.
    blocks, width: residual blocks of the generators and channels of their first layer. The paper has 6 blocks at 128
    pixels, 9 from 256 on.
    discriminator_layers, discriminator_width: of the PatchGANs; the patch grows with the layers, 3 sees 70 pixels.
    norm, dropout: in all four networks, and in the generators' blocks while they train.
    gan: the adversarial loss. penalty: weight of wgan-gp's gradient penalty.
    cycle_a, cycle_b, identity: the weights above.
    history: how many older fakes of each domain the discriminators are shown among the new ones (§4); 0 is none.
    antialias: all four networks change size by blurring, not by strides (Zhang 2019).
    attention: generators also say where to change the picture (Alami Mejjati et al. 2018, Tang et al. 2019).
    test_statistics: with batch norm, translation normalises by the picture's own statistics (batch) or by the averages
    gathered in training (running).
    """

    keep = ("ab", "ba")
    directions: ClassVar[Mapping[tuple[str, str], tuple[str, ...]]] = {("a", "b"): ("ab",), ("b", "a"): ("ba",)}
    discriminators = ("d_a", "d_b")
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
        norm: Norm = "instance",
        dropout: bool = False,
        gan: Gan = "lsgan",
        penalty: Weight = 10.0,
        cycle_a: Weight = 10.0,
        cycle_b: Weight = 10.0,
        identity: Weight = 0.5,
        history: Annotated[int, Ge(0)] = 50,
        antialias: bool = False,
        attention: bool = False,
        test_statistics: Statistics = "batch",
    ) -> None:
        super().__init__()
        alike = a_channels == b_channels
        if attention and not alike:
            raise ConfigError(
                f"attention keeps parts of the input, so both domains need as many channels; a has {a_channels}, "
                f"b has {b_channels}: set attention to false"
            )
        self.gan, self.penalty, self.cycle_a, self.cycle_b = gan, penalty, cycle_a, cycle_b
        self.identity = identity if alike else 0.0
        self.one_pass = norm != "batch"  # no norm looks at more than one picture
        network: type[ResNet] = AttentiveResNet if attention else ResNet
        generator = partial(network, blocks=blocks, width=width, norm=norm, dropout=dropout, antialias=antialias)
        self.ab, self.ba = generator(a_channels, b_channels), generator(b_channels, a_channels)
        use_statistics(self, test_statistics)
        discriminator = partial(
            PatchGAN, layers=discriminator_layers, width=discriminator_width, norm=norm, antialias=antialias
        )
        self.d_a, self.d_b = discriminator(a_channels), discriminator(b_channels)
        self.history_a, self.history_b = ImagePool(history), ImagePool(history)

    def groups(self) -> dict[str, list[nn.Module]]:
        return {"G": [self.ab, self.ba], "D": [self.d_a, self.d_b]}

    def steps(self, a: Images, b: Images) -> Iterator[Step]:
        if self.identity and self.one_pass:  # sharing a batch saves time and changes nothing
            fake_b, same_b = self.ab(torch.cat([a, b])).chunk(2)
            fake_a, same_a = self.ba(torch.cat([b, a])).chunk(2)
            back_a, back_b = self.ba(fake_b), self.ab(fake_a)
        else:  # in the published order, which the averages of a batch norm remember
            fake_b = self.ab(a)
            back_a = self.ba(fake_b)
            fake_a = self.ba(b)
            back_b = self.ab(fake_a)
            same_b, same_a = (self.ab(b), self.ba(a)) if self.identity else (b, a)
        terms: dict[str, Any] = {
            "gan_a": generator_loss(self.d_a(fake_a), self.gan),
            "gan_b": generator_loss(self.d_b(fake_b), self.gan),
            "cycle_a": self.cycle_a * F.l1_loss(back_a, a),
            "cycle_b": self.cycle_b * F.l1_loss(back_b, b),
        }
        if self.identity:
            terms["identity_a"] = self.cycle_a * self.identity * F.l1_loss(same_a, a)
            terms["identity_b"] = self.cycle_b * self.identity * F.l1_loss(same_b, b)
        yield Step("G", **terms)

        fake_a, fake_b = self.history_a(fake_a.detach()), self.history_b(fake_b.detach())
        terms = {f"{name}_a": term for name, term in self.judgement(self.d_a, a, fake_a).items()}
        terms |= {f"{name}_b": term for name, term in self.judgement(self.d_b, b, fake_b).items()}
        yield Step("D", real_inputs={self.d_a: a, self.d_b: b}, **terms)

    def judgement(self, d: nn.Module, real: Tensor, fake: Tensor) -> dict[str, Tensor]:
        """The terms of the discriminator `d`; halved, so that it learns more slowly than the generators (§7.1)."""
        on_real, on_fake = d(torch.cat([real, fake])).chunk(2) if self.one_pass else (d(real), d(fake))
        terms = {"real": 0.5 * gan_loss(on_real, True, self.gan), "fake": 0.5 * gan_loss(on_fake, False, self.gan)}
        if self.gan == "wgan-gp" and self.penalty:
            terms["penalty"] = self.penalty * gradient_penalty(d, real, fake)
        return terms

    def translate(
        self,
        x: Tensor,
        *,
        to: To = "b",
        show: Annotated[
            Literal["picture", "mask"],
            "the picture; or, of a model with attention, the mask: -1 where the input stays, 1 where all of it is new",
        ] = "picture",
    ) -> Tensor:
        """Translate `B C H W` in [-1, 1] of one domain `to` the other."""
        generator = self.ab if to == "b" else self.ba
        if show == "picture":
            output: Tensor = generator(x)
            return output
        if isinstance(generator, AttentiveResNet):
            return generator.mask(x)
        raise ConfigError("this model has no mask to show: it was trained with attention: false")
