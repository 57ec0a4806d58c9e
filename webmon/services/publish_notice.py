"""Notices: drafting and publishing them, and finding the one in force or an old one."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from webmon.domain.language import ENGLISH, LANGUAGES, closest
from webmon.domain.notice import (
    Body,
    Notice,
    completed,
    default_body,
    make_draft,
    make_notice,
    with_all_texts,
)
from webmon.domain.site import Site
from webmon.errors import Conflict, InvalidInput, NotFound
from webmon.stores.ports import Unit
from webmon.stores.ports.consent import ConsentRepository, Draft, Publication

_CACHED = 1000
# A notice that is published for later than this is more likely a slip in the year.
FARTHEST = timedelta(days=730)
# Every page asks what is in force; the command line, and the clock, put notices in force beside the running server.
_VERSION_FRESH_FOR = timedelta(seconds=2)
_VERSION_LENGTH = 8


@dataclass(slots=True)
class Notices:
    """Notices never change, so those once read are kept in memory."""

    unit: Unit[ConsentRepository]
    _known: dict[str, Notice] = field(default_factory=dict)
    # Those that have come into force: that stays so.
    _came: set[str] = field(default_factory=set)
    _versions: dict[int, tuple[datetime, str]] = field(default_factory=dict)

    def publish_defaults(self, site: Site, now: datetime, *, actor: str) -> None:
        """Put the default notices in force in every language that has none yet; safe to repeat."""
        with self.unit() as consents:
            current = consents.current_notices(site.id, now)
            for language in LANGUAGES:
                if language not in current:
                    notice = make_notice(default_body(site.domain, language))
                    consents.publish(site.id, notice, now, actor, now)

    def publish(self, site: Site, body: Body, now: datetime, *, actor: str, at: datetime | None = None) -> Notice:
        """Put a notice in force for its language, now or from `at` on.

        Raises `InvalidInput` for one that cannot be, that makes refusing harder than accepting, or for a wrong time.
        """
        notice = make_notice(body)
        _check_site(site, notice)
        _check_time(at, now)
        with self.unit() as consents:
            _publish(consents, site, notice, now, actor, at)
        return notice

    def publish_draft(
        self, site: Site, language: str, revision: str, now: datetime, *, actor: str, at: datetime | None = None
    ) -> Notice:
        """Publish a draft as `publish` does, and be done with it.

        Raises `Conflict` where the draft is not the revision that was looked at, `NotFound` where there is none.
        """
        _check_time(at, now)
        with self.unit() as consents:
            draft = _draft(consents, site, language)
            if draft.revision != revision:
                raise Conflict(f"{draft.saved_by} has saved the draft since you looked at it. Nothing was published")
            notice = make_notice(draft.notice.body)
            _publish(consents, site, notice, now, actor, at)
            consents.delete_draft(site.id, language)
        return notice

    def cancel(self, site: Site, publication_id: int, now: datetime, *, actor: str) -> None:
        """Take back what is scheduled; raises `NotFound` where it is in force, was cancelled, or never was."""
        with self.unit() as consents:
            found = consents.cancel(site.id, publication_id, now)
            if found is None:
                raise NotFound("There is no such notice waiting to come into force")
            detail = {"notice": found.notice_hash, "language": found.language, "at": found.effective_at.isoformat()}
            consents.audit.record(now, actor, "notice.cancel", site_id=site.id, detail=detail)

    def save_draft(self, site: Site, body: Body, now: datetime, *, actor: str, seen: str | None = None) -> Draft:
        """Keep a well-formed notice as the draft of its language; visitors see nothing of it.

        `seen` is the revision that was worked on, empty where there was none; None replaces whatever there is. Raises
        `Conflict` where somebody has saved the draft meanwhile, `InvalidInput` for a body that is not well formed.
        """
        with self.unit() as consents:
            return _save(consents, site, body, now, actor, "notice.draft", seen)

    def import_draft(self, site: Site, body: Body, now: datetime, *, actor: str) -> Draft:
        """Keep what was drawn up elsewhere, or before notices had all these texts, as `save_draft` does."""
        with self.unit() as consents:
            return _save(consents, site, completed(body), now, actor, "notice.import", None)

    def draft(self, site: Site, language: str) -> Draft:
        """Return the draft in a language, or raise `NotFound`."""
        with self.unit.reading() as consents:
            return _draft(consents, site, language)

    def drafts(self, site: Site) -> Sequence[Draft]:
        with self.unit.reading() as consents:
            return [_whole(draft) for draft in consents.drafts(site.id)]

    def delete_draft(self, site: Site, language: str, now: datetime, *, actor: str) -> None:
        with self.unit() as consents:
            _draft(consents, site, language)
            consents.delete_draft(site.id, language)
            detail = {"language": language}
            consents.audit.record(now, actor, "notice.draft_delete", site_id=site.id, detail=detail)

    def current(self, site: Site, now: datetime) -> Mapping[str, str]:
        """Return language to the hash of the notice that is in force at `now`."""
        with self.unit.reading() as consents:
            return consents.current_notices(site.id, now)

    def version(self, site: Site, now: datetime) -> str:
        """Return a short name of what is in force in all languages together; it is never older than two seconds."""
        known = self._versions.get(site.id)
        if known is None or abs(now - known[0]) >= _VERSION_FRESH_FOR:
            hashes = "\n".join(sorted(self.current(site, now).values()))
            known = self._versions[site.id] = now, hashlib.sha256(hashes.encode()).hexdigest()[:_VERSION_LENGTH]
        return known[1]

    def in_force(self, site: Site, language: str, now: datetime) -> Notice:
        """Return the notice that is in force in a language, or raise `NotFound`."""
        current = self.current(site, now)
        if language not in current:
            raise NotFound(f"No notice is in force in {language[:40]!r}")
        return self.get(current[language])

    def scheduled(self, site: Site, now: datetime) -> Sequence[Publication]:
        with self.unit.reading() as consents:
            return consents.scheduled(site.id, now)

    def history(self, site: Site, limit: int = 50) -> Sequence[Publication]:
        with self.unit.reading() as consents:
            return consents.publications(site.id, limit)

    def since(self, site: Site, now: datetime) -> Mapping[str, datetime]:
        """Return hash to when the notice last came into force, of the newest thousand publications."""
        came = [one for one in self.history(site, 1000) if one.cancelled_at is None and one.effective_at <= now]
        return {one.notice_hash: one.effective_at for one in sorted(came, key=lambda one: one.effective_at)}

    def get(self, notice_hash: str) -> Notice:
        """Return a notice of any age, or raise `NotFound`."""
        found = self._known.get(notice_hash)
        if found is None:
            with self.unit.reading() as consents:
                found = consents.notice(notice_hash)
            if found is None:
                raise NotFound("There is no such notice")
            if len(self._known) < _CACHED:
                self._known[notice_hash] = found
        return found

    def has_been_in_force(self, notice_hash: str, now: datetime) -> bool:
        """Whether a notice is in force, or was; a draft is not, nor what is scheduled or was cancelled before."""
        if notice_hash not in self._came:
            with self.unit.reading() as consents:
                if not consents.has_been_in_force(notice_hash, now):
                    return False
            if len(self._came) < _CACHED:
                self._came.add(notice_hash)
        return True

    def at_hand(self, notice_hash: str) -> bool:
        """Whether it is known without a look at the store that the notice is, or was, in force."""
        return notice_hash in self._came and notice_hash in self._known

    def named(self, site: Site, name: str, now: datetime) -> Notice:
        """Return a site's notice by its hash, or by a language: its draft, else what is in force. Or `NotFound`."""
        if name.startswith("sha256-"):
            notice = self.get(name)
            if notice.site != site.domain:
                raise NotFound("There is no such notice")
            return notice
        with self.unit.reading() as consents:
            draft = consents.draft(site.id, name)
            current = consents.current_notices(site.id, now)
        if draft is not None:
            return _whole(draft).notice
        if name not in current:
            raise NotFound("There is no notice in this language")
        return self.get(current[name])

    def in_language(self, site: Site, wanted: Sequence[str], now: datetime) -> Notice:
        """Return the notice in force in the first of the wanted languages there is, else English, else any."""
        current = self.current(site, now)
        tag = closest([*wanted, ENGLISH, *current], current)
        if not tag:
            raise NotFound("The site has no notice in force")
        return self.get(current[tag])


