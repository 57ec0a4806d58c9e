"""Recording what visitors decide, and answering whether a consent is in force."""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Protocol

from webmon.domain.chain import Verdict
from webmon.domain.checkpoint import CONSENT, Checkpoint
from webmon.domain.consent import (
    ANALYTICS,
    NOBODY,
    Action,
    Answer,
    Collected,
    Record,
    Why,
    check_answer,
    receipt,
    to_ask,
)
from webmon.domain.consent_figures import ANSWERED, NOWHERE_KNOWN, Segment
from webmon.domain.jurisdiction import Policy
from webmon.domain.notice import Notice
from webmon.domain.pseudonym import is_raw_id
from webmon.domain.site import Site
from webmon.errors import Conflict, InvalidInput, NotFound, Unavailable
from webmon.services.publish_notice import Notices
from webmon.services.sign_consents import Signer
from webmon.services.together import LoopTogether, Together
from webmon.services.verify_ledger import verify_ledger
from webmon.stores.ports import Unit
from webmon.stores.ports.consent import ConsentRepository, Standing

_REMEMBERED = 50_000
RECEIPT_LENGTH = 36
_READ_TO_ERASE = "read to erase what was collected under a consent that was withdrawn"


@dataclass(frozen=True, slots=True)
class ConsentRequest:
    """An answer as it arrives, its fields not checked against the notice yet.

    `receipt` is the number that whoever answers has drawn for it, so that it can be sent again; or empty. `policy` is
    what they were asked under, decided here and not by whoever answers.
    `segment` is for the figures alone and in no record. `erase`: whose rows are to go with a withdrawal. `until`: its
    end, where that is before the site's answers do. `asked`: whether the question stood open, for the figures alone.
    """

    notice: str
    decisions: Mapping[str, Any]
    action: str
    ui_source: str
    language: str
    previous: str = ""
    receipt: str = ""
    policy: Policy = field(kw_only=True)
    segment: Segment = NOWHERE_KNOWN
    erase: Collected = NOBODY
    until: datetime | None = None
    asked: bool = False


@dataclass(frozen=True, slots=True)
class Grant:
    """A consent in force: the notice it was given to, what it grants, and until when.

    `seq` is its record's place in the site's ledger.
    """

    notice: str
    purposes: frozenset[str]
    expires_at: datetime
    seq: int


class AnswerCounter(Protocol):
    def count(self, site: Site, notice_hash: str, action: str, segment: Segment, now: datetime) -> None: ...


