"""Addresses: who is asking, and where that is. An address is used in memory and never stored.

Everywhere but in headers an address is packed: 4 or 16 bytes, as it stands in a packet; none where it is unknown.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from socket import AF_INET, AF_INET6, inet_pton

# Set by one party each, so they hold one address; asked in this order before the lists.
SINGLE_HEADERS = (
    "x-webmon-ip",
    "x-plausible-ip",
    "b-forwarded-for",
    "cf-connecting-ip",
    "true-client-ip",
    "fly-client-ip",
    "x-real-ip",
)


ADDRESS_HEADERS = (*SINGLE_HEADERS, "x-forwarded-for", "forwarded")


@dataclass(frozen=True, slots=True)
class Place:
    """What an address tells, empty where unknown: country (ISO 3166-1 alpha-2), internet provider, region (3166-2),
    and the city's name."""

    country: str = ""
    provider: str = ""
    region: str = ""
    city: str = ""


NOWHERE = Place()


_MAPPED = b"\0" * 10 + b"\xff\xff"


class Networks:
    """Networks that an address can be in.

    Every hit behind a proxy asks, so it is done on whole numbers: `ipaddress` takes ten times as long.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        """Raises `ValueError` naming the text that is no network."""
        found: dict[int, list[tuple[int, int]]] = {}
        for text in texts:
            try:
                network = ipaddress.ip_network(text, strict=False)
            except ValueError as error:
                raise ValueError(f"{text!r} is not a network such as 10.0.0.0/8") from error
            size = len(network.network_address.packed)
            found.setdefault(size, []).append((int(network.netmask), int(network.network_address)))
        self._by_size = found

    def __bool__(self) -> bool:
        return bool(self._by_size)

    def __contains__(self, packed: bytes) -> bool:
        number = int.from_bytes(packed, "big")
        for mask, network in self._by_size.get(len(packed), ()):  # noqa: SIM110 - `any` takes twice as long
            if number & mask == network:
                return True
        return False


class Proxies(Networks):
    """Networks of proxies, and the headers in which they say for whom they ask, the first that says it first."""

    def __init__(self, networks: Iterable[str], header: str = "") -> None:
        """`header`: the one that counts; without it, any that is known."""
        super().__init__(networks)
        self.headers: Sequence[str] = (header,) if header else ADDRESS_HEADERS


NO_PROXIES = Proxies(())


def client_address(peer: str, headers: Mapping[str, str], trusted: Proxies) -> bytes:
    """Return the client's address: the peer, or what a trusted peer says about whom it asks for.

    `headers` has lower-case names. Lists are read from the right, past trusted proxies: what stands further left was
    written by the client itself (https://adam-p.ca/blog/2022/03/x-forwarded-for/).
    """
    asking = _peer(peer)
    if asking not in trusted:
        return asking
    for name in trusted.headers:
        if name in headers and (found := _said(name, headers[name], trusted)):
            return found
    return asking


def _said(name: str, value: str, trusted: Networks) -> bytes:
    if name == "x-forwarded-for":
        return _last_untrusted(value.split(","), trusted)
    if name == "forwarded":
        return _last_untrusted(_forwarded(value), trusted)
    return packed_address(value.split(",", maxsplit=1)[0])


def _last_untrusted(texts: Sequence[str], trusted: Networks) -> bytes:
    for text in reversed(texts):
        found = packed_address(text)
        if found not in trusted:
            return found
    return b""


# What stands in quotes is one value, whatever is in it: proxies put there what a client has sent, as its Host.
_FORWARDED_PAIR = re.compile(r'(?:^|[;,])\s*([^\s;,="]+)\s*=\s*("(?:[^"\\]|\\.)*"?|[^;,"]*)')


def _forwarded(header: str) -> list[str]:
    """The `for=` values of the Forwarded header, in order (RFC 7239)."""
    pairs = _FORWARDED_PAIR.findall(header)
    return [value.strip().strip('"') for key, value in pairs if key.lower() == "for"]


def packed_address(text: str) -> bytes:
    """Read an address with or without a port, IPv6 in brackets or not; no bytes for what is none."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        if ":" not in text:
            return inet_pton(AF_INET, text)
        packed = inet_pton(AF_INET6, text.partition("%")[0])
    except (OSError, ValueError):  # a null character in it is a ValueError
        return b""
    return packed[12:] if packed.startswith(_MAPPED) else packed


# Peers are few: proxies, which hold their connections.
_peer = lru_cache(maxsize=64)(packed_address)
