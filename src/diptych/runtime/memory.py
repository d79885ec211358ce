"""The memory of this process: what is done with blocks that are freed, and how much it has."""

from __future__ import annotations

import ctypes
import mmap
import sys
from pathlib import Path

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX, M_ARENA_MAX = -1, -2, -4, -8  # malloc.h


UNITS = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1, "bytes"))


def size(bytes: float) -> str:
    """Bytes in the unit that fits: 1.2 GB, 86 MB."""
    unit, words = next((unit, words) for unit, words in UNITS if bytes >= 0.1 * unit or unit == 1)
    return f"{bytes / unit:.{1 if bytes < 10 * unit and unit > 1 else 0}f} {words}"


class Malloc:
    """What glibc does with large blocks that are freed; other C libraries are left alone."""

    @classmethod
    def keep(cls) -> None:
        """Keep them for the next step or picture, or each faults in all its pages anew."""
        cls.set((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, 2**31 - 1), (M_TOP_PAD, 2**28), (M_ARENA_MAX, 1))

    @staticmethod
    def hand_back(above: float) -> None:
        """Hand freed memory back to the system where the process has more than `above` bytes.

        Between blocks of ever other sizes small ones stay, and the holes would add up.
        """
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
        if trim is not None and resident() > above:
            trim(0)

    @staticmethod
    def set(*parameters: tuple[int, int]) -> None:
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
        if mallopt is not None:  # musl has none
            for parameter, value in parameters:
                mallopt(parameter, value)


def resident() -> float:
    """Bytes of main memory that the process has; 0 on another system than Linux."""
    try:
        return float(Path("/proc/self/statm").read_text().split()[1]) * mmap.PAGESIZE
    except OSError:
        return 0.0
