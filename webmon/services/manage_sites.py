"""Adding sites, and the keys that belong to them."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol, TypeVar

from webmon.domain.jurisdiction import Jurisdiction
from webmon.domain.promotion import PROMOTE_DAYS_LIMIT, THIS_VISIT
from webmon.domain.scrub.rules import GuardRules, clean_parameters, clean_path_templates, clean_property_keys
from webmon.domain.site import CHOICE_DAYS_LIMIT, Mode, Site, clean_domain, clean_timezone
from webmon.errors import InvalidInput, NotAuthenticated, UnknownSite
from webmon.stores.ports import Unit
from webmon.stores.ports.sites import SiteRepository

_T = TypeVar("_T")
_Given = TypeVar("_Given")
FIRST_EPOCH = 1
_LOGIN_KEY_BYTES = 32


class Scope(StrEnum):
    """What an API key may do on its site."""

    STATS = "stats"
    EVENTS = "events"
    ADMIN = "admin"


class KeyWrapper(Protocol):
    def wrap(self, key: bytes, context: str) -> bytes: ...

    def unwrap(self, wrapped: bytes, context: str) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Sites:
    """Everything about sites that is not measurement. `prepare` runs inside the transaction that adds one."""

    unit: Unit[SiteRepository]
    vault: KeyWrapper

    def add(
        self,
        domain: str,
        now: datetime,
        *,
        actor: str,
        timezone: str = "UTC",
        mode: str = Mode.CONSENTED_ONLY,
        minimum_group_count: int = 1,
        honour_dnt: bool = False,
        jurisdiction: str = Jurisdiction.EVERYWHERE_OPT_IN,
        prepare: Callable[[SiteRepository, Site], None] | None = None,
    ) -> Site:
        """Add a site with its first pseudonym key.

        Raises `InvalidInput` naming the field, or `Conflict` where the site is there already.
        """
        values = _checked(timezone, mode, minimum_group_count)
        policy = _checked_policy(jurisdiction, values[1])
        name = _clean("domain", clean_domain, domain)
        with self.unit() as sites:
            site = sites.add(name, *values, honour_dnt, now)
            site = sites.change_jurisdiction(site.id, policy)
            key = self.vault.wrap(secrets.token_bytes(32), f"epoch:{site.id}:{FIRST_EPOCH}")
            sites.add_epoch_key(site.id, FIRST_EPOCH, key, now)
            if prepare is not None:
                prepare(sites, site)
            detail = {"domain": name, "mode": site.mode.value, "jurisdiction": policy.value}
            sites.audit.record(now, actor, "site.add", site_id=site.id, detail=detail)
        return site

    def change(
        self,
        site: Site,
        now: datetime,
        *,
        actor: str,
        timezone: str,
        mode: str,
        minimum_group_count: int,
        honour_dnt: bool = False,
        jurisdiction: str | None = None,
    ) -> Site:
        """Put these settings in the place of those the site has; without a jurisdiction, it keeps its own."""
        values = _checked(timezone, mode, minimum_group_count)
        policy = _checked_policy(jurisdiction or site.jurisdiction, values[1])
        with self.unit() as sites:
            sites.change(site.id, *values, honour_dnt)
            changed = sites.change_jurisdiction(site.id, policy)
            detail: dict[str, str | int] = {
                "timezone": changed.timezone,
                "mode": changed.mode.value,
                "minimum_group_count": minimum_group_count,
                "honour_dnt": honour_dnt,
                "jurisdiction": policy.value,
            }
            sites.audit.record(now, actor, "site.change", site_id=site.id, detail=detail)
        return changed

    def change_policy(self, site: Site, jurisdiction: str, now: datetime, *, actor: str) -> Site:
        """Let the site choose its visitors' policy otherwise; raises `InvalidInput` where its mode does not fit."""
        policy = _checked_policy(jurisdiction, site.mode)
        with self.unit() as sites:
            changed = sites.change_jurisdiction(site.id, policy)
            detail = {"jurisdiction": policy.value}
            sites.audit.record(now, actor, "site.change", site_id=site.id, detail=detail)
        return changed

    def change_choice_days(self, site: Site, choice_days: int, now: datetime, *, actor: str) -> Site:
        """Set for how long an answer holds, a refusal like an acceptance, before it is asked for again.

        Answers that were recorded keep the end that they have. Raises `InvalidInput`.
        """
        if not 1 <= choice_days <= CHOICE_DAYS_LIMIT:
            raise InvalidInput.field("choice_days", f"must be between 1 and {CHOICE_DAYS_LIMIT}")
        if choice_days == site.choice_days:
            return site
        with self.unit() as sites:
            changed = sites.change_choice_days(site.id, choice_days)
            sites.audit.record(now, actor, "site.change", site_id=site.id, detail={"choice_days": choice_days})
        return changed

    def change_promote_days(self, site: Site, promote_days: int, now: datetime, *, actor: str) -> Site:
        """Set for how many days back a visitor's rows go to the account at sign-in; 0 for the visit alone.

        It holds for the sign-ins that follow. Raises `InvalidInput`.
        """
        if not THIS_VISIT <= promote_days <= PROMOTE_DAYS_LIMIT:
            raise InvalidInput.field("promote_days", f"must be between {THIS_VISIT} and {PROMOTE_DAYS_LIMIT}")
        if promote_days == site.promote_days:
            return site
        with self.unit() as sites:
            changed = sites.change_promote_days(site.id, promote_days)
            sites.audit.record(now, actor, "site.change", site_id=site.id, detail={"promote_days": promote_days})
        return changed

    def change_rules(
        self,
        site: Site,
        now: datetime,
        *,
        actor: str,
        parameters: Iterable[str],
        path_templates: Iterable[str],
        property_keys: Iterable[str],
    ) -> Site:
        """Put the guard's rules in the place of those the site has; the same ones again are no change.

        Raises `InvalidInput` naming the field, and the line in it that is wrong.
        """
        rules = GuardRules(
            _clean("parameters", clean_parameters, parameters),
            _clean("path_templates", clean_path_templates, path_templates),
            _clean("property_keys", clean_property_keys, property_keys),
        )
        if rules == site.rules:
            return site
        with self.unit() as sites:
            changed = sites.change_rules(site.id, rules)
            detail = {
                "parameters": " ".join(rules.parameters),
                "path_templates": " ".join(rules.path_templates),
                "property_keys": ", ".join(rules.property_keys),
            }
            sites.audit.record(now, actor, "site.change", site_id=site.id, detail=detail)
        return changed

    def get(self, domain: str, field: str = "site") -> Site:
        """Return the site, or raise `UnknownSite` naming `field`."""
        with self.unit() as sites:
            site = sites.by_domain(domain.strip().lower())
        if site is None:
            raise UnknownSite(domain, field)
        return site

    def all(self) -> Sequence[Site]:
        with self.unit() as sites:
            return sites.all()

    def new_login_key(self, site: Site, now: datetime, *, actor: str) -> str:
        """Make the key that signs login tokens, and return it: it is shown once. Older ones go on to be accepted."""
        key = secrets.token_urlsafe(_LOGIN_KEY_BYTES)
        with self.unit() as sites:
            sites.add_login_key(site.id, self.vault.wrap(key.encode(), f"login:{site.id}"), now)
            sites.audit.record(now, actor, "login_key.add", site_id=site.id)
        return key

    def login_keys(self, site: Site) -> list[str]:
        with self.unit() as sites:
            wrapped = sites.login_keys(site.id)
        return [self.vault.unwrap(key, f"login:{site.id}").decode() for key in wrapped]

    def new_api_key(self, site: Site, scope: str, now: datetime, *, actor: str) -> str:
        """Make an API key, and return it: it is shown once, only its digest is kept."""
        kind = _clean("scope", Scope, scope)
        key = f"wm_{kind}_{secrets.token_urlsafe(32)}"
        with self.unit() as sites:
            sites.add_api_key(site.id, kind, _digest(key), now)
            sites.audit.record(now, actor, "api_key.add", site_id=site.id, detail={"scope": kind})
        return key

    def authenticate(self, key: str, scope: Scope) -> int:
        """Return the id of the site that the key opens, or raise `NotAuthenticated`.

        The key is looked up by its SHA-256: a comparison of digests tells nothing about a key by its timing, and 256
        random bits need no salt.
        """
        with self.unit() as sites:
            found = sites.api_key(_digest(key))
        if found is None or found[1] not in {scope, Scope.ADMIN}:
            raise NotAuthenticated(f"needs an API key of scope {scope}", "authorization")
        return found[0]


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def _checked(timezone: str, mode: str, minimum_group_count: int) -> tuple[str, Mode, int]:
    if not 1 <= minimum_group_count <= 1000:
        raise InvalidInput.field("minimum_group_count", "must be between 1 and 1000")
    return _clean("timezone", clean_timezone, timezone), _clean("mode", Mode, mode), minimum_group_count


def _checked_policy(jurisdiction: str, mode: Mode) -> Jurisdiction:
    policy = _clean("jurisdiction", Jurisdiction, jurisdiction)
    if policy is Jurisdiction.EXEMPT and mode is Mode.CONSENTED_ONLY:
        raise InvalidInput.field("jurisdiction", f"{policy} needs a mode that measures without identifiers")
    return policy


def _clean(field: str, parse: Callable[[_Given], _T], given: _Given) -> _T:
    try:
        return parse(given)
    except ValueError as error:
        raise InvalidInput.field(field, str(error)) from error
