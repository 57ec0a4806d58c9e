"""The cookie register of a site: its services and their cookies, once, with their texts in each language."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from webmon.domain.notice import SERVICES_LIMIT, Cookie, Service, own_services, read_services

# The language that a text is taken from where another has none.
FALLBACK = "en"
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_LANGUAGES_LIMIT = 60
OWN_KEYS = frozenset(service.key for service in own_services(FALLBACK))


@dataclass(frozen=True, slots=True)
class CookieTexts:
    description: str = ""
    lifetime: str = ""


@dataclass(frozen=True, slots=True)
class ServiceTexts:
    name: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True)
class RegisteredCookie:
    """A cookie as `webmon.domain.notice.Cookie`, with its texts by language."""

    name: str
    purpose: str
    kind: str
    party: str
    texts: Mapping[str, CookieTexts] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RegisteredService:
    """A service as `webmon.domain.notice.Service`, with its texts by language; English is always among them."""

    key: str
    purpose: str
    provider: str
    texts: Mapping[str, ServiceTexts]
    cookies: tuple[RegisteredCookie, ...] = ()

    @property
    def name(self) -> str:
        return self.texts[FALLBACK].name

    @property
    def purposes(self) -> frozenset[str]:
        return frozenset((self.purpose, *(cookie.purpose for cookie in self.cookies)))

    def in_language(self, language: str) -> Service:
        """Return the service as a notice of that language has it; what has no text there has its English one."""
        cookies = (
            Cookie(
                name=cookie.name,
                purpose=cookie.purpose,
                description=_text(cookie.texts, language, "description"),
                lifetime=_text(cookie.texts, language, "lifetime"),
                kind=cookie.kind,
                party=cookie.party,
            )
            for cookie in self.cookies
        )
        return Service(
            key=self.key,
            purpose=self.purpose,
            name=_text(self.texts, language, "name"),
            provider=self.provider,
            description=_text(self.texts, language, "description"),
            cookies=tuple(cookies),
        )

    def document(self) -> dict[str, Any]:
        found: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(self))
        return found


def services_in(register: Iterable[RegisteredService], language: str) -> tuple[Service, ...]:
    """Return what a notice of that language lists: webmon's own service first, then the register's."""
    return (*own_services(language), *(service.in_language(language) for service in register))


def read_register(listed: object) -> tuple[RegisteredService, ...]:
    """Return the register in a list of JSON objects; raises `ValueError` saying what is wrong, and where."""
    if not isinstance(listed, list):
        raise ValueError("must be a list of services")
    try:
        register = msgspec.convert(listed, tuple[RegisteredService, ...], strict=True)
    except msgspec.ValidationError as error:
        raise ValueError(f"has a service that is none: {error}") from error
    return check_register(register)


def check_register(register: Sequence[RegisteredService]) -> tuple[RegisteredService, ...]:
    """Return the register; raises `ValueError` saying what no notice could list."""
    if len(register) > SERVICES_LIMIT - len(OWN_KEYS):
        raise ValueError(f"has more than {SERVICES_LIMIT - len(OWN_KEYS)} services")
    for service in register:
        fault = _fault(service)
        if fault:
            raise ValueError(f"{service.key[:40]!r} {fault}")
    languages = {language for service in register for language in _languages(service)}
    for language in sorted(languages | {FALLBACK}):
        read_services([msgspec.to_builtins(service.in_language(language)) for service in register])
    return tuple(register)


def _fault(service: RegisteredService) -> str:
    languages = _languages(service)
    if service.key in OWN_KEYS:
        return "is webmon's own and not yours to change"
    if FALLBACK not in service.texts or not service.name.strip():
        return "needs a name in English"
    if len(languages) > _LANGUAGES_LIMIT or not all(_LANGUAGE.fullmatch(language) for language in languages):
        return "has texts in a language that is no tag such as en"
    names = [cookie.name for cookie in service.cookies]
    return "has two cookies of one name" if len(set(names)) < len(names) else ""


def _languages(service: RegisteredService) -> set[str]:
    return {*service.texts, *(language for cookie in service.cookies for language in cookie.texts)}


def _text(texts: Mapping[str, Any], language: str, part: str) -> str:
    for tag in (language, language.partition("-")[0], FALLBACK):
        found: str = getattr(texts[tag], part) if tag in texts else ""
        if found.strip():
            return found
    return ""


def new_key(name: str, taken: Iterable[str]) -> str:
    """Return a key that is made from a service's name and that none has yet."""
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:24].strip("-")
    base = plain if plain[:1].isalpha() else f"service-{plain}".rstrip("-")
    used = {*taken, *OWN_KEYS}
    numbered = (base if number == 1 else f"{base}-{number}" for number in range(1, SERVICES_LIMIT + 2))
    return next(key for key in numbered if key not in used)
