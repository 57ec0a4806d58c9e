"""What is kept of the browser's languages and of the screen: one of few values each."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webmon.domain.language import language_of
from webmon.domain.screen import SCREENS, screen_of


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("de-AT,de;q=0.9,en;q=0.8", "de"),
        ("en", "en"),
        ("EN-us", "en"),
        ("gsw-CH, de;q=0.5", "gsw"),
        ("en;q=0.2, fr;q=0.7, *;q=0.1", "fr"),
        ("zh-Hant-TW", "zh"),
        ("de;q=0, en;q=0.1", "en"),
        ("*", ""),
        ("", ""),
        ("x", ""),
        ("<script>", ""),
        ("deutsch", ""),
        ("de;q=high", ""),
    ],
)
def test_of_the_languages_the_primary_tag_of_the_first_is_kept(header: str, language: str) -> None:
    assert language_of(header) == language


@given(st.text(max_size=300))
def test_no_header_makes_more_than_a_tag(header: str) -> None:
    found = language_of(header)
    assert found == "" or (2 <= len(found) <= 3 and found.isascii() and found.islower())


@pytest.mark.parametrize(
    ("width", "screen"),
    [
        (0, ""),
        (-5, ""),
        (360, "Mobile"),
        (575, "Mobile"),
        (576, "Tablet"),
        (991, "Tablet"),
        (992, "Laptop"),
        (1439, "Laptop"),
        (1440, "Desktop"),
        (100_000, "Desktop"),
    ],
)
def test_a_width_is_kept_as_its_class(width: int, screen: str) -> None:
    assert screen_of(width) == screen
    assert screen in {"", *SCREENS}
