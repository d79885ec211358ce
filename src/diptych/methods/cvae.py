"""CVAE: many answers to an image, learned from pairs without a discriminator, one for each latent code.

Sohn, Lee, Yan: Learning Structured Output Representation using Deep Conditional Generative Models, NIPS 2015.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from annotated_types import Ge
from torch import Tensor, nn

from diptych.errors import ConfigError
from diptych.methods.method import Adam, Count, Images, Method, Step, Weight
from diptych.nn.conditional import FiLMDecoder, SourceEncoder, StandardNormal, Summary, SummaryHead
from diptych.nn.gaussian import Gaussian, draw_normal, nats, seeded_normal, warmed
from diptych.nn.perceptual import DomainInvariant
from diptych.options.controls import Seed, Strength, Style


class CVAE(Method):
    """Posterior q(z|y), prior p(z|x), decoder p(y|x, z): min E|decode(x, z) - y| + kl * KL(q(z|y), p(z|x)), z ~ q.

    z is a vector, so that it says which of the answers and not what is where: that is the source's part, and its
    U-Net's. The posterior sees the target alone (the paper's sees both), so that any picture can lend its look.

    source_channels, target_channels: channels of the pictures, read from the data.
    code: how many numbers z has.
    width, downs, blocks: channels at the picture's own size, doubled at each halving up to eight times, halvings, and
    residual blocks behind each of them. Sizes are multiples of 2**downs.
    hidden: width of the network in the decoder that reads z; all its norms follow what that says.
    prior: learned, from the source, or standard, N(0, 1), where all sources have the same range of answers; that needs
    a larger kl, such as 0.01, or draws are not like the codes of targets.
    classes: how many labels there are, 0 to classes - 1, where pictures have them. The decoder is told them, beside z.
    kl: the weight above; KL is in nats, a sum over z. warmup: it grows from nothing over this share of the training.
    free_bits: of each number of z, so many nats cost nothing: what keeps z in use.
    perceptual: weight of the distance between what result and target show, seen by VGG-16.
    """

    keep = ("encoder", "prior", "posterior", "decoder")
    pretrained: ClassVar[Mapping[str, str]] = {"perceptual_network": "vgg16"}
    schedule = "cosine"
    length: ClassVar[Mapping[str, int]] = {"epochs": 200}

    def __init__(
        self,
        *,
        source_channels: Count = 3,
        target_channels: Count = 3,
        code: Count = 8,
        width: Count = 32,
        downs: Count = 4,
        blocks: Count = 1,
        hidden: Count = 128,
        prior: Literal["learned", "standard"] = "learned",
        classes: Annotated[int, Ge(0)] = 0,
        kl: Weight = 1e-3,
        warmup: Strength = 0.1,
        free_bits: Weight = 0.05,
        perceptual: Weight = 0.0,
    ) -> None:
        super().__init__()
        if perceptual and target_channels not in (1, 3):
            raise ConfigError(
                f"perceptual looks at grey or colour pictures; the target has {target_channels} channels: set it to 0"
            )
        self.size_multiple, self.code, self.classes = 2**downs, code, classes
        self.kl, self.warmup, self.free_bits, self.perceptual = kl, warmup, free_bits, perceptual
        self.encoder = SourceEncoder(source_channels, width=width, downs=downs, blocks=blocks)
        self.prior = SummaryHead(self.encoder.channels, 2 * code) if prior == "learned" else StandardNormal(code)
        self.posterior = Summary(target_channels, 2 * code, width=width, downs=downs)
        self.decoder = FiLMDecoder(code, target_channels, width=width, downs=downs, hidden=hidden, classes=classes)
        self.perceptual_network = DomainInvariant() if perceptual else None

    def groups(self) -> dict[str, list[nn.Module]]:
        return {"G": [self.encoder, self.prior, self.posterior, self.decoder]}

    def optimisers(self) -> dict[str, Adam]:
        return {"G": Adam(lr=2e-4, betas=(0.9, 0.999))}

    def steps(self, source: Images, target: Images, label: Tensor | None = None) -> Iterator[Step]:
        features = self.encoder(source)
        p, q = Gaussian.of(self.prior(features[-1])), Gaussian.of(self.posterior(target))
        output = self.decoder(features, q.at(draw_normal(q.mean)[0]), label)
        kl = warmed(self.kl, self.progress, self.warmup)
        terms: dict[str, Any] = {
            "l1": F.l1_loss(output, target),
            "kl": kl * nats(q.divergence(p), self.free_bits),
        }
        if self.perceptual_network:
            terms["perceptual"] = self.perceptual * self.perceptual_network(output, target)
        yield Step("G", **terms)

    def translate(
        self,
        x: Tensor,
        *,
        seed: Seed = 0,
        style: Annotated[Style, "a picture of the target, of any size, whose look is taken instead"] = None,
        style_strength: Annotated[
            Strength,
            "how far the look goes, from the seed's (0) to the picture's (1); without a picture, from what is most "
            "likely (0) to the seed's (1)",
        ] = 1.0,
        label: Annotated[
            Annotated[int, Ge(0)] | None,
            "of a model that knows classes, the one wanted; without it, something between all of them",
        ] = None,
    ) -> Tensor:
        """Translate `B C H W` in [-1, 1]; many answers, one for each `seed`."""
        features = self.encoder(x)
        drawn = seeded_normal(seed, 1, self.code).to(x)
        p = Gaussian.of(self.prior(features[-1]))
        if style is None:
            code = p.at(style_strength * drawn)
        else:
            code = p.at(drawn).lerp(Gaussian.of(self.posterior(style)).mean, style_strength)
        output: Tensor = self.decoder(features, code, self.chosen(label, x))
        return output

    def chosen(self, label: int | None, x: Tensor) -> Tensor | None:
        """The label as the decoder takes it, for every picture of `x`. Raises ConfigError for one that there is not."""
        if label is None:
            return None
        if not self.classes:
            raise ConfigError("the model knows no labels: it was trained with classes: 0; leave label out")
        if label >= self.classes:
            raise ConfigError(f"the model has no label {label}: it knows 0 to {self.classes - 1}")
        return torch.full((len(x),), label, device=x.device)
