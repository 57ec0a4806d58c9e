"""What a visitor decided: the rules of an answer, the record of it, and its receipt.

The receipt has the field names of ISO/IEC TS 27560:2023 (consent record information structure).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from webmon.domain.hit import AccountRow, Basis
from webmon.domain.jurisdiction import Policy
from webmon.domain.notice import LANGUAGE, Notice, Service
from webmon.errors import InvalidInput

ANALYTICS = "analytics"


class Action(StrEnum):
    ACCEPT_ALL = "accept_all"
    REJECT_ALL = "reject_all"
    CUSTOM = "custom"
    WITHDRAW = "withdraw"
    OPT_OUT = "opt_out"
    GPC = "gpc"


class UiSource(StrEnum):
    BANNER = "banner"
    PREFERENCES = "preferences"
    # The button in the place of content that waits: one purpose was allowed, the others were left as they were.
    PLACEHOLDER = "placeholder"
    FORM = "form"
    # A choice that was made on another website of the family, and came along with a link.
    FAMILY = "family"


# What a page or a form may say of itself: what comes by a link is told by the link alone.
SHOWN = (UiSource.BANNER, UiSource.PREFERENCES, UiSource.PLACEHOLDER, UiSource.FORM)


@dataclass(frozen=True, slots=True)
class Answer:
    """A checked answer to a notice: `decisions` names every optional purpose of it, and no other.

    One that came along with a link leaves those out that it does not answer.
    """

    notice: Notice
    decisions: Mapping[str, bool]
    action: Action
    ui_source: UiSource
    language: str
    previous: str = ""

    @property
    def grants(self) -> bool:
        return any(self.decisions.values())


@dataclass(frozen=True, slots=True)
class Record:
    """One entry of the ledger, before it has a number: exactly what the chain covers."""

    receipt_id: str
    site: str
    mode: str
    answer: Answer
    policy: Policy
    recorded_at: datetime
    expires_at: datetime

    def body(self) -> dict[str, Any]:
        return {
            "receipt_id": self.receipt_id,
            "site": self.site,
            "mode": self.mode,
            "jurisdiction": self.policy.document(),
            "notice": self.answer.notice.hash,
            "decisions": dict(self.answer.decisions),
            "action": self.answer.action.value,
            "ui_source": self.answer.ui_source.value,
            "language": self.answer.language,
            "previous": self.answer.previous,
            "recorded_at": self.recorded_at.isoformat(),
            "expires_at": self.expires_at.isoformat(),
        }


@dataclass(frozen=True, slots=True)
class Collected:
    """Whose rows: those of a visitor, by their pseudonyms, and of the account that they are signed in with."""

    pseudonyms: Sequence[int] = ()
    account_id: int | None = None

    def __bool__(self) -> bool:
        return bool(self.pseudonyms) or self.account_id is not None


NOBODY = Collected()


def check_answer(
    notice: Notice, decisions: Mapping[str, Any], action: str, ui_source: str, language: str, previous: str
) -> Answer:
    """Return the answer; raises `InvalidInput` naming each field that does not fit the notice."""
    errors: dict[str, list[str]] = {}
    for name, value, known in (("action", action, tuple(Action)), ("ui_source", ui_source, SHOWN)):
        if value not in {member.value for member in known}:
            errors[name] = [f"must be one of {', '.join(member.value for member in known)}"]
    if language and not LANGUAGE.fullmatch(language):
        errors["language"] = ["must be a language tag such as en"]
    wrong = [key for key, value in decisions.items() if not isinstance(value, bool)]
    unknown = sorted(set(decisions) - notice.optional_keys)
    missing = sorted(notice.optional_keys - set(decisions))
    for text, keys in (
        ("is not true or false", wrong),
        ("is not asked for by the notice", unknown),
        ("is missing", missing),
    ):
        if keys:
            errors["decisions"] = [f"{str(keys[0])[:40]!r} {text}"]
    if not errors:
        _check_consistent(Action(action), decisions, errors)
    if action == Action.GPC and previous:
        errors["previous"] = ["is not changed by a signal; only by a choice"]
    if errors:
        raise InvalidInput(errors)
    return Answer(notice, dict(decisions), Action(action), UiSource(ui_source), language or notice.language, previous)


def _check_consistent(action: Action, decisions: Mapping[str, bool], errors: dict[str, list[str]]) -> None:
    if action is Action.ACCEPT_ALL and not all(decisions.values()):
        errors["decisions"] = ["accept_all grants every purpose"]
    if action in {Action.REJECT_ALL, Action.WITHDRAW, Action.OPT_OUT, Action.GPC} and any(decisions.values()):
        errors["decisions"] = [f"{action} grants no purpose"]


def receipt(body: Mapping[str, Any], notice: Notice, address: str) -> dict[str, Any]:
    """Return the receipt of a record; `address` is the public origin of this service."""
    granted_at = body["recorded_at"]
    lifetime = datetime.fromisoformat(body["expires_at"]) - datetime.fromisoformat(granted_at)
    names = {purpose.key: purpose for purpose in notice.purposes}
    return {
        "schema_version": "ISO/IEC TS 27560:2023",
        "consent_receipt_id": body["receipt_id"],
        "consent_record_id": body["receipt_id"],
        "pii_controller": body["site"],
        "privacy_notice": f"{address}/api/notices/{body['notice']}",
        "language": body["language"],
        "notice_hash": body["notice"],
        "consent_type": "explicit_consent",
        "action": body["action"],
        "collection_method": body["ui_source"],
        "consent_timestamp": granted_at,
        "validity_until": body["expires_at"],
        "previous_receipt_id": body["previous"] or None,
        "withdrawal_method": f"{address}/privacy/{body['site']}",
        "privacy_rights": f"{address}/privacy/{body['site']}",
        "purposes": [
            {
                "purpose": key,
                "purpose_description": f"{names[key].name}: {names[key].description}" if key in names else key,
                "lawful_basis": "consent",
                "event": {
                    "event_type": "given" if granted else "refused",
                    "event_time": granted_at,
                    "validity_duration": f"P{lifetime.days}D",
                },
            }
            for key, granted in sorted(body["decisions"].items())
        ],
        "decisions": dict(body["decisions"]),
        # Records of before there were policies have none.
        "jurisdiction": body.get("jurisdiction"),
    }


def collected_under(line: Sequence[Mapping[str, Any]], row: AccountRow) -> bool:
    """Whether a row of the account log was collected under the consent whose records these are, newest first.

    A row names the receipt. Where it does not (nobody told it at sign-in), the notice that was agreed to does, and
    the time for which that answer held.
    """
    if row.basis != Basis.CONSENT:
        return False
    if row.consent:
        return any(body["receipt_id"] == row.consent for body in line)
    until: datetime | None = None
    for body in line:
        since = datetime.fromisoformat(body["recorded_at"]).replace(tzinfo=None)
        held = since <= row.occurred_at and (until is None or row.occurred_at <= until)
        if held and body["notice"] == row.notice and body["decisions"].get(ANALYTICS):
            return True
        until = since
    return False


class Why(StrEnum):
    """Why a purpose is asked for again: only what is new is."""

    NEW = "new"
    TEXT = "text"
    SERVICES = "services"
    EXPIRED = "expired"


def to_ask(decided: Mapping[str, bool], before: Notice, now: Notice) -> dict[str, Why]:
    """Return the purposes of the notice in force that the decisions, made on an earlier one, do not answer.

    A purpose is asked for where it was not decided, where its name or description reads otherwise than it did, and
    where another service or cookie came, went or was described otherwise. Between two languages only what does not
    depend on the language is compared.
    """
    if before.hash == now.hash:
        return dict.fromkeys(now.optional_keys.difference(decided), Why.NEW)
    same_language = before.language == now.language
    texts = {one.key: (one.name, one.description) for one in before.purposes}
    asked: dict[str, Why] = {}
    for purpose in now.purposes:
        key = purpose.key
        if purpose.required:
            continue
        if key not in decided or key not in texts:
            asked[key] = Why.NEW
        elif same_language and texts[key] != (purpose.name, purpose.description):
            asked[key] = Why.TEXT
        elif _covered(before, key, texts=same_language) != _covered(now, key, texts=same_language):
            asked[key] = Why.SERVICES
    return asked


def _covered(notice: Notice, purpose: str, *, texts: bool) -> frozenset[object]:
    """The services that serve a purpose, themselves or by a cookie of theirs."""
    concerned = [
        one
        for one in notice.services
        if one.purpose == purpose or any(cookie.purpose == purpose for cookie in one.cookies)
    ]
    return frozenset(concerned if texts else map(_without_texts, concerned))


def _without_texts(service: Service) -> object:
    cookies = frozenset((one.name, one.purpose, one.kind, one.party) for one in service.cookies)
    return service.key, service.purpose, service.provider, cookies
