"""The control database's file: what is deleted is in none of its parts, or somebody hears that it still is."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text

from webmon.errors import Unavailable
from webmon.stores.control.database import ControlDatabase, sqlite_url

SECRET = "what is to be gone"


def holds(folder: Path) -> bool:
    return any(SECRET.encode() in file.read_bytes() for file in folder.iterdir())


def test_what_was_deleted_is_gone_once_nobody_reads_it_any_more(tmp_path: Path) -> None:
    database = ControlDatabase(sqlite_url(tmp_path / "control.db"))
    with database.session() as session:
        session.execute(text("create table note (said text)"))
        session.execute(text("insert into note values (:said)"), {"said": SECRET})
    with database.session(reads=True) as reader:
        assert reader.scalar(text("select said from note")) == SECRET
        with database.session() as session:
            session.execute(text("delete from note"))
        with pytest.raises(Unavailable, match="somebody reads"):
            database.scrub()
        # And whoever writes goes on.
        with database.session() as session:
            session.execute(text("insert into note values ('more')"))
        assert reader.scalar(text("select count(*) from note")) == 1
        assert holds(tmp_path)
    database.scrub()
    assert not holds(tmp_path)
    database.close()
