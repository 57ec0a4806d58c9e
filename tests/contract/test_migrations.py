"""The migrations lead to just the tables that the models describe."""

from __future__ import annotations

from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from webmon.stores.control.database import ControlDatabase, sqlite_url
from webmon.stores.control.models import Base


def test_a_database_migrated_from_nothing_is_as_the_models_say(tmp_path: Path) -> None:
    database = ControlDatabase(sqlite_url(tmp_path / "control.db"))
    database.migrate()
    with database.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
    assert database.faults() == []
    database.migrate()
    database.close()


def test_a_database_that_is_behind_is_said_to_be(tmp_path: Path) -> None:
    database = ControlDatabase(sqlite_url(tmp_path / "control.db"))
    assert "is at version" in database.faults()[0]
    database.close()
