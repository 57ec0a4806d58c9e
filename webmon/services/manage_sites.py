"""Adding sites, and the keys that belong to them."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol, TypeVar

import structlog

from webmon.domain.jurisdiction import Jurisdiction
from webmon.domain.login import LoginKey, public_key, read_login_key, shared_key
from webmon.domain.promotion import PROMOTE_DAYS_LIMIT, THIS_VISIT
from webmon.domain.scrub.rules import GuardRules, clean_parameters, clean_path_templates, clean_property_keys
from webmon.domain.site import CHOICE_DAYS_LIMIT, Mode, Site, clean_domain, clean_timezone
from webmon.errors import Conflict, InvalidInput, NotAuthenticated, SettingsError, UnknownSite
from webmon.stores.ports import Unit
from webmon.stores.ports.sites import KeptApiKey, SiteRepository, WrappedLoginKey

_T = TypeVar("_T")
_Given = TypeVar("_Given")
FIRST_EPOCH = 1
_LOGIN_KEY_BYTES = 32
# Each page of the site is told of them.
FAMILY_LIMIT = 20


class Scope(StrEnum):
    """What an API key may do on its site."""

    STATS = "stats"
    EVENTS = "events"
    LOGIN = "login"
    ADMIN = "admin"


class KeyWrapper(Protocol):
    def wrap(self, key: bytes, context: str) -> bytes: ...

    def unwrap(self, wrapped: bytes, context: str) -> bytes: ...


DAMAGED = "damaged"
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class KeptLoginKey:
    """A login key of a site, as it is kept under `number`.

    One that is damaged is told by its algorithm, and has a number of its own to be ended by.
    """

    number: int
    key: LoginKey
    created_at: datetime
    ends_at: datetime | None


@dataclass(frozen=True, slots=True)
class NewApiKey:
    """An API key that was just made: `text` is nowhere else."""

    kept: KeptApiKey
    text: str


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

    def adjust(
        self,
        site: Site,
        now: datetime,
        *,
        actor: str,
        jurisdiction: str | None = None,
        choice_days: int | None = None,
        share_subdomains: bool | None = None,
        promote_days: int | None = None,
        family: Iterable[str] | None = None,
        parameters: Iterable[str] | None = None,
        path_templates: Iterable[str] | None = None,
        property_keys: Iterable[str] | None = None,
    ) -> Site:
        """Change what is given of policy, choice and the guard's rules: all of it, or nothing where a part is wrong.

        `choice_days` is for how long an answer holds, a refusal like an acceptance, before it is asked for again;
        answers that were recorded keep the end that they have. With `share_subdomains` one choice holds on the domain
        and on all below it, else on each host for itself. `promote_days`: for how many days back a visitor's rows go
        to the account at sign-in, from the next on; 0 for the visit alone. `family`: domains of other sites here,
        with which there is one choice once they name this one in turn. What the site has already is no change.
        Raises `InvalidInput` naming the field, and of a rule the line that is wrong.
        """
        policy = site.jurisdiction if jurisdiction is None else _checked_policy(jurisdiction, site.mode)
        days = site.choice_days if choice_days is None else _checked_days(choice_days)
        back = site.promote_days if promote_days is None else _checked_promote_days(promote_days)
        rules = _checked_rules(site.rules, parameters, path_templates, property_keys)
        changed, detail = site, dict[str, str | int]()
        with self.unit() as sites:
            named = site.family if family is None else _checked_family(site, family, sites)
            if policy is not site.jurisdiction:
                changed = sites.change_jurisdiction(site.id, policy)
                detail["jurisdiction"] = policy.value
            if days != site.choice_days:
                changed = sites.change_choice_days(site.id, days)
                detail["choice_days"] = days
            if share_subdomains is not None and share_subdomains != site.share_subdomains:
                changed = sites.change_share_subdomains(site.id, share_subdomains)
                detail["share_subdomains"] = share_subdomains
            if back != site.promote_days:
                changed = sites.change_promote_days(site.id, back)
                detail["promote_days"] = back
            if named != site.family:
                changed = sites.change_family(site.id, named)
                detail["family"] = " ".join(named)
            if rules != site.rules:
                changed = sites.change_rules(site.id, rules)
                detail["parameters"] = " ".join(rules.parameters)
                detail["path_templates"] = " ".join(rules.path_templates)
                detail["property_keys"] = ", ".join(rules.property_keys)
            if detail:
                sites.audit.record(now, actor, "site.change", site_id=site.id, detail=detail)
        return changed

    def get(self, domain: str, field: str = "site") -> Site:
        """Return the site, or raise `UnknownSite` naming `field`."""
        with self.unit.reading() as sites:
            site = sites.by_domain(domain.strip().lower())
        if site is None:
            raise UnknownSite(domain, field)
        return site

    def all(self) -> Sequence[Site]:
        with self.unit.reading() as sites:
            return sites.all()

    def new_login_key(
        self,
        site: Site,
        now: datetime,
        *,
        actor: str,
        overlap: timedelta | None = None,
        replaces: str | None = None,
    ) -> str:
        """Make a secret that signs login tokens (HS256), and return it: it is shown once.

        Older keys go on to be accepted; with `overlap`, for that long: all of them, or that alone which it
        `replaces`. An empty number stands for the only one; raises `InvalidInput` naming ``replaces`` where there are
        several.
        """
        secret = secrets.token_urlsafe(_LOGIN_KEY_BYTES)
        self._add_login_key(site, shared_key(secret), now, actor, overlap, replaces)
        return secret

    def add_public_key(
        self,
        site: Site,
        text: str,
        now: datetime,
        *,
        actor: str,
        overlap: timedelta | None = None,
        replaces: str | None = None,
    ) -> LoginKey:
        """Register the public half of a key with which a backend signs login tokens (EdDSA): in PEM, or as a JWK.

        `overlap` and `replaces` as for `new_login_key`. Raises `InvalidInput` for what is none, `Conflict` for one
        that the site has.
        """
        key = _clean("public_key", public_key, text)
        self._add_login_key(site, key, now, actor, overlap, replaces)
        return key

    def login_keys(self, site: Site, now: datetime) -> list[LoginKey]:
        """Return the keys that a token may be signed with now, newest first."""
        with self.unit.reading() as sites:
            return self.good_login_keys(site, sites.login_keys(site.id), now)

    def good_login_keys(self, site: Site, kept: Sequence[WrappedLoginKey], now: datetime) -> list[LoginKey]:
        """Return those of the site's keys, as they are kept, that a token may be signed with now.

        One that is damaged is left out: with the others people go on to be signed in.
        """
        going = [self._login_key(site, one.wrapped) for one in kept if one.ends_at is None or now < one.ends_at]
        good = [key for key in going if key is not None]
        if len(good) < len(going):
            log.error("login_key.damaged", site_id=site.id, keys=len(going) - len(good))
        return good

    def kept_login_keys(self, site: Site) -> list[KeptLoginKey]:
        """Return the site's login keys, newest first, with those that have ended and are not deleted yet."""
        with self.unit.reading() as sites:
            return self._kept(sites, site)

    def end_login_key(self, site: Site, key_id: str, now: datetime, *, actor: str, after: timedelta) -> datetime:
        """Let a login key end `after` a while, and return when; raises `InvalidInput` for one of no such number."""
        ends_at = now + after
        with self.unit() as sites:
            found = [kept for kept in self._kept(sites, site) if kept.key.id == key_id]
            if not found:
                raise InvalidInput.field("key_id", f"{key_id[:40]!r} is no login key of {site.domain}")
            sites.end_login_keys([kept.number for kept in found], ends_at)
            detail = {"key_id": key_id, "ends_at": ends_at.isoformat()}
            sites.audit.record(now, actor, "login_key.end", site_id=site.id, detail=detail)
        return ends_at

    def prune_login_keys(self, now: datetime) -> int:
        """Delete login keys that have ended, and return how many."""
        with self.unit() as sites:
            return sites.delete_ended_login_keys(now)

    def _add_login_key(
        self,
        site: Site,
        key: LoginKey,
        now: datetime,
        actor: str,
        overlap: timedelta | None,
        replaces: str | None,
    ) -> None:
        with self.unit() as sites:
            older = self._kept(sites, site)
            if any(kept.key.id == key.id for kept in older):
                raise Conflict(f"The key {key.id} is one of {site.domain} already")
            if overlap is not None:
                ending = older if replaces is None else _replaced(older, replaces)
                sites.end_login_keys([kept.number for kept in ending], now + overlap)
            sites.add_login_key(site.id, self.vault.wrap(key.text.encode(), f"login:{site.id}"), now)
            detail = {"key_id": key.id, "algorithm": key.algorithm}
            sites.audit.record(now, actor, "login_key.add", site_id=site.id, detail=detail)

    def _kept(self, sites: SiteRepository, site: Site) -> list[KeptLoginKey]:
        return [
            KeptLoginKey(
                row.id,
                self._login_key(site, row.wrapped) or LoginKey(f"{DAMAGED}-{row.id}", DAMAGED, ""),
                row.created_at,
                row.ends_at,
            )
            for row in sites.login_keys(site.id)
        ]

    def _login_key(self, site: Site, wrapped: bytes) -> LoginKey | None:
        """Return the key; None for one that is damaged."""
        try:
            return read_login_key(self.vault.unwrap(wrapped, f"login:{site.id}").decode())
        except SettingsError:
            return None

    def new_api_key(self, site: Site, scope: str, now: datetime, *, actor: str) -> NewApiKey:
        """Make an API key, and return it: it is shown once, only its digest is kept. Older keys go on to hold."""
        kind = _clean("scope", Scope, scope)
        text = f"wm_{kind}_{secrets.token_urlsafe(32)}"
        with self.unit() as sites:
            kept = sites.add_api_key(site.id, kind, _digest(text), now)
            sites.audit.record(now, actor, "api_key.add", site_id=site.id, detail=_named(kept))
        return NewApiKey(kept, text)

    def api_keys(self, site: Site) -> Sequence[KeptApiKey]:
        """Return the site's API keys, newest first, with those that have ended."""
        with self.unit.reading() as sites:
            return sites.api_keys(site.id)

    def end_api_key(self, site: Site, number: int, now: datetime, *, actor: str) -> KeptApiKey:
        """End an API key at once, for good, and return it as it was.

        Raises `InvalidInput` where the site has none of that number, `Conflict` where it has ended already.
        """
        with self.unit() as sites:
            found = next((kept for kept in sites.api_keys(site.id) if kept.number == number), None)
            if found is None:
                raise InvalidInput.field("number", f"{str(number)[:40]} is no API key of {site.domain}")
            if not sites.end_api_key(number, now):
                raise Conflict(f"API key {number} of {site.domain} has ended already")
            sites.audit.record(now, actor, "api_key.end", site_id=site.id, detail=_named(found))
        return found

    def authenticate(self, key: str, scope: Scope) -> int:
        """Return the id of the site that the key opens, or raise `NotAuthenticated`.

        It is looked up each time: a key that somebody ended, in whichever process, opens nothing from then on. It is
        found by its SHA-256: a comparison of digests tells nothing about a key by its timing, and 256 random bits
        need no salt.
        """
        with self.unit.reading() as sites:
            found = sites.api_key(_digest(key))
        if found is not None and found.ended_at is not None:
            raise NotAuthenticated("this API key has ended", "authorization")
        if found is None or found.scope not in {scope, Scope.ADMIN}:
            raise NotAuthenticated(f"needs an API key of scope {scope}", "authorization")
        return found.site_id


