"""What grid and frame say of marks that are put on real pictures, and of blur and contrast, which are no marks.

    python benchmarks/artefacts.py FACADES/test --half left
    python benchmarks/artefacts.py CAMVID/test/photo
    python benchmarks/artefacts.py demo/street/test/day --beside demo/translated

Every line compares the pictures of a folder, changed in that way and rounded to 8 bits, with the same ones unchanged.
With --beside, where a frame comes from: along each side, how bright the outermost pixels of both folders are, in
levels of 255; of the outermost 8 also the tenth, the middle and the ninetieth picture of a hundred.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from diptych.images import list_pictures, match_channels, read, to_unit
from diptych.metrics import sets

LEVEL = 2 / 255
SIDES = ("top", "right", "bottom", "left")


def checkered(x: Tensor, period: int, levels: float) -> Tensor:
    places = torch.arange(x.shape[2]).view(-1, 1) // (period // 2) + torch.arange(x.shape[3]) // (period // 2)
    return x + levels * LEVEL * (1 - 2 * (places % 2))


def framed(x: Tensor, levels: float, wide: int = 8) -> Tensor:
    y, z = (torch.minimum(torch.arange(size), torch.arange(size).flip(0)) for size in x.shape[2:])
    depth = torch.minimum(y.view(-1, 1), z.view(1, -1))
    return x - levels * LEVEL * (1 - depth / wide).clamp(min=0)


def blurred(x: Tensor, radius: int) -> Tensor:
    kernel = torch.softmax(-(torch.arange(-3.0 * radius, 3 * radius + 1) ** 2) / (2 * radius**2), 0)
    planes = F.pad(x.flatten(0, 1).unsqueeze(1), (3 * radius,) * 4, mode="reflect")
    return F.conv2d(F.conv2d(planes, kernel.view(1, 1, 1, -1)), kernel.view(1, 1, -1, 1)).view_as(x)


CHANGES: dict[str, Callable[[Tensor], Tensor]] = {
    "checkerboard of 4 pixels, 1 grey level": lambda x: checkered(x, 4, 1),
    "checkerboard of 4 pixels, 2 grey levels": lambda x: checkered(x, 4, 2),
    "checkerboard of 8 pixels, 2 grey levels": lambda x: checkered(x, 8, 2),
    "border 10 grey levels darker at the edge": lambda x: framed(x, 10),
    "border 20 grey levels darker at the edge": lambda x: framed(x, 20),
    "blur of 2 pixels": lambda x: blurred(x, 2),
    "half the contrast": lambda x: x / 2,
}


def pictures(folder: Path, limit: int, half: str | None) -> list[Tensor]:
    """The pictures of a folder, or a half of each, `1 3 H W` in [-1, 1]."""
    found = []
    for path in list_pictures(folder).pictures[:limit]:
        picture = to_unit(match_channels(read(path).array, 3), 0, 255)[None]
        found.append({"left": picture.chunk(2, 3)[0], "right": picture.chunk(2, 3)[-1], None: picture}[half])
    return found


def sides(pictures: list[Tensor]) -> dict[str, Tensor]:
    """The brightness of the outermost 8 rows along each side, `N 8`, the outermost first."""
    turned = {name: [torch.rot90(x, k, (2, 3)) for x in pictures] for k, name in enumerate(SIDES)}
    return {name: torch.cat([127.5 * x[:, :, :8].mean(dim=(1, 3)) + 127.5 for x in turned[name]]) for name in SIDES}


def say_sides(real: list[Tensor], outputs: list[Tensor]) -> None:
    found = {"real": sides(real), "outputs": sides(outputs)}
    for name in SIDES:
        for what, rows in found.items():
            spread = rows[name].mean(1).quantile(torch.tensor([0.1, 0.5, 0.9])).tolist()
            each = " ".join(f"{level:5.0f}" for level in rows[name].mean(0).tolist())
            print(f"{name:7} {what:8} {each}   of the 8 together {', '.join(f'{level:.0f}' for level in spread)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--half", choices=("left", "right"), help="of pictures side by side")
    parser.add_argument("--limit", type=int, default=40)
    parser.add_argument("--beside", type=Path, help="outputs: say how bright the sides of both are, and no more")
    asked = parser.parse_args()
    real = pictures(asked.folder, asked.limit, asked.half)
    if asked.beside:
        say_sides(real, pictures(asked.beside, asked.limit, None))
        return
    modules = {name: sets.find(name) for name in ("grid", "frame")}
    seen = {name: np.concatenate([module.features(x) for x in real]) for name, module in modules.items()}
    for name, module in modules.items():
        value, low, high = sets.halves(module, seen[name], size=len(real) // 2)
        print(f"real halves                                  {name} {value:.2f} ({low:.2f} to {high:.2f})")
    for what, change in CHANGES.items():
        made = [((change(x).clamp(-1, 1) * 127.5 + 127.5).round() / 127.5 - 1) for x in real]
        scores = []
        for name, module in modules.items():
            value, low, high = module.compare(
                np.concatenate([module.features(x) for x in made]), seen[name], size=len(real)
            )
            scores.append(f"{name} {value:.2f} ({low:.2f} to {high:.2f})")
        print(f"{what:44} {'   '.join(scores)}", flush=True)


if __name__ == "__main__":
    main()
