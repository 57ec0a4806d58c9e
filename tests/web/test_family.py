"""One choice for a family of websites: what a link carries from one to the other, and what is refused."""

from __future__ import annotations

import base64
import copy
import json
from datetime import datetime
from typing import Any

import pytest
from werkzeug.test import TestResponse

from tests.support.world import ADDRESS, GRANTED, NOW, REFUSED, World, problem
from tests.web.test_admin import fields_of
from webmon.domain.site import Site
from webmon.services.collect_hit import Client

OTHER = "other.example"
TODAY = NOW.date().isoformat()
NUMBER = "n" * 22
RESEARCH = {"key": "research", "name": "Research", "description": "Who reads what.", "required": False}


class Family:
    """`example.org` and `other.example`, of one family."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.other = world.runtime.add_site(OTHER, actor="test")
        self.name("example.org", OTHER)
        self.name(OTHER, "example.org")

    def name(self, site: str, *others: str) -> None:
        found = self.world.runtime.sites.get(site)
        self.world.runtime.sites.adjust(found, self.world.clock.now(), actor="test", family=others)
        self.world.move(seconds=3)

    def notice(self, language: str = "en", site: str = OTHER) -> str:
        found = self.world.runtime.sites.get(site)
        return self.world.runtime.notices.current(found, self.world.clock.now())[language]

    def publish(self, **changes: Any) -> str:
        """Another notice of the second site."""
        runtime, now = self.world.runtime, self.world.clock.now()
        body = copy.deepcopy(runtime.notices.in_force(self.other, "en", now).body)
        body["purposes"] += changes.get("more", [])
        body["purposes"] = [one for one in body["purposes"] if one["key"] not in changes.get("less", ())]
        for one in body["purposes"]:
            one["description"] = changes.get(one["key"], one["description"])
        return runtime.notices.publish(self.other, body, now, actor="test").hash

    def leaves(self, receipt: str = "", **fields: Any) -> TestResponse:
        known: dict[str, Any] = {"site": "example.org", "to": OTHER, "decided": TODAY}
        about = {"receipt": receipt} if receipt else {"notice": self.notice(site="example.org"), "decisions": REFUSED}
        return self.world.post("/api/consent/handover", known | about | fields)

    def token(self, receipt: str = "", **fields: Any) -> str:
        answer = self.leaves(receipt, **fields)
        assert answer.status_code == 201, answer.get_data(as_text=True)
        return str(answer.get_json()["token"])

    def arrives(self, token: str, **fields: Any) -> TestResponse:
        return self.world.post("/api/consent/redeem", {"site": OTHER, "token": token, "receipt": NUMBER} | fields)

    def agreed(self, decisions: dict[str, bool] | None = None) -> str:
        """The receipt of somebody who has agreed on the first site."""
        return str(self.world.consent(decisions).get_json()["consent_receipt_id"])

    def decides(self, granted: bool, **fields: Any) -> TestResponse:
        """An answer that is given on the second site itself."""
        said = {"decisions": dict.fromkeys(GRANTED, granted), "action": "accept_all" if granted else "reject_all"}
        return self.world.consent(site=OTHER, notice=self.notice(), **said, **fields)

    def state(self, receipt: str) -> dict[str, Any]:
        found: dict[str, Any] = self.world.client.get(f"/api/consent/{receipt}?site={OTHER}").get_json()
        return found

    def records(self, site: Site | None = None) -> list[dict[str, Any]]:
        with self.world.runtime.consents.unit() as consents:
            return [json.loads(entry.body) for entry in consents.entries((site or self.other).id)]


@pytest.fixture
def family(world: World) -> Family:
    return Family(world)


def content(token: str) -> dict[str, Any]:
    part = token.split(".", maxsplit=1)[0]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return found


# What comes along


def test_a_consent_comes_along_and_is_on_record_on_the_second_site_for_itself(family: Family) -> None:
    first = family.agreed(GRANTED | {"marketing": False})
    answer = family.arrives(family.token(first))
    assert answer.status_code == 201
    told = answer.get_json()
    decisions = GRANTED | {"marketing": False}
    assert (told["decisions"], told["ask"], told["decided"]) == (decisions, [], TODAY)
    assert (told["consent_receipt_id"], told["notice_hash"]) == (NUMBER, family.notice())
    assert told["receipt"]["collection_method"] == "family"
    assert family.state(NUMBER)["ask"] == []
    (record,) = family.records()
    assert (record["action"], record["ui_source"], record["previous"]) == ("custom", "family", "")
    assert family.world.runtime.consents.verify(family.other).holds
    grant = family.world.runtime.consents.grant(family.other.id, NUMBER, family.world.clock.now())
    assert grant is not None


def test_nothing_that_joins_the_two_goes_along(family: Family) -> None:
    first = family.agreed()
    token = family.token(first)
    carried = content(token)
    assert carried.keys() == {
        "id", "source", "target", "notice", "decisions", "decided_on", "until_on", "ends_at"
    }  # fmt: skip
    told = json.dumps(carried) + family.arrives(token).get_data(as_text=True)
    assert first not in told
    (before,), (after,) = family.records(family.world.site), family.records()
    assert first not in json.dumps(after)
    assert datetime.fromisoformat(after["expires_at"]).time() == datetime.min.time()
    assert before["expires_at"] != after["expires_at"]
    assert content(family.token(first))["id"] != carried["id"]
    family.world.runtime.database.scrub()
    assert family.world.found_in_files(carried["id"].encode(), token.encode()) == []


def test_a_refusal_comes_along_and_is_counted_alone(family: Family) -> None:
    answer = family.arrives(family.token())
    assert answer.status_code == 200
    told = answer.get_json()
    assert (told["decisions"], told["ask"]) == (REFUSED, [])
    assert (told["consent_receipt_id"], told["receipt"]) == ("", None)
    assert family.records() == []


def test_what_the_second_site_asks_besides_is_left_open(family: Family) -> None:
    family.publish(more=[RESEARCH])
    told = family.arrives(family.token(family.agreed())).get_json()
    assert (told["decisions"], told["ask"]) == (GRANTED, ["research"])
    assert told["receipt"]["action"] == "custom", "not everything is granted"
    assert family.state(NUMBER)["ask"] == [{"purpose": "research", "why": "new"}]
    refused = family.arrives(family.token(), receipt=None).get_json()
    assert (refused["decisions"], refused["ask"]) == (REFUSED, ["research"])


def test_a_consent_holds_only_where_both_say_the_same_and_a_refusal_always(family: Family) -> None:
    family.publish(analytics="Everything you do.", marketing="Something else.")
    told = family.arrives(family.token(family.agreed(GRANTED | {"marketing": False}))).get_json()
    assert (told["decisions"], told["ask"]) == ({"functional": True, "marketing": False}, ["analytics"])


def test_it_is_an_answer_to_the_notice_in_the_language_that_was_read(family: Family) -> None:
    notice = family.notice("de", "example.org")
    first = family.world.consent(GRANTED, notice=notice, language="de").get_json()["consent_receipt_id"]
    told = family.arrives(family.token(first)).get_json()
    assert (told["notice_hash"], told["receipt"]["language"]) == (family.notice("de"), "de")


def test_it_holds_no_longer_than_on_either_site(family: Family) -> None:
    first = family.agreed()
    family.world.move(days=100)
    family.arrives(family.token(first))
    assert family.records()[0]["expires_at"] == "2027-05-24T00:00:00+00:00"
    family.world.runtime.sites.adjust(family.other, family.world.clock.now(), actor="test", choice_days=50)
    family.world.move(seconds=3)
    assert "holds no more here" in problem(family.arrives(family.token(first)))["token"][0]


def test_what_came_along_is_handed_on_with_the_day_that_it_was_decided_on(family: Family) -> None:
    first = family.agreed()
    family.world.move(days=2)
    family.arrives(family.token(first))
    back = family.world.post(
        "/api/consent/handover", {"site": OTHER, "to": "example.org", "decided": TODAY, "receipt": NUMBER}
    )
    assert content(back.get_json()["token"])["decided_on"] == TODAY
    late = family.token(first, decided="2030-01-01")
    assert content(late)["decided_on"] == TODAY, "never later than it was recorded"


def test_consent_that_came_along_can_be_withdrawn_on_the_visitors_own_page(family: Family) -> None:
    family.publish(more=[RESEARCH])
    family.arrives(family.token(family.agreed()))
    runtime, now = family.world.runtime, family.world.clock.now()
    policy = runtime.policies.answered(family.other, Client(ADDRESS, {}))
    receipt = runtime.consents.withdraw(family.other, NUMBER, "form", policy, now)
    assert receipt is not None
    assert family.state(NUMBER)["withdrawn"]


# What was decided on the second site before


def test_a_later_choice_takes_the_place_of_an_earlier_one(family: Family) -> None:
    family.publish(more=[RESEARCH])
    said = {"decisions": dict.fromkeys([*GRANTED, "research"], True), "action": "accept_all"}
    own = family.world.consent(site=OTHER, notice=family.notice(), **said).get_json()["consent_receipt_id"]
    family.world.move(days=1)
    first = family.agreed(GRANTED | {"analytics": False})
    answer = family.arrives(family.token(first, decided="2026-11-24"), decided=TODAY, previous=own)
    told = answer.get_json()
    # What was not asked there stays as it was decided here.
    assert (told["decisions"], told["ask"]) == (GRANTED | {"analytics": False, "research": True}, [])
    assert told["receipt"]["previous_receipt_id"] == own
    assert family.state(own)["decisions"]["analytics"] is False


def test_an_earlier_choice_does_not(family: Family) -> None:
    first = family.agreed()
    family.world.move(days=1)
    answer = family.arrives(family.token(first), decided="2026-11-24")
    assert (answer.status_code, answer.get_json()) == (200, {"kept": True})
    assert family.records() == []


def test_within_a_day_the_refusal_holds(family: Family) -> None:
    assert family.arrives(family.token(family.agreed()), decided=TODAY).get_json() == {"kept": True}
    own = family.decides(True).get_json()["consent_receipt_id"]
    told = family.arrives(family.token(), decided=TODAY, previous=own)
    assert (told.status_code, told.get_json()["decisions"]) == (201, REFUSED)
    assert set(family.state(own)["decisions"].values()) == {False}


# What is refused


def test_a_token_is_used_once_but_may_be_sent_again_for_the_same_record(family: Family) -> None:
    token = family.token(family.agreed())
    assert family.arrives(token).status_code == 201
    again = family.arrives(token)
    assert (again.status_code, again.get_json()["consent_receipt_id"]) == (201, NUMBER)
    assert family.arrives(token, receipt="m" * 22).status_code == 409
    assert family.arrives(token, receipt=None).status_code == 409
    assert len(family.records()) == 1
    refusal = family.token()
    assert family.arrives(refusal, receipt=None).status_code == 200
    assert family.arrives(refusal, receipt=None).status_code == 409


def test_a_token_ends_after_two_minutes_and_with_the_process(family: Family) -> None:
    token = family.token(family.agreed())
    family.world.move(minutes=2)
    assert "has ended" in problem(family.arrives(token))["token"][0]
    fresh = family.token()
    family.world.reopen()
    assert "was not made here" in problem(family.arrives(fresh))["token"][0]


def test_a_forged_or_changed_token_is_refused(family: Family) -> None:
    token = family.token(family.agreed(GRANTED | {"marketing": False}))
    carried = content(token) | {"decisions": GRANTED}
    forged = base64.urlsafe_b64encode(json.dumps(carried).encode()).decode().rstrip("=")
    for one in (f"{forged}.{token.split('.')[1]}", f"{token}x", token[:-1], "", ".", "a.b", "\u00e9.x", "x" * 5000):
        assert "was not made here" in problem(family.arrives(one))["token"][0]
    assert family.arrives(token).status_code == 201, "it is not used up by that"


def test_a_token_is_for_one_site_of_the_family_and_only_while_it_is_one(family: Family) -> None:
    token = family.token(family.agreed())
    assert "for another site" in problem(family.arrives(token, site="example.org"))["token"][0]
    assert problem(family.arrives(token, site="unknown.example")).keys() == {"site"}
    family.name(OTHER)
    assert "not of the family any more" in problem(family.arrives(token))["token"][0]
    assert family.records() == []


def test_a_notice_that_asks_for_none_of_it_is_answered_by_nothing(family: Family) -> None:
    family.publish(less=["marketing"])
    token = family.token(decisions={"marketing": False})
    assert "answers nothing" in problem(family.arrives(token))["token"][0]


def test_no_choice_goes_to_a_site_that_is_not_of_the_family(family: Family) -> None:
    first = family.agreed()
    family.world.runtime.add_site("third.example", actor="test")
    family.name("example.org", OTHER, "third.example")
    for to in ("third.example", "unknown.example", "example.org", ""):
        assert "not of this site's family" in problem(family.leaves(first, to=to))["to"][0]
    family.name(OTHER)
    assert family.leaves(first).status_code == 400, "it names this one no more"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"decisions": GRANTED}, "decisions"),
        ({"decisions": {}}, "decisions"),
        ({"decisions": {"analytics": 0}}, "decisions"),
        ({"decisions": {"unknown": False}}, "decisions"),
        ({"notice": "sha256-0"}, "notice"),
        ({"decided": "2026-05-25"}, "decided"),
        ({"decided": "2026-11-25"}, "decided"),
        ({"decided": "soon"}, "decided"),
        ({"site": "unknown.example"}, "site"),
    ],
)
def test_a_refusal_that_is_none_is_refused(family: Family, fields: dict[str, Any], field: str) -> None:
    assert problem(family.leaves(**fields)).keys() == {field}


def test_a_notice_of_another_site_is_refused(family: Family) -> None:
    assert problem(family.leaves(notice=family.notice())).keys() == {"notice"}


def test_a_receipt_under_which_nothing_holds_is_refused(family: Family) -> None:
    assert family.leaves("no-such-receipt-at-all").status_code == 404
    first = family.agreed()
    family.world.move(days=182)
    assert family.leaves(first).status_code == 404


def test_a_consent_that_was_withdrawn_goes_along_as_a_refusal(family: Family) -> None:
    first = family.agreed()
    family.world.consent(REFUSED, action="withdraw", previous=first)
    told = family.arrives(family.token(first))
    assert (told.status_code, told.get_json()["decisions"]) == (200, REFUSED)


def test_a_wrong_number_or_an_unknown_previous_is_refused(family: Family) -> None:
    token = family.token(family.agreed())
    assert problem(family.arrives(token, receipt="short")).keys() == {"receipt"}
    assert family.arrives(token, decided="2026-11-20", previous="no-such-receipt-at-all").status_code == 404


def test_a_page_cannot_say_that_its_answer_came_along(family: Family) -> None:
    assert problem(family.world.consent(ui_source="family")).keys() == {"ui_source"}


# Who is of a family


def test_pages_are_told_of_the_family_once_both_name_each_other(world: World) -> None:
    world.runtime.add_site(OTHER, actor="test")

    def told() -> tuple[list[str], str]:
        settings = world.client.get("/api/settings/example.org").get_json()
        return settings["family"], settings["marks"]

    assert told() == ([], "^#webmon-")
    for site, other, expected in (("example.org", OTHER, []), (OTHER, "example.org", [OTHER])):
        found = world.runtime.sites.get(site)
        world.runtime.sites.adjust(found, world.clock.now(), actor="test", family=[other])
        world.move(seconds=3)
        assert told() == (expected, "" if expected else "^#webmon-")


@pytest.mark.parametrize("role", ["owner", "privacy"])
def test_staff_name_the_family_on_the_sites_page(world: World, role: str) -> None:
    world.runtime.add_site(OTHER, actor="test")
    staff, page = world.staff(role), "/admin/sites/example.org"
    form = fields_of(staff.get(page), f"{page}/family") | {"family": f" {OTHER} \n\n{OTHER}"}
    assert staff.post(f"{page}/family", data=form).status_code == 302
    entry = world.runtime.audit.newest()[0]
    assert (entry.action, entry.actor, dict(entry.detail)) == (
        "site.change",
        f"{role}@example.org",
        {"family": OTHER},
    )
    shown = staff.get(page)
    assert f"until they name example.org as well: {OTHER}" in shown.get_data(as_text=True)
    assert fields_of(shown, f"{page}/family")["family"] == OTHER
    for slip, said in (
        ("unknown.example", "is not a site of this server"),
        ("example.org", "is the site itself"),
        ("<script>", "must be a host name"),
    ):
        answer = staff.post(f"{page}/family", data=form | {"family": slip})
        assert answer.status_code == 200
        assert said in answer.get_data(as_text=True)
    assert world.runtime.sites.get("example.org").family == (OTHER,)
    assert staff.post(f"{page}/family", data=form | {"csrf_token": ""}).status_code == 400


def test_marketing_cannot(world: World) -> None:
    marketing = world.staff("marketing")
    assert "family" not in marketing.get("/admin/sites/example.org").get_data(as_text=True)
    assert marketing.post("/admin/sites/example.org/family", data={"family": OTHER}).status_code in {400, 403}


def test_a_family_is_not_without_end(world: World) -> None:
    names = [f"n{index}.example" for index in range(21)]
    for name in names:
        world.runtime.sites.add(name, world.clock.now(), actor="test")
    with pytest.raises(Exception, match="at most 20"):
        world.runtime.sites.adjust(world.site, world.clock.now(), actor="test", family=names)
