"""Words that go with an image, for methods as tokens: the bytes of their UTF-8, int64 `B N`, 0 after the end.

In training each text is a file beside an image, of the same name: 7.txt beside 7.jpg.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from diptych.errors import DataError
from diptych.storage import shards

if TYPE_CHECKING:
    from torch import Tensor

SUFFIX = ".txt"
LONGEST = 2000
"""Bytes of a text."""


def read(image: Path) -> str | None:
    """The text of an image's file, or None where it has none. Raises DataError for one that is no text."""
    path = image.with_suffix(SUFFIX)
    try:
        with shards.opened(path) as file:
            return checked(file.read().decode("utf-8-sig"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    except (DataError, UnicodeDecodeError) as error:
        reason = error if isinstance(error, DataError) else "a text is in UTF-8, and this is not"
        raise DataError(f"{path}: {reason}") from None


def checked(words: str) -> str:
    """The words without spaces around them. Raises DataError where there are none, or too many."""
    words = words.strip()
    size = len(words.encode())
    if not words or "\0" in words:
        raise DataError("a text has words, and this is empty or holds a zero byte")
    if size > LONGEST:
        raise DataError(f"a text has at most {LONGEST} bytes, and this has {size}: shorten it")
    return words


def tokens(texts: Sequence[str]) -> Tensor:
    """Texts as methods want them, as long as the longest of them."""
    import torch

    encoded = [text.encode() for text in texts]
    longest = max(map(len, encoded))
    return torch.tensor([[*words, *bytes(longest - len(words))] for words in encoded], dtype=torch.int64)
