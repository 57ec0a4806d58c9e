"""Whatever is sent, the answer is one of ours, and never that something went wrong inside."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.test import Client

from tests.support.asgi import Sent, ask
from tests.support.world import BROWSER, NOW, World
from webmon.app import create_app, create_asgi
from webmon.domain.site import Mode
from webmon.web.collect.door import PATH

MODEST = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
TEXT = st.text(max_size=60) | st.sampled_from(
    ["\x00", "\ud800", "\u202e", "//", "../..", "%", "%zz", "http://[", "a" * 3000]
)
PARAMETERS = (
    *("period", "from", "to", "f", "metric", "more", "sources", "pages"),
    *("page", "lang", "said", "before", "plan"),
)
VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
URL = st.builds(lambda tail: f"https://example.org/{tail}", TEXT)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder: Path = tmp_path_factory.mktemp("hostile")
    made = World(folder / "data", Mode.COOKIELESS_ALWAYS)
    yield made
    made.close()


@pytest.fixture(scope="module")
def key(world: World) -> str:
    return world.runtime.sites.new_api_key(world.site, "admin", NOW, actor="test").text


@pytest.fixture(scope="module")
def officer(world: World) -> Client:
    return world.staff("owner")


def fields(*names: str, **known: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=dict.fromkeys(names, VALUE) | known)


def send(world: World, path: str, document: Any, **headers: str) -> int:
    import msgspec

    try:
        body = msgspec.json.encode(document)
    except (UnicodeEncodeError, ValueError):
        body = repr(document).encode("utf-8", "surrogatepass")
    return world.post(path, body, **headers).status_code


@MODEST
@given(
    document=fields(
        *(
            "referrer",
            "props",
            "interactive",
            "visitor",
            "visit",
            "consent",
            "engagement_ms",
            "scroll_pct",
            "timestamp",
            "u",
        ),
        name=TEXT | VALUE,
        url=URL | VALUE,
        domain=st.just("example.org") | VALUE,
    ),
    agent=st.text(st.characters(codec="latin-1", exclude_characters="\r\n"), max_size=200),
)
def test_any_event(world: World, document: dict[str, Any], agent: str) -> None:
    assert send(world, "/api/event", document, User_Agent=agent) in {202, 400, 413}


@MODEST
@given(body=st.binary(max_size=300))
def test_any_bytes(world: World, body: bytes) -> None:
    for path in ("/api/event", "/api/consent", "/api/login", "/api/logout"):
        assert world.post(path, body).status_code == 400


@MODEST
@given(
    document=fields(
        "notice", "decisions", "action", "ui_source", "language", "previous", site=st.just("example.org") | VALUE
    )
)
def test_any_consent(world: World, document: dict[str, Any]) -> None:
    assert send(world, "/api/consent", document) in {200, 201, 400, 404, 413}


@MODEST
@given(document=fields("token", "visitor", "visit", site=st.just("example.org") | VALUE))
def test_any_login_and_logout(world: World, document: dict[str, Any]) -> None:
    assert send(world, "/api/login", document) in {400, 401, 413}
    assert send(world, "/api/logout", document) in {204, 400, 413}


@MODEST
@given(
    document=fields(
        *("metrics", "date_range", "dimensions", "filters", "order_by", "include", "pagination"),
        site_id=st.just("example.org") | VALUE,
        metrics=st.just(["visitors"]) | VALUE,
        date_range=st.just("7d") | st.lists(TEXT, max_size=3) | VALUE,
    )
)
def test_any_question(world: World, key: str, document: dict[str, Any]) -> None:
    assert send(world, "/api/v2/query", document, Authorization=f"Bearer {key}") in {200, 400, 401, 403, 404, 413}


@MODEST
@given(query=st.dictionaries(st.sampled_from(PARAMETERS), TEXT, max_size=4))
def test_any_address(world: World, officer: Client, query: dict[str, str]) -> None:
    text = urlencode(query, errors="surrogatepass")
    for path in ("/dashboard/example.org", "/dashboard/example.org/live", "/privacy/example.org", "/admin/audit"):
        assert officer.get(f"{path}?{text}").status_code in {200, 304, 400}, path


@MODEST
@given(form=st.dictionaries(st.sampled_from(["visitor", "consent", "token"]), TEXT, max_size=3))
def test_anybody_at_the_preference_page(world: World, form: dict[str, str]) -> None:
    body = urlencode(form, errors="surrogatepass")
    answer = world.browser().post(
        "/privacy/example.org/open", data=body, content_type="application/x-www-form-urlencoded"
    )
    assert answer.status_code in {303, 401, 404}


DEEP = b"[" * 5000 + b"]" * 5000


@pytest.mark.parametrize(
    "body",
    [
        DEEP,
        b'{"a":' + DEEP + b"}",
        b'{"name":"a","url":"https://example.org/","domain":"example.org","props":{"a":' + DEEP + b"}}",
        b'{"name":"a","url":"https://example.org/","domain":"example.org","props":"' + DEEP + b'"}',
    ],
    ids=["bare", "unknown field", "property", "property as text"],
)
def test_what_is_nested_without_end_is_refused_or_left_out(world: World, key: str, body: bytes) -> None:
    for path in ("/api/event", "/api/consent", "/api/login", "/api/logout", "/api/v2/query"):
        answer = world.post(path, body, Authorization=f"Bearer {key}")
        assert answer.status_code in {202, 400}, path


def test_a_token_that_is_nested_without_end_is_refused(world: World) -> None:
    part = base64.urlsafe_b64encode(b'{"alg":"HS256","a":' + b"[" * 1300 + b"]" * 1300 + b"}").rstrip(b"=").decode()
    document = {"site": "example.org", "token": f"{part}.{part}.x", "visitor": "v" * 20, "visit": "w" * 20}
    assert world.post("/api/login", document).status_code == 401


@pytest.mark.parametrize("name", ["name", "email", "sub", "jti"])
def test_half_a_character_in_a_token_is_no_error_of_ours(world: World, name: str) -> None:
    claims = {"sub": "patient"} | {name: "Jane \ud83d"}
    token = world.token(claims.pop("sub"), **claims)
    document = {"site": "example.org", "token": token, "visitor": "v" * 20, "visit": "w" * 20}
    assert world.post("/api/login", document).status_code in {204, 401, 403, 404}


@pytest.mark.parametrize("body", [b"5", b"[1]", b'"x"', b'{"email": 5, "password": 5}', DEEP])
@pytest.mark.parametrize(
    "path",
    ["/privacy/example.org/choices", "/privacy/example.org/withdraw", "/privacy/example.org/open", "/staff/sign-in"],
)
def test_a_form_is_no_json(world: World, path: str, body: bytes) -> None:
    answer = world.browser().post(path, data=body, content_type="application/json")
    assert answer.status_code == 415


def test_an_origin_that_is_none_is_not_ours(world: World) -> None:
    assert world.browser().post("/privacy/example.org/withdraw", headers={"Origin": "http://[::1"}).status_code < 500


@pytest.mark.parametrize("host", ["a..b", ".a", "..", f"{'x' * 64}.org", "x" * 253])
def test_a_host_that_is_none_is_refused_on_every_path(
    world: World, host: str, capfd: pytest.CaptureFixture[str]
) -> None:
    rules = create_app(world.runtime).url_map.iter_rules()
    for path in ["/nothing", "/admin/nothing", *(rule.rule for rule in rules if rule.rule != PATH)]:
        for method in ("GET", "POST"):
            answer = world.client.open(path, method=method, headers={"Host": host, "User-Agent": BROWSER})
            assert answer.status_code == 400, path
    asked = [Sent([b""], [("host", host)], "GET", path) for path in ("/staff/sign-in", "/admin/", "/dashboard/")]
    assert [got.status for got in ask(create_asgi(world.runtime), *asked)] == [400] * len(asked)
    assert "crashed" not in "".join(capfd.readouterr())
    assert "To the dashboards" in world.client.get("/admin/nothing").get_data(as_text=True)


def test_a_picture_with_too_many_parameters_is_refused(world: World) -> None:
    query = "&".join(f"a{number}=1" for number in range(30))
    assert world.browser().get(f"/p.gif?site=example.org&{query}").status_code == 400


def test_numbers_that_no_database_holds_are_refused(world: World, officer: Client) -> None:
    assert officer.get("/admin/audit?before=99999999999999999999999").status_code == 404
    assert officer.post("/admin/staff/remove-role", data={"staff_id": "9" * 30, "site_id": "0"}).status_code < 500
    assert officer.post("/admin/sites/example.org/guard", data={"parameters": "a"}).status_code < 500


@pytest.mark.parametrize("language", ["jane@clinic.org", "203.0.113.77", "\x00", "x" * 40, "en-jane-doe"])
def test_a_language_is_a_language(world: World, language: str) -> None:
    assert world.consent(language=language).status_code == 400


HINTS = {
    "Sec-Ch-Ua-Platform": ['"jane.doe@hint.example"', '"198.51.100.77"', '"Jane"'],
    "Sec-Ch-Ua": ['"Google Chrome";v="patient@hint.example"', '"Google Chrome";v="4711234567"'],
    "User-Agent": [
        "jane.doe@agent.example/1.0 CFNetwork/1.0 Darwin/1",
        "JaneDoe-MRN4711234/1.0 CFNetwork/1.0 Darwin/1",
        "Mozilla/5.0 (X11; Linux x86_64) MRN4711234/4711234567 Safari/1",
    ],
}


@pytest.mark.parametrize(("header", "value"), [(name, one) for name, values in HINTS.items() for one in values])
def test_what_a_header_says_is_kept_only_where_it_is_a_word_of_ours(tmp_path: Path, header: str, value: str) -> None:
    world = World(tmp_path / "data")
    try:
        visitor = world.visitor()
        hit = (
            {"name": "pageview", "url": "https://example.org/", "domain": "example.org"}
            | visitor.ids
            | {"consent": visitor.receipt}
        )
        headers = {"User_Agent": BROWSER} | {header.replace("-", "_"): value}
        assert world.post("/api/event", hit, **headers).status_code == 202
        world.settle()
        (row,) = world.rows()
        text = str(row).lower()
        assert not any(part in text for part in ("jane", "mrn", "@", "4711234", "198.51.100"))
    finally:
        world.close()


def test_no_hit_that_was_acknowledged_is_lost_among_all_this(world: World) -> None:
    assert world.event("/still-here").status_code == 202
    world.settle()
    assert "/still-here" in world.paths()
