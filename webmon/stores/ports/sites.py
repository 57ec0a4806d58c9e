"""Sites and their keys, as services see them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from webmon.domain.jurisdiction import Jurisdiction
from webmon.domain.scrub.rules import GuardRules
from webmon.domain.site import Mode, Site
from webmon.stores.ports.audit import Audited


@dataclass(frozen=True, slots=True)
class LeftPseudonym:
    """That a visitor is called otherwise since the end of a signed-in visit; see `PseudonymKey.mark`."""

    site_id: int
    epoch: int
    mark: int


@dataclass(frozen=True, slots=True)
class WrappedLoginKey:
    id: int
    wrapped: bytes
    created_at: datetime
    ends_at: datetime | None


@dataclass(frozen=True, slots=True)
class KeptApiKey:
    """An API key as it is kept under `number`: without the key, of which there is a digest only."""

    number: int
    site_id: int
    scope: str
    created_at: datetime
    ended_at: datetime | None


class SiteRepository(Audited, Protocol):
    def add(
        self, domain: str, timezone: str, mode: Mode, minimum_group_count: int, honour_dnt: bool, now: datetime
    ) -> Site:
        """Add a site; raises `Conflict` where the domain is taken."""

    def change(self, site_id: int, timezone: str, mode: Mode, minimum_group_count: int, honour_dnt: bool) -> Site: ...

    def change_jurisdiction(self, site_id: int, jurisdiction: Jurisdiction) -> Site: ...

    def change_rules(self, site_id: int, rules: GuardRules) -> Site: ...

    def change_choice_days(self, site_id: int, choice_days: int) -> Site: ...

    def change_share_subdomains(self, site_id: int, share: bool) -> Site: ...

    def change_promote_days(self, site_id: int, promote_days: int) -> Site: ...

    def change_family(self, site_id: int, family: Sequence[str]) -> Site: ...

    def by_domain(self, domain: str) -> Site | None: ...

    def all(self) -> Sequence[Site]:
        """Every site, by domain."""

    def add_epoch_key(self, site_id: int, epoch: int, wrapped: bytes, now: datetime) -> None: ...

    def epoch_keys(self, site_id: int) -> Sequence[tuple[int, bytes, datetime]]:
        """Epoch, wrapped key and time of making, newest first."""

    def left_pseudonyms(self, site_id: int) -> Sequence[LeftPseudonym]: ...

    def destroy_epoch_keys(self, site_id: int, epochs: Sequence[int]) -> None:
        """Delete the keys of these epochs, and what is known of pseudonyms that were left under them."""

    def add_login_key(self, site_id: int, wrapped: bytes, now: datetime) -> None: ...

    def login_keys(self, site_id: int) -> Sequence[WrappedLoginKey]:
        """Keys that login tokens are checked with, newest first."""

    def end_login_keys(self, key_ids: Sequence[int], ends_at: datetime) -> None:
        """Let keys end; one that would end before that does so still."""

    def delete_ended_login_keys(self, now: datetime) -> int: ...

    def add_api_key(self, site_id: int, scope: str, digest: str, now: datetime) -> KeptApiKey: ...

    def api_key(self, digest: str) -> KeptApiKey | None:
        """The key with that digest, also where it has ended."""

    def api_keys(self, site_id: int) -> Sequence[KeptApiKey]:
        """Every key of the site, newest first, with those that have ended."""

    def end_api_key(self, number: int, now: datetime) -> bool:
        """End a key, and say whether it was this that ended it."""
