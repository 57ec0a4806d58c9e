"""What holds for a receipt and what is still to be asked; answers that cross, come late, or are not meant well."""

from __future__ import annotations

import copy
import json
import threading
from typing import Any

import pytest

from tests.support.world import GRANTED, NOW, REFUSED, World, problem


def state(world: World, receipt: str, **more: str) -> dict[str, Any]:
    answer = world.client.get(f"/api/consent/{receipt}", query_string={"site": "example.org"} | more)
    assert answer.status_code == 200, answer.get_data(as_text=True)
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    document: dict[str, Any] = answer.get_json()
    return document


def publish(world: World, language: str = "en", **purpose: Any) -> str:
    """Another notice in force: with one more purpose, or with analytics described otherwise."""
    runtime = world.runtime
    body = copy.deepcopy(runtime.notices.get(runtime.notices.current(world.site, world.clock.now())[language]).body)
    if purpose:
        body["purposes"].append({"name": "N", "description": "D", "required": False} | purpose)
    else:
        next(one for one in body["purposes"] if one["key"] == "analytics")["description"] += " And more."
    return runtime.notices.publish(world.site, body, world.clock.now(), actor="test").hash


def number(answer: Any) -> str:
    return str(answer.get_json()["consent_receipt_id"])


def test_an_answer_in_force_to_the_notice_in_force_leaves_nothing_to_ask(world: World) -> None:
    receipt = number(world.consent(GRANTED | {"marketing": False}))
    notice = world.runtime.notices.current(world.site, world.clock.now())["en"]
    assert state(world, receipt) == {
        "consent_receipt_id": receipt,
        "superseded": False,
        "expired": False,
        "withdrawn": False,
        "validity_until": "2027-05-24T10:30:00+00:00",
        "notice_hash": notice,
        "decisions": {"analytics": True, "functional": True, "marketing": False},
        "notice_in_force": notice,
        "ask": [],
    }


def test_only_what_is_new_is_asked_for(world: World) -> None:
    receipt = number(world.consent())
    added = publish(world, key="research")
    told = state(world, receipt)
    assert (told["notice_in_force"], told["ask"]) == (added, [{"purpose": "research", "why": "new"}])
    publish(world)
    assert state(world, receipt)["ask"] == [
        {"purpose": "analytics", "why": "text"},
        {"purpose": "research", "why": "new"},
    ]
    # In German nothing but the wording is another.
    german = world.runtime.notices.current(world.site, world.clock.now())["de"]
    told = state(world, receipt, language="de")
    assert (told["notice_in_force"], told["ask"]) == (german, [])


def test_what_has_expired_grants_nothing_and_is_asked_for_anew(world: World) -> None:
    receipt = number(world.consent())
    world.move(days=183)
    told = state(world, receipt)
    assert told["expired"] is True
    assert told["decisions"] == REFUSED
    assert told["ask"] == [{"purpose": key, "why": "expired"} for key in sorted(GRANTED)]


def test_an_older_receipt_leads_to_what_was_decided_last(world: World) -> None:
    first = number(world.consent())
    second = number(world.consent(REFUSED, action="withdraw", previous=first))
    told = state(world, first)
    assert (told["superseded"], told["withdrawn"], told["consent_receipt_id"]) == (True, True, second)
    assert told["decisions"] == REFUSED
    assert state(world, second)["superseded"] is False


@pytest.mark.parametrize(
    ("path", "query", "status"),
    [
        ("00000000-0000-0000-0000-000000000000", {"site": "example.org"}, 404),
        ("x" * 5000, {"site": "example.org"}, 404),
        ("%00", {"site": "example.org"}, 404),
        ("any", {}, 400),
        ("any", {"site": "unknown.example"}, 400),
        ("any", {"site": "<script>alert(1)</script>"}, 400),
    ],
)
def test_what_there_is_no_receipt_of_is_said_so(world: World, path: str, query: dict[str, str], status: int) -> None:
    answer = world.client.get(f"/api/consent/{path}", query_string=query)
    assert answer.status_code == status
    problem(answer)


def test_the_receipt_of_one_site_is_none_of_another(world: World) -> None:
    receipt = number(world.consent())
    world.runtime.add_site("other.example", actor="test")
    assert world.client.get(f"/api/consent/{receipt}?site=other.example").status_code == 404


