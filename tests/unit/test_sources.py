"""Where visitors come from, as other trackers say it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.vectors import cases
from webmon.domain.scrub import scrub_url
from webmon.domain.sources import Acquired, acquired_by, channel_of, source_of

# The field's other names for the same thing.
SAME = {"Perplexity.ai": "Perplexity"}


@pytest.mark.parametrize("case", cases("referrers.json", "referer_parser"))
def test_a_referrer_s_name(case: dict[str, Any]) -> None:
    expected = case["expected"]
    found = source_of(case["input"]["referrer"], "example.org", {})
    assert found.name == SAME.get(expected["source"], expected["source"])
    assert found.medium == expected["medium"]


def acquired(asked: dict[str, Any]) -> Acquired:
    url = scrub_url(asked["url"])
    return acquired_by(asked.get("referrer") or "", url.hostname, url.query)


@pytest.mark.parametrize("case", cases("channels.json", "referrer_source_rules", "url_level"))
def test_how_a_visit_came_by_address_and_referrer(case: dict[str, Any]) -> None:
    found = acquired(case["input"])
    figures = {
        "source": found.source.name,
        "referrer": found.source.referrer,
        "channel": found.channel,
        "utm_source": found.utm_source,
        "utm_medium": found.utm_medium,
        "click_id_param": found.click_id,
    }
    expected = case["expected"]
    assert {name: figures[name] for name in expected} == expected


@pytest.mark.parametrize("case", cases("channels.json", "matomo_referrer_type"))
def test_the_kind_of_a_referrer(case: dict[str, Any]) -> None:
    kinds = {"": "direct", "referral": "website"}
    medium = acquired(case["input"]).source.medium
    assert kinds.get(medium, medium) == case["expected"]["referrer_type"]


# Another tracker's cleaning: of these only what does not contradict the rules above.
@pytest.mark.parametrize(
    "case", [one for one in cases("referrers.json", "goatcounter") if one.id not in {"gc-ref-03", "gc-ref-07"}]
)
def test_a_referrer_is_an_app_a_group_or_a_website_as_elsewhere(case: dict[str, Any]) -> None:
    kinds = {"referral": "h", "app": "o", "": "o", "social": "g"}
    found = source_of(case["input"]["referrer"], "example.org", {})
    assert kinds[found.medium] == case["expected"]["scheme"]
    if found.medium != "social":
        assert found.referrer == case["expected"]["ref"]


@pytest.mark.parametrize("case", cases("channels.json", "source_level"))
def test_a_channel_by_source(case: dict[str, Any]) -> None:
    asked, expected = case["input"], case["expected"]
    known = {name: asked[name] or "" for name in ("utm_source", "utm_medium", "utm_campaign") if name in asked}
    found = channel_of(asked.get("source") or "", **known, click_id=asked.get("click_id_param") or "")
    assert found == expected["channel"]


@pytest.mark.parametrize(
    "referrer",
    [
        "",
        "nonsense",
        "http://",
        "http://[",
        "https://example.org/other",
        "https://www.example.org/",
        "http://10.0.0.1/",
    ],
)
def test_no_website_of_others_is_no_source(referrer: str) -> None:
    assert source_of(referrer, "www.example.org", {}).name == ""


def test_what_a_referrer_gives_away_is_not_kept() -> None:
    found = source_of(
        "https://mail.example.net/u/a.person@example.com?session=9f8e7d6c5b4a39281706", "example.org", {}
    )
    assert "a.person" not in found.referrer
    assert "session" not in found.referrer
