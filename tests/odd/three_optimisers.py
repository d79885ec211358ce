"""Three optimisers on one loss, and R1 by double backward, in the shape of StarGAN v2 (Choi et al. 2020)."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from diptych.methods.method import Adam, Method, Step
from diptych.nn.gan import gan_loss, generator_loss
from diptych.options.controls import Seed


class ThreeOptimisers(Method):
    keep = ("g", "mapping")

    def __init__(self, *, r1: float = 1.0) -> None:
        super().__init__()
        self.r1 = r1
        self.g, self.d = nn.Conv2d(3 + 4, 3, 3, padding=1), nn.Conv2d(3, 4, 3)
        self.mapping, self.style = nn.Linear(2, 4), nn.Conv2d(3, 4, 3)

    def groups(self) -> dict[str, list[nn.Module]]:
        return {"G": [self.g], "F": [self.mapping], "E": [self.style], "D": [self.d]}

    def optimisers(self) -> dict[str, Adam]:
        return {name: Adam(1e-6 if name == "F" else 1e-4, (0.0, 0.99), 1e-4) for name in self.groups()}

    def steps(self, a: Tensor, b: Tensor) -> Iterator[Step]:
        code = self.mapping(torch.randn(len(a), 2, device=a.device))
        fake = self.generate(a, code)
        real = b.detach().requires_grad_()
        logits = self.d(real)
        (slope,) = torch.autograd.grad(logits.sum(), real, create_graph=True)
        r1 = 0.5 * self.r1 * slope.square().flatten(1).sum(1).mean()
        fooled = gan_loss(self.d(fake.detach()), False, "vanilla")
        yield Step("D", real=gan_loss(logits, True, "vanilla"), fake=fooled, r1=r1)

        style = (self.style(fake).mean((2, 3)) - code).abs().mean()
        yield Step("G", "F", "E", gan=generator_loss(self.d(fake), "vanilla"), style=style)

    def generate(self, x: Tensor, code: Tensor) -> Tensor:
        return torch.tanh(self.g(torch.cat([x, code[:, :, None, None].expand(-1, -1, *x.shape[2:])], dim=1)))

    def translate(self, x: Tensor, *, seed: Seed = 0) -> Tensor:
        latent = torch.randn(1, 2, generator=torch.Generator().manual_seed(seed)).to(x)
        return self.generate(x, self.mapping(latent).expand(len(x), -1))
