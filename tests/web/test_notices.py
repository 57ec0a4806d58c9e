"""Notices on the admin pages: drafted, looked at, compared, published now or later, and kept as they were."""

from __future__ import annotations

import html
import io
import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from werkzeug.test import Client, TestResponse

from tests.support.world import REFUSED, World, csrf, problem
from tests.web.test_admin import SITE, fields_of
from webmon.domain.chain import canonical
from webmon.domain.language import LANGUAGES
from webmon.domain.notice import default_body, hash_of
from webmon.errors import NotFound
from webmon.stores.control.models import NoticeDraftRow

EDIT, DRAFT = f"{SITE}/notices/en/edit", f"{SITE}/notices/en/draft"


@pytest.fixture
def officer(world: World) -> Client:
    return world.staff("privacy")


def in_force(world: World, language: str = "en") -> str:
    return world.runtime.notices.current(world.site, world.clock.now())[language]


def actions(world: World) -> list[str]:
    return [one.action for one in world.runtime.audit.newest() if one.action.startswith("notice.")]


def form_of(page: TestResponse) -> dict[str, str]:
    """What a browser would send back: of boxes, none is ticked on arrival."""
    return {name: value for name, value in fields_of(page).items() if not name.endswith("-remove")}


def save(browser: Client, **fields: str) -> TestResponse:
    return browser.post(EDIT, data=form_of(browser.get(EDIT)) | fields)


def publish(browser: Client, **fields: str) -> TestResponse:
    page = browser.get(DRAFT)
    known = {"csrf_token": csrf(page), "revision": csrf(page, "revision"), "when": "now"}
    return browser.post(f"{SITE}/notices/en/publish", data=known | fields)


def bring_in(browser: Client, text: str | bytes) -> TestResponse:
    page = browser.get(f"{SITE}/notices/import")
    raw = text if isinstance(text, bytes) else text.encode()
    form: dict[str, Any] = {"csrf_token": csrf(page), "file": (io.BytesIO(raw), "notice.json")}
    return browser.post(f"{SITE}/notices/import", data=form)


def text_of(page: TestResponse) -> str:
    return html.unescape(page.get_data(as_text=True))


# Drafts


def test_a_draft_is_not_in_force_until_it_is_published_and_then_is_another_notice(
    world: World, officer: Client
) -> None:
    before = in_force(world)
    assert save(officer, title="May we count?").headers["Location"] == DRAFT
    assert in_force(world) == before
    assert "May we count?" not in world.client.get("/api/notice?site=example.org").get_data(as_text=True)
    assert "privacy@example.org" in text_of(officer.get(f"{SITE}/notices"))
    assert publish(officer).status_code == 302
    after = in_force(world)
    assert after != before
    assert world.client.get("/api/notice?site=example.org").get_json()["hash"] == after
    assert "May we count?" in text_of(officer.get(f"{SITE}/notices/{after}"))
    assert "May we measure" in text_of(officer.get(f"{SITE}/notices/{before}"))
    assert officer.get(DRAFT).status_code == 404
    assert actions(world) == ["notice.publish", "notice.draft"]


def test_what_is_sent_back_unchanged_is_the_same_notice(world: World, officer: Client) -> None:
    before = in_force(world)
    save(officer)
    assert world.runtime.notices.draft(world.site, "en").notice.hash == before
    assert "Nothing." in text_of(officer.get(DRAFT))


def test_everything_on_the_form_comes_into_the_draft(world: World, officer: Client) -> None:
    save(
        officer,
        layout="box bottom-end",
        buttons="choose reject accept",
        radius="0",
        font="inherit",
        privacy_contact="dpo@example.org",
        **{"light-accent": "#123456", "dark-accent": "#abcdef"},
    )
    body = world.runtime.notices.draft(world.site, "en").notice.body
    assert (body["layout"], body["position"], body["privacy_contact"]) == ("box", "bottom-end", "dpo@example.org")
    assert body["buttons"] == ["choose", "reject", "accept"]
    assert (body["theme"]["radius"], body["theme"]["font"]) == (0, "inherit")
    assert (body["theme"]["light"]["accent"], body["theme"]["dark"]["accent"]) == ("#123456", "#abcdef")


