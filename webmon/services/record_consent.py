"""Recording what visitors decide, and answering whether a consent is in force."""

from __future__ import annotations

import json
import threading
import uuid
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from webmon.domain.chain import Verdict, verify
from webmon.domain.consent import ANALYTICS, Action, Answer, Record, check_answer, receipt
from webmon.domain.consent_figures import NOWHERE_KNOWN, Segment
from webmon.domain.jurisdiction import Policy
from webmon.domain.notice import hash_of
from webmon.domain.pseudonym import is_raw_id
from webmon.domain.site import Site
from webmon.errors import Conflict, InvalidInput, NotFound
from webmon.services.publish_notice import Notices
from webmon.stores.ports import Unit
from webmon.stores.ports.consent import ConsentRepository, LedgerEntry, Standing

_REMEMBERED = 50_000
RECEIPT_LENGTH = 36


@dataclass(frozen=True, slots=True)
class ConsentRequest:
    """An answer as it arrives, its fields not checked against the notice yet.

    `receipt` is the number that whoever answers has drawn for it, so that it can be sent again; or empty. `policy` is
    what they were asked under, decided here and not by whoever answers.
    `segment` is for the figures alone and in no record.
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


@dataclass(frozen=True, slots=True)
class Grant:
    """A consent in force: the notice it was given to, what it grants, and until when."""

    notice: str
    purposes: frozenset[str]
    expires_at: datetime


class AnswerCounter(Protocol):
    def count(self, site: Site, notice_hash: str, action: str, segment: Segment, now: datetime) -> None: ...


@dataclass(slots=True)
class _Memory:
    """The grants asked for last; None remembers that there is none."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    grants: OrderedDict[tuple[int, str], Grant | None] = field(default_factory=OrderedDict)


