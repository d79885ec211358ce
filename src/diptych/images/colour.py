"""Colours as sRGB, by LittleCMS: what the profile of a file says they are, and inks made light.

A picture without a profile is sRGB. Numbers that are names, as of label maps, have no colours to be managed.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageCms

from diptych.images.values import measured

DAMAGED = "damaged colour profile left out: colours as they are"
CONVERTED = "colours converted from"
MODES = {"RGB": (3, "RGB"), "GRAY": (1, "L"), "CMYK": (4, "CMYK")}
"""ICC's names of the spaces that pictures come in: how many samples a pixel has, and Pillow's mode."""
SAME = 1
"""Levels of 255 by which the colours of a profile may differ from sRGB's, and be left alone."""
PRIMARIES = {
    1: (0.3127, 0.3290, 0.640, 0.330, 0.300, 0.600, 0.150, 0.060),
    9: (0.3127, 0.3290, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046),
    12: (0.3127, 0.3290, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
}
"""White, red, green, blue of ITU-T H.273's code points: BT.709, BT.2020, Display P3."""
GAMMAS = {4: 2.2, 5: 2.8, 8: 1.0}
"""Of its transfer characteristics; 13 is sRGB's curve, and that of the BT.709 family is shown as if it were."""
SRGB_CURVE = (1, 6, 13, 14, 15)


class Profile(NamedTuple):
    """A profile that LittleCMS takes."""

    name: str
    space: str  # RGB, GRAY or CMYK
    plain: bool  # its colours are sRGB's
    convert: Any  # Pillow's transform of 8 bits


def note(profile: bytes, samples: int, dtype: str) -> tuple[str, ...]:
    """What becomes of a profile, in words; nothing where its colours are sRGB's."""
    if not profile:
        return ()
    known = _known(profile)
    if known is None:
        return (DAMAGED,)
    if known.plain:
        return ()
    if MODES[known.space][0] != samples:
        return (f"colour profile {known.name} is for {known.space}, not for {samples} channel(s): left out",)
    if measured(dtype):
        kind = "floats" if dtype == "float32" else "signed numbers"
        return (f"colour profile {known.name} is not applied to {kind}: colours as they are",)
    return (f"{CONVERTED} {known.name} to sRGB",)


def to_srgb(array: np.ndarray, profile: bytes, full: int | None = None, *, inks: bool = False) -> np.ndarray:
    """Colours `H W S` as sRGB, grey as grey and inks as RGB, at their own depth.

    full: the largest value there can be. What a profile does not fit stays as it is.
    """
    known = _known(profile) if profile else None
    if known and not known.plain and MODES[known.space][0] == array.shape[2] and array.dtype.kind == "u":
        return _converted(array, profile, known, full or np.iinfo(array.dtype).max)
    return _overlaid(array, full) if inks else array


def _overlaid(inks: np.ndarray, full: int | None) -> np.ndarray:
    """Cyan, magenta, yellow and black `H W 4` as RGB, as if each were a pure colour."""
    if inks.dtype.kind == "f":
        return (1 - inks[..., :3]) * (1 - inks[..., 3:])
    top = int(full or np.iinfo(inks.dtype).max)
    light = (top - inks[..., :3].astype(np.int64)) * (top - inks[..., 3:].astype(np.int64))
    return ((light + top // 2) // top).astype(inks.dtype)


def straight(array: np.ndarray, alpha: np.ndarray, full: int | None) -> np.ndarray:
    """Colours `H W S` that were multiplied by alpha `H W`, divided by it; where nothing is opaque they are black."""
    whole = array.dtype.kind != "f"
    top = float(full or np.iinfo(array.dtype).max) if whole else 1.0
    share = alpha[..., None].astype(np.float64) / top
    values = np.divide(array, share, out=np.zeros(array.shape), where=share > 0)
    return (values.clip(0, top).round() if whole else values).astype(array.dtype)


@lru_cache(32)
def _known(profile: bytes) -> Profile | None:
    """A profile opened once; None where it is damaged, or for other things than pictures."""
    space = profile[16:20].decode("latin-1").strip()
    if space not in MODES:
        return None
    samples, mode = MODES[space]
    try:
        opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        convert = ImageCms.buildTransform(opened, ImageCms.createProfile("sRGB"), mode, "RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None
    steps = np.linspace(0, 255, 9 if samples > 1 else 256).round().astype(np.uint8)
    probe = np.stack(np.meshgrid(*[steps] * samples, indexing="ij"), -1).reshape(1, -1, samples)
    seen = _by_pillow(probe, mode, convert).astype(int)
    plain = samples < 4 and bool(np.abs(seen - probe).max() <= SAME)
    return Profile(_name(opened), space, plain, convert)


def _name(opened: Any) -> str:
    """What a profile calls itself; it comes from outside."""
    try:
        message = ImageCms.getProfileDescription(opened)
    except ImageCms.PyCMSError:
        message = ""
    name = "".join(c for c in message if c.isprintable()).strip()[:60]
    return "the space that its file describes" if not name or name.endswith("built-in") else name


def _by_pillow(array: np.ndarray, mode: str, convert: Any) -> np.ndarray:
    plane = np.ascontiguousarray(array if array.shape[2] > 1 else array[..., 0])
    return np.asarray(ImageCms.applyTransform(Image.fromarray(plane, mode), convert))


def _converted(array: np.ndarray, profile: bytes, known: Profile, full: int) -> np.ndarray:
    """Pillow's LittleCMS for 8 bits, imagecodecs' for more."""
    if known.space == "GRAY":
        table = np.arange(full + 1, dtype=array.dtype)[None, :, None]
        return _at_its_depth(table, profile, known, full)[0, :, 1:2][np.minimum(array[..., 0], full)]
    return _at_its_depth(array, profile, known, full)


def _at_its_depth(array: np.ndarray, profile: bytes, known: Profile, full: int) -> np.ndarray:
    if array.dtype == np.uint8:
        return _by_pillow(array, MODES[known.space][1], known.convert)
    import imagecodecs

    scaled = array if full == 65535 else (array.astype(np.float64) * (65535 / full)).round().clip(0, 65535)
    seen = imagecodecs.cms_transform(
        np.ascontiguousarray((scaled if scaled.shape[2] > 1 else scaled[..., 0]).astype(np.uint16)),
        profile,
        imagecodecs.cms_profile("srgb"),
        colorspace=known.space.lower(),
        outcolorspace="rgb",
        intent=imagecodecs.CMS.INTENT.PERCEPTUAL,
        flags=imagecodecs.CMS.FLAGS.NOOPTIMIZE,  # its short cuts are off by up to 15 levels of 255
    )
    return seen if full == 65535 else (seen * (full / 65535)).round().astype(np.uint16)


def adobe() -> bytes:
    """The profile of Adobe RGB (1998)."""
    return _of_points((0.3127, 0.3290, 0.640, 0.330, 0.210, 0.710, 0.150, 0.060), 563 / 256)[0]


def of_gamma(gamma: float, points: Sequence[float]) -> tuple[bytes, tuple[str, ...]]:
    """A profile for PNG's gAMA and cHRM; none where they mean sRGB, whose curve is written as the gamma of 1 / 2.2."""
    if abs(gamma - 1 / 2.2) < 0.01:
        return _of_points(tuple(points), 0)
    return _of_points(tuple(points), 1 / gamma) if gamma > 0 else (b"", (DAMAGED,))


def of_code_points(primaries: int, transfer: int) -> tuple[bytes, tuple[str, ...]]:
    """A profile for ITU-T H.273's code points, as PNG and AVIF have them."""
    if primaries == 2 or transfer == 2:  # unspecified
        return b"", ()
    if primaries not in PRIMARIES or not (transfer in SRGB_CURVE or transfer in GAMMAS):
        return b"", (f"colours of H.273's kind {primaries}/{transfer} (HDR, say) are taken as they are",)
    return _of_points(PRIMARIES[primaries], GAMMAS.get(transfer, 0))


@lru_cache(32)
def _of_points(points: tuple[float, ...], gamma: float) -> tuple[bytes, tuple[str, ...]]:
    """gamma: 0 for sRGB's curve."""
    import imagecodecs

    curve = {"gamma": gamma} if gamma else {"transferfunction": _srgb_curve()}
    try:
        return imagecodecs.cms_profile(
            "rgb",
            whitepoint=[*points[:2], 1.0],
            primaries=[v for k in (2, 4, 6) for v in (*points[k : k + 2], 1.0)],
            **curve,
        ), ()
    except (RuntimeError, ValueError):
        return b"", (DAMAGED,)


def _srgb_curve() -> np.ndarray:
    x = np.linspace(0, 1, 4096)
    return (np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4) * 65535).round().astype(np.uint16)
