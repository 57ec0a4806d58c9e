"""Who may see a page: the check that every staff page is wrapped in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from webmon.domain.staff import Role

View = Callable[..., Any]


class Guard(Protocol):
    def roles(self, *allowed: Role, refused: str = "") -> Callable[[View], View]:
        """Wrap a view so that only signed-in staff reach it.

        Where the route has ``<domain>``, the view is given ``site`` (a `Site`) in its place, and the role on that
        site must be one of `allowed` (an owner always reaches it); a site that the person has no role on answers 404,
        as one that is not there. Without ``<domain>``, any of `allowed` on any site will do. Nobody signed in: a
        redirect to the sign-in page. The staff member is ``flask.g.staff`` (a `webmon.domain.staff.Staff`).

        `refused`: what the audit trail calls it where a staff member's role does not reach the page.
        """

    def rows_of_persons(self) -> Callable[[View], View]:
        """Wrap a view that reaches rows of persons: as `roles`, for the role `privacy` alone.

        An owner is refused as well, and who is refused is in the audit trail.
        """
