"""The audit trail: read, written out, signed and proven."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from webmon.domain.chain import Anchor, Verdict
from webmon.domain.checkpoint import (
    AUDIT,
    AUDIT_ANCHOR,
    INTERVAL,
    Checkpoint,
    anchor_fault,
    make_checkpoint,
    sign_anchor,
    verify_signed,
)
from webmon.domain.signing import SigningKey
from webmon.stores.ports import Unit
from webmon.stores.ports.audit import ANY, AuditEntry, AuditFilter, AuditReading, ReadableTrail

PAGE_COUNT = 100
_EXPORTED_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Entry:
    """Who did what, when. `detail` holds nothing of visitors; `actor` is a staff member or a part of webmon."""

    seq: int
    at: datetime
    actor: str
    action: str
    site_id: int | None
    detail: Mapping[str, Any]
    chain_hash: str

    def document(self) -> Mapping[str, Any]:
        """The entry as it is exported: the chain's body is the canonical JSON of all but number and hash."""
        return {
            "seq": self.seq,
            "at": self.at.isoformat(),
            "actor": self.actor,
            "action": self.action,
            "site_id": self.site_id,
            "detail": self.detail,
            "chain_hash": self.chain_hash,
        }


class SigningKeys(Protocol):
    def key(self) -> SigningKey: ...

    def public_key(self) -> Ed25519PublicKey: ...


@dataclass(frozen=True, slots=True)
class AuditLog:
    unit: Unit[AuditReading]
    keys: SigningKeys

    def newest(
        self, before_seq: int | None = None, limit: int = PAGE_COUNT, where: AuditFilter = ANY
    ) -> Sequence[Entry]:
        """Return entries, newest first, from the one before `before_seq` on."""
        with self.unit.reading() as reading:
            return [_entry(*one) for one in _bodies(reading.audit.newest(limit, before_seq, where))]

    def actions(self, where: AuditFilter = ANY) -> Sequence[str]:
        """Return every action that some entry has, of those that are meant."""
        with self.unit.reading() as reading:
            return reading.audit.actions(where)

    def export(self, now: datetime, *, actor: str, where: AuditFilter = ANY) -> Iterator[Entry]:
        """Return the entries, oldest first; that they were written out is an entry of its own, before."""
        with self.unit() as reading:
            last = reading.audit.tip().seq
            reading.audit.record(now, actor, "audit.export", detail={"up_to": last})
        return self._following(last, where)

    def verify(self, kept: Sequence[Checkpoint] = ()) -> Verdict:
        """Walk the whole trail and its checkpoints, and name the first entry that is missing or was changed.

        `kept` are checkpoints that were kept elsewhere.
        """
        key = self.keys.public_key()
        with self.unit.reading() as reading:
            anchor = reading.audit.anchor()
            fault = anchor_fault(key, anchor, AUDIT_ANCHOR)
            return Verdict(0, anchor.seq, fault) if fault else _walk(reading.audit, anchor, key, kept)

    def lacks_checkpoint(self, now: datetime) -> bool:
        """Whether none is there although there are entries that one should have seen."""
        with self.unit.reading() as reading:
            return not reading.audit.checkpoints() and reading.audit.holds_before(now - INTERVAL)

    def sign_anchor(self) -> None:
        """Sign where a trail begins that was shortened before there were signatures, if it holds from there on."""
        key = self.keys.key()
        with self.unit() as reading:
            anchor = reading.audit.anchor()
            walked = _walk(reading.audit, anchor, key.public)
            # That retention ran is an entry itself: it never leaves a trail without any.
            if walked.holds and walked.checked_count and not anchor.lost_none:
                reading.audit.put_anchor_signature(sign_anchor(key, anchor, AUDIT_ANCHOR).signature)

    def checkpoint(self, now: datetime) -> Checkpoint | None:
        """Sign what the trail ends with; where that was done already, return it. None for an empty one."""
        key = self.keys.key()
        with self.unit() as reading:
            tip = reading.audit.tip()
            if tip.seq == 0:
                return None
            known = next((one for one in reading.audit.checkpoints() if one.seq == tip.seq), None)
            made = known or make_checkpoint(key, "", tip.seq, tip.chain_hash, now, AUDIT)
            if known is None:
                reading.audit.put_checkpoint(made)
        return made

    def _following(self, last: int, where: AuditFilter) -> Iterator[Entry]:
        # A transaction for each part: a long export keeps nobody from writing.
        seq = 0
        while seq < last:
            with self.unit.reading() as reading:
                found = [_entry(*one) for one in _bodies(reading.audit.following(_EXPORTED_AT_ONCE, seq, where))]
            yield from (entry for entry in found if entry.seq <= last)
            if len(found) < _EXPORTED_AT_ONCE:
                return
            seq = found[-1].seq


def _walk(trail: ReadableTrail, anchor: Anchor, key: Ed25519PublicKey, kept: Sequence[Checkpoint] = ()) -> Verdict:
    def is_ours(one: Checkpoint) -> bool:
        return one.type == AUDIT and one.site == "" and one.holds(key)

    return verify_signed(anchor, trail.entries(), [*trail.checkpoints(), *kept], is_ours, _disagreement)


def _bodies(links: Sequence[Any]) -> list[tuple[int, str, str]]:
    return [(one.seq, one.body, one.chain_hash) for one in links]


def _entry(seq: int, body: str, chain_hash: str) -> Entry:
    found = json.loads(body)
    at = datetime.fromisoformat(found["at"])
    return Entry(seq, at, found["actor"], found["action"], found["site_id"], found["detail"], chain_hash)


def _disagreement(entry: AuditEntry) -> str:
    """What stands beside the chain otherwise than in it, or nothing."""
    body = json.loads(entry.body)
    said = body | {"account_id": body["detail"].get("account_id")}
    wrong = next((name for name, value in entry.columns.items() if said.get(name) != value), "")
    return f"has another {wrong} beside the chain than in it" if wrong else ""
