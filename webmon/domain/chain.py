"""A hash chain: each entry's hash covers its content and the hash before it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

GENESIS = "0" * 64


def canonical(value: Any) -> str:
    """Return the one JSON text of `value`: keys sorted, no white space, no ASCII escaping."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def link(previous: str, body: str) -> str:
    """Return the hash of an entry with canonical `body` that follows the entry with hash `previous`."""
    return hashlib.sha256(f"{previous}\n{body}".encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Link:
    """One stored entry, as read back: its number, its body and the hash that stands beside it."""

    seq: int
    body: str
    chain_hash: str


@dataclass(frozen=True, slots=True)
class Anchor:
    """Where a chain begins: after entry `seq` with hash `chain_hash`; (0, GENESIS) for a chain that lost none.

    `signature`: that retention took what was before; see `webmon.domain.checkpoint`.
    """

    seq: int = 0
    chain_hash: str = GENESIS
    signature: str = ""

    @property
    def lost_none(self) -> bool:
        return (self.seq, self.chain_hash) == (0, GENESIS)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What walking a chain showed: how many entries held, and the first that did not."""

    checked_count: int
    broken_seq: int | None = None
    reason: str = ""

    @property
    def holds(self) -> bool:
        return self.broken_seq is None


L = TypeVar("L", bound=Link)


def verify(anchor: Anchor, links: Iterable[L], fault: Callable[[L], str] = lambda _: "") -> Verdict:
    """Walk the chain from its anchor and name the first entry that is missing or was changed.

    `fault` says what else is wrong with an entry that is in its place, or nothing.
    """
    expected_seq, previous, checked = anchor.seq + 1, anchor.chain_hash, 0
    for entry in links:
        if entry.seq != expected_seq:
            return Verdict(checked, expected_seq, "is missing")
        if entry.chain_hash != link(previous, entry.body):
            return Verdict(checked, entry.seq, "was changed after it was written")
        found = fault(entry)
        if found:
            return Verdict(checked, entry.seq, found)
        expected_seq, previous, checked = entry.seq + 1, entry.chain_hash, checked + 1
    return Verdict(checked)
