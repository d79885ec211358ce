"""Published data sets: where each is, on which terms, how it is laid out; fetched from its publisher and unpacked."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from diptych.errors import ConfigError, DataError
from diptych.storage.fetching import Progress, fetch_file, sha256, size_of
from diptych.storage.files import atomic_folder, write_text
from diptych.storage.unpacking import unpack

BERKELEY = "https://efrosgans.eecs.berkeley.edu"
ORIGIN = "origin.json"
"""What a fetched folder says of itself."""
PIX2PIX = "Isola et al., Image-to-Image Translation with Conditional Adversarial Networks, 2017"
CYCLEGAN = "Zhu et al., Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks, 2017"
UNSTATED = "the publisher states no licence; for research"


@dataclass(frozen=True)
class Published:
    """One data set. sha256: of the archive, where the publisher's is known."""

    url: str
    what: str
    terms: str
    citation: str
    layout: str
    sha256: str = ""


def _pix2pix(name: str, what: str, terms: str = UNSTATED, cite: str = "") -> Published:
    return Published(f"{BERKELEY}/pix2pix/datasets/{name}.tar.gz", what, terms, cite or PIX2PIX, "pairs, side by side")


def _cyclegan(name: str, what: str, terms: str = UNSTATED) -> Published:
    return Published(f"{BERKELEY}/cyclegan/datasets/{name}.zip", what, terms, CYCLEGAN, "unpaired: trainA, trainB")


IMAGENET = "photos of ImageNet: non-commercial research and education"
WIKIART = "paintings of WikiArt and photos of Flickr, whose rights are their owners'; for research"
PUBLISHED = {
    "facades": _pix2pix(
        "facades", "photos of facades and their label maps (CMP)", "CMP Facade Database: research, to be cited",
        "Tylecek and Sara, Spatial Pattern Templates for Recognition of Objects with Regular Structure, 2013",
    ),
    "maps": _pix2pix("maps", "aerial photos and maps", "scraped from Google Maps, whose terms hold; for research"),
    "edges2shoes": _pix2pix(
        "edges2shoes", "drawings and photos of shoes (UT Zappos50K)", "UT Zappos50K: academic, non-commercial use",
        "Yu and Grauman, Fine-Grained Visual Comparisons with Local Learning, 2014",
    ),
    "edges2handbags": _pix2pix(
        "edges2handbags", "drawings and photos of handbags", "product photos of Amazon; for research",
        "Zhu et al., Generative Visual Manipulation on the Natural Image Manifold, 2016",
    ),
    "night2day": _pix2pix(
        "night2day", "photos of places by night and by day", UNSTATED,
        "Laffont et al., Transient Attributes for High-Level Understanding and Editing of Outdoor Scenes, 2014",
    ),
    "horse2zebra": _cyclegan("horse2zebra", "photos of horses and of zebras", IMAGENET),
    "apple2orange": _cyclegan("apple2orange", "photos of apples and of oranges", IMAGENET),
    "summer2winter_yosemite": _cyclegan(
        "summer2winter_yosemite", "photos of Yosemite in summer and in winter", "photos of Flickr; for research"
    ),
    "monet2photo": _cyclegan("monet2photo", "paintings by Monet and landscape photos", WIKIART),
    "cezanne2photo": _cyclegan("cezanne2photo", "paintings by Cezanne and landscape photos", WIKIART),
    "ukiyoe2photo": _cyclegan("ukiyoe2photo", "Ukiyo-e prints and landscape photos", WIKIART),
    "vangogh2photo": _cyclegan("vangogh2photo", "paintings by van Gogh and landscape photos", WIKIART),
    "iphone2dslr_flower": _cyclegan(
        "iphone2dslr_flower", "flowers by a phone and by a camera", "photos of Flickr; for research"
    ),
}  # fmt: skip
BY_HAND = {
    "cityscapes": "its licence allows no copy elsewhere: register at https://www.cityscapes-dataset.com, fetch "
    "leftImg8bit_trainvaltest.zip and gtFine_trainvaltest.zip, unpack both into one folder; it is read as it is",
}
"""Data sets that only a person can fetch, and how."""


def find(name: str) -> Published:
    """A data set by its name. Raises ConfigError for one that is not known, or that only a person can fetch."""
    if name in BY_HAND:
        raise ConfigError(f"{name}: {BY_HAND[name]}")
    if name not in PUBLISHED:
        raise ConfigError(f"no data set is called {name!r}; there are: {', '.join((*PUBLISHED, *BY_HAND))}")
    return PUBLISHED[name]


def download(
    name: str,
    out: Path,
    *,
    source: str | None = None,
    agree: Callable[[Published, str, int | None], bool] = lambda published, address, size: True,
    progress: Progress | None = None,
    timeout: float = 30,
) -> dict[str, str]:
    """Fetch a data set to the new folder `out`, and give what `origin.json` there says of it; {} without agreement.

    source: a mirror's address, or the archive here. agree: asked before anything is fetched, with the address and the
    bytes. A fetch that broke off goes on where it did. Raises ConfigError for an `out` that is there, DataError where
    the server cannot be reached, or what came is not the published file, which is then deleted.
    """
    published = find(name)
    if out.exists() or out.is_symlink():
        raise ConfigError(f"{out} is there already: name a new folder")
    here = Path(source) if source and Path(source).is_file() else None
    address = source or published.url
    if here is None and not address.startswith(("http://", "https://")):
        raise ConfigError(f"--from {address} is neither a file nor an address of http or https")
    archive = here or out.with_name(f"{out.name}-{published.url.rpartition('/')[2]}")
    try:
        size = here.stat().st_size if here else size_of(address, timeout=timeout, fault=DataError)
        if not agree(published, address, size):
            return {}
        digest = (
            sha256(here) if here else fetch_file(address, archive, fault=DataError, progress=progress, timeout=timeout)
        )
    except DataError as error:
        raise DataError(f"{error}\n{_by_file(name, published, out)}") from None
    if published.sha256 and digest != published.sha256:
        if not here:
            archive.unlink()
        gone = "is not used" if here else "is deleted"
        raise DataError(
            f"{address} is not the published file, and {gone}: its sha256 is {digest}, not {published.sha256}"
        )
    with atomic_folder(out) as new:
        files = unpack(archive, new)
        origin = {"name": name, **asdict(published), "from": address, "sha256": digest, "files": str(files)}
        origin["fetched"] = time.strftime("%Y-%m-%d")
        write_text(new / ORIGIN, json.dumps(origin, indent=2) + "\n")
    if not here:
        archive.unlink()
    return origin


def _by_file(name: str, published: Published, out: Path) -> str:
    file = published.url.rpartition("/")[2]
    return (
        f"without a network: bring {published.url} here by other means, and type "
        f"diptych data download {name} --out {out} --from {file}"
    )
