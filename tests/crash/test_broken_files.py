"""A month of the event log that cannot be opened: hits are still acknowledged, nothing is said that may be wrong, and
when the file is back everything goes on by itself."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.world import World
from webmon.errors import Unavailable


@pytest.fixture
def broken(world: World) -> Path:
    """The month's file was damaged while the server was down; its backup is beside it."""
    world.visitor().sees("/before")
    world.settle()
    world.runtime.event_log.checkpoint()
    (file,) = (world.folder / "events").glob("2026-11.*duckdb")

    def damage() -> None:
        file.rename(world.folder / "backup.duckdb")
        file.write_bytes(b"this is no database" * 1000)

    world.reopen(damage)
    return file


def repaired(world: World, file: Path) -> None:
    (world.folder / "backup.duckdb").replace(file)


def test_hits_are_acknowledged_and_stored_once_the_file_is_back(world: World, broken: Path) -> None:
    visitor = world.visitor()
    assert visitor.sees("/meanwhile").status_code == 202
    with pytest.raises(Unavailable, match=r"2026-11\.1\.duckdb cannot be opened"):
        world.runtime.ingester.run_once()
    assert world.runtime.spools.depth == 1
    repaired(world, broken)
    world.settle()
    assert world.paths() == ["/before", "/meanwhile"]
    assert world.runtime.spools.depth == 0


def test_no_figure_is_given_out_that_leaves_a_month_out(world: World, broken: Path) -> None:
    staff = world.staff("owner")
    page = staff.get("/dashboard/example.org")
    assert page.status_code == 503
    assert "cannot be opened" in page.get_data(as_text=True)
    visitor = world.visitor()
    shown = world.browser().post(
        "/privacy/example.org/open", data={"visitor": visitor.visitor}, follow_redirects=True
    )
    assert shown.status_code == 503
    assert "events" not in shown.get_data(as_text=True), "files are the operator's business"
    repaired(world, broken)
    assert staff.get("/dashboard/example.org").status_code == 200


def test_a_rule_that_cannot_reach_the_month_says_so(world: World, broken: Path) -> None:
    world.move(days=800)
    report = world.runtime.retention.apply(world.clock.now(), actor="scheduler")
    line = next(one for one in report.lines if one.info_class == "event_log")
    assert "cannot be opened" in line.error
    repaired(world, broken)
    report = world.runtime.retention.apply(world.clock.now(), actor="scheduler")
    assert next(one for one in report.lines if one.info_class == "event_log").deleted_count == 1


def test_a_sign_in_is_completed_once_the_file_is_back(world: World, broken: Path) -> None:
    visitor = world.visitor()
    visitor.sees("/private")
    assert visitor.signs_in().status_code == 204
    with pytest.raises(Unavailable):
        world.settle()
    repaired(world, broken)
    world.clock.move(timedelta(minutes=6))
    world.settle()
    assert world.paths() == ["/before"]
    assert world.account_row_count() == 1


def test_the_mark_of_a_deletion_waits_for_the_file(world: World, broken: Path) -> None:
    mark = broken.with_suffix(".dirty")
    mark.touch()
    assert world.runtime.event_log.compact() == []
    assert mark.exists()
    repaired(world, broken)
    assert world.runtime.event_log.faults() == []
    assert world.runtime.event_log.compact() == ["2026-11"]
    assert not mark.exists()
