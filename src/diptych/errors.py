"""Errors a reader can act on: each names the fault, the place and the remedy."""

from __future__ import annotations

import importlib
from types import ModuleType


class DiptychError(ValueError):
    """An expected failure: the command line prints its message without a traceback and exits with 2."""


class ConfigError(DiptychError):
    """An option or a recipe is wrong."""


class DataError(DiptychError):
    """A picture or a folder of pictures cannot be used as it is."""


class ModelError(DiptychError):
    """A model file or folder cannot be used as it is."""


class OutputError(ModelError):
    """A network gave values that are no numbers. reason: without the image. number: of which image, from 0."""

    def __init__(self, reason: str, *, number: int = 0, image: str = "") -> None:
        super().__init__(f"{image}: {reason}" if image else reason)
        self.reason, self.number = reason, number


class WeightsError(DiptychError):
    """Pretrained weights are missing or are not what they should be."""


class StorageError(DiptychError):
    """Something could not be written: no space, no permission."""


class TrainingError(DiptychError):
    """Training cannot go on."""


def printable(text: object) -> str:
    r"""Text from outside as one line that steers no terminal: what does not print, newlines too, is escaped visibly.

    >>> printable("a\nb \x1b[2J")
    'a\\nb \\x1b[2J'
    """
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in str(text))


def printable_lines(text: str) -> str:
    """The same of a text whose lines are our own."""
    return "\n".join(map(printable, text.split("\n")))


def reason_of(error: BaseException) -> str:
    """Why a system or a library says that something failed, in one line: `No space left on device`."""
    system: str | None = error.strerror if isinstance(error, OSError) else None
    return system or str(error).partition("\n")[0] or type(error).__name__


def need(module: str, *, extra: str) -> ModuleType:
    """Import an optional library, or say which extra of the package brings it.

    >>> need("json", extra="none").__name__
    'json'
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module.partition(".")[0]:
            raise
        raise ConfigError(f"this needs the library {error.name!r}: pip install 'diptych[{extra}]'") from None
