"""Hits as the load sends them, in this process."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from webmon.domain.event import decode_event
from webmon.domain.hit import Hit
from webmon.web.collect.door import Asked

HERE = Path(__file__).resolve().parent
AGENTS = [line for line in (HERE / "load" / "uas.txt").read_text("utf-8").splitlines() if line.strip()]
REFERRERS = [
    "https://www.google.com/",
    "https://www.bing.com/",
    "https://news.ycombinator.com/item?id=1",
    "https://twitter.com/",
]
VISITORS_AT_ONCE, VIEWS = 256, 4


def requests(count: int, seed: int = 1) -> Iterator[Asked]:
    """Draw page views: 256 visitors at once, four views each, 2,500 pages skewed to the first."""
    draw = random.Random(seed)  # noqa: S311 - reproducible, not secret
    visitors: dict[int, tuple[str, str]] = {}
    for number in range(count):
        place, view = number % VISITORS_AT_ONCE, number // VISITORS_AT_ONCE % VIEWS
        if view == 0 or place not in visitors:
            address = ".".join(str(draw.randrange(1, 224)) for _ in range(4))
            visitors[place] = (address, draw.choice(AGENTS))
        address, agent = visitors[place]
        page = int(2500 * draw.random() * draw.random())
        body = {
            "name": "pageview",
            "domain": "example.org",
            "url": f"https://example.org/section-{page % 25}/article-{page}",
            "referrer": draw.choice(REFERRERS) if view == 0 and draw.random() < 0.6 else "",
        }
        headers = {"user-agent": agent, "x-forwarded-for": address}
        yield Asked("POST", "/api/event", "", headers, "127.0.0.1", json.dumps(body).encode())


def hits(count: int) -> Iterator[Hit]:
    """Rows such as these requests leave, with identifiers of their own."""
    draw = random.Random(2)  # noqa: S311
    now = datetime.now(UTC)
    kinds = [_row(asked, now) for asked in requests(5000)]
    for number in range(count):
        visitor = number // VIEWS
        yield msgspec.structs.replace(
            kinds[number % len(kinds)], hit_id=draw.getrandbits(63), visitor_id=visitor, visit_id=visitor
        )


def _row(asked: Asked, now: datetime) -> Hit:
    event = decode_event(asked.body, now)
    return Hit(
        site_id=1,
        occurred_at=now.replace(tzinfo=None),
        hit_id=0,
        visitor_id=0,
        visit_id=0,
        name=event.name,
        hostname="example.org",
        pathname=event.url.removeprefix("https://example.org"),
        source="Google" if event.referrer else "",
        country="DE",
        browser="Chrome",
        browser_version="124.0",
        os="Windows",
        os_version="10",
        device="Desktop",
        basis="exempt",
    )
