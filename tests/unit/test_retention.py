"""Durations, cut-offs, and whose rule wins."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from webmon.domain.handling import CLASSES, InfoClass
from webmon.domain.retention import check_keep, cutoff, in_words, longest
from webmon.errors import SettingsError
from webmon.services.retention_file import read_rules
from webmon.web.portal.words import WORDS

NOW = datetime(2026, 3, 31, 22, 15, tzinfo=UTC)


@pytest.mark.parametrize("text", ["P1D", "p90d", " P25M ", "P1Y6M", "P2W", "P100Y", "P1Y2M3W4D"])
def test_a_duration_of_days_or_more_is_taken(text: str) -> None:
    assert check_keep(text) == text.strip().upper()


@pytest.mark.parametrize(
    "text", ["", "P", "90", "90D", "PT1H", "P1DT1H", "P0D", "P0Y0M", "P-1D", "P1.5M", "P101Y", "P99999Y", "P1Mx"]
)
def test_any_other_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be"):
        check_keep(text)


@pytest.mark.parametrize(
    ("keep", "first_day_kept"),
    [
        ("P1D", "2026-03-30"),
        ("P90D", "2025-12-31"),
        ("P2W", "2026-03-17"),
        ("P1M", "2026-02-28"),  # February has no 31st
        ("P13M", "2025-02-28"),
        ("P1Y", "2025-03-31"),
        ("P25M", "2024-02-29"),
    ],
)
def test_what_has_expired_is_told_by_the_calendar_at_the_beginning_of_a_utc_day(
    keep: str, first_day_kept: str
) -> None:
    expected = datetime.fromisoformat(f"{first_day_kept}T00:00:00+00:00")
    assert cutoff(keep, NOW) == expected
    assert cutoff(keep, NOW.replace(hour=0, minute=0)) == expected
    assert cutoff(keep, NOW.astimezone(timezone(timedelta(hours=9)))) == expected


def test_durations_are_said_in_words() -> None:
    assert in_words("P25M") == "25 months"
    assert in_words("P1Y6M") == "1 year and 6 months"
    assert in_words("P1Y2M3D") == "1 year, 2 months and 3 days"
    assert in_words("P1Y2M", WORDS["de"].durations) == "1 Jahr und 2 Monate"


def test_the_longest_is_told_by_the_calendar() -> None:
    assert longest({"a": "P365D", "b": "P1Y1M", "c": "P50W"}, NOW) == "b"


def test_the_file_names_sites_and_all_of_them(tmp_path: Path) -> None:
    file = tmp_path / "rules.toml"
    file.write_text('[default]\naudit = "P7Y"\nevent_log = "P1Y"\n[site."example.org"]\nevent_log = "p90d"\n')
    rules = read_rules(file, ["example.org", "other.example"])
    assert rules.of("example.org") == {"audit": "P7Y", "event_log": "P90D"}
    assert rules.of("other.example") == {"audit": "P7Y", "event_log": "P1Y"}
    assert read_rules(None, []).of("example.org") == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[default", "cannot be read"),
        ('[defaults]\naudit = "P1Y"', "'defaults' is neither"),
        ('[default]\nevents = "P1Y"', "default.events is not one of"),
        ('[default]\naudit = "a year"', "default.audit must be an ISO 8601 duration"),
        ("[default]\naudit = 7", "default.audit must be"),
        ('default = "P1Y"', "default must be a table"),
        ('[site."misspelt.example"]\naudit = "P1Y"', "'misspelt.example' is not a site"),
        ('site = "x"', "site must be a table"),
    ],
)
def test_a_file_with_a_slip_is_refused_and_the_place_named(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "rules.toml"
    file.write_text(text)
    with pytest.raises(SettingsError, match=said.replace("[", r"\[")):
        read_rules(file, ["example.org"])
    with pytest.raises(SettingsError, match="cannot be read"):
        read_rules(tmp_path / "missing.toml", [])


def test_every_class_has_a_default() -> None:
    assert CLASSES.keys() == set(InfoClass)
    assert all(check_keep(info.keep) for info in CLASSES.values())
