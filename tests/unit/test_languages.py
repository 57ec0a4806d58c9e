"""Every language that webmon speaks: complete, its own, in its direction, with buttons of like size."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from webmon.domain.access import EVERY_FIELD, FIELD_GROUPS
from webmon.domain.language import LANGUAGES, closest, languages_of
from webmon.domain.notice import default_body, make_notice, text_keys
from webmon.domain.plural import plural_of
from webmon.domain.retention import in_words
from webmon.domain.screen import SCREENS
from webmon.domain.sources import CHANNELS
from webmon.web.portal.words import CHANNEL_WORDS, EN, FIELD_WORDS, FOLDER, WORDS

OFFICIAL = {
    *("bg", "cs", "da", "de", "el", "en", "es", "et", "fi", "fr", "ga", "hr", "hu"),
    *("it", "lt", "lv", "mt", "nl", "pl", "pt", "ro", "sk", "sl", "sv"),
}
OTHERS = sorted(set(LANGUAGES) - {"en"})
LONGEST_LABEL = 28
# What there is in the words of the visitor's page besides; devices and channels have names that travel.
PARTS = ("errors", "devices", "channels", "receipt_fields")
# Words that a language writes as English does.
SAME_AS_ENGLISH = {
    "da": {"Standard"},
    "de": {"Cookie", "Name"},
    "et": {"Standard"},
    "fr": {"Page", "Services et cookies", "30 minutes"},
    "mt": {"Standard"},
    "nb": {"Standard"},
    "ro": {"Standard"},
    "sl": {"Standard"},
    "sv": {"Standard"},
}


def texts_in(value: Any, at: str = "") -> Iterator[tuple[str, str]]:
    """Every text in a file, with the place where it stands."""
    if isinstance(value, str):
        yield at, value
    elif isinstance(value, dict):
        for key, part in value.items():
            yield from texts_in(part, f"{at}.{key}")
    elif isinstance(value, list):
        for number, part in enumerate(value):
            yield from texts_in(part, f"{at}.{number}")


def notice_texts(language: str) -> dict[str, str]:
    """What a visitor reads of a default notice."""
    body = default_body("example.org", language)
    said = {key: body[key] for key in ("texts", "purposes", "services")}
    machine = re.compile(r"\.(key|purpose|kind|party)$|^\.services\.\d+(\.cookies\.\d+)?\.name$")
    return {at: text for at, text in texts_in(said) if not machine.search(at)}


def test_the_languages_are_those_of_the_union_and_seven_more_and_each_has_its_files() -> None:
    assert set(LANGUAGES) == OFFICIAL | {"nb", "uk", "tr", "ar", "he", "ja", "zh"}
    for folder in (FOLDER, FOLDER.parent / "notices"):
        assert {path.stem for path in folder.glob("*.json")} == set(LANGUAGES), folder.name
    assert len({one.name for one in LANGUAGES.values()}) == len({one.english for one in LANGUAGES.values()}) == 31


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_default_notice_is_complete_and_may_be_published(language: str) -> None:
    body, english = default_body("example.org", language), default_body("example.org", "en")
    assert make_notice(body).language == language
    assert list(body["texts"]) == list(text_keys())
    assert notice_texts(language).keys() == notice_texts("en").keys()
    assert body["direction"] == ("rtl" if language in {"ar", "he"} else "ltr")
    for part in ("purposes", "services"):
        same = [{key: one[key] for key in one if key in {"key", "purpose", "required"}} for one in body[part]]
        assert same == [
            {key: one[key] for key in one if key in {"key", "purpose", "required"}} for one in english[part]
        ]
    cookies, known = (one["services"][0]["cookies"] for one in (body, english))
    fixed = ("name", "purpose", "kind", "party")
    assert [[one[key] for key in fixed] for one in cookies] == [[one[key] for key in fixed] for one in known]
    assert body["texts"]["necessary_label"] == body["purposes"][0]["name"]


@pytest.mark.parametrize("language", OTHERS)
def test_no_text_of_a_notice_was_left_in_english(language: str) -> None:
    english, said = notice_texts("en"), notice_texts(language)
    left = {text for at, text in said.items() if text and text == english[at]}
    assert left <= SAME_AS_ENGLISH.get(language, set())
    numbers = {at: re.findall(r"\d+", text) for at, text in english.items()}
    assert {at: re.findall(r"\d+", text) for at, text in said.items()} == numbers


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_three_buttons_are_short_and_of_like_length(language: str) -> None:
    texts = default_body("example.org", language)["texts"]
    accept, reject, choose = (len(texts[key]) for key in ("accept", "reject", "choose"))
    assert max(accept, reject, choose) <= LONGEST_LABEL
    assert abs(accept - reject) <= 4, "neither stands out by its length"
    assert max(accept, reject) <= 3 * choose
    assert choose <= max(accept, reject) + 1
    for key in ("save", "close", "placeholder_load", "placeholder_always", "object"):
        assert len(texts[key]) <= LONGEST_LABEL, key


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_words_of_the_visitor_s_page_are_complete(language: str) -> None:
    words, loaded = WORDS[language], json.loads((FOLDER / f"{language}.json").read_text("utf-8"))
    assert loaded.keys() == {"texts", "classes", "durations", *PARTS}
    for part in PARTS:
        assert list(getattr(words, part)) == list(getattr(EN, part)), part
    assert list(words.texts) == list(EN.texts)
    assert words.classes.keys() == EN.classes.keys()
    assert loaded["classes"].keys() == {one.value for one in EN.classes}
    for at, text in texts_in(loaded):
        assert text.strip(), at
    for key, text in words.texts.items():
        assert sorted(re.findall(r"\{\w*\}", text)) == sorted(re.findall(r"\{\w*\}", EN.texts[key])), key
        assert text.count("{") == text.count("}") == EN.texts[key].count("{"), key


@pytest.mark.parametrize("language", OTHERS)
def test_no_word_of_the_visitor_s_page_was_left_in_english(language: str) -> None:
    words = WORDS[language]
    left = {text for key, text in words.texts.items() if text == EN.texts[key]}
    left |= {text for key, text in words.classes.items() if text == EN.classes[key]}
    for part in ("errors", "receipt_fields"):
        mine, english = getattr(words, part), getattr(EN, part)
        left |= {text for key, text in mine.items() if text == english[key]}
    assert left <= SAME_AS_ENGLISH.get(language, set())


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_group_of_fields_has_words_for_visitors(language: str) -> None:
    words = WORDS[language]
    assert FIELD_WORDS.keys() == {*FIELD_GROUPS, EVERY_FIELD}
    for key, names in FIELD_WORDS.items():
        assert words.fields(key) == ", ".join(words.texts[name] for name in names)
    assert (words.fields(""), words.fields("another")) == ("", "another")


def test_every_channel_and_device_has_words_for_visitors() -> None:
    assert CHANNEL_WORDS.keys() == {one.name for one in CHANNELS}
    assert {key for keys in CHANNEL_WORDS.values() for key in keys} == EN.channels.keys()
    assert set(SCREENS) == EN.devices.keys()
    assert EN.channel("Paid Search") == "search engine, advertisement"
    assert EN.channel("of another day") == "of another day"


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_duration_has_every_form_of_its_units_that_numbers_need(language: str) -> None:
    words = WORDS[language].durations
    needed = {plural_of(language, count) for count in range(1, 200)}
    for unit in (words.year, words.month, words.week, words.day):
        assert unit.keys() == needed
        for category, text in unit.items():
            # One and two may be said without the number, where a form is theirs alone.
            counts = [count for count in range(1, 200) if plural_of(language, count) == category]
            assert "{n}" in text or len(counts) == 1, text
    assert in_words("P25M", words).count("25") == 1


@pytest.mark.parametrize(
    ("language", "keep", "said"),
    [
        ("pl", "P2Y5M", "2 lata i 5 miesięcy"),
        ("pl", "P22D", "22 dni"),
        ("cs", "P1Y3M", "1 rok a 3 měsíce"),
        ("sl", "P2Y", "2 leti"),
        ("lt", "P21D", "21 diena"),
        ("lv", "P11M", "11 mėnešių".replace("ėnešių", "ēnešu")),
        ("ro", "P25M", "25 de luni"),
        ("uk", "P12D", "12 днів"),
        ("uk", "P21D", "21 день"),
        ("hr", "P4M", "4 mjeseca"),
        ("mt", "P13M", "13-il xahar"),
        ("ga", "P8D", "8 lá"),
        ("ar", "P2Y", "سنتان"),
        ("ar", "P102D", "102 يوم"),
        ("he", "P2M", "חודשיים"),
        ("ja", "P25M", "25か月"),
        ("zh", "P1Y6M", "1年零6个月"),
    ],
)
def test_durations_are_said_as_the_language_says_them(language: str, keep: str, said: str) -> None:
    assert in_words(keep, WORDS[language].durations) == said


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        ("de-AT,de;q=0.9,en;q=0.8", ("de-AT", "de", "en")),
        ("en;q=0.2, fr;q=0.7, *;q=0.1", ("fr", "en")),
        ("en;q=0.5, fr;q=0.5", ("en", "fr")),
        ("en;q=0.500, fr;q=0.501", ("fr", "en")),
        ("de;q=0, en;q=0.1", ("en",)),
        ("zh-Hant-TW", ("zh-Hant-TW",)),
        ("*", ()),
        ("", ()),
        ("de;q=high, <script>, fr", ("fr",)),
    ],
)
def test_languages_are_asked_for_by_weight(header: str, wanted: tuple[str, ...]) -> None:
    assert languages_of(header) == wanted


@pytest.mark.parametrize(
    ("wanted", "tag"),
    [
        (["de-AT"], "de"),
        (["PT-br"], "pt"),
        (["zh-TW"], "zh"),
        (["zh-Hant-HK", "en"], "zh"),
        (["no"], "nb"),
        (["nn-NO"], "nb"),
        (["iw"], "he"),
        (["tlh", "fr"], "fr"),
        (["tlh"], ""),
        ([], ""),
        (["", "-", "en-"], "en"),
    ],
)
def test_the_closest_language_is_found_by_cutting_tags_short(wanted: list[str], tag: str) -> None:
    assert closest(wanted, LANGUAGES) == tag


def test_a_variant_that_a_site_offers_is_preferred_to_the_language() -> None:
    assert closest(["zh-Hant-TW"], ["zh", "zh-Hant"]) == "zh-Hant"
    assert closest(["no"], ["no", "nb"]) == "no"
    assert closest(["zh"], ["zh-Hant"]) == ""
