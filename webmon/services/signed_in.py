"""The signed-in visits that this process knows: found by number, by visit and by visitor, however many there are."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import msgspec
from cryptography.exceptions import InvalidTag

from webmon.domain.promotion import State
from webmon.services.account_keys import Vault
from webmon.stores.ports.accounts import Promotion

# A site, and the browser's own identifier: in memory only.
Visitor = tuple[int, str]
# A site, and a pseudonym.
Named = tuple[int, int]


class Link(msgspec.Struct, frozen=True):
    """Which rows a promotion is of: sealed on disk, and destroyed when the signed-in visit is over.

    `since`: UTC without offset, before which the visit has no row. `pseudonyms`: the visitor's, whose earlier rows go
    with the visit; none where the visit goes alone. Under `remainder_key` what is left for figures gets its numbers;
    empty where nothing may be left.
    """

    visitor_id: int
    visit_id: int
    since: datetime
    zone: str
    # The site's minimum group.
    group: int = 1
    pseudonyms: tuple[int, ...] = ()
    remainder_key: bytes = b""
    # The receipt under which the visit was collected before, where that is known.
    consent: str = ""
    # When the website's own session ends, where it said so.
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Going:
    """A promotion with its link opened."""

    promotion: Promotion
    link: Link

    @property
    def id(self) -> int:
        return self.promotion.id

    @property
    def site_id(self) -> int:
        return self.promotion.site_id

    @property
    def state(self) -> State:
        return self.promotion.state

    @property
    def ended(self) -> bool:
        return self.promotion.ended_at is not None

    @property
    def named(self) -> Named:
        return self.site_id, self.link.visitor_id

    def but(self, **changes: object) -> Going:
        return Going(replace(self.promotion, **changes), self.link)  # type: ignore[arg-type]


class Links:
    """What a promotion is of, sealed and opened again."""

    def __init__(self, vault: Vault) -> None:
        # A key that stays while those that wrap others are replaced: what it seals lives as long as a visit.
        self._sealer = vault.sealer(bytes.fromhex(vault.digest("promotion", "link")))

    def seal(self, account_id: int, link: Link) -> bytes:
        return self._sealer.seal(msgspec.json.encode(link), _context(account_id))

    def open(self, one: Promotion) -> Going:
        link = self._sealer.open(one.link or b"", _context(one.account_id))
        return Going(one, msgspec.json.decode(link, type=Link))

    def open_good(self, promotions: Sequence[Promotion]) -> list[Going]:
        """Open those that are not damaged: of the others nobody can tell whose rows they are."""
        opened = list[Going]()
        for one in promotions:
            with suppress(InvalidTag, msgspec.MsgspecError):
                opened.append(self.open(one))
        return opened


class Turns:
    """One sign-in or sign-out of a visitor at a time; without a visitor, any number."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._taken: set[Visitor] = set()

    @contextmanager
    def of(self, visitor: Visitor | None) -> Iterator[None]:
        """Wait for a turn, and have it."""
        with self._condition:
            self._condition.wait_for(lambda: self.take(visitor))
        try:
            yield
        finally:
            self.give_up(visitor)

    def take(self, visitor: Visitor | None) -> bool:
        """Take a turn; False where another has it."""
        if visitor is None:
            return True
        with self._condition:
            free = visitor not in self._taken
            self._taken.add(visitor)
        return free

    def give_up(self, visitor: Visitor | None) -> None:
        if visitor is not None:
            with self._condition:
                self._taken.discard(visitor)
                self._condition.notify_all()


