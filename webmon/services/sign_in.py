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
from webmon.domain.visit import INACTIVITY, LONGEST_PAUSE
from webmon.errors import InvalidInput, NotAuthenticated
from webmon.services.account_keys import AccountKeys, Found, Opening, Vault
from webmon.services.signed_in import Going, Link, Links, SignedIn, Turns, Visitor, naive
from webmon.services.together import LoopTogether, Together
from webmon.stores.ports.accounts import AccountRepository, Promotion
from webmon.stores.ports.sites import LeftPseudonym, WrappedLoginKey


@dataclass(frozen=True, slots=True)
class AccountName:
    """Who is signed in, as a backend says it: the opaque identifier and, where wanted, address and name.

    `session_ends_at`: when the website's session ends, where it says so.
    """

    subject: str
    email: str = ""
    name: str = ""
    session_ends_at: datetime | None = None


class VisitBegun(Protocol):
    @property
    def visit_id(self) -> int: ...
    @property
    def started_at(self) -> datetime: ...


class VisitBook(Protocol):
    def touch(self, site_id: int, visitor_id: int, now: datetime) -> VisitBegun: ...

    def current(self, site_id: int, visitor_id: int, now: datetime) -> int | None: ...

    def assign(
        self,
        site_id: int,
        visitor_id: int,
        visit_id: int,
        seen_at: datetime,
        *,
        account_id: int,
        promotion_id: int,
        ends_at: datetime | None,
    ) -> None: ...

    def end(self, site_id: int, visitor_id: int, visit_id: int | None = None) -> None: ...


class PseudonymSource(Protocol):
    def visitor_all(self, site_id: int, raw: str) -> list[int]: ...

    def visitor_ever(self, site_id: int, raw: str) -> list[int]: ...

    def leave(self, site_id: int, visitor_id: int) -> LeftPseudonym: ...


@dataclass(frozen=True, slots=True)
class _SignIn:
    """A sign-in as it is asked for: `identify` says whose it is, within the transaction that writes it down.

    `visitor`: the browser's own identifier, empty where it has none. `keeps`: whether something may be left for
    figures.
    """

    site: Site
    identify: Callable[[Opening], tuple[Found, LoginClaims]]
    visitor: str
    consent: str
    keeps: bool
    now: datetime


