"""VAE: one latent space of two domains without pairs; the difference of their means translates a code.

Kingma, Welling: Auto-Encoding Variational Bayes, ICLR 2014. Arithmetic with codes is that of Larsen, Sønderby,
Larochelle, Winther: Autoencoding beyond Pixels Using a Learned Similarity Metric, ICML 2016, §4.2.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diptych.errors import ConfigError
from diptych.methods.method import Adam, Count, Images, Method, Step, Weight
from diptych.nn.gaussian import Gaussian, RunningMeans, draw_normal, nats, seeded_normal, warmed
from diptych.nn.residual import ResidualDecoder, ResidualEncoder
from diptych.options.controls import Seed, Strength, Style, To


class AutoEncoder(nn.Module):
    """The networks of both domains, a picture to the distribution of its code and a code to a picture; and their means.

    means: of the codes of the pictures seen lately, first of a, then of b.
    """

    def __init__(self, channels: int, *, code: int, width: int, downs: int, blocks: int) -> None:
        super().__init__()
        self.encoder = ResidualEncoder(channels, 2 * code, width=width, downs=downs, blocks=blocks)
        self.decoder = ResidualDecoder(code, channels, width=width, downs=downs, blocks=blocks)
        self.means = RunningMeans(2, code)


class VAE(Method):
    """Encoder q(z|x) and decoder p(x|z) of pictures x of both domains: min E|decode(z) - x| + kl * KL(q(z|x), N(0, 1)).

    KL is in nats for each place of the map z, the sum over its channels. With n = channels * 4**downs, the numbers of
    a picture for each place, this is the evidence bound where a pixel's error has Laplace's distribution of scale
    kl * n, or, with l2, the normal one of variance kl * n / 2.

    a_channels, b_channels: channels of the pictures, read from the data; one encoder sees both, so they are the same.
    code: channels of z. downs: z is `2**downs` times less high and wide than the picture; sizes are multiples of that.
    width, blocks: channels at the picture's own size, doubled at each halving up to eight times, and residual blocks
    at each smaller size on each side.
    loss: l1, the mean absolute error, or l2, the mean squared one.
    kl: the weight above. warmup: it grows from nothing over this share of the training.
    free_bits: of each channel of z, so many nats, averaged over the map of each picture, cost nothing.
    """

    keep = ("autoencoder",)
    directions: ClassVar[Mapping[tuple[str, str], tuple[str, ...]]] = {
        ("a", "b"): ("autoencoder",),
        ("b", "a"): ("autoencoder",),
    }
    schedule = "cosine"
    length: ClassVar[Mapping[str, int]] = {"epochs": 200}

    def __init__(
        self,
        *,
        a_channels: Count = 3,
        b_channels: Count = 3,
        code: Count = 16,
        downs: Count = 3,
        width: Count = 32,
        blocks: Count = 1,
        loss: Literal["l1", "l2"] = "l1",
        kl: Weight = 5e-4,
        warmup: Strength = 0.0,
        free_bits: Weight = 0.0,
    ) -> None:
        super().__init__()
        if a_channels != b_channels:
            raise ConfigError(
                f"one encoder sees pictures of both domains, so they need as many channels; a has {a_channels}, b has "
                f"{b_channels}: make them alike, or choose unit, which keeps each domain's own"
            )
        self.size_multiple = 2**downs
        self.loss, self.kl, self.warmup, self.free_bits = loss, kl, warmup, free_bits
        self.autoencoder = AutoEncoder(a_channels, code=code, width=width, downs=downs, blocks=blocks)

    def groups(self) -> dict[str, list[nn.Module]]:
        return {"G": [self.autoencoder]}

    def optimisers(self) -> dict[str, Adam]:
        return {"G": Adam(lr=2e-4, betas=(0.9, 0.999))}

    def steps(self, a: Images, b: Images) -> Iterator[Step]:
        x = torch.cat([a, b])
        q = Gaussian.of(self.autoencoder.encoder(x))
        noise = torch.cat(draw_normal(q.mean[: len(a)], 2))
        output = self.autoencoder.decoder(q.at(noise))
        kl = warmed(self.kl, self.progress, self.warmup)
        parts = zip("ab", output.chunk(2), (a, b), q.mean.chunk(2), q.divergence().chunk(2), strict=True)
        terms: dict[str, Any] = {}
        for kind, (domain, same, real, code, divergence) in enumerate(parts):
            self.autoencoder.means.see(kind, code.mean(dim=(2, 3)))
            terms[f"{self.loss}_{domain}"] = F.l1_loss(same, real) if self.loss == "l1" else F.mse_loss(same, real)
            terms[f"kl_{domain}"] = kl * nats(divergence, self.free_bits)
        yield Step("G", **terms)

    def translate(
        self,
        x: Tensor,
        *,
        to: To = "b",
        seed: Seed = 0,
        strength: Annotated[Strength, "0 is the picture itself, as the model knows it, 1 its translation"] = 1.0,
        chance: Annotated[Strength, "how far to a random picture, by the seed: 1 is one that the model makes up"] = 0.0,
        style: Annotated[Style, "a picture of the domain translated to, to go towards"] = None,
        style_strength: Annotated[Strength, "how far to the style picture"] = 0.5,
    ) -> Tensor:
        """Translate `B C H W` in [-1, 1] of one domain `to` the other, by the mean of its code.

        The code goes from its own domain's mean to the other's, then to that of `style`, then to a random one.
        """
        mean, kind = self.autoencoder.means.mean, "ab".index(to)
        code = self.code(x) + strength * (mean(kind) - mean(1 - kind)).view(-1, 1, 1)
        if style is not None:
            alike = F.interpolate(style, x.shape[-2:], mode="bilinear", antialias=True)
            code = code.lerp(self.code(alike), style_strength)
        if chance:
            drawn = seeded_normal(seed, 1, *code.shape[1:]).to(code)
            code = (1 - chance**2) ** 0.5 * code + chance * drawn  # half way it has the prior's variance as well
        output: Tensor = self.autoencoder.decoder(code)
        return output

    def code(self, x: Tensor) -> Tensor:
        """The mean of the code of pictures `x`."""
        return Gaussian.of(self.autoencoder.encoder(x)).mean
