"""Country and internet provider of an address, from MMDB files; nothing leaves the machine."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import maxminddb

from webmon.domain.address import NOWHERE, Place


class Geo:
    """Reads iptoasn, GeoLite2, GeoIP2 and DB-IP alike. Lookups are in memory and safe for many threads."""

    def __init__(self, country_file: Path, asn_file: Path | None = None) -> None:
        self._country = _open(country_file)
        self._asn = _open(asn_file) if asn_file else None

    def locate(self, address: str) -> Place:
        """Return where the address is; an unknown, private or malformed one is nowhere."""
        try:
            country = _country(self._country.get(address))
            provider = _provider(self._asn.get(address)) if self._asn else ""
        except ValueError:
            return NOWHERE
        return Place(country, provider) if country or provider else NOWHERE

    @property
    def country_built_at(self) -> datetime:
        """When the country file was made, as it says itself."""
        return datetime.fromtimestamp(self._country.metadata().build_epoch, UTC)

    def close(self) -> None:
        self._country.close()
        if self._asn:
            self._asn.close()


def _open(path: Path) -> maxminddb.Reader:
    try:
        return maxminddb.open_database(str(path), maxminddb.MODE_AUTO)
    except (OSError, maxminddb.InvalidDatabaseError) as error:
        raise ValueError(f"{path} is not an MMDB file that can be read: {error}") from error


def _country(record: Any) -> str:
    if not isinstance(record, dict):
        return ""
    country = record.get("country")
    code = country.get("iso_code") if isinstance(country, dict) else record.get("country_code")
    return code if isinstance(code, str) and len(code) == 2 and code.isalpha() else ""


def _provider(record: Any) -> str:
    if not isinstance(record, dict):
        return ""
    return str(record.get("isp") or record.get("autonomous_system_organization") or "")[:120]
