"""Whose address counts: that of who connects, unless a trusted proxy says otherwise."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import pytest

from tests.support.vectors import cases
from webmon.domain.address import NO_NETWORKS, Networks, client_address
from webmon.services.collect_hit import Client

PROXY = "10.0.0.1"
TRUSTED = Networks(["10.0.0.0/8", "2001:db8::/32"])


def told(peer: str, headers: dict[str, str], trusted: Networks) -> str:
    return str(ip_address(client_address(peer, headers, trusted)))


@pytest.mark.parametrize("case", cases("ip.json", "headers"))
def test_a_trusted_proxy_is_believed_and_nobody_else(case: dict[str, Any]) -> None:
    headers = {name.lower(): value for name, value in case["input"]["headers"].items()}
    assert told(PROXY, headers, TRUSTED) == case["expected"]["ip"]
    assert told("203.0.113.5", headers, TRUSTED) == "203.0.113.5"
    assert told(PROXY, headers, NO_NETWORKS) == PROXY


@pytest.mark.parametrize(
    ("forwarded", "address"),
    [
        ("198.51.100.7", "198.51.100.7"),
        ("1.1.1.1, 198.51.100.7", "198.51.100.7"),  # the left one is the client's own claim
        ("198.51.100.7, 10.0.0.2", "198.51.100.7"),  # past another proxy of ours
        ("198.51.100.7:4711", "198.51.100.7"),
        ("[2001:db9::7]:4711", "2001:db9::7"),
        ("::ffff:198.51.100.7", "198.51.100.7"),
        ("nonsense", PROXY),
        ("198.51.100.7, nonsense", PROXY),
        ("10.0.0.3, 10.0.0.2", PROXY),
        ("", PROXY),
        (",,,", PROXY),
    ],
)
def test_a_chain_is_read_from_the_right(forwarded: str, address: str) -> None:
    assert told(PROXY, {"x-forwarded-for": forwarded}, TRUSTED) == address


def test_who_asks_without_an_address_has_none() -> None:
    assert client_address("", {"x-forwarded-for": "198.51.100.7"}, TRUSTED) == b""


@pytest.mark.parametrize("case", [one for one in cases("ip.json", "dnt") if "gpc" in one.values[0]["expected"]])
def test_the_privacy_signal_is_read_as_its_specification_says(case: dict[str, Any]) -> None:
    headers = {name.lower(): value for name, value in case["input"]["headers"].items()}
    assert Client("", headers).gpc is case["expected"]["gpc"]
    assert not Client("", {name: f"{value}0" for name, value in headers.items()}).gpc


@pytest.mark.parametrize("case", [one for one in cases("ip.json", "dnt") if "gpc" not in one.values[0]["expected"]])
def test_do_not_track_is_read_as_elsewhere(case: dict[str, Any]) -> None:
    headers = {name.lower(): value for name, value in case["input"]["headers"].items()}
    assert Client("", headers).dnt is case["expected"]["do_not_track"]


def test_a_network_that_is_none_is_named() -> None:
    with pytest.raises(ValueError, match="'everybody' is not a network"):
        Networks(["10.0.0.0/8", "everybody"])