def test_purposes_are_added_renamed_and_removed(world: World, officer: Client) -> None:
    new = {"purposes-4-key": "chat", "purposes-4-name": "Chat", "purposes-4-description": "Help in a window."}
    save(officer, **new, **{"purposes-1-remove": "y", "purposes-2-key": "statistics", "purposes-0-remove": "y"})
    body = world.runtime.notices.draft(world.site, "en").notice.body
    assert [one["key"] for one in body["purposes"]] == ["necessary", "statistics", "marketing", "chat"]
    assert [one["required"] for one in body["purposes"]] == [True, False, False, False]
    cookies = {one["name"]: one["purpose"] for one in body["services"][0]["cookies"]}
    assert cookies["webmon_id"] == "statistics", "what serves a purpose follows it to its new key"


@pytest.mark.parametrize(
    ("slip", "said"),
    [
        ({"reject": ""}, "Reject is required"),
        ({"radius": "25"}, "must be 0 to 24"),
        ({"light-text": "red"}, "theme.light.text must be a colour"),
        ({"font": "Comic Sans"}, "Not a valid choice"),
        ({"buttons": "accept reject choose"}, "Not a valid choice"),
        ({"layout": "bar center"}, "Not a valid choice"),
        ({"purposes-4-key": "Chat!", "purposes-4-name": "x", "purposes-4-description": "x"}, "is no purpose key"),
        ({"purposes-4-key": "chat"}, "chat needs a name and a description"),
        ({"purposes-4-key": "marketing", "purposes-4-name": "x", "purposes-4-description": "x"}, "must differ"),
        ({"purposes-2-remove": "y"}, "Services and cookies: names 'analytics', which is no purpose"),
    ],
)
def test_a_slip_is_said_and_nothing_is_saved(world: World, officer: Client, slip: dict[str, str], said: str) -> None:
    page = text_of(save(officer, **slip))
    assert "Not saved" in page
    assert said in page
    assert world.runtime.notices.drafts(world.site) == []


def test_whoever_saves_over_somebody_else_is_warned_first(world: World, officer: Client) -> None:
    owner = world.staff("owner")
    mine, theirs = form_of(officer.get(EDIT)), form_of(owner.get(EDIT))
    assert owner.post(EDIT, data=theirs | {"title": "Theirs"}).status_code == 302
    warned = officer.post(EDIT, data=mine | {"title": "Mine"})
    assert warned.status_code == 409
    assert "owner@example.org has saved this draft since you opened it" in text_of(warned)
    assert world.runtime.notices.draft(world.site, "en").notice.body["texts"]["title"] == "Theirs"
    again = form_of(warned)
    assert again["title"] == "Mine", "nothing of what was written is lost"
    assert officer.post(EDIT, data=again).status_code == 302
    assert world.runtime.notices.draft(world.site, "en").notice.body["texts"]["title"] == "Mine"


def test_a_draft_that_was_deleted_meanwhile_is_said_to_be(world: World, officer: Client) -> None:
    save(officer)
    form = form_of(officer.get(EDIT))
    world.runtime.notices.delete_draft(world.site, "en", world.clock.now(), actor="test")
    warned = officer.post(EDIT, data=form)
    assert warned.status_code == 409
    assert "published or deleted" in text_of(warned)


def test_a_draft_is_deleted_when_that_is_confirmed(world: World, officer: Client) -> None:
    save(officer)
    token = csrf(officer.get(DRAFT))
    unsure = officer.post(f"{SITE}/notices/en/delete", data={"csrf_token": token})
    assert "must be ticked" in text_of(unsure)
    assert len(world.runtime.notices.drafts(world.site)) == 1
    assert officer.post(f"{SITE}/notices/en/delete", data={"csrf_token": token, "sure": "y"}).status_code == 302
    assert world.runtime.notices.drafts(world.site) == []
    assert officer.post(f"{SITE}/notices/en/delete", data={"csrf_token": token, "sure": "y"}).status_code == 404
    assert actions(world) == ["notice.draft_delete", "notice.draft"]


