"""Notices: publishing them, and finding the one in force or an old one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from webmon.domain.notice import LANGUAGES, Body, Notice, default_body, make_notice
from webmon.domain.site import Site
from webmon.errors import InvalidInput, NotFound
from webmon.stores.ports import Unit
from webmon.stores.ports.consent import ConsentRepository, Publication

_CACHED = 1000


@dataclass(slots=True)
class Notices:
    """Notices never change, so those once read are kept in memory."""

    unit: Unit[ConsentRepository]
    _known: dict[str, Notice] = field(default_factory=dict)

    def publish_defaults(self, site: Site, now: datetime, *, actor: str) -> None:
        """Put the default notices in force in every language that has none yet; safe to repeat."""
        with self.unit() as consents:
            current = consents.current_notices(site.id)
            for language in LANGUAGES:
                if language not in current:
                    notice = make_notice(default_body(site.domain, language))
                    consents.publish(site.id, notice, now, actor)

    def publish(self, site: Site, body: Body, now: datetime, *, actor: str) -> Notice:
        """Put a notice in force for its language; raises `InvalidInput` for one that cannot be."""
        notice = make_notice(body)
        if notice.site != site.domain:
            raise InvalidInput.field("site", f"must be {site.domain}")
        with self.unit() as consents:
            consents.publish(site.id, notice, now, actor)
            detail = {"notice": notice.hash, "language": notice.language}
            consents.audit.record(now, actor, "notice.publish", site_id=site.id, detail=detail)
        return notice

    def current(self, site: Site) -> Mapping[str, str]:
        """Return language to the hash of the notice in force."""
        with self.unit() as consents:
            return consents.current_notices(site.id)

    def history(self, site: Site, limit: int = 50) -> Sequence[Publication]:
        with self.unit() as consents:
            return consents.publications(site.id, limit)

    def get(self, notice_hash: str) -> Notice:
        """Return a notice of any age, or raise `NotFound`."""
        found = self._known.get(notice_hash)
        if found is None:
            with self.unit() as consents:
                found = consents.notice(notice_hash)
            if found is None:
                raise NotFound("There is no such notice")
            if len(self._known) < _CACHED:
                self._known[notice_hash] = found
        return found

    def in_language(self, site: Site, wanted: Sequence[str]) -> Notice:
        """Return the notice in force in the first of the wanted languages there is, else English, else any."""
        current = self.current(site)
        for tag in [*wanted, *(tag.partition("-")[0] for tag in wanted), "en", *current]:
            if tag in current:
                return self.get(current[tag])
        raise NotFound("The site has no notice in force")
