"""Who works with webmon, and what each role reaches."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    OWNER = "owner"
    PRIVACY = "privacy"
    MARKETING = "marketing"


@dataclass(frozen=True, slots=True)
class Staff:
    """A staff member: `roles` maps a site's id, or None for every site, to the role there."""

    id: int
    email: str
    roles: dict[int | None, Role]

    def role_on(self, site_id: int) -> Role | None:
        return self.roles.get(site_id) or self.roles.get(None)

    def reaches(self, site_id: int, allowed: frozenset[Role]) -> bool:
        role = self.role_on(site_id)
        return role is not None and (role in allowed or role is Role.OWNER)

    @property
    def owns_all(self) -> bool:
        return self.roles.get(None) is Role.OWNER


def publishes(member: Staff, site_id: int, able: Iterable[Staff]) -> bool:
    """Whether somebody may put notices of a site in force: a privacy officer, or an owner where there is none.

    `able` are those who can sign in: an officer who was invited and never came does not lock the owner out.
    """
    role = member.role_on(site_id)
    if role is Role.OWNER:
        return not any(one.role_on(site_id) is Role.PRIVACY for one in able)
    return role is Role.PRIVACY
