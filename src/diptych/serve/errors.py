"""What a server answers where there is no picture: an HTTP status, a stable code, and a sentence for people."""

from __future__ import annotations

import math
from typing import ClassVar

from diptych.errors import DiptychError


class ServeError(DiptychError):
    """A request that gets no picture."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal"

    retry_after: float | None = None
    """Seconds after which it is worth trying again, where it is."""


class BadPicture(ServeError):
    """The file is no picture that can be translated."""

    status, code = 422, "bad_picture"


class NoLabelMap(ServeError):
    """The picture has colours or numbers that are none of the model's classes."""

    status, code = 422, "no_label_map"


class BadControl(ServeError):
    """A control is unknown, or out of its range."""

    status, code = 422, "bad_control"


class TooLarge(ServeError):
    """The picture has more pixels, or the body more bytes, than are taken."""

    status, code = 413, "too_large"


class UnknownModel(ServeError):
    """No model has this name."""

    status, code = 404, "unknown_model"


class NothingBefore(ServeError):
    """There is no earlier version to go back to."""

    status, code = 409, "nothing_before"


class BadModel(ServeError):
    """The model's folder cannot be used as it is; the version in use stays."""

    status, code = 409, "bad_model"


class DeadlinePassed(ServeError):
    """The time that the client gave is over."""

    status, code = 408, "deadline_passed"


class DeadlineTooShort(ServeError):
    """The picture cannot be done in the time that the client gives, even if nobody else asks."""

    status, code = 422, "deadline_too_short"


class Overloaded(ServeError):
    """More is waiting than can be done in time."""

    status, code = 503, "overloaded"

    def __init__(self, message: str, *, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = max(1, math.ceil(retry_after))


class Stopping(Overloaded):
    """The server is about to end."""

    code = "stopping"


class Failed(ServeError):
    """A fault of ours; the log has more of it."""

    status, code = 500, "internal"


class StorageFull(ServeError):
    """There is no room on the server's disk, or none left of what it may take."""

    status, code = 507, "storage_full"


class StorageAway(ServeError):
    """The store does not answer, or its files cannot be written."""

    status, code = 503, "storage_away"
    retry_after = 10


class NotFound(ServeError):
    """There is nothing at this address."""

    status, code = 404, "not_found"


class BadRequest(ServeError):
    """The request is not of the form that it should have."""

    status, code = 422, "bad_request"


class Gone(ServeError):
    """Nobody waits for the answer any more."""

    status, code = 499, "client_gone"
