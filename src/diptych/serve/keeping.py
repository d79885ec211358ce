"""What the server keeps: for how long, and how much of it; what is older, or left over, is deleted."""

from __future__ import annotations

import asyncio
import logging
import math
import os
import re
import shutil
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from diptych.errors import ConfigError
from diptych.serve.errors import StorageFull
from diptych.serve.store import Store
from diptych.storage.files import UNFINISHED

OWN = ("jobs", "history", "feedback")
"""Folders whose files visitors make."""
HOURLY = 3600.0
DURATIONS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
SIZES = {"KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


@dataclass(frozen=True)
class Limits:
    """keep: seconds after which results, uploads and history are deleted. feedback: the same of feedback.

    disk: bytes that all of these may take together.
    """

    keep: float = math.inf
    feedback: float = math.inf
    disk: float = math.inf


class Keeper:
    """Deletes what is too old, and says when there is no room."""

    def __init__(self, store: Store, limits: Limits) -> None:
        self.store, self.limits, self.used = store, limits, 0
        self.lock = threading.Lock()
        self.task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Delete now, and then regularly."""
        self.task = asyncio.get_running_loop().create_task(self.run())

    async def stop(self) -> None:
        if self.task:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)

    async def run(self) -> None:
        while True:
            try:
                await asyncio.to_thread(self.clean)
            except Exception as error:  # a store that does not answer: next time
                logging.error("what is old could not be deleted: %s", error)
            await asyncio.sleep(min(HOURLY, max(1.0, self.limits.keep / 10)))

    def clean(self) -> None:
        """Delete what is older than it may be, and what a server that was killed has left over."""
        now, store = time.time(), self.store
        self.remove("jobs", store.forget_jobs(now - self.limits.keep))
        self.remove("history", store.forget_old_history(now - self.limits.keep))
        self.remove("feedback", store.forget_feedback(now - self.limits.feedback))
        for path in [*store.place.glob("results-*.zip"), *(store.place / "history").glob("*.zip")]:
            path.unlink(missing_ok=True)  # of a server from before, as these folders
        for name in ("page", "history/models"):
            shutil.rmtree(store.place / name, ignore_errors=True)
        for folder in (store.place / "jobs").glob("*"):
            for path in folder.glob(f"{UNFINISHED}*"):
                if age(path, now) > HOURLY:  # a younger one is being written
                    path.unlink(missing_ok=True)
        self.remove("jobs", self.without_entry("jobs", store.job_ids(), now))
        used = sum(size_of(store.place / name) for name in OWN)
        with self.lock:
            self.used = used

    def without_entry(self, name: str, known: set[str], now: float) -> list[str]:
        """Folders that the store knows nothing of, but for those that are just being made."""
        folders = (self.store.place / name).glob("*")
        return [path.name for path in folders if path.name not in known and age(path, now) > HOURLY]

    def remove(self, name: str, ids: Iterable[str]) -> None:
        """Delete folders of files, and count what they took as free."""
        for id in ids:
            folder = self.store.place / name / id
            freed = size_of(folder)
            shutil.rmtree(folder, ignore_errors=True)
            with self.lock:
                self.used -= freed

    def take(self, size: int) -> None:
        """Count so many bytes as taken. Raises StorageFull where there is no room for them."""
        with self.lock:
            if self.used + size > self.limits.disk:
                free = max(0.0, self.limits.disk - self.used) / 1e6
                raise StorageFull(f"the server keeps no more: {free:.1f} MB are free; delete jobs, or try again later")
            self.used += size


def age(path: Path, now: float) -> float:
    """Seconds since a file was changed; 0 for one that has just gone."""
    try:
        return now - path.stat().st_mtime
    except OSError:
        return 0.0


def size_of(folder: Path) -> int:
    """Bytes of the files in a folder, and below."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(place, name)).st_size
            except OSError:  # it has just gone
                continue
    return total


def read_duration(name: str, words: str) -> float:
    """Seconds of `7d`, `12h`, `30m`; `forever`. Raises ConfigError.

    >>> read_duration("--keep", "7d")
    604800.0
    """
    if words == "forever":
        return math.inf
    found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,3})?) ?([smhdw])", words)
    if not found or float(found[1]) == 0:
        raise ConfigError(f"{name} {words[:40]}: give a duration as 7d, 12h or 30m, or forever")
    return float(found[1]) * DURATIONS[found[2]]


def read_size(name: str, words: str) -> float:
    """Bytes of `10GB`, `500MB`; `unlimited`. Raises ConfigError.

    >>> read_size("--disk", "10GB")
    10000000000.0
    """
    if words == "unlimited":
        return math.inf
    found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,3})?) ?([KMGT]B)", words, re.IGNORECASE)
    if not found or float(found[1]) == 0:
        raise ConfigError(f"{name} {words[:40]}: give a size as 10GB or 500MB, or unlimited")
    return float(found[1]) * SIZES[found[2].upper()]
