"""Each class of information as something that grows old: how to count it, and how to delete it for good."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from webmon.domain.checkpoint import AUDIT_ANCHOR, CONSENT_ANCHOR, move_anchor
from webmon.domain.signing import SigningKey
from webmon.domain.site import Site
from webmon.stores.control.accounts import SqlAccounts
from webmon.stores.control.audit import SqlAuditTrail
from webmon.stores.control.consent import SqlConsents
from webmon.stores.control.consent_figures import SqlConsentFigures
from webmon.stores.control.database import ControlDatabase

if TYPE_CHECKING:
    from webmon.stores.events.duckdb import DuckDBEventLog


def _id(site: Site | None) -> int:
    if site is None:
        raise ValueError("This class of information belongs to a site")
    return site.id


class ExpiringEvents:
    """The event log: whole months go as files, the rest is deleted and its month rewritten."""

    def __init__(self, events: DuckDBEventLog) -> None:
        self._events = events

    def count(self, site: Site | None) -> int:
        return self._events.count(_id(site))

    def count_before(self, site: Site | None, cutoff: datetime) -> int:
        return self._events.count_before(_id(site), cutoff)

    def count_restricted_before(self, site: Site | None, cutoff: datetime) -> int:  # noqa: ARG002
        return 0

    def delete_before(self, site: Site | None, cutoff: datetime, now: datetime) -> int:  # noqa: ARG002
        gone = self._events.delete_before(_id(site), cutoff)
        self._events.compact()
        return gone


class ExpiringAccounts:
    def __init__(self, database: ControlDatabase) -> None:
        self._database = database
        self._unit = database.unit(SqlAccounts)

    def count(self, site: Site | None) -> int:
        with self._unit() as accounts:
            return accounts.count_hits(_id(site))

    def count_before(self, site: Site | None, cutoff: datetime) -> int:
        with self._unit() as accounts:
            return accounts.count_hits_before(_id(site), cutoff)

    def count_restricted_before(self, site: Site | None, cutoff: datetime) -> int:
        with self._unit() as accounts:
            return accounts.count_restricted_before(_id(site), cutoff)

    def delete_before(self, site: Site | None, cutoff: datetime, now: datetime) -> int:  # noqa: ARG002
        with self._unit() as accounts:
            gone = accounts.delete_hits_before(_id(site), cutoff)
        self._database.scrub_or_later()
        return gone


class ExpiringConsents:
    """The consent ledger, and the figures of how notices were answered, which are kept as long."""

    def __init__(self, database: ControlDatabase, key: Callable[[], SigningKey]) -> None:
        self._database, self._key = database, key
        self._unit = database.unit(SqlConsents)
        self._figures = database.unit(SqlConsentFigures)

    def count(self, site: Site | None) -> int:
        with self._unit() as consents:
            records = consents.count(_id(site))
        with self._figures() as figures:
            return records + figures.count(_id(site))

    def count_before(self, site: Site | None, cutoff: datetime) -> int:
        with self._unit() as consents:
            records = consents.count_before(_id(site), cutoff)
        with self._figures() as figures:
            return records + figures.count_before(_id(site), cutoff.date())

    def count_restricted_before(self, site: Site | None, cutoff: datetime) -> int:  # noqa: ARG002
        return 0

    def delete_before(self, site: Site | None, cutoff: datetime, now: datetime) -> int:
        domain = site.domain if site else ""
        move = partial(move_anchor, self._key(), kind=CONSENT_ANCHOR, site=domain)
        with self._unit() as consents:
            gone = consents.delete_before(_id(site), cutoff, now, move)
        with self._figures() as figures:
            gone += figures.delete_before(_id(site), cutoff.date())
        self._database.scrub_or_later()
        return gone


class ExpiringAudit:
    """The audit trail is one chain for the installation."""

    def __init__(self, database: ControlDatabase, key: Callable[[], SigningKey]) -> None:
        self._database, self._key = database, key

    def count(self, site: Site | None) -> int:  # noqa: ARG002
        return self._with(lambda trail: trail.count())

    def count_before(self, site: Site | None, cutoff: datetime) -> int:  # noqa: ARG002
        return self._with(lambda trail: trail.count_before(cutoff))

    def count_restricted_before(self, site: Site | None, cutoff: datetime) -> int:  # noqa: ARG002
        return 0

    def delete_before(self, site: Site | None, cutoff: datetime, now: datetime) -> int:  # noqa: ARG002
        move = partial(move_anchor, self._key(), kind=AUDIT_ANCHOR)
        gone = self._with(lambda trail: trail.delete_before(cutoff, now, move))
        self._database.scrub_or_later()
        return gone

    def _with(self, act: Callable[[SqlAuditTrail], int]) -> int:
        with self._database.session() as session:
            return act(SqlAuditTrail(session))
