"""How fast rows get from the spool to the event log, how much room they take there, and a log of ten million rows."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path

from bench.hits import hits
from webmon.domain.hit import encode_hit
from webmon.services.ingest import Ingester
from webmon.stores.events.duckdb import DuckDBEventLog
from webmon.stores.events.schema import duckdb_columns
from webmon.stores.ports.spool import Remainder, SpooledEntry, SpoolEntry
from webmon.stores.spools import SpoolFolder

CHUNK = 1000
# As the load draws them: 2,500 pages skewed to the first, visits of four pages, twenty kinds of browser.
_DRAWN = {
    "site_id": "1",
    "occurred_at": "timestamp '2026-10-01' + to_milliseconds(i * 2592000000 // {rows})",
    "hit_id": "(hash(i) >> 1)::bigint",
    "visitor_id": "(hash(v) >> 1)::bigint",
    "visit_id": "(hash(v + 1000000000) >> 1)::bigint",
    "name": "'pageview'",
    "hostname": "'example.org'",
    "pathname": "'/section-' || (p % 25) || '/article-' || p",
    "referrer": "case when i % 1024 < 150 then 'google.com' else '' end",
    "source": "case when i % 1024 < 150 then 'Google' else '' end",
    "medium": "case when i % 1024 < 150 then 'search' else '' end",
    "country": "['DE', 'US', 'FR', 'GB', 'CH', 'AT', 'NL', 'IN'][1 + (hash(v) % 8)::int]",
    "browser": "['Chrome', 'Firefox', 'Safari', 'Microsoft Edge'][1 + (hash(v) % 4)::int]",
    "browser_version": "(118 + hash(v) % 12)::varchar || '.0'",
    "os": "['Windows', 'Mac', 'Android', 'iOS', 'GNU/Linux'][1 + (hash(v) % 5)::int]",
    "os_version": "(10 + hash(v) % 8)::varchar",
    "device": "['Desktop', 'Mobile', 'Tablet'][1 + (hash(v) % 3)::int]",
    "interactive": "true",
    "engagement_ms": "0",
    "scroll_pct": "0",
    "basis": "'exempt'",
}


class _NoAccounts:
    def promoted_visits(self) -> Sequence[int]:
        return []

    def take(self, entries: Sequence[SpooledEntry]) -> Sequence[Remainder]:
        raise AssertionError(entries)


def ingest_rate(folder: Path, rows: int) -> float:
    """Rows a second from a full spool into an empty event log."""
    log = DuckDBEventLog(folder / "events")
    spool = SpoolFolder(folder / "spool", rows, log)
    batch: list[SpoolEntry] = []
    for hit in hits(rows):
        batch.append(SpoolEntry(hit.site_id, hit.month, hit.visit_id, hit.hit_id, encode_hit(hit)))
        if len(batch) == CHUNK:
            spool.append(batch)
            batch = []
    ingester = Ingester(spool.turn, log, _NoAccounts(), threading.Lock())
    began = time.perf_counter()
    ingester.drain()
    spent = time.perf_counter() - began
    assert log.count(1) == rows
    spool.close()
    log.close()
    return rows / spent


def fill(folder: Path, rows: int) -> float:
    """Write that many rows into an event log of one month, compact it, and return the bytes a row takes."""
    log = DuckDBEventLog(folder, memory="1GB")
    columns = duckdb_columns()
    values = ", ".join(_DRAWN.get(name, "''").format(rows=rows) for name in columns)
    drawn = (
        "select i, i // 1024 * 256 + i % 256 as v, floor(2500 * random() * random())::int as p"
        f" from range({rows}) as numbers(i)"
    )
    names = ", ".join(f'"{name}"' for name in columns)
    month = log._files.database("2026-10")
    log._connection.execute(f"insert into {month}.event ({names}) select {values} from ({drawn})")
    folder.joinpath("2026-10.dirty").touch()
    log.compact()
    log.close()
    return folder.joinpath("2026-10.duckdb").stat().st_size / rows
