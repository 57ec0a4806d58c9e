"""Files that imports fill beside the server: each row is stored once, whoever opens and removes them when."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.contract.test_spool_files import HELD_SECONDS, Serving, entries, serving
from webmon.cli import bulk
from webmon.errors import Conflict, Unavailable
from webmon.stores import imports as imports_module
from webmon.stores import spool as spool_module
from webmon.stores.spool import Spool

__all__ = ["serving"]


def begun(serving: Serving, name: str = "import-a") -> Spool:
    """As by `webmon import`, in whichever process."""
    return Spool(serving.folder / "spool" / f"{name}.db", 1000, deduplicate=True)


def finished(serving: Serving, *numbers: int) -> None:
    spool = begun(serving)
    spool.append(entries(*numbers))
    spool.finish()
    spool.close()


def test_what_is_finished_goes_with_its_lock_once_all_of_it_has_moved(serving: Serving) -> None:
    finished(serving, 1, 2)
    serving.ingester.drain()
    serving.spools.turn()
    assert serving.stored() == [1, 2]
    assert sorted(path.name for path in (serving.folder / "spool").glob("import-*")) == []


def test_a_finished_import_that_is_begun_again_is_not_removed_while_it_is_filled(serving: Serving) -> None:
    finished(serving, 1)
    again = begun(serving)
    serving.ingester.drain()
    serving.spools.turn()
    again.append(entries(2))
    assert again.is_there
    serving.ingester.drain()
    assert (serving.stored(), again.count()) == ([1, 2], 0)
    again.close()  # interrupted: it is there still, and goes on
    serving.spools.turn()
    assert serving.files() == ["import-a.db", "live-1.db"]
    finished(serving, 3)
    serving.ingester.drain()
    serving.spools.turn()
    assert (serving.stored(), serving.files()) == ([1, 2, 3], ["live-1.db"])


def test_an_import_that_begins_while_its_file_is_removed_makes_another(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished(serving, 1)
    serving.ingester.run_once()
    refused: list[Conflict] = []
    remove = Spool.remove

    def beginning(spool: Spool) -> None:
        try:
            begun(serving)
        except Conflict as error:
            refused.append(error)
        remove(spool)

    monkeypatch.setattr(spool_module, "_REMOVED_WITHIN_SECONDS", 0.01)
    monkeypatch.setattr(Spool, "remove", beginning)
    serving.spools.turn()
    assert len(refused) == 1, "it waits, and this one never gets to be done"
    finished(serving, 2)
    serving.ingester.drain()
    assert serving.stored() == [1, 2]


def test_an_import_that_has_begun_just_before_its_file_would_be_removed_keeps_it(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished(serving, 1)
    serving.ingester.run_once()
    done, again = imports_module._done, list[Spool]()

    def beginning(spool: Spool) -> bool:
        is_done = done(spool)
        if is_done and not again:
            again.append(begun(serving))
            again[0].append(entries(2, 3))
        return is_done

    with monkeypatch.context() as patched:
        patched.setattr(imports_module, "_done", beginning)
        serving.spools.turn()
    again[0].append(entries(4))
    again[0].finish()
    again[0].close()
    serving.ingester.drain()
    assert serving.stored() == [1, 2, 3, 4]


@pytest.mark.parametrize("name", ["connect", "set_up", "make_durable"])
def test_the_server_that_finds_a_file_while_it_is_made_knows_it_for_an_import(
    serving: Serving, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Its rows may be in the log already: they are not to be stored twice."""
    step: Callable[..., Any] = getattr(spool_module, name)
    looked: list[int] = []

    def looking(*values: Any, **named: Any) -> Any:
        if not looked:
            looked.append(1)
            result = step(*values, **named) if name == "connect" else None
            serving.spools.turn()
            return result or step(*values, **named)
        return step(*values, **named)

    with monkeypatch.context() as patched:
        patched.setattr(spool_module, name, looking)
        spool = begun(serving)
    for _ in range(2):
        spool.append(entries(1, 2))
        serving.ingester.drain()
    assert serving.stored() == [1, 2]
    spool.close()


def test_the_same_import_twice_at_once_is_refused_and_goes_on_when_the_other_has_died(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool_module, "_REMOVED_WITHIN_SECONDS", 0.01)
    path = serving.folder / "spool" / "import-a.db"
    program = (
        "import sys; from pathlib import Path; from webmon.stores.spool import Spool;"
        "s = Spool(Path(sys.argv[1]), 10, deduplicate=True); print('has it', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"has it\n"
        with pytest.raises(Conflict, match=r"import-a\.db is being filled already"):
            begun(serving)
        other.kill()
    finished(serving, 1)
    serving.ingester.drain()
    assert serving.stored() == [1]


def _gone_meanwhile(serving: Serving, when: str) -> int:
    """Import two rows; somebody deletes the folder's file before the second, or while the first is waited for."""
    path = serving.folder / "spool" / "import-a.db"

    def fill(_: Any, append: Callable[[Any], None]) -> None:
        append(entries(1))
        if when == "before more is appended":
            path.unlink()
        append(entries(2))

    def move() -> None:
        path.unlink(missing_ok=True)

    core: Any = types.SimpleNamespace(import_spool=lambda _: begun(serving))
    return bulk._run(core, "import-a", fill, move)


@pytest.mark.parametrize("when", ["before more is appended", "while it is waited for"])
def test_an_import_whose_file_is_gone_ends_and_says_what_to_do(serving: Serving, when: str) -> None:
    with pytest.raises(Unavailable, match=r"import-a\.db is not there any more: run the same import again"):
        _gone_meanwhile(serving, when)
    finished(serving, 1, 2)
    serving.ingester.drain()
    assert serving.stored() == [1, 2]


@pytest.mark.parametrize("when", ["after the server has opened it", "before"])
def test_an_import_that_stands_still_while_it_writes_holds_nobody_up(serving: Serving, when: str) -> None:
    serving.spools.append([*entries(1), *entries(9, visitor=77)])
    spool = begun(serving)
    spool.append(entries(2))
    if when != "before":
        serving.spools.all()
    spool._writer.execute("begin immediate")  # and there its process is stopped
    began = time.monotonic()
    assert serving.spools.delete_consented(1, [77]) == 1
    assert len(serving.spools.all()) == 2, "to be looked into it need not stand open for writing"
    for _ in range(2):
        with pytest.raises(Unavailable, match=r"import-a\.db cannot be used just now"):
            serving.ingester.run_once()
    assert time.monotonic() - began < HELD_SECONDS, "the lock of all logs was held"
    assert {*serving.stored()} - {2} == {1}
    spool._writer.execute("commit")
    serving.ingester.drain()
    assert (serving.stored(), spool.count()) == ([1, 2], 0)
    spool.close()


def test_a_file_that_somebody_removed_and_made_anew_is_moved_too(serving: Serving) -> None:
    first = begun(serving)
    first.append(entries(1))
    serving.spools.turn()
    for path in (serving.folder / "spool").glob("import-a.*"):
        path.unlink()
    first.close()
    finished(serving, 2)
    serving.ingester.drain()
    assert serving.stored() == [2]
