"""The cookie register: kept by the staff, published within notices, read by visitors."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from werkzeug.test import Client

from tests.support.world import NOW, World, csrf, problem
from tests.web.test_admin import fields_of
from webmon.app import ROOT
from webmon.cli import main
from webmon.domain.language import LANGUAGES
from webmon.domain.notice import default_body, own_services
from webmon.domain.register import new_key, read_register

SITE = "/admin/sites/example.org"
PAGE = f"{SITE}/services"
PUBLIC = "/privacy/example.org/cookies"
VIDEO = {
    "key": "video",
    "purpose": "marketing",
    "provider": "Example Video Ltd.",
    "texts": {
        "en": {"name": "Video", "description": "Shows films."},
        "de": {"name": "", "description": "Zeigt Filme."},
    },
    "cookies": [
        {
            "name": "vid_*",
            "purpose": "marketing",
            "kind": "persistent",
            "party": "third",
            "texts": {
                "en": {"description": "Where you stopped.", "lifetime": "1 year"},
                "de": {"description": "", "lifetime": "1 Jahr"},
            },
        }
    ],
}
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def officer(world: World) -> Client:
    return world.staff("privacy")


def put(world: World, **changes: Any) -> None:
    world.runtime.register.replace(world.site, [VIDEO | changes], NOW, actor="test")


def publish(officer: Client) -> None:
    page = officer.get(PAGE)
    assert officer.post(f"{PAGE}/publish", data={"csrf_token": csrf(page)}).status_code == 302


def text(client: Client, path: str) -> str:
    return client.get(path).get_data(as_text=True)


def filled(officer: Client, **changes: str) -> dict[str, str]:
    form = fields_of(officer.get(f"{PAGE}/new"), "novalidate")
    return form | {
        "name": "Map",
        "provider": "Maps Inc.",
        "description": "Shows the way.",
        "purpose": "functional",
        "cookies-0-name": "map_*",
        "cookies-0-description": "Where you looked.",
        "cookies-0-lifetime": "2 days",
        "cookies-0-purpose": "functional",
        **changes,
    }


def test_a_service_is_added_and_in_force_once_it_is_published(world: World, officer: Client) -> None:
    before = dict(world.runtime.notices.current(world.site, world.clock.now()))
    assert "Not in force yet" not in text(officer, PAGE)
    assert officer.post(f"{PAGE}/new", data=filled(officer)).status_code == 302
    page = text(officer, PAGE)
    assert "Not in force yet" in page
    assert "map_*" in page
    assert "map_*" not in text(world.client, PUBLIC)
    assert dict(world.runtime.notices.current(world.site, world.clock.now())) == before
    publish(officer)
    after = world.runtime.notices.current(world.site, world.clock.now())
    assert after.keys() == before.keys()
    assert not set(after.values()) & set(before.values())
    assert "map_*" in text(world.client, PUBLIC)
    assert "Not in force yet" not in text(officer, PAGE)
    assert "map_*" not in text(world.client, f"/api/notices/{before['en']}"), "an old notice stays as it was"
    actions = [entry.action for entry in world.runtime.audit.newest()]
    assert actions[: len(after) + 1] == ["notice.publish"] * len(after) + ["service.add"]
    publish_again = officer.post(f"{PAGE}/publish", data={"csrf_token": csrf(officer.get(f"{PAGE}/new"))})
    assert publish_again.status_code == 302
    assert dict(world.runtime.notices.current(world.site, world.clock.now())) == dict(after), (
        "nothing new makes no new notice"
    )


def test_the_register_comes_into_force_also_where_a_notice_is_older_than_some_texts(
    world: World, officer: Client
) -> None:
    body = default_body("example.org", "de")
    body["texts"] = {key: text for key, text in body["texts"].items() if key != "counting_note"}
    world.move(minutes=1)
    world.put_in_force(body)
    put(world)
    publish(officer)
    now = world.runtime.notices.in_force(world.site, "de", world.clock.now())
    assert [one.key for one in now.services] == ["webmon", "video"]
    assert now.body["texts"] == default_body("example.org", "de")["texts"]


def test_a_consent_goes_on_to_name_the_notice_with_the_services_it_was_given_to(
    world: World, officer: Client
) -> None:
    receipt = world.consent().get_json()
    put(world)
    publish(officer)
    notice = world.client.get(f"/api/notices/{receipt['notice_hash']}").get_json()
    assert [service["key"] for service in notice["services"]] == ["webmon"]
    assert world.runtime.consents.verify(world.site).holds


def test_a_service_is_changed_and_its_texts_in_other_languages_stay(world: World, officer: Client) -> None:
    put(world)
    form = fields_of(officer.get(f"{PAGE}/video/edit"), "novalidate")
    assert (form["name"], form["cookies-0-name"], form["cookies-0-kind"]) == ("Video", "vid_*", "persistent")
    changed = form | {"name": "Films", "cookies-0-name": "film_*", "cookies-1-name": "f", "cookies-1-kind": "session"}
    assert officer.post(f"{PAGE}/video/edit", data=changed).status_code == 302
    (service,) = world.runtime.register.services(world.site)
    assert service.key == "video"
    german = service.in_language("de")
    assert (german.name, german.description) == ("Films", "Zeigt Filme.")
    assert [(one.name, one.lifetime, one.kind) for one in german.cookies] == [
        ("film_*", "1 Jahr", "persistent"),
        ("f", "", "session"),
    ]
    assert world.runtime.audit.newest()[0].action == "service.change"
    officer.post(f"{PAGE}/video/edit", data=changed | {"cookies-0-was": "film_*"})
    gone = fields_of(officer.get(f"{PAGE}/video/edit"), "novalidate") | {"cookies-0-name": ""}
    officer.post(f"{PAGE}/video/edit", data=gone)
    assert [one.name for one in world.runtime.register.get(world.site, "video").cookies] == ["f"]


def test_more_rows_are_offered_and_nothing_is_saved_meanwhile(world: World, officer: Client) -> None:
    page = officer.post(f"{PAGE}/new", data=filled(officer, more="1")).get_data(as_text=True)
    assert page.count('-lifetime"') > 3
    assert 'value="map_*"' in page
    assert world.runtime.register.services(world.site) == []


def test_texts_in_another_language_are_written_and_english_stands_in_for_what_is_empty(
    world: World, officer: Client
) -> None:
    put(world)
    form = fields_of(officer.get(f"{PAGE}/video/texts/de"), "novalidate")
    assert (form["name"], form["description"], form["cookies-0-lifetime"]) == ("", "Zeigt Filme.", "1 Jahr")
    sent = form | {"name": "Filme", "description": "", "cookies-0-description": "Wo Sie aufhörten."}
    assert officer.post(f"{PAGE}/video/texts/de", data=sent).status_code == 302
    publish(officer)
    page = text(world.client, f"{PUBLIC}?lang=de")
    for said in ("Filme", "Shows films.", "Wo Sie aufhörten.", "1 Jahr", "einem anderen Unternehmen", "Anbieter"):
        assert said in page
    assert officer.get(f"{PAGE}/video/texts/is").status_code == 404
    assert officer.get(f"{PAGE}/video/texts/en").status_code == 404


def test_a_service_is_deleted_after_a_question(world: World, officer: Client) -> None:
    put(world)
    page = officer.get(f"{PAGE}/video/delete")
    assert "Delete Video?" in page.get_data(as_text=True)
    assert len(world.runtime.register.services(world.site)) == 1
    assert officer.post(f"{PAGE}/video/delete", data={"csrf_token": csrf(page)}).status_code == 302
    assert world.runtime.register.services(world.site) == []
    assert world.runtime.audit.newest()[0].action == "service.remove"
    for path in ("edit", "delete", "texts/de"):
        assert officer.get(f"{PAGE}/video/{path}").status_code == 404
        assert officer.get(f"{PAGE}/webmon/{path}").status_code == 404, "webmon's own is not to be changed"


@pytest.mark.parametrize(
    ("slip", "said"),
    [
        ({"name": ""}, "is required"),
        ({"name": "x" * 201}, "longer than 200"),
        ({"purpose": "world-domination"}, "Not a valid choice"),
        ({"cookies-0-kind": "forever"}, "Not a valid choice"),
        ({"cookies-1-name": "map_*"}, "has two cookies of one name"),
    ],
)
def test_a_slip_is_said_beside_the_field_and_nothing_is_saved(
    world: World, officer: Client, slip: dict[str, str], said: str
) -> None:
    answer = officer.post(f"{PAGE}/new", data=filled(officer) | slip)
    assert answer.status_code == 200
    assert said in answer.get_data(as_text=True)
    assert world.runtime.register.services(world.site) == []


def test_hostile_texts_are_texts_wherever_they_are_shown(world: World, officer: Client) -> None:
    cookie = VIDEO["cookies"][0] | {"name": HOSTILE}  # type: ignore[index]
    put(world, provider=HOSTILE, texts={"en": {"name": HOSTILE, "description": HOSTILE}}, cookies=[cookie])
    publish(officer)
    for path in (PAGE, f"{PAGE}/video/edit", f"{PAGE}/video/texts/de", f"{PAGE}/video/delete", PUBLIC):
        page = text(officer, path)
        assert "alert(1)" in page
        assert HOSTILE not in page


def test_visitors_read_it_by_purpose_in_their_language_and_without_a_cookie(world: World, officer: Client) -> None:
    put(world)
    publish(officer)
    answer = world.browser().get(PUBLIC, headers={"Accept-Language": "de-AT,de;q=0.9"})
    page = answer.get_data(as_text=True)
    assert '<html lang="de"' in page
    assert "webmon_consent" in page
    assert page.index('id="necessary"') < page.index('id="marketing"')
    assert "Set-Cookie" not in answer.headers
    assert "<script" not in page
    assert PUBLIC in text(world.client, "/privacy/example.org")
    assert world.client.get("/privacy/elsewhere.example/cookies").status_code == 404


def test_programs_read_it_from_any_page(world: World, officer: Client) -> None:
    put(world)
    publish(officer)
    answer = world.client.get("/api/register?site=example.org&lang=de-CH", headers={"Origin": "https://example.org"})
    document = answer.get_json()
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert (document["site"], document["language"]) == ("example.org", "de")
    assert document["notice"] == world.runtime.notices.current(world.site, world.clock.now())["de"]
    assert [service["key"] for service in document["services"]] == ["webmon", "video"]
    assert document["services"][1]["cookies"][0]["lifetime"] == "1 Jahr"
    assert world.client.get("/api/register?site=example.org").get_json()["language"] == "en"
    assert "site" in problem(world.client.get("/api/register?site=elsewhere.example"))
    assert "site" in problem(world.client.get("/api/register"))


def test_a_purpose_that_no_notice_has_is_refused_and_nothing_is_published(world: World, officer: Client) -> None:
    page = officer.post(f"{PAGE}/new", data=filled(officer)).status_code
    assert page == 302
    body = world.runtime.notices.get(world.runtime.notices.current(world.site, world.clock.now())["de"]).body
    body["purposes"] = [one for one in body["purposes"] if one["key"] != "functional"]
    world.runtime.notices.publish(world.site, body, NOW, actor="test")
    before = dict(world.runtime.notices.current(world.site, world.clock.now()))
    answer = officer.post(f"{PAGE}/publish", data={"csrf_token": csrf(officer.get(PAGE))})
    assert "Not published" in answer.get_data(as_text=True)
    assert "which is no purpose of the notice" in answer.get_data(as_text=True)
    assert dict(world.runtime.notices.current(world.site, world.clock.now())) == before


def wrong(**changes: Any) -> list[Any]:
    return [VIDEO | changes]


@pytest.mark.parametrize(
    ("listed", "said"),
    [
        ({}, "must be a list"),
        ([1], "is none"),
        ([{"key": "x"}], "is none"),
        (wrong(key="webmon"), "webmon's own"),
        (wrong(key="No Key"), "is no key"),
        (wrong(texts={"de": {"name": "Film"}}), "needs a name in English"),
        (wrong(texts={"en": {"name": "Film"}, "not a tag": {}}), "no tag"),
        (wrong(texts={"en": {"name": "x" * 4001}}), "longer than"),
        (wrong(purpose="unheard-of"), "no purpose of every notice"),
        (wrong(cookies=[VIDEO["cookies"][0] | {"party": "second"}]), "neither first nor third"),  # type: ignore[index]
        (wrong(cookies=[VIDEO["cookies"][0] | {"name": " "}]), "needs a name"),  # type: ignore[index]
        ([VIDEO, VIDEO], "must differ"),
        ([VIDEO | {"key": f"v{number}"} for number in range(200)], "more than"),
    ],
)
def test_a_file_that_is_wrong_anywhere_changes_nothing(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, listed: Any, said: str
) -> None:
    put(world)
    file = tmp_path / "services.json"
    file.write_text(json.dumps(listed), "utf-8")
    monkeypatch.setenv("WEBMON_DATA_DIR", str(world.folder))
    done = CliRunner().invoke(main, ["site", "services", "import", str(file), "--site", "example.org"])
    assert done.exit_code == 1
    assert said in done.output
    assert [one.key for one in world.runtime.register.services(world.site)] == ["video"]


def test_a_register_goes_out_to_a_file_and_comes_back(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(world)
    monkeypatch.setenv("WEBMON_DATA_DIR", str(world.folder))
    out = CliRunner().invoke(main, ["site", "services", "export", "example.org"])
    exported = json.loads(out.output)
    assert exported[0]["cookies"] == VIDEO["cookies"]
    file = tmp_path / "services.json"
    file.write_text(out.output, "utf-8")
    world.runtime.register.remove(world.site, "video", NOW, actor="test")
    arguments = ["site", "services", "import", str(file), "--site", "example.org", "--publish"]
    done = CliRunner().invoke(main, arguments)
    assert (done.exit_code, done.output.splitlines()[-1]) == (0, f"In force in {len(LANGUAGES)} new notices.")
    assert world.runtime.register.export(world.site) == exported
    file.write_text("{", "utf-8")
    assert "is not JSON" in CliRunner().invoke(main, arguments).output


def test_the_demo_s_register_can_be_read() -> None:
    register = read_register(json.loads((ROOT / "demo" / "services.json").read_text("utf-8")))
    assert [service.key for service in register] == ["film", "account"]


def test_keys_are_made_from_names_and_differ() -> None:
    assert new_key("My Video!", []) == "my-video"
    assert new_key("My Video!", ["my-video"]) == "my-video-2"
    assert new_key("webmon", []) == "webmon-2"
    assert new_key("123", []) == "service-123"
    assert new_key("视频", []) == "service"


def test_webmon_s_own_service_is_there_in_every_language() -> None:
    assert [service.key for service in own_services("de")] == ["webmon"]
    assert own_services("xx") == own_services("en")


def test_drafts_and_what_is_scheduled_list_the_register_once_it_is_published(world: World, officer: Client) -> None:
    notices, later = world.runtime.notices, NOW + timedelta(hours=1)
    for language, title in (("de", "Neu"), ("fr", "Nouveau")):
        body = notices.named(world.site, language, NOW).body
        body["texts"]["title"] = title
        notices.save_draft(world.site, body, NOW, actor="test")
    notices.publish_draft(world.site, "fr", notices.draft(world.site, "fr").revision, NOW, actor="test", at=later)
    without = default_body("example.org", "it")
    without["purposes"] = [one for one in without["purposes"] if one["key"] != "marketing"]
    notices.save_draft(world.site, without, NOW, actor="test")
    put(world)
    publish(officer)
    draft = notices.draft(world.site, "de")
    assert [one.key for one in draft.notice.services] == ["webmon", "video"]
    notices.publish_draft(world.site, "de", draft.revision, NOW, actor="test")
    assert notices.draft(world.site, "it").notice.body == without, "it has no purpose that the service is for"
    (scheduled,) = notices.scheduled(world.site, NOW)
    assert scheduled.effective_at == later
    world.move(hours=2)
    for language, title in (("de", "Neu"), ("fr", "Nouveau"), ("en", None)):
        notice = notices.in_force(world.site, language, world.clock.now())
        assert [one.key for one in notice.services] == ["webmon", "video"], language
        assert title is None or notice.body["texts"]["title"] == title
    assert world.runtime.register.unpublished(world.site, world.clock.now()) == []
