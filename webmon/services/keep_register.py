"""The cookie register: kept by the staff, and in force once it is published within the notices."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from webmon.domain.notice import Body, Notice, Service, completed, make_notice, with_services
from webmon.domain.register import FALLBACK, RegisteredService, check_register, new_key, read_register, services_in
from webmon.domain.site import Site
from webmon.errors import InvalidInput, NotFound
from webmon.services.publish_notice import Notices
from webmon.stores.ports import Unit
from webmon.stores.ports.register import RegisterRepository


@dataclass(frozen=True, slots=True)
class Register:
    """Visitors see the services within the notice in force: a change here is a draft until it is published."""

    unit: Unit[RegisterRepository]
    notices: Notices

    def services(self, site: Site) -> Sequence[RegisteredService]:
        with self.unit.reading() as register:
            return register.services(site.id)

    def get(self, site: Site, key: str) -> RegisteredService:
        found = next((service for service in self.services(site) if service.key == key), None)
        if found is None:
            raise NotFound("There is no such service in the register")
        return found

    def new_key(self, site: Site, name: str) -> str:
        """Return a key for a service of that name."""
        return new_key(name, [service.key for service in self.services(site)])

    def purposes(self, site: Site, now: datetime) -> dict[str, str]:
        """Return key to name of the purposes that every notice in force has."""
        found: dict[str, str] | None = None
        for notice in self._in_force(site, now):
            names = {purpose.key: purpose.name for purpose in notice.purposes}
            found = names if found is None else {key: name for key, name in found.items() if key in names}
        return found or {}

    def put(self, site: Site, service: RegisteredService, now: datetime, *, actor: str) -> None:
        """Add a service or change the one with its key; raises `InvalidInput` for one that no notice could list."""
        purposes = self.purposes(site, now)
        with self.unit() as register:
            before = {one.key: one for one in register.services(site.id)}
            if before.get(service.key) == service:
                return
            _check(list((before | {service.key: service}).values()), purposes)
            register.put(site.id, service, now, actor)
            action = "service.change" if service.key in before else "service.add"
            register.audit.record(now, actor, action, site_id=site.id, detail={"service": service.key})

    def remove(self, site: Site, key: str, now: datetime, *, actor: str) -> RegisteredService:
        """Take a service out of the register, and return it; raises `NotFound`."""
        with self.unit() as register:
            found = next((one for one in register.services(site.id) if one.key == key), None)
            if found is None:
                raise NotFound("There is no such service in the register")
            register.remove(site.id, key)
            register.audit.record(now, actor, "service.remove", site_id=site.id, detail={"service": key})
        return found

    def export(self, site: Site) -> list[dict[str, Any]]:
        return [service.document() for service in self.services(site)]

    def replace(self, site: Site, listed: object, now: datetime, *, actor: str) -> int:
        """Put an exported register in the place of the site's, and return how many services it has.

        Raises `InvalidInput` naming what is wrong; then nothing is changed.
        """
        try:
            wanted = read_register(listed)
        except ValueError as error:
            raise InvalidInput.field("services", str(error)) from error
        _check(wanted, self.purposes(site, now))
        with self.unit() as register:
            for service in register.services(site.id):
                register.remove(site.id, service.key)
            for service in wanted:
                register.put(site.id, service, now, actor)
            detail = {"services": " ".join(service.key for service in wanted)}
            register.audit.record(now, actor, "service.import", site_id=site.id, detail=detail)
        return len(wanted)

    def unpublished(self, site: Site, now: datetime) -> list[str]:
        """Return the languages whose notice in force lists other services than the register."""
        register = self.services(site)
        return [
            notice.language
            for notice in self._in_force(site, now)
            if notice.services != services_in(register, notice.language)
        ]

    def publish(self, site: Site, now: datetime, *, actor: str) -> list[Notice]:
        """Put notices in force that list the register as it is, and return those that are new.

        Drafts and what is scheduled list it from then on, too: they would put the register before it in force again.
        Raises `InvalidInput` where one of those in force cannot be; then nothing is changed.
        """
        register = self.services(site)
        wanted = [
            _anew(before, services_in(register, before.language))
            for before in self._in_force(site, now)
            if before.services != services_in(register, before.language)
        ]
        published = [self.notices.publish(site, notice.body, now, actor=actor) for notice in wanted]
        self._renew_drafts(site, register, now, actor)
        self._renew_scheduled(site, register, now, actor)
        return published

    def _renew_drafts(self, site: Site, register: Sequence[RegisteredService], now: datetime, actor: str) -> None:
        for draft in self.notices.drafts(site):
            body = _listing(draft.notice, register)
            if body is not None:
                with suppress(InvalidInput):  # a purpose may be gone that webmon's own service is for
                    self.notices.save_draft(site, body, now, actor=actor)

    def _renew_scheduled(self, site: Site, register: Sequence[RegisteredService], now: datetime, actor: str) -> None:
        for one in self.notices.scheduled(site, now):
            body = _listing(self.notices.get(one.notice_hash), register)
            if body is not None:
                # Of two for the same moment the later holds: the other is taken back once that is there.
                with suppress(InvalidInput):
                    self.notices.publish(site, body, now, actor=actor, at=one.effective_at)
                    self.notices.cancel(site, one.id, now, actor=actor)

    def _in_force(self, site: Site, now: datetime) -> list[Notice]:
        """The notices in force, the English one first: its words are those that the staff reads."""
        current = self.notices.current(site, now)
        languages = sorted(current, key=lambda language: (language != FALLBACK, language))
        return [self.notices.get(current[language]) for language in languages]


def _check(services: Sequence[RegisteredService], purposes: Collection[str]) -> None:
    """Raise `InvalidInput` for services that a notice with these purposes could not list."""
    try:
        check_register(services)
    except ValueError as error:
        raise InvalidInput.field("services", str(error)) from error
    for service in services:
        strange = sorted(service.purposes - set(purposes))
        if strange:
            text = f"{service.key!r} names {strange[0][:40]!r}, which is no purpose of every notice in force"
            raise InvalidInput.field("services", text)


def _anew(before: Notice, services: Sequence[Service]) -> Notice:
    """Return the notice with these services; raises `InvalidInput` naming its language."""
    try:
        return make_notice(with_services(completed(before.body), services))
    except InvalidInput as error:
        raise InvalidInput({f"{before.language}: {where}": told for where, told in error.errors.items()}) from error


def _listing(notice: Notice, register: Sequence[RegisteredService]) -> Body | None:
    """Return the notice's body with the services of the register for its purposes; None where it has them."""
    keys = {purpose.key for purpose in notice.purposes}
    fitting = [service for service in register if service.purposes <= keys]
    services = services_in(fitting, notice.language)
    return None if notice.services == services else with_services(completed(notice.body), services)
