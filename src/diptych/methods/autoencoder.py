"""Autoencoder: encodes an image in few numbers, and decodes its counterpart, or itself without noise.

Hinton, Salakhutdinov: Reducing the Dimensionality of Data with Neural Networks, Science 2006; with noise, Vincent,
Larochelle, Bengio, Manzagol: Extracting and Composing Robust Features with Denoising Autoencoders, ICML 2008.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal

import torch.nn.functional as F
from torch import Tensor, nn

from diptych.methods.method import Adam, Count, Images, Method, Step, Weight
from diptych.nn.gaussian import draw_normal
from diptych.nn.residual import ResidualDecoder, ResidualEncoder


class Autoencoder(Method):
    """min E|decoder(encoder(x + noise * n)) - y|, n ~ N(0, 1).

    source_channels, target_channels: channels of the pictures, read from the data.
    code: channels of the map between encoder and decoder. downs: it is `2**downs` times less high and wide than the
    picture; sizes are multiples of that.
    width, blocks: channels at the picture's own size, doubled at each halving up to eight times, and residual blocks
    at each smaller size on each side.
    loss: l1, the mean absolute error, or l2, the mean squared one.
    noise: standard deviation of what is added to sources in training, where black is -1 and white 1; a model of
    noisy pictures and themselves removes noise.
    """

    keep = ("encoder", "decoder")
    schedule = "cosine"
    length: ClassVar[Mapping[str, int]] = {"epochs": 100}

    def __init__(
        self,
        *,
        source_channels: Count = 3,
        target_channels: Count = 3,
        code: Count = 32,
        downs: Count = 3,
        width: Count = 32,
        blocks: Count = 1,
        loss: Literal["l1", "l2"] = "l1",
        noise: Weight = 0.0,
    ) -> None:
        super().__init__()
        self.size_multiple = 2**downs
        self.loss, self.noise = loss, noise
        self.encoder = ResidualEncoder(source_channels, code, width=width, downs=downs, blocks=blocks)
        self.decoder = ResidualDecoder(code, target_channels, width=width, downs=downs, blocks=blocks)

    def groups(self) -> dict[str, list[nn.Module]]:
        return {"G": [self.encoder, self.decoder]}

    def optimisers(self) -> dict[str, Adam]:
        return {"G": Adam(lr=2e-4, betas=(0.9, 0.999))}

    def steps(self, source: Images, target: Images) -> Iterator[Step]:
        if self.noise:
            source = source + self.noise * draw_normal(source)[0]
        output = self.decoder(self.encoder(source))
        error = F.l1_loss(output, target) if self.loss == "l1" else F.mse_loss(output, target)
        terms: dict[str, Any] = {self.loss: error}
        yield Step("G", **terms)

    def translate(self, x: Tensor) -> Tensor:
        """Translate `B C H W` in [-1, 1]."""
        output: Tensor = self.decoder(self.encoder(x))
        return output
