"""Sites and their keys in the control database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, or_, select, update

from webmon.domain.jurisdiction import Jurisdiction
from webmon.domain.scrub.rules import GuardRules
from webmon.domain.site import Mode, Site
from webmon.errors import Conflict, NotFound
from webmon.stores.control.models import ApiKeyRow, EpochKeyRow, LeftPseudonymRow, LoginKeyRow, SiteRow
from webmon.stores.control.repository import Repository
from webmon.stores.ports.sites import KeptApiKey, LeftPseudonym, WrappedLoginKey


class SqlSites(Repository):
    def add(
        self, domain: str, timezone: str, mode: Mode, minimum_group_count: int, honour_dnt: bool, now: datetime
    ) -> Site:
        if self.by_domain(domain) is not None:
            raise Conflict(f"The site {domain} is there already")
        row = SiteRow(
            domain=domain,
            timezone=timezone,
            mode=mode.value,
            minimum_group_count=minimum_group_count,
            honour_dnt=honour_dnt,
            created_at=now,
        )
        self._session.add(row)
        self._session.flush()
        return _site(row)

    def change(self, site_id: int, timezone: str, mode: Mode, minimum_group_count: int, honour_dnt: bool) -> Site:
        row = self._session.get(SiteRow, site_id)
        if row is None:
            raise NotFound("There is no such site")
        row.timezone, row.mode, row.minimum_group_count = timezone, mode.value, minimum_group_count
        row.honour_dnt = honour_dnt
        return _site(row)

    def change_jurisdiction(self, site_id: int, jurisdiction: Jurisdiction) -> Site:
        row = self._session.get(SiteRow, site_id)
        if row is None:
            raise NotFound("There is no such site")
        row.jurisdiction = jurisdiction.value
        return _site(row)

    def change_rules(self, site_id: int, rules: GuardRules) -> Site:
        row = self._session.get(SiteRow, site_id)
        if row is None:
            raise NotFound("There is no such site")
        row.allowed_parameters = "\n".join(rules.parameters)
        row.path_templates = "\n".join(rules.path_templates)
        row.property_keys = "\n".join(rules.property_keys)
        return _site(row)

    def change_choice_days(self, site_id: int, choice_days: int) -> Site:
        row = self._session.get(SiteRow, site_id)
        if row is None:
            raise NotFound("There is no such site")
        row.choice_days = choice_days
        return _site(row)

    def change_share_subdomains(self, site_id: int, share: bool) -> Site:
        row = self._session.get(SiteRow, site_id)
        if row is None:
            raise NotFound("There is no such site")
        row.share_subdomains = share
        return _site(row)

    def change_promote_days(self, site_id: int, promote_days: int) -> Site:
        row = self._session.get(SiteRow, site_id)
        if row is None:
            raise NotFound("There is no such site")
        row.promote_days = promote_days
        return _site(row)

    def change_family(self, site_id: int, family: Sequence[str]) -> Site:
        row = self._session.get(SiteRow, site_id)
        if row is None:
            raise NotFound("There is no such site")
        row.family = "\n".join(family)
        return _site(row)

    def by_domain(self, domain: str) -> Site | None:
        row = self._session.scalar(select(SiteRow).where(SiteRow.domain == domain))
        return _site(row) if row else None

    def all(self) -> Sequence[Site]:
        return [_site(row) for row in self._session.scalars(select(SiteRow).order_by(SiteRow.domain))]

    def add_epoch_key(self, site_id: int, epoch: int, wrapped: bytes, now: datetime) -> None:
        self._session.add(EpochKeyRow(site_id=site_id, epoch=epoch, wrapped_key=wrapped, created_at=now))

    def epoch_keys(self, site_id: int) -> Sequence[tuple[int, bytes, datetime]]:
        rows = self._session.scalars(
            select(EpochKeyRow).where(EpochKeyRow.site_id == site_id).order_by(EpochKeyRow.epoch.desc())
        )
        return [(row.epoch, row.wrapped_key, row.created_at) for row in rows]

    def left_pseudonyms(self, site_id: int) -> Sequence[LeftPseudonym]:
        rows = self._session.execute(
            select(LeftPseudonymRow.site_id, LeftPseudonymRow.epoch, LeftPseudonymRow.mark).where(
                LeftPseudonymRow.site_id == site_id
            )
        )
        return [LeftPseudonym(*row) for row in rows]

    def destroy_epoch_keys(self, site_id: int, epochs: Sequence[int]) -> None:
        for table in (EpochKeyRow, LeftPseudonymRow):
            self._session.execute(delete(table).where(table.site_id == site_id, table.epoch.in_(epochs)))

    def add_login_key(self, site_id: int, wrapped: bytes, now: datetime) -> None:
        self._session.add(LoginKeyRow(site_id=site_id, wrapped_key=wrapped, created_at=now))

    def login_keys(self, site_id: int) -> Sequence[WrappedLoginKey]:
        rows = self._session.scalars(
            select(LoginKeyRow).where(LoginKeyRow.site_id == site_id).order_by(LoginKeyRow.id.desc())
        )
        return [WrappedLoginKey(row.id, row.wrapped_key, row.created_at, row.ends_at) for row in rows]

    def end_login_keys(self, key_ids: Sequence[int], ends_at: datetime) -> None:
        self._session.execute(
            update(LoginKeyRow)
            .where(LoginKeyRow.id.in_(key_ids), or_(LoginKeyRow.ends_at.is_(None), LoginKeyRow.ends_at > ends_at))
            .values(ends_at=ends_at)
        )

    def delete_ended_login_keys(self, now: datetime) -> int:
        gone = self._session.execute(delete(LoginKeyRow).where(LoginKeyRow.ends_at <= now))
        return int(getattr(gone, "rowcount", 0))

    def add_api_key(self, site_id: int, scope: str, digest: str, now: datetime) -> KeptApiKey:
        row = ApiKeyRow(site_id=site_id, scope=scope, digest=digest, created_at=now)
        self._session.add(row)
        self._session.flush()
        return _api_key(row)

    def api_key(self, digest: str) -> KeptApiKey | None:
        row = self._session.scalar(select(ApiKeyRow).where(ApiKeyRow.digest == digest))
        return _api_key(row) if row else None

    def api_keys(self, site_id: int) -> Sequence[KeptApiKey]:
        rows = self._session.scalars(
            select(ApiKeyRow).where(ApiKeyRow.site_id == site_id).order_by(ApiKeyRow.id.desc())
        )
        return [_api_key(row) for row in rows]

    def end_api_key(self, number: int, now: datetime) -> bool:
        ended = self._session.execute(
            update(ApiKeyRow).where(ApiKeyRow.id == number, ApiKeyRow.ended_at.is_(None)).values(ended_at=now)
        )
        return bool(getattr(ended, "rowcount", 0))


def _api_key(row: ApiKeyRow) -> KeptApiKey:
    return KeptApiKey(row.id, row.site_id, row.scope, row.created_at, row.ended_at)


def _site(row: SiteRow) -> Site:
    rules = GuardRules(_lines(row.allowed_parameters), _lines(row.path_templates), _lines(row.property_keys))
    return Site(
        row.id,
        row.domain,
        row.timezone,
        Mode(row.mode),
        row.minimum_group_count,
        row.created_at,
        rules,
        row.honour_dnt,
        Jurisdiction(row.jurisdiction),
        row.choice_days,
        row.share_subdomains,
        row.promote_days,
        _lines(row.family),
    )


def _lines(text: str) -> tuple[str, ...]:
    return tuple(text.split("\n")) if text else ()
