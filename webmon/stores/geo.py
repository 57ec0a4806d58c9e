"""Place and internet provider of an address, from MMDB files; nothing leaves the machine."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import maxminddb

from webmon.domain.address import NOWHERE, Place

_REGIONS = Path(__file__).resolve().parents[1] / "data" / "regions.json"
_LONGEST_NAME = 120
# Neighbourhoods, by the bytes of an address that they share: what a country gives to a provider, and a provider to a
# street (/16 and /24; /32 and /48 of IPv6).
_NEAR = {4: (2, 3), 16: (4, 6)}
_REMEMBERED = 65_536


class Geo:
    """Reads iptoasn, GeoLite2, GeoIP2, DB-IP and their like. Lookups are in memory and safe for many threads.

    Where a file says the same of a whole neighbourhood, the answer is remembered under the neighbourhood, never under
    an address: decoding a record of a city takes twenty microseconds.
    """

    def __init__(self, place_file: Path, asn_file: Path | None = None) -> None:
        """`place_file` tells countries, or cities with their regions and countries."""
        self._places = _open(place_file)
        self._asn = _open(asn_file) if asn_file else None
        self._near: dict[bytes, Place] = {}

    def locate(self, address: bytes) -> Place:
        """Return where the address is; an unknown or private one is nowhere."""
        if not address:
            return NOWHERE
        wide, narrow = _NEAR[len(address)]
        return self._near.get(address[:wide]) or self._near.get(address[:narrow]) or self._look_up(address)

    def _look_up(self, address: bytes) -> Place:
        asked = ip_address(address)
        record, length = self._places.get_with_prefix_len(asked)
        network, asn_length = self._asn.get_with_prefix_len(asked) if self._asn else (None, 0)
        country = _country(record)
        found = Place(country, _provider(network), _region(record, country), _city(record))
        found = found if found != NOWHERE else NOWHERE
        for size in _NEAR[len(address)]:
            if max(length, asn_length) <= 8 * size:
                if len(self._near) >= _REMEMBERED:
                    self._near.clear()
                self._near[address[:size]] = found
                break
        return found

    @property
    def built_at(self) -> datetime:
        """When the file of places was made, as it says itself."""
        return datetime.fromtimestamp(self._places.metadata().build_epoch, UTC)

    def close(self) -> None:
        self._places.close()
        if self._asn:
            self._asn.close()


def _open(path: Path) -> maxminddb.Reader:
    try:
        return maxminddb.open_database(str(path), maxminddb.MODE_AUTO)
    except (OSError, maxminddb.InvalidDatabaseError) as error:
        raise ValueError(f"{path} is not an MMDB file that can be read: {error}") from error


def _country(record: Any) -> str:
    """Read `country.iso_code` (GeoIP2, DB-IP), `country_code` (iptoasn) or a bare `country` (others)."""
    if not isinstance(record, dict):
        return ""
    country = record.get("country")
    code = country.get("iso_code") if isinstance(country, dict) else record.get("country_code") or country
    return code.upper() if isinstance(code, str) and len(code) == 2 and code.isalpha() else ""


def _region(record: Any, country: str) -> str:
    """Return the ISO 3166-2 code of the largest region: as the file has it, or by its name (DB-IP has no codes)."""
    if not isinstance(record, dict) or not country:
        return ""
    listed = record.get("subdivisions")
    largest = listed[0] if isinstance(listed, list) and listed else None
    code = largest.get("iso_code") if isinstance(largest, dict) else record.get("region_code")
    if isinstance(code, str) and 1 <= len(code) <= 3 and code.isalnum():
        return f"{country}-{code.upper()}"
    name = _name(largest) or _name(record.get("state1")) or _name(record.get("region"))
    return _regions_by_name().get((country, name.casefold()), "") if name else ""


def _city(record: Any) -> str:
    return _name(record.get("city")) if isinstance(record, dict) else ""


def _provider(record: Any) -> str:
    if not isinstance(record, dict):
        return ""
    return _name(record.get("isp") or record.get("autonomous_system_organization") or record.get("as_name"))


def _name(value: Any) -> str:
    """Return a name that stands bare, or its English form."""
    if isinstance(value, dict):
        names = value.get("names")
        value = names.get("en") if isinstance(names, dict) else value.get("name")
    return value[:_LONGEST_NAME] if isinstance(value, str) else ""


@cache
def _regions_by_name() -> Mapping[tuple[str, str], str]:
    names: dict[str, str] = json.loads(_REGIONS.read_text("utf-8"))
    return {(code[:2], name.casefold()): code for code, name in reversed(names.items())}
