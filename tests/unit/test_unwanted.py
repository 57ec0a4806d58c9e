"""What is not counted: programs, referrer spam, data centres."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.vectors import cases
from tests.support.world import BROWSER
from webmon.domain.address import packed_address
from webmon.domain.drop import DropReason
from webmon.domain.unwanted import AddressRanges, SpamReferrers, Unwanted, listed
from webmon.errors import SettingsError
from webmon.settings import SPAM_REFERRERS_FILE
from webmon.stores.lists import read_datacenters, read_spam_referrers

CENTRES = AddressRanges(["198.51.100.0/24", "198.51.100.128/25", "203.0.113.7", "2001:db8::/32"])


@pytest.mark.parametrize("case", cases("bots.json", "spam_referrers"))
def test_the_list_that_ships_knows_spam_as_elsewhere(case: dict[str, Any]) -> None:
    assert (case["input"]["referrer"] in read_spam_referrers(SPAM_REFERRERS_FILE)) is case["expected"]["spam"]


@pytest.mark.parametrize(
    ("referrer", "spam"),
    [
        ("http://spam.example/", True),
        ("https://WWW.Spam.Example/page?x=1", True),
        ("http://deep.under.spam.example./", True),
        ("android-app://spam.example", True),
        ("https://notspam.example/", False),
        ("https://spam.example.org/", False),
        ("https://example.org/?from=spam.example", False),
        ("spam.example", False),
        ("http://[", False),
        ("", False),
    ],
)
def test_spam_is_a_host_and_what_is_under_it(referrer: str, spam: bool) -> None:
    assert (referrer in SpamReferrers(["www.spam.example"])) is spam


@pytest.mark.parametrize(
    ("address", "inside"),
    [
        ("198.51.100.0", True),
        ("198.51.100.255", True),
        ("198.51.101.0", False),
        ("198.51.99.255", False),
        ("203.0.113.7", True),
        ("203.0.113.8", False),
        ("2001:db8:ffff::1", True),
        ("2001:db9::", False),
        ("::1", False),
        ("", False),
        ("nonsense", False),
    ],
)
def test_an_address_is_in_a_range_or_not(address: str, inside: bool) -> None:
    assert (packed_address(address) in CENTRES) is inside
    assert packed_address(address) not in AddressRanges()


@given(
    st.lists(st.ip_addresses(v=4).flatmap(lambda one: st.integers(8, 32).map(lambda bits: f"{one}/{bits}"))),
    st.ip_addresses(v=4),
)
def test_ranges_say_what_a_search_through_all_networks_says(
    networks: list[str], address: ipaddress.IPv4Address
) -> None:
    parsed = [ipaddress.ip_network(one, strict=False) for one in networks]
    for one in (address, *(network[-1] for network in parsed)):
        assert (one.packed in AddressRanges(networks)) is any(one in network for network in parsed)


@pytest.mark.parametrize(
    ("user_agent", "referrer", "address", "reason"),
    [
        ("curl/8.5.0", "http://spam.example/", "198.51.100.1", DropReason.BOT),
        (BROWSER, "http://spam.example/", "198.51.100.1", DropReason.SPAM_REFERRER),
        (BROWSER, "https://example.net/", "198.51.100.1", DropReason.DATACENTER),
        (BROWSER, "", "192.0.2.1", None),
    ],
)
def test_the_first_reason_is_told(user_agent: str, referrer: str, address: str, reason: DropReason | None) -> None:
    assert (
        Unwanted(SpamReferrers(["spam.example"]), CENTRES).reason(user_agent, referrer, packed_address(address))
        is reason
    )


def test_a_list_has_an_entry_on_each_line_and_remarks() -> None:
    assert listed("# what it is\n\n a.example \nb.example # why\nc.example,more d\n") == [
        "a.example",
        "b.example",
        "c.example,more",
    ]


def test_a_list_that_cannot_be_read_is_named_with_its_setting(tmp_path: Path) -> None:
    (tmp_path / "odd.txt").write_text("198.51.100.0/24\neverybody\n", "utf-8")
    with pytest.raises(SettingsError, match=r"WEBMON_DATACENTER_FILE.*odd.txt: 'everybody' is not a network"):
        read_datacenters(tmp_path / "odd.txt")
    with pytest.raises(SettingsError, match=r"WEBMON_SPAM_REFERRERS_FILE: .*missing.txt cannot be read"):
        read_spam_referrers(tmp_path / "missing.txt")
