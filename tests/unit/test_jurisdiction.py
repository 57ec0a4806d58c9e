"""Which policy holds where: a table of places, choices of the site, previews and signals."""

from __future__ import annotations

import itertools

import pytest

from webmon.domain.decision import Claim, decide
from webmon.domain.drop import DropReason
from webmon.domain.hit import Basis
from webmon.domain.jurisdiction import (
    PACKS,
    REASONS,
    ChosenBy,
    Jurisdiction,
    Model,
    Policy,
    Reason,
    Signals,
    clean_code,
    decide_policy,
    never_laxer,
)
from webmon.domain.site import Mode, own_address

ELSEWHERE = "place_in_no_pack elsewhere_notice"
BY_PLACE, ELSE_NOTICE = Jurisdiction.BY_PLACE, Jurisdiction.BY_PLACE_ELSE_NOTICE


@pytest.mark.parametrize(
    ("country", "region", "choice", "model", "pack", "code", "chosen_by", "reasons"),
    [
        ("DE", "DE-BE", BY_PLACE, "opt_in", "eu_eea", "DE", "place", "place_in_pack"),
        ("NO", "", BY_PLACE, "opt_in", "eu_eea", "NO", "place", "place_in_pack"),
        ("RE", "", BY_PLACE, "opt_in", "eu_eea", "RE", "place", "place_in_pack"),
        ("GB", "GB-ENG", ELSE_NOTICE, "opt_in", "uk", "GB", "place", "place_in_pack"),
        ("CH", "", ELSE_NOTICE, "opt_in", "ch", "CH", "place", "place_in_pack"),
        ("BR", "BR-SP", ELSE_NOTICE, "opt_in", "br", "BR", "place", "place_in_pack"),
        ("US", "US-CA", BY_PLACE, "opt_out", "us_states", "US-CA", "place", "place_in_pack"),
        ("US", "US-RI", ELSE_NOTICE, "opt_out", "us_states", "US-RI", "place", "place_in_pack"),
        ("US", "US-WY", BY_PLACE, "opt_in", "opt_in", "US-WY", "default", "place_in_no_pack strictest"),
        ("US", "US-WY", ELSE_NOTICE, "notice_only", "notice_only", "US-WY", "place", ELSEWHERE),
        ("US", "", BY_PLACE, "opt_in", "opt_in", "US", "default", "region_unknown strictest"),
        ("US", "", ELSE_NOTICE, "opt_in", "opt_in", "US", "default", "region_unknown strictest"),
        ("JP", "JP-13", BY_PLACE, "opt_in", "opt_in", "JP", "default", "place_in_no_pack strictest"),
        ("JP", "JP-13", ELSE_NOTICE, "notice_only", "notice_only", "JP", "place", ELSEWHERE),
        ("", "", BY_PLACE, "opt_in", "opt_in", "", "default", "place_unknown strictest"),
        ("", "", ELSE_NOTICE, "opt_in", "opt_in", "", "default", "place_unknown strictest"),
        ("US", "US-CA", Jurisdiction.EVERYWHERE_OPT_IN, "opt_in", "opt_in", "", "site", "site_has_one"),
        ("DE", "", Jurisdiction.OPT_OUT, "opt_out", "opt_out", "", "site", "site_has_one"),
        ("DE", "", Jurisdiction.NOTICE_ONLY, "notice_only", "notice_only", "", "site", "site_has_one"),
        ("DE", "", Jurisdiction.EXEMPT, "exempt", "exempt", "", "site", "site_has_one"),
    ],
)
def test_the_place_or_the_site_decides_and_says_why(
    country: str, region: str, choice: Jurisdiction, model: str, pack: str, code: str, chosen_by: str, reasons: str
) -> None:
    found = decide_policy(country, region, choice)
    assert found.document() == {
        "model": model,
        "pack": pack,
        "code": code,
        "chosen_by": chosen_by,
        "reasons": reasons.split(),
    }


def test_no_place_is_in_two_packs_and_every_code_is_one() -> None:
    codes = list(itertools.chain.from_iterable(pack.codes for pack in PACKS.values()))
    assert len(codes) == len(set(codes))
    assert all(clean_code(code) == code for code in codes)
    eu = "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK IS LI NO"
    assert len(eu.split()) == 30
    assert PACKS["eu_eea"].codes >= set(eu.split())
    assert len(PACKS["us_states"].codes) == 19


