"""Lists that an operator names: text files with one entry on each line."""

from __future__ import annotations

from pathlib import Path

from webmon.domain.unwanted import AddressRanges, SpamReferrers, listed
from webmon.errors import SettingsError


def read_spam_referrers(path: Path) -> SpamReferrers:
    return SpamReferrers(listed(_read(path, "WEBMON_SPAM_REFERRERS_FILE")))


def read_datacenters(path: Path | None) -> AddressRanges:
    if path is None:
        return AddressRanges()
    try:
        return AddressRanges(listed(_read(path, "WEBMON_DATACENTER_FILE")))
    except ValueError as error:
        raise SettingsError(f"WEBMON_DATACENTER_FILE: {path}: {error}") from error


def _read(path: Path, setting: str) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{setting}: {path} cannot be read: {error}") from error
