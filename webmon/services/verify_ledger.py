"""Walking a site's ledger: chain, columns, notices and checkpoints, and the first record that does not hold."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from webmon.domain.chain import Anchor, Verdict, verify
from webmon.domain.checkpoint import Checkpoint
from webmon.domain.notice import hash_of
from webmon.domain.site import Site
from webmon.stores.ports.consent import ConsentRepository, LedgerEntry

_FORGED = "has a checkpoint that was changed after it was signed"


def verify_ledger(
    consents: ConsentRepository, site: Site, key: Ed25519PublicKey, kept: Sequence[Checkpoint] = ()
) -> Verdict:
    """Walk the ledger; `kept` are checkpoints of this site that were kept elsewhere."""
    anchor = consents.anchor(site.id)
    checkpoints = sorted([*consents.checkpoints(site.id), *kept], key=lambda one: one.seq)
    by_seq: dict[int, list[Checkpoint]] = {}
    for one in checkpoints:
        by_seq.setdefault(one.seq, []).append(one)

    def fault(entry: LedgerEntry) -> str:
        found = (_unlike(one, site, key, entry.chain_hash) for one in by_seq.get(entry.seq, ()))
        return _disagreement(entry) or next(filter(None, found), "")

    walked = verify(anchor, consents.entries(site.id), fault)
    if not walked.holds:
        return walked
    return _beyond(walked, anchor, [one for one in checkpoints if not _walked(one, anchor, walked)], site, key)


def _walked(one: Checkpoint, anchor: Anchor, walked: Verdict) -> bool:
    return anchor.seq < one.seq <= anchor.seq + walked.checked_count


def _beyond(
    walked: Verdict, anchor: Anchor, checkpoints: Sequence[Checkpoint], site: Site, key: Ed25519PublicKey
) -> Verdict:
    """Look at the checkpoints of entries that are not there: expired ones, or such as were cut off at the end."""
    for one in checkpoints:
        fault = _unlike(one, site, key, anchor.chain_hash if one.seq == anchor.seq else one.chain_hash)
        if fault:
            return Verdict(walked.checked_count, one.seq, fault)
        if one.seq > anchor.seq:
            end = anchor.seq + walked.checked_count
            return Verdict(walked.checked_count, end + 1, f"is missing: the checkpoint of {one.made_at} has seen it")
    return walked


def _unlike(one: Checkpoint, site: Site, key: Ed25519PublicKey, chain_hash: str) -> str:
    if one.site != site.domain or not one.holds(key):
        return _FORGED
    return "" if one.chain_hash == chain_hash else f"is not what the checkpoint of {one.made_at} has seen"


def _disagreement(entry: LedgerEntry) -> str:
    """What does not agree with the chained body, or nothing."""
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
