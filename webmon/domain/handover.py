"""One choice for a family of websites: what a link carries from one to the other, and what becomes of it there.

It carries what was decided, until when that holds, and nothing by which the two websites could join their visitors:
no receipt, no identifier, and days in the place of moments.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

import msgspec

from webmon.domain.consent import Action, Answer, UiSource, to_ask
from webmon.domain.notice import Notice
from webmon.domain.site import Site

# A page is left and the next one is there within seconds; on a slow line, within two minutes.
LIFETIME = timedelta(minutes=2)
TOKEN_LENGTH = 4096


class Handover(msgspec.Struct, frozen=True):
    """A choice on its way from the site `source` to the site `target`; `id` is drawn for this one way.

    `decided_on` is the day of the choice, `until_on` the first day on which it holds no more.
    """

    id: str
    source: str
    target: str
    notice: str
    decisions: dict[str, bool]
    decided_on: date
    until_on: date
    ends_at: datetime

    @property
    def grants(self) -> bool:
        return any(self.decisions.values())


@dataclass(frozen=True, slots=True)
class OwnChoice:
    """What was decided on the second website itself: on which day, and the receipt where it was a consent."""

    decided_on: date
    receipt: str = ""


def family_of(site: Site, sites: Iterable[Site]) -> list[Site]:
    """Return the sites that the site names as its family and that name it in turn."""
    return [one for one in sites if one.domain in site.family and site.domain in one.family]


def seal(key: bytes, handover: Handover) -> str:
    """Return the token for a link: its content, and a signature over that (HMAC-SHA256), in letters of an address."""
    content = _encode(msgspec.json.encode(handover))
    return f"{content}.{_signature(key, content)}"


def unseal(key: bytes, token: str, now: datetime) -> Handover:
    """Return what a token carries; raises `ValueError` for one that is none, was changed, or has ended."""
    content, _, signature = token.partition(".")
    fits = len(token) <= TOKEN_LENGTH and token.isascii()
    if not fits or not hmac.compare_digest(_signature(key, content), signature):
        raise ValueError("was not made here, or was changed")
    try:
        found = msgspec.json.decode(base64.urlsafe_b64decode(content + "=" * (-len(content) % 4)), type=Handover)
    except (binascii.Error, msgspec.DecodeError) as error:
        raise ValueError("was not made here, or was changed") from error
    if now >= found.ends_at:
        raise ValueError("has ended: it holds for two minutes")
    return found


def takes_the_place(handover: Handover, own: OwnChoice | None) -> bool:
    """Whether a choice that comes by a link is to hold where there is an own one already.

    The later one holds. Within one day nobody knows which that is, as only days are known: then the refusal does, and
    of two consents the one that was given on the website itself.
    """
    if own is None or handover.decided_on > own.decided_on:
        return True
    return handover.decided_on == own.decided_on and not handover.grants


def answer_of(handover: Handover, before: Notice, now: Notice) -> Answer:
    """Return what the choice answers of the second website's notice: maybe nothing.

    A purpose is granted only where the two notices say the same of it. A refusal holds for the purpose of that name,
    whatever is said of it: it is never weaker for having come along.
    """
    other = to_ask(handover.decisions, before, now)
    decided = {
        key: granted
        for key, granted in sorted(handover.decisions.items())
        if key in now.optional_keys and not (granted and key in other)
    }
    return _answer(decided, now)


def with_own(answer: Answer, own: Mapping[str, bool], before: Notice, previous: str) -> Answer:
    """Return the answer in the place of one that was given here before: what it does not answer stays as it was.

    `own` was decided on the notice `before`, under the receipt `previous`.
    """
    now = answer.notice
    stay = now.optional_keys.difference(answer.decisions, to_ask(own, before, now))
    decided = dict(answer.decisions) | {key: own[key] for key in stay}
    return _answer(dict(sorted(decided.items())), now, previous)


def end_of(handover: Handover, site: Site) -> datetime:
    """Return until when the choice holds on the second website: no longer than on the first, or than it lets any."""
    return min(_midnight(handover.until_on), _midnight(handover.decided_on) + site.choice_lifetime)


def _answer(decided: Mapping[str, bool], notice: Notice, previous: str = "") -> Answer:
    return Answer(notice, decided, _action(decided, notice), UiSource.FAMILY, notice.language, previous)


def _action(decided: Mapping[str, bool], notice: Notice) -> Action:
    if not any(decided.values()):
        return Action.REJECT_ALL
    return Action.ACCEPT_ALL if all(decided.get(key) for key in notice.optional_keys) else Action.CUSTOM


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _signature(key: bytes, content: str) -> str:
    return _encode(hmac.digest(key, content.encode(), "sha256"))


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
