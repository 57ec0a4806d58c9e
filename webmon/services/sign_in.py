"""Signing in and out: a visit becomes an account's, durably, before the website's page is answered.

What is written down is a promotion; `promote_visit` then moves the rows that had come before.
"""

from __future__ import annotations

import asyncio
import secrets
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

import msgspec

from webmon.domain.login import LoginClaims, LoginKey, check_token, clean_attribute, clean_subject
from webmon.domain.promotion import State
from webmon.domain.pseudonym import RAW_ID_FORM, is_raw_id
from webmon.domain.site import Site
from webmon.domain.visit import INACTIVITY
from webmon.errors import InvalidInput, NotAuthenticated
from webmon.services.account_keys import AccountKeys, Opening, Vault
from webmon.services.signed_in import Going, Link, Links, SignedIn, Turns, naive
from webmon.services.together import LoopTogether, Together
from webmon.stores.ports.accounts import AccountRepository, Promotion
from webmon.stores.ports.sites import WrappedLoginKey


@dataclass(frozen=True, slots=True)
class AccountName:
    """Who is signed in, as a backend says it: the opaque identifier and, where wanted, address and name."""

    subject: str
    email: str = ""
    name: str = ""


class VisitBegun(Protocol):
    @property
    def visit_id(self) -> int: ...
    @property
    def started_at(self) -> datetime: ...


class VisitBook(Protocol):
    def touch(self, site_id: int, visitor_id: int, now: datetime) -> VisitBegun: ...

    def current(self, site_id: int, visitor_id: int, now: datetime) -> int | None: ...

    def assign(
        self, site_id: int, visitor_id: int, visit_id: int, seen_at: datetime, *, account_id: int, promotion_id: int
    ) -> None: ...

    def end(self, site_id: int, visitor_id: int, visit_id: int | None = None) -> None: ...


class PseudonymSource(Protocol):
    def visitor_all(self, site_id: int, raw: str) -> list[int]: ...


@dataclass(frozen=True, slots=True)
class _SignIn:
    """A sign-in as it is asked for: `identify` says whose it is, within the transaction that writes it down.

    `names`: the visitor's pseudonyms, newest first; none where there is no visitor. `keeps`: whether something may be
    left for figures.
    """

    site: Site
    identify: Callable[[Opening], int]
    names: Sequence[int]
    consent: str
    keeps: bool
    now: datetime

    @property
    def visitor(self) -> tuple[int, int] | None:
        return (self.site.id, self.names[0]) if self.names else None


@dataclass(frozen=True, slots=True)
class _SignedIn:
    """What a sign-in has changed, once it is durable."""

    ended: Sequence[Going] = ()
    begun: Going | None = None


