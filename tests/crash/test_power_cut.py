"""What a power cut may take: nothing that was acknowledged, however new the folder and the file it stands in."""

from __future__ import annotations

import os
from collections import defaultdict
from contextlib import closing
from pathlib import Path

import pytest

from tests.contract.test_spool_files import Serving, entries, serving
from tests.support.world import NOW
from webmon.clock import FixedClock
from webmon.domain.pseudonym import day_of
from webmon.running import lock_data, tell_where
from webmon.runtime import Runtime
from webmon.settings import Settings
from webmon.stores.spool import Spool

__all__ = ["serving"]


class Synced:
    """Each call of `os.fsync`: of a folder, which names the disk has then; of a file, how often."""

    def __init__(self, patched: pytest.MonkeyPatch) -> None:
        self.names: defaultdict[Path, set[str]] = defaultdict(set)
        self.order: list[Path] = []
        self._whole = os.fsync
        patched.setattr(os, "fsync", self)

    def __call__(self, descriptor: int) -> None:
        self._whole(descriptor)
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        self.order.append(path)
        if path.is_dir():
            self.names[path] = {one.name for one in path.iterdir()}


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> Synced:
    return Synced(monkeypatch)


def test_the_disk_has_the_names_of_all_folders_that_a_first_start_makes(tmp_path: Path, synced: Synced) -> None:
    folder = tmp_path / "srv" / "webmon"
    with lock_data(folder), tell_where(folder, "http://localhost", public_url="http://localhost"):
        runtime = Runtime(Settings(data_dir=folder), FixedClock(NOW))
        runtime.day_keys.key(1, day_of(NOW))
        runtime.close()
        assert "webmon" in synced.names[tmp_path / "srv"]
        assert "srv" in synced.names[tmp_path]
        made = {one.name for one in folder.iterdir() if one.is_dir()}
    assert made == {"spool", "keys", "events", "ephemeral", "run"}
    assert made <= synced.names[folder]


def test_every_commit_waits_for_the_disk_and_what_is_deleted_is_overwritten(tmp_path: Path) -> None:
    full, is_on = (2,), (1,)
    with closing(Spool(tmp_path / "live-1.db", 100)) as spool:
        for connection in (spool._writer, spool._reader):
            assert connection.execute("pragma journal_mode").fetchone() == ("wal",)
            assert connection.execute("pragma synchronous").fetchone() == full
            assert connection.execute("pragma secure_delete").fetchone() == is_on


def test_the_disk_has_a_file_s_name_before_it_takes_a_hit_and_not_after_it_is_removed(
    serving: Serving, synced: Synced
) -> None:
    folder = serving.folder / "spool"
    serving.spools.append(entries(1))
    serving.spools.turn()
    assert {"live-1.db", "live-2.db", "live-2.db-wal"} <= synced.names[folder]
    assert folder / "live-2.db-wal" in synced.order, "what was set aside in it is no room until the disk has it"
    serving.ingester.drain()
    assert not {"live-1.db", "live-1.db-wal"} & synced.names[folder]


def test_the_disk_has_what_became_of_a_damaged_file(serving: Serving, synced: Synced) -> None:
    folder = serving.folder / "spool"
    (folder / "import-a.db").write_bytes(b"no database" * 500)
    serving.spools.turn()
    assert "import-a.db.damaged" in synced.names[folder]
    assert "import-a.db" not in synced.names[folder]


def test_a_file_that_takes_hits_is_never_spent_however_empty_it_is(serving: Serving) -> None:
    live = serving.spools.all()[0]
    assert (live.count(), live.spent) == (0, False)
    serving.spools.append(entries(1))
    (ended,) = serving.spools.turn()
    assert (ended is live, ended.spent) == (True, False), "it holds a hit"
    serving.ingester.drain()
    assert ended.spent
