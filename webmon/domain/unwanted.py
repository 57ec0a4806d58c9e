"""What is not worth counting: programs, referrer spam, and (where the operator names their networks) data centres.

Asked about hits that name no visitor: whoever was asked and agreed is a person (docs/decisions/bots-and-consent.md).
"""

from __future__ import annotations

import ipaddress
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from webmon.domain.bots import is_bot
from webmon.domain.drop import DropReason


class SpamReferrers:
    """Hosts that are sent as a referrer only to be read in somebody's figures, with all that is under them."""

    def __init__(self, hosts: Iterable[str] = ()) -> None:
        self._hosts = frozenset(host.strip().lower().removeprefix("www.") for host in hosts)

    def __contains__(self, referrer: str) -> bool:
        try:
            labels = (urlsplit(referrer).hostname or "").rstrip(".").split(".")
        except ValueError:
            return False
        return any(".".join(labels[start:]) in self._hosts for start in range(len(labels)))


class AddressRanges:
    """Networks as sorted ranges of numbers: a look-up is one bisection, however many they are."""

    def __init__(self, texts: Iterable[str] = ()) -> None:
        """Raises `ValueError` naming the text that is no network."""
        networks = [_network(text) for text in texts]
        # Without overlaps, so that the range that begins last before an address is the only one that can hold it.
        narrow = ipaddress.collapse_addresses(one for one in networks if isinstance(one, ipaddress.IPv4Network))
        wide = ipaddress.collapse_addresses(one for one in networks if isinstance(one, ipaddress.IPv6Network))
        # By the length of a packed address.
        self._starts: dict[int, list[int]] = {}
        self._ends: dict[int, list[int]] = {}
        for length, whole in ((4, list(narrow)), (16, list(wide))):
            self._starts[length] = [int(one.network_address) for one in whole]
            self._ends[length] = [int(one.broadcast_address) for one in whole]

    def __bool__(self) -> bool:
        return any(self._starts.values())

    def __contains__(self, address: bytes) -> bool:
        starts = self._starts.get(len(address))
        if not starts:
            return False
        number = int.from_bytes(address, "big")
        place = bisect_right(starts, number) - 1
        return place >= 0 and number <= self._ends[len(address)][place]


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError as error:
        raise ValueError(f"{text!r} is not a network such as 10.0.0.0/8") from error


@dataclass(frozen=True, slots=True)
class Unwanted:
    spam: SpamReferrers = field(default_factory=SpamReferrers)
    datacenters: AddressRanges = field(default_factory=AddressRanges)

    def reason(self, user_agent: str, referrer: str, address: bytes) -> DropReason | None:
        """Return why a hit that names no visitor must not be counted, or None."""
        if is_bot(user_agent):
            return DropReason.BOT
        if referrer and referrer in self.spam:
            return DropReason.SPAM_REFERRER
        return DropReason.DATACENTER if address in self.datacenters else None


def listed(text: str) -> list[str]:
    """Return the entries of a list that has one on each line; what follows a ``#`` is a remark."""
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return [line.split()[0] for line in lines if line]
