"""What the reading of a hit costs: bots, user agent, place and guard, on user agents that come again."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from bench.hits import requests
from webmon.domain import agent
from webmon.domain.address import Proxies, client_address
from webmon.domain.bots import is_bot
from webmon.domain.event import decode_event
from webmon.domain.guard import guard_event
from webmon.settings import COUNTRY_FILE
from webmon.stores.geo import Geo

COUNT = 20_000


def microseconds_per_hit() -> float:
    agent.prepare()
    geo, proxies, now = Geo(COUNTRY_FILE), Proxies(["127.0.0.1/32"]), datetime.now(UTC)
    asked = [
        (decode_event(one.body, now), one.headers, client_address(one.peer, one.headers, proxies))
        for one in requests(COUNT)
    ]
    began = time.process_time()
    for event, headers, address in asked:
        is_bot(headers["user-agent"])
        agent.parse_agent(headers["user-agent"], headers)
        geo.locate(address)
        guard_event(event)
    return (time.process_time() - began) / COUNT * 1e6
