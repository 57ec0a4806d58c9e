"""Sites in memory: a stream of unknown names must not become a stream of queries, or of memory."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from webmon.domain.site import Mode, Site
from webmon.services.site_directory import FRESH_FOR, SiteDirectory

NOW = datetime(2026, 11, 23, 10, 30, tzinfo=UTC)


def site(domain: str) -> Site:
    return Site(1, domain, "UTC", Mode.CONSENTED_ONLY, 1, NOW)


def test_ten_thousand_unknown_names_are_not_ten_thousand_queries() -> None:
    loads: list[int] = []

    def load() -> list[Site]:
        loads.append(1)
        return [site("example.org")]

    directory = SiteDirectory(load)
    for number in range(10_000):
        assert directory.find(f"site-{number}.example", NOW + timedelta(microseconds=100 * number)) is None
    assert len(loads) <= 5
    assert list(directory._sites) == ["example.org"]


def test_a_site_that_was_added_beside_the_server_is_found_soon() -> None:
    sites = [site("example.org")]
    directory = SiteDirectory(lambda: list(sites))
    assert directory.find("new.example", NOW) is None
    sites.append(site("new.example"))
    assert directory.find("new.example", NOW + timedelta(seconds=1)) is not None
    sites.clear()
    assert directory.find("example.org", NOW + timedelta(seconds=1) + FRESH_FOR) is None
