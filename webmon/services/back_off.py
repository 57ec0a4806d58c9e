"""Who fails again and again from one address waits, each time longer."""

from __future__ import annotations

import hmac
import secrets
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

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
    until: datetime | None


class Taken(NamedTuple):
    """An attempt that was counted: from where, when, how long what follows waits, and when the one before it was."""

    name: bytes
    at: datetime
    until: datetime | None
    before_at: datetime


@dataclass(slots=True)
class BackOff:
    """Failed attempts by address, in memory only, under a digest whose key ends with the process."""

    _key: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _failures: OrderedDict[bytes, _Failures] = field(default_factory=OrderedDict)

    def take(self, address: bytes, now: datetime) -> Taken | None:
        """Count an attempt as failed, before it is looked at; None where nothing from this address is just now.

        After the free ones, each doubles the wait, up to five minutes.
        """
        name = self._name(address)
        with self._lock:
            found = self._failures.pop(name, None)
            if found is None or now - found.last_at > _FORGOTTEN_AFTER:
                found = _Failures(0, now, None)
            taken = None
            if found.until is None or found.until <= now:
                taken = Taken(name, now, _until(found.count + 1, now), found.last_at)
                found = _Failures(found.count + 1, taken.at, taken.until)
            self._failures[name] = found
            if len(self._failures) > _REMEMBERED:
                self._failures.popitem(last=False)
            return taken

    def give_back(self, taken: Taken) -> None:
        """Say that an attempt was right: it counts no longer, and the wait that it brought ends."""
        with self._lock:
            found = self._failures.get(taken.name)
            if found is None:
                return
            found.count -= 1
            if found.until == taken.until:
                found.until = None
            if found.last_at == taken.at:
                found.last_at = taken.before_at
            if found.count <= 0:
                del self._failures[taken.name]

    def _name(self, address: bytes) -> bytes:
        network = address[:_NETWORK_BYTES] if len(address) == _IPV6_BYTES else address
        return hmac.digest(self._key, network, "sha256")


def _until(count: int, now: datetime) -> datetime | None:
    excess = count - FREE_ATTEMPTS
    return now + min(timedelta(seconds=2 ** min(excess, 10)), LONGEST_WAIT) if excess > 0 else None