@dataclass(slots=True)
class _Memory:
    """The grants asked for last; None remembers that there is none."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    grants: OrderedDict[tuple[int, str], Grant | None] = field(default_factory=OrderedDict)

    def keep(self, key: tuple[int, str], grant: Grant | None) -> None:
        """Within the lock."""
        self.grants[key] = grant
        self.grants.move_to_end(key)
        if len(self.grants) > _REMEMBERED:
            self.grants.popitem(last=False)


@dataclass(frozen=True, slots=True)
class Consents:
    """The consent ledger. `address` is the public origin of this service, for receipts."""

    unit: Unit[ConsentRepository]
    notices: Notices
    address: str
    counter: AnswerCounter
    signer: Signer
    _memory: _Memory = field(default_factory=_Memory)
    _together: Together[ConsentRepository] = field(init=False)
    _on_loop: LoopTogether[ConsentRepository] = field(init=False)

    def __post_init__(self) -> None:
        for name, kind in (("_together", Together), ("_on_loop", LoopTogether)):
            object.__setattr__(self, name, kind(self.unit, _look_ahead, lambda consents: consents.flush()))

    def record(self, site: Site, request: ConsentRequest, now: datetime) -> dict[str, Any] | None:
        """Record the answer and return its receipt; None for a refusal that is only counted.

        A refusal without an earlier consent is counted and recorded against nobody (invariant 2). Where two answers
        name the same previous one, both are kept: the later one takes the place of the earlier and is in force, for
        whoever holds a receipt of the line. An answer to a notice that was replaced meanwhile is an answer to what
        was shown. An answer that is sent again under its receipt's number is one record. Raises `InvalidInput` for
        a notice that is unknown or not in force yet, a wrong purpose or a contradiction, `NotFound` for an unknown
        previous receipt, `Conflict` for a number of another answer.
        """
        return self.record_answer(site, self._checked(site, request, now), request, now)

    def record_answer(
        self, site: Site, answer: Answer, request: ConsentRequest, now: datetime
    ) -> dict[str, Any] | None:
        """Do as `record` with an answer that is checked already."""
        written = self._together.run(lambda consents: _write(consents, site, answer, request, now), request.receipt)
        return self._acknowledge(site, answer, request, written, now)

    async def record_soon(self, site: Site, request: ConsentRequest, now: datetime) -> dict[str, Any] | None:
        """Do as `record`, on an event loop that goes on meanwhile."""
        # To its end, also where whoever answers has gone: what is written down is known here as well.
        return await asyncio.shield(self._record_soon(site, request, now))

    async def _record_soon(self, site: Site, request: ConsentRequest, now: datetime) -> dict[str, Any] | None:
        answer = self._checked(site, request, now)
        written = await self._on_loop.run(
            lambda consents: _write(consents, site, answer, request, now), request.receipt
        )
        return self._acknowledge(site, answer, request, written, now)

    def withdraw(
        self,
        site: Site,
        receipt_id: str,
        ui_source: str,
        policy: Policy,
        now: datetime,
        *,
        erase: Collected = NOBODY,
    ) -> dict[str, Any] | None:
        """Withdraw a consent: as easy as giving it. `erase`: whose rows are to go with it."""
        with self.unit.reading() as consents:
            standing = consents.standing(site.id, receipt_id)
        if standing is None:
            raise NotFound("There is no such receipt")
        notice, language = standing.body["notice"], standing.body["language"]
        refused = dict.fromkeys(sorted(self.notices.get(notice).optional_keys), False)
        request = ConsentRequest(
            notice, refused, Action.WITHDRAW, ui_source, language, receipt_id, policy=policy, erase=erase
        )
        return self.record(site, request, now)

    def grant(self, site_id: int, receipt_id: str, now: datetime) -> Grant | None:
        """Return the consent that grants measurement under this receipt, or None where none is in force."""
        key = (site_id, receipt_id)
        memory = self._memory
        with memory.lock:
            known = key in memory.grants
            found = memory.grants.get(key)
            if known:
                memory.grants.move_to_end(key)
        if not known:
            found = self._look_up(site_id, receipt_id)
        return found if found and now < found.expires_at and ANALYTICS in found.purposes else None

    def at_hand(self, site_id: int, receipt_id: str) -> bool:
        """Whether `grant` can say without looking it up."""
        with self._memory.lock:
            return (site_id, receipt_id) in self._memory.grants

    def receipt(self, site: Site, receipt_id: str) -> dict[str, Any]:
        """Return a receipt, or raise `NotFound`."""
        with self.unit.reading() as consents:
            standing = consents.standing(site.id, receipt_id)
        if standing is None:
            raise NotFound("There is no such receipt")
        return self._receipt(standing.body, self.notices.get(standing.body["notice"]))

    def state(self, site: Site, receipt_id: str, languages: Sequence[str], now: datetime) -> dict[str, Any]:
        """Say what holds of the line that the receipt stands in, and what is still to be asked.

        The notice that is asked with is the one in force in the language of the last answer, unless `languages` are
        wanted before it. Raises `NotFound` for an unknown receipt.
        """
        with self.unit.reading() as consents:
            latest = _latest(consents, site.id, receipt_id)
        if latest is None:
            raise NotFound("There is no such receipt")
        body, expired = latest.body, latest.expires_at <= now
        before = self.notices.get(body["notice"])
        current = self.notices.in_language(site, [*languages, before.language], now)
        all_again = dict.fromkeys(current.optional_keys, Why.EXPIRED)
        asked = all_again if expired else to_ask(body["decisions"], before, current)
        return {
            "consent_receipt_id": body["receipt_id"],
            "superseded": body["receipt_id"] != receipt_id,
            "expired": expired,
            "withdrawn": body["action"] == Action.WITHDRAW,
            "validity_until": body["expires_at"],
            "notice_hash": body["notice"],
            "decisions": {key: granted and not expired for key, granted in sorted(body["decisions"].items())},
            "notice_in_force": current.hash,
            "ask": [{"purpose": key, "why": why.value} for key, why in sorted(asked.items())],
        }

    def decided(self, site: Site, receipt_id: str, now: datetime) -> Mapping[str, Any] | None:
        """Return the record that holds for whoever has the receipt; None where there is none, or it has ended."""
        with self.unit.reading() as consents:
            latest = _latest(consents, site.id, receipt_id)
        return latest.body if latest is not None and now < latest.expires_at else None

    def line(self, site: Site, receipt_id: str) -> list[dict[str, Any]]:
        """Return every receipt of the line that this one stands in, newest first; none where there is no such one."""
        with self.unit.reading() as consents:
            latest = _latest(consents, site.id, receipt_id)
            if latest is None:
                return []
            newest = latest.body["receipt_id"]
            names = [newest, *_before(consents, site.id, newest)]
        return [self.receipt(site, name) for name in names]

    def verify(self, site: Site, kept: Sequence[Checkpoint] = ()) -> Verdict:
        """Walk the site's ledger: the chain, the columns beside it, the notices it names, and the checkpoints.

        `kept`: checkpoints of the site that were kept elsewhere. Raises as `verify_all` does.
        """
        return self.verify_all([site], kept)[site.domain]

    def verify_all(self, sites: Sequence[Site], kept: Sequence[Checkpoint] = ()) -> dict[str, Verdict]:
        """Do so for many sites, and return domain to what was found; `kept` may be of all of them.

        Raises `Unavailable` where every record holds and yet what they are kept in is damaged.
        """
        key = self.signer.public_key()
        with self.unit.reading() as consents:
            found = {
                site.domain: verify_ledger(consents, site, key, [one for one in kept if one.site == site.domain])
                for site in sites
            }
            if consents.damage and all(verdict.holds for verdict in found.values()):
                raise Unavailable(f"The control database is damaged, in no record of consent: {consents.damage}")
        return found

    def gone(self, kept: Sequence[Checkpoint], domains: Collection[str]) -> dict[str, Verdict]:
        """Return what was found of the sites that checkpoints of ours have seen and that are not there any more.

        No site is ever taken out by webmon. `domains`: those that are there.
        """
        key = self.signer.public_key()
        seen = [one for one in kept if one.type == CONSENT and one.site not in domains and one.holds(key)]
        reason = "is missing, and so is the site: the checkpoint of {} has seen {} records"
        return {one.site: Verdict(0, 1, reason.format(one.made_at, one.seq)) for one in seen}

    def _acknowledge(
        self, site: Site, answer: Answer, request: ConsentRequest, written: _Written, now: datetime
    ) -> dict[str, Any] | None:
        if written.grant is not None and written.body is not None:
            self._remember(site.id, [written.body["receipt_id"], *written.replaced], written.grant)
        if not written.sent_again:
            for what in (answer.action.value, *([ANSWERED] if request.asked else [])):
                self.counter.count(site, answer.notice.hash, what, request.segment, now)
        if written.body is None:
            return None
        return self._receipt(written.body, answer.notice)

    def _receipt(self, body: Mapping[str, Any], notice: Notice) -> dict[str, Any]:
        return self.signer.sign(receipt(body, notice, self.address))

    def _checked(self, site: Site, request: ConsentRequest, now: datetime) -> Answer:
        if request.receipt:
            check_receipt(request.receipt)
        try:
            notice = self.notices.get(request.notice)
        except NotFound:
            raise InvalidInput.field("notice", "is not a notice of this site") from None
        if notice.site != site.domain:
            raise InvalidInput.field("notice", "is not a notice of this site")
        if not self.notices.has_been_in_force(notice.hash, now):
            raise InvalidInput.field("notice", "has not come into force, so nobody was asked with it")
        return check_answer(
            notice, request.decisions, request.action, request.ui_source, request.language, request.previous
        )

    def _look_up(self, site_id: int, receipt_id: str) -> Grant | None:
        """What was decided last by whoever holds the receipt, wherever they decided it."""
        # Within the lock: a withdrawal at the same moment must find the memory empty or filled, not about to be.
        with self._memory.lock, self.unit.reading() as consents:
            standing = _latest(consents, site_id, receipt_id)
            found = None
            if standing is not None:
                body = standing.body
                found = Grant(body["notice"], _granted(body["decisions"]), standing.expires_at, standing.seq)
            self._memory.keep((site_id, receipt_id), found)
        return found

    def _remember(self, site_id: int, receipt_ids: Sequence[str], grant: Grant) -> None:
        """Whoever holds one of these receipts has decided this last, unless a later answer was known of sooner."""
        with self._memory.lock:
            for receipt_id in receipt_ids:
                key = (site_id, receipt_id)
                # Nothing, where a hit that names it was faster.
                known = self._memory.grants.get(key)
                if known is None or known.seq < grant.seq:
                    self._memory.keep(key, grant)


def check_receipt(number: str) -> None:
    """Raise `InvalidInput` for what cannot be the number of an answer."""
    if not is_raw_id(number) or len(number) > RECEIPT_LENGTH:
        raise InvalidInput.field("receipt", f"must be 16 to {RECEIPT_LENGTH} letters, digits, - or _")


@dataclass(frozen=True, slots=True)
class _Written:
    """The record of an answer, if there is one, and the receipts whose place it takes.

    `grant` is what it grants; none where it is there since an earlier time.
    """

    body: Mapping[str, Any] | None
    replaced: Sequence[str] = ()
    grant: Grant | None = None
    sent_again: bool = False


def _look_ahead(consents: ConsentRepository, receipts: Sequence[str]) -> None:
    """Ask once for all answers of a transaction whether their numbers are taken."""
    consents.look_up([one for one in receipts if one])


def _write(
    consents: ConsentRepository, site: Site, answer: Answer, request: ConsentRequest, now: datetime
) -> _Written:
    """Record an answer. What is wrong with it is found before anything is written."""
    if request.receipt and consents.is_taken(request.receipt):
        known = consents.standing(site.id, request.receipt)
        if known is None:
            raise Conflict("receipt is the number of another answer")
        return _Written(_sent_again(consents, site.id, known, answer), sent_again=True)
    latest = _latest(consents, site.id, answer.previous) if answer.previous else None
    if answer.previous and latest is None:
        raise NotFound("previous names no receipt of this site")
    if latest is None and not answer.grants:
        return _Written(None)
    if latest is not None:
        # What another tab has answered meanwhile is what this answer takes the place of.
        answer = replace(answer, previous=latest.body["receipt_id"])
    number = request.receipt or str(uuid.uuid4())
    ends_at = min(now + site.choice_lifetime, request.until or datetime.max.replace(tzinfo=UTC))
    record = Record(number, site.domain, site.mode.value, answer, request.policy, now, ends_at)
    seq = consents.append(site.id, record)
    if request.erase:
        consents.add_erasure(site.id, request.erase, answer.previous, now)
        account_for(consents, site.id, request.erase, now)
    replaced = [answer.previous, *_before(consents, site.id, answer.previous)] if latest else []
    return _Written(record.body(), replaced, Grant(answer.notice.hash, _granted(answer.decisions), ends_at, seq))


def _granted(decisions: Mapping[str, bool]) -> frozenset[str]:
    return frozenset(key for key, granted in decisions.items() if granted)


def account_for(consents: ConsentRepository, site_id: int, whose: Collected, now: datetime) -> None:
    """Record that the account's rows are read, to tell which were collected under the consent: before it is done."""
    if whose.account_id is None:
        return
    detail: dict[str, str | int] = {"account_id": whose.account_id, "reason": _READ_TO_ERASE, "fields": "all"}
    consents.audit.record(now, f"account:{whose.account_id}", "account_log.read", site_id=site_id, detail=detail)


