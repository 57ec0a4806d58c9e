"""Country and provider, out of files of every maker's form."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from mmdb_writer import MMDBWriter
from netaddr import IPSet

from tests.support.vectors import cases
from webmon.domain.address import NOWHERE, Place, packed_address
from webmon.settings import COUNTRY_FILE
from webmon.stores.geo import Geo

DATA = Path(__file__).parents[1] / "data"


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
    assert geo.locate(packed_address("198.51.100.7")) == Place("DE", "")
    assert geo.locate(packed_address("203.0.113.7")) == NOWHERE
    geo.close()


CITY = {"country": {"iso_code": "DE"}, "city": {"names": {"de": "Köln", "en": "Cologne"}}}


@pytest.mark.parametrize(
    "record",
    [
        CITY | {"subdivisions": [{"iso_code": "NW", "names": {"en": "North Rhine-Westphalia"}}, {"iso_code": "X"}]},
        CITY | {"subdivisions": [{"names": {"en": "Nordrhein-Westfalen"}}]},
        {"country_code": "DE", "state1": "Nordrhein-Westfalen", "city": "Cologne"},
        {"country": "DE", "region": "Nordrhein-Westfalen", "city": "Cologne"},
    ],
    ids=["GeoLite2", "DB-IP", "flat", "others"],
)
def test_region_and_city_are_read_from_every_form(tmp_path: Path, record: dict[str, Any]) -> None:
    geo = Geo(written(tmp_path / "city.mmdb", record))
    assert geo.locate(packed_address("198.51.100.7")) == Place("DE", "", "DE-NW", "Cologne")
    geo.close()


@pytest.mark.parametrize("case", cases("ip.json", "geo"))
@pytest.mark.parametrize("file", ["GeoIP2-City-Test.mmdb", "GeoLite2-City-Test.mmdb"])
def test_places_are_as_elsewhere(case: dict[str, Any], file: str) -> None:
    geo, expected = Geo(DATA / file), case["expected"]
    for _ in range(2):
        found = geo.locate(packed_address(case["input"]["ip"]))
        assert found.country == expected["country"]
        assert found.region == expected.get("subdivision1", "")
        # The file's number for it is 2655045.
        assert found.city == ("Boxford" if "city_geoname_id" in expected else "")
    geo.close()


@pytest.mark.parametrize(
    ("file", "provider"),
    [("GeoLite2-ASN-Test.mmdb", "Telstra Pty Ltd"), ("GeoIP2-ISP-Test.mmdb", "Telstra Internet")],
)
def test_the_provider_is_read_from_either_of_its_files(file: str, provider: str) -> None:
    geo = Geo(COUNTRY_FILE, DATA / file)
    assert geo.locate(packed_address("1.128.0.0")) == Place("AU", provider)
    geo.close()


def test_neighbours_are_told_apart_where_the_file_does(tmp_path: Path) -> None:
    writer = MMDBWriter(4, "test", languages=["en"])
    writer.insert_network(IPSet(["198.51.100.0/25"]), {"country_code": "DE"})
    writer.insert_network(IPSet(["198.51.100.128/25"]), {"country_code": "AT"})
    writer.insert_network(IPSet(["203.0.113.0/24"]), {"country_code": "CH"})
    writer.to_db_file(str(tmp_path / "country.mmdb"))
    geo = Geo(tmp_path / "country.mmdb")
    addresses = ["198.51.100.7", "198.51.100.207", "203.0.113.7", "203.0.113.207"] * 2
    assert [geo.locate(packed_address(one)).country for one in addresses] == ["DE", "AT", "CH", "CH"] * 2
    # What is remembered is no address.
    assert list(geo._near) == [bytes([203, 0, 113])]
    geo.close()


@pytest.mark.parametrize("record", [{"isp": "Example Net"}, {"autonomous_system_organization": "Example Net"}])
def test_the_provider_is_read_where_a_file_is_configured(tmp_path: Path, record: dict[str, Any]) -> None:
    country = written(tmp_path / "country.mmdb", {"country_code": "DE"})
    geo = Geo(country, written(tmp_path / "asn.mmdb", record))
    assert geo.locate(packed_address("198.51.100.7")) == Place("DE", "Example Net")
    geo.close()


@pytest.mark.parametrize("address", ["", "nonsense", "10.0.0.1", "127.0.0.1", "::1", "fe80::1", "999.1.1.1"])
def test_what_is_nowhere_is_nowhere(address: str) -> None:
    geo = Geo(COUNTRY_FILE)
    assert geo.locate(packed_address(address)) == NOWHERE
    geo.close()


def test_the_bundled_file_knows_the_world_and_its_own_age() -> None:
    geo = Geo(COUNTRY_FILE)
    assert geo.locate(packed_address("193.99.144.80")).country == "DE"
    assert geo.locate(packed_address("2a02:2e0:3fe:1001:302::")).country == "DE"
    assert datetime(2026, 1, 1, tzinfo=UTC) < geo.built_at < datetime(2030, 1, 1, tzinfo=UTC)
    geo.close()


def test_a_file_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "odd.mmdb").write_bytes(b"nothing of the kind")
    for path in (tmp_path / "odd.mmdb", tmp_path / "missing.mmdb"):
        with pytest.raises(ValueError, match=path.name):
            Geo(path)
