"""Reading the account log: each reading is on record before a row is shown (invariant 8).

By the person; and by staff with the role `privacy`, who say why, and which fields they need.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from webmon.domain.access import EVERY_FIELD, IDENTITY, check_asked, clean_fields, narrowed
from webmon.domain.hit import Hit
from webmon.domain.login import LoginKey, check_token
from webmon.domain.site import Site
from webmon.domain.staff import Role, Staff
from webmon.errors import InvalidInput, NotAllowed, NotFound
from webmon.services.account_keys import AccountKeys, Vault
from webmon.services.sign_in import use_up
from webmon.stores.ports import Unit
from webmon.stores.ports.accounts import Account, AccountRead, AccountRepository

ROWS_SHOWN = 1000
# What a person is shown of their own account: whom it names, and everything of its rows.
_OWN_FIELDS = f"{IDENTITY}, {EVERY_FIELD}"
_Detail = dict[str, str | int | bool | None]


@dataclass(frozen=True, slots=True)
class Question:
    """What a privacy officer asks: about whom (identifier at the website, or account number), why, which fields.

    `restricted_use`: they say that it is at the person's request or for legal claims, as a restricted account needs.
    """

    subject: str
    account_id: int | None
    reason: str
    fields: tuple[str, ...]
    restricted_use: bool = False


@dataclass(frozen=True, slots=True)
class Shown:
    """What they are shown: the fields asked for, newest rows first; `more`: older rows are left.

    `restricted_at`: since when the account is restricted, where it is.
    """

    account_id: int
    reason: str
    fields: tuple[str, ...]
    identity: Mapping[str, str]
    rows: list[dict[str, Any]]
    more: bool
    restricted_at: datetime | None


@dataclass(frozen=True, slots=True)
class OwnAccount:
    """What is held about a person's own account: `sub`, `email` and `name`, and rows, the newest first."""

    identity: Mapping[str, str]
    rows: list[Hit]


@dataclass(frozen=True, slots=True)
class AccountReader:
    unit: Unit[AccountRepository]
    keys: AccountKeys
    login_keys: Callable[[Site, datetime], Sequence[LoginKey]]
    vault: Vault

    def identify(self, site: Site, token: str, now: datetime) -> int:
        """Return the account of whoever holds the token, using it up.

        Raises `NotAuthenticated` for a token that does not hold, `NotFound` for an account without any log.
        """
        claims = check_token(token, self.login_keys(site, now), site.domain, now)
        with self.unit() as accounts:
            use_up(accounts, self.vault, site, claims)
            found = accounts.find(site.id, self.keys.digest(site, claims.subject))
        if found is None:
            raise NotFound("Nothing is held about this account")
        return found.id

    def signed_out_since(self, account_id: int, moment: datetime) -> bool:
        """Whether the account has signed out on the website after that moment."""
        with self.unit.reading() as accounts:
            last = accounts.signed_out_at(account_id)
        return last is not None and last > moment

    def hits(
        self,
        site: Site,
        account_id: int,
        now: datetime,
        *,
        actor: str,
        reason: str,
        fields: str = EVERY_FIELD,
        limit: int | None = ROWS_SHOWN,
        skip: int = 0,
    ) -> list[Hit]:
        """Return rows of an account, decrypted, the oldest first; the reading is in the audit trail before.

        `limit`: the newest so many, past the newest `skip`; None for all. Of an account that was erased there is
        none.
        """
        detail: _Detail = {"account_id": account_id, "reason": reason, "fields": fields}
        with self.unit() as accounts:
            accounts.audit.record(now, actor, "account_log.read", site_id=site.id, detail=detail)
        return [] if self.keys.is_gone(account_id) else self._opened(account_id, limit, skip)

    def own(self, site: Site, account_id: int, now: datetime, *, reason: str, limit: int | None) -> OwnAccount:
        """Show their account to its holder; nothing of one that was erased. The reading is on record before."""
        actor = f"account:{account_id}"
        rows = self.hits(site, account_id, now, actor=actor, reason=reason, fields=_OWN_FIELDS, limit=limit)
        identity = {} if self.keys.is_gone(account_id) else self.keys.identity(account_id)
        return OwnAccount(identity, rows[::-1])

    def show(
        self, member: Staff, site: Site, asked: Question, now: datetime, *, skip: int = 0, limit: int | None = None
    ) -> Shown:
        """Show somebody's rows to a privacy officer, `limit` of them past the newest `skip`.

        Raises `NotAllowed` for any other role, `InvalidInput` naming the field, and `NotFound` where nothing is held;
        that it was asked is on record then as well, and where the account is restricted but the use is none of those
        that this allows (naming ``restricted_use``).
        """
        if member.role_on(site.id) is not Role.PRIVACY:
            raise NotAllowed("Rows of a person are read by staff with the role privacy alone")
        reason, fields = _cleaned(asked)
        with self.unit() as accounts:
            account = self.keys.named(accounts, site, asked.subject, asked.account_id)
            action, detail = _record(account, asked, reason, fields)
            accounts.audit.record(now, member.email, action, site_id=site.id, detail=detail)
        if account is None:
            raise NotFound("Nothing is held about such an account")
        if account.restricted_at and not asked.restricted_use:
            since = f"{account.restricted_at:%Y-%m-%d %H:%M} UTC"
            raise InvalidInput.field(
                "restricted_use", f"must be ticked, where it is so: the account is restricted since {since}"
            )
        hits = self._opened(account.id, None if limit is None else limit + 1, skip)[::-1]
        rows = [narrowed(hit, fields) for hit in hits[:limit]]
        identity = self.keys.identity(account.id) if IDENTITY in fields else {}
        return Shown(account.id, reason, fields, identity, rows, len(hits) > len(rows), account.restricted_at)

    def holds_any(self, site: Site) -> bool:
        """Whether the site's account log holds anything, about whomever."""
        with self.unit.reading() as accounts:
            return accounts.count_hits(site.id) > 0

    def reads(self, site: Site, account_id: int) -> Sequence[AccountRead]:
        """Return who read the account's rows, newest first."""
        with self.unit.reading() as accounts:
            return accounts.reads(site.id, account_id)

    def _opened(self, account_id: int, limit: int | None, skip: int) -> list[Hit]:
        with self.unit.reading() as accounts:
            rows = accounts.hits(account_id, limit, skip)
        hits = self.keys.open_all(account_id, rows)
        return sorted(hits, key=lambda hit: hit.occurred_at)


def _record(account: Account | None, asked: Question, reason: str, fields: Sequence[str]) -> tuple[str, _Detail]:
    """What goes on record of a question, and under which name."""
    if account is None:
        return "account_log.search", {"found": False, "reason": reason}
    detail: _Detail = {"account_id": account.id, "reason": reason}
    if account.restricted_at is not None:
        detail["restricted"] = True
        if not asked.restricted_use:
            return "account_log.search", detail | {"found": True}
    return "account_log.read", detail | {"fields": ", ".join(fields)}


def _cleaned(asked: Question) -> tuple[str, tuple[str, ...]]:
    reason, errors = check_asked(asked.subject, asked.account_id, asked.reason)
    fields = tuple[str, ...]()
    try:
        fields = clean_fields(asked.fields)
    except ValueError as error:
        errors["fields"] = [str(error)]
    if errors:
        raise InvalidInput(errors)
    return reason, fields
