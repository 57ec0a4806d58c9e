"""Who uses the visitor's pages, between two requests: a sealed cookie that lives half an hour, on these pages only.

It is no part of the staff's session, so no website can sign a staff member out by sending its visitors here; and it
is sealed, not just signed: nobody reads the identifiers out of the browser's cookie store.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import asdict, dataclass
from datetime import datetime

import msgspec
from flask import Request, Response

from webmon.domain.site import Site
from webmon.errors import SettingsError
from webmon.services.manage_sites import KeyWrapper
from webmon.services.read_held import PAGE_LIFETIME, Person

COOKIE = "webmon_portal"


class _Sealed(msgspec.Struct):
    person: Person
    until: int


@dataclass(frozen=True, slots=True)
class PersonCookie:
    vault: KeyWrapper
    secure: bool

    def read(self, request: Request, site: Site, now: datetime) -> Person:
        """Return who asks; nobody in particular where the cookie is missing, too old or not ours."""
        try:
            raw = base64.urlsafe_b64decode(request.cookies.get(COOKIE, "").encode())
            sealed = msgspec.json.decode(self.vault.unwrap(raw, _context(site)), type=_Sealed)
        except (binascii.Error, ValueError, SettingsError, msgspec.DecodeError):
            return Person()
        return sealed.person if now.timestamp() < sealed.until else Person()

    def write(self, response: Response, site: Site, person: Person, now: datetime) -> None:
        document = {"person": asdict(person), "until": int((now + PAGE_LIFETIME).timestamp())}
        raw = self.vault.wrap(msgspec.json.encode(document), _context(site))
        response.set_cookie(
            COOKIE,
            base64.urlsafe_b64encode(raw).decode(),
            path=_path(site),
            secure=self.secure,
            httponly=True,
            samesite="Lax",
        )

    def clear(self, response: Response, site: Site) -> None:
        response.delete_cookie(COOKIE, path=_path(site), secure=self.secure, httponly=True, samesite="Lax")


def fingerprint(request: Request) -> str:
    """What ties a form to the browser that was given it: a digest of the cookie it has, if any."""
    return hashlib.sha256(request.cookies.get(COOKIE, "").encode()).hexdigest()[:32]


def _context(site: Site) -> str:
    return f"portal:{site.id}"


def _path(site: Site) -> str:
    return f"/privacy/{site.domain}"
