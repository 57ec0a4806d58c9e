"""A whole webmon in this process: real stores in a folder of its own, a clock that stands still, a client."""

from __future__ import annotations

import atexit
import itertools
import json
import re
import shutil
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import jwt
from sqlalchemy import func, select
from werkzeug.test import Client, TestResponse

from webmon.app import create_wsgi
from webmon.clock import FixedClock
from webmon.domain.chain import canonical
from webmon.domain.hit import Basis, Hit
from webmon.domain.notice import hash_of
from webmon.domain.site import Mode
from webmon.runtime import Runtime
from webmon.settings import Settings
from webmon.stores.control.models import AccountHitRow, NoticeRow, PublicationRow

NOW = datetime(2026, 11, 23, 10, 30, tzinfo=UTC)
BROWSER = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"
ADDRESS = "203.0.113.77"
PASSWORD = "a sentence to remember"
GRANTED = {"analytics": True, "functional": True, "marketing": True}
REFUSED = dict.fromkeys(GRANTED, False)
_numbers = itertools.count(1)


class World:
    """One site, `example.org`, unless told otherwise. Nothing runs beside the requests: `settle` does it all."""

    def __init__(self, folder: Path, mode: str = Mode.CONSENTED_ONLY, **settings: Any) -> None:
        if not settings and not folder.exists():
            shutil.copytree(_just_set_up(mode), folder)
        self.folder = folder
        self.clock = FixedClock(NOW)
        self.settings = Settings(data_dir=folder, **settings)
        self.mode = mode
        self.open()
        if not self.runtime.sites.all():
            self.runtime.add_site("example.org", actor="test", mode=mode)
        self.site = self.runtime.sites.get("example.org")

    def open(self) -> None:
        self.runtime = Runtime(self.settings, self.clock)
        self.runtime.internal_token = "internal"
        self.client = self.browser()

    def close(self) -> None:
        self.runtime.close()

    def reopen(self, meanwhile: Callable[[], object] = lambda: None) -> None:
        """As after a crash: nothing is drained or closed in order, and a new process recovers."""
        self.runtime.event_log.close()
        self.runtime.spools.close()
        self.runtime.database.close()
        meanwhile()
        self.open()
        self.runtime.recover()

    def browser(self) -> Client:
        """A browser of its own, with its own cookies."""
        return Client(create_wsgi(self.runtime))

    def settle(self) -> None:
        """Do what the threads of a serving process do by themselves."""
        self.runtime.ingester.drain()
        self.runtime.accounts.advance(self.clock.now())
        self.runtime.eraser.advance(self.clock.now())

    def move(self, **by: float) -> None:
        self.clock.move(timedelta(**by))

    # What a page sends

    def post(self, path: str, document: Any, **headers: str) -> TestResponse:
        sent = document if isinstance(document, bytes) else json.dumps(document).encode()
        given = {"User-Agent": BROWSER} | {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.post(
            path, data=sent, headers=given, content_type="text/plain", environ_base={"REMOTE_ADDR": ADDRESS}
        )

    def event(self, path: str = "/", **fields: Any) -> TestResponse:
        known = {"name": "pageview", "url": f"https://example.org{path}", "domain": "example.org"}
        return self.post("/api/event", known | fields)

    def consent(self, decisions: dict[str, bool] | None = None, **fields: Any) -> TestResponse:
        notice = self.runtime.notices.current(self.site, self.clock.now())["en"]
        known = {
            "site": "example.org",
            "notice": notice,
            "decisions": GRANTED if decisions is None else decisions,
            "action": "accept_all" if decisions is None else "custom",
            "ui_source": "banner",
            "language": "en",
        }
        return self.post("/api/consent", known | fields)

    def put_in_force(self, body: dict[str, Any]) -> str:
        """Publish as an older webmon did, which knew fewer texts and rules; returns the notice's hash."""
        text, now = canonical(body), self.clock.now()
        with self.runtime.database.session() as session:
            whose = {"site_id": self.site.id, "language": body["language"]}
            session.add(NoticeRow(hash=hash_of(text), body=text, created_at=now, **whose))
            session.flush()
            when = {"published_at": now, "published_by": "test", "effective_at": now}
            session.add(PublicationRow(notice_hash=hash_of(text), **whose, **when))
        return hash_of(text)

    def visitor(self) -> Visitor:
        """Somebody who has accepted everything."""
        receipt = self.consent().get_json()
        return Visitor(self, next(_numbers), receipt["consent_receipt_id"])

    # What is kept

    def rows(self) -> list[Hit]:
        """The rows of people; not what those who signed in have left for figures."""
        return [hit for hit in self.stored() if hit.basis != Basis.DEIDENTIFIED]

    def remainders(self) -> list[Hit]:
        return [hit for hit in self.stored() if hit.basis == Basis.DEIDENTIFIED]

    def stored(self) -> list[Hit]:
        return self.runtime.event_log._hits("site_id = ?", [self.site.id], 100_000)

    def paths(self) -> list[str]:
        return sorted(hit.pathname for hit in self.rows())

    def account_paths(self, subject: str = "patient-4711") -> list[str]:
        """The pages in an account's log, as its holder sees them."""
        reader, now = self.runtime.account_reader, self.clock.now()
        account = reader.identify(self.site, self.token(subject), now)
        rows = reader.hits(self.site, account, now, actor="test", reason="to see")
        return sorted(row.pathname for row in rows)

    def ask(self, *metrics: str, **document: Any) -> list[Any]:
        """The figures of the site, all in one, of all time."""
        asked = {"metrics": list(metrics), "date_range": "all"} | document
        return list(self.runtime.stats.ask(self.site, asked, self.clock.now()).rows[0].metrics)

    def account_row_count(self) -> int:
        with self.runtime.database.session() as session:
            return session.scalar(select(func.count()).select_from(AccountHitRow)) or 0

    def found_in_files(self, *texts: bytes) -> list[str]:
        """Names of the files under the data folder that hold any of the texts."""
        files = [path for path in self.folder.rglob("*") if path.is_file()]
        return [f"{path.name}: {text!r}" for path in files for text in texts if text in path.read_bytes()]

    # Sign-in tokens

    def login_key(self) -> str:
        keys = self.runtime.sites.login_keys(self.site, self.clock.now())
        return keys[0].text if keys else self.runtime.sites.new_login_key(self.site, self.clock.now(), actor="test")

    def token(self, subject: str = "patient-4711", key: str | None = None, **claims: Any) -> str:
        now = int(self.clock.now().timestamp())
        known = {"sub": subject, "aud": "example.org", "iat": now, "exp": now + 240, "jti": f"jti-{next(_numbers)}"}
        said = {name: value for name, value in (known | claims).items() if value is not None}
        return jwt.encode(said, key or self.login_key(), algorithm="HS256")

    # Staff

    def staff(self, role: str, email: str | None = None, site: bool = False) -> Client:
        """A browser in which somebody with that role has set a password and so is signed in."""
        address = email or f"{role}@example.org"
        accounts = self.runtime.staff
        if not accounts.all() and (role != "owner" or site):
            accounts.add("first-owner@example.org", "owner", None, self.clock.now(), actor="test")
        token = accounts.add(address, role, self.site if site else None, self.clock.now(), actor="test")
        browser = self.browser()
        page = browser.get(f"/staff/link/{token}")
        done = browser.post(
            f"/staff/link/{token}", data={"csrf_token": csrf(page), "password": PASSWORD, "again": PASSWORD}
        )
        assert done.status_code == 302, done.get_data(as_text=True)
        return browser


class Visitor:
    def __init__(self, world: World, number: int, receipt: str) -> None:
        self.world = world
        self.receipt = receipt
        self.visitor = f"visitor-{number:014d}"
        self.visit = f"visit-{number:016d}"

    @property
    def ids(self) -> dict[str, str]:
        return {"visitor": self.visitor, "visit": self.visit}

    def sees(self, path: str, **fields: Any) -> TestResponse:
        return self.world.event(path, **self.ids, consent=self.receipt, **fields)

    def signs_in(self, token: str | None = None, **fields: str) -> TestResponse:
        known = {"site": "example.org", "token": token or self.world.token(), "consent": self.receipt}
        return self.world.post("/api/login", known | self.ids | fields)

    def signs_out(self) -> TestResponse:
        return self.world.post("/api/logout", {"site": "example.org", **self.ids})


def csrf(page: TestResponse, name: str = "csrf_token") -> str:
    found = re.search(rf'name="{name}"[^>]*value="([^"]+)"', page.get_data(as_text=True))
    assert found, page.get_data(as_text=True)
    return found[1]


def problem(answer: TestResponse) -> dict[str, list[str]]:
    """The fields that an RFC 9457 answer names."""
    assert answer.content_type == "application/problem+json", (answer.status_code, answer.content_type)
    document: dict[str, Any] = answer.get_json(force=True)
    assert document["status"] == answer.status_code
    errors: dict[str, list[str]] = document.get("errors", {})
    return errors


@cache
def _just_set_up(mode: str) -> Path:
    """Return the folder of a world with its site, in which nothing has happened: to make one takes half a second."""
    folder = Path(tempfile.mkdtemp(prefix="webmon-world-")) / "data"
    folder.mkdir(mode=0o700)
    World(folder, mode).close()
    atexit.register(shutil.rmtree, folder.parent)
    return folder