@dataclass(frozen=True, slots=True)
class Consents:
    """The consent ledger. `address` is the public origin of this service, for receipts."""

    unit: Unit[ConsentRepository]
    notices: Notices
    address: str
    counter: AnswerCounter
    _memory: _Memory = field(default_factory=_Memory)

    def record(self, site: Site, request: ConsentRequest, now: datetime) -> dict[str, Any] | None:
        """Record the answer and return its receipt; None for a refusal that is only counted.

        A refusal without an earlier consent is counted and recorded against nobody (invariant 2). Where two answers
        name the same previous one, both are kept and the one later in the ledger is in force. An answer that is sent
        again under its receipt's number is one record. Raises `InvalidInput` for an unknown notice, a wrong purpose
        or a contradiction, `NotFound` for an unknown previous receipt, `Conflict` for a number of another answer.
        """
        answer = self._checked(site, request)
        with self.unit() as consents:
            known = consents.standing(site.id, request.receipt) if request.receipt else None
            if known is not None:
                return self._sent_again(known, answer)
            if request.receipt and consents.is_taken(request.receipt):
                raise Conflict("receipt is the number of another answer")
            if answer.previous and consents.standing(site.id, answer.previous) is None:
                raise NotFound("previous names no receipt of this site")
            if not answer.grants and not answer.previous:
                self._count(site, answer, request.segment, now)
                return None
            number = request.receipt or str(uuid.uuid4())
            record = Record(number, site.domain, site.mode.value, answer, request.policy, now)
            consents.append(site.id, record)
            replaced = [answer.previous, *_before(consents, site.id, answer.previous)]
        self._count(site, answer, request.segment, now)
        # The new one too: a hit that names it may have been faster.
        self._forget(site.id, [record.receipt_id, *replaced])
        return receipt(record.body(), answer.notice, self.address)

    def withdraw(
        self, site: Site, receipt_id: str, ui_source: str, policy: Policy, now: datetime
    ) -> dict[str, Any] | None:
        """Withdraw a consent: as easy as giving it."""
        with self.unit() as consents:
            standing = consents.standing(site.id, receipt_id)
        if standing is None:
            raise NotFound("There is no such receipt")
        refused = dict.fromkeys(standing.body["decisions"], False)
        notice, language = standing.body["notice"], standing.body["language"]
        request = ConsentRequest(notice, refused, Action.WITHDRAW, ui_source, language, receipt_id, policy=policy)
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

    def receipt(self, site: Site, receipt_id: str) -> dict[str, Any]:
        """Return a receipt, or raise `NotFound`."""
        with self.unit() as consents:
            standing = consents.standing(site.id, receipt_id)
        if standing is None:
            raise NotFound("There is no such receipt")
        found = receipt(standing.body, self.notices.get(standing.body["notice"]), self.address)
        return found | {"superseded": bool(standing.successor)}

    def line(self, site: Site, receipt_id: str) -> list[dict[str, Any]]:
        """Return every receipt of the line that this one stands in, newest first; none where there is no such one."""
        with self.unit() as consents:
            latest = _latest(consents, site.id, receipt_id)
            if latest is None:
                return []
            newest = latest.body["receipt_id"]
            names = [newest, *_before(consents, site.id, newest)]
        return [self.receipt(site, name) for name in names]

    def verify(self, site: Site) -> Verdict:
        """Walk the site's ledger: the chain, the columns beside it, and the notices it names."""
        with self.unit() as consents:
            chained = verify(consents.anchor(site.id), (entry.link for entry in consents.entries(site.id)))
            if not chained.holds:
                return chained
            for entry in consents.entries(site.id):
                fault = _disagreement(entry)
                if fault:
                    return Verdict(chained.checked_count, entry.link.seq, fault)
        return chained

    def _count(self, site: Site, answer: Answer, segment: Segment, now: datetime) -> None:
        self.counter.count(site, answer.notice.hash, answer.action.value, segment, now)

    def _sent_again(self, known: Standing, answer: Answer) -> dict[str, Any]:
        said = {"notice": answer.notice.hash, "decisions": answer.decisions, "previous": answer.previous}
        if any(known.body[name] != value for name, value in said.items()):
            raise Conflict("receipt is the number of another answer")
        return receipt(known.body, answer.notice, self.address)

    def _checked(self, site: Site, request: ConsentRequest) -> Answer:
        if request.receipt and not (is_raw_id(request.receipt) and len(request.receipt) <= RECEIPT_LENGTH):
            raise InvalidInput.field("receipt", f"must be 16 to {RECEIPT_LENGTH} letters, digits, - or _")
        try:
            notice = self.notices.get(request.notice)
        except NotFound:
            raise InvalidInput.field("notice", "is not a notice of this site") from None
        if notice.body["site"] != site.domain:
            raise InvalidInput.field("notice", "is not a notice of this site")
        return check_answer(
            notice, request.decisions, request.action, request.ui_source, request.language, request.previous
        )

    def _look_up(self, site_id: int, receipt_id: str) -> Grant | None:
        """What was decided last by whoever holds the receipt, wherever they decided it."""
        # Within the lock: a withdrawal at the same moment must find the memory empty or filled, not about to be.
        with self._memory.lock, self.unit() as consents:
            standing = _latest(consents, site_id, receipt_id)
            found = None
            if standing is not None:
                purposes = frozenset(key for key, granted in standing.body["decisions"].items() if granted)
                found = Grant(standing.body["notice"], purposes, standing.expires_at)
            self._memory.grants[site_id, receipt_id] = found
            if len(self._memory.grants) > _REMEMBERED:
                self._memory.grants.popitem(last=False)
        return found

    def _forget(self, site_id: int, receipt_ids: Sequence[str]) -> None:
        with self._memory.lock:
            for receipt_id in receipt_ids:
                self._memory.grants.pop((site_id, receipt_id), None)


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


def _disagreement(entry: LedgerEntry) -> str:
    """What does not agree with the chained body, or nothing."""
    body = json.loads(entry.link.body)
    for name, value in entry.columns.items():
        if body.get(name) != value:
            return f"has another {name} beside the chain than in it"
    if hash_of(entry.notice_text) != body["notice"]:
        return "names a notice whose text was changed"
    return ""
