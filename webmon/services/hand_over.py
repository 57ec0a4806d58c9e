"""Taking a visitor's choice along from one website of a family to another, by a link that is signed.

Nothing of it is written but the record that the second website's ledger gets: what signs the links, and which of them
were used, is in memory, and ends with the process. A link is used within two minutes or not at all.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any

from webmon.domain.consent import Answer, to_ask
from webmon.domain.consent_figures import Segment
from webmon.domain.handover import (
    LIFETIME,
    Handover,
    OwnChoice,
    answer_of,
    end_of,
    family_of,
    seal,
    takes_the_place,
    unseal,
    with_own,
)
from webmon.domain.jurisdiction import Policy
from webmon.domain.site import Site
from webmon.errors import Conflict, InvalidInput, NotFound, Unavailable
from webmon.services.publish_notice import Notices
from webmon.services.record_consent import ConsentRequest, Consents

_KEY_BYTES = 32
_ID_BYTES = 16
# Somewhat more than a busy server can be asked for in two minutes.
_USED_LIMIT = 200_000


@dataclass(frozen=True, slots=True)
class Arrival:
    """Who comes with a link: what they decided here before, a number for the record, and what is known of them."""

    own: OwnChoice | None
    receipt: str
    policy: Policy
    segment: Segment


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a choice that came along. `receipt`: where it is on record. Without `answer`, the own stays."""

    handover: Handover
    answer: Answer | None = None
    receipt: Mapping[str, Any] | None = None

    @property
    def document(self) -> dict[str, Any]:
        """As a page reads it."""
        if self.answer is None:
            return {"kept": True}
        notice, decisions = self.answer.notice, self.answer.decisions
        return {
            "consent_receipt_id": self.receipt["consent_receipt_id"] if self.receipt else "",
            "notice_hash": notice.hash,
            "decisions": dict(decisions),
            "decided": self.handover.decided_on.isoformat(),
            "ask": sorted(to_ask(decisions, notice, notice)),
            "receipt": self.receipt,
        }


