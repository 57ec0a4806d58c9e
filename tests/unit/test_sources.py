"""Where visitors come from, as other trackers say it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.vectors import cases
from webmon.domain.sources import channel_of, source_of
from webmon.services.collect_hit import checked_url

# The field's other names for the same thing.
SAME = {"Perplexity.ai": "Perplexity"}


@pytest.mark.parametrize("case", cases("referrers.json", "referer_parser"))
def test_a_referrer_s_name(case: dict[str, Any]) -> None:
    expected = case["expected"]["source"]
    assert source_of(case["input"]["referrer"], "example.org", {}).name == SAME.get(expected, expected)


@pytest.mark.parametrize("case", cases("channels.json", "referrer_source_rules", "url_level"))
def test_a_source_by_address_and_referrer(case: dict[str, Any]) -> None:
    asked, expected = case["input"], case["expected"]
    url = checked_url(asked["url"])
    found = source_of(asked.get("referrer") or "", url.hostname, url.query)
    if expected.get("source"):
        assert (found.name or "Direct / None") == expected["source"]
    if expected.get("referrer"):
        assert found.referrer.removeprefix("https://") == expected["referrer"]


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