def _replaced(older: Sequence[KeptLoginKey], key_id: str) -> Sequence[KeptLoginKey]:
    """The key of that number; without one the only key that goes on: another may be another backend's."""
    going = [kept for kept in older if kept.ends_at is None]
    found = [kept for kept in going if key_id in {"", kept.key.id}]
    if len(found) > 1 or (key_id and not found):
        numbers = ", ".join(kept.key.id for kept in going)
        raise InvalidInput.field(
            "replaces", f"must name the key that is to end, one of: {numbers or 'there is none'}"
        )
    return found


def _named(kept: KeptApiKey) -> dict[str, str | int]:
    return {"number": kept.number, "scope": kept.scope}


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def _checked(timezone: str, mode: str, minimum_group_count: int) -> tuple[str, Mode, int]:
    if not 1 <= minimum_group_count <= 1000:
        raise InvalidInput.field("minimum_group_count", "must be between 1 and 1000")
    return _clean("timezone", clean_timezone, timezone), _clean("mode", Mode, mode), minimum_group_count


def _checked_promote_days(days: int) -> int:
    if not THIS_VISIT <= days <= PROMOTE_DAYS_LIMIT:
        raise InvalidInput.field("promote_days", f"must be between {THIS_VISIT} and {PROMOTE_DAYS_LIMIT}")
    return days