# Publishing


def test_an_owner_publishes_until_there_is_an_officer_who_has_come(world: World) -> None:
    owner = world.staff("owner")
    save(owner, title="First")
    assert publish(owner).status_code == 302
    accounts = world.runtime.staff
    accounts.add("invited@example.org", "privacy", world.site, world.clock.now(), actor="test")
    save(owner, title="Second")
    assert publish(owner).status_code == 302, "an officer who never came locks nobody out"
    officer = world.staff("privacy", site=True)
    save(owner, title="Third")
    page = owner.get(DRAFT)
    assert "published by its privacy officer" in text_of(page)
    form = {
        "csrf_token": csrf(page),
        "revision": world.runtime.notices.draft(world.site, "en").revision,
        "when": "now",
    }
    assert owner.post(f"{SITE}/notices/en/publish", data=form).status_code == 403
    assert owner.post(f"{SITE}/notices/scheduled/1/cancel", data=form).status_code == 403
    assert publish(officer).status_code == 302
    assert world.runtime.notices.get(in_force(world)).body["texts"]["title"] == "Third"


def test_only_the_draft_that_was_looked_at_is_published(world: World, officer: Client) -> None:
    save(officer, title="Seen")
    page = officer.get(DRAFT)
    form = {"csrf_token": csrf(page), "revision": csrf(page, "revision"), "when": "now"}
    save(world.staff("owner"), title="Unseen")
    before = in_force(world)
    answer = officer.post(f"{SITE}/notices/en/publish", data=form)
    assert answer.status_code == 409
    assert "Nothing was published" in text_of(answer)
    assert in_force(world) == before


def test_a_notice_in_which_refusing_is_harder_is_a_draft_and_no_more(world: World, officer: Client) -> None:
    body = default_body("example.org", "en") | {"preselected": ["marketing"]}
    body["theme"]["buttons_style"] = {"reject": {"size": 80}}
    assert bring_in(officer, json.dumps(body)).headers["Location"] == DRAFT
    page = officer.get(DRAFT)
    shown = text_of(page)
    assert "Broken: Reject is no smaller than accept, and choose no larger than reject." in re.sub(
        r"<[^>]*>", "", shown
    )
    assert "theme.buttons_style.reject.size" in shown
    assert "has marketing: a purpose is off" in shown
    before = in_force(world)
    revision = world.runtime.notices.draft(world.site, "en").revision
    form = {"csrf_token": csrf(page), "revision": revision, "when": "now"}
    assert "reject is smaller" in text_of(officer.post(f"{SITE}/notices/en/publish", data=form))
    assert in_force(world) == before


def unfair(part: str, **change: Any) -> dict[str, Any]:
    """A notice in German with one part that is not fair; `part` is one of its body."""
    body = default_body("example.org", "de")
    merged: dict[str, Any] = body | {part: body[part] | change}
    return merged


PALE = default_body("example.org", "de")["theme"]["light"] | {"accent": "#ffffff", "on_accent": "#1c2430"}
UNFAIR = {
    "blank": (unfair("texts", reject="\u200b \u3164"), "texts.reject shows nothing in de"),
    "point": (unfair("texts", reject="."), "texts.reject has no word on it in de"),
    "as accept": (unfair("texts", reject="alle annehmen!"), "texts.reject reads like accept in de"),
    "as choose": (unfair("texts", choose="Alle ablehnen"), "texts.choose reads like reject in de"),
    "long": (unfair("texts", reject="Nein, " * 7 + "nein"), "texts.reject is 46 characters long in de"),
    "many times": (
        unfair("texts", accept="Ja, ich nehme wirklich alles an", reject="Nein"),
        "texts.accept is 31 characters long in de, and reject has 4 letters",
    ),
    "unseen": (unfair("theme", light=PALE), "theme.light.accent stands out from the notice by 1.0:1"),
    "choose": (
        unfair("theme", buttons_style={"choose": {"size": 200}}),
        "theme.buttons_style.choose.size is 200 percent where reject has 100",
    ),
}


