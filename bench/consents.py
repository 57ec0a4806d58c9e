"""Consents over HTTP: each is a record of its own in the ledger, durable before it is acknowledged."""

from __future__ import annotations

import json
from pathlib import Path

from bench import load
from tests.support.server import request

PATH = "/api/consent"


def rates(data: Path, runs: int, seconds: int, connections: int) -> list[float]:
    """Return consents a second of each run, and make sure that the ledger then holds just what was acknowledged."""
    with load.webmon(data) as (server, _):
        body = _body(server.url)
        found = [load.wrk(server.url, seconds, connections, seed, PATH, body) for seed in range(1, runs + 1)]
        acknowledged = sum(one["requests"] - one["non2xx"] for one in found)
        (verdict,) = json.loads(server.run("consent", "verify", "--json", seconds=1800).stdout)
        # wrk breaks off what is under way when its time is over.
        surplus = verdict["checked"] - acknowledged
        if not verdict["holds"] or not 0 <= surplus <= connections * runs:
            raise SystemExit(f"{acknowledged} consents were acknowledged, but the ledger says {verdict}")
    return [(one["requests"] - one["non2xx"]) / one["seconds"] for one in found]


def _body(url: str) -> str:
    notice = request("GET", f"{url}/api/notice?site=example.org").json()["hash"]
    granted = {"functional": True, "analytics": True, "marketing": True}
    answer = {"site": "example.org", "notice": notice, "decisions": granted}
    # The load puts its own number in the place of {n}: browsers draw one for each answer.
    answer["receipt"] = "of-the-benchmark-{n}"
    return json.dumps(answer | {"action": "accept_all", "ui_source": "banner", "language": "en"})
