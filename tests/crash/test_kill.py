"""The server is killed in the middle of a load: every acknowledged hit is there afterwards, and once."""

from __future__ import annotations

import http.client
import json
import threading
from pathlib import Path

from tests.support.server import BROWSER, WebmonServer, wait_until

THREADS = 8
ROUNDS = 3
ENOUGH = 400
PART = 5000


class Sender(threading.Thread):
    """Sends hits, each with a page of its own, until the server is gone; remembers which were acknowledged."""

    def __init__(self, server: WebmonServer, name: str) -> None:
        super().__init__(daemon=True)
        self.server = server
        self.prefix = name
        self.acknowledged: list[str] = []
        self.sent = 0

    def run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=10)
        while True:
            page = f"/{self.prefix}/{self.sent}"
            self.sent += 1
            body = {"name": "pageview", "url": f"https://example.org{page}", "domain": "example.org"}
            try:
                connection.request("POST", "/api/event", json.dumps(body), {"User-Agent": BROWSER})
                answer = connection.getresponse()
                answer.read()
            except (OSError, http.client.HTTPException):
                return
            if answer.status == 202:
                self.acknowledged.append(page)


def counted(server: WebmonServer, key: str) -> dict[str, int]:
    """Every page to its views, however many pages there are."""
    shown: dict[str, int] = {}
    while True:
        part = server.query(
            key,
            site_id="example.org",
            metrics=["pageviews"],
            date_range="all",
            dimensions=["event:page"],
            order_by=[["event:page", "asc"]],
            pagination={"limit": PART, "offset": len(shown)},
        )["results"]
        shown |= {row["dimensions"][0]: row["metrics"][0] for row in part}
        if len(part) < PART:
            return shown


def test_after_kill_9_under_load_no_acknowledged_hit_is_lost_and_none_is_doubled(tmp_path: Path) -> None:
    server = WebmonServer(tmp_path / "data")
    server.run("site", "add", "example.org", "--mode", "cookieless_always")
    key = server.last_line("key", "add", "--site", "example.org", "--scope", "stats")
    acknowledged: list[str] = []
    sent = 0
    for number in range(ROUNDS):
        server.start()
        senders = [Sender(server, f"r{number}t{thread}") for thread in range(THREADS)]
        for sender in senders:
            sender.start()
        wait_until(
            lambda all_=senders: sum(len(one.acknowledged) for one in all_) > ENOUGH, 60, "hits are acknowledged"
        )
        server.kill()
        for sender in senders:
            sender.join(30)
        acknowledged += [page for one in senders for page in one.acknowledged]
        sent += sum(one.sent for one in senders)
    server.start()
    try:
        shown = counted(server, key)
    finally:
        assert server.stop() == 0
    assert len(acknowledged) == len(set(acknowledged)) > ROUNDS * ENOUGH
    assert [page for page in acknowledged if shown.get(page) != 1] == []
    # What was sent and not answered may be there or not, but never twice.
    assert set(shown.values()) == {1}
    assert len(acknowledged) <= len(shown) <= sent


def test_a_server_that_is_asked_to_end_drains_and_ends(tmp_path: Path) -> None:
    server = WebmonServer(tmp_path / "data")
    server.run("site", "add", "example.org", "--mode", "cookieless_always")
    server.start()
    for number in range(20):
        assert server.event(name="pageview", url=f"https://example.org/{number}", domain="example.org").status == 202
    assert server.stop() == 0
    waiting = json.loads(server.run("doctor", "--json").stdout)
    assert "0 hits wait" in next(one["text"] for one in waiting if one["check"] == "spool")


def test_a_second_server_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    server = WebmonServer(tmp_path / "data")
    server.run("site", "add", "example.org")
    server.start()
    try:
        done = server.run("serve", "--port", "1", check=False)
        assert done.returncode == 1
        assert "already running" in done.stderr
    finally:
        server.stop()
