"""What a power cut may take: nothing that was acknowledged, however new the folder and the file it stands in."""

from __future__ import annotations

import os
from collections import defaultdict
from pathlib import Path

import pytest

from tests.support.world import NOW
from webmon.clock import FixedClock
from webmon.domain.pseudonym import day_of
from webmon.running import lock_data, tell_where
from webmon.runtime import Runtime
from webmon.settings import Settings


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
