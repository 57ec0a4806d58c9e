"""From the spool to the event log: batch by batch, each row exactly once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

import structlog
from prometheus_client import Counter, Histogram

from webmon.errors import WebmonError, told
from webmon.stores.ports.events import Chunk, EventSink
from webmon.stores.ports.spool import DrainedSpool, Remainder, SpooledEntry

BATCH = 10_000
# Short enough that a page view is on the dashboard well within two seconds.
PAUSE_SECONDS = 0.4
PAUSE_AFTER_FAILURE_SECONDS = 2.0

ROWS = Counter("webmon_ingested_rows", "Rows that left the spool, by the log that they went to", ["log"])
SECONDS = Histogram(
    "webmon_ingest_seconds",
    "How long a batch took from the spool to its log",
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)
FAILURES = Counter("webmon_ingest_failures", "Batches that could not be moved, and wait in the spool")
log = structlog.get_logger()


class Keeper(Protocol):
    def promoted_visits(self) -> Collection[int]:
        """Return the visits whose visitors have signed in: no row of theirs goes to the event log any more."""

    def take(self, entries: Sequence[SpooledEntry]) -> Sequence[Remainder]:
        """Store entries in the account log: sealed ones, and those of promoted visits; return what they leave."""


class Ingester:
    """Drains every spool there is; whoever promotes or deletes rows holds the same `log_lock`."""

    def __init__(
        self,
        spools: Callable[[], Sequence[DrainedSpool]],
        events: EventSink,
        keeper: Keeper,
        log_lock: threading.Lock,
        set_aside: Callable[[DrainedSpool, int], int] = lambda *_: 0,
    ) -> None:
        """`set_aside` takes out of a spool what cannot be read, up to a number, and returns how many it was."""
        self._set_aside = set_aside
        self._spools = spools
        self._events = events
        self._keeper = keeper
        self._log_lock = log_lock
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def run_once(self) -> int:
        """Move at most one batch of every spool, and return how many entries moved.

        One that fails keeps no other from it; the first error is raised when all have been tried, others are logged.
        """
        moved, failed = 0, list[tuple[str, Exception]]()
        for spool in self._spools():
            try:
                moved += self._drain(spool)
            except Exception as error:  # of any kind: no other spool waits for what is wrong with this one
                failed.append((spool.id, error))
        if failed:
            for spool_id, other in failed[1:]:
                log.error("ingest.failed", spool=spool_id, error=told(other))
            raise failed[0][1]
        return moved

    def drain(self) -> None:
        """Move all there is."""
        while self.run_once():
            pass

    def start(self) -> None:
        self._thread = threading.Thread(target=self._loop, name="ingester", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread, then move what is left; whatever keeps that from being done, the end goes on."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        try:
            self.drain()
        except Exception as error:  # of any kind: the stores are closed after this, whatever it was
            log.error("ingest.left", error=told(error))  # in the spool, for the next start

    def _drain(self, spool: DrainedSpool) -> int:
        with self._log_lock:
            last = spool.through(BATCH)
            if not last:
                return 0
            try:
                return self._move(spool, last)
            except (WebmonError, OSError):
                raise  # a log that takes nothing just now
            except Exception:
                # Or an entry is at fault, whatever a decoder, a cipher or the database's parser calls that: without
                # those that are, the others are moved by the next call. Where none is, it is raised as it was.
                if gone := self._set_aside(spool, last):
                    return gone
                raise

    def _move(self, spool: DrainedSpool, last: int) -> int:
        with SECONDS.time():
            promoted = self._keeper.promoted_visits()
            months = spool.months(last, promoted)
            personal = spool.personal(last, promoted) if any(months.values()) else []
            left = self._keeper.take(personal) if personal else []
            marks = {month: self._events.mark(spool.id, month) for month in months}
            # What is left of a row goes in with those of the clear, and so is moved by the same mark: once.
            chunks = _with_remainders(spool.chunks(last, promoted, marks), left, marks, last)
            stored = sum(self._events.append(spool.id, one, deduplicate=spool.deduplicate) for one in chunks)
            ROWS.labels("account").inc(len(personal))
            ROWS.labels("event").inc(stored)
            return spool.delete_through(last, stored + len(personal))

    def _loop(self) -> None:
        pause = PAUSE_SECONDS
        while not self._stop.wait(pause):
            try:
                # A batch costs the same whether it is small or large: under load they are left to grow.
                while self.run_once() >= BATCH and not self._stop.is_set():
                    pass
                pause = PAUSE_SECONDS
            except Exception as error:
                # Of any kind, or nothing would be moved any more. Hits go on being acknowledged into the spool;
                # nothing is lost while the log cannot be written.
                FAILURES.inc()
                log.error("ingest.failed", error=told(error))
                pause = PAUSE_AFTER_FAILURE_SECONDS


def _with_remainders(
    chunks: Iterable[Chunk], left: Sequence[Remainder], marks: Mapping[str, int], last: int
) -> Iterator[Chunk]:
    """Yield the chunks with the remainders of their months, but those of entries that a month's mark has passed."""
    lines: dict[str, list[bytes]] = {}
    for one in left:
        if one.entry_id > marks[one.month]:
            lines.setdefault(one.month, []).append(one.line)
    for chunk in chunks:
        yield replace(chunk, lines=b"\n".join([chunk.lines, *lines.pop(chunk.month, [])]))
    for month, alone in lines.items():
        yield Chunk(month, last, b"\n".join(alone))
