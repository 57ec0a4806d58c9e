"""What is held about the person who asks: their rows of the event log, and of their account's log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from webmon.domain.hit import Hit
from webmon.domain.site import Site
from webmon.services.pseudonyms import Pseudonyms
from webmon.services.read_account import ROWS_SHOWN, AccountReader, OwnAccount
from webmon.stores.ports.accounts import AccountRead

# For how long the page knows who has come to it, after the last form that they sent.
PAGE_LIFETIME = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class Person:
    """Who asks, by what they hold: a visitor identifier, a consent receipt, a signed-in account (its id).

    `since`: when they came with the account; a sign-out after that ends it.
    """

    visitor: str = ""
    consent: str = ""
    account: int | None = None
    since: datetime | None = None


class EventLog(Protocol):
    def visitor_hits(self, site_id: int, visitor_id: int, limit: int = 10_000) -> list[Hit]: ...


class Keeper(Protocol):
    def is_leaving(self, hit: Hit) -> bool:
        """Whether a row is on its way to an account."""


@dataclass(frozen=True, slots=True)
class HeldData:
    pseudonyms: Pseudonyms
    event_log: EventLog
    accounts: AccountReader
    keeper: Keeper

    def identify(self, site: Site, token: str, now: datetime) -> int:
        """Return the account of whoever holds the login token, using it up; see `AccountReader.identify`."""
        return self.accounts.identify(site, token, now)

    def has_signed_out(self, person: Person) -> bool:
        """Whether the person came with an account that has signed out on the website since."""
        if person.account is None:
            return False
        return person.since is None or self.accounts.signed_out_since(person.account, person.since)

    def event_rows(self, site: Site, person: Person) -> list[Hit]:
        """Return the person's rows of the event log, newest first; under every key that still lives.

        Rows on their way to an account are that account's already, whoever else uses the browser.
        """
        if not person.visitor:
            return []
        names = self.pseudonyms.visitor_ever(site.id, person.visitor)
        found = [hit for name in names for hit in self.event_log.visitor_hits(site.id, name)]
        shown = [hit for hit in found if not self.keeper.is_leaving(hit)]
        return sorted(shown, key=lambda hit: hit.occurred_at, reverse=True)

    def account(
        self, site: Site, person: Person, now: datetime, reason: str, *, every: bool = False
    ) -> OwnAccount | None:
        """Return whom the person's account names, and its newest rows, or every one; None without an account.

        The reading is audited before.
        """
        if person.account is None:
            return None
        return self.accounts.own(site, person.account, now, reason=reason, limit=None if every else ROWS_SHOWN)

    def reads(self, site: Site, person: Person) -> Sequence[AccountRead]:
        """Return who read the account's rows, newest first."""
        return self.accounts.reads(site, person.account) if person.account is not None else []