def test_every_reason_has_its_sentence_and_every_fixed_choice_its_pack() -> None:
    assert set(REASONS) == set(Reason)
    assert {one for one in Jurisdiction if one.pack is None} == {BY_PLACE, ELSE_NOTICE}


@pytest.mark.parametrize(
    ("preview", "choice", "model", "chosen_by"),
    [
        ("US-CA", BY_PLACE, "opt_out", "preview"),
        ("DE", BY_PLACE, "opt_in", "preview"),
        ("JP", ELSE_NOTICE, "notice_only", "preview"),
        ("US-CA", Jurisdiction.EVERYWHERE_OPT_IN, "opt_in", "site"),
    ],
)
def test_a_preview_shows_what_would_be_there(preview: str, choice: Jurisdiction, model: str, chosen_by: str) -> None:
    found = decide_policy("DE", "", choice, preview)
    assert (found.model, found.chosen_by) == (model, chosen_by)
    assert Reason.PREVIEW in found.reasons


@pytest.mark.parametrize("own", Model)
@pytest.mark.parametrize("shown", Model)
def test_a_preview_never_makes_an_answer_laxer(own: Model, shown: Model) -> None:
    def policy(model: Model, reason: Reason) -> Policy:
        return Policy(model, "pack", "", ChosenBy.PLACE, (reason,))

    order = list(Model)
    held = never_laxer(policy(shown, Reason.PREVIEW), policy(own, Reason.PLACE_IN_PACK))
    assert held.model is min(own, shown, key=order.index)
    assert Reason.PREVIEW in held.reasons
    assert (Reason.PREVIEW_NOT_LAXER in held.reasons) is (order.index(shown) > order.index(own))


@pytest.mark.parametrize("choice", Jurisdiction)
@pytest.mark.parametrize(("gpc", "dnt"), [(False, False), (False, True), (True, False), (True, True)])
def test_a_signal_is_an_opt_out_under_every_policy_and_changes_no_model(
    choice: Jurisdiction, gpc: bool, dnt: bool
) -> None:
    found = decide_policy("US", "US-CA", choice, signals=Signals(gpc, dnt))
    assert found.model is decide_policy("US", "US-CA", choice).model
    assert found.opted_out is (gpc or dnt)
    assert ((Reason.GPC in found.reasons), (Reason.DNT in found.reasons)) == (gpc, dnt)


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("gpc", [False, True])
def test_a_hit_with_an_identifier_needs_a_consent_whatever_the_policy(mode: Mode, gpc: bool) -> None:
    # The decision about a hit knows no policy: none can make it laxer.
    assert decide(mode, Claim(True, False, gpc)) is DropReason.NO_CONSENT
    assert decide(mode, Claim(True, True, gpc)) == Basis.CONSENT


@pytest.mark.parametrize("text", ["", "Germany", "D", "US-", "US-CALI", "DE;--", "ÄÖ", "<b>", "US-CA\n-"])
def test_what_is_no_code_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="such as DE or US-CA"):
        clean_code(text)


def test_a_code_is_read_in_small_letters_too() -> None:
    assert (clean_code(" us-ca "), clean_code("de")) == ("US-CA", "DE")


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("/thanks?said=1#top", "https://example.org/thanks?said=1#top"),
        ("https://example.org/thanks", "https://example.org/thanks"),
        ("https://www.example.org/", "https://www.example.org/"),
        ("http://EXAMPLE.org/", "http://EXAMPLE.org/"),
    ],
)
def test_a_form_leads_back_to_the_website(text: str, address: str) -> None:
    assert own_address("example.org", text) == address


@pytest.mark.parametrize(
    "text",
    [
        "//evil.example/",
        "/\\evil.example/",
        "\\\\evil.example",
        "https://evil.example/",
        "https://example.org.evil.example/",
        "https://example.org@evil.example/",
        "https://evil.example#@example.org/",
        "https://user@example.org/",
        "https://example.org:444/",
        "https://shop.example.org/",
        "https:/evil.example",
        "https:evil.example",
        "javascript:alert(1)",
        "data:text/html,x",
        "ftp://example.org/",
        "https://[::1",
        "/\t/evil.example",
        "/a\r\nSet-Cookie: x=1",
        " https://evil.example",
        "evil",
        "?x",
    ],
)
def test_a_form_leads_nowhere_else(text: str) -> None:
    with pytest.raises(ValueError, match="must be a path"):
        own_address("example.org", text)
