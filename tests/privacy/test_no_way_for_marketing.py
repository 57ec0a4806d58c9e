"""No way leads from a marketer, an owner or a key for programs to what is known of one person.

The routes are those of the running application, so a new one is walked too: every parameter filled in, as a page,
as a form, as JSON, on the event loop and behind every scope of key; then every link that the pages themselves show.
What is looked for stands in the account log of somebody who has signed in.
"""

from __future__ import annotations

import html
import itertools
import json
import re
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from werkzeug.test import Client, TestResponse

from tests.support.asgi import Sent, ask
from tests.support.world import BROWSER, World, csrf
from webmon.app import create_app, create_asgi
from webmon.domain.breakdowns import BREAKDOWNS
from webmon.domain.metrics import METRICS
from webmon.services.manage_sites import Scope

CITY_FILE = Path(__file__).parent.parent / "data" / "GeoIP2-City-Test.mmdb"
# Boxford, as the file of cities for tests says.
ADDRESS, CITY = "2.125.160.216", "Boxford"
SUBJECT, EMAIL, NAME = "subject-7q3xk", "marker.person@example.net", "Markerine Person"
PATH, PROP, EVENT, REFERRER = "/marker-page-zzq", "marker-prop-zzq", "MarkerEvent", "marker-referrer.example"
REASON = "Request for access of the person"
MOST_PAGES = 500


