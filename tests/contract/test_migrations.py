"""The migrations lead to just the tables that the models describe."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from webmon.domain.chain import Anchor
from webmon.domain.consent_figures import Figures
from webmon.domain.scrub import NO_RULES
from webmon.errors import Unavailable
from webmon.stores.control.consent import SqlConsents
from webmon.stores.control.consent_figures import SqlConsentFigures
from webmon.stores.control.database import MIGRATIONS, ControlDatabase, newest_version, sqlite_url
from webmon.stores.control.models import Base
from webmon.stores.control.sites import SqlSites


def test_a_database_migrated_from_nothing_is_as_the_models_say(tmp_path: Path) -> None:
    database = ControlDatabase(sqlite_url(tmp_path / "control.db"))
    database.migrate()
    with database.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
    assert database.faults() == []
    database.migrate()
    database.close()


def test_sites_of_the_first_version_are_kept_and_have_no_rules_yet(tmp_path: Path) -> None:
    database = ControlDatabase(sqlite_url(tmp_path / "control.db"))
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with database.engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.exec_driver_sql(
            "insert into site (domain, timezone, mode, minimum_group_count, created_at)"
            " values ('example.org', 'UTC', 'consented_only', 1, '2026-11-23 10:30:00')"
        )
    database.migrate()
    with database.unit(SqlSites)() as sites:
        (site,) = sites.all()
    database.close()
    assert (site.domain, site.rules) == ("example.org", NO_RULES)


def test_api_keys_of_before_they_could_end_have_not_ended(tmp_path: Path) -> None:
    database = ControlDatabase(sqlite_url(tmp_path / "control.db"))
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with database.engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0017")
        connection.exec_driver_sql(
            "insert into site (id, domain, timezone, mode, minimum_group_count, created_at)"
            " values (1, 'example.org', 'UTC', 'consented_only', 1, '2026-11-23 10:30:00')"
        )
        connection.exec_driver_sql(
            "insert into api_key (id, site_id, scope, digest, created_at)"
            " values (7, 1, 'stats', 'a digest', '2026-11-23 10:30:00')"
        )
    database.migrate()
    with database.unit(SqlSites)() as sites:
        (kept,) = sites.api_keys(1)
        assert (kept.number, kept.scope, kept.ended_at, sites.api_key("a digest")) == (7, "stats", None, kept)
    with database.engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0017")
        assert connection.exec_driver_sql("select id, digest from api_key").all() == [(7, "a digest")]
    database.close()


def test_the_newest_version_is_the_one_that_the_migrations_end_with() -> None:
    assert [newest_version()] == ScriptDirectory(str(MIGRATIONS)).get_heads()


def test_a_database_of_a_newer_webmon_is_refused_and_stays_as_it_is(tmp_path: Path) -> None:
    database = ControlDatabase(sqlite_url(tmp_path / "control.db"))
    database.migrate()
    with database.engine.begin() as connection:
        connection.exec_driver_sql("update alembic_version set version_num = '9999'")
    with pytest.raises(Unavailable, match=r"control\.db is at version 9999, of a newer webmon"):
        database.migrate()
    assert database.faults() == [f"is at version 9999, not at {newest_version()}"]
    database.close()


def test_a_database_that_is_behind_is_said_to_be(tmp_path: Path) -> None:
    database = ControlDatabase(sqlite_url(tmp_path / "control.db"))
    assert "is at version" in database.faults()[0]
    database.close()


def test_answers_counted_before_there_were_countries_are_kept(tmp_path: Path) -> None:
    database = ControlDatabase(sqlite_url(tmp_path / "control.db"))
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with database.engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0004")
        connection.exec_driver_sql(
            "insert into site (id, domain, timezone, mode, minimum_group_count, created_at)"
            " values (1, 'example.org', 'UTC', 'consented_only', 1, '2026-11-23 10:30:00')"
        )
        connection.exec_driver_sql("insert into consent_count values (1, '2026-11-22', 'sha256-0', 'reject_all', 7)")
    database.migrate()
    with database.unit(SqlConsentFigures)() as figures:
        day = figures.first_day(1)
        assert day is not None
        assert figures.cells(1, day, day, "country") == {(date(2026, 11, 22), ""): Figures(refused=7)}
    with database.engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0004")
        assert connection.exec_driver_sql("select * from consent_count").all() == [
            (1, "2026-11-22", "sha256-0", "reject_all", 7)
        ]
    database.close()


def test_notices_that_were_in_force_before_there_were_times_for_it_still_are(tmp_path: Path) -> None:
    database = ControlDatabase(sqlite_url(tmp_path / "control.db"))
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with database.engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0004")
        for statement in (
            "insert into site (id, domain, timezone, mode, minimum_group_count, created_at)"
            " values (1, 'example.org', 'UTC', 'consented_only', 1, '2026-11-23 10:30:00')",
            "insert into notice (hash, site_id, language, body, created_at)"
            """ values ('sha256-1', 1, 'en', '{"site": "example.org"}', '2026-11-23 10:30:00')""",
            "insert into publication (site_id, language, notice_hash, published_at, published_by)"
            " values (1, 'en', 'sha256-1', '2026-11-23 10:30:00', 'test')",
        ):
            connection.exec_driver_sql(statement)
    database.migrate()
    at = datetime(2026, 11, 23, 10, 30, tzinfo=UTC)
    with database.unit(SqlConsents)() as consents:
        assert consents.current_notices(1, at) == {"en": "sha256-1"}
        assert consents.current_notices(1, at - timedelta(seconds=1)) == {}
        (one,) = consents.publications(1, 10)
    database.close()
    assert (one.effective_at, one.cancelled_at) == (at, None)


def test_ledgers_of_before_there_was_a_note_of_their_last_record_are_noted(tmp_path: Path) -> None:
    database = ControlDatabase(sqlite_url(tmp_path / "control.db"))
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    at = "2026-11-23 10:30:00.000000"
    with database.engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0015")
        sites = [(number, f"{number}.example", at) for number in (1, 2, 3)]
        records = [(seq, f"receipt-{seq}", at, at, f"hash-{seq}") for seq in (7, 8)]
        anchors = [("consent:1", 6, "hash-6", 6, at), ("consent:2", 4, "hash-4", 4, at)]
        for statement, rows in (
            (
                "insert into site (id, domain, timezone, mode, minimum_group_count, created_at)"
                " values (?, ?, 'UTC', 'consented_only', 1, ?)",
                sites,
            ),
            (
                "insert into notice (hash, site_id, language, body, created_at)"
                " values ('sha256-1', 1, 'en', '{}', ?)",
                [(at,)],
            ),
            (
                "insert into consent"
                " (site_id, seq, receipt_id, notice_hash, recorded_at, expires_at, body, chain_hash)"
                " values (1, ?, ?, 'sha256-1', ?, ?, '{}', ?)",
                records,
            ),
            ("insert into chain_anchor values (?, ?, ?, ?, ?)", anchors),
        ):
            connection.exec_driver_sql(statement, rows)
    database.migrate()
    with database.unit(SqlConsents)() as consents:
        assert [consents.head(number) for number in (1, 2, 3)] == [Anchor(8, "hash-8"), Anchor(4, "hash-4"), None]
        assert [consents.tip(number) for number in (1, 2, 3)] == [Anchor(8, "hash-8"), Anchor(4, "hash-4"), Anchor()]
    database.close()