class SignIns:
    """Begins and ends the signed-in visits."""

    def __init__(
        self,
        keys: AccountKeys,
        good_login_keys: Callable[[Site, Sequence[WrappedLoginKey], datetime], Sequence[LoginKey]],
        vault: Vault,
        pseudonyms: PseudonymSource,
        visits: VisitBook,
        roster: SignedIn,
        links: Links,
        permits: Callable[[int, str, datetime], bool],
    ) -> None:
        """`good_login_keys` opens login keys as they are kept, without those that have ended.

        `permits(site_id, receipt, now)`: whether a consent to measurement is in force under a receipt.
        """
        self._together = Together(keys.opening, lambda _, __: None, lambda _: None)
        self._on_loop = LoopTogether(keys.opening, lambda _, __: None, lambda _: None)
        self._keys = keys
        self._good_login_keys = good_login_keys
        self._vault = vault
        self._pseudonyms = pseudonyms
        self._visits = visits
        self._roster = roster
        self._links = links
        self._permits = permits
        # Sign-ins and sign-outs of one visitor wait for each other; those of others do not.
        self._turns = Turns()
        # Set where a promotion is to be brought forward.
        self.wake = threading.Event()

    def login(
        self,
        site: Site,
        token: str,
        visitor: str,
        visit: str,
        now: datetime,
        *,
        consent: str = "",
        objects: bool = False,
    ) -> None:
        """Say that the visitor is signed in; durable when this returns.

        Where no visit goes on yet, the next hit begins one of the account. Without a visitor (no consent) the token
        is used up and nothing is promoted. Something is left for figures where `consent`, the receipt, is in force;
        or where the page names none and the browser sends no signal that `objects`. Raises `NotAuthenticated` naming
        ``token``, `InvalidInput` for identifiers that are none.
        """
        self._sign_in(self._by_token(site, token, visitor, visit, now, consent, objects=objects))

    async def login_soon(
        self, site: Site, token: str, visitor: str, visit: str, now: datetime, consent: str, *, objects: bool
    ) -> bool:
        """Do as `login`, on an event loop that goes on meanwhile.

        False where it would have to wait for another sign-in or a sign-out of the same visitor: nothing was done.
        """
        asked = self._by_token(site, token, visitor, visit, now, consent, objects=objects)
        # To its end, also where whoever asked has gone: what is written down is known here as well.
        return await asyncio.shield(self._sign_in_soon(asked))

    def login_as(
        self, site: Site, account: AccountName, visitor: str, visit: str, now: datetime, consent: str = ""
    ) -> None:
        """Say the same on the word of the website's backend, which holds an API key: no token is needed.

        Raises `InvalidInput` naming the field.
        """
        _check_identifiers(visitor=visitor, visit=visit, consent=consent)
        try:
            subject = clean_subject(account.subject)
        except ValueError as error:
            raise InvalidInput.field("account", str(error)) from error
        claims = LoginClaims(subject, "", now, clean_attribute(account.email), clean_attribute(account.name))
        keeps = not consent or self._permits(site.id, consent, now)

        def identify(opening: Opening) -> int:
            found = self._keys.find(opening.accounts, site, claims.subject)
            return self._keys.open_account(opening, site, found, claims, now)

        self._sign_in(_SignIn(site, identify, self._names(site, visitor), consent, keeps, now))

    def logout(self, site: Site, visitor: str, visit: str, now: datetime) -> None:
        """End the signed-in visit: what follows is a new visit, in the event log again.

        Its account's own page knows nobody any more who had opened it before, on whatever browser.
        """
        _check_identifiers(visitor=visitor, visit=visit)
        if not visitor:
            return
        visitor_id = self._pseudonyms.visitor_all(site.id, visitor)[0]
        with self._turns.of((site.id, visitor_id)):
            self._visits.end(site.id, visitor_id)
            going = self._roster.of_visitor(site.id, visitor_id)
            if going:
                self._end(going, now, signs_out=True)
        self.wake.set()

    def logout_as(self, site: Site, subject: str, now: datetime) -> None:
        """Say on the word of the website's backend that an account has signed out, whether or not a visit goes on.

        Only for the account's own page: which of its visits ends, the visitor tells. Raises `InvalidInput` naming
        ``account``.
        """
        try:
            digest = self._keys.digest(site, clean_subject(subject))
        except ValueError as error:
            raise InvalidInput.field("account", str(error)) from error
        with self._keys.opening() as opening:
            found = opening.accounts.find(site.id, digest)
            if found is not None:
                opening.accounts.sign_out([found.id], now)

    def end_account(self, account_id: int, now: datetime) -> None:
        """End every signed-in visit of an account, on whatever browser: what follows is nobody's."""
        going = self._roster.of_account(account_id)
        for one in going:
            self._visits.end(one.site_id, one.link.visitor_id, one.link.visit_id)
        self._end(going, now)
        self.wake.set()

    def signed_in(self, site_id: int, pseudonyms: Sequence[int]) -> int | None:
        """Return the account that the visitor is signed in with, if any."""
        going = [one for name in pseudonyms for one in self._roster.of_visitor(site_id, name)]
        return going[-1].promotion.account_id if going else None

    def begin(self, one: Going, *, lasts: bool = True) -> None:
        """Have the hits of the visit go to the account log, unless that is so already or the visit is over."""

        def assign() -> None:
            if lasts and not one.ended:
                self._visits.assign(
                    one.site_id,
                    one.link.visitor_id,
                    one.link.visit_id,
                    one.promotion.last_seen_at,
                    account_id=one.promotion.account_id,
                    promotion_id=one.id,
                )

        self._roster.add(one, assign)

    def end_idle(self, now: datetime) -> int:
        """End the signed-in visits without a hit for half an hour, and return how many there were."""
        idle = [one for one in self._roster.lasting() if self._is_idle(one, now)]
        if idle:
            self._end(idle, now)
        for one in idle:
            self._visits.end(one.site_id, one.link.visitor_id, one.link.visit_id)
        return len(idle)

    def _by_token(
        self, site: Site, token: str, visitor: str, visit: str, now: datetime, consent: str, *, objects: bool
    ) -> _SignIn:
        _check_identifiers(visitor=visitor, visit=visit, consent=consent)
        keeps = self._permits(site.id, consent, now) if consent else not objects

        def identify(opening: Opening) -> int:
            # What may be wrong is found before anything is written.
            accounts = opening.accounts
            keys = self._good_login_keys(site, accounts.login_keys(site.id), now)
            claims = check_token(token, keys, site.domain, now)
            found = self._keys.find(accounts, site, claims.subject)
            use_up(accounts, self._vault, site, claims)
            return self._keys.open_account(opening, site, found, claims, now)

        return _SignIn(site, identify, self._names(site, visitor), consent, keeps, now)

    def _names(self, site: Site, visitor: str) -> Sequence[int]:
        return self._pseudonyms.visitor_all(site.id, visitor) if visitor else ()

    def _sign_in(self, asked: _SignIn) -> None:
        with self._turns.of(asked.visitor):
            self._note(self._together.run(lambda opening: self._request(opening, asked)), asked.now)

    async def _sign_in_soon(self, asked: _SignIn) -> bool:
        if not self._turns.take(asked.visitor):
            return False
        try:
            self._note(await self._on_loop.run(lambda opening: self._request(opening, asked)), asked.now)
        finally:
            self._turns.give_up(asked.visitor)
        return True

    def _request(self, opening: Opening, asked: _SignIn) -> _SignedIn:
        """Write the promotion down, where there is one."""
        account_id, now = asked.identify(opening), asked.now
        if not asked.names:
            return _SignedIn()
        link = self._link(asked)
        going = self._roster.of_visitor(asked.site.id, link.visitor_id)
        if any(one.promotion.account_id == account_id for one in going):
            return _SignedIn()
        if going:
            # Another account on the same browser: its visit ends here, and a new one, of this account, begins.
            opening.accounts.end([one.id for one in going], now)
            opening.accounts.sign_out({one.promotion.account_id for one in going}, now)
            link = msgspec.structs.replace(link, visit_id=secrets.randbits(63), since=naive(now) - INACTIVITY)
        sealed = self._links.seal(account_id, link)
        number = opening.accounts.add_promotion(asked.site.id, account_id, sealed, now)
        promotion = Promotion(number, asked.site.id, account_id, sealed, State.REQUESTED, now, None)
        return _SignedIn(going, Going(promotion, link))

    def _note(self, signed_in: _SignedIn, now: datetime) -> None:
        self._roster.note_ended((one.id for one in signed_in.ended), now)
        if signed_in.begun is not None:
            self.begin(signed_in.begun)
            self.wake.set()

    def _end(self, going: Sequence[Going], now: datetime, *, signs_out: bool = False) -> None:
        numbers = [one.id for one in going]
        accounts = {one.promotion.account_id for one in going} if signs_out else set[int]()

        def write(opening: Opening) -> None:
            opening.accounts.end(numbers, now)
            opening.accounts.sign_out(accounts, now)

        self._together.run(write)
        self._roster.note_ended(numbers, now)

    def _link(self, asked: _SignIn) -> Link:
        site, names, now = asked.site, asked.names, asked.now
        # Begun here where none goes on: a hit that comes at the same moment is of the same visit.
        visit = self._visits.touch(site.id, names[0], now)
        # A hit with a time of its own may be of half an hour before the first of its visit.
        since = naive(min(visit.started_at, now)) - INACTIVITY
        if site.promote_days:
            since = min(since, naive(now) - timedelta(days=site.promote_days))
        return Link(
            names[0],
            visit.visit_id,
            since,
            site.timezone,
            site.minimum_group_count,
            tuple(names) if site.promote_days else (),
            secrets.token_bytes(32) if asked.keeps else b"",
            asked.consent,
        )

    def _is_idle(self, one: Going, now: datetime) -> bool:
        if now - one.promotion.last_seen_at < INACTIVITY:
            return False
        # What the ingester has not seen yet, the book of visits has.
        current = self._visits.current(one.site_id, one.link.visitor_id, now)
        return current != one.link.visit_id


def use_up(accounts: AccountRepository, vault: Vault, site: Site, claims: LoginClaims) -> None:
    """Use a token's one-time id, or raise `NotAuthenticated` where it was used before."""
    digest = vault.digest("token", str(site.id), claims.token_id)
    if not accounts.use_token(digest, claims.expires_at):
        raise NotAuthenticated("The login token was used before (jti)", "token")


def _check_identifiers(**identifiers: str) -> None:
    for name, text in identifiers.items():
        if text and not is_raw_id(text):
            raise InvalidInput.field(name, RAW_ID_FORM)
