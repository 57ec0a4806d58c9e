"""Page views out of a web server's log, by the same way as a hit: scrubbed, enriched, pseudonymized, spooled."""

from __future__ import annotations

import hashlib
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from webmon.domain.accesslog import LogRecord, page_url, parse_line, reason_to_skip
from webmon.domain.address import packed_address
from webmon.domain.event import PAGEVIEW, IncomingEvent
from webmon.domain.guard import guard_event
from webmon.domain.hit import Basis, Hit, encode_hit
from webmon.domain.pseudonym import PseudonymKey, day_of
from webmon.domain.site import Site
from webmon.domain.unwanted import Unwanted
from webmon.errors import InvalidInput
from webmon.services.collect_hit import Client, HitIds, Locator, build_hit
from webmon.services.pseudonyms import DayKeySource
from webmon.services.visits import VisitBook
from webmon.stores.ports.spool import SpoolEntry

CHUNK = 1000
# Lines with the same content stand close together in a log; farther apart they need not be told apart.
_WINDOW = 100_000
_MALFORMED_SHOWN = 1000


@dataclass(slots=True)
class ImportReport:
    """What became of the lines. `malformed` and `kept_lines` hold line numbers, from 1; never the lines."""

    line_count: int = 0
    kept_count: int = 0
    stored_count: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    malformed: list[int] = field(default_factory=list)
    malformed_count: int = 0
    kept_lines: list[int] = field(default_factory=list)

    @property
    def known_count(self) -> int:
        """Kept lines that the event log held already."""
        return self.kept_count - self.stored_count


@dataclass(slots=True)
class LogImporter:
    """Reads lines of one site's log.

    `keys` are the day keys of this import alone and are destroyed when it ends; `row_key` names rows, so that the
    same line read twice is one row. The address is in no name of a row: whoever holds that key could otherwise test
    whether an address was there.
    """

    site: Site
    keys: DayKeySource
    row_key: PseudonymKey
    geo: Locator
    unwanted: Unwanted
    append: Callable[[Sequence[SpoolEntry]], None]
    now: datetime
    keep_numbers: bool = False
    report: ImportReport = field(default_factory=ImportReport)
    _visits: VisitBook = field(default_factory=VisitBook)
    _seen: OrderedDict[bytes, int] = field(default_factory=OrderedDict)

    def run(self, lines: Iterable[bytes]) -> None:
        """Read all lines; what is kept is durable in the spool when this returns."""
        chunk: list[SpoolEntry] = []
        for number, raw in enumerate(lines, start=1):
            hit = self._line(number, raw)
            if hit is not None:
                chunk.append(SpoolEntry(hit.site_id, hit.month, hit.visit_id, hit.hit_id, encode_hit(hit)))
            if len(chunk) >= CHUNK:
                self.append(chunk)
                chunk = []
        if chunk:
            self.append(chunk)

    def _line(self, number: int, raw: bytes) -> Hit | None:
        self.report.line_count += 1
        record = parse_line(raw.decode("utf-8", "replace").rstrip("\r\n"))
        if record is None:
            self._malformed(number)
            return None
        reason = reason_to_skip(record, self.now) or self.unwanted.reason(
            record.user_agent, record.referrer, packed_address(record.address)
        )
        if reason is not None:
            self.report.skipped[reason] += 1
            return None
        try:
            hit = self._hit(record)
        except InvalidInput:
            self._malformed(number)
            return None
        self.report.kept_count += 1
        if self.keep_numbers:
            self.report.kept_lines.append(number)
        return hit

    def _malformed(self, number: int) -> None:
        self.report.malformed_count += 1
        if len(self.report.malformed) < _MALFORMED_SHOWN:
            self.report.malformed.append(number)

    def _hit(self, record: LogRecord) -> Hit:
        event = IncomingEvent(
            name=PAGEVIEW, url=page_url(record, self.site.domain), domain=self.site.domain, referrer=record.referrer
        )
        kept = guard_event(event, self.site.rules)
        visitor_id = self._visitor(record, record.occurred_at)
        key = self.keys.key(self.site.id, day_of(record.occurred_at))
        visit = self._visits.touch(
            self.site.id,
            visitor_id,
            record.occurred_at,
            carried_from=self._visitor(record, record.occurred_at - timedelta(hours=1))
            if record.occurred_at.hour == 0
            else None,
            # Not by chance: an import that was interrupted gives the same visits when it goes on.
            new_id=lambda: key.pseudonym("visit", str(visitor_id), record.occurred_at.isoformat()),
        )
        return build_hit(
            self.site.id,
            event,
            kept,
            agent_of=Client(record.address, {"user-agent": record.user_agent}),
            place=self.geo.locate(packed_address(record.address)),
            moment=record.occurred_at,
            ids=HitIds(self._row_name(record), visitor_id, visit.visit_id),
            basis=Basis.IMPORT,
        )

    def _visitor(self, record: LogRecord, moment: datetime) -> int:
        return self.keys.key(self.site.id, day_of(moment)).pseudonym(record.address, record.user_agent)

    def _row_name(self, record: LogRecord) -> int:
        """Name the row by what the line says, but for the address, and by how often that stood there before."""
        parts = (
            record.occurred_at.isoformat(),
            record.target,
            str(record.status),
            record.size,
            record.referrer,
            record.user_agent,
        )
        place = hashlib.blake2b("\0".join(parts).encode(), digest_size=16).digest()
        nth = self._seen[place] = self._seen.get(place, 0) + 1
        if len(self._seen) > _WINDOW:
            self._seen.popitem(last=False)
        return self.row_key.pseudonym(*parts, str(nth))
