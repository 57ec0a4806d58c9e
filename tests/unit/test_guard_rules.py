"""What a site adds to the guard: parameters, path templates, property keys."""

from __future__ import annotations

import pytest

from webmon.domain.event import IncomingEvent
from webmon.domain.guard import guard_event
from webmon.domain.scrub import (
    NO_RULES,
    GuardRules,
    clean_parameters,
    clean_path_templates,
    clean_property_keys,
    scrub_path,
    scrub_props,
    scrub_url,
)
from webmon.domain.scrub.rules import RULES_LIMIT


def templates(*lines: str) -> GuardRules:
    return GuardRules(path_templates=clean_path_templates(lines))


@pytest.mark.parametrize(
    ("template", "path", "expected"),
    [
        ("/patients/:id/results", "/patients/jane-doe/results", "/patients/:id/results"),
        ("/patients/:id/results", "/Patients/jane-doe/results/", "/patients/:id/results"),
        ("/patients/:id/results", "/p%61tients//jane%2Fdoe/results", "/patients/:id/results"),
        ("/patients/:id/results", "/patients;v=1/jane;x=2/results?a=b", "/patients/:id/results"),
        ("/patients/:id/results", "/patients/jane-doe/results%20", "/patients/:id/results"),
        ("/patients/:id/results", "/a/../patients/./jane-doe/results", "/patients/:id/results"),
        ("/patients/:id/results", "/patients%2Fjane-doe%2Fresults", "/patients/:id/results"),
        ("/patients/:id/results", "/patients\\jane-doe\\results", "/patients/:id/results"),
        ("/patients/:id/results", "/patients/jane-doe/results/../notes", "/patients/jane-doe/notes"),
        ("/patients/:id/results", "/patients/jane-doe/notes", "/patients/jane-doe/notes"),
        ("/patients/:id/results", "/patients/visiting-hours", "/patients/visiting-hours"),
        ("/patients/*", "/patients/jane-doe/notes/jane", "/patients/*"),
        ("/patients/*", "/patients", "/patients"),
        ("/doctors/:name", "/doctors/123456", "/doctors/:name"),
        ("/rooms/12345", "/rooms/12345", "/rooms/12345"),
        ("/räume/:room", "/R%C3%84UME/x", "/räume/:room"),
        ("/*", "/anything", "/*"),
    ],
)
def test_a_path_of_a_templates_form_becomes_the_template(template: str, path: str, expected: str) -> None:
    assert scrub_path(path, templates(template)).value == expected


def test_the_first_template_that_fits_wins() -> None:
    rules = templates("/patients/new", "/patients/:id", "/patients/*")
    assert scrub_path("/patients/new", rules).value == "/patients/new"
    assert scrub_path("/patients/42", rules).value == "/patients/:id"
    assert scrub_path("/patients/42/x", rules).value == "/patients/*"


def test_what_a_template_took_is_counted_and_what_it_only_allowed_is_not() -> None:
    assert scrub_path("/a/b", templates("/a/:x")).removed == ("path_template",)
    assert scrub_path("/a/b", templates("/a/b")).removed == ()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("patients/:id", "line 2, “patients/:id”: must begin with /"),
        ("/patients/*/results", "may have * only at its end"),
        ("/patients/:", "neither words, :name nor"),
        ("/a b", "neither words, :name nor"),
        ("/a?b=:c", "neither words, :name nor"),
        ("/" + "a" * 400, "at most 300 characters"),
    ],
)
def test_a_template_that_is_none_is_named_by_its_line(line: str, said: str) -> None:
    with pytest.raises(ValueError, match="line 2") as error:
        clean_path_templates(["/fine/:id", line])
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("a=b", "must be the name of one parameter"),
        ("gclid", "is a click identifier"),
        ("GCLID", "is a click identifier"),
        ("email", "is named after something of a person"),
        ("patient_id", "is named after something of a person"),
    ],
)
def test_a_parameter_that_is_never_kept_cannot_be_allowed(line: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        clean_parameters([line])


def test_a_property_of_a_person_cannot_be_allowed() -> None:
    with pytest.raises(ValueError, match="named after something of a person"):
        clean_property_keys(["plan", "patientName"])


def test_blank_and_repeated_lines_are_none_and_there_is_a_limit() -> None:
    assert clean_parameters(["", " Lang ", "tab", "lang"]) == ("lang", "tab")
    with pytest.raises(ValueError, match="at most"):
        clean_parameters([f"p{number}" for number in range(RULES_LIMIT + 1)])


def test_allowed_parameters_tell_pages_apart_and_are_scrubbed() -> None:
    rules = GuardRules(parameters=("tab", "lang", "q"))
    found = scrub_url("https://example.org/search?tab=2&LANG=de&x=1&q=j%40example.org&gclid=abc", rules)
    assert found.pathname == "/search?lang=de&q=[email]&tab=2"
    assert found.query["gclid"] == ""
    assert sorted(found.removed) == ["click_id", "email", "parameter"]
    again = scrub_url(f"https://example.org{found.pathname}", rules)
    assert (again.pathname, again.removed) == (found.pathname, ())


def test_allowed_keys_are_kept_and_no_other_and_their_values_are_scrubbed() -> None:
    kept, removed = scrub_props(
        {"plan": "j@example.org", "step": "1", "Plan": "x"}, GuardRules(property_keys=("plan",))
    )
    assert kept == {"plan": "[email]"}
    assert removed == {"property": 2, "email": 1}


def test_a_property_of_a_person_is_dropped_even_if_an_old_rule_allows_it() -> None:
    assert scrub_props({"email": "x"}, GuardRules(property_keys=("email",)))[0] == {}


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("https://example.org/app#/patients/123456/results", "/app#/patients/:id/results"),
        ("https://example.org/app#!/inbox?token=abc", "/app#!/inbox"),
        ("https://example.org/app#%2Finbox", "/app#/inbox"),
        ("https://example.org/app#section-2", "/app"),
        ("https://example.org/cb#access_token=abcdef&state=1", "/cb"),
    ],
)
def test_a_fragment_is_kept_where_it_is_a_path(url: str, path: str) -> None:
    assert scrub_url(url).pathname == path


def test_templates_hold_for_paths_behind_a_hash() -> None:
    found = scrub_url("https://example.org/app#/patients/jane", templates("/patients/:id"))
    assert found.pathname == "/app#/patients/:id"


@pytest.mark.parametrize(
    "value", ["/patients/jane-roe/results", "https://example.org/patients/jane-roe/results?tab=2"]
)
def test_an_address_in_a_property_has_the_form_of_the_site_s_paths(value: str) -> None:
    kept, removed = scrub_props({"path": value}, templates("/patients/:name/*"))
    assert kept["path"].endswith("/patients/:name/*")
    assert "jane" not in kept["path"]
    assert removed["path_template"] == 1


def test_an_event_is_scrubbed_as_a_whole_and_what_went_is_told_by_kind() -> None:
    event = IncomingEvent(
        name="Call +1 555 010 0199",
        url="https://example.org/users/42?x=1",
        domain="example.org",
        referrer="https://elsewhere.example/unsubscribe/jane%40example.org",
        props={"note": "jane@example.org", "email": "x"},
    )
    found = guard_event(event, NO_RULES)
    assert found.name == "Call [phone]"
    assert found.referrer == "elsewhere.example/unsubscribe/:email"
    assert found.props == {"note": "[email]"}
    assert sorted(found.removed) == ["email", "email", "parameter", "path_id", "phone", "property"]
