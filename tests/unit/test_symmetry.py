"""A notice in which refusing is harder than accepting is not published, and the rule and the part are named."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webmon.domain.label import has_letter, read_as, shows
from webmon.domain.language import LANGUAGES
from webmon.domain.notice import SCHEMA, completed, default_body, make_draft, make_notice, read_body, upgraded
from webmon.domain.symmetry import LEAST_CONTRAST, PRESSED, RULES, contrast, failures
from webmon.domain.theme import COLOURS, FONTS, default_theme
from webmon.errors import InvalidInput

DOCS = Path(__file__).resolve().parents[2] / "docs"


def body(**change: Any) -> dict[str, Any]:
    return default_body("example.org", "en") | change


def styled(**styles: Any) -> dict[str, Any]:
    return body(theme=default_theme() | {"buttons_style": styles})


def labelled(**texts: str) -> dict[str, Any]:
    return body(texts=body()["texts"] | texts)


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
    "a choose twice as large": (styled(choose={"size": 200}), "size", "theme.buttons_style.choose.size"),
    "a choose a little larger": (styled(choose={"size": 110}), "size", "theme.buttons_style.choose.size"),
    "a reject without a label": (labelled(reject="\u200b\u2060"), "labels", "texts.reject"),
    "a reject that is a point": (labelled(reject="."), "labels", "texts.reject"),
    "a choose that is an arrow": (labelled(choose="→"), "labels", "texts.choose"),
    "a withdraw that is a dash": (labelled(withdraw="\u2013"), "labels", "texts.withdraw"),
    "a question that shows nothing": (labelled(body="\u2063"), "labels", "texts.body"),
    "reject that reads as accept": (labelled(reject="Accept all"), "distinct", "texts.reject"),
    "reject that reads almost as accept": (labelled(reject="accept\u00a0ALL\u200d."), "distinct", "texts.reject"),
    "reject that reads as choose": (labelled(reject="Choose"), "distinct", "texts.choose"),
    "save that reads as accept": (labelled(save="\uff21ccept all"), "distinct", "texts.save"),
    "a reject that nobody reads": (labelled(reject="Reject " + "all " * 9), "length", "texts.reject"),
    "an accept in many words": (
        labelled(accept="Accept all, and go on right away", reject="No"),
        "length",
        "texts.accept",
    ),
    "an accept made wide": (labelled(accept="Yes" + "\u2003" * 20, reject="No"), "length", "texts.accept"),
    "buttons in the colour of the notice": (
        coloured("light", accent="#ffffff", on_accent="#1c2430"),
        "visible",
        "theme.light.accent",
    ),
    "buttons hardly to be told from the notice": (
        coloured("dark", accent="#20262f", on_accent="#e9edf3"),
        "visible",
        "theme.dark.accent",
    ),
    "a choose that is bare text": (
        styled(choose={"light": {"background": "#ffffff", "text": "#1c2430"}}),
        "visible",
        "theme.buttons_style.choose.light",
    ),
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
    assert {one.rule for one in failures(broken)} <= {rule, "contrast", "visible"}
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
        styled(accept={"size": 80}, reject={"size": 80}, choose={"size": 80}),
        styled(choose={"size": 50}),
        labelled(close="\u00d7"),
        labelled(accept="Accept", reject="Use what is strictly necessary only"),
        labelled(accept="Accept all", reject="No"),
        labelled(accept="同意", reject="拒否", choose="選ぶ"),
        labelled(reject="می\u200cپذیرم", choose="क्षि"),
        # Vowels and tones are marks, and tell words apart.
        labelled(accept="ठीक है, सब चलेगा", reject="मना करें", choose="हाँ", save="हूँ"),
        labelled(accept="ยอมรับ", reject="ยอมรบ"),
        styled(accept={"light": {"background": "#2f5f9f"}}),
    ],
)
def test_what_makes_refusing_no_harder_is_published(fair: dict[str, Any]) -> None:
    assert make_notice(fair).body == fair


# Whatever shows nothing, mixed with what is no word: for each button that one answers with.
UNSEEN = st.text(
    st.characters(categories=["Zs", "Zl", "Zp", "Cc", "Cf"])
    | st.sampled_from("\u00ad\u034f\u115f\u1160\u17b4\u180b\u200b\u2800\u3164\ufe0f\uffa0\U000e0100"),
    max_size=12,
)
WORDLESS = st.text(st.characters(categories=["P", "S", "Z", "M", "Cc", "Cf"]), max_size=12)


@given(st.sampled_from(PRESSED), UNSEEN)
def test_a_label_that_shows_nothing_is_blank(key: str, text: str) -> None:
    assert not shows(text)
    found = [one for one in failures(labelled(**{key: text})) if one.rule == "labels"]
    assert [(one.where, one.text) for one in found] == [(f"texts.{key}", "shows nothing in en")]


@given(st.sampled_from(PRESSED), WORDLESS)
def test_a_label_without_a_letter_is_no_word(key: str, text: str) -> None:
    assert [one.where for one in failures(labelled(**{key: text})) if one.rule == "labels"] == [f"texts.{key}"]


@given(st.lists(UNSEEN, min_size=11, max_size=11), st.sampled_from(["accept", "choose", "save"]))
def test_what_shows_nothing_between_its_letters_makes_no_other_label(parts: list[str], key: str) -> None:
    words = body()["texts"][key]
    text = "".join(part + letter for part, letter in zip(parts, words, strict=False)) + words[len(parts) :]
    assert read_as(text) == read_as(words)
    assert "distinct" in {one.rule for one in failures(labelled(reject=text))}


@given(st.text())
def test_no_label_is_too_odd_to_be_judged(text: str) -> None:
    assert (
        (not shows(text))
        <= (not has_letter(text))
        <= ("labels" in {one.rule for one in failures(labelled(reject=text))})
    )


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


@pytest.mark.parametrize(
    ("language", "nearest"),
    [("de", "de"), ("pt-BR", "pt"), ("is", "en"), (None, "en"), (["de"], "en"), ("x-" * 100_000, "en")],
)
def test_texts_that_are_lacking_are_those_of_the_nearest_language(language: Any, nearest: str) -> None:
    found = completed({"language": language, "texts": {"title": "Ours"}})
    assert found["texts"] == default_body("example.org", nearest)["texts"] | {"title": "Ours"}


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
