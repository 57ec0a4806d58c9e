"""Sign-ins beside ten million rows: how soon one is durable, how soon it is done, and what many cost the others.

The server runs on a folder whose event log is full; people sign in over HTTP as pages do. What is said of CPU is that
of the server's process, which does not depend on what else the machine does.
"""

from __future__ import annotations

import http.client
import json
import secrets
import sqlite3
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jwt

from bench import load
from bench.machine import cpu_seconds
from tests.support.server import BROWSER, WebmonServer, wait_until
from webmon.domain.hit import Hit
from webmon.domain.login import LoginClaims
from webmon.domain.site import Site
from webmon.runtime import Runtime
from webmon.settings import Settings
from webmon.stores.control.accounts import SqlAccounts
from webmon.stores.ports.accounts import SealedHit

PAGES = 20
GRANTED = {"analytics": True, "functional": True, "marketing": True}
OWN_ROWS = 10_000
_THREADS = 16
_SETTLE_SECONDS = 60


@dataclass(frozen=True)
class One:
    """A visit of twenty pages that is promoted: milliseconds to the answer, to done; CPU of the server in between."""

    answered_ms: float
    done_ms: float
    cpu_ms: float


@dataclass(frozen=True)
class Many:
    """Sign-ins for a while: how many a second, how long the slowest hundredth took, CPU of the server for each."""

    rate: float
    p99_ms: float
    cpu_ms: float
    left: int