@dataclass(slots=True)
class _Used:
    """Links that were used, until they have ended: each with the number of the record that was made of it."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    links: dict[str, tuple[datetime, str]] = field(default_factory=dict)

    def claim(self, link: str, ends_at: datetime, receipt: str, now: datetime) -> bool:
        """Whether the link may be used: for the first time, or again for the record with the same number."""
        with self.lock:
            if link in self.links:
                return bool(receipt) and self.links[link][1] == receipt
            if len(self.links) >= _USED_LIMIT:
                self.links = {one: kept for one, kept in self.links.items() if kept[0] > now}
            if len(self.links) >= _USED_LIMIT:
                raise Unavailable("Too many choices come along just now")
            self.links[link] = (ends_at, receipt)
        return True

    def prune(self, now: datetime) -> None:
        """Forget those that have ended: they come first, as all hold for the same time."""
        with self.lock:
            ended = []
            for link, (ends_at, _) in self.links.items():
                if ends_at > now:
                    break
                ended.append(link)
            for link in ended:
                del self.links[link]


@dataclass(frozen=True, slots=True)
class Handovers:
    """`find` returns a site by its domain, `None` where there is none."""

    find: Callable[[str, datetime], Site | None]
    notices: Notices
    consents: Consents
    _key: bytes = field(default_factory=lambda: secrets.token_bytes(_KEY_BYTES), repr=False)
    _used: _Used = field(default_factory=_Used)

    def family(self, site: Site, now: datetime) -> list[str]:
        """Return the domains of the sites with which this one has one choice."""
        named = [found for name in site.family if (found := self.find(name, now))]
        return [one.domain for one in family_of(site, named)]

    def take_consent(self, site: Site, target: str, receipt: str, decided_on: date, now: datetime) -> str:
        """Return the token for a link to `target` of whoever holds the receipt.

        `decided_on` is the day that the browser knows; where it came along itself, it is an earlier one than the
        record's. Raises `InvalidInput` for a site that is not of the family, `NotFound` for a receipt that is unknown
        or under which nothing holds any more.
        """
        self._check_family(site, target, now)
        body = self.consents.decided(site, receipt, now)
        if body is None:
            raise NotFound("There is no such receipt, or it holds no more")
        recorded, ends = (datetime.fromisoformat(body[name]).date() for name in ("recorded_at", "expires_at"))
        day = min(decided_on, recorded)
        return self._sealed(site, target, body["notice"], body["decisions"], day, ends, now)

    def take_refusal(
        self, site: Site, target: str, notice_hash: str, refused: Mapping[str, Any], decided_on: date, now: datetime
    ) -> str:
        """Return the token for a link to `target` of whoever has refused: of them only the browser knows.

        Raises `InvalidInput` for a site that is not of the family, for what is no refusal, and for one too old.
        """
        self._check_family(site, target, now)
        try:
            notice = self.notices.get(notice_hash)
        except NotFound:
            notice = None
        if notice is None or notice.site != site.domain:
            raise InvalidInput.field("notice", "is not a notice of this site")
        if not refused or any(granted is not False for granted in refused.values()):
            raise InvalidInput.field("decisions", "must be refusals: a consent goes by its receipt")
        if not notice.optional_keys.issuperset(refused):
            raise InvalidInput.field("decisions", "names a purpose that the notice does not ask for")
        today = now.date()
        # One day more, as the browser's clock may be ahead.
        if not today - timedelta(days=site.choice_days) < decided_on <= today + timedelta(days=1):
            raise InvalidInput.field("decided", "is no day on which a choice was made that holds still")
        day = min(decided_on, today)
        return self._sealed(site, target, notice.hash, refused, day, day + timedelta(days=site.choice_days), now)

    def redeem(self, site: Site, token: str, arrival: Arrival, now: datetime) -> Taken:
        """Record what comes along with a link as a choice on this site, and return what became of it.

        Raises `InvalidInput` naming `token` for one that does not hold, is for another site, or answers nothing that
        is asked here; `Conflict` for one that was used.
        """
        handover = _fitting(site, self._key, token, now)
        source = self.find(handover.source, now)
        if source is None or not family_of(site, [source]):
            raise _wrong("is of a site that is not of the family any more")
        before = self.notices.get(handover.notice)
        current = self.notices.in_language(site, [before.language], now)
        answer = answer_of(handover, before, current)
        if not answer.decisions:
            raise _wrong("answers nothing that is asked here")
        until = end_of(handover, site)
        if until <= now:
            raise _wrong("is of a choice that holds no more here")
        self._used.prune(now)
        if not self._used.claim(handover.id, handover.ends_at, arrival.receipt, now):
            raise Conflict("The link was used already")
        if not takes_the_place(handover, arrival.own):
            return Taken(handover)
        if arrival.own and arrival.own.receipt:
            answer, until = self._in_place_of(site, arrival.own.receipt, answer, until, now)
        request = ConsentRequest(
            current.hash,
            answer.decisions,
            answer.action,
            answer.ui_source,
            answer.language,
            answer.previous,
            arrival.receipt,
            policy=arrival.policy,
            segment=arrival.segment,
            until=until,
        )
        return Taken(handover, answer, self.consents.record_answer(site, answer, request, now))

    def _in_place_of(
        self, site: Site, receipt: str, answer: Answer, until: datetime, now: datetime
    ) -> tuple[Answer, datetime]:
        """The answer in the place of a consent that was given here, and until when it holds: no longer for that."""
        body = self.consents.decided(site, receipt, now)
        if body is None:
            return replace(answer, previous=receipt), until
        own = with_own(answer, body["decisions"], self.notices.get(body["notice"]), receipt)
        return own, min(until, datetime.fromisoformat(body["expires_at"]))

    def _check_family(self, site: Site, target: str, now: datetime) -> None:
        if target not in self.family(site, now):
            raise InvalidInput.field("to", f"{target[:80]!r} is not of this site's family")

    def _sealed(
        self,
        site: Site,
        target: str,
        notice: str,
        decisions: Mapping[str, bool],
        day: date,
        until: date,
        now: datetime,
    ) -> str:
        number = secrets.token_urlsafe(_ID_BYTES)
        made = Handover(number, site.domain, target, notice, dict(decisions), day, until, now + LIFETIME)
        return seal(self._key, made)


def _fitting(site: Site, key: bytes, token: str, now: datetime) -> Handover:
    try:
        handover = unseal(key, token, now)
    except ValueError as error:
        raise _wrong(str(error)) from error
    if handover.target != site.domain:
        raise _wrong("is for another site")
    return handover


def _wrong(text: str) -> InvalidInput:
    return InvalidInput.field("token", text)
