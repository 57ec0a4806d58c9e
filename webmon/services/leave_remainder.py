"""What a row that goes to an account leaves for figures, where it may leave anything."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol
from zoneinfo import ZoneInfo

from webmon.domain.hit import Basis, Hit
from webmon.domain.pseudonym import PseudonymKey, day_of
from webmon.domain.remainder import deidentify
from webmon.services.common_pages import CommonPages
from webmon.services.signed_in import Going


class PseudonymSource(Protocol):
    def of_the_day(self, site_id: int, moment: datetime, account_id: int, now: datetime) -> int | None: ...


@dataclass(frozen=True, slots=True)
class Remainders:
    pseudonyms: PseudonymSource
    pages: CommonPages

    def of(
        self, rows: Sequence[tuple[Going | None, Hit]], now: datetime, restricted: Collection[int]
    ) -> list[Hit | None]:
        """Return what each row leaves, in their order; None where nothing is left.

        With each row: the promotion that it goes with; nothing is left of one whose visit is over and forgotten.
        `restricted`: the accounts among theirs of which nothing may be left.
        """
        left = [self._left(one, hit, now, restricted) if one else None for one, hit in rows]
        groups = [one.link.group if one else 1 for one, _ in rows]
        told = iter(self.pages.only((row, group) for row, group in zip(left, groups, strict=True) if row is not None))
        return [next(told) if row is not None else None for row in left]

    def _left(self, one: Going, hit: Hit, now: datetime, restricted: Collection[int]) -> Hit | None:
        """Return what is left of a row for figures, under numbers that nothing leads back from after the visit.

        None where nothing may be left: without consent, or of an account that is restricted.
        """
        if not one.link.remainder_key or hit.basis != Basis.CONSENT or one.promotion.account_id in restricted:
            return None
        key = PseudonymKey(one.link.remainder_key)
        moment = hit.occurred_at.replace(tzinfo=UTC)
        of_the_day = self.pseudonyms.of_the_day(one.site_id, moment, one.promotion.account_id, now)
        return deidentify(
            hit,
            ZoneInfo(one.link.zone),
            hit_id=secrets.randbits(63),
            # Of a day that is over there is no key any more: then nobody is told apart but by this promotion.
            visitor_id=of_the_day if of_the_day is not None else key.pseudonym("visitor", day_of(moment)),
            # A row that is sealed already does not say of which visit it was: it was of this one.
            visit_id=key.pseudonym("visit", str(hit.visit_id or one.link.visit_id)),
        )
