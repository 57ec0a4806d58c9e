"""A notice in which refusing is harder than accepting is not published, and the rule and the part are named."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from webmon.domain.language import LANGUAGES
from webmon.domain.notice import SCHEMA, default_body, make_draft, make_notice, read_body, upgraded
from webmon.domain.symmetry import LEAST_CONTRAST, RULES, contrast, failures
from webmon.domain.theme import COLOURS, FONTS, default_theme
from webmon.errors import InvalidInput

DOCS = Path(__file__).resolve().parents[2] / "docs"


def body(**change: Any) -> dict[str, Any]:
    return default_body("example.org", "en") | change


def styled(**styles: Any) -> dict[str, Any]:
    return body(theme=default_theme() | {"buttons_style": styles})


def coloured(scheme: str, **colours: str) -> dict[str, Any]:
    theme = default_theme()
    return body(theme=theme | {scheme: theme[scheme] | colours})


def required(key: str) -> dict[str, Any]:
    purposes = [one | {"required": one["required"] or one["key"] == key} for one in body()["purposes"]]
    return body(purposes=purposes)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_notices_that_a_site_begins_with_keep_every_rule(language: str) -> None:
    assert failures(default_body("example.org", language)) == ()


BROKEN = {
    "reject on the second layer": (body(buttons=["accept", "choose"]), "distance", "buttons"),
    "accept first": (body(buttons=["accept", "reject", "choose"]), "tab_order", "buttons"),
    "accept first, reject last": (body(buttons=["accept", "choose", "reject"]), "tab_order", "buttons"),
    "a smaller reject": (styled(reject={"size": 90}), "size", "theme.buttons_style.reject.size"),
    "a larger accept": (styled(accept={"size": 120}), "size", "theme.buttons_style.reject.size"),
    "a grey reject": (
        styled(reject={"light": {"background": "#757575"}}),
        "weight",
        "theme.buttons_style.reject.light",
    ),
    "a grey reject, in dark only": (
        styled(reject={"dark": {"background": "#8a8a8a", "text": "#000000"}}),
        "weight",
        "theme.buttons_style.reject.dark",
    ),
    "reject as bare text": (
        styled(reject={"light": {"background": "#ffffff", "text": "#1c2430"}}),
        "weight",
        "theme.buttons_style.reject.light",
    ),
    "a ticked purpose": (body(preselected=["marketing"]), "preselected", "preselected"),
    "statistics that are always on": (required("analytics"), "required", "purposes"),
    "a purpose of one's own that is always on": (required("functional"), "required", "purposes"),
    "pale text": (coloured("light", text="#999999"), "contrast", "theme.light.text"),
    "pale text, in dark": (coloured("dark", text="#555555"), "contrast", "theme.dark.text"),
    "a pale button": (coloured("light", on_accent="#7f9fc0"), "contrast", "theme.light.on_accent"),
    "a pale button, in dark": (coloured("dark", on_accent="#668844"), "contrast", "theme.dark.on_accent"),
    "a pale choose": (
        styled(choose={"light": {"text": "#808080"}}),
        "contrast",
        "theme.buttons_style.choose.light",
    ),
}


@pytest.mark.parametrize(("broken", "rule", "where"), BROKEN.values(), ids=BROKEN)
def test_a_broken_rule_is_named_and_where(broken: dict[str, Any], rule: str, where: str) -> None:
    assert make_draft(broken).body == broken, "it may be kept as a draft"
    assert (rule, where) in {(one.rule, one.where) for one in failures(broken)}
    assert {one.rule for one in failures(broken)} <= {rule, "contrast"}
    with pytest.raises(InvalidInput) as refused:
        make_notice(broken)
    assert where in refused.value.errors


def test_a_purpose_that_must_not_be_always_on_is_named() -> None:
    with pytest.raises(InvalidInput) as refused:
        make_notice(required("analytics"))
    assert refused.value.errors == {
        "purposes": ["has analytics as always on: only necessary may be, all else is asked for"]
    }


def test_every_rule_is_broken_by_some_case_and_documented() -> None:
    assert {rule for _, rule, _ in BROKEN.values()} == set(RULES)
    text = (DOCS / "notices.md").read_text("utf-8")
    assert re.findall(r"^\| `(\w+)` \| (.*?) \|$", text, re.MULTILINE) == [
        (rule.key, rule.sentence) for rule in RULES.values()
    ]


@pytest.mark.parametrize(
    "fair",
    [
        body(buttons=["choose", "reject", "accept"]),
        body(buttons=["reject", "choose", "accept"]),
        body(preselected=[]),
        styled(reject={"size": 120}),
        styled(accept={"size": 80}, reject={"size": 80}),
        styled(accept={"light": {"background": "#2f5f9f"}}),
    ],
)
def test_what_makes_refusing_no_harder_is_published(fair: dict[str, Any]) -> None:
    assert make_notice(fair).body == fair


# Ratios as the WCAG's own examples and checkers give them.
@pytest.mark.parametrize(
    ("one", "other", "ratio"),
    [
        ("#000000", "#ffffff", 21.0),
        ("#777777", "#ffffff", 4.48),
        ("#767676", "#ffffff", 4.54),
        ("#ff0000", "#ffffff", 4.0),
    ],
)
def test_contrast_is_that_of_the_wcag(one: str, other: str, ratio: float) -> None:
    assert round(contrast(one, other), 2) == round(contrast(other, one), 2) == ratio


def test_just_under_the_limit_is_under_it() -> None:
    (found,) = failures(coloured("light", text="#777777"))
    assert found.text == f"has a contrast of 4.47:1, and at least {LEAST_CONTRAST}:1 is needed"


@pytest.mark.parametrize(
    ("theme", "field"),
    [
        (None, "theme"),
        ({}, "theme.light"),
        (default_theme() | {"shadow": "big"}, "theme"),
        (default_theme() | {"light": {}}, "theme.light.accent"),
        (default_theme() | {"light": "white"}, "theme.light"),
        (default_theme() | {"light": default_theme()["light"] | {"glow": "#000000"}}, "theme.light"),
        *[
            (default_theme() | {"dark": default_theme()["dark"] | {"text": colour}}, "theme.dark.text")
            for colour in ("red", "#fff", "#FFFFFF", "#ffffff;}", "url(x)", "#ffffff\n", 0xFFFFFF, None)
        ],
        *[(default_theme() | {"radius": radius}, "theme.radius") for radius in (-1, 25, 1.5, "10px", True, None)],
        *[(default_theme() | {"font": font}, "theme.font") for font in ("Comic Sans", "", None, ["inherit"])],
        *[(default_theme() | {"buttons_style": styles}, "theme.buttons_style") for styles in (None, {"close": {}})],
        (default_theme() | {"buttons_style": {"reject": "tiny"}}, "theme.buttons_style.reject"),
        (default_theme() | {"buttons_style": {"reject": {"opacity": 0}}}, "theme.buttons_style.reject"),
        (default_theme() | {"buttons_style": {"reject": {"size": 10}}}, "theme.buttons_style.reject.size"),
        (
            default_theme() | {"buttons_style": {"accept": {"dark": {"text": "x"}}}},
            "theme.buttons_style.accept.dark.text",
        ),
    ],
)
def test_a_theme_that_cannot_be_is_refused_by_part(theme: Any, field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        make_draft(body(theme=theme))
    assert field in refused.value.errors


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"onload": "alert(1)"}, "onload"),
        ({"language": "en" + "-abcdefgh" * 2}, "language"),
        ({"preselected": "marketing"}, "preselected"),
        ({"preselected": ["unknown"]}, "preselected"),
        ({"buttons": ["reject", "accept"]}, "buttons"),
        ({"buttons": ["choose", "reject"]}, "buttons"),
        ({"privacy_contact": None}, "privacy_contact"),
        ({"texts": default_body("example.org", "en")["texts"] | {"more": "x"}}, "texts"),
    ],
)
def test_a_draft_that_cannot_be_is_refused_by_part(change: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        make_draft(body(**change))
    assert field in refused.value.errors


@pytest.mark.parametrize(
    "text", ["", "[]", "null", '"x"', "{", "NaN", b"\xff\xfe", '{"a": NaN}', '{"a": "\\ud800"}', "[" * 100_000]
)
def test_a_file_that_holds_no_notice_is_refused(text: str | bytes) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_body(text)
    assert list(refused.value.errors) == ["body"]


def test_every_part_of_a_theme_is_documented_as_the_custom_property_that_it_is() -> None:
    names = {f"--webmon-{name.replace('_', '-')}" for name in COLOURS} | {"--webmon-radius", "--webmon-font"}
    text = (DOCS / "wire.md").read_text("utf-8")
    assert set(re.findall(r"`(--webmon-[a-z-]+)`", text)) == names
    assert all(f"`{font}`" in text for font in FONTS)


def test_a_notice_of_the_first_schema_is_the_beginning_of_a_draft() -> None:
    old = body(schema="webmon-notice/1")
    old["texts"] = {key: text for key, text in old["texts"].items() if key != "services"} | {"gone": "x"}
    for part in ("services", "position", "theme"):
        del old[part]
    new = upgraded(old)
    assert (new["schema"], new["position"]) == (SCHEMA, "bottom")
    assert make_notice(new).body == new
