"""One network between any number of domains, and a reference image whose brightness it takes (after StarGAN)."""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diptych.methods.method import Count, Domains, Images, Method, Step
from diptych.options.controls import Style, ToDomain


class AnyDomain(Method):
    keep = ("g",)
    discriminators = ("d",)

    def __init__(self, *, image_channels: Count = 3, domains: Count = 3) -> None:
        super().__init__()
        self.domains = domains
        self.g = nn.Conv2d(image_channels + domains, image_channels, 3, padding=1)
        self.d = nn.Conv2d(image_channels, domains, 3, stride=2)

    def groups(self) -> dict[str, list[nn.Module]]:
        return {"G": [self.g], "D": [self.d]}

    def steps(self, image: Images, of: Domains) -> Iterator[Step]:
        to = torch.randint(self.domains, of.shape, device=of.device)
        made = self.turned(image, to)
        looks = F.cross_entropy(self.d(made).mean((2, 3)), to)
        yield Step("G", domain=looks, cycle=F.l1_loss(self.turned(made, of), image))
        real = F.cross_entropy(self.d(image).mean((2, 3)), of)
        yield Step("D", real_inputs={self.d: image}, domain=real)

    def turned(self, x: Tensor, to: Tensor) -> Tensor:
        """The images `B C H W` in the domains `to`, `B`."""
        which = F.one_hot(to, self.domains).to(x)[..., None, None].expand(-1, -1, *x.shape[2:])
        return self.g(torch.cat([x, which], dim=1)).tanh()

    def translate(self, x: Tensor, *, to: ToDomain = 1, reference: Style = None) -> Tensor:
        made = self.turned(x, torch.full((len(x),), to, device=x.device))
        return made if reference is None else (made + reference.mean()) / 2