class Walk:
    """Asks for everything there is, and remembers what of the person was seen where."""

    def __init__(self, world: World, markers: set[str], account: int) -> None:
        self.world = world
        self.account = account
        self.app = create_app(world.runtime)
        self.markers = markers
        self.found: list[tuple[str, str]] = []
        self.asked = 0

    def look(self, where: str, answer: bytes, sent: str) -> None:
        self.asked += 1
        text = html.unescape(answer.decode("utf-8", "replace"))
        # What the question itself holds is no news to whoever asks.
        self.found += [(where, one) for one in self.markers if one in text and one not in sent]

    def check(self, where: str, answer: TestResponse, sent: str = "") -> TestResponse:
        raw = answer.get_data() + repr(list(answer.headers)).encode()
        assert answer.status_code != 500, where
        assert "unsafe-inline" not in answer.headers.get("Content-Security-Policy", ""), where
        self.look(where, raw, sent)
        answer.close()
        return answer

    # Every route

    def addresses(self, methods: set[str]) -> Iterator[tuple[str, str]]:
        for rule in self.app.url_map.iter_rules():
            values = [self.values(name, type(rule._converters[name]).__name__) for name in sorted(rule.arguments)]
            for chosen in itertools.product(*values):
                adapter = self.app.url_map.bind("localhost")
                path = adapter.build(rule.endpoint, dict(zip(sorted(rule.arguments), chosen, strict=True)))
                for method in sorted((rule.methods or set()) & methods):
                    yield method, path

    def values(self, name: str, converter: str) -> list[Any]:
        """What a parameter may be: things that are there, and the person's own numbers and names."""
        notice = self.world.runtime.notices.current(self.world.site, self.world.clock.now())["en"]
        known: dict[str, list[Any]] = {
            "domain": ["example.org", "other.example"],
            "language": ["en"],
            "notice_hash": [notice],
            "name": [notice, "en"],
            "key": ["film"],
            "filename": ["manifest.json"],
            "command": ["ping", "retention.plan", "account.read"],
        }
        numbers = [1, self.account]
        texts = [str(self.account), SUBJECT, EMAIL]
        return known.get(name, numbers if converter == "IntegerConverter" else texts)

    def pages(self, browser: Client) -> None:
        asked = f"?subject={SUBJECT}&account_id={self.account}&reason={REASON}&page=1&format=csv&export=1&verify=1"
        for method, path in self.addresses({"GET", "HEAD", "OPTIONS"}):
            for query in ("", asked) if method == "GET" else ("",):
                answer = browser.open(path + query, method=method, headers={"User-Agent": BROWSER})
                self.check(f"{method} {path}{query}", answer, path + query)

    def forms(self, browser: Client, **fields: str) -> None:
        page = browser.get("/staff/account")
        token = csrf(page) if page.status_code == 200 else "none"
        for method, path in self.addresses({"POST", "PUT", "PATCH", "DELETE"}):
            if path in {"/staff/sign-out", "/staff/sign-out-everywhere"}:
                continue
            form = {"csrf_token": token, "form_token": token, "subject": SUBJECT, "account_id": ""} | fields
            self.check(f"{method} {path}", browser.open(path, method=method, data=form), repr(form) + path)
            document = {
                "site": "example.org",
                "site_id": "example.org",
                "subject": SUBJECT,
                "account_id": self.account,
            }
            answer = browser.open(path, method=method, json=document)
            self.check(f"{method} {path} as JSON", answer, repr(document) + path)

    def links(self, browser: Client) -> int:
        """Follow what the pages show, each address once (and of many that differ in values alone, two)."""
        waiting, seen, alike = deque(["/dashboard/", "/admin/", "/staff/account"]), set(), dict[str, int]()
        while waiting and len(seen) < MOST_PAGES:
            address = waiting.popleft()
            parts = urlsplit(address)
            shape = f"{parts.path}?{'&'.join(sorted({name for name, _ in parse_qsl(parts.query)}))}"
            alike[shape] = alike.get(shape, 0) + 1
            if address in seen or alike[shape] > 2 or parts.netloc:
                continue
            seen.add(address)
            answer = self.check(address, browser.get(address, headers={"User-Agent": BROWSER}), address)
            if answer.status_code in {301, 302, 303}:
                waiting.append(answer.headers["Location"])
            if answer.mimetype == "text/html":
                found = re.findall(r'(?:href|src|data-src)="(/[^"]*)"', answer.get_data(as_text=True))
                waiting.extend(html.unescape(one) for one in found)
        return len(seen)

    # The same on the event loop, and by keys

    def event_loop(self, browser: Client) -> None:
        cookie = browser.get_cookie("webmon_session")
        headers = [("user-agent", BROWSER), ("cookie", f"webmon_session={cookie.value if cookie else ''}")]
        asked = [
            Sent([b""], headers, method, path, f"subject={SUBJECT}&account_id={self.account}")
            for method, path in [*self.addresses({"GET"}), ("GET", "/p.gif"), ("GET", "/api/event")]
        ]
        app = create_asgi(self.world.runtime)
        for sent, got in zip(asked, ask(app, *asked), strict=True):
            self.look(
                f"ASGI {sent.method} {sent.path}", got.body + repr(got.headers).encode(), f"{SUBJECT}{sent.path}"
            )

    def keys(self) -> None:
        for scope in Scope:
            key = self.world.runtime.sites.new_api_key(
                self.world.site, scope, self.world.clock.now(), actor="test"
            ).text
            headers = {"Authorization": f"Bearer {key}"}
            for method, path in self.addresses({"GET", "POST", "PUT", "PATCH", "DELETE"}):
                for document in (
                    {},
                    {"site_id": "example.org", "account_id": self.account, "reason": REASON, "site": "example.org"},
                ):
                    answer = Client(self.app).open(path, method=method, headers=headers, json=document)
                    self.check(f"{scope} {method} {path}", answer, path)
            for document in self.questions():
                answer = Client(self.app).post("/api/v2/query", headers=headers, json=document)
                self.check(f"{scope} query {document}", answer, json.dumps(document))

    def questions(self) -> Iterator[dict[str, Any]]:
        """Each dimension alone, each with a filter that would single the person out."""
        for dimension in [*BREAKDOWNS, "event:props:note", "account:id", "visit:visitor_id", "event:hit_id"]:
            asked: dict[str, Any] = {
                "site_id": "example.org",
                "metrics": [name for name in METRICS if name in {"visitors", "pageviews", "events"}],
                "date_range": "all",
                "dimensions": [dimension],
            }
            yield asked
            yield asked | {"filters": [["is", "visit:city", [CITY]]]}
            yield asked | {"filters": [["contains", "event:page", ["marker"]]]}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path / "data", city_file=CITY_FILE, trusted_proxies=("203.0.113.0/24",))
    made.runtime.add_site("other.example", actor="test")
    yield made
    made.close()