def _check_site(site: Site, notice: Notice) -> None:
    if notice.site != site.domain:
        raise InvalidInput.field("site", f"must be {site.domain}")


def _check_time(at: datetime | None, now: datetime) -> None:
    if at is not None and not now < at <= now + FARTHEST:
        raise InvalidInput.field("effective_at", f"must lie ahead, and within {FARTHEST.days} days")


def _draft(consents: ConsentRepository, site: Site, language: str) -> Draft:
    draft = consents.draft(site.id, language)
    if draft is None:
        raise NotFound("There is no draft in this language")
    return _whole(draft)


def _whole(draft: Draft) -> Draft:
    """What is looked at is what is published: a draft of before there were all these texts gets them here."""
    return replace(draft, notice=with_all_texts(draft.notice))


def _publish(
    consents: ConsentRepository, site: Site, notice: Notice, now: datetime, actor: str, at: datetime | None
) -> None:
    consents.publish(site.id, notice, now, actor, at or now)
    detail = {"notice": notice.hash, "language": notice.language} | ({"at": at.isoformat()} if at else {})
    action = "notice.schedule" if at else "notice.publish"
    consents.audit.record(now, actor, action, site_id=site.id, detail=detail)


def _save(
    consents: ConsentRepository, site: Site, body: Body, now: datetime, actor: str, action: str, seen: str | None
) -> Draft:
    notice = make_draft(body)
    _check_site(site, notice)
    before = consents.draft(site.id, notice.language)
    if seen is not None and seen != (before.revision if before else ""):
        raise Conflict(
            f"{before.saved_by} has saved this draft since you opened it"
            if before
            else "Somebody has published or deleted this draft since you opened it"
        )
    draft = Draft(notice, secrets.token_hex(16), now, actor)
    consents.put_draft(site.id, draft)
    detail = {"notice": notice.hash, "language": notice.language}
    consents.audit.record(now, actor, action, site_id=site.id, detail=detail)
    return draft
