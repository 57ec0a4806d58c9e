"""Files of the spool that are damaged: one of an import stops nothing, one of the server's own is named."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.contract.test_import_files import begun, finished
from tests.contract.test_spool import on_disk
from tests.contract.test_spool_files import Serving, entries, serving
from tests.support.server import WebmonServer
from tests.support.world import World
from webmon.domain.handling import InfoClass
from webmon.errors import Unavailable
from webmon.services.set_aside import DAMAGED
from webmon.stores.imports import DAMAGED_FILES
from webmon.stores.spool import Spool
from webmon.stores.spools import SET_ASIDE

__all__ = ["serving"]
NO_DATABASE = b"no database" * 500


def damage_pages(path: Path) -> None:
    """Everything behind the first page, which says that it is a database."""
    content = path.read_bytes()
    path.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))


def descriptors() -> int:
    return len([*Path("/proc/self/fd").iterdir()])


def test_a_damaged_file_of_an_import_is_set_aside_and_everything_else_goes_on(serving: Serving) -> None:
    serving.spools.append(entries(1, visitor=77))
    open_before, counted = descriptors(), DAMAGED_FILES._value.get()
    bad = serving.folder / "spool" / "import-a.db"
    bad.write_bytes(NO_DATABASE)
    with capture_logs() as logs:
        assert serving.spools.waiting([1], []) == ({1}, set())
    (said,) = logs
    assert (said["event"], said["file"]) == ("import.damaged", f"{bad}.damaged")
    assert "run the same import again" in said["do"]
    assert not said["error"].endswith("DatabaseError")
    assert descriptors() == open_before
    assert DAMAGED_FILES._value.get() == counted + 1
    assert [path.name for path in bad.parent.glob("import-a*")] == ["import-a.db.damaged"]
    assert bad.with_name("import-a.db.damaged").read_bytes() == NO_DATABASE
    # And the same import again is as if there had been none.
    finished(serving, 2, 3)
    serving.ingester.drain()
    assert serving.stored() == [1, 2, 3]


def test_one_that_turns_out_to_be_damaged_later_is_set_aside_too(serving: Serving) -> None:
    spool = begun(serving)
    spool.append(entries(*range(100, 140)))
    spool._writer.execute("pragma wal_checkpoint(truncate)")
    spool.close()
    (opened,) = serving.spools.turn()
    damage_pages(spool.path)
    opened._reader.execute("pragma shrink_memory")
    serving.spools.append(entries(1))
    with pytest.raises(Unavailable, match=r"import-a\.db is damaged"):
        serving.ingester._drain(opened)
    serving.ingester.drain()
    assert serving.stored() == [1]
    assert [path.name for path in (serving.folder / "spool").glob("*.damaged")] == ["import-a.db.damaged"]
    # A second one of that name takes nothing from the first.
    spool.path.write_bytes(NO_DATABASE)
    serving.ingester.drain()
    assert len([*(serving.folder / "spool").glob("*.damaged")]) == 2


def test_an_import_that_still_fills_a_file_that_was_set_aside_is_told(serving: Serving) -> None:
    spool = begun(serving)
    spool.append(entries(1))
    serving.spools.turn()[0]._is_damaged = True
    serving.spools.turn()
    with pytest.raises(Unavailable, match="run the same import again"):
        spool.append(entries(2))
    left = sorted(path.name for path in spool.path.parent.glob("import-a.db*"))
    assert left == ["import-a.db.damaged", "import-a.db.damaged-wal"]
    spool.close()
    assert on_disk(spool.path.with_name(left[0])) == [1], "what was in its log is kept with it"


def test_what_cannot_be_opened_just_now_is_left_and_named_once(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a file is another user's, or no descriptor is left: it is whole."""
    finished(serving, 2)
    serving.spools.append(entries(1))
    real = Spool.__init__

    def refuse(spool: Spool, path: Path, *values: int, **named: bool) -> None:
        if path.name.startswith("import"):
            raise sqlite3.OperationalError("unable to open database file")
        real(spool, path, *values, **named)  # type: ignore[arg-type]

    with monkeypatch.context() as patched, capture_logs() as logs:
        patched.setattr(Spool, "__init__", refuse)
        serving.ingester.drain()
        serving.ingester.drain()
    assert [line["event"] for line in logs] == ["import.cannot_be_moved"]
    assert serving.stored() == [1]
    serving.ingester.drain()
    assert serving.stored() == [1, 2]


