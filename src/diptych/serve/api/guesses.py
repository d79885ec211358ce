"""Guesses at the token: whoever shows wrong ones is soon not listened to for a while."""

from __future__ import annotations

import ipaddress
import math
import time

MOST = 20
"""Wrong tokens that an address may show at once."""
EACH = 3.0
"""Seconds after which it may show another."""
ADDRESSES = 10_000
"""Addresses that are remembered at most, those of the latest guesses."""


class Guesses:
    """When each address has used up its wrong guesses; while it has, its right ones are not looked at either."""

    def __init__(self) -> None:
        self.known: dict[str, tuple[float, str]] = {}  # by address: when it is as good as new, its latest guess

    def wrong(self, address: str, token: str) -> None:
        """Remember a wrong token; the same one again, as a page left open sends it, is no other guess."""
        now, network = time.monotonic(), network_of(address)
        free, latest = self.known.pop(network, (now, ""))
        self.known[network] = (free if token == latest else max(now, free) + EACH, token[:1000])
        if len(self.known) > ADDRESSES:
            del self.known[next(iter(self.known))]  # the one that has been quiet for longest

    def wait(self, address: str) -> int:
        """Seconds until the next token of this address is looked at; 0: now."""
        free, _ = self.known.get(network_of(address), (0.0, ""))
        return max(0, math.ceil(free - time.monotonic() - (MOST - 1) * EACH))


def network_of(address: str) -> str:
    """What one guesser has at hand: an address, of IPv6 the 64 bits that a household is given."""
    try:
        return str(ipaddress.ip_network((address, 64 if ":" in address else 32), strict=False))
    except ValueError:
        return address
