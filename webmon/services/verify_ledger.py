"""Walking a site's ledger: chain, columns, notices and checkpoints, and the first record that does not hold."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from webmon.domain.chain import Verdict
from webmon.domain.checkpoint import CONSENT, Checkpoint, verify_signed
from webmon.domain.notice import hash_of
from webmon.domain.site import Site
from webmon.stores.ports.consent import ConsentRepository, LedgerEntry


def verify_ledger(
    consents: ConsentRepository, site: Site, key: Ed25519PublicKey, kept: Sequence[Checkpoint] = ()
) -> Verdict:
    """Walk the ledger; `kept` are checkpoints of this site that were kept elsewhere."""

    def is_ours(one: Checkpoint) -> bool:
        return one.type == CONSENT and one.site == site.domain and one.holds(key)

    checkpoints = [*consents.checkpoints(site.id), *kept]
    return verify_signed(consents.anchor(site.id), consents.entries(site.id), checkpoints, is_ours, _disagreement)


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
