"""The Content-Security-Policy of every page: scripts run by a nonce that no other answer has, or not at all."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from flask import template_rendered
from werkzeug.test import Client, TestResponse

from tests.support.asgi import Sent, ask
from tests.support.world import NOW, PASSWORD, World, csrf
from tests.web.test_portal import by, opened
from tests.web.test_register import VIDEO
from tests.web.test_staff import PAGES
from tests.web.test_staff_security import FACTOR, send, sign_in, turned_on
from webmon.app import create_asgi
from webmon.domain.notice import default_body

TEMPLATES = Path(__file__).resolve().parents[2] / "templates"
SITE = "/admin/sites/example.org"
PAGE = "/privacy/example.org"
# 128 bits in base64, as CSP takes them.
NONCE = re.compile(r"[A-Za-z0-9_-]{22}")
Ask = Callable[[], TestResponse]


class Shown(HTMLParser):
    """What a page has that could run."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.nonces: list[str | None] = []
        self.inline: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "script":
            self.nonces.append(given.get("nonce"))
        if tag == "style":
            self.inline.append(tag)
        handlers = [name for name in given if name.startswith("on") or name == "style"]
        links = [value for value in given.values() if (value or "").strip().lower().startswith("javascript:")]
        self.inline += [f"{tag} {one}" for one in (*handlers, *links)]


def policy_of(answer: TestResponse) -> dict[str, str]:
    parts = [one.partition(" ") for one in answer.headers["Content-Security-Policy"].split("; ")]
    assert len({name for name, _, _ in parts}) == len(parts), "a directive that is there twice counts once"
    return {name: value for name, _, value in parts}


def nonce_of(where: str, answer: TestResponse) -> str | None:
    """The nonce of a page's policy, None where it has no script; fails where its scripts do not bear it."""
    policy, shown = policy_of(answer), Shown(answer.get_data(as_text=True))
    assert (policy["default-src"], policy["object-src"], policy["base-uri"]) == ("'none'",) * 3, where
    assert policy["style-src"] == "'self'", where
    assert "unsafe" not in answer.headers["Content-Security-Policy"], where
    assert shown.inline == [], where
    if not shown.nonces:
        assert policy["script-src"] == "'none'", where
        return None
    (nonce,) = set(shown.nonces)
    assert nonce is not None, where
    assert NONCE.fullmatch(nonce), where
    assert policy["script-src"] == f"'nonce-{nonce}' 'strict-dynamic'", where
    return nonce


def filled(world: World) -> str:
    """A site with something on each of its pages; returns the notice in force."""
    world.runtime.add_site("other.example", actor="test")
    world.runtime.register.replace(world.site, [VIDEO | {"key": "film"}], NOW, actor="test")
    world.runtime.notices.save_draft(world.site, default_body("example.org", "en"), NOW, actor="test")
    return world.runtime.notices.current(world.site, world.clock.now())["en"]


def of_staff(world: World) -> Iterator[tuple[str, Ask]]:
    notice = filled(world)
    by_role = {role: world.staff(role, f"{role}-of-pages@example.org") for role in ("owner", "privacy", "marketing")}
    for path, roles in (PAGES | {"/dashboard/": {"owner"}, "/dashboard/example.org?period=none": {"owner"}}).items():
        address = path.replace("NOTICE", notice).replace("NAME", "en")
        for role, browser in by_role.items():
            yield f"{path} for {role}, {role in roles}", lambda b=browser, a=address: b.get(a)
    owner = by_role["owner"]
    yield "a form that has expired", lambda: owner.post("/admin/staff", data={})
    yield "a form with a slip", lambda: send(owner, "/admin/sites/new", domain="no host")
    token = csrf(owner.get(SITE))
    key = {"csrf_token": token, "scope": "stats"}
    yield "a key that was made", lambda: owner.post(f"{SITE}/api-keys", data=key)


def at_the_door(world: World) -> Iterator[tuple[str, Ask]]:
    codes = turned_on(world)
    stranger = world.browser()
    link = world.runtime.staff.add("new@example.org", "owner", None, NOW, actor="test")
    for path in (
        "/staff/sign-in",
        f"/staff/link/{link}",
        "/staff/link/none",
        "/nowhere",
        "/admin/nowhere",
        "/admin/",
    ):
        yield path, lambda a=path: stranger.get(a)
    yield "the wrong password", lambda: sign_in(stranger, password="none of mine")
    half = world.browser()
    sign_in(half)
    yield "the code", lambda: half.get("/staff/sign-in/code")
    send(half, "/staff/sign-in/code", code=codes[0])
    yield "new recovery codes", lambda: send(half, FACTOR, password=PASSWORD)
    other = world.staff("privacy", "other@example.org")
    yield "the picture", lambda: send(other, FACTOR, password=PASSWORD)


