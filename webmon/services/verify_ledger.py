"""Walking a site's ledger: chain, columns, notices, checkpoints, its end; and the first record that does not hold."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from webmon.domain.chain import Anchor, Verdict
from webmon.domain.checkpoint import CONSENT, CONSENT_ANCHOR, Checkpoint, anchor_fault, verify_signed
from webmon.domain.notice import hash_of
from webmon.domain.site import Site
from webmon.stores.ports.consent import ConsentRepository, LedgerEntry


def verify_ledger(
    consents: ConsentRepository, site: Site, key: Ed25519PublicKey, kept: Sequence[Checkpoint] = ()
) -> Verdict:
    """Walk the ledger; `kept` are checkpoints of this site that were kept elsewhere."""
    anchor = consents.anchor(site.id)
    fault = anchor_fault(key, anchor, CONSENT_ANCHOR, site.domain)
    return Verdict(0, anchor.seq, fault) if fault else walk_ledger(consents, site, key, kept)


def walk_ledger(
    consents: ConsentRepository, site: Site, key: Ed25519PublicKey, kept: Sequence[Checkpoint] = ()
) -> Verdict:
    """Walk the ledger from where it says that it begins, whether or not that is signed."""

    def is_ours(one: Checkpoint) -> bool:
        return one.type == CONSENT and one.site == site.domain and one.holds(key)

    head = consents.head(site.id)

    def fault(entry: LedgerEntry) -> str:
        is_last = head is not None and entry.seq == head.seq
        unlike = is_last and head is not None and entry.chain_hash != head.chain_hash
        return _disagreement(entry) or ("is not what was recorded last" if unlike else "")

    anchor, checkpoints = consents.anchor(site.id), [*consents.checkpoints(site.id), *kept]
    walked = verify_signed(anchor, consents.entries(site.id), checkpoints, is_ours, fault)
    return _to_its_end(walked, anchor.seq + walked.checked_count, head) if walked.holds else walked


def _to_its_end(walked: Verdict, end: int, head: Anchor | None) -> Verdict:
    """See that the walk ended where the ledger does by the note beside it, which is written with each record."""
    if head is None:
        # Without any record there has been nothing to note.
        return replace(walked, broken_seq=end, reason="is not noted as the last") if end else walked
    if head.seq > end:
        return replace(walked, broken_seq=end + 1, reason=f"is missing: record {head.seq} was noted as the last")
    if head.seq < end:
        return replace(walked, broken_seq=head.seq + 1, reason=f"was put behind record {head.seq}, noted as the last")
    return walked


def _disagreement(entry: LedgerEntry) -> str:
    """What does not agree with the chained body, or nothing."""
    if entry.unlike_index:
        return f"has another {entry.unlike_index} in its row than in the index by which it is found"
    body = json.loads(entry.body)
    for name, value in entry.columns.items():
        if body.get(name) != value:
            return f"has another {name} beside the chain than in it"
    if hash_of(entry.notice_text) != body["notice"]:
        return "names a notice whose text was changed"
    notice = _parsed(entry.notice_text)
    for name, value in entry.notice_columns.items():
        if notice[name] != value:
            return f"names a notice that has another {name} beside its text than in it"
    return ""


@lru_cache(maxsize=64)
def _parsed(notice_text: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(notice_text)
    return loaded
