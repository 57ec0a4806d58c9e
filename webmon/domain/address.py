"""Addresses: who is asking, and where that is. An address is used in memory and never stored."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network
IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

# Set by one party each, so they hold one address; asked in this order before the lists.
SINGLE_HEADERS = (
    "x-webmon-ip",
    "b-forwarded-for",
    "cf-connecting-ip",
    "true-client-ip",
    "fly-client-ip",
    "x-real-ip",
)


@dataclass(frozen=True, slots=True)
class Place:
    """What an address tells: ISO 3166 alpha-2 country and internet provider, empty where unknown."""

    country: str = ""
    provider: str = ""


NOWHERE = Place()


def parse_networks(texts: Iterable[str]) -> tuple[IPNetwork, ...]:
    """Return the networks; raises `ValueError` naming the one that is none."""
    networks = []
    for text in texts:
        try:
            networks.append(ipaddress.ip_network(text, strict=False))
        except ValueError as error:
            raise ValueError(f"{text!r} is not a network such as 10.0.0.0/8") from error
    return tuple(networks)


def client_address(peer: str, headers: Mapping[str, str], trusted: Sequence[IPNetwork]) -> str:
    """Return the client's address: the peer, or what a trusted peer says about whom it asks for.

    `headers` has lower-case names. Lists are read from the right, past trusted proxies: what stands further left was
    written by the client itself (https://adam-p.ca/blog/2022/03/x-forwarded-for/).
    """
    if not trusted or not _inside(_peer(peer), trusted):
        return peer
    for name in SINGLE_HEADERS:
        text = headers.get(name)
        found = _address(text.split(",")[0]) if text else None
        if found is not None:
            return str(found)
    forwarded_for = headers.get("x-forwarded-for", "").split(",")
    return _last_untrusted(forwarded_for, trusted) or _last_untrusted(_forwarded(headers), trusted) or peer


def _last_untrusted(texts: Sequence[str], trusted: Sequence[IPNetwork]) -> str | None:
    for text in reversed(texts):
        found = _address(text)
        if found is None:
            return None
        if not _inside(found, trusted):
            return str(found)
    return None


def _forwarded(headers: Mapping[str, str]) -> list[str]:
    """The `for=` values of the Forwarded header, in order (RFC 7239)."""
    found = []
    for element in headers.get("forwarded", "").split(","):
        for pair in element.split(";"):
            key, _, value = pair.strip().partition("=")
            if key.lower() == "for":
                found.append(value.strip().strip('"'))
    return found


def _address(text: str) -> IPAddress | None:
    """Parse an address with or without a port, IPv6 in brackets or not."""
    text = text.strip()
    if not text:
        return None
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = getattr(found, "ipv4_mapped", None)
    return mapped or found


@lru_cache(maxsize=1024)
def _peer(text: str) -> IPAddress | None:
    """Peers are few: proxies that hold their connections."""
    return _address(text)


def _inside(address: IPAddress | None, networks: Sequence[IPNetwork]) -> bool:
    return address is not None and any(address in network for network in networks)
