"""What a website's page loads: the snippet, its settings, the notices."""

from __future__ import annotations

import json
import re

from tests.support.world import World
from webmon.web.embed import PLACEHOLDER

COOKIELESS = ("/w.js?site=example.org", "/api/settings/example.org", "/.well-known/gpc.json", "/healthz")


def test_the_snippet_carries_the_settings_of_the_site_that_asks(world: World) -> None:
    named = world.client.get("/w.js?site=example.org")
    told = world.client.get("/w.js", headers={"Referer": "https://www.example.org/some/page"})
    settings = world.client.get("/api/settings/example.org").get_json()
    for answer in (named, told):
        text = answer.get_data(as_text=True)
        assert json.dumps(settings, separators=(",", ":")) in text
        assert PLACEHOLDER not in text
        assert answer.content_type == "text/javascript; charset=utf-8"
    assert settings["notices"].keys() == {"en", "de"}


def test_a_page_of_no_known_site_gets_the_snippet_without_settings(world: World) -> None:
    answer = world.client.get("/w.js", headers={"Referer": "https://elsewhere.example/"})
    assert answer.status_code == 200
    assert "example.org" not in answer.get_data(as_text=True)
    assert world.client.get("/w.js?site=elsewhere.example").status_code == 400
    assert world.client.get("/api/settings/elsewhere.example").status_code == 400


def test_scripts_are_cached_and_asked_for_again_cheaply(world: World) -> None:
    first = world.client.get("/w.js?site=example.org")
    assert first.headers["Cache-Control"] == "public, max-age=300"
    again = world.client.get("/w.js?site=example.org", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.get_data()) == (304, b"")
    banner = world.client.get(world.client.get("/api/settings/example.org").get_json()["banner"])
    assert "immutable" in banner.headers["Cache-Control"]
    assert banner.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    banner.close()


def test_what_any_page_may_read_sets_no_cookie_and_takes_no_credentials(world: World) -> None:
    for path in COOKIELESS:
        answer = world.client.get(path, headers={"Origin": "https://example.org", "Cookie": "webmon_session=x"})
        assert answer.status_code == 200
        assert "Set-Cookie" not in answer.headers
        assert "Access-Control-Allow-Credentials" not in answer.headers
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_a_name_of_a_site_cannot_break_out_of_the_script(world: World) -> None:
    answer = world.client.get("/w.js?site=</script><script>alert(1)</script>")
    assert answer.status_code == 400
    assert "<script>alert" not in answer.get_data(as_text=True)


def test_the_snippet_keeps_nothing_before_an_answer_by_its_own_source() -> None:
    from webmon.app import ROOT

    text = (ROOT / "static" / "dist" / "w.js").read_text("utf-8")
    assert re.search(r"localStorage|sessionStorage|indexedDB", text) is None
    assert text.count(PLACEHOLDER) == 1
