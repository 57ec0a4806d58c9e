"""Country and provider, out of files of every maker's form."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from mmdb_writer import MMDBWriter
from netaddr import IPSet

from webmon.domain.address import NOWHERE, Place
from webmon.settings import COUNTRY_FILE
from webmon.stores.geo import Geo


def written(path: Path, record: dict[str, Any], network: str = "198.51.100.0/24") -> Path:
    writer = MMDBWriter(4, "test", languages=["en"])
    writer.insert_network(IPSet([network]), record)
    writer.to_db_file(str(path))
    return path


@pytest.mark.parametrize(
    "record",
    [{"country_code": "DE"}, {"country": {"iso_code": "DE", "names": {"en": "Germany"}}}],
    ids=["iptoasn", "GeoLite2 and DB-IP"],
)
def test_the_country_is_read_from_either_form(tmp_path: Path, record: dict[str, Any]) -> None:
    geo = Geo(written(tmp_path / "country.mmdb", record))
    assert geo.locate("198.51.100.7") == Place("DE", "")
    assert geo.locate("203.0.113.7") == NOWHERE
    geo.close()


@pytest.mark.parametrize("record", [{"isp": "Example Net"}, {"autonomous_system_organization": "Example Net"}])
def test_the_provider_is_read_where_a_file_is_configured(tmp_path: Path, record: dict[str, Any]) -> None:
    country = written(tmp_path / "country.mmdb", {"country_code": "DE"})
    geo = Geo(country, written(tmp_path / "asn.mmdb", record))
    assert geo.locate("198.51.100.7") == Place("DE", "Example Net")
    geo.close()


@pytest.mark.parametrize("address", ["", "nonsense", "10.0.0.1", "127.0.0.1", "::1", "fe80::1", "999.1.1.1"])
def test_what_is_nowhere_is_nowhere(address: str) -> None:
    geo = Geo(COUNTRY_FILE)
    assert geo.locate(address) == NOWHERE
    geo.close()


def test_the_bundled_file_knows_the_world_and_its_own_age() -> None:
    geo = Geo(COUNTRY_FILE)
    assert geo.locate("193.99.144.80").country == "DE"
    assert geo.locate("2a02:2e0:3fe:1001:302::").country == "DE"
    assert datetime(2026, 1, 1, tzinfo=UTC) < geo.country_built_at < datetime(2030, 1, 1, tzinfo=UTC)
    geo.close()


def test_a_file_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "odd.mmdb").write_bytes(b"nothing of the kind")
    for path in (tmp_path / "odd.mmdb", tmp_path / "missing.mmdb"):
        with pytest.raises(ValueError, match=path.name):
            Geo(path)
