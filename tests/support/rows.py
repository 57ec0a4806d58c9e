"""Rows of the event log for tests: made by hand or drawn from a seed, and put into a real log."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from webmon.domain.hit import Hit, encode_hit
from webmon.stores.events.duckdb import DuckDBEventLog
from webmon.stores.ports.events import Chunk

_numbers = itertools.count(1)
PAGES = ["/", "/imaging", "/imaging/mri", "/doctors", "/article/knees", "/contact", "/imprint", "/prices"]
SOURCES = [
    ("Google", "organic"),
    ("", ""),
    ("Bing", "organic"),
    ("Facebook", "social"),
    ("news.example.net", "referral"),
]
COUNTRIES = ["DE", "DE", "DE", "AT", "CH", "FR", "US", "PL", ""]
AGENTS = [
    ("Chrome", "142.0", "Windows", "11", "Desktop"),
    ("Safari", "18.1", "iOS", "18.1", "Mobile"),
    ("Firefox", "144.0", "GNU/Linux", "", "Desktop"),
    ("Chrome", "142.0", "Android", "15", "Mobile"),
    ("Safari", "18.0", "iPadOS", "18.0", "Tablet"),
]


def hit(occurred_at: datetime, *, visitor: int = 1, visit: int = 1, site: int = 1, **values: Any) -> Hit:
    """A page view of ``/``, unless told otherwise."""
    number = next(_numbers)
    values = {"name": "pageview", "pathname": "/", "hostname": "example.org", "basis": "consent"} | values
    return Hit(site_id=site, occurred_at=occurred_at, hit_id=number, visitor_id=visitor, visit_id=visit, **values)


def store(log: DuckDBEventLog, hits: Iterable[Hit], spool: str = "test") -> None:
    """Append the rows as the ingester does."""
    by_month: dict[str, list[Hit]] = {}
    for one in hits:
        by_month.setdefault(one.month, []).append(one)
    for month, part in by_month.items():
        last = max(log.mark(spool, month), *(one.hit_id for one in part))
        log.append(spool, Chunk(month, last, b"\n".join(map(encode_hit, part))))


def visits_at_random(seed: int, count: int, start: datetime, span: timedelta, site: int = 1) -> list[Hit]:
    """Draw `count` visits over a span: pages, events, engagement, several visits of one visitor."""
    draw = random.Random(seed)  # noqa: S311 - reproducible, not secret
    return [one for number in range(1, count + 1) for one in _visit(draw, seed * 10**6 + number, start, span, site)]


def _visit(draw: random.Random, number: int, start: datetime, span: timedelta, site: int) -> list[Hit]:
    moment = start + span * draw.random()
    visitor = number - draw.choice([0, 0, 0, 1, 2, 7])
    browser, browser_version, system, system_version, device = draw.choice(AGENTS)
    source, medium = draw.choice(SOURCES)
    traits = {
        "source": source,
        "medium": medium,
        "referrer": f"https://{source.lower()}" if source else "",
        "utm_campaign": draw.choice(["", "", "", "spring", "autumn"]),
        "utm_source": draw.choice(["", "newsletter"]),
        "channel": draw.choice(["Direct", "Organic Search", ""]),
        "country": draw.choice(COUNTRIES),
        "region": draw.choice(["DE-BE", "DE-BY", ""]),
        "city": draw.choice(["Berlin", "Munich", "", ""]),
        "language": draw.choice(["de", "en", ""]),
        "screen": draw.choice(["Mobile", "Laptop", ""]),
        "provider": draw.choice(["", "Example Telecom", "Cable Net"]),
        "browser": browser,
        "browser_version": browser_version,
        "os": system,
        "os_version": system_version,
        "device": device,
    }
    rows = []
    for _ in range(draw.choice([1, 1, 2, 3, 5])):
        name = draw.choice(["pageview"] * 6 + ["Signup", "engagement", "Scroll"])
        interactive = name != "Scroll"
        page = draw.choice(PAGES)
        rows.append(
            hit(
                moment.replace(microsecond=0),
                visitor=visitor,
                visit=number,
                site=site,
                name=name,
                interactive=interactive,
                pathname=page,
                hostname=draw.choice(["example.org", "example.org", "www.example.org"]),
                props=draw.choice(["", "", '{"plan":"pro"}', '{"a/b~c":"x","plan":"free"}']),
                engagement_ms=draw.randint(0, 90_000) if name == "engagement" else 0,
                scroll_pct=draw.randint(0, 100) if name == "engagement" else 0,
                **traits,
            )
        )
        moment += timedelta(seconds=draw.randint(0, 900))
    return rows