def _checked_family(site: Site, family: Iterable[str], sites: SiteRepository) -> tuple[str, ...]:
    """The domains, each once; an empty line is none."""
    known = {one.domain for one in sites.all()}
    found = dict.fromkeys(_clean("family", clean_domain, name) for name in family if name.strip())
    for name in found:
        if name == site.domain:
            raise InvalidInput.field("family", f"{name} is the site itself")
        if name not in known:
            raise InvalidInput.field("family", f"{name[:80]!r} is not a site of this server")
    if len(found) > FAMILY_LIMIT:
        raise InvalidInput.field("family", f"names at most {FAMILY_LIMIT} sites")
    return tuple(sorted(found))


def _checked_days(choice_days: int) -> int:
    if not 1 <= choice_days <= CHOICE_DAYS_LIMIT:
        raise InvalidInput.field("choice_days", f"must be between 1 and {CHOICE_DAYS_LIMIT}")
    return choice_days


def _checked_rules(
    known: GuardRules,
    parameters: Iterable[str] | None,
    path_templates: Iterable[str] | None,
    property_keys: Iterable[str] | None,
) -> GuardRules:
    """The rules as they are, but for those that are given."""
    return GuardRules(
        known.parameters if parameters is None else _clean("parameters", clean_parameters, parameters),
        known.path_templates
        if path_templates is None
        else _clean("path_templates", clean_path_templates, path_templates),
        known.property_keys if property_keys is None else _clean("property_keys", clean_property_keys, property_keys),
    )


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
