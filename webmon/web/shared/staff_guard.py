"""The guard of staff pages: who is signed in, and whether their role reaches this far."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

from flask import abort, g, redirect, request, session, url_for

from webmon.clock import Clock
from webmon.domain.staff import Role, Staff
from webmon.errors import NotAllowed, UnknownSite
from webmon.services.manage_sites import Sites
from webmon.services.manage_staff import StaffAccounts
from webmon.web.shared.guard import View

SESSION_KEY = "staff"


@dataclass(frozen=True, slots=True)
class StaffGuard:
    """Implements `webmon.web.shared.guard.Guard` on the sessions of staff members."""

    staff: StaffAccounts
    sites: Sites
    clock: Clock

    def roles(self, *allowed: Role) -> Callable[[View], View]:
        reached = frozenset(allowed)

        def wrap(view: View) -> View:
            @wraps(view)
            def guarded(*args: Any, **kwargs: Any) -> Any:
                member = self.member()
                if member is None:
                    return redirect(url_for("staff.sign_in", next=_where_to()))
                g.staff = member
                if "domain" in kwargs:
                    kwargs["site"] = self._site(member, kwargs.pop("domain"), reached)
                elif not any(role in reached or role is Role.OWNER for role in member.roles.values()):
                    raise NotAllowed("Your role does not reach this page")
                return view(*args, **kwargs)

            return guarded

        return wrap

    def member(self) -> Staff | None:
        """Return who is signed in in this browser."""
        return self.staff.by_session(session.get(SESSION_KEY, ""), self.clock.now())

    def _site(self, member: Staff, domain: str, reached: frozenset[Role]) -> Any:
        try:
            site = self.sites.get(domain)
        except UnknownSite:
            abort(404)
        if member.role_on(site.id) is None:
            abort(404)  # a site one has nothing to do with is none of one's knowledge
        if not member.reaches(site.id, reached):
            raise NotAllowed("Your role on this site does not reach this page")
        return site


def _where_to() -> str:
    """Where to go after signing in: the page that was asked for; a form that was sent is not repeated."""
    return request.full_path.rstrip("?") if request.method == "GET" else request.path