def test_of_two_tabs_that_answer_at_once_the_later_in_the_ledger_is_in_force_for_both(world: World) -> None:
    before = number(world.consent())
    numbers = ["first-tab-of-this-browser", "second-tab-of-this-browse"]
    decisions = [GRANTED, REFUSED]
    actions = ["accept_all", "withdraw"]

    def answer(tab: int) -> None:
        browser = world.browser()
        document = {
            "site": "example.org",
            "notice": world.runtime.notices.current(world.site, world.clock.now())["en"],
            "decisions": decisions[tab],
            "action": actions[tab],
            "ui_source": "banner",
            "language": "en",
            "previous": before,
            "receipt": numbers[tab],
        }
        assert browser.post("/api/consent", data=json.dumps(document)).status_code == 201

    tabs = [threading.Thread(target=answer, args=(tab,)) for tab in (0, 1)]
    for tab in tabs:
        tab.start()
    for tab in tabs:
        tab.join()
    line = world.runtime.consents.line(world.site, before)
    assert len(line) == 3
    assert {one["consent_receipt_id"] for one in line[:2]} == set(numbers)
    winner = line[0]
    assert winner["previous_receipt_id"] == line[1]["consent_receipt_id"]
    for held in [before, *numbers]:
        assert state(world, held)["consent_receipt_id"] == winner["consent_receipt_id"]
        assert state(world, held)["decisions"] == winner["decisions"]
    assert world.runtime.consents.verify(world.site).holds


def test_a_withdrawal_in_another_tab_holds_whichever_receipt_this_one_has_kept(world: World) -> None:
    first = number(world.consent())
    kept = number(world.consent(GRANTED | {"marketing": False}, previous=first))
    world.consent(REFUSED, action="withdraw", previous=first)
    hit = world.event("/", visitor="v" * 22, visit="w" * 22, consent=kept)
    assert hit.headers["x-webmon-drop-reason"] == "no_consent"


def test_an_answer_that_crossed_another_can_be_sent_again(world: World) -> None:
    first = number(world.consent())
    world.consent(GRANTED | {"marketing": False}, previous=first)
    sent = {"decisions": GRANTED | {"functional": False}, "previous": first, "receipt": "drawn-by-the-browser-1"}
    once = world.consent(**sent)
    again = world.consent(**sent)
    assert (once.status_code, again.get_json()) == (201, once.get_json())
    assert len(world.runtime.consents.line(world.site, first)) == 3


def test_an_answer_to_an_older_notice_after_one_to_a_newer_is_the_last_word_on_what_it_showed(world: World) -> None:
    old = world.runtime.notices.current(world.site, world.clock.now())["en"]
    new = publish(world, key="research")
    first = number(world.consent(GRANTED | {"research": True}))
    late = world.consent(GRANTED | {"marketing": False}, notice=old, previous=first)
    assert late.status_code == 201
    assert late.get_json()["notice_hash"] == old
    told = state(world, first)
    assert told["decisions"] == GRANTED | {"marketing": False}
    assert (told["notice_in_force"], told["ask"]) == (new, [{"purpose": "research", "why": "new"}])


def test_no_page_s_clock_sets_a_time(world: World) -> None:
    wrong = {"recorded_at": "1999-01-01T00:00:00Z", "expires_at": "2999-01-01T00:00:00Z", "timestamp": "2999-01-01"}
    receipt = world.consent(**wrong).get_json()
    assert receipt["consent_timestamp"] == NOW.isoformat()
    assert receipt["validity_until"].startswith("2027-05-24")


@pytest.mark.parametrize("days", [-3650, 3650])
def test_a_server_s_clock_that_jumps_by_years_breaks_no_ledger(world: World, days: int) -> None:
    receipt = world.consent().get_json()
    first = receipt["consent_receipt_id"]
    world.move(days=days)
    # By a clock that far back no notice is in force yet; the one that was shown is answered all the same.
    answer = {"site": "example.org", "notice": receipt["notice_hash"], "decisions": REFUSED, "action": "withdraw"}
    second = number(world.post("/api/consent", answer | {"ui_source": "preferences", "previous": first}))
    world.runtime.sign_checkpoints(world.clock.now())
    assert world.runtime.consents.line(world.site, first)[0]["consent_receipt_id"] == second
    assert world.runtime.consents.verify(world.site).checked_count == 2


HOSTILE = [
    "<script>alert(1)</script>",
    "'; drop table consent; --",
    "\x00",
    "../../etc/passwd",
    "\u202eexample.org",
    "x" * 5000,
    "{{7*7}}",
    "",
]


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("field", ["site", "notice", "action", "ui_source", "language", "previous", "receipt"])
def test_a_hostile_text_in_any_field_is_refused_or_is_as_good_as_none(world: World, field: str, text: str) -> None:
    answer = world.consent(**{field: text})
    if text == "" and field in {"language", "previous", "receipt"}:
        assert answer.status_code == 201
        return
    assert answer.status_code in ({404} if field == "previous" else {400})
    problem(answer)
    assert "<script>" not in answer.get_data(as_text=True) or answer.headers["X-Content-Type-Options"] == "nosniff"
    assert world.runtime.consents.verify(world.site).checked_count == 0


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_purpose_is_refused(world: World, text: str) -> None:
    answer = world.consent(GRANTED | {text: True})
    assert list(problem(answer)) == ["decisions"]
    assert answer.status_code == 400


def test_half_a_character_is_refused(world: World) -> None:
    answer = world.post(
        "/api/consent", b'{"site": "\\ud800", "notice": "", "decisions": {}, "action": "", "ui_source": ""}'
    )
    assert answer.status_code == 400
