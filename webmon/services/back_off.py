"""Who fails again and again from one address waits, each time longer."""

from __future__ import annotations

import hmac
import secrets
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime, timedelta

FREE_ATTEMPTS = 20
LONGEST_WAIT = timedelta(minutes=5)
_FORGOTTEN_AFTER = timedelta(hours=1)
_REMEMBERED = 10_000
# A network that one customer has (RFC 6177): whoever has one IPv6 address has 2^64 of them.
_NETWORK_BYTES = 8
_IPV6_BYTES = 16


@dataclass(slots=True)
class _Failures:
    count: int
    last_at: datetime
    until: datetime


@dataclass(slots=True)
class BackOff:
    """Failed attempts by address, in memory only, under a digest whose key ends with the process."""

    _key: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _failures: OrderedDict[bytes, _Failures] = field(default_factory=OrderedDict)

    def waits(self, address: bytes, now: datetime) -> bool:
        """Whether nothing from this address is looked at just now."""
        with self._lock:
            found = self._failures.get(self._name(address))
            return found is not None and now < found.until

    def failed(self, address: bytes, now: datetime) -> None:
        """Count a failed attempt; after the free ones, each doubles the wait, up to five minutes."""
        name = self._name(address)
        with self._lock:
            found = self._failures.pop(name, None)
            fresh = found is None or now - found.last_at > _FORGOTTEN_AFTER
            count = 1 if fresh or found is None else found.count + 1
            excess = count - FREE_ATTEMPTS
            wait = min(timedelta(seconds=2 ** min(excess, 10)), LONGEST_WAIT) if excess > 0 else timedelta()
            self._failures[name] = _Failures(count, now, now + wait)
            if len(self._failures) > _REMEMBERED:
                self._failures.popitem(last=False)

    def _name(self, address: bytes) -> bytes:
        network = address[:_NETWORK_BYTES] if len(address) == _IPV6_BYTES else address
        return hmac.digest(self._key, network, "sha256")
