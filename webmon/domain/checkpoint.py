"""Checkpoints of a chain: what its last entry was at a moment, signed; and where it begins after retention, signed.

A hash chain alone does not tell a shortened one, nor one that was written anew from some entry on: with a checkpoint
both are found, as whoever changes the database does not hold the key. Nor can they say of what they took off the
beginning that retention did.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from webmon.domain.chain import Anchor, Link, Verdict, canonical, verify
from webmon.domain.signing import SigningKey, is_signed

CONSENT = "webmon-consent-checkpoint/1"
AUDIT = "webmon-audit-checkpoint/1"
CONSENT_ANCHOR = "webmon-consent-anchor/1"
AUDIT_ANCHOR = "webmon-audit-anchor/1"
# How often what a chain ends with is signed.
INTERVAL = timedelta(hours=1)
_NOT_BY_RETENTION = "is said to be the last that retention took out, but that is not signed"
_FORGED = "has a checkpoint that was changed after it was signed"
L = TypeVar("L", bound=Link)
# Given where a chain began before and where it begins after retention, returns the latter, signed where it may be.
MoveAnchor = Callable[[Anchor, Anchor], Anchor]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """`seq` and `chain_hash` are those of the last entry that there was; `made_at` is an ISO 8601 text as signed.

    `site` is empty for the audit trail, which is one for all sites.
    """

    site: str
    seq: int
    chain_hash: str
    made_at: str
    signature: str = ""
    type: str = CONSENT

    @property
    def statement(self) -> str:
        """The text that is signed."""
        return canonical(
            {
                "type": self.type,
                "site": self.site,
                "seq": self.seq,
                "chain_hash": self.chain_hash,
                "made_at": self.made_at,
            }
        )

    def document(self) -> Mapping[str, Any]:
        return {
            "type": self.type,
            "site": self.site,
            "seq": self.seq,
            "chain_hash": self.chain_hash,
            "made_at": self.made_at,
            "signature": self.signature,
        }

    def holds(self, key: Ed25519PublicKey) -> bool:
        return is_signed(key, self.statement, self.signature)


def make_checkpoint(
    key: SigningKey, site: str, seq: int, chain_hash: str, now: datetime, kind: str = CONSENT
) -> Checkpoint:
    made = Checkpoint(site, seq, chain_hash, now.isoformat(), type=kind)
    return replace(made, signature=key.sign(made.statement))


def sign_anchor(key: SigningKey, anchor: Anchor, kind: str, site: str = "") -> Anchor:
    """Sign where a chain begins; `site` as in a checkpoint."""
    return replace(anchor, signature=key.sign(_beginning(anchor, kind, site)))


def move_anchor(key: SigningKey, before: Anchor, after: Anchor, kind: str, site: str = "") -> Anchor:
    """Sign where a chain begins after retention.

    Not where it began, before, at a place that is not signed: that somebody took its beginning stays to be found.
    """
    return sign_anchor(key, after, kind, site) if not anchor_fault(key.public, before, kind, site) else after


def anchor_fault(key: Ed25519PublicKey, anchor: Anchor, kind: str, site: str = "") -> str:
    """What is wrong with where a chain begins, or nothing."""
    if anchor.lost_none or is_signed(key, _beginning(anchor, kind, site), anchor.signature):
        return ""
    return _NOT_BY_RETENTION


def _beginning(anchor: Anchor, kind: str, site: str) -> str:
    return canonical({"type": kind, "site": site, "seq": anchor.seq, "chain_hash": anchor.chain_hash})


def verify_signed(
    anchor: Anchor,
    entries: Iterable[L],
    checkpoints: Iterable[Checkpoint],
    is_ours: Callable[[Checkpoint], bool],
    fault: Callable[[L], str] = lambda _: "",
) -> Verdict:
    """Walk a chain and its checkpoints, and name the first entry that does not hold.

    `is_ours`: whether a checkpoint is signed, and of this chain. `fault`: what else is wrong with an entry. That the
    chain begins where it should is for `anchor_fault` to say.
    """
    ordered = sorted(checkpoints, key=lambda one: one.seq)
    by_seq: dict[int, list[Checkpoint]] = {}
    for one in ordered:
        by_seq.setdefault(one.seq, []).append(one)

    def found(entry: L) -> str:
        unlike = (_unlike(one, is_ours, entry.chain_hash) for one in by_seq.get(entry.seq, ()))
        return fault(entry) or next(filter(None, unlike), "")

    walked = verify(anchor, entries, found)
    if not walked.holds:
        return walked
    return _beyond(walked, anchor, [one for one in ordered if not _walked(one, anchor, walked)], is_ours)


def _walked(one: Checkpoint, anchor: Anchor, walked: Verdict) -> bool:
    return anchor.seq < one.seq <= anchor.seq + walked.checked_count


def _beyond(
    walked: Verdict, anchor: Anchor, checkpoints: Sequence[Checkpoint], is_ours: Callable[[Checkpoint], bool]
) -> Verdict:
    """Look at the checkpoints of entries that are not there: expired ones, or such as were cut off at the end."""
    for one in checkpoints:
        fault = _unlike(one, is_ours, anchor.chain_hash if one.seq == anchor.seq else one.chain_hash)
        if fault:
            return Verdict(walked.checked_count, one.seq, fault)
        if one.seq > anchor.seq:
            end = anchor.seq + walked.checked_count
            return Verdict(walked.checked_count, end + 1, f"is missing: the checkpoint of {one.made_at} has seen it")
    return walked


def _unlike(one: Checkpoint, is_ours: Callable[[Checkpoint], bool], chain_hash: str) -> str:
    if not is_ours(one):
        return _FORGED
    return "" if one.chain_hash == chain_hash else f"is not what the checkpoint of {one.made_at} has seen"
