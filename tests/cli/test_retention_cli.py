"""`webmon retention`: the plan, the deletion and what is left agree, with a server and without."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.rows import hit, store
from tests.support.server import WebmonServer, contents
from webmon.core import Core
from webmon.settings import Settings
from webmon.stores.control.accounts import SqlAccounts
from webmon.stores.events.duckdb import DuckDBEventLog
from webmon.stores.ports.accounts import Account, SealedHit

TODAY = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0, tzinfo=None)
AGES = (1, 40, 100, 800)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[WebmonServer]:
    """Two sites, each with a row for each age in days; the second keeps its rows 30 days only, by the file."""
    rules = tmp_path / "rules.toml"
    made = WebmonServer(tmp_path / "data", WEBMON_RETENTION_FILE=str(rules))
    rules.write_text('[default]\nevent_log = "P3M"\n')
    for domain in ("first.example", "second.example"):
        made.run("site", "add", domain)
    rules.write_text('[default]\nevent_log = "P3M"\n[site."second.example"]\nevent_log = "P30D"\n')
    log = DuckDBEventLog(made.folder / "events")
    store(log, [hit(TODAY - timedelta(days=age), site=site, pathname=f"/{age}") for site in (1, 2) for age in AGES])
    log.close()
    yield made
    if made.process is not None:
        made.stop()


def report(server: WebmonServer, *arguments: str) -> dict[tuple[str, str], dict[str, Any]]:
    said = json.loads(server.run("retention", *arguments, "--json").stdout)
    return {(rule["site"], rule["info_class"]): rule for rule in said["rules"]}


def left(server: WebmonServer) -> dict[int, int]:
    log = DuckDBEventLog(server.folder / "events")
    try:
        return {site: log.count(site) for site in (1, 2)}
    finally:
        log.close()


@pytest.mark.parametrize("running", [False, True], ids=["without a server", "with a running server"])
def test_plan_and_apply_agree_with_each_other_and_with_what_is_gone(server: WebmonServer, running: bool) -> None:
    if running:
        server.start()
    planned = report(server, "plan")
    expected = {"first.example": 2, "second.example": 3}
    for domain, count in expected.items():
        rule = planned[domain, "event_log"]
        assert (rule["looked_at_count"], rule["expired_count"], rule["deleted_count"]) == (4, count, 0)
        assert rule["origin"] == "file"
    applied = report(server, "apply", "--yes")
    for place, rule in planned.items():
        assert applied[place]["deleted_count"] == rule["expired_count"], place
        assert applied[place]["cutoff"] == rule["cutoff"]
    again = report(server, "plan")
    assert {rule["expired_count"] for rule in again.values()} == {0}
    if running:
        server.stop()
    assert left(server) == {1: 2, 2: 1}
    assert server.run("audit", "verify").returncode == 0
    assert server.run("consent", "verify").returncode == 0


def test_rows_of_a_restricted_account_stay_and_it_is_said(server: WebmonServer) -> None:
    core = Core(Settings(data_dir=server.folder))
    whose = SealedHit(7, 1, 1, (TODAY - timedelta(days=800)).date(), b"sealed")
    with core.database.unit(SqlAccounts)() as accounts:
        accounts.add(Account(7, 1), "digest", b"sealed", TODAY.replace(tzinfo=UTC))
        accounts.restrict(7, TODAY.replace(tzinfo=UTC))
        accounts.put_hits([whose])
    core.close()
    rule = report(server, "plan")["first.example", "account_log"]
    assert (rule["looked_at_count"], rule["expired_count"], rule["restricted_count"]) == (1, 0, 1)
    told = server.run("retention", "apply", "--yes").stdout.splitlines()
    (line,) = [one for one in told if "first.example" in one and "account_log" in one]
    assert line.endswith("restricted, so kept: 1")
    assert report(server, "plan")["first.example", "account_log"] == rule


def test_one_site_alone(server: WebmonServer) -> None:
    report(server, "apply", "--yes", "--site", "second.example")
    assert left(server) == {1: 4, 2: 1}


def test_what_is_deleted_is_in_no_file_any_more(server: WebmonServer) -> None:
    def holds(text: bytes) -> bool:
        return any(text in content for content in contents(server.folder).values())

    assert holds(b"/800")
    report(server, "apply", "--yes")
    assert not holds(b"/800")
    assert not holds(b"/100")


def test_nothing_is_deleted_without_being_asked_or_told(server: WebmonServer) -> None:
    done = server.run("retention", "apply", check=False)
    assert done.returncode != 0
    assert "--yes" in done.stderr
    assert left(server) == {1: 4, 2: 4}


@pytest.mark.parametrize("command", ["plan", "apply"])
def test_a_slip_in_the_file_stops_it_before_anything_is_deleted(server: WebmonServer, command: str) -> None:
    Path(server.env["WEBMON_RETENTION_FILE"]).write_text('[default]\nevent_log = "3 months"\n')
    done = server.run("retention", command, *(["--yes"] if command == "apply" else []), check=False)
    assert done.returncode == 1
    assert "default.event_log must be an ISO 8601 duration" in done.stderr
    assert left(server) == {1: 4, 2: 4}


def test_a_site_that_is_not_there_is_said_so(server: WebmonServer) -> None:
    done = server.run("retention", "plan", "--site", "third.example", check=False)
    assert (done.returncode, "third.example" in done.stderr) == (1, True)


def test_old_consents_and_audit_entries_go_and_the_rest_still_verifies(server: WebmonServer) -> None:
    Path(server.env["WEBMON_RETENTION_FILE"]).write_text('[default]\naudit = "P1D"\nconsent_records = "P1D"\n')
    applied = report(server, "apply", "--yes")
    assert applied["(installation)", "audit"]["error"] == ""
    assert server.run("audit", "verify").returncode == 0


@pytest.mark.parametrize("running", [False, True], ids=["without a server", "with a running server"])
def test_what_is_wrong_is_said_in_the_same_words_with_a_server_and_without(
    server: WebmonServer, running: bool
) -> None:
    if running:
        server.start()
    done = server.run("retention", "plan", "--site", "nope", check=False)
    assert done.returncode == 1
    assert done.stderr == "Error: site 'nope' is not a site of this server\n"


def test_what_the_server_cannot_read_is_said_to_the_operator(server: WebmonServer) -> None:
    server.start()
    rules = server.folder.parent / "rules.toml"
    rules.write_text("[default")
    done = server.run("retention", "plan", check=False)
    assert done.returncode == 1
    assert str(rules) in done.stderr
