"""The guard of staff pages: who is signed in, and whether their role reaches this far."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import wraps
from typing import Any

from flask import abort, g, redirect, request, session, url_for

from webmon.clock import Clock
from webmon.domain.site import Site
from webmon.domain.staff import Role, Staff
from webmon.errors import NotAllowed, UnknownSite
from webmon.services.manage_sites import Sites
from webmon.services.manage_staff import StaffAccounts
from webmon.services.refused_attempts import Refusals
from webmon.web.shared.guard import View

SESSION_KEY = "staff"


@dataclass(frozen=True, slots=True)
class _Reach:
    """Which roles reach a page, and what the audit trail calls it where somebody's does not, if anything."""

    roles: frozenset[Role]
    refused: str

    @property
    def told(self) -> str:
        return f"Your role does not reach this page, which is for {' and '.join(sorted(self.roles))}"


@dataclass(frozen=True, slots=True)
class StaffGuard:
    """Implements `webmon.web.shared.guard.Guard` on the sessions of staff members."""

    staff: StaffAccounts
    sites: Sites
    refusals: Refusals
    clock: Clock

    def roles(self, *allowed: Role, refused: str = "") -> Callable[[View], View]:
        return self._wrapping(_Reach(frozenset({*allowed, Role.OWNER}), refused))

    def rows_of_persons(self) -> Callable[[View], View]:
        return self._wrapping(_Reach(frozenset({Role.PRIVACY}), "account_log.refused"))

    def _wrapping(self, reach: _Reach) -> Callable[[View], View]:
        def wrap(view: View) -> View:
            @wraps(view)
            def guarded(*args: Any, **kwargs: Any) -> Any:
                member = self.member()
                if member is None:
                    return redirect(url_for("staff.sign_in", next=_where_to()))
                g.staff = member
                if "domain" in kwargs:
                    kwargs["site"] = self._site(member, kwargs.pop("domain"), reach)
                elif reach.roles.isdisjoint(member.roles.values()):
                    self._note(member, reach, member.roles.values())
                    raise NotAllowed(reach.told)
                return view(*args, **kwargs)

            return guarded

        return wrap

    def member(self) -> Staff | None:
        """Return who is signed in in this browser."""
        return self.staff.by_session(session.get(SESSION_KEY, ""), self.clock.now())

    def _site(self, member: Staff, domain: str, reach: _Reach) -> Site:
        try:
            site = self.sites.get(domain)
        except UnknownSite:
            abort(404)
        role = member.role_on(site.id)
        if role in reach.roles:
            return site
        self._note(member, reach, [role] if role else [], site)
        if role is None:
            abort(404)  # a site one has nothing to do with is none of one's knowledge
        raise NotAllowed(reach.told)

    def _note(self, member: Staff, reach: _Reach, roles: Collection[Role], site: Site | None = None) -> None:
        if reach.refused and request.url_rule is not None:
            self.refusals.note_staff(
                reach.refused,
                f"role {' and '.join(sorted(set(roles)))}" if roles else "no role",
                self.clock.now(),
                actor=member.email,
                site_id=site.id if site else None,
                page=request.url_rule.rule,
            )


def _where_to() -> str:
    """Where to go after signing in: the page that was asked for; a form that was sent is not repeated."""
    return request.full_path.rstrip("?") if request.method == "GET" else request.path