@dataclass(frozen=True, slots=True)
class _SignedIn:
    """What a sign-in has changed, once it is durable."""

    ended: Sequence[Going] = ()
    begun: Going | None = None
    prolonged: Going | None = None


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

    def login(self, site: Site, token: str, visitor: str, visit: str, now: datetime, consent: str = "") -> None:
        """Say that the visitor is signed in; durable when this returns.

        Where no visit goes on yet, the next hit begins one of the account. Without a visitor (no consent) the token
        is used up and nothing is promoted. Something is left for figures only where `consent`, a receipt, is in
        force. Raises `NotAuthenticated` naming ``token``, `InvalidInput` for identifiers that are none.
        """
        self._sign_in(self._by_token(site, token, visitor, visit, now, consent))

    async def login_soon(self, site: Site, token: str, visitor: str, visit: str, now: datetime, consent: str) -> bool:
        """Do as `login`, on an event loop that goes on meanwhile.

        False where it would have to wait for another sign-in or a sign-out of the same visitor: nothing was done.
        """
        asked = self._by_token(site, token, visitor, visit, now, consent)
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
        ends_at = account.session_ends_at
        if ends_at is not None and ends_at <= now:
            raise InvalidInput.field("session_expiry", "must be to come")
        email, name = clean_attribute(account.email), clean_attribute(account.name)
        claims = LoginClaims(subject, "", now, email, name, ends_at)

        def identify(opening: Opening) -> tuple[Found, LoginClaims]:
            return self._keys.find(opening.accounts, site, claims.subject), claims

        self._sign_in(_SignIn(site, identify, visitor, consent, self._keeps(site, consent, now), now))

    def logout(self, site: Site, visitor: str, visit: str, now: datetime) -> None:
        """End the signed-in visit: what follows is a new visit under a new pseudonym, in the event log again.

        Its account's own page knows nobody any more who had opened it before, on whatever browser.
        """
        _check_identifiers(visitor=visitor, visit=visit)
        if not visitor:
            return
        with self._turns.of((site.id, visitor)):
            names = self._pseudonyms.visitor_ever(site.id, visitor)
            self._visits.end(site.id, names[0])
            going = [one for name in names for one in self._roster.of_visitor(site.id, name)]
            self._end(going, now, signed_out=going)
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
        self._end(self._roster.of_account(account_id), now)
        self.wake.set()

    def is_moving(self, account_id: int) -> bool:
        """Whether rows are on their way to the account that came before a sign-in."""
        return any(one.promotion.account_id == account_id for one in self._roster.not_done())

    def leave_if_over(
        self, site_id: int, visitor_id: int, visit_id: int, now: datetime, earlier: Sequence[int] = ()
    ) -> bool:
        """Whether a visit that has just begun is not to be taken, since the visitor was signed in on another.

        That one is over then, and the visitor goes by another pseudonym; or else it goes on, which the book of visits
        had no room to remember, or which began under an `earlier` key of the site.
        """
        self._follow(site_id, visitor_id, earlier)
        going = self._roster.of_visitor(site_id, visitor_id)
        if not going or any(one.link.visit_id == visit_id for one in going):
            return False
        for one in going:
            if self._is_over(one, now):
                self._leave(one)
            else:
                self._assign(one)
        return True

    def leave(self, site_id: int, visitor_id: int) -> None:
        """Have the visitor's hits go to no account any more: there is none that could take them."""
        self._visits.end(site_id, visitor_id)
        for one in self._roster.of_visitor(site_id, visitor_id):
            self._leave(one)

    def signed_in(self, site_id: int, pseudonyms: Sequence[int]) -> int | None:
        """Return the account that the visitor is signed in with, if any."""
        going = [one for name in pseudonyms for one in self._roster.of_visitor(site_id, name)]
        return going[-1].promotion.account_id if going else None

    def accounts_of(self, site_id: int, pseudonyms: Sequence[int], since: datetime) -> set[int]:
        """Return the accounts that the visitor has been signed in with since then."""
        known = [one.promotion for name in pseudonyms for one in self._roster.ever_of_visitor(site_id, name)]
        return {one.account_id for one in known if one.ended_at is None or one.ended_at > since}

    def begin(self, one: Going, *, lasts: bool = True) -> None:
        """Have the hits of the visit go to the account log, unless that is so already or the visit is over."""

        def assign() -> None:
            if lasts and not one.ended:
                self._assign(one)

        self._roster.add(one, assign)

    def end_over(self, now: datetime) -> int:
        """End the signed-in visits that had no hit for half an hour, or whose website's session is over; how many."""
        over = [one for one in self._roster.lasting() if self._is_over(one, now)]
        self._end(over, now, signed_out=[one for one in over if one.link.until is not None and now >= one.link.until])
        return len(over)

    def _keeps(self, site: Site, consent: str, now: datetime) -> bool:
        return bool(consent) and self._permits(site.id, consent, now)

    def _by_token(self, site: Site, token: str, visitor: str, visit: str, now: datetime, consent: str) -> _SignIn:
        _check_identifiers(visitor=visitor, visit=visit, consent=consent)

        def identify(opening: Opening) -> tuple[Found, LoginClaims]:
            # What may be wrong is found before anything is written.
            accounts = opening.accounts
            keys = self._good_login_keys(site, accounts.login_keys(site.id), now)
            claims = check_token(token, keys, site.domain, now)
            found = self._keys.find(accounts, site, claims.subject)
            use_up(accounts, self._vault, site, claims)
            return found, claims

        return _SignIn(site, identify, visitor, consent, self._keeps(site, consent, now), now)

    def _sign_in(self, asked: _SignIn) -> None:
        with self._turns.of(_turn(asked)):
            self._note(self._together.run(lambda opening: self._request(opening, asked)), asked.now)

    async def _sign_in_soon(self, asked: _SignIn) -> bool:
        turn = _turn(asked)
        if not self._turns.take(turn):
            return False
        try:
            self._note(await self._on_loop.run(lambda opening: self._request(opening, asked)), asked.now)
        finally:
            self._turns.give_up(turn)
        return True

    def _request(self, opening: Opening, asked: _SignIn) -> _SignedIn:
        """Write the promotion down, where there is one."""
        (found, claims), now = asked.identify(opening), asked.now
        if not asked.visitor:
            return _SignedIn()  # without consent nothing is held, not even that there is such an account
        account_id = self._keys.open_account(opening, asked.site, found, claims, now)
        going = self._going(asked)
        same = [one for one in going if one.promotion.account_id == account_id]
        if same:
            return self._prolong(opening, same[-1], claims.session_ends_at)
        if going:
            # Another account on the same browser: its visit ends here, and a new one, of this account, begins.
            left = [self._leave(one) for one in going]
            opening.accounts.end([one.id for one in going], left, now)
            opening.accounts.sign_out({one.promotion.account_id for one in going}, now)
        link = self._link(asked, claims.session_ends_at)
        sealed = self._links.seal(account_id, link)
        number = opening.accounts.add_promotion(asked.site.id, account_id, sealed, now)
        promotion = Promotion(number, asked.site.id, account_id, sealed, State.REQUESTED, now, None)
        return _SignedIn(going, Going(promotion, link))

    def _prolong(self, opening: Opening, one: Going, until: datetime | None) -> _SignedIn:
        """Have a visit that goes on last as long as the website says by now."""
        if one.link.until == until:
            return _SignedIn()
        link = msgspec.structs.replace(one.link, until=until)
        opening.accounts.seal_promotion(one.id, self._links.seal(one.promotion.account_id, link))
        return _SignedIn(prolonged=Going(one.promotion, link))

    def _note(self, signed_in: _SignedIn, now: datetime) -> None:
        self._roster.note_ended((one.id for one in signed_in.ended), now)
        if signed_in.prolonged is not None:
            going = signed_in.prolonged
            self._roster.prolong(going, lambda: self._assign(going))
        if signed_in.begun is not None:
            self.begin(signed_in.begun)
            self.wake.set()

    def _going(self, asked: _SignIn) -> Sequence[Going]:
        """The visitor's signed-in visits, but for those that are over: the visitor goes by another pseudonym then."""
        name, *earlier = self._pseudonyms.visitor_all(asked.site.id, asked.visitor)
        self._follow(asked.site.id, name, earlier)
        going = self._roster.of_visitor(asked.site.id, name)
        over = [one for one in going if self._is_over(one, asked.now)]
        for one in over:
            self._leave(one)
        return [one for one in going if one not in over]

    def _follow(self, site_id: int, visitor_id: int, earlier: Sequence[int]) -> None:
        """Have signed-in visits that began under an earlier key of the site be known by the visitor's new name."""
        for name in earlier:
            for one in self._roster.of_visitor(site_id, name):
                self._roster.rename(one, visitor_id)

    def _end(self, going: Sequence[Going], now: datetime, signed_out: Sequence[Going] = ()) -> None:
        """End the visits, and close the account's own page to those who have `signed_out`."""
        if not going:
            return
        numbers, left = [one.id for one in going], [self._leave(one) for one in going]
        accounts = {one.promotion.account_id for one in signed_out}

        def write(opening: Opening) -> None:
            opening.accounts.end(numbers, left, now)
            opening.accounts.sign_out(accounts, now)

        self._together.run(write)
        self._roster.note_ended(numbers, now)

    def _leave(self, one: Going) -> LeftPseudonym:
        """Have what follows be another visit under another pseudonym; durable once the visit's end is."""
        left = self._pseudonyms.leave(one.site_id, one.link.visitor_id)
        self._visits.end(one.site_id, one.link.visitor_id, one.link.visit_id)
        return left

    def _assign(self, one: Going) -> None:
        self._visits.assign(
            one.site_id,
            one.link.visitor_id,
            one.link.visit_id,
            one.promotion.last_seen_at,
            account_id=one.promotion.account_id,
            promotion_id=one.id,
            ends_at=one.link.until,
        )

    def _link(self, asked: _SignIn, until: datetime | None) -> Link:
        site, now = asked.site, asked.now
        names = self._pseudonyms.visitor_all(site.id, asked.visitor)
        # Begun here where none goes on: a hit that comes at the same moment is of the same visit.
        visit = self._visits.touch(site.id, names[0], now)
        # A hit with a time of its own may be of half an hour before the first of its visit.
        since = naive(min(visit.started_at, now)) - LONGEST_PAUSE
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
            until,
        )

    def _is_over(self, one: Going, now: datetime) -> bool:
        """Whether the website's session is over, or nothing has come for half an hour."""
        if one.link.until is not None and now >= one.link.until:
            return True
        if now - one.promotion.last_seen_at < INACTIVITY:
            return False
        # What the ingester has not seen yet, the book of visits has.
        current = self._visits.current(one.site_id, one.link.visitor_id, now)
        return current != one.link.visit_id


def _turn(asked: _SignIn) -> Visitor | None:
    return (asked.site.id, asked.visitor) if asked.visitor else None


def use_up(accounts: AccountRepository, vault: Vault, site: Site, claims: LoginClaims) -> None:
    """Use a token's one-time id, or raise `NotAuthenticated` where it was used before."""
    digest = vault.digest("token", str(site.id), claims.token_id)
    if not accounts.use_token(digest, claims.expires_at):
        raise NotAuthenticated("The login token was used before (jti)", "token")


def _check_identifiers(**identifiers: str) -> None:
    for name, text in identifiers.items():
        if text and not is_raw_id(text):
            raise InvalidInput.field(name, RAW_ID_FORM)