def of_visitors(world: World) -> Iterator[tuple[str, Ask]]:
    visitor = world.visitor()
    visitor.sees("/")
    world.settle()
    for name, browser in (("known", opened(world, **by(visitor))), ("unknown", world.browser())):
        for path in ("", "/cookies", f"/receipts/{visitor.receipt}", "/nothing/here", "?lang=ar"):
            yield f"{path} of somebody {name}", lambda b=browser, a=f"{PAGE}{path}": b.get(a)
    yield "a form of nobody", lambda: world.browser().post(f"{PAGE}/withdraw", data={})


@pytest.fixture
def rendered() -> Iterator[set[str]]:
    """The names of the templates that were rendered meanwhile."""
    names: set[str] = set()

    def note(_: Any, template: Any, **__: Any) -> None:
        names.add(template.name)

    with template_rendered.connected_to(note):
        yield names


def whole_pages() -> set[str]:
    """Every template that is a page, and not a part of others."""
    files = {one.relative_to(TEMPLATES).as_posix(): one.read_text("utf-8") for one in TEMPLATES.rglob("*.html")}
    base = {"shared/base.html"}
    return {
        name
        for name, text in files.items()
        if not Path(name).name.startswith("_") and ("{% extends" in text or "<html" in text)
    } - base


def test_every_page_s_scripts_bear_a_nonce_that_no_other_answer_has(world: World, rendered: set[str]) -> None:
    seen: list[str] = []
    for pages in (of_staff, at_the_door, of_visitors):
        for where, asked in pages(world):
            for answer in (asked(), asked()):
                if answer.mimetype == "text/html":
                    nonce = nonce_of(where, answer)
                    seen += [nonce] if nonce else []
    assert len(set(seen)) == len(seen)
    assert whole_pages() - rendered == set()


def test_no_page_is_without_a_policy_and_none_that_a_visitor_sees_has_a_script(world: World) -> None:
    for where, asked in of_visitors(world):
        assert nonce_of(where, asked()) is None, where


def test_what_is_no_page_of_scripts_lets_none_run(world: World, owner: Client) -> None:
    answers = {
        "a file": owner.get("/static/dist/manifest.json"),
        "the snippet": world.browser().get("/w.js?site=example.org"),
        "a part of a page": owner.get("/dashboard/example.org/live"),
        "a problem": world.post("/api/v2/query", {}),
        "a page that leads on": owner.get("/admin/"),
    }
    for where, answer in answers.items():
        assert policy_of(answer)["script-src"] == "'none'", where
        answer.close()


def test_an_answer_of_the_event_loop_lets_none_run_either(world: World) -> None:
    raw = json.dumps({"site": "example.org", "token": world.token(), "visitor": "v" * 22, "visit": "w" * 22}).encode()
    (got,) = ask(create_asgi(world.runtime), Sent([raw], path="/api/login"))
    assert got.status == 204
    assert "script-src 'none'" in got.headers["content-security-policy"]


def test_pages_through_the_event_loop_have_nonces_of_their_own(world: World, owner: Client) -> None:
    cookie = owner.get_cookie("webmon_session")
    assert cookie is not None
    sent = Sent([b""], [("cookie", f"webmon_session={cookie.value}")], "GET", "/dashboard/example.org")
    policies = [got.headers["content-security-policy"] for got in ask(create_asgi(world.runtime), *[sent] * 4)]
    assert len({*policies}) == 4
    assert all("'strict-dynamic'" in one for one in policies)


def test_a_preview_s_frame_runs_its_own_scripts_and_reaches_nothing(world: World, owner: Client) -> None:
    page, frame = owner.get(f"{SITE}/notices/en/preview"), owner.get(f"{SITE}/notices/en/preview/frame")
    around, within = nonce_of("preview", page), nonce_of("frame", frame)
    assert None not in {around, within}
    assert around != within
    assert policy_of(page)["frame-src"] == "'self'"
    assert policy_of(frame)["connect-src"] == policy_of(frame)["form-action"] == "'none'"
    assert policy_of(frame)["frame-ancestors"] == "'self'"
    assert policy_of(page)["frame-ancestors"] == "'none'"


def test_every_script_in_a_template_asks_for_the_nonce() -> None:
    for file in TEMPLATES.rglob("*.html"):
        for found in re.findall(r"<script\b[^>]*", file.read_text("utf-8")):
            assert found.startswith('<script nonce="{{ nonce() }}" '), file


@pytest.fixture
def owner(world: World) -> Client:
    return world.staff("owner")
