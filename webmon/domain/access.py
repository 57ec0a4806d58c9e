"""Reading somebody's rows: which fields there are, and what a reason for it must look like."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from webmon.domain.hit import Hit
from webmon.domain.scrub import scrub_text

IDENTITY = "identity"
SHORTEST_REASON = 10
LONGEST_REASON = 300
LONGEST_SUBJECT = 512
_FEWEST_LETTERS = 4


@dataclass(frozen=True, slots=True)
class FieldGroup:
    """Fields of the account log that are asked for together. `columns` are those of a hit; identity has none."""

    key: str
    label: str
    columns: tuple[str, ...]


FIELD_GROUPS: Mapping[str, FieldGroup] = {
    group.key: group
    for group in (
        FieldGroup(IDENTITY, "Identifier, e-mail address, name", ()),
        FieldGroup("time", "When", ("occurred_at",)),
        FieldGroup("page", "Page or event", ("name", "hostname", "pathname")),
        FieldGroup("reading", "Time on page, scrolling", ("engagement_ms", "scroll_pct")),
        FieldGroup("properties", "Properties of events", ("props",)),
        FieldGroup(
            "origin",
            "Where the visit came from",
            (
                "referrer",
                "source",
                "medium",
                "channel",
                "utm_source",
                "utm_medium",
                "utm_campaign",
                "utm_content",
                "utm_term",
                "click_id",
            ),
        ),
        FieldGroup("place", "Place", ("country", "region", "city")),
        FieldGroup("provider", "Internet provider", ("provider",)),
        FieldGroup(
            "device",
            "Browser, system, device, language",
            ("browser", "browser_version", "os", "os_version", "device", "screen", "language"),
        ),
    )
}
EVERY_FIELD = "all"
# What the audit trail calls it: shown on a page, or taken along as a file.
READINGS = ("account_log.read", "account_log.export")


def clean_reason(text: str) -> str:
    """Return the reason as it goes on record: on one line, without anything that identifies a person.

    Raises `ValueError` saying what is wrong with it.
    """
    reason = " ".join(text.split())
    if not reason:
        raise ValueError("is required")
    letters = set(re.findall(r"[^\W\d_]", reason.lower()))
    if len(reason) < SHORTEST_REASON or len(letters) < _FEWEST_LETTERS:
        raise ValueError(f"must say in words why, with at least {SHORTEST_REASON} characters")
    if len(reason) > LONGEST_REASON:
        raise ValueError(f"must have at most {LONGEST_REASON} characters")
    return scrub_text(reason).value


def check_asked(subject: str, account_id: int | None, reason: str) -> tuple[str, dict[str, list[str]]]:
    """Return the reason as it goes on record, and what is wrong, by field, with whom is asked about and why."""
    errors: dict[str, list[str]] = {}
    cleaned = ""
    try:
        check_named(subject, account_id)
    except ValueError as error:
        errors["subject"] = [str(error)]
    try:
        cleaned = clean_reason(reason)
    except ValueError as error:
        errors["reason"] = [str(error)]
    return cleaned, errors


def check_named(subject: str, account_id: int | None) -> None:
    """Raise `ValueError` unless an account is named in one way: as the website calls it, or by its number."""
    if len(subject) > LONGEST_SUBJECT:
        raise ValueError(f"must have at most {LONGEST_SUBJECT} characters")
    if bool(subject) is (account_id is not None):
        raise ValueError("is required, or the account's number in its place")


def clean_fields(keys: Iterable[str]) -> tuple[str, ...]:
    """Return the groups asked for, in their order; raises `ValueError` for none, and for what is none."""
    wanted = set(keys)
    unknown = sorted(wanted - set(FIELD_GROUPS))
    if unknown:
        raise ValueError(f"must be of {', '.join(FIELD_GROUPS)}")
    if not wanted:
        raise ValueError("must be at least one")
    return tuple(key for key in FIELD_GROUPS if key in wanted)


def narrowed(hit: Hit, fields: Iterable[str]) -> dict[str, Any]:
    """Return of a row the fields that were asked for, and nothing else."""
    columns = [column for key in fields for column in FIELD_GROUPS[key].columns]
    return {column: getattr(hit, column) for column in columns}
