"""What a website's page loads: the snippet, its settings, the notices."""

from __future__ import annotations

import gzip
import json
import re
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.world import GRANTED, World
from webmon.app import ROOT
from webmon.domain.notice import default_body
from webmon.domain.site import Mode
from webmon.web.embed import EAGER, NOTICE, PARTS, PLACEHOLDER

DIST = ROOT / "static" / "dist"
COOKIELESS = (
    "/w.js?site=example.org",
    "/api/settings/example.org",
    "/api/notice?site=example.org",
    "/banner.js?site=example.org",
    "/.well-known/gpc.json",
    "/healthz",
    "/webmon.d.ts",
)


def test_the_snippet_carries_the_settings_of_the_site_that_asks(world: World) -> None:
    named = world.client.get("/w.js?site=example.org")
    told = world.client.get("/w.js", headers={"Referer": "https://www.example.org/some/page"})
    settings = world.client.get("/api/settings/example.org").get_json()
    for answer in (named, told):
        text = answer.get_data(as_text=True)
        assert json.dumps(settings, separators=(",", ":")) in text
        assert PLACEHOLDER not in text
        assert answer.content_type == "text/javascript; charset=utf-8"
    assert "notices" not in settings, "w.js does not carry one for each language"


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
    settings = world.client.get("/api/settings/example.org").get_json()
    for name, how_long in (("banner", "public, max-age=300"), ("more", "public, max-age=31536000, immutable")):
        part = world.client.get(settings[name])
        assert part.headers["Cache-Control"] == how_long
        assert part.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
        part.close()


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
    text = (DIST / "w.js").read_text("utf-8")
    assert re.search(r"localStorage|sessionStorage|indexedDB", text) is None
    assert text.count(PLACEHOLDER) == 1


def size(name: str) -> int:
    """Bytes of a built file as a page loads it, without settings."""
    (path,) = DIST.glob(name)
    return len(gzip.compress(path.read_text("utf-8").replace(PLACEHOLDER, "null").encode(), 9))


def test_what_a_page_loads_is_small() -> None:
    assert size("w.js") <= 1600
    assert size("w.js") + size("more.*.js") <= 2400


def test_every_file_that_the_snippet_may_load_is_there_for_any_website(world: World) -> None:
    settings = world.client.get("/api/settings/example.org").get_json()
    unknown = world.client.get("/w.js", headers={"Referer": "https://elsewhere.example/"}).get_data(as_text=True)
    for name in PARTS:
        answer = world.client.get(settings[name])
        assert answer.status_code == 200
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        answer.close()
        (built,) = DIST.glob(f"{name}.*.js")
        assert f"/static/dist/{built.name}" in unknown
        same = world.client.get(f"/static/dist/{built.name}")
        assert "immutable" in same.headers["Cache-Control"]
        same.close()


def test_the_banner_comes_with_the_notice_that_it_shows(world: World) -> None:
    settings = world.client.get("/api/settings/example.org").get_json()
    for language, shown in (("de-CH, de;q=0.9", "de"), ("xx", "en")):
        answer = world.client.get(settings["banner"], headers={"Accept-Language": language})
        notice = world.client.get("/api/notice?site=example.org", headers={"Accept-Language": language})
        hint, first, code = answer.get_data(as_text=True).split("\n", 2)
        assert hint == EAGER
        assert json.loads(first.removeprefix(f"const {NOTICE}=").removesuffix(";")) == notice.get_json()
        assert code == next(DIST.glob("banner.*.js")).read_text("utf-8")
        assert answer.headers["Content-Language"] == shown
        assert answer.headers["Vary"] == "Accept-Language"


def test_a_text_of_a_notice_cannot_break_out_of_the_banner(world: World) -> None:
    body = default_body("example.org", "en")
    body["texts"] |= {"title": "</script><script>alert(1)</script>\u2028"}
    world.runtime.notices.publish(world.site, body, world.clock.now(), actor="test")
    text = world.client.get("/banner.js?site=example.org").get_data(as_text=True)
    assert "alert(1)" in text
    assert "</script>" not in text
    assert "\u2028" not in text
    assert world.client.get("/banner.js?site=elsewhere.example").status_code == 400


