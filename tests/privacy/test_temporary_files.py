"""What SQLite puts down beside its files stays in memory: nothing of a row stands outside of the data folder."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from tests.support.world import World
from webmon.stores.accountkeys import AccountKeyFile

IN_MEMORY = (2,)


def test_every_connection_keeps_temporary_files_in_memory(world: World) -> None:
    runtime = world.runtime
    raw: list[sqlite3.Connection] = [runtime.data_keys._connection]
    for spool in runtime.spools.all():
        raw += [spool._writer, spool._reader]
    assert {one.execute("pragma temp_store").fetchone() for one in raw} == {IN_MEMORY}
    for engine in (runtime.database.engine, runtime.database._reads):
        with engine.connect() as connection:
            assert tuple(connection.exec_driver_sql("pragma temp_store").one()) == IN_MEMORY


def _temporary() -> set[str]:
    """Files outside of any folder of ours that this process has open: SQLite unlinks its own at once."""
    found = set()
    for link in Path("/proc/self/fd").iterdir():
        try:
            found.add(str(link.readlink()))
        except FileNotFoundError:
            continue
    return {name for name in found if "etilqs" in name}


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="asks the system which files are open")
@pytest.mark.parametrize("of", ["the spool", "the keys"])
def test_a_file_that_is_written_anew_leaves_nothing_elsewhere(world: World, of: str) -> None:
    seen: set[str] = set()

    def look() -> int:
        seen.update(_temporary())
        return 0

    if of == "the spool":
        live = world.runtime.spools.all()[0]
        connection, wipe = live._reader, live.wipe
        live._to_wipe = True
    else:
        keys: AccountKeyFile = world.runtime.data_keys
        connection, wipe = keys._connection, keys.wipe
    connection.execute("create table filler (body blob)")
    connection.execute(
        "insert into filler with recursive n(i) as (select 1 union all select i + 1 from n where i < 4000)"
        " select zeroblob(1000) from n"
    )
    connection.set_progress_handler(look, 100)
    wipe()
    connection.set_progress_handler(None, 0)
    assert seen == set()
