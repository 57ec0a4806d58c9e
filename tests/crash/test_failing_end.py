"""What fails at the end of a server: every other step is taken all the same, and nothing acknowledged is lost."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import duckdb
import pytest

from tests.support.world import World
from webmon.domain.drop import DropReason
from webmon.stores.spool import Spool

FULL = [sqlite3.OperationalError("database or disk is full"), OSError(28, "No space left on device")]


@pytest.mark.parametrize("error", FULL, ids=["database", "disk"])
@pytest.mark.parametrize("step", ["nothing can be moved", "a file cannot be closed", "a thread cannot be stopped"])
def test_the_end_goes_on_whatever_fails_on_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, error: Exception
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    world = World(tmp_path / "data")
    runtime = world.runtime
    world.visitor().sees("/seen")
    assert world.event("/not-counted").status_code == 202, "nobody has agreed: it is counted as left out"
    with monkeypatch.context() as patched:
        if step == "nothing can be moved":
            patched.setattr(Spool, "through", fail)
            world.close()
        else:
            patched.setattr(
                *((Spool, "close") if step == "a file cannot be closed" else (runtime.promoter, "stop")), fail
            )
            with pytest.raises(type(error)):
                world.close()
    with pytest.raises(duckdb.ConnectionException):
        runtime.event_log._connection.execute("select 1")
    with pytest.raises(sqlite3.ProgrammingError):
        runtime.data_keys._connection.execute("select 1")
    for spool in (runtime.spools._live, *runtime.spools._ended):
        spool.close()
    world.open()
    world.runtime.recover()
    assert world.paths() == ["/seen"]
    day = world.clock.now().date()
    assert world.runtime.drop_counts.read(world.site.id, day, day) == {DropReason.NO_CONSENT: 1}
    world.close()