@pytest.mark.parametrize(("body", "said"), UNFAIR.values(), ids=UNFAIR)
def test_buttons_that_cannot_be_read_told_apart_or_seen_are_not_published(
    world: World, officer: Client, body: dict[str, Any], said: str
) -> None:
    before, draft = in_force(world, "de"), f"{SITE}/notices/de/draft"
    assert bring_in(officer, json.dumps(body)).headers["Location"] == draft
    page = officer.get(draft)
    revision = world.runtime.notices.draft(world.site, "de").revision
    form = {"csrf_token": csrf(page), "revision": revision, "when": "now"}
    for told in (page, officer.post(f"{SITE}/notices/de/publish", data=form)):
        assert said in re.sub(r"<[^>]*>", "", text_of(told))
    assert in_force(world, "de") == before


def test_a_scheduled_notice_comes_into_force_just_then_also_after_a_restart(world: World, officer: Client) -> None:
    world.runtime.sites.change(
        world.site,
        world.clock.now(),
        actor="test",
        timezone="Europe/Berlin",
        mode=world.site.mode.value,
        minimum_group_count=1,
        honour_dnt=False,
    )
    before = in_force(world)
    save(officer, title="Later")
    assert publish(officer, when="at", effective_at="2026-11-24T09:00").status_code == 302
    assert "2026-11-24 09:00" in text_of(officer.get(f"{SITE}/notices"))
    assert "Not in force" in text_of(
        officer.get(f"{SITE}/notices/{world.runtime.notices.history(world.site)[0].notice_hash}")
    )
    assert actions(world)[0] == "notice.schedule"
    world.clock.move(datetime(2026, 11, 24, 7, 59, 59, tzinfo=UTC) - world.clock.now())
    world.reopen()
    assert in_force(world) == before
    world.move(seconds=1)
    after = in_force(world)
    assert world.runtime.notices.get(after).body["texts"]["title"] == "Later"
    assert world.client.get("/api/notice?site=example.org").get_json()["hash"] == after
    receipt = world.consent().get_json()
    assert receipt["notice_hash"] == after


def test_a_scheduled_notice_is_cancelled_before_but_not_after_it_is_in_force(world: World, officer: Client) -> None:
    before = in_force(world)
    for number in (1, 2):
        save(officer, title=f"Number {number}")
        assert publish(officer, when="at", effective_at=f"2026-11-2{number + 3}T12:00").status_code == 302
    token = csrf(officer.get(f"{SITE}/notices"))
    first, second = (one.id for one in world.runtime.notices.scheduled(world.site, world.clock.now()))

    def cancel(number: int) -> int:
        return officer.post(f"{SITE}/notices/scheduled/{number}/cancel", data={"csrf_token": token}).status_code

    assert cancel(first) == 302
    assert cancel(first) == cancel(10**12) == 404
    world.move(days=1, hours=2)
    assert in_force(world) == before
    world.move(days=1)
    assert world.runtime.notices.get(in_force(world)).body["texts"]["title"] == "Number 2"
    with pytest.raises(NotFound):  # what has been in force is not unmade
        world.runtime.notices.cancel(world.site, second, world.clock.now(), actor="test")
    assert actions(world)[0] == "notice.cancel"


def test_nobody_answers_a_notice_that_has_not_come_into_force(world: World, officer: Client) -> None:
    before = in_force(world)
    save(officer, title="Number 1")
    draft = world.runtime.notices.draft(world.site, "en").notice.hash
    assert "is not a notice of this site" in problem(world.consent(notice=draft))["notice"]
    publish(officer, when="at", effective_at="2026-11-24T12:00")
    refused = world.consent(notice=draft)
    assert refused.status_code == 400
    assert "has not come into force" in problem(refused)["notice"][0]
    assert world.consent(REFUSED, action="reject_all", notice=draft).status_code == 400
    assert world.consent(notice=before).status_code == 201
    world.move(days=1, hours=2)
    assert in_force(world) == draft
    assert world.consent(notice=draft).status_code == 201
    # A page that was opened before, or kept by the browser, asks with the notice of then.
    old = world.consent(notice=before)
    assert (old.status_code, old.get_json()["notice_hash"]) == (201, before)


