"""Checkpoints of a ledger: what its last entry was at a moment, signed.

A hash chain alone does not tell a shortened one, nor one that was written anew from some entry on: with a checkpoint
both are found, as whoever changes the database does not hold the key.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from webmon.domain.chain import canonical
from webmon.domain.signing import SigningKey, is_signed

KIND = "webmon-consent-checkpoint/1"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """`seq` and `chain_hash` are those of the last entry that there was; `made_at` is an ISO 8601 text as signed."""

    site: str
    seq: int
    chain_hash: str
    made_at: str
    signature: str = ""

    @property
    def statement(self) -> str:
        """The text that is signed."""
        return canonical(
            {
                "type": KIND,
                "site": self.site,
                "seq": self.seq,
                "chain_hash": self.chain_hash,
                "made_at": self.made_at,
            }
        )

    def document(self) -> Mapping[str, Any]:
        return {
            "site": self.site,
            "seq": self.seq,
            "chain_hash": self.chain_hash,
            "made_at": self.made_at,
            "signature": self.signature,
        }

    def holds(self, key: Ed25519PublicKey) -> bool:
        return is_signed(key, self.statement, self.signature)


def make_checkpoint(key: SigningKey, site: str, seq: int, chain_hash: str, now: datetime) -> Checkpoint:
    made = Checkpoint(site, seq, chain_hash, now.isoformat())
    return Checkpoint(made.site, made.seq, made.chain_hash, made.made_at, key.sign(made.statement))