class Website:
    """What the pages and the backend of a website send, over one connection."""

    def __init__(self, server: WebmonServer, login_key: str, notice: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        self._key, self._notice = login_key, notice

    def visitor(self) -> dict[str, str]:
        """Somebody who agrees to being measured."""
        asked = {"site": "example.org", "notice": self._notice, "decisions": GRANTED, "action": "accept_all"}
        receipt = self._post("/api/consent", asked | {"ui_source": "banner", "language": "en"}, 201)
        ids = {"visitor": secrets.token_hex(16), "visit": secrets.token_hex(16)}
        return ids | {"consent": json.loads(receipt)["consent_receipt_id"]}

    def sees(self, who: dict[str, str], page: str) -> None:
        event = {"name": "pageview", "url": f"https://example.org{page}", "domain": "example.org"}
        self._post("/api/event", event | who, 202)

    def signs_in(self, who: dict[str, str]) -> float:
        """Return how many seconds the answer took."""
        now = int(time.time())
        claims = {"sub": secrets.token_hex(8), "aud": "example.org", "iat": now, "exp": now + 240}
        token = jwt.encode(claims | {"jti": secrets.token_hex(16)}, self._key, algorithm="HS256")
        began = time.perf_counter()
        self._post("/api/login", {"site": "example.org", "token": token, **who}, 204)
        return time.perf_counter() - began

    def close(self) -> None:
        self._connection.close()

    def _post(self, path: str, document: dict[str, object], status: int) -> bytes:
        self._connection.request("POST", path, json.dumps(document), {"User-Agent": BROWSER})
        answer = self._connection.getresponse()
        body = answer.read()
        if answer.status != status:
            raise SystemExit(f"{path} answers {answer.status}: {body[:500]!r}")
        return body


@contextmanager
def website(data: Path) -> Iterator[tuple[WebmonServer, str, str]]:
    """A server on the folder, the key that signs its login tokens, and the notice in force."""
    with load.webmon(data) as (server, _):
        key = server.last_line("site", "login-key", "example.org")
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        connection.request("GET", "/api/notice?site=example.org", headers={"User-Agent": BROWSER})
        notice = json.loads(connection.getresponse().read())["hash"]
        connection.close()
        yield server, key, notice


def one_by_one(data: Path, runs: int) -> list[One]:
    """Promote visits of twenty rows, one after another."""
    with website(data) as (server, key, notice):
        site = Website(server, key, notice)
        found = [_one(server, site, data) for _ in range(runs + 1)][1:]  # the first warms up
        site.close()
    return found


def _one(server: WebmonServer, site: Website, data: Path) -> One:
    who = site.visitor()
    for number in range(PAGES):
        site.sees(who, f"/section-{number}/article-{number}")
    wait_until(lambda: load.waiting(server) == 0, _SETTLE_SECONDS, "the visit is in the event log")
    assert server.process is not None
    cpu, began = cpu_seconds(server.process.pid), time.perf_counter()
    answered = site.signs_in(who)
    while unfinished(data):
        time.sleep(0.005)
    done = time.perf_counter() - began
    return One(answered * 1000, done * 1000, (cpu_seconds(server.process.pid) - cpu) * 1000)


def sustained(data: Path, rate: float, seconds: float) -> Many:
    """Sign people in for a while, each after one page view, at that rate if it can be kept."""
    with website(data) as (server, key, notice):
        assert server.process is not None
        people = [Website(server, key, notice) for _ in range(_THREADS)]
        each = int(rate * seconds / _THREADS)
        visitors = [[one.visitor() for _ in range(each)] for one in people]
        cpu, began = cpu_seconds(server.process.pid), time.perf_counter()
        took = _signing_in(people, visitors, rate / _THREADS, threading.Event())
        spent, left = time.perf_counter() - began, unfinished(data)
        wait_until(lambda: unfinished(data) == 0, _SETTLE_SECONDS, "all promotions are done")
        used = cpu_seconds(server.process.pid) - cpu
        for one in people:
            one.close()
    return Many(len(took) / spent, _slowest(took) * 1000, used / len(took) * 1000, left)


def beside(data: Path, rate: float, seconds: int, connections: int, runs: int) -> tuple[float, float]:
    """Return page views a second without sign-ins, and with that many a second all the time: medians, in turn."""
    without, with_ = [], []
    with website(data) as (server, key, notice):
        for seed in range(1, runs + 1):
            found = load.wrk(server.url, seconds, connections, seed)
            without.append(found["requests"] / found["seconds"])
            people = [Website(server, key, notice) for _ in range(2)]
            visitors = [[one.visitor() for _ in range(int(rate * seconds))] for one in people]
            over = threading.Event()
            with ThreadPoolExecutor(1) as beside_it:
                signing = beside_it.submit(_signing_in, people, visitors, rate / 2, over)
                found = load.wrk(server.url, seconds, connections, 100 + seed)
                over.set()
                took = signing.result()
            if not took:
                raise SystemExit("Nobody was signed in beside the page views")
            with_.append(found["requests"] / found["seconds"])
            for one in people:
                one.close()
            wait_until(lambda: load.waiting(server) == 0, load.SETTLE_SECONDS, "all hits are in the event log")
            wait_until(lambda: unfinished(data) == 0, _SETTLE_SECONDS, "all promotions are done")
    return statistics.median(without), statistics.median(with_)


def reading_ms() -> float:
    """Milliseconds to read and decrypt one person's ten thousand rows."""
    with tempfile.TemporaryDirectory() as folder:
        runtime = Runtime(Settings(data_dir=Path(folder) / "data"))
        site = runtime.add_site("example.org", actor="bench")
        account = _account(runtime, site)
        began = time.perf_counter()
        with runtime.database.unit(SqlAccounts)() as accounts:
            rows = accounts.hits(account, OWN_ROWS)
        hits = runtime.account_keys.open_all(account, rows).rows
        spent = time.perf_counter() - began
        assert len(hits) == OWN_ROWS
        runtime.close()
    return spent * 1000


def _account(runtime: Runtime, site: Site) -> int:
    now = datetime.now(UTC)
    keys, claims = runtime.account_keys, LoginClaims("bench", "", now)
    with keys.opening() as opening:
        number = keys.open_account(opening, site, keys.find(opening.accounts, site, claims.subject), claims, now)
    rows = [
        Hit(
            site_id=site.id,
            occurred_at=(now - timedelta(minutes=one)).replace(tzinfo=None),
            hit_id=one + 1,
            visitor_id=1,
            visit_id=one // 20,
            name="pageview",
            hostname="example.org",
            pathname=f"/section/article-{one % 500}",
            browser="Firefox",
            os="Windows",
            device="Desktop",
            basis="consent",
        )
        for one in range(OWN_ROWS)
    ]
    sealed = [
        SealedHit(number, site.id, row.hit_id, row.occurred_at.date(), runtime.account_keys.seal(number, row, ""))
        for row in rows
    ]
    with runtime.database.unit(SqlAccounts)() as accounts:
        accounts.put_hits(sealed)
    return number


def _signing_in(
    people: list[Website], visitors: list[list[dict[str, str]]], rate: float, over: threading.Event
) -> list[float]:
    """Have each of the people sign their visitors in, at that rate; return how many seconds each took."""
    took: list[float] = []

    def work(site: Website, mine: list[dict[str, str]]) -> None:
        began = time.perf_counter()
        for number, who in enumerate(mine):
            if over.wait(max(0.0, began + number / rate - time.perf_counter())):
                return
            site.sees(who, f"/section-{number % 25}/article-{number % 500}")
            took.append(site.signs_in(who))

    with ThreadPoolExecutor(len(people)) as threads:
        # Whatever goes wrong in one of them ends the benchmark.
        for done in [threads.submit(work, *pair) for pair in zip(people, visitors, strict=True)]:
            done.result()
    return took


def _slowest(took: list[float]) -> float:
    return sorted(took)[int(len(took) * 0.99)] if took else 0.0


def unfinished(data: Path) -> int:
    connection = sqlite3.connect(data / "control.db", timeout=30)
    try:
        return int(connection.execute("select count(*) from promotion where state <> 'done'").fetchone()[0])
    finally:
        connection.close()
