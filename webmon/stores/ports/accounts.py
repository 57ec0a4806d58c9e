"""Accounts, their log and their promotions, as services see them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from webmon.domain.promotion import State
from webmon.stores.ports.audit import Audited
from webmon.stores.ports.sites import LeftPseudonym, WrappedLoginKey


@dataclass(frozen=True, slots=True)
class Account:
    """`restricted_at`: since when its rows are stored and nothing more (GDPR Art. 18), where that is so."""

    id: int
    site_id: int
    restricted_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class SealedHit:
    """A row of the account log: what stands outside the seal is only there to find and to delete it."""

    account_id: int
    site_id: int
    hit_id: int
    occurred_on: date
    sealed: bytes


@dataclass(frozen=True, slots=True)
class SealedRow:
    """A row as it stands in the account log."""

    id: int
    hit_id: int
    sealed: bytes


@dataclass(frozen=True, slots=True)
class Promotion:
    """A signed-in visit. `link` says, sealed, which visit of which visitor it is; None once that is forgotten."""

    id: int
    site_id: int
    account_id: int
    link: bytes | None
    state: State
    last_seen_at: datetime
    ended_at: datetime | None
    consent: str = ""


@dataclass(frozen=True, slots=True)
class OpenPromotion:
    """A signed-in visit as earlier versions wrote it down: its pseudonyms in the clear."""

    id: int
    account_id: int
    visitor_id: int
    visit_id: int
    requested_at: datetime
    consent: str


@dataclass(frozen=True, slots=True)
class AccountRead:
    """One reading of an account's rows: when, by whom, why, and which fields."""

    read_at: datetime
    actor: str
    reason: str
    fields: str


class AccountRepository(Audited, Protocol):
    def find(self, site_id: int, subject_digest: str) -> Account | None: ...

    def get(self, account_id: int) -> Account | None: ...

    def login_keys(self, site_id: int) -> Sequence[WrappedLoginKey]:
        """Login keys of the site, newest first, with those that have ended."""

    def add(self, account: Account, subject_digest: str, subject_sealed: bytes, now: datetime) -> None:
        """Add an account with its sealed identifier."""

    def finish(self, account_id: int, subject_sealed: bytes) -> None:
        """Put the account's sealed identifier in its place."""

    def subject(self, account_id: int) -> bytes:
        """The sealed identifier of the account."""

    def rows(self, account_id: int, after: int, limit: int) -> Sequence[SealedRow]:
        """Rows of an account in the order of their numbers, beginning after one of them."""

    def all_rows(self, after: tuple[int, int], limit: int) -> Sequence[tuple[Account, SealedRow]]:
        """Rows of all accounts in the order of account and hit id, beginning after one of them."""

    def reseal(self, row: SealedRow, sealed: bytes) -> None:
        """Put other bytes into a row, where it is still as it was read."""

    def ids(self) -> Sequence[int]:
        """Accounts that are not erased."""

    def erase(self, account_id: int) -> int | None:
        """Delete an account's rows and its identifier, and return how many rows there were; None where it was done.

        What is left of the account names nobody, and goes with the last of its promotions.
        """

    def empty(self, site_id: int, cutoff: datetime, limit: int) -> Sequence[int]:
        """Return accounts made before `cutoff` of which no row is held and none is on its way; none restricted."""

    def sign_out(self, account_ids: Collection[int], now: datetime) -> None:
        """Note that accounts have signed out."""

    def signed_out_at(self, account_id: int) -> datetime | None:
        """When the account last signed out, as far back as that is remembered; else None."""

    def forget_sign_outs(self, before: datetime) -> None:
        """Remember no longer who had signed out before then."""

    def restrict(self, account_id: int, now: datetime) -> bool:
        """Restrict an account; False where it is already."""

    def lift_restriction(self, account_id: int) -> bool:
        """Undo that; False where it is not restricted."""

    def restricted(self, account_ids: Collection[int]) -> Collection[int]:
        """Which of these accounts are restricted."""

    def use_token(self, digest: str, expires_at: datetime) -> bool:
        """Use a token up; False where it was used before."""

    def put_hits(self, hits: Sequence[SealedHit]) -> None:
        """Store rows; those that are there already stay as they are."""

    def count_hits(self, site_id: int) -> int:
        """Rows of the site's account log."""

    def hits(self, account_id: int, limit: int | None, skip: int = 0) -> Sequence[tuple[int, bytes]]:
        """Hit id and sealed row, newest first, past the first `skip`; all of them where `limit` is None."""

    def delete_hits(self, account_id: int, hit_ids: Sequence[int]) -> None: ...

    def recent_hits(self, since: date, limit: int) -> Sequence[tuple[int, int]]:
        """Site and id of the rows stored last, of days from `since` on, oldest first."""

    def add_promotion(self, site_id: int, account_id: int, link: bytes, now: datetime) -> int: ...

    def active_promotions(self) -> Sequence[Promotion]:
        """Those that still say whose visit they are of."""

    def open_promotions(self) -> Sequence[OpenPromotion]:
        """Those of earlier versions that still hold pseudonyms in the clear."""

    def seal_promotion(self, promotion_id: int, link: bytes) -> None:
        """Put the sealed link in the place of pseudonyms in the clear."""

    def claim_promotions(self, holder: str, now: datetime, until: datetime, limit: int) -> Sequence[Promotion]:
        """Take on promotions that are not done and that nobody else has, oldest first."""

    def move_promotions(
        self, promotion_ids: Collection[int], before: State, after: State, holder: str, until: datetime
    ) -> Collection[int]:
        """Note a step, and hold on to them; return those that were in the state before it and are the holder's."""

    def release_promotions(self, holder: str) -> None:
        """Let others take on what the holder has, or all holders whose names begin with this and a full stop."""

    def seen(self, moments: Mapping[int, datetime]) -> None:
        """Note when the visits of these promotions were seen last."""

    def end(self, promotion_ids: Collection[int], left: Collection[LeftPseudonym], now: datetime) -> None:
        """Note that signed-in visits are over, and with it the pseudonyms that their visitors go by no more."""

    def forget(self, promotion_ids: Collection[int]) -> None:
        """Delete promotions that are done and ended, and what is left of accounts that were erased meanwhile."""

    def reads(self, site_id: int, account_id: int) -> Sequence[AccountRead]: ...
