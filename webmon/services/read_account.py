"""Reading the account log: each reading is on record before a row is shown (invariant 8).

By the person; and by staff with the role `privacy`, who say why, and which fields they need.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from webmon.domain.access import EVERY_FIELD, IDENTITY, check_asked, clean_fields, narrowed
from webmon.domain.hit import AccountRow, Hit
from webmon.domain.login import LoginKey, check_token
from webmon.domain.site import Site
from webmon.domain.staff import Role, Staff
from webmon.errors import InvalidInput, NotAllowed, NotFound
from webmon.services.account_keys import AccountKeys, Opened, Vault
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

    `restricted_at`: since when the account is restricted, where it is. `unopened_count`: rows that are left out, as
    they do not open.
    """

    account_id: int
    reason: str
    fields: tuple[str, ...]
    identity: Mapping[str, str]
    rows: list[dict[str, Any]]
    more: bool
    restricted_at: datetime | None
    unopened_count: int = 0


@dataclass(frozen=True, slots=True)
class OwnAccount:
    """What is held about a person's own account: `sub`, `email` and `name`, and rows, the newest first."""

    identity: Mapping[str, str]
    rows: Sequence[AccountRow]
    unopened_count: int = 0


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
        """Return the rows of `read`, without how many do not open."""
        read = self.read(site, account_id, now, actor=actor, reason=reason, fields=fields, limit=limit, skip=skip)
        return list(read.rows)

    def read(
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
    ) -> Opened:
        """Return rows of an account, decrypted, the oldest first; the reading is in the audit trail before.

        `limit`: the newest so many, past the newest `skip`; None for all. Of an account that was erased there is
        none.
        """
        detail: _Detail = {"account_id": account_id, "reason": reason, "fields": fields}
        with self.unit() as accounts:
            accounts.audit.record(now, actor, "account_log.read", site_id=site.id, detail=detail)
        return Opened([]) if self.keys.is_destroyed(account_id) else self._opened(account_id, limit, skip)[0]

    def own(self, site: Site, account_id: int, now: datetime, *, reason: str, limit: int | None) -> OwnAccount:
        """Show their account to its holder; nothing of one that was erased. The reading is on record before."""
        actor = f"account:{account_id}"
        read = self.read(site, account_id, now, actor=actor, reason=reason, fields=_OWN_FIELDS, limit=limit)
        identity = {} if self.keys.is_destroyed(account_id) else self.keys.identity(account_id)
        return OwnAccount(identity, read.rows[::-1], read.unopened_count)

    def show(self, member: Staff, site: Site, asked: Question, now: datetime, *, limit: int, skip: int = 0) -> Shown:
        """Show somebody's rows to a privacy officer, `limit` of them past the newest `skip`.

        Raises `NotAllowed` for any other role, `InvalidInput` naming the field, and `NotFound` where nothing is held;
        that it was asked is on record then as well, and where the account is restricted but the use is none of those
        that this allows (naming ``restricted_use``).
        """
        account, reason, fields = self._on_record(member, site, asked, now, "account_log.read")
        opened, more = self._opened(account.id, limit, skip)
        return self._shown(account, reason, fields, opened, more=more)

    def export(self, member: Staff, site: Site, asked: Question, now: datetime) -> Shown:
        """Return every row, for a file that a privacy officer takes along; else as `show`."""
        account, reason, fields = self._on_record(member, site, asked, now, "account_log.export")
        opened, _ = self._opened(account.id, None, 0)
        return self._shown(account, reason, fields, opened, more=False)

    def holds_any(self, site: Site) -> bool:
        """Whether the site's account log holds anything, about whomever."""
        with self.unit.reading() as accounts:
            return accounts.count_hits(site.id) > 0

    def reads(self, site: Site, account_id: int) -> Sequence[AccountRead]:
        """Return who read the account's rows, newest first."""
        with self.unit.reading() as accounts:
            return accounts.reads(site.id, account_id)

    def _on_record(
        self, member: Staff, site: Site, asked: Question, now: datetime, action: str
    ) -> tuple[Account, str, tuple[str, ...]]:
        """Put the question on record, as `action` where it is answered; return whose rows, why and which fields."""
        if member.role_on(site.id) is not Role.PRIVACY:
            raise NotAllowed("Rows of a person are read by staff with the role privacy alone")
        reason, fields = _cleaned(asked)
        with self.unit() as accounts:
            account = self.keys.named(accounts, site, asked.subject, asked.account_id)
            recorded, detail = _record(account, asked, reason, fields, action)
            accounts.audit.record(now, member.email, recorded, site_id=site.id, detail=detail)
        if account is None:
            raise NotFound("Nothing is held about such an account")
        if account.restricted_at and not asked.restricted_use:
            since = f"{account.restricted_at:%Y-%m-%d %H:%M} UTC"
            raise InvalidInput.field(
                "restricted_use", f"must be ticked, where it is so: the account is restricted since {since}"
            )
        return account, reason, fields

    def _shown(self, account: Account, reason: str, fields: tuple[str, ...], opened: Opened, *, more: bool) -> Shown:
        rows = [narrowed(hit, fields) for hit in opened.rows[::-1]]
        identity = self.keys.identity(account.id) if IDENTITY in fields else {}
        left = opened.unopened_count
        return Shown(account.id, reason, fields, identity, rows, more, account.restricted_at, left)

    def _opened(self, account_id: int, limit: int | None, skip: int) -> tuple[Opened, bool]:
        """Rows, the oldest first, and whether there are older ones."""
        with self.unit.reading() as accounts:
            found = accounts.hits(account_id, None if limit is None else limit + 1, skip)
        opened = self.keys.open_all(account_id, found[:limit])
        rows = sorted(opened.rows, key=lambda hit: hit.occurred_at)
        return Opened(rows, opened.unopened_count), limit is not None and len(found) > limit


def _record(
    account: Account | None, asked: Question, reason: str, fields: Sequence[str], action: str
) -> tuple[str, _Detail]:
    """What goes on record of a question, and under which name: `action` where it is answered."""
    if account is None:
        return "account_log.search", {"found": False, "reason": reason}
    detail: _Detail = {"account_id": account.id, "reason": reason}
    if account.restricted_at is not None:
        detail["restricted"] = True
        if not asked.restricted_use:
            return "account_log.search", detail | {"found": True}
    return action, detail | {"fields": ", ".join(fields)}


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
