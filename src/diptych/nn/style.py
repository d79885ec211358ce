"""Style as statistics of what a trained network sees: those of a painting, and how far a picture is from them.

Gatys, Ecker, Bethge: Image Style Transfer Using Convolutional Neural Networks, CVPR 2016. Their Gram matrices are taken
apart into means and covariances, which match colours and textures better (Li, Wang, Liu, Hou: Demystifying Neural Style
Transfer, IJCAI 2017). Adaptive instance norm: Huang, Belongie: Arbitrary Style Transfer in Real-time with Adaptive
Instance Normalization, ICCV 2017.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from diptych.nn.deep import VGGFeatures, in_colours
from diptych.nn.efficientnet import EfficientNetLite0

Moments = tuple[Tensor, Tensor]
"""The mean of each channel, `B C`, and their covariances, `B C C`."""

CONTENT = 4
"""Which of the features that `look` gives show the content: those at 1/8 of the size, of both networks."""

TINY = 1e-6


class StyleTarget(nn.Module):
    """The moments of a painting in each of a network's features: constants, from `fill`."""

    def __init__(self, network: EfficientNetLite0 | VGGFeatures) -> None:
        super().__init__()
        self.network = network
        self.features = 1 + len(network.channels)
        for number, channels in enumerate((3, *network.channels)):
            self.register_buffer(f"mean{number}", torch.zeros(1, channels), persistent=False)
            self.register_buffer(f"covariance{number}", torch.eye(channels)[None], persistent=False)

    def moments(self) -> list[Moments]:
        own = dict(self.named_buffers(recurse=False))
        return [(own[f"mean{number}"], own[f"covariance{number}"]) for number in range(self.features)]

    @torch.no_grad()
    def fill(self, picture: Tensor) -> None:
        """Take the moments of a painting, `1 C H W` in [-1, 1]."""
        for (mean, covariance), seen in zip(self.moments(), self.look(picture), strict=True):
            found = moments(seen)
            mean.copy_(found[0])
            covariance.copy_(found[1])

    def look(self, x: Tensor) -> list[Tensor]:
        """The features of pictures `B C H W` in [-1, 1]."""
        return look(self.network, x)

    def distance(self, seen: Sequence[Tensor]) -> Tensor:
        """How far pictures of these features are from the painting: the mean over features and pictures."""
        return style_distance([moments(one) for one in seen], self.moments())


def look(network: EfficientNetLite0 | VGGFeatures, x: Tensor) -> list[Tensor]:
    """What a network sees in pictures `B C H W` in [-1, 1], and first their colours themselves."""
    colours = in_colours(x)
    return [colours, *network(colours)]


def moments(features: Tensor) -> Moments:
    """Those of features `B C H W` over all places."""
    flat = features.flatten(2).float()
    mean = flat.mean(dim=2, keepdim=True)
    beside = flat - mean
    return mean[..., 0], beside @ beside.mT / flat.shape[2]


def style_distance(found: Sequence[Moments], wanted: Sequence[Moments]) -> Tensor:
    """The squared distances of means and covariances as shares of those wanted: the mean over features and pictures.

    That of means is a share of the mean square, as a mean may be near zero.
    """
    shares = []
    for (mean, covariance), (aim, wanted_covariance) in zip(found, wanted, strict=True):
        square = aim.square().sum(1) + wanted_covariance.diagonal(dim1=1, dim2=2).sum(1)
        shares.append(((mean - aim).square().sum(1) / (square + TINY)).mean())
        apart, whole = (one.square().sum((1, 2)) for one in (covariance - wanted_covariance, wanted_covariance))
        shares.append((apart / (whole + TINY)).mean())
    return 2 * torch.stack(shares).mean()


def content_distance(seen: Tensor, wanted: Tensor) -> Tensor:
    """The squared distance of features, place by place, as a share of the variance of those wanted."""
    one, aim = seen.float(), wanted.float().detach()
    variance = (aim - aim.mean(dim=(2, 3), keepdim=True)).square().mean(dim=(1, 2, 3))
    return ((one - aim).square().mean(dim=(1, 2, 3)) / (variance + TINY)).mean()


def share_of(found: Tensor, wanted: Tensor) -> Tensor:
    """The squared distance `B ...` as a share of the square of what is wanted: the mean over pictures."""
    apart, whole = ((one.float() ** 2).flatten(1).mean(1) for one in (found - wanted, wanted))
    return (apart / (whole + TINY)).mean()


def roughness(x: Tensor) -> Tensor:
    """The mean squared difference of neighbouring pixels: total variation."""
    return (x[..., 1:] - x[..., :-1]).square().mean() + (x[..., 1:, :] - x[..., :-1, :]).square().mean()


def spread(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation of each channel of `B C H W`, `B C 1 1`; of the unbiased variance, as published, but that a
    single value has none."""
    variance, mean = torch.var_mean(x, dim=(2, 3), keepdim=True, correction=int(x.shape[-2:].numel() > 1))
    return mean, (variance + 1e-5).sqrt()


def adain(content: Tensor, style: Tensor) -> Tensor:
    """Features with the means and deviations of those of `style`, of any other size."""
    (mean, deviation), (wanted_mean, wanted_deviation) = spread(content), spread(style)
    return (content - mean) / deviation * wanted_deviation + wanted_mean