def test_one_that_cannot_be_read_just_now_keeps_nobody_waiting(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that fails in one place: the file is left to whoever mends it."""
    finished(serving, 2)
    serving.spools.append(entries(1, visitor=77))
    rows = Spool._rows

    def fail(spool: Spool, *values: object) -> object:
        if spool.path.name.startswith("import"):
            raise Unavailable(f"{spool.path} cannot be used just now (disk I/O error)")
        return rows(spool, *values)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(Spool, "_rows", fail)
        assert serving.spools.waiting([1], []) == ({1}, set())
        assert serving.spools.holds_consented(1, [77])
        assert not serving.spools.holds_account(1)
        assert serving.spools.delete_consented(1, [77]) == 1
        serving.spools.append(entries(3))
        serving.ingester.drain()
    assert serving.stored() == [3]
    serving.ingester.drain()
    assert serving.stored() == [2, 3]


def test_one_that_cannot_be_removed_stays_open_and_is_tried_again(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished(serving, 1)
    serving.ingester.run_once()
    before = descriptors()

    def refuse(path: Path, *, missing_ok: bool = False) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", refuse)
        for _ in range(3):
            serving.spools.turn()
    assert descriptors() == before
    serving.spools.turn()
    assert serving.files() == ["live-1.db"]


def test_a_spool_that_fails_keeps_no_other_from_being_moved(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    serving.spools.append(entries(1))
    finished(serving, 2)
    months = Spool.months

    def fail(spool: Spool, *values: object) -> object:
        if spool.path.name.startswith("live"):
            raise sqlite3.OperationalError("disk I/O error")
        return months(spool, *values)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(Spool, "months", fail)
        with pytest.raises(sqlite3.OperationalError):
            serving.ingester.run_once()
    assert serving.stored() == [2]


def test_of_spools_that_fail_at_once_each_is_named(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    serving.spools.append(entries(1))
    finished(serving, 2)

    def fail(spool: Spool, *_: object) -> object:
        raise Unavailable(f"{spool.path.name} fails")

    with monkeypatch.context() as patched, capture_logs() as said:
        patched.setattr(Spool, "months", fail)
        with pytest.raises(Unavailable, match=r"live-1\.db fails"):
            serving.ingester.run_once()
    assert [(one["event"], one["error"]) for one in said] == [("ingest.failed", "Unavailable: import-a.db fails")]


def test_a_start_goes_on_without_a_damaged_file_of_an_import(world: World) -> None:
    world.visitor().sees("/seen")
    world.reopen(lambda: (world.folder / "spool" / "import-1-abc.db").write_bytes(NO_DATABASE))
    assert world.paths() == ["/seen"]


@pytest.mark.parametrize("number", [1, 2])
def test_a_damaged_file_of_the_server_s_own_is_named_and_nothing_is_left_open(serving: Serving, number: int) -> None:
    serving.spools.append(entries(1))
    serving.spools.turn()
    serving.spools.append(entries(2))
    serving.spools.close()
    bad = serving.folder / "spool" / f"live-{number}.db"
    bad.write_bytes(NO_DATABASE)
    bad.with_name(bad.name + "-wal").unlink(missing_ok=True)
    before = descriptors()
    with pytest.raises(Unavailable, match=rf"live-{number}\.db is damaged .* start again"):
        serving.open()
    assert descriptors() == before
    bad.rename(serving.folder / bad.name)
    serving.open()
    serving.spools.append(entries(3))
    serving.ingester.drain()
    assert serving.stored() == [3 - number, 3], "what the sentence says to do is enough"


def test_a_server_that_does_not_start_over_a_damaged_file_says_so_in_a_sentence(tmp_path: Path) -> None:
    server = WebmonServer(tmp_path / "data")
    server.run("site", "add", "example.org")
    folder = tmp_path / "data" / "spool"
    folder.mkdir(mode=0o700)
    (folder / "live-1.db").write_bytes(NO_DATABASE)
    for command in (["serve", "--port", str(server.port)], ["retention", "plan"]):
        refused = server.run(*command, check=False)
        told = refused.stdout + refused.stderr
        assert refused.returncode != 0
        assert f"{folder / 'live-1.db'} is damaged" in told
        assert "Traceback" not in told
    doctor = server.run("doctor", check=False)
    assert "live-1.db is damaged" in doctor.stdout
    (folder / "live-1.db").rename(folder / "import-1-abc.db.damaged")
    assert "import-1-abc.db.damaged was damaged" in server.run("doctor", check=False).stdout


def damage(world: World, *, sealed: bool) -> None:
    """One byte of each row that is sealed, or is not."""
    live = world.runtime.spools.all()[0]
    body = "cast(x'00' || substr(body, 2, length(body) - 2) || x'55' as blob)"
    live._writer.execute(f"update hit set body = {body} where (account_id is not null) = ?", (sealed,))  # noqa: S608


def set_aside(world: World) -> list[tuple[object, ...]]:
    path = world.folder / "spool" / SET_ASIDE
    if not path.exists():
        return []
    with closing(sqlite3.connect(path)) as aside:
        return aside.execute("select account_id is not null, hit_id from hit").fetchall()


@pytest.mark.parametrize("sealed", [True, False])
@pytest.mark.parametrize("at", ["while it runs", "at its start"])
def test_a_hit_that_nothing_can_read_is_set_aside_and_those_around_it_go_on(
    world: World, *, sealed: bool, at: str
) -> None:
    world.login_key()
    signed_in, other = world.visitor(), world.visitor()
    signed_in.signs_in()
    world.settle()
    damaged, whole = (signed_in, other) if sealed else (other, signed_in)
    damaged.sees("/damaged")
    damage(world, sealed=sealed)
    damaged.sees("/after")
    whole.sees("/other")
    counted = DAMAGED._value.get()
    with capture_logs() as logs:
        if at == "at its start":
            world.reopen()
        world.settle()
    assert (world.paths(), world.account_paths()) == (
        (["/other"], ["/after"]) if sealed else (["/after"], ["/other"])
    )
    assert (len(set_aside(world)), set_aside(world)[0][0]) == (1, int(sealed))
    (said,) = [line for line in logs if line["event"] == "spool.damaged_hits"]
    assert said["count"] == 1
    assert DAMAGED._value.get() == counted + 1
    assert world.runtime.spools.depth == 0
    world.reopen()
    assert len(set_aside(world)) == 1


@pytest.mark.parametrize("aside", ["before", "after"])
@pytest.mark.parametrize("others", [True, False])
def test_nothing_is_set_aside_in_the_clear_of_a_visit_whose_visitor_signs_in(
    world: World, aside: str, *, others: bool
) -> None:
    world.login_key()
    visitor, other = world.visitor(), world.visitor()
    visitor.sees("/damaged")
    if others:
        other.sees("/others")
    damage(world, sealed=False)
    visitor.sees("/whole")
    if aside == "before":
        world.settle()
        assert len(set_aside(world)) == 1 + others
    visitor.signs_in()
    world.settle()
    assert (world.paths(), world.account_paths(), len(set_aside(world))) == ([], ["/whole"], int(others))
    content = b"".join(path.read_bytes() for path in (world.folder / "spool").iterdir() if path.is_file())
    assert (b"/damaged" in content, b"/others" in content) == (False, others)
    assert (world.folder / "spool" / SET_ASIDE).exists() is others


def test_what_was_set_aside_of_earlier_visits_goes_where_they_go_along(world: World) -> None:
    world.login_key()
    world.site = world.runtime.sites.adjust(world.site, world.clock.now(), actor="test", promote_days=30)
    visitor = world.visitor()
    visitor.sees("/yesterday")
    damage(world, sealed=False)
    world.settle()
    assert len(set_aside(world)) == 1
    world.move(hours=20)
    visitor.sees("/today")
    visitor.signs_in()
    world.settle()
    assert (world.paths(), world.account_paths(), set_aside(world)) == ([], ["/today"], [])


@pytest.mark.parametrize(("kept", "days"), [("P25M", 30), ("P7D", 7)])
def test_what_is_set_aside_is_gone_after_a_month_or_as_soon_as_a_row_would_be(
    world: World, kept: str, days: int
) -> None:
    world.runtime.retention.set_rules(world.site, {InfoClass.EVENT_LOG: kept}, world.clock.now(), actor="test")

    def expire(**by: float) -> int:
        world.move(**by)
        return world.runtime.expire_damaged_hits(world.clock.now())

    assert expire() == 0
    for path in ("/first", "/second"):
        world.visitor().sees(path)
        damage(world, sealed=False)
        world.settle()
        assert expire() == 0
        world.move(hours=12)
    assert (len(set_aside(world)), expire(days=days - 1), len(set_aside(world))) == (2, 1, 1)
    assert (expire(hours=11), len(set_aside(world))) == (0, 1)
    assert expire(hours=1) == 1
    assert not [*(world.folder / "spool").glob(f"{SET_ASIDE}*")]


def test_a_file_of_them_that_is_damaged_itself_stops_no_sign_in(world: World) -> None:
    world.login_key()
    (world.folder / "spool" / SET_ASIDE).write_bytes(NO_DATABASE)
    visitor = world.visitor()
    visitor.sees("/seen")
    visitor.signs_in()
    world.settle()
    assert (world.paths(), world.account_paths(), set_aside(world)) == ([], ["/seen"], [])


def test_an_interruption_between_keeping_it_and_taking_it_out_loses_it_nowhere(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    visitor = world.visitor()
    visitor.sees("/damaged")
    damage(world, sealed=False)
    visitor.sees("/whole")
    with monkeypatch.context() as patched:
        patched.setattr(Spool, "forget", stop)
        with pytest.raises(KeyboardInterrupt):
            world.runtime.ingester.run_once()
    assert len(set_aside(world)) == 1
    world.reopen()
    assert world.paths() == ["/whole"]
    assert {row[1] for row in set_aside(world)} == {set_aside(world)[0][1]}


@pytest.mark.parametrize("moved", [True, False])
def test_an_erasure_deletes_what_can_be_made_out_of_a_damaged_hit_too(world: World, *, moved: bool) -> None:
    visitor, other = world.visitor(), world.visitor()
    visitor.sees("/mine")
    other.sees("/others")
    damage(world, sealed=False)
    spools = world.runtime.spools
    found = [int(re.findall(rb'"visitor_id":(\d+)', one.entry.body)[0]) for one in spools.all()[0].entries(2)]
    if moved:
        world.runtime.ingester.drain()
        assert len(set_aside(world)) == 2
    assert not world.runtime.spools.holds_consented(world.site.id, [found[0] + 1])
    assert spools.holds_consented(world.site.id, found[:1]) is not moved, "no promotion waits for what is set aside"
    assert spools.delete_consented(world.site.id, found[:1]) == 1
    world.runtime.ingester.drain()
    assert len(set_aside(world)) == 1
    content = b"".join(path.read_bytes() for path in (world.folder / "spool").iterdir() if path.is_file())
    assert (str(found[0]).encode() in content, str(found[1]).encode() in content) == (False, True)


def test_a_log_that_takes_nothing_has_no_hit_set_aside(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise ValueError("of the log's own")

    world.visitor().sees("/seen")
    with monkeypatch.context() as patched:
        patched.setattr(world.runtime.event_log, "append", refuse)
        with pytest.raises(ValueError, match="of the log's own"):
            world.runtime.ingester.run_once()
    world.settle()
    assert (world.paths(), set_aside(world)) == (["/seen"], [])
