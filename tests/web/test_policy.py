"""Policies: what is told to a page, what is kept with a record, and what no policy allows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from werkzeug.test import Client, TestResponse

from tests.support.world import ADDRESS, GRANTED, NOW, REFUSED, World, csrf, problem
from webmon.app import create_wsgi
from webmon.clock import FixedClock
from webmon.domain.jurisdiction import Jurisdiction, Model
from webmon.domain.site import Mode
from webmon.runtime import Runtime
from webmon.settings import Settings

CITIES = Path(__file__).resolve().parents[1] / "data" / "GeoIP2-City-Test.mmdb"
CALIFORNIA, WASHINGTON, USA = "214.78.120.5", "216.160.83.57", "149.101.100.1"
SWEDEN, BRITAIN, JAPAN, NOWHERE = "89.160.20.113", "81.2.69.161", "2001:218::1", "192.0.2.1"
PAGE = "/privacy/example.org"


def made(folder: Path, jurisdiction: str = Jurisdiction.BY_PLACE, mode: str = Mode.CONSENTED_ONLY) -> World:
    world = World(folder, mode, city_file=CITIES, trusted_proxies=[f"{ADDRESS}/32"])
    now = world.clock.now()
    world.site = world.runtime.sites.adjust(world.site, now, actor="test", jurisdiction=jurisdiction)
    return world


@pytest.fixture
def placed(tmp_path: Path) -> Iterator[World]:
    world = made(tmp_path / "data")
    yield world
    world.close()


def policy(world: World, address: str = NOWHERE, query: str = "", **headers: str) -> TestResponse:
    given = {"X-Forwarded-For": address} | {name.replace("_", "-"): value for name, value in headers.items()}
    return world.client.get(
        f"/api/policy?site=example.org{query}", headers=given, environ_base={"REMOTE_ADDR": ADDRESS}
    )


def consent(world: World, address: str, **fields: Any) -> TestResponse:
    notice = world.runtime.notices.current(world.site, world.clock.now())["en"]
    known = {
        "site": "example.org",
        "notice": notice,
        "decisions": GRANTED,
        "action": "accept_all",
        "ui_source": "banner",
        "language": "en",
    }
    return world.post("/api/consent", known | fields, X_Forwarded_For=address)


def bodies(world: World) -> list[dict[str, Any]]:
    with world.runtime.database.session() as session:
        return [json.loads(row[0]) for row in session.execute(text("select body from consent order by seq"))]


def counts(world: World) -> dict[str, int]:
    world.runtime.consent_counts.flush()
    with world.runtime.database.session() as session:
        rows = session.execute(text("select action, sum(answer_count) from consent_count group by action"))
        return {row[0]: row[1] for row in rows}


@pytest.mark.parametrize(
    ("address", "model", "pack", "code", "chosen_by"),
    [
        (CALIFORNIA, "opt_out", "us_states", "US-CA", "place"),
        (WASHINGTON, "opt_in", "opt_in", "US-WA", "default"),
        (USA, "opt_in", "opt_in", "US", "default"),
        (SWEDEN, "opt_in", "eu_eea", "SE", "place"),
        (BRITAIN, "opt_in", "uk", "GB", "place"),
        (JAPAN, "opt_in", "opt_in", "JP", "default"),
        (NOWHERE, "opt_in", "opt_in", "", "default"),
        ("no address", "opt_in", "opt_in", "", "default"),
    ],
)
def test_the_address_decides_in_memory_and_any_page_may_ask(
    placed: World, address: str, model: str, pack: str, code: str, chosen_by: str
) -> None:
    answer = policy(placed, address)
    said = answer.get_json()
    assert (said["model"], said["pack"], said["code"], said["chosen_by"]) == (model, pack, code, chosen_by)
    assert said["ask"] is (model == "opt_in")
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Set-Cookie" not in answer.headers
    assert placed.found_in_files(address.encode(), b"Set-Cookie") == []


def test_who_is_no_trusted_proxy_cannot_choose_a_place(tmp_path: Path) -> None:
    world = World(tmp_path / "data", city_file=CITIES)
    world.runtime.sites.adjust(world.site, world.clock.now(), actor="test", jurisdiction=Jurisdiction.BY_PLACE)
    assert policy(world, CALIFORNIA).get_json()["code"] == ""
    world.close()


def test_a_new_site_asks_everybody_for_consent_wherever_they_are(tmp_path: Path) -> None:
    world = World(tmp_path / "data", city_file=CITIES, trusted_proxies=[f"{ADDRESS}/32"])
    said = policy(world, CALIFORNIA).get_json()
    assert (said["model"], said["code"], said["chosen_by"], said["ask"]) == ("opt_in", "", "site", True)
    assert world.client.get("/api/settings/example.org").get_json()["model"] == "opt_in"
    world.close()


def test_a_preview_shows_another_place_and_is_said_to_be_one(placed: World) -> None:
    said = policy(placed, SWEDEN, "&preview=us-ca").get_json()
    assert (said["model"], said["code"], said["chosen_by"], said["preview"]) == (
        "opt_out",
        "US-CA",
        "preview",
        "US-CA",
    )
    assert said["reasons"] == ["place_in_pack", "preview"]
    assert said["texts"] == {"note": "optout_note", "control": "do_not_sell"}


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/api/policy", "site"),
        ("/api/policy?site=unknown.example", "site"),
        ("/api/policy?site=<script>", "site"),
        ("/api/policy?site=example.org&preview=Germany", "preview"),
        ("/api/policy?site=example.org&preview=%00", "preview"),
    ],
)
def test_a_question_that_cannot_be_answered_names_the_field(placed: World, path: str, field: str) -> None:
    answer = placed.client.get(path)
    assert answer.status_code == 400
    assert list(problem(answer)) == [field]
    assert "<script>" not in answer.headers["Content-Type"]


def test_every_text_that_is_named_is_one_of_the_notice_s(placed: World) -> None:
    notice = placed.runtime.notices.in_language(placed.site, ["en"], placed.clock.now()).body
    for jurisdiction in (one for one in Jurisdiction if one is not Jurisdiction.EXEMPT):
        placed.site = placed.runtime.sites.adjust(
            placed.site, placed.clock.now(), actor="test", jurisdiction=jurisdiction
        )
        assert set(policy(placed).get_json()["texts"].values()) <= notice["texts"].keys()


def test_signals_are_heard_and_can_be_overridden(placed: World) -> None:
    said = policy(placed, CALIFORNIA, Sec_GPC="1", DNT="1").get_json()
    assert (said["gpc"], said["dnt"], said["overridable"]) == ("honoured", "not_honoured", True)
    assert "gpc" in said["reasons"]
    assert policy(placed, CALIFORNIA, Sec_GPC="0").get_json()["gpc"] == "not_sent"
    assert consent(placed, CALIFORNIA).status_code == 201, "an explicit choice outweighs the signal"


def test_do_not_track_is_heard_where_the_site_honours_it(placed: World) -> None:
    site = placed.site
    placed.runtime.sites.change(
        site,
        placed.clock.now(),
        actor="test",
        timezone="UTC",
        mode=site.mode,
        minimum_group_count=1,
        honour_dnt=True,
    )
    assert placed.runtime.sites.get("example.org").jurisdiction is Jurisdiction.BY_PLACE, "it keeps its policy"
    assert policy(placed, DNT="1").get_json()["dnt"] == "honoured"
    assert policy(placed).get_json()["dnt"] == "not_sent"


def test_the_decision_and_its_reasons_are_kept_with_the_record_and_on_the_receipt(placed: World) -> None:
    receipt = consent(placed, CALIFORNIA).get_json()
    (body,) = bodies(placed)
    expected = {
        "model": "opt_out",
        "pack": "us_states",
        "code": "US-CA",
        "chosen_by": "place",
        "reasons": ["place_in_pack"],
    }
    assert body["jurisdiction"] == receipt["jurisdiction"] == expected
    browser = placed.browser()
    browser.post(f"{PAGE}/open", data={"consent": receipt["consent_receipt_id"]})
    page = browser.get(f"{PAGE}/receipts/{receipt['consent_receipt_id']}").get_data(as_text=True)
    assert "us_states" in page
    assert "place_in_pack" in page
    assert placed.found_in_files(CALIFORNIA.encode()) == []


def test_the_chain_covers_the_decision(placed: World) -> None:
    for _ in range(3):
        consent(placed, SWEDEN)
    assert placed.runtime.consents.verify(placed.site).holds
    with placed.runtime.database.engine.begin() as connection:
        connection.exec_driver_sql("update consent set body = replace(body, 'eu_eea', 'opt_in') where seq = 2")
    verdict = placed.runtime.consents.verify(placed.site)
    assert (verdict.holds, verdict.broken_seq) == (False, 2)


def test_a_record_of_before_there_were_policies_still_has_its_receipt(placed: World) -> None:
    receipt = consent(placed, SWEDEN).get_json()["consent_receipt_id"]
    with placed.runtime.database.engine.begin() as connection:
        (found,) = connection.exec_driver_sql("select body from consent").one()
        old = json.loads(found)
        del old["jurisdiction"]
        connection.exec_driver_sql("update consent set body = ?", (json.dumps(old),))
    assert placed.runtime.consents.receipt(placed.site, receipt)["jurisdiction"] is None
    browser = placed.browser()
    browser.post(f"{PAGE}/open", data={"consent": receipt})
    assert browser.get(f"{PAGE}/receipts/{receipt}").status_code == 200


@pytest.mark.parametrize(
    ("address", "preview", "model", "marked"),
    [
        (SWEDEN, "US-CA", "opt_in", "preview_not_laxer"),
        (CALIFORNIA, "DE", "opt_in", "preview"),
        (NOWHERE, "US-CA", "opt_in", "preview_not_laxer"),
    ],
)
def test_a_preview_in_an_answer_is_marked_and_makes_nothing_laxer(
    placed: World, address: str, preview: str, model: str, marked: str
) -> None:
    kept = consent(placed, address, preview=preview).get_json()["jurisdiction"]
    assert kept["model"] == model
    assert marked in kept["reasons"]
    assert "preview" in kept["reasons"]


def test_a_policy_that_is_claimed_by_the_page_is_not_believed(placed: World) -> None:
    claimed = {"jurisdiction": {"model": "notice_only"}, "model": "notice_only", "policy": "notice_only"}
    assert consent(placed, SWEDEN, **claimed).get_json()["jurisdiction"]["model"] == "opt_in"
    bad = consent(placed, SWEDEN, preview="Sweden")
    assert (bad.status_code, list(problem(bad))) == (400, ["preview"])
    assert len(bodies(placed)) == 1


def test_an_opt_out_is_a_refusal_and_the_same_for_everybody(placed: World) -> None:
    answers = [consent(placed, where, decisions=REFUSED, action="opt_out") for where in (CALIFORNIA, SWEDEN)]
    assert [(one.status_code, one.get_json()) for one in answers] == [(200, {"counted": True})] * 2
    assert all("Set-Cookie" not in one.headers for one in answers)
    assert bodies(placed) == []
    assert counts(placed) == {"opt_out": 2}
    wrong = consent(placed, CALIFORNIA, action="opt_out")
    assert (wrong.status_code, list(problem(wrong))) == (400, ["decisions"])


def test_an_opt_out_ends_what_was_granted(placed: World) -> None:
    visitor = placed.visitor()
    answer = consent(placed, CALIFORNIA, decisions=REFUSED, action="opt_out", previous=visitor.receipt)
    assert (answer.status_code, answer.get_json()["action"]) == (201, "opt_out")
    assert visitor.sees("/").headers["x-webmon-drop-reason"] == "no_consent"


def test_a_signal_is_counted_as_one_and_never_takes_the_place_of_a_choice(placed: World) -> None:
    assert consent(placed, CALIFORNIA, decisions=REFUSED, action="gpc").get_json() == {"counted": True}
    assert counts(placed) == {"gpc": 1}
    visitor = placed.visitor()
    answer = consent(placed, CALIFORNIA, decisions=REFUSED, action="gpc", previous=visitor.receipt)
    assert (answer.status_code, list(problem(answer))) == (400, ["previous"])
    assert "x-webmon-dropped" not in visitor.sees("/still").headers
    assert [body["action"] for body in bodies(placed)] == ["accept_all"]


@pytest.mark.parametrize("mode", Mode)
def test_without_a_choice_no_policy_lets_a_hit_with_an_identifier_in(tmp_path: Path, mode: Mode) -> None:
    world = made(tmp_path / "data", mode=mode)
    named = {"visitor": "v" * 22, "visit": "w" * 22, "consent": "drawn-by-the-browser-1"}
    seen = set()
    for jurisdiction in Jurisdiction:
        if jurisdiction is Jurisdiction.EXEMPT and mode is Mode.CONSENTED_ONLY:
            continue
        world.site = world.runtime.sites.adjust(
            world.site, world.clock.now(), actor="test", jurisdiction=jurisdiction
        )
        world.move(seconds=5)
        for address in (CALIFORNIA, SWEDEN, JAPAN):
            seen.add(policy(world, address).get_json()["model"])
            hit = {"name": "pageview", "url": "https://example.org/", "domain": "example.org"}
            with_number = world.post("/api/event", hit | named, X_Forwarded_For=address)
            assert with_number.headers["x-webmon-drop-reason"] == "no_consent"
            without = world.post("/api/event", hit, X_Forwarded_For=address)
            allowed = mode is not Mode.CONSENTED_ONLY
            assert without.headers.get("x-webmon-drop-reason") == (None if allowed else "no_consent")
            objected = world.post("/api/event", hit, X_Forwarded_For=address, Sec_GPC="1")
            assert objected.headers["x-webmon-drop-reason"] == ("gpc" if allowed else "no_consent")
    world.settle()
    assert seen == set(Model) - ({Model.EXEMPT} if mode is Mode.CONSENTED_ONLY else set())
    assert {row.basis for row in world.rows()} <= {"exempt"}
    world.close()


def test_the_settings_say_the_model_or_that_it_must_be_asked_for(placed: World) -> None:
    def settings(jurisdiction: str) -> tuple[Any, Any]:
        placed.site = placed.runtime.sites.adjust(
            placed.site, placed.clock.now(), actor="test", jurisdiction=jurisdiction
        )
        found = placed.client.get("/api/settings/example.org").get_json()
        return found["model"], found["ask"]

    assert settings("by_place") == (None, True)
    assert settings("everywhere_opt_in") == ("opt_in", True)
    # Nobody is asked there; still something is shown on arrival.
    assert settings("opt_out") == ("opt_out", True)
    assert settings("notice_only") == ("notice_only", True)


@pytest.mark.parametrize(
    ("mode", "note"), [(Mode.COOKIELESS_UNTIL_CONSENT, "counting_note"), (Mode.CONSENTED_ONLY, "body")]
)
def test_who_is_not_asked_is_told_that_visits_are_counted_where_they_are(
    tmp_path: Path, mode: Mode, note: str
) -> None:
    world = made(tmp_path / "data", Jurisdiction.NOTICE_ONLY, mode)
    assert policy(world, SWEDEN).get_json()["texts"] == {"note": note, "control": "reopen"}
    world.close()


def test_the_support_of_the_signal_is_stated_with_the_day_since_when(world: World) -> None:
    answer = world.client.get("/.well-known/gpc.json")
    assert answer.content_type == "application/json"
    assert answer.get_json() == {"gpc": True, "lastUpdate": world.site.created_at.date().isoformat()}
    world.move(days=400)
    world.runtime.add_site("later.example", actor="test")
    assert world.client.get("/.well-known/gpc.json").get_json() == answer.get_json()


def test_where_there_is_no_site_yet_no_day_is_stated(tmp_path: Path) -> None:
    runtime = Runtime(Settings(data_dir=tmp_path / "data"), FixedClock(NOW))
    assert Client(create_wsgi(runtime)).get("/.well-known/gpc.json").get_json() == {"gpc": True}
    runtime.close()


# The visitor's page


def page_of(world: World, address: str, query: str = "", **headers: str) -> TestResponse:
    given = {"X-Forwarded-For": address} | {name.replace("_", "-"): value for name, value in headers.items()}
    return world.browser().get(f"{PAGE}{query}", headers=given, environ_base={"REMOTE_ADDR": ADDRESS})


def test_the_page_offers_the_opt_out_where_that_is_the_law_and_only_there(placed: World) -> None:
    heading = "Do not sell or share my personal information"
    assert heading in page_of(placed, CALIFORNIA).get_data(as_text=True)
    assert heading not in page_of(placed, SWEDEN).get_data(as_text=True)
    assert heading in page_of(placed, SWEDEN, "?preview=US-CA").get_data(as_text=True)
    assert page_of(placed, SWEDEN, "?preview=<b>").status_code == 400
    assert 'data-webmon="gpc"' in page_of(placed, CALIFORNIA, Sec_GPC="1").get_data(as_text=True)
    assert 'data-webmon="gpc"' not in page_of(placed, CALIFORNIA).get_data(as_text=True)


def test_a_notice_of_before_there_were_policies_has_the_words_all_the_same(placed: World) -> None:
    with placed.runtime.database.engine.begin() as connection:
        connection.exec_driver_sql(
            "update notice set body = replace(body, '\"do_not_sell\":', '\"unheard_of\":') where language = 'en'"
        )
    assert "<h2>Do not sell or share" in page_of(placed, CALIFORNIA).get_data(as_text=True)


def opts_out(world: World, browser: Any) -> TestResponse:
    given = {"headers": {"X-Forwarded-For": CALIFORNIA}, "environ_base": {"REMOTE_ADDR": ADDRESS}}
    page = browser.get(PAGE, **given)
    sent = {"form_token": csrf(page, "form_token"), "notice": csrf(page, "notice")}
    answer: TestResponse = browser.post(f"{PAGE}/opt-out", data=sent, **given)
    assert answer.status_code == 303
    return answer


def test_an_opt_out_on_the_page_ends_the_consent_that_it_knows(placed: World) -> None:
    visitor = placed.visitor()
    browser = placed.browser()
    browser.post(f"{PAGE}/open", data={"visitor": visitor.visitor, "consent": visitor.receipt})
    answer = opts_out(placed, browser)
    assert "You have opted out" in browser.get(answer.headers["Location"]).get_data(as_text=True)
    assert visitor.sees("/").headers["x-webmon-drop-reason"] == "no_consent"
    assert bodies(placed)[-1]["jurisdiction"]["code"] == "US-CA"
    assert placed.runtime.consents.verify(placed.site).holds


def test_an_opt_out_of_somebody_unknown_is_counted_and_leaves_nothing(placed: World) -> None:
    browser = placed.browser()
    answer = opts_out(placed, browser)
    assert "Set-Cookie" not in answer.headers
    assert "does not know of it" in browser.get(answer.headers["Location"]).get_data(as_text=True)
    assert (bodies(placed), counts(placed)) == ([], {"opt_out": 1})


def test_an_opt_out_from_elsewhere_changes_nothing(placed: World) -> None:
    token = csrf(placed.browser().get(f"{PAGE}?preview=US-CA"), "form_token")
    for sent, headers in (({}, {}), ({"form_token": token}, {"Origin": "https://evil.example"})):
        assert placed.browser().post(f"{PAGE}/opt-out", data=sent, headers=headers).status_code == 400
    assert counts(placed) == {}


@pytest.mark.parametrize("mode", Mode)
def test_the_page_leads_to_the_objection_where_visits_are_counted_without_consent(tmp_path: Path, mode: Mode) -> None:
    world = made(tmp_path / "data", mode=mode)
    page = page_of(world, SWEDEN).get_data(as_text=True)
    assert ('href="https://example.org/#webmon-ignore"' in page) is (mode is not Mode.CONSENTED_ONLY)
    assert "<script" not in page
    world.close()


# A form of the website's own


def answers(world: World, **fields: str) -> TestResponse:
    headers = {"X-Forwarded-For": SWEDEN, "Sec-Fetch-Site": "cross-site", "Origin": "https://example.org"}
    return world.browser().post(f"{PAGE}/answer", data=fields, headers=headers, environ_base={"REMOTE_ADDR": ADDRESS})


def shown(world: World) -> str:
    return world.runtime.notices.current(world.site, world.clock.now())["en"]


@pytest.mark.parametrize(
    ("fields", "decisions"),
    [
        ({"action": "accept_all"}, GRANTED),
        ({"action": "custom", "purpose-analytics": "y"}, REFUSED | {"analytics": True}),
    ],
)
def test_a_form_of_the_website_records_what_the_banner_would(
    placed: World, fields: dict[str, str], decisions: dict[str, bool]
) -> None:
    answer = answers(placed, notice=shown(placed), language="en", **{"return": "/thanks"}, **fields)
    assert (answer.status_code, answer.headers["Location"]) == (303, "https://example.org/thanks")
    (body,) = bodies(placed)
    assert (body["decisions"], body["ui_source"], body["language"]) == (decisions, "form", "en")
    assert body["jurisdiction"]["pack"] == "eu_eea"


@pytest.mark.parametrize("action", ["reject_all", "opt_out", "custom", "withdraw"])
def test_a_refusal_by_form_is_counted_and_leaves_nothing_in_the_browser(placed: World, action: str) -> None:
    answer = answers(placed, action=action, **{"return": "https://www.example.org/thanks"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "https://www.example.org/thanks")
    assert "Set-Cookie" not in answer.headers
    assert (bodies(placed), counts(placed)) == ([], {action: 1})


def test_without_a_page_to_go_back_to_the_visitor_sees_their_receipt_and_can_withdraw(placed: World) -> None:
    browser = placed.browser()
    answer = browser.post(f"{PAGE}/answer", data={"action": "accept_all", "notice": shown(placed)})
    assert answer.headers["Location"] == f"{PAGE}?said=saved"
    page = browser.get(answer.headers["Location"]).get_data(as_text=True)
    receipt = bodies(placed)[0]["receipt_id"]
    assert receipt in page
    assert 'data-webmon="withdraw"' in page
    again = answers(placed, action="withdraw", consent=receipt)
    assert again.headers["Location"] == f"{PAGE}?said=withdrawn"
    assert [body["action"] for body in bodies(placed)] == ["accept_all", "withdraw"]


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"action": "accept_all", "return": "https://evil.example/"}, 400),
        ({"action": "accept_all", "return": "//evil.example/"}, 400),
        ({"action": "accept_all", "return": "https://example.org@evil.example/"}, 400),
        ({"action": "accept_all", "return": "javascript:alert(1)"}, 400),
        ({"action": "gpc"}, 400),
        ({"action": "perhaps"}, 400),
        ({}, 400),
        ({"action": "custom", "purpose-unheard_of": "y"}, 400),
        ({"action": "reject_all", "purpose-analytics": "y"}, 400),
        ({"action": "withdraw", "consent": "00000000-0000-0000-0000-000000000000"}, 404),
        ({"action": "accept_all", "notice": "sha256-" + "0" * 64}, 400),
        ({"action": "accept_all", "notice": "<script>alert(1)</script>"}, 400),
    ],
)
def test_a_form_that_cannot_be_is_refused_and_leads_nowhere(
    placed: World, fields: dict[str, str], status: int
) -> None:
    answer = answers(placed, **({"notice": shown(placed)} | fields))
    assert answer.status_code == status
    assert "Location" not in answer.headers
    assert "<script>alert" not in answer.get_data(as_text=True)
    assert (bodies(placed), counts(placed)) == ([], {})


def test_a_consent_by_form_says_which_words_were_shown(placed: World) -> None:
    for fields in ({"action": "accept_all"}, {"action": "custom", "purpose-analytics": "y"}):
        answer = answers(placed, **fields)
        assert answer.status_code == 400
        assert "notice is required" in answer.get_data(as_text=True)
    other = placed.runtime.add_site("other.example", actor="test")
    foreign = placed.runtime.notices.current(other, placed.clock.now())["en"]
    assert answers(placed, action="accept_all", notice=foreign).status_code == 400
    assert bodies(placed) == []


def test_a_form_of_a_site_that_is_not_there(placed: World) -> None:
    assert placed.client.post("/privacy/unknown.example/answer", data={"action": "reject_all"}).status_code == 404


# How a site chooses


def test_a_change_of_policy_is_on_record(placed: World) -> None:
    entry = placed.runtime.audit.newest()[0]
    assert (entry.action, entry.detail) == ("site.change", {"jurisdiction": "by_place"})


def test_exempt_measurement_needs_a_mode_that_measures_without_identifiers(world: World) -> None:
    owner = world.staff("owner")
    address = "/admin/sites/example.org"
    form = {
        "csrf_token": csrf(owner.get(address)),
        "timezone": "UTC",
        "mode": "consented_only",
        "minimum_group_count": "1",
        "jurisdiction": "exempt",
        "choice_days": "182",
        "promote_days": "0",
    }
    answer = owner.post(address, data=form)
    assert "needs a mode that measures without identifiers" in answer.get_data(as_text=True)
    assert owner.post(address, data=form | {"jurisdiction": "martian"}).status_code == 200
    assert world.runtime.sites.get("example.org").jurisdiction is Jurisdiction.EVERYWHERE_OPT_IN
    assert owner.post(address, data=form | {"mode": "cookieless_always"}).status_code == 302
    assert world.runtime.sites.get("example.org").jurisdiction is Jurisdiction.EXEMPT
    entry = world.runtime.audit.newest()[0]
    assert entry.detail is not None
    assert entry.detail["jurisdiction"] == "exempt"
    assert owner.post(address, data=form | {"mode": "consented_only"}).status_code == 200
    assert world.runtime.sites.get("example.org").mode is Mode.COOKIELESS_ALWAYS