def test_a_notice_that_was_cancelled_before_it_came_into_force_never_does(world: World, officer: Client) -> None:
    save(officer, title="Number 1")
    publish(officer, when="at", effective_at="2026-11-24T12:00")
    (waiting,) = world.runtime.notices.scheduled(world.site, world.clock.now())
    world.runtime.notices.cancel(world.site, waiting.id, world.clock.now(), actor="test")
    world.move(days=2)
    assert world.consent(notice=waiting.notice_hash).status_code == 400


def test_a_scheduled_notice_of_another_site_is_not_cancelled(world: World, officer: Client) -> None:
    other = world.runtime.add_site("other.example", actor="test")
    now = world.clock.now()
    later = datetime(2026, 12, 1, tzinfo=UTC)
    world.runtime.notices.publish(other, default_body("other.example", "en"), now, actor="test", at=later)
    (there,) = world.runtime.notices.scheduled(other, now)
    token = csrf(officer.get(f"{SITE}/notices/import"))
    path = f"{SITE}/notices/scheduled/{there.id}/cancel"
    assert officer.post(path, data={"csrf_token": token}).status_code == 404
    assert officer.get(f"{SITE}/notices/{there.notice_hash}").status_code == 404
    assert len(world.runtime.notices.scheduled(other, now)) == 1


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"when": "at", "effective_at": ""}, "is required"),
        ({"when": "at", "effective_at": "soon"}, "Not a valid datetime"),
        ({"when": "at", "effective_at": "2026-11-23T10:00"}, "must lie ahead"),
        ({"when": "at", "effective_at": "2036-11-23T10:00"}, "within 730 days"),
        ({"when": "at", "effective_at": "9999-12-31T23:59"}, "effective"),
        ({"when": "at", "effective_at": "0001-01-01T00:00"}, "effective"),
        ({"when": "at", "effective_at": "2027-03-28T02:30"}, "the clocks go forward"),
        ({"when": "whenever"}, "Not a valid choice"),
    ],
)
def test_a_time_that_cannot_be_is_refused_beside_its_field(
    world: World, officer: Client, fields: dict[str, str], said: str
) -> None:
    site = world.site
    world.runtime.sites.change(
        site,
        world.clock.now(),
        actor="test",
        timezone="Europe/Berlin",
        mode=site.mode.value,
        minimum_group_count=1,
        honour_dnt=False,
    )
    save(officer, title="Later")
    assert said in text_of(publish(officer, **fields))
    assert len(world.runtime.notices.history(world.site)) == len(LANGUAGES)
    assert len(world.runtime.notices.drafts(world.site)) == 1


# Looking


def test_a_preview_reaches_nothing_and_holds_the_draft(world: World, officer: Client) -> None:
    hostile = "</script><script>alert(1)</script>"
    save(officer, title=hostile)
    page = officer.get(f"{SITE}/notices/en/preview?scheme=dark&direction=rtl&width=phone&layer=second")
    shown = text_of(page)
    assert "preview-phone" in shown
    assert "scheme=dark&direction=rtl&width=phone&layer=second" in shown
    assert "frame-src 'self'" in page.headers["Content-Security-Policy"]
    frame = officer.get(f"{SITE}/notices/en/preview/frame?direction=rtl&scheme=<x>")
    assert hostile not in frame.get_data(as_text=True)
    policy = frame.headers["Content-Security-Policy"]
    assert "connect-src 'none'" in policy
    assert "frame-ancestors 'self'" in policy
    assert "'unsafe-inline'" not in policy
    found = re.search(r'id="notice">(.*?)</script>', frame.get_data(as_text=True), re.DOTALL)
    assert found
    body = json.loads(found[1])
    assert (body["direction"], body["texts"]["title"]) == ("rtl", hostile)
    assert officer.get(f"{SITE}/notices/is/preview").status_code == 404


