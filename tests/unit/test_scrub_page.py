"""Page addresses as they may be stored."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.vectors import FOLDER, cases
from webmon.domain.scrub import PATH_LIMIT, scrub_path, scrub_query, scrub_url

TEMPLATES = [
    ("/patients/1234/results", "/patients/:id/results"),
    ("/users/42", "/users/:id"),
    ("/patient/A123", "/patient/:id"),
    ("/visits/123456", "/visits/:id"),
    ("/orders/ORD-10023", "/orders/:id"),
    ("/u/550e8400-e29b-41d4-a716-446655440000/edit", "/u/:id/edit"),
    ("/u/550E8400-E29B-41D4-A716-446655440000", "/u/:id"),
    ("/o/507f1f77bcf86cd799439011", "/o/:id"),
    ("/x/deadbeefdeadbeef", "/x/:id"),
    ("/c/cus_9s6XKzkNRiz8i3", "/c/:id"),
    ("/b/01ARZ3NDEKTSV4RRFFQ69G5FAV", "/b/:id"),
    ("/reset/dGhpc0lzQVRva2VuMTI", "/reset/:id"),
    ("/verify/eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", "/verify/:id"),
    ("/product-123456.html", "/product-:id.html"),
    ("/unsubscribe/john%40example.org", "/unsubscribe/:email"),
    ("/unsubscribe/john%2540example.org/now", "/unsubscribe/:email/now"),
    ("/john.doe@example.org", "/:email"),
    ("/1980-02-03", "/:birth_date"),
    ("/1/4111-1111-1111-1111", "/1/:card"),
    ("/patients/1995-03-02-anna", "/patients/:id"),
    ("/profile/anna/2011/05/06", "/profile/anna/:birth_date"),
    ("/born/03.02.1980", "/born/:birth_date"),
    ("/dob/02-03-1980/x", "/dob/:birth_date/x"),
    ("/call/+1-555-123-4567", "/call/:phone"),
    ("/call/06-12-34-56-78", "/call/:phone"),
    ("/tel/(555)%20123-4567", "/tel/:phone"),
    ("/ssn/078-05-1120", "/ssn/:ssn"),
    ("/mrn-00123456/chart", "/:id/chart"),
    ("/mrn-no-123-a/chart", "/:record/chart"),
    ("/map/52.5200,13.4050", "/map/:coordinates"),
    ("/map/52.5200/13.4050", "/map/:coordinates"),
    ("/from/192.0.2.17", "/from/:address"),
    ("/from/2001:db8::17", "/from/:address"),
    ("/studies/1.2.840.113619.2.55.3.604688119/view", "/studies/:id/view"),
    ("/viewer/1.2.840.113619.2.55.3.604688119", "/viewer/:dicom_uid"),
    ("/\u0660\u0661\u0662\u0663\u0664\u0665\u0666", "/:id"),
    ("/%D9%A1%D9%A2%D9%A3%D9%A4%D9%A5%D9%A6", "/:id"),
    ("/page;jsessionid=0123ABC", "/page"),
    ("/a;v=1/b", "/a/b"),
    ("/patients/./47", "/patients/:id"),
    ("/patients/x/../47", "/patients/:id"),
    ("/name%3DJohn%20Smith", "/:name"),
]
READABLE = [
    "/",
    "/about",
    "/about/",
    "/2015/05/17/post",
    "/2015/05/",
    "/2015/05/17/2016-in-review",
    "/blog/article-1234",
    "/blog/top-10-questions",
    "/blog/2024-in-review",
    "/how_to_install_version_12_on_linux",
    "/telecommunications-infrastructure",
    "/getPatientResultsByDateRange",
    "/patients/visiting-hours",
    "/patients/",
    "/account/settings",
    "/account/2fa",
    "/users/sign_in",
    "/services/x-ray",
    "/services/mri-3t",
    "/files/logstash/logstash-1.3.2-monolithic.jar",
    "/index.php",
    "/~doctors/",
    "/rooms/101",
    "/café",
    "/日本語",
    "/covid-19",
    "/a/b/c/d/e/f/g/h",
    "/wp-content/themes/twentytwentyfour/",
    "/de/leistungen/magnetresonanztomographie",
    "/presentations/logstash-metrics-sf-2012.10/",
]


@pytest.mark.parametrize(("path", "expected"), TEMPLATES)
def test_what_identifies_becomes_a_template(path: str, expected: str) -> None:
    found = scrub_path(path)
    assert found.value == expected
    assert found.removed


@pytest.mark.parametrize("path", READABLE)
def test_a_readable_path_stays(path: str) -> None:
    found = scrub_path(path)
    assert (found.value, found.removed) == (path, ())


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("", "/"),
        ("//", "/"),
        ("/a//b///c", "/a/b/c"),
        ("about", "/about"),
        ("/page?q=a", "/page"),
        ("/page#part", "/page"),
        ("/caf%C3%A9", "/café"),
        ("/caf%E9", "/café"),
        ("/jquery%20mobile", "/jquery mobile"),
        ("/100%25", "/100%"),
        ("/a%2Fb", "/a b"),
        ("/a%3Fq=1", "/a q=1"),
        ("/%00", "/-"),
        ("/%00NAME=[Ann", "/:name"),
    ],
)
def test_a_path_has_one_form(path: str, expected: str) -> None:
    assert scrub_path(path).value == expected


@pytest.mark.parametrize(
    ("path", "read"),
    [
        ("/a/../b/./c", "/b/c"),
        ("/a/b/..", "/a/"),
        ("/a/.", "/a/"),
        ("/../..", "/"),
        ("/.well-known/x", "/.well-known/x"),
    ],
)
def test_dots_between_slashes_are_read_as_a_browser_does(path: str, read: str) -> None:
    assert scrub_path(path).value == read


@pytest.mark.parametrize("case", cases("paths.json", "goatcounter"))
def test_paths_are_cleaned_as_elsewhere_but_for_the_query(case: dict[str, Any]) -> None:
    found = scrub_url("https://example.org" + case["input"]).pathname
    assert (found.rstrip("/") or "/") == case["expected"].partition("?")[0]


STRIPPED = json.loads((FOLDER / "paths.json").read_text("utf-8"))["strip_params"]


@pytest.mark.parametrize("name", sorted({name for names in STRIPPED.values() for name in names}))
def test_parameters_that_others_strip_tell_nobody_apart(name: str) -> None:
    parameter = name.partition(" ")[0].replace("*", "campaign")
    found = scrub_url(f"https://example.org/page?{parameter}=4f9c1be2")
    assert found.pathname == "/page"
    # Campaigns, and `ref` as a name of a source, are kept apart from the page.
    assert parameter in {"ref", "utm_campaign"} or not any(found.query.values())


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/web/20190820072242/https://example.org/about", "/about"),
        ("/web/20190820072242if_/http://example.org", "/"),
        ("/web/2019/https:/example.org/a/b", "/a/b"),
        ("/web/2019/news", "/web/2019/news"),
        ("/web/design", "/web/design"),
    ],
)
def test_a_copy_in_an_archive_is_the_page_it_is_a_copy_of(path: str, expected: str) -> None:
    assert scrub_path(path).value == expected


def test_a_path_has_a_limit() -> None:
    assert len(scrub_path("/word" * 1000).value) == PATH_LIMIT


@pytest.mark.parametrize("segment", ["aaaaaaaaaaa0", "Aaaaaaaaaaaaaaaa", "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaa00"])
def test_a_key_that_reads_like_a_word_is_a_key_all_the_same(segment: str) -> None:
    assert scrub_path(f"/files/{segment}/view").value == "/files/:id/view"


@given(st.text(max_size=80))
def test_a_scrubbed_path_stays_as_it_is(path: str) -> None:
    once = scrub_path("/" + path).value
    assert once.startswith("/")
    assert "?" not in once
    assert "//" not in once


@given(st.sampled_from(["john.doe@example.org", "4111-1111-1111-1111", "078-05-1120"]), st.text(max_size=8))
def test_what_identifies_is_found_wherever_it_stands_in_a_path(secret: str, before: str) -> None:
    assert secret not in scrub_path(f"/{before}/{secret}/after").value


def test_only_campaign_parameters_are_kept() -> None:
    kept, removed = scrub_query("utm_source=News&name=John&email=j%40x.org&utm_medium=email&UTM_Term=knee&q=pain")
    assert kept == {"utm_source": "News", "utm_medium": "email", "utm_term": "knee"}
    assert removed == ("parameter",) * 3


def test_a_click_is_known_by_name_and_never_by_value() -> None:
    kept, removed = scrub_query("gclid=Cj0KCQiA&fbclid=IwAR1")
    assert kept == {"gclid": "", "fbclid": ""}
    assert removed == ("click_id", "click_id")


def test_campaign_values_are_scrubbed() -> None:
    kept, removed = scrub_query("utm_campaign=for-john%40example.org&utm_content=%2B15551234567")
    assert kept == {"utm_campaign": "[email]", "utm_content": "[phone]"}
    assert removed == ("email", "phone")


def test_a_parameter_given_as_a_list_is_no_parameter() -> None:
    assert scrub_query("utm_source[]=a&utm_source=b&utm_source=c")[0] == {"utm_source": "b"}


@pytest.mark.parametrize(
    ("url", "host", "path"),
    [
        ("https://www.Example.org/About?x=1#part", "www.example.org", "/About"),
        ("http://user:secret@example.org:8080/a", "example.org", "/a"),
        ("https://example.org", "example.org", "/"),
        ("https://bücher.example/", "bücher.example", "/"),
        ("file:///android_asset/www/index.html", "(none)", "/android_asset/www/index.html"),
        ("app://localhost/index.html", "(none)", "/index.html"),
        ("http://192.0.2.17/a", "[address]", "/a"),
        ("http://[2001:db8::17]/a", "[address]", "/a"),
    ],
)
def test_an_address_is_taken_apart(url: str, host: str, path: str) -> None:
    found = scrub_url(url)
    assert (found.hostname, found.pathname) == (host, path)


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("", "is required"),
        ("   ", "is required"),
        ("data:text/html,x", "scheme is not allowed"),
        ("javascript:alert(1)", "scheme is not allowed"),
        ("mailto:john@example.org", "scheme is not allowed"),
        ("about:blank", "scheme is not allowed"),
        ("/only/a/path", "must be a valid url"),
        ("example.org/page", "must be a valid url"),
        ("http://", "must be a valid url"),
        ("http://[broken/", "must be a valid url"),
        ("http://exa mple.org/", "must be a valid url"),
        ("http://<script>/", "must be a valid url"),
    ],
)
def test_what_is_no_page_is_refused_with_a_reason(url: str, error: str) -> None:
    with pytest.raises(ValueError, match=f"^{error}$"):
        scrub_url(url)


@given(st.text(max_size=200))
def test_any_path_makes_a_page_of_a_host(path: str) -> None:
    assert scrub_url(f"https://example.org/{path}").pathname.startswith("/")