def line_of(consents: ConsentRepository, site_id: int, receipt_id: str) -> list[Mapping[str, Any]]:
    """Return the records of the line that a receipt stands in, newest first; none for an unknown receipt."""
    latest = _latest(consents, site_id, receipt_id)
    if latest is None:
        return []
    newest = latest.body["receipt_id"]
    found = [consents.standing(site_id, name) for name in (newest, *_before(consents, site_id, newest))]
    return [standing.body for standing in found if standing is not None]


def _sent_again(consents: ConsentRepository, site_id: int, known: Standing, answer: Answer) -> Mapping[str, Any]:
    said = {"notice": answer.notice.hash, "decisions": answer.decisions, "action": answer.action.value}
    line = [known.body["previous"], *_before(consents, site_id, known.body["previous"])]
    if any(known.body[name] != value for name, value in said.items()) or answer.previous not in line:
        raise Conflict("receipt is the number of another answer")
    return known.body


def _latest(consents: ConsentRepository, site_id: int, receipt_id: str) -> Standing | None:
    """The last record in the line that begins with the receipt."""
    found = consents.standing(site_id, receipt_id)
    while found is not None and found.successor:
        found = consents.standing(site_id, found.successor)
    return found


def _before(consents: ConsentRepository, site_id: int, receipt_id: str) -> list[str]:
    """The receipts that this one took the place of, newest first."""
    found = []
    standing = consents.standing(site_id, receipt_id) if receipt_id else None
    while standing is not None and standing.body["previous"]:
        found.append(standing.body["previous"])
        standing = consents.standing(site_id, found[-1])
    return found