def test_two_notices_stand_side_by_side_word_by_word(world: World, officer: Client) -> None:
    before = in_force(world)
    save(officer, title="May we measure how that site is used?")
    for page in (officer.get(DRAFT), officer.get(f"{SITE}/notices/compare?before={before}&after=en")):
        shown = re.sub(r'<span class="hidden">[^<]*</span>', "", text_of(page))
        assert "<del>this</del>" in shown
        assert "<ins>that</ins>" in shown
        assert shown.count("<ins>") == 1
    same = text_of(officer.get(f"{SITE}/notices/compare?before={before}&after={before}"))
    assert "the same, word for word" in same
    assert officer.get(f"{SITE}/notices/compare?before=sha256-0&after=en").status_code == 404


def test_a_text_of_a_notice_is_text_wherever_it_is_shown(world: World, officer: Client) -> None:
    hostile = "<script>alert(1)</script>"
    before = in_force(world)
    save(officer, title=hostile)
    paths = [EDIT, DRAFT, f"{SITE}/notices/en/preview/frame", f"{SITE}/notices/compare?before={before}&after=en"]
    for path in paths:
        assert hostile not in officer.get(path).get_data(as_text=True), path
    publish(officer)
    for path in (f"{SITE}/notices", f"{SITE}/notices/{in_force(world)}", f"{SITE}/notices/compare"):
        assert hostile not in officer.get(path).get_data(as_text=True), path


# Files


def test_a_notice_goes_out_as_a_file_and_comes_in_as_the_same_notice(world: World, officer: Client) -> None:
    before = in_force(world)
    sent = officer.get(f"{SITE}/notices/{before}/export")
    assert sent.headers["Content-Disposition"] == 'attachment; filename="notice-en.json"'
    assert bring_in(officer, sent.get_data()).status_code == 302
    assert world.runtime.notices.draft(world.site, "en").notice.hash == before
    assert actions(world) == ["notice.import"]


def test_a_file_brings_a_further_language(world: World, officer: Client) -> None:
    body = default_body("example.org", "en") | {"language": "is"}
    bring_in(officer, json.dumps(body))
    page = officer.get(f"{SITE}/notices/is/draft")
    assert '<html lang="en" dir="ltr">' in page.get_data(as_text=True), "what staff read is in English"
    assert "first notice in this language" in text_of(page)
    assert officer.get(f"{SITE}/notices/is/edit").status_code == 200
    form = {"csrf_token": csrf(page), "revision": csrf(page, "revision"), "when": "now"}
    assert officer.post(f"{SITE}/notices/is/publish", data=form).status_code == 302
    assert in_force(world, "is")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "must be a JSON object"),
        ("no JSON", "must be a JSON object"),
        (b"\xff", "must be a JSON object"),
        ("{}", "theme must be an object"),
        (json.dumps(default_body("other.example", "en")), "site must be example.org"),
        (json.dumps(default_body("example.org", "en") | {"onload": "x"}), "onload is no part of a notice"),
    ],
)
def test_a_file_that_is_no_notice_of_the_site_is_refused(
    world: World, officer: Client, text: str | bytes, said: str
) -> None:
    assert said in text_of(bring_in(officer, text))
    assert world.runtime.notices.drafts(world.site) == []


def test_a_notice_written_out_before_there_were_all_texts_is_brought_in_with_those_that_it_lacks(
    world: World, officer: Client
) -> None:
    body = default_body("example.org", "de")
    body["texts"]["title"] = "Unsere Frage"
    for key in ("party", "counting_note"):
        del body["texts"][key]
    assert bring_in(officer, json.dumps(body)).status_code == 302
    draft = world.runtime.notices.draft(world.site, "de").notice.body
    assert draft["texts"] == default_body("example.org", "de")["texts"] | {"title": "Unsere Frage"}
    # What is there and is no text stays wrong.
    for texts, said in (({"party": ""}, "texts.party is required"), (None, "texts must be an object")):
        assert said in text_of(bring_in(officer, json.dumps(body | {"texts": texts})))


