"""The server is killed while visitors sign in and out, at moments drawn by chance.

Afterwards every acknowledged hit stands in exactly one place: in the account's log where the sign-in was
acknowledged; and each hit in an account's log has left just one row for figures.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import secrets
import sqlite3
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jwt
from sqlalchemy import select

from tests.support.server import BROWSER, WebmonServer, wait_until
from webmon.domain.hit import Basis
from webmon.runtime import Runtime
from webmon.settings import Settings
from webmon.stores.control.models import AccountHitRow

VISITORS = 8
# The whole run, as `make soak` does it, is 100; each takes a second or two.
ROUNDS = int(os.environ.get("WEBMON_TEST_PROMOTION_KILLS", "3"))
SEED = int(os.environ.get("WEBMON_TEST_SEED", str(secrets.randbits(32))))
GRANTED = {"analytics": True, "functional": True, "marketing": True}
# For what takes a moment, on a machine that does much else.
WAIT_SECONDS = 180


class Gone(Exception):
    """The server does not answer any more."""


@dataclass
class Visit:
    """What was acknowledged of one visit: its pages before and after it was signed in."""

    pages: list[str] = field(default_factory=list)
    # None: nobody knows, as the answer did not come.
    signed_in: bool | None = False


class Person(threading.Thread):
    """Agrees, looks at pages, signs in, goes on looking, signs out; and begins anew as somebody else."""

    def __init__(self, server: WebmonServer, number: int, key: str, notice: str, before: Person | None) -> None:
        super().__init__(daemon=True)
        self.number, self.key, self.notice = number, key, notice
        self.connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=WAIT_SECONDS)
        self.draw = random.Random(SEED * 1000 + number)  # noqa: S311 - to be had again with the seed
        self.sent = before.sent if before else 0
        self.again = before.again if before else None
        self.visits: list[Visit] = []
        self.wrong: list[str] = []

    def run(self) -> None:
        try:
            if self.again is not None:
                page, visit, event = self.again
                self._ask("/api/event", event, 202)
                visit.pages.append(page)
                self.again = None
            while True:
                self._visit()
        except Gone:
            self.connection.close()

    def _visit(self) -> None:
        visit = Visit()
        self.visits.append(visit)
        answer = {"site": "example.org", "notice": self.notice, "decisions": GRANTED, "action": "accept_all"}
        receipt = self._ask("/api/consent", answer | {"ui_source": "banner", "language": "en"}, 201)
        ids = {"visitor": secrets.token_hex(16), "visit": secrets.token_hex(16)}
        who = ids | {"consent": json.loads(receipt)["consent_receipt_id"]}
        for _ in range(self.draw.randint(0, 4)):
            self._see(visit, who)
        if self.draw.random() < 0.2:
            return
        visit.signed_in = None
        self._ask("/api/login", {"site": "example.org", "token": self._token(), **who}, 204)
        visit.signed_in = True
        for _ in range(self.draw.randint(0, 4)):
            self._see(visit, who)
        if self.draw.random() < 0.5:
            self._ask("/api/logout", {"site": "example.org", **ids}, 204)

    def _see(self, visit: Visit, who: dict[str, str]) -> None:
        self.sent += 1
        page = f"/seen-by-{chr(97 + self.number)}/{self.sent}"
        known = {"name": "pageview", "url": f"https://example.org{page}", "domain": "example.org"}
        event = known | {"event_id": secrets.token_urlsafe(16)} | who
        self.again = (page, visit, event)
        self._ask("/api/event", event, 202)
        visit.pages.append(page)
        self.again = None

    def _token(self) -> str:
        now = int(time.time())
        claims = {"sub": f"account-{self.draw.randint(1, 40)}", "aud": "example.org", "iat": now, "exp": now + 240}
        return jwt.encode(claims | {"jti": secrets.token_hex(16)}, self.key, algorithm="HS256")

    def _ask(self, path: str, document: dict[str, Any], status: int) -> bytes:
        try:
            self.connection.request("POST", path, json.dumps(document), {"User-Agent": BROWSER})
            answer = self.connection.getresponse()
            body = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise Gone from error
        if answer.status != status or answer.getheader("x-webmon-dropped"):
            self.wrong.append(f"{path}: {answer.status} {dict(answer.getheaders())} {body[:300]!r}")
        return body


def test_after_kill_9_during_sign_ins_each_row_is_in_exactly_one_place(tmp_path: Path) -> None:
    draw = random.Random(SEED)  # noqa: S311 - which moments, to be had again with the seed
    server = WebmonServer(tmp_path / "data")
    server.run("site", "add", "example.org")
    key = server.last_line("site", "login-key", "example.org")
    visits: list[Visit] = []
    people: list[Person] = []
    for number in range(ROUNDS):
        server.start()
        notice = _notice(server)
        people = [Person(server, one, key, notice, people[one] if people else None) for one in range(VISITORS)]
        before = sum(one.sent for one in people)
        for one in people:
            one.start()
        goal = before + draw.randint(1, 150)
        wait_until(
            lambda all_=people, goal=goal: sum(one.sent for one in all_) >= goal or _all_ended(all_),
            WAIT_SECONDS,
            f"hits, round {number}",
        )
        assert not _all_ended(people), f"the server does not answer, round {number}: {server.log.read_text()}"
        server.kill()
        for one in people:
            one.join(WAIT_SECONDS)
            assert not one.is_alive()
        assert [fault for one in people for fault in one.wrong] == []
        visits += [visit for one in people for visit in one.visits]
    server.start()
    wait_until(lambda: _unfinished(tmp_path / "data") == 0, WAIT_SECONDS, "all promotions are done")
    assert server.stop() == 0
    _check(tmp_path / "data", visits, sum(one.sent for one in people))


def _all_ended(people: list[Person]) -> bool:
    return not any(one.is_alive() for one in people)


def _notice(server: WebmonServer) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=WAIT_SECONDS)
    connection.request("GET", "/api/notice?site=example.org", headers={"User-Agent": BROWSER})
    found: str = json.loads(connection.getresponse().read())["hash"]
    connection.close()
    return found


def _unfinished(folder: Path) -> int:
    with sqlite3.connect(folder / "control.db") as connection:
        count = int(connection.execute("select count(*) from promotion where state <> 'done'").fetchone()[0])
    connection.close()
    return count


def _check(folder: Path, visits: list[Visit], sent: int) -> None:
    runtime = Runtime(Settings(data_dir=folder))
    runtime.ingester.drain()
    rows = runtime.event_log._hits("true", [])
    left = [row for row in rows if row.basis == Basis.DEIDENTIFIED]
    public = Counter(row.pathname for row in rows if row.basis != Basis.DEIDENTIFIED)
    with runtime.database.session() as session:
        sealed = session.execute(select(AccountHitRow.account_id, AccountHitRow.hit_id, AccountHitRow.sealed)).all()
    private = Counter(runtime.account_keys.open(*row).pathname for row in sealed)
    runtime.close()
    acknowledged = [page for visit in visits for page in visit.pages]
    said = (
        f"seed {SEED}: {ROUNDS} kills, {len(acknowledged)} acknowledged of {sent},"
        f" {sum(visit.signed_in is True for visit in visits)} sign-ins acknowledged,"
        f" {sum(visit.signed_in is None for visit in visits)} not;"
        f" {len(private)} rows in the account log, {len(public)} in the event log, {len(left)} remainders"
    )
    print(said)
    assert len(acknowledged) == len(set(acknowledged)), said
    assert [page for page in acknowledged if public[page] + private[page] != 1] == [], said
    assert [page for page, count in (public + private).items() if count != 1] == [], said
    for visit in visits:
        if visit.signed_in is True:
            assert [page for page in visit.pages if not private[page]] == [], said
        if visit.signed_in is False:
            assert [page for page in visit.pages if not public[page]] == [], said
        # Where nobody knows whether the sign-in was written down: all its rows, or none.
        assert len({bool(private[page]) for page in visit.pages}) <= 1, said
    assert len(left) == len(private), said