def test_the_types_of_the_snippet_are_served(world: World) -> None:
    answer = world.client.get("/webmon.d.ts")
    assert answer.content_type == "text/plain; charset=utf-8"
    assert answer.get_data(as_text=True) == (ROOT / "static" / "types" / "webmon.d.ts").read_text("utf-8")


@pytest.mark.parametrize(
    ("mode", "early", "ask"),
    [
        (Mode.CONSENTED_ONLY, False, True),
        (Mode.COOKIELESS_UNTIL_CONSENT, True, True),
        (Mode.COOKIELESS_ALWAYS, True, False),
    ],
)
def test_the_settings_say_what_may_be_sent_and_asked(tmp_path: Path, mode: Mode, early: bool, ask: bool) -> None:
    world = World(tmp_path / "data", mode)
    settings = world.client.get("/api/settings/example.org").get_json()
    assert (settings["early"], settings["ask"], settings["signals"]) == (early, ask, ["globalPrivacyControl"])
    world.close()


def test_do_not_track_is_an_objection_where_the_site_says_so_and_consent_outweighs_it(tmp_path: Path) -> None:
    world = World(tmp_path / "data", Mode.COOKIELESS_UNTIL_CONSENT)
    receipt = world.consent(GRANTED).get_json()["consent_receipt_id"]
    agreed = {"visitor": "v" * 22, "visit": "w" * 22, "consent": receipt}

    def dropped(value: str, **fields: str) -> str | None:
        event = {"name": "pageview", "url": "https://example.org/", "domain": "example.org"}
        return world.post("/api/event", event | fields, DNT=value).headers.get("x-webmon-drop-reason")

    assert dropped("1") is None
    world.runtime.sites.change(
        world.site,
        world.clock.now(),
        actor="test",
        timezone="UTC",
        mode=Mode.COOKIELESS_UNTIL_CONSENT,
        minimum_group_count=1,
        honour_dnt=True,
    )
    world.move(seconds=3)
    assert [dropped(value) for value in ("1", "0", "", "null")] == ["dnt", None, None, None]
    assert dropped("1", **agreed) is None
    settings = world.client.get("/api/settings/example.org").get_json()
    assert settings["signals"] == ["globalPrivacyControl", "doNotTrack"]
    world.close()


def test_the_settings_have_another_version_once_what_is_in_force_or_the_cookies_domain_is_another(
    world: World,
) -> None:
    def told() -> tuple[str, str]:
        world.move(seconds=3)
        settings = world.client.get("/api/settings/example.org").get_json()
        return settings["version"], settings["cookie"]

    first = told()
    assert first == told()
    assert re.fullmatch("[0-9a-f]{8}", first[0])
    assert first[1] == ";path=/;samesite=lax"
    now, notices = world.clock.now(), world.runtime.notices
    body = notices.in_force(world.site, "de", now).body
    body["texts"]["title"] = "Dürfen wir?"
    notices.publish(world.site, body, now, actor="test", at=now + timedelta(seconds=60))
    assert told() == first, "what is scheduled is not in force"
    world.move(seconds=60)
    second = told()
    assert second[0] != first[0]
    world.runtime.sites.adjust(world.site, now, actor="test", share_subdomains=True)
    third = told()
    assert third[0] not in {first[0], second[0]}
    assert third[1] == ";path=/;samesite=lax;domain=example.org"


@pytest.mark.parametrize(
    ("domain", "shared"),
    [
        ("example.org", "example.org"),
        ("www.example.org", "example.org"),
        ("shop.example.org:8443", "shop.example.org"),
        ("localhost:8001", ""),
        ("localhost", ""),
        ("192.0.2.7", ""),
    ],
)
def test_the_domain_of_the_cookies_is_the_site_s(world: World, domain: str, shared: str) -> None:
    site = world.site if domain == "example.org" else world.runtime.add_site(domain, actor="test")
    assert site.cookie_domain == ""
    changed = world.runtime.sites.adjust(site, world.clock.now(), actor="test", share_subdomains=True)
    assert changed.cookie_domain == shared
    entry = world.runtime.audit.newest()[0]
    assert (entry.action, dict(entry.detail)) == ("site.change", {"share_subdomains": True})