class SignedIn:
    """Promotions whose visits may still have rows on their way. Visits are drawn, so no two sites share one.

    What is asked at every hit, sign-in or batch does not take longer the more there are that are done.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._all: dict[int, Going] = {}
        self._by_visit: dict[int, int] = {}
        self._by_visitor: dict[Named, set[int]] = {}
        self._not_done: set[int] = set()
        self._ended: set[int] = set()

    def add(self, one: Going, then: Callable[[], None]) -> None:
        """Add a promotion, unless it is known already, and do `then` before anybody else is told anything."""
        with self._lock:
            if one.id in self._all:
                return
            self._by_visit[one.link.visit_id] = one.id
            self._by_visitor.setdefault(one.named, set()).add(one.id)
            self._put(one)
            then()

    def prolong(self, one: Going, then: Callable[[], None]) -> None:
        """Know a promotion by another link from now on, and do `then` before anybody else is told anything."""
        with self._lock:
            known = self._all.get(one.id)
            if known is not None:
                self._all[one.id] = Going(known.promotion, one.link)
                then()

    def rename(self, one: Going, visitor_id: int) -> None:
        """Know a promotion as one of the visitor who goes by another pseudonym from now on."""
        with self._lock:
            known = self._all.get(one.id)
            if known is not None:
                self._unname(known)
                link = msgspec.structs.replace(known.link, visitor_id=visitor_id)
                self._all[one.id] = named = Going(known.promotion, link)
                self._by_visitor.setdefault(named.named, set()).add(one.id)

    def forget(self, gone: Iterable[Going]) -> None:
        with self._lock:
            for one in gone:
                self._unname(self._all.pop(one.id))
                self._by_visit.pop(one.link.visit_id, None)
                self._not_done.discard(one.id)
                self._ended.discard(one.id)

    def note_state(self, states: Mapping[int, State]) -> None:
        with self._lock:
            for number, state in states.items():
                self._change(number, state=state)

    def note_ended(self, numbers: Iterable[int], now: datetime) -> None:
        with self._lock:
            for number in numbers:
                self._change(number, ended_at=now)

    def note_seen(self, moments: Mapping[int, datetime]) -> None:
        with self._lock:
            for number, moment in moments.items():
                known = self._all.get(number)
                self._change(number, last_seen_at=max(moment, known.promotion.last_seen_at) if known else moment)

    def get(self, number: int) -> Going | None:
        with self._lock:
            return self._all.get(number)

    def of_visit(self, visit_id: int) -> Going | None:
        with self._lock:
            return self._all.get(self._by_visit.get(visit_id, 0))

    def of_visitor(self, site_id: int, visitor_id: int) -> list[Going]:
        """Those of a visitor that go on."""
        return [one for one in self.ever_of_visitor(site_id, visitor_id) if not one.ended]

    def ever_of_visitor(self, site_id: int, visitor_id: int) -> list[Going]:
        """Those of a visitor, also those that are over and may have rows on their way."""
        with self._lock:
            return [self._all[number] for number in sorted(self._by_visitor.get((site_id, visitor_id), ()))]

    def of_account(self, account_id: int) -> list[Going]:
        """Those of an account that go on."""
        return [one for one in self.lasting() if one.promotion.account_id == account_id]

    def lasting(self) -> list[Going]:
        """Those that go on."""
        with self._lock:
            return [one for number, one in self._all.items() if number not in self._ended]

    def ended(self) -> list[Going]:
        with self._lock:
            return [self._all[number] for number in sorted(self._ended)]

    def not_done(self) -> list[Going]:
        with self._lock:
            return [self._all[number] for number in self._not_done]

    def visits(self) -> list[int]:
        with self._lock:
            return list(self._by_visit)

    def knows(self, visit_ids: Collection[int]) -> set[int]:
        """Which of these visits are signed in."""
        with self._lock:
            return {one for one in visit_ids if one in self._by_visit}

    def clear(self) -> None:
        """Forget all, as the end of the process does."""
        self.forget([*self.lasting(), *self.ended()])

    def _unname(self, one: Going) -> None:
        others = self._by_visitor[one.named]
        others.discard(one.id)
        if not others:
            del self._by_visitor[one.named]

    def _change(self, number: int, **changes: object) -> None:
        known = self._all.get(number)
        if known is not None:
            self._put(known.but(**changes))

    def _put(self, one: Going) -> None:
        self._all[one.id] = one
        if one.ended:
            self._ended.add(one.id)
        if one.state is State.DONE:
            self._not_done.discard(one.id)
        else:
            self._not_done.add(one.id)


def naive(moment: datetime) -> datetime:
    """The event log's times are UTC without offset."""
    return moment.astimezone(UTC).replace(tzinfo=None)


def _context(account_id: int) -> str:
    return f"promotion:{account_id}"
