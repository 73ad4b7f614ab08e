"""How often one address may ask: a bucket of tokens for each, filled at a steady rate. Pure; time is an argument."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from typing import Final

# So many addresses are remembered; who was not heard of for longest has a full bucket again.
MAX_ADDRESSES: Final = 2**16
# Whoever has one address of IPv6 has at least 2**64 of them.
IPV6_PREFIX: Final = 64
BODY_BYTES: Final = 64 * 1024  # bytes of a body that cost as much as a request


class Buckets:
    """Each address may spend a minute's worth of tokens at once, and `per_minute` in the long run."""

    def __init__(self, per_minute: int) -> None:
        self._per_minute = per_minute
        self._left: OrderedDict[str, tuple[float, float]] = (
            OrderedDict()
        )  # tokens, and when (seconds) there were so many

    def take(self, address: str, now: float, *, body_bytes: int = 0) -> float:
        """Spend on one request. Returns how many seconds are missing: 0 if there was enough."""
        name = _owner(address)
        tokens, since = self._left.pop(name, (float(self._per_minute), now))
        tokens = min(self._per_minute, tokens + (now - since) * self._per_minute / 60)
        cost = min(1 + body_bytes / BODY_BYTES, self._per_minute)  # a body larger than a bucket takes a full one
        missing = max(0.0, cost - tokens)
        self._left[name] = (tokens if missing else tokens - cost, now)
        if len(self._left) > MAX_ADDRESSES:
            self._left.popitem(last=False)
        return missing * 60 / self._per_minute


def _owner(address: str) -> str:
    """Under which name an address is counted."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return ""  # a socket without one, or a proxy that names none: all of these together
    if parsed.version == 4:
        return str(parsed)
    return str(ipaddress.ip_network((parsed, IPV6_PREFIX), strict=False))