@pytest.fixture
def walk(world: World) -> Walk:
    """Somebody who has signed in, and somebody who has not, of whom pseudonyms are looked for."""
    asking = {"X-Forwarded-For": ADDRESS}
    person = world.visitor()
    for path, more in ((PATH, {"referrer": f"https://{REFERRER}/"}), ("/", {"name": EVENT, "props": {"note": PROP}})):
        sent = {"name": "pageview", "url": f"https://example.org{path}", "domain": "example.org"} | more
        world.post("/api/event", sent | person.ids | {"consent": person.receipt}, **asking)
    person.signs_in(world.token(SUBJECT, email=EMAIL, name=NAME))
    other = world.visitor()
    other.sees("/everybody-s-page")
    world.settle()
    (row,) = world.rows()
    assert world.account_row_count() == 2
    account = world.runtime.account_reader.identify(world.site, world.token(SUBJECT), world.clock.now())
    hits = world.runtime.account_reader.hits(world.site, account, world.clock.now(), actor="test", reason="markers")
    assert {hit.city for hit in hits} == {CITY}
    numbers = {str(hit.hit_id) for hit in [*hits, row]} | {str(row.visitor_id), str(row.visit_id)}
    raw = {person.visitor, person.visit, person.receipt, other.visitor, other.visit, other.receipt}
    texts = {SUBJECT, EMAIL, NAME, PATH, PROP, EVENT, REFERRER, CITY, ADDRESS}
    return Walk(world, numbers | raw | texts, account)


@pytest.mark.parametrize("where", ["every site", "this site", "another site"])
@pytest.mark.parametrize("role", ["marketing", "owner", "privacy", "nobody"])
def test_no_route_shows_anything_of_a_person(
    walk: Walk, role: str, where: str, capfd: pytest.CaptureFixture[str]
) -> None:
    world = walk.world
    if where == "another site":
        world.site = world.runtime.sites.get("other.example")
    browser = world.browser() if role == "nobody" else world.staff(role, site=where != "every site")
    world.site = world.runtime.sites.get("example.org")
    walk.pages(browser)
    followed = walk.links(browser)
    walk.event_loop(browser)
    if role in {"marketing", "nobody"}:
        walk.forms(browser, reason=REASON, fields="identity", email="new@example.org", role="owner")
    else:
        # What they may do they would do to themselves; but none of it shows a person without a reason.
        walk.forms(browser, reason=" ", fields="identity", email="", role="")
    assert walk.found == []
    assert walk.asked > 200
    assert role == "nobody" or followed > 5
    logged = "".join(capfd.readouterr())
    assert [one for one in walk.markers if one in logged] == []
    read = [entry for entry in world.runtime.audit.newest() if entry.action.startswith("account_log")]
    assert [entry.actor for entry in read] == ["test"], "nobody but this test has read the rows"


def test_no_key_of_any_scope_opens_anything_of_a_person(walk: Walk) -> None:
    walk.keys()
    assert walk.found == []


def test_what_is_looked_for_is_found_by_a_privacy_officer_with_a_reason_and_the_trail_shows_it(walk: Walk) -> None:
    browser = walk.world.staff("privacy")
    page = "/admin/sites/example.org/persons"
    every = ["identity", "time", "page", "properties", "origin", "place"]
    form = {"csrf_token": csrf(browser.get(page)), "account_id": str(walk.account), "reason": REASON, "fields": every}
    walk.check(page, browser.post(page, data=form))
    assert {one for _, one in walk.found} == {SUBJECT, EMAIL, NAME, PATH, PROP, EVENT, REFERRER, CITY}
    entry = walk.world.runtime.audit.newest()[0]
    assert (entry.actor, entry.action) == ("privacy@example.org", "account_log.read")
    assert entry.detail == {"account_id": walk.account, "reason": REASON, "fields": ", ".join(every)}
