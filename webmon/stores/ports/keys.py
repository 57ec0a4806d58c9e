"""Keys at rest, as services see them: data keys of accounts, and everything that is wrapped."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

FIRST_KEY = 1


@dataclass(frozen=True, slots=True)
class DataKey:
    """A data key of an account, wrapped. Numbers count up; the highest is in use."""

    number: int
    wrapped: bytes


@dataclass(frozen=True, slots=True)
class NewKey:
    """A data key that is to be kept, wrapped."""

    account_id: int
    number: int
    wrapped: bytes
    made_at: datetime


def key_context(account_id: int, number: int) -> str:
    """What a data key is bound to when it is wrapped."""
    # As it was when an account had but one key.
    return f"account:{account_id}" if number == FIRST_KEY else f"account:{account_id}:key:{number}"


class WrappedStore(Protocol):
    """A store that holds wrapped keys. Each call is a transaction of its own."""

    def samples(self, mark_bytes: int) -> Sequence[tuple[bytes, str]]:
        """Return wrapped keys, with their contexts, that tell whether all open: one for each wrapping key in use.

        `mark_bytes`: how long the mark is by which wrapping keys are told apart.
        """

    def count_other(self, mark: bytes) -> int:
        """How many keys are wrapped under another wrapping key than the one of that mark."""

    def rewrap(self, mark: bytes, limit: int, rewrap: Callable[[bytes, str], bytes]) -> int:
        """Wrap up to `limit` such keys anew, durably, and return how many.

        `rewrap` is given the wrapped key and its context.
        """

    def wipe(self) -> None:
        """Leave nothing of what was replaced or deleted in the store's files."""


class DataKeyStore(WrappedStore, Protocol):
    """Data keys of accounts. Each call is a transaction of its own, durable when it returns."""

    def add(self, keys: Sequence[NewKey]) -> None:
        """Keep keys; one of the same number which an interrupted sign-in left is replaced."""

    def keys(self, account_id: int) -> Sequence[DataKey]:
        """Return an account's keys, that in use first; none for one that was erased."""

    def destroy(self, account_ids: Collection[int], now: datetime) -> None:
        """Destroy all keys of these accounts, in every file, and remember that it was done."""

    def destroy_older(self, account_id: int, number: int) -> int:
        """Destroy an account's keys below that number; return how many."""

    def accounts(self) -> Sequence[int]:
        """Return the accounts that have a key."""

    def was_destroyed(self, account_id: int) -> bool:
        """Whether the account's keys were destroyed, and so are not lost."""

    def destroyed(self) -> Sequence[int]:
        """Return the accounts whose keys were destroyed."""

    def made_before(self, cutoff: datetime, limit: int) -> Sequence[int]:
        """Return accounts whose key in use was made before the cutoff, and that have no other."""

    def renewed_before(self, cutoff: datetime, limit: int) -> Sequence[int]:
        """Return accounts with more than one key, the newest of which was made before the cutoff."""
