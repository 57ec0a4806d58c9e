"""What the guard removes from texts, and what it leaves alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webmon.domain.scrub import DETECTORS, plain, scrub_text
from webmon.domain.scrub.detectors import SUSPECT
from webmon.domain.scrub.text import replace_finds

# Every number is a published example or is made up with right check digits; none is anybody's.
FINDS = [
    ("mail john.doe@example.org today", "email"),
    ("john.doe%40example.org", "email"),
    ("john.doe%2540example.org", "email"),
    ("john.doe%252540example.org", "email"),
    ("john.doe\uff20example.org", "email"),
    ("jo\u200bhn@exam\u200dple.org", "email"),
    ("078-\ufffd05-\ufffd1120", "ssn"),
    ("4111\ufffd1111\ufffd1111\ufffd1111", "card"),
    ("john&#64;example.org", "email"),
    ("john (at) example.org", "email"),
    ("jürgen@müller.example", "email"),
    ("my address is 203.0.113.88.", "address"),
    ("(93.184.216.34.)", "address"),
    ("203.0.113.66.nip.io", "address"),
    ("+1 555 123 4567", "phone"),
    ("%2B49%20171%201234567", "phone"),
    ("0049 171 1234567", "phone"),
    ("(555) 123-4567", "phone"),
    ("555.123.4567", "phone"),
    ("06 12 34 56 78", "phone"),
    ("030/1234567", "phone"),
    ("call 5551234567", "phone"),
    ("\u0660\u0661\u0667\u0661 1234567", "phone"),
    ("078-05-1120", "ssn"),
    ("078 05 1120", "ssn"),
    ("ssn: 078051120", "ssn"),
    ("\uff10\uff17\uff18-\uff10\uff15-\uff11\uff11\uff12\uff10", "ssn"),
    ("943 476 5919", "nhs"),
    ("943-476-5919", "nhs"),
    ("QQ 12 34 56 C", None),  # the published example has a prefix that is never given out
    ("AB 12 34 56 C", "nino"),
    ("86 095 742 719", "tax_id"),
    ("A123456780", "kvnr"),
    ("756.9217.0769.85", "ahv"),
    ("1 84 12 76 451 089 46", "nir"),
    ("12345678Z", "dni"),
    ("X-1234567-L", "dni"),
    ("RSSMRA85T10A562S", "codice_fiscale"),
    ("44051401359", "pesel"),
    ("046 454 286", "sin"),
    ("4111 1111 1111 1111", "card"),
    ("5500-0000-0000-0004", "card"),
    ("DE89 3704 0044 0532 0130 00", "iban"),
    ("GB82WEST12345698765432", "iban"),
    ("MRN: 12345678", "record"),
    ("mrn 00-4711", "record"),
    ("patient id A12345", "record"),
    ("Versicherten-Nr. 4711 0815", "record"),
    ("accession no 20260417", "record"),
    ("patient 483920", "record"),
    ("born 1980-02-03", "birth_date"),
    ("1980-02-03", "birth_date"),
    ("03.02.1980", "birth_date"),
    ("ill since 03.02.1980", "birth_date"),
    ("02/03/1980", "birth_date"),
    ("3 February 1980", "birth_date"),
    ("Feb 3, 1980", "birth_date"),
    ("3. März 1980", "birth_date"),
    ("dob 020380", "birth_date"),
    ("geboren: 3.2.80", "birth_date"),
    ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl", "token"),
    ("Bearer abcdef0123456789", "token"),
    ("api_key=abc", "token"),
    ("dGhpc0lzQVRva2VuMTIzNDU2", "token"),
    ("550e8400-e29b-41d4-a716-446655440000", "uuid"),
    ("52.5200, 13.4050", "coordinates"),
    ("-33.8688,151.2093", "coordinates"),
    ("lat=52.5200", "coordinates"),
    ("192.0.2.17", "address"),
    ("2001:db8::8a2e:370:7334", "address"),
    ("fe80::1", "address"),
    ("::ffff:192.0.2.17", "address"),
    ("1.2.840.113619.2.55.3.604688119", "dicom_uid"),
    ("name: John Smith", "name"),
    ("Mrs. Jane O'Neill", "name"),
    ("Frau Müller", "name"),
    ("12345678", "number"),
    ("1EG4-TE5-MK73", "mbi"),
    ("1eg4te5mk73", "mbi"),
    ("85.07.30-033.28", "national_id"),  # Belgium
    ("811218-9876", "national_id"),  # Sweden
    ("131052-308T", "national_id"),  # Finland
    ("070761-4285", "national_id"),  # Denmark
    ("529.982.247-25", "national_id"),  # Brazil
    ("12.345.678-5", "national_id"),  # Chile
    ("2341 2341 2346", "national_id"),  # India
    ("1234567T", "national_id"),  # Ireland
    ("11010519491231002X", "national_id"),  # China
    ("BSN 111222333", "national_id"),  # Netherlands
    ("passport no. C01X00T47", "document"),
]
CLEAN = [
    "",
    "newsletter-march-2026",
    "spring_sale_50",
    "Knee MRI: what to expect",
    "Top 10 questions, answered",
    "version 2.14.3",
    "10:30:45",
    "%balle%",
    "100%",
    "R&D",
    "Straßenverkehr",
    "日本語のページ",
    "call to action",
    "born to run",
    "1234-5678",
    "3.14159",
    "cpc",
    "google / cpc",
    "(not set)",
    "telecommunications_infrastructure_programme",
    "std::string",
    "A4 2026",
    "Mr",
]


@pytest.mark.parametrize(("text", "kind"), [find for find in FINDS if find[1]])
def test_what_identifies_is_replaced_by_its_kind(text: str, kind: str) -> None:
    found = scrub_text(text)
    assert kind in found.removed
    assert f"[{kind}]" in found.value


@pytest.mark.parametrize("text", CLEAN)
def test_what_identifies_nobody_stays_as_written(text: str) -> None:
    found = scrub_text(text)
    assert found.value == text
    assert found.removed == ()


@pytest.mark.parametrize(
    "text",
    [
        "078-05-112",
        "000-12-3456",
        "666-12-3456",
        "900-12-3456",
        "943 476 591",
        "DE89 3704 0044 0532 0130 01",
        "QQ 12 34 56 C",
        "12345678A",
        "A123 456 781",
    ],
)
def test_a_wrong_check_digit_is_not_taken_for_its_kind(text: str) -> None:
    assert not {"ssn", "nhs", "iban", "nino", "dni", "kvnr"} & set(scrub_text(text).removed)


def test_the_rest_of_a_text_stays() -> None:
    found = scrub_text("write to a.b@example.org or call +1 555 123 4567 now")
    assert found.value == "write to [email] or call [phone] now"


def test_what_is_encoded_too_often_is_not_kept() -> None:
    text = "john%40example.org"
    for _ in range(9):
        text = text.replace("%", "%25")
    assert scrub_text(text).value == "[encoded]"


def test_a_long_text_is_scrubbed_like_a_short_one() -> None:
    found = scrub_text("lorem ipsum " * 100 + "a.b@example.org")
    assert found.removed == ("email",)


def test_every_kind_of_the_table_has_a_case_here() -> None:
    assert {detector.kind for detector in DETECTORS} == {kind for _, kind in FINDS if kind}


def test_only_texts_without_finds_are_remembered() -> None:
    before = scrub_text.cache_info()  # type: ignore[attr-defined]
    for text in ("jane.remembered@example.org", "a clean text: remembered"):
        scrub_text(text)
        scrub_text(text)
    after = scrub_text.cache_info()  # type: ignore[attr-defined]
    assert after.currsize - before.currsize == 1
    assert after.hits - before.hits == 1
    assert after.maxsize


@given(st.text(max_size=60))
def test_scrubbing_twice_changes_nothing_more(text: str) -> None:
    once = scrub_text(text).value
    assert scrub_text(once).value == once


@given(st.text(st.characters(max_codepoint=127), max_size=60))
def test_a_text_that_is_not_suspected_holds_nothing_that_would_be_found(text: str) -> None:
    if SUSPECT.search(text) is None:
        assert replace_finds(plain(text))[1] == ()
