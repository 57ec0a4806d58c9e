"""Notices and the consent ledger, as services see them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from webmon.domain.chain import Anchor, Link
from webmon.domain.checkpoint import Checkpoint, MoveAnchor
from webmon.domain.consent import Collected, Record
from webmon.domain.notice import Notice
from webmon.stores.ports.audit import Audited


@dataclass(frozen=True, slots=True)
class Publication:
    """That a notice comes, or came, into force at `effective_at`, unless it was cancelled before."""

    id: int
    language: str
    notice_hash: str
    published_at: datetime
    published_by: str
    effective_at: datetime
    cancelled_at: datetime | None


@dataclass(frozen=True, slots=True)
class Draft:
    """A notice that is being worked on. `revision` is another one each time that it is saved."""

    notice: Notice
    revision: str
    saved_at: datetime
    saved_by: str


@dataclass(frozen=True, slots=True)
class Standing:
    """A record as the ledger holds it, its place there, and the receipt id of the one that took its place, if any."""

    body: Mapping[str, Any]
    expires_at: datetime
    seq: int
    successor: str | None


@dataclass(frozen=True, slots=True)
class LedgerEntry(Link):
    """One stored entry with everything that must agree: the chained body, the columns beside it, and its notice.

    `columns` have the names of the body's fields; `notice_columns` those of the notice's. `unlike_index`: in which
    table its row says something else than the index by which it is found.
    """

    columns: Mapping[str, Any]
    notice_text: str
    notice_columns: Mapping[str, Any]
    unlike_index: str = ""


@dataclass(frozen=True, slots=True)
class Erasure:
    """Rows that are to be erased: those that were collected under the consent with this receipt."""

    id: int
    site_id: int
    whose: Collected
    receipt_id: str
    requested_at: datetime


class ConsentRepository(Audited, Protocol):
    def put_notice(self, site_id: int, notice: Notice, now: datetime) -> None:
        """Keep a notice; one that is there already stays as it is."""

    def publish(self, site_id: int, notice: Notice, now: datetime, actor: str, effective_at: datetime) -> None: ...

    def current_notices(self, site_id: int, now: datetime) -> Mapping[str, str]:
        """Language to hash of the notice that is in force at `now`."""

    def has_been_in_force(self, notice_hash: str, now: datetime) -> bool:
        """Whether the notice is in force at `now`, was before, or was put in force when it was published."""

    def publications(self, site_id: int, limit: int) -> Sequence[Publication]:
        """Newest first."""

    def scheduled(self, site_id: int, now: datetime) -> Sequence[Publication]:
        """What is yet to come into force, first things first."""

    def cancel(self, site_id: int, publication_id: int, now: datetime) -> Publication | None:
        """Cancel what is not in force yet; None where there is no such thing, any more or at all."""

    def draft(self, site_id: int, language: str) -> Draft | None: ...

    def drafts(self, site_id: int) -> Sequence[Draft]:
        """By language."""

    def put_draft(self, site_id: int, draft: Draft) -> None:
        """Keep a draft in the place of the one in its language."""

    def delete_draft(self, site_id: int, language: str) -> None: ...

    def notice(self, notice_hash: str) -> Notice | None: ...

    def append(self, site_id: int, record: Record) -> int:
        """Add a record to the site's chain and return its place; `flush` ends what was appended."""

    def flush(self) -> None: ...

    def standing(self, site_id: int, receipt_id: str) -> Standing | None: ...

    def look_up(self, receipt_ids: Sequence[str]) -> None:
        """Find out ahead, all at once, which numbers `is_taken` will be asked about are taken."""

    def is_taken(self, receipt_id: str) -> bool:
        """Whether a record of any site has this number."""

    def anchor(self, site_id: int) -> Anchor: ...

    def put_anchor_signature(self, site_id: int, signature: str) -> None: ...

    def entries(self, site_id: int) -> Iterator[LedgerEntry]:
        """The ledger of a site, oldest first, and entries that belong to no site at all.

        One that cannot be read comes as an empty entry, and is the last.
        """

    @property
    def damage(self) -> str:
        """What is wrong with where ledgers are kept and is not of any one entry, or nothing."""

    def head(self, site_id: int) -> Anchor | None:
        """Number and hash of the entry that was written last, as noted beside the ledger; None where none was."""

    def tip(self, site_id: int) -> Anchor:
        """What the next entry follows: the last one, also where it was taken out; the anchor where there is none."""

    def put_checkpoint(self, site_id: int, checkpoint: Checkpoint) -> None: ...

    def checkpoints(self, site_id: int) -> Sequence[Checkpoint]:
        """Those of a site, oldest first, and any that belong to no site at all, with an empty name for it."""

    def signing_key(self) -> bytes | None:
        """The wrapped key that signs, where it has been made."""

    def put_signing_key(self, wrapped: bytes) -> None: ...

    def add_erasure(self, site_id: int, whose: Collected, receipt_id: str, now: datetime) -> None: ...

    def erasures(self) -> Sequence[Erasure]:
        """Those under way, oldest first."""

    def finish_erasure(self, erasure_id: int) -> None: ...

    def count(self, site_id: int) -> int: ...

    def count_before(self, site_id: int, cutoff: datetime) -> int: ...

    def delete_before(self, site_id: int, cutoff: datetime, now: datetime, move: MoveAnchor) -> int:
        """Take the oldest entries, older than `cutoff`, off the chain and `move` its anchor; return how many."""
