"""Whose address counts: that of who connects, unless a trusted proxy says otherwise."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import pytest

from tests.support.vectors import cases
from webmon.domain.address import ADDRESS_HEADERS, NO_PROXIES, Networks, Proxies, client_address
from webmon.errors import SettingsError
from webmon.services.collect_hit import Client
from webmon.settings import load_settings

PROXY = "10.0.0.1"
TRUSTED = Proxies(["10.0.0.0/8", "2001:db8::/32"])


def told(peer: str, headers: dict[str, str], trusted: Proxies) -> str:
    return str(ip_address(client_address(peer, headers, trusted)))


@pytest.mark.parametrize("case", cases("ip.json", "headers"))
def test_a_trusted_proxy_is_believed_and_nobody_else(case: dict[str, Any]) -> None:
    headers = {name.lower(): value for name, value in case["input"]["headers"].items()}
    assert told(PROXY, headers, TRUSTED) == case["expected"]["ip"]
    assert told("203.0.113.5", headers, TRUSTED) == "203.0.113.5"
    assert told(PROXY, headers, NO_PROXIES) == PROXY


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


@pytest.mark.parametrize(
    "forwarded",
    [
        'for=198.51.100.7;host="a, for=192.0.2.66"',
        'for="198.51.100.7";host="a;for=192.0.2.66";proto=https',
        'for=192.0.2.66, For="198.51.100.7:4711" ; host="a\\", for=192.0.2.66"',
        'for=198.51.100.7;host="never, for=192.0.2.66, ends',
        "for=192.0.2.66,for=198.51.100.7,for=10.0.0.9",
        "proto=https;by=192.0.2.66; for = 198.51.100.7",
    ],
)
def test_what_a_client_gets_into_quotes_of_a_proxy_is_no_address(forwarded: str) -> None:
    assert told(PROXY, {"forwarded": forwarded}, TRUSTED) == "198.51.100.7"


@pytest.mark.parametrize("header", ADDRESS_HEADERS)
def test_of_the_headers_the_one_that_is_named_counts_whatever_a_client_adds(header: str) -> None:
    said = dict.fromkeys(ADDRESS_HEADERS, "192.0.2.66")
    said[header] = "for=198.51.100.7" if header == "forwarded" else "198.51.100.7"
    assert told(PROXY, said, Proxies(["10.0.0.0/8"], header)) == "198.51.100.7"
    assert told(PROXY, {}, Proxies(["10.0.0.0/8"], header)) == PROXY


def test_every_known_header_can_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for header in ADDRESS_HEADERS:
        monkeypatch.setenv("WEBMON_PROXY_HEADER", header.title())
        assert load_settings().proxy_header == header
    monkeypatch.setenv("WEBMON_PROXY_HEADER", "x-made-up")
    with pytest.raises(SettingsError, match="WEBMON_PROXY_HEADER"):
        load_settings()


def test_what_a_proxy_for_plausible_says_is_understood() -> None:
    said = {"x-plausible-ip": "198.51.100.7", "x-forwarded-for": "192.0.2.66", "cf-connecting-ip": "192.0.2.67"}
    assert told(PROXY, said, TRUSTED) == "198.51.100.7"
    assert told("203.0.113.5", said, TRUSTED) == "203.0.113.5"


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