def test_a_draft_of_before_there_were_all_texts_is_shown_and_published_with_those_that_it_lacks(
    world: World, officer: Client
) -> None:
    save(officer, title="Still a draft")
    with world.runtime.database.session() as session:
        row = session.get_one(NoticeDraftRow, (world.site.id, "en"))
        body = json.loads(row.body)
        del body["texts"]["counting_note"]
        row.body = canonical(body)
    looked_at = world.runtime.notices.draft(world.site, "en").notice
    assert looked_at.hash in text_of(officer.get(DRAFT))
    assert publish(officer).status_code == 302
    assert in_force(world) == looked_at.hash
    texts = world.client.get("/api/notice?site=example.org").get_json()["notice"]["texts"]
    assert texts == default_body("example.org", "en")["texts"] | {"title": "Still a draft"}


# For ever


def test_what_was_published_before_there_was_a_rule_against_it_goes_on_to_be_shown(
    world: World, officer: Client
) -> None:
    body = default_body("example.org", "en")
    body["texts"]["reject"] = "."
    body["theme"]["buttons_style"] = {"choose": {"size": 200}}
    del body["texts"]["counting_note"]
    old = world.put_in_force(body)
    assert in_force(world) == old
    assert world.client.get(f"/api/notices/{old}").get_data(as_text=True) == canonical(body)
    assert f'"hash":"{old}"' in world.client.get("/banner.js?site=example.org").get_data(as_text=True)
    for path in (old, f"{old}/preview", f"{old}/preview/frame", f"{old}/export", "en/edit"):
        assert officer.get(f"{SITE}/notices/{path}").status_code == 200, path
    consent = world.consent(notice=old).get_json()
    assert consent["notice_hash"] == old
    assert world.runtime.consents.verify(world.site).holds


def test_after_ten_more_the_first_is_the_same_byte_for_byte(world: World, officer: Client) -> None:
    first = in_force(world)
    before = world.client.get(f"/api/notices/{first}").get_data()
    page = re.sub(r'name="csrf_token"[^>]*>', "", text_of(officer.get(f"{SITE}/notices/{first}")))
    for number in range(10):
        save(officer, title=f"Number {number}")
        publish(officer)
        world.move(minutes=1)
    assert len({one.notice_hash for one in world.runtime.notices.history(world.site) if one.language == "en"}) == 11
    world.reopen()
    assert world.client.get(f"/api/notices/{first}").get_data() == before
    assert hash_of(before.decode()) == first
    again = re.sub(r'name="csrf_token"[^>]*>', "", text_of(officer.get(f"{SITE}/notices/{first}")))
    assert "Replaced by a later one" in again
    card = re.compile(r'<section class="card" lang.*?</section>', re.DOTALL)
    assert card.findall(again) == card.findall(page)


def test_a_notice_of_the_first_schema_is_shown_as_it_was_and_edited_into_a_present_one(
    world: World, officer: Client
) -> None:
    body = default_body("example.org", "en") | {"schema": "webmon-notice/1"}
    body["texts"]["title"] = "An old question"
    for part in ("services", "position", "theme"):
        del body[part]
    text = canonical(body)
    world.put_in_force(body)
    assert in_force(world) == hash_of(text)
    assert world.client.get(f"/api/notices/{hash_of(text)}").get_data(as_text=True) == text
    for path in (f"{hash_of(text)}", f"{hash_of(text)}/preview", f"{hash_of(text)}/preview/frame", "en/edit"):
        assert officer.get(f"{SITE}/notices/{path}").status_code == 200, path
    assert "An old question" in text_of(officer.get(f"{SITE}/notices/{hash_of(text)}"))
    save(officer)
    assert "theme.light.accent" in text_of(officer.get(DRAFT))
    assert publish(officer).status_code == 302
    assert world.runtime.notices.get(in_force(world)).body["texts"]["title"] == "An old question"
