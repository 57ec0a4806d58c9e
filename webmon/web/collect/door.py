"""What a hit's request says and what it is answered, whatever server brings it.

One reader for each wire format turns a request into an `IncomingEvent`; what becomes of it is the same for all.
"""

from __future__ import annotations

import base64
import traceback
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date, datetime
from time import perf_counter
from typing import Protocol
from urllib.parse import parse_qsl

import msgspec
import structlog

from webmon.clock import Clock
from webmon.domain.drop import DropReason
from webmon.domain.event import PAGEVIEW, IncomingEvent, decode_event, parse_event
from webmon.domain.site import Site
from webmon.errors import (
    BodyTooLarge,
    BodyTooSlow,
    InvalidInput,
    SettingsError,
    SpoolFull,
    UnknownSite,
    WebmonError,
    told,
)
from webmon.services.collect_hit import Client, ReadyHit
from webmon.web.collect.tally import TALLY
from webmon.web.shared.asgi import Headers
from webmon.web.shared.bodies import CLOSING
from webmon.web.shared.body import BODY_LIMIT
from webmon.web.shared.problems import PROBLEM_TYPE, problem

log = structlog.get_logger()
PATH = "/api/event"
PIXEL_PATH = "/p.gif"
PATHS = frozenset({PATH, PIXEL_PATH})
# The smallest picture there is: one transparent pixel.
PIXEL = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAICRAEAOw==")
ALLOWED_METHODS = "POST, OPTIONS"

_CORS: Headers = [
    (b"access-control-allow-origin", b"*"),
    (b"access-control-expose-headers", b"x-webmon-dropped, x-webmon-drop-reason"),
    (b"cross-origin-resource-policy", b"cross-origin"),
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
]
_PREFLIGHT: Headers = [
    (b"access-control-allow-methods", ALLOWED_METHODS.encode()),
    (b"access-control-allow-headers", b"content-type, authorization"),
    (b"access-control-max-age", b"86400"),
]


class Asked(msgspec.Struct):
    """A request for one of `PATHS`: header names in lower case, `peer` the address of the connection's other end."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    peer: str
    body: bytes = b""


class Answer:
    """`outcome` is what the metrics count it as; empty where no hit was asked about."""

    __slots__ = ("body", "headers", "outcome", "status", "title")

    def __init__(
        self, status: int, title: str, kind: str, body: bytes, outcome: str, more: Headers | None = None
    ) -> None:
        typed: Headers = [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode())]
        self.status = status
        self.title = title
        self.headers = [*(typed if kind else []), *_CORS, *(more or [])]
        self.body = body
        self.outcome = outcome


class _Kind:
    """How a wire format answers: the same for every hit that is stored, and for every one dropped for one reason."""

    def __init__(self, status: int, title: str, kind: str, body: bytes) -> None:
        self.stored = Answer(status, title, kind, body, "stored")
        self.dropped = {
            reason: Answer(
                status,
                title,
                kind,
                body,
                reason.value,
                [(b"x-webmon-dropped", b"1"), (b"x-webmon-drop-reason", reason.value.encode())],
            )
            for reason in DropReason
        }


_EVENT = _Kind(202, "Accepted", "text/plain; charset=utf-8", b"ok")
_PIXEL = _Kind(200, "OK", "image/gif", PIXEL)
_PICTURE = Answer(200, "OK", "image/gif", PIXEL, "")
_MAY_POST = Answer(204, "No Content", "", b"", "", _PREFLIGHT)


class HitCollector(Protocol):
    def prepare(self, site: Site, event: IncomingEvent, client: Client, now: datetime) -> ReadyHit | DropReason: ...


class DropCounter(Protocol):
    def count(self, site_id: int, reason: DropReason, day: date) -> None: ...


class SiteFinder(Protocol):
    def find(self, domain: str, now: datetime) -> Site | None: ...


class Door:
    """Reads requests for `PATHS`; what it says of a hit holds once it is stored, for each of its sites."""

    def __init__(
        self,
        collector: HitCollector,
        sites: SiteFinder,
        opens: Callable[[str, Site], bool],
        drops: DropCounter,
        clock: Clock,
    ) -> None:
        """`opens(key, site)`: whether an API key may say to the site of when and of whom an event is."""
        self._collector = collector
        self._sites = sites
        self._opens = opens
        self._drops = drops
        self._clock = clock

    def prepare(self, asked: Asked) -> tuple[Sequence[ReadyHit], Answer]:
        """Return the answer, and the hits that must be durable before it is given.

        Raises `WebmonError` for what is refused; `refusal` says how.
        """
        if asked.path == PATH:
            if asked.method == "POST":
                return self._take(asked, decode_event, _EVENT)
            return (), _MAY_POST if asked.method == "OPTIONS" else _not_allowed(asked, ALLOWED_METHODS)
        if asked.method == "GET":
            return self._take(asked, lambda _, now: _pixel_event(asked, now), _PIXEL)
        if asked.method == "HEAD":  # of whoever looks whether there is a picture, and shows nobody a page
            return (), _PICTURE
        return (), _not_allowed(asked, "GET, HEAD")

    def _take(
        self, asked: Asked, read: Callable[[bytes, datetime], IncomingEvent], kind: _Kind
    ) -> tuple[Sequence[ReadyHit], Answer]:
        now = self._clock.now()
        event = read(asked.body, now)
        ready = [self._ready(site, event, asked, now) for site in self._named(event.domain, now)]
        hits = [hit for hit in ready if not isinstance(hit, DropReason)]
        if hits:
            return hits, kind.stored
        return (), next(kind.dropped[reason] for reason in ready if isinstance(reason, DropReason))

    def _named(self, domain: str, now: datetime) -> Collection[Site]:
        """Return the sites of a hit: one almost always. Of several (`a.example,b.example`) those that are known."""
        names = domain.split(",") if "," in domain else (domain,)
        found = {site.id: site for name in names if (site := self._sites.find(name, now))}
        if not found:
            raise UnknownSite(domain, "domain")
        return found.values()

    def _ready(self, site: Site, event: IncomingEvent, asked: Asked, now: datetime) -> ReadyHit | DropReason:
        client, moment = Client(asked.peer, asked.headers), now
        if (event.timestamp or event.address or event.user_agent) and self._has_key(site, asked.headers):
            moment, client = event.timestamp or now, client.speaking_for(event.address, event.user_agent)
        hit = self._collector.prepare(site, event, client, moment)
        if isinstance(hit, DropReason):
            self._drops.count(site.id, hit, moment.astimezone(site.zone).date())
        return hit

    def _has_key(self, site: Site, headers: Mapping[str, str]) -> bool:
        """What a body says of time, address and browser is believed only with a key: anybody could make it up."""
        key = headers.get("authorization", "").removeprefix("Bearer ").strip()
        return bool(key) and self._opens(key, site)


def refusal(error: WebmonError) -> Answer:
    more: Headers = [(b"retry-after", b"1")] if isinstance(error, SpoolFull) else []
    if isinstance(error, BodyTooSlow):
        more = CLOSING
    errors = error.errors if isinstance(error, InvalidInput | BodyTooLarge | BodyTooSlow) else None
    outcome = "invalid" if error.status < 429 else error.code
    if isinstance(error, SettingsError):
        log.error("collect.failed", error=told(error))  # a key that does not open: nobody else says so
    return _problem(error.status, error.title, str(error), errors, outcome, more)


def crashed(error: Exception) -> Answer:
    """An error of ours: logged by where it came from, since its message may hold what a visitor sent."""
    where = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)]
    log.error("collect.crashed", error=type(error).__name__, where=where[-12:])
    return _problem(500, "Internal Server Error", outcome="crashed")


def too_large() -> BodyTooLarge:
    return BodyTooLarge(BODY_LIMIT)


def count(answer: Answer, began: float) -> None:
    """Count what became of a hit, and how long it took from `began` (as `perf_counter` says) to its answer."""
    if answer.outcome:
        TALLY.count(answer.outcome, perf_counter() - began)


def _pixel_event(asked: Asked, now: datetime) -> IncomingEvent:
    """A page view, of the page that shows the picture: by `url`, or by who asks (`Referer`)."""
    try:
        said = dict(parse_qsl(asked.query, max_num_fields=20))
    except ValueError:
        raise InvalidInput.field("url", "has more than 20 parameters beside it") from None
    url = said.get("url") or said.get("u") or asked.headers.get("referer", "")
    known = {"name": PAGEVIEW, "url": url, "domain": said.get("site") or said.get("d") or said.get("domain")}
    return parse_event(known | {"referrer": said.get("referrer") or said.get("r") or ""}, now)


def _not_allowed(asked: Asked, methods: str) -> Answer:
    detail = f"{asked.path} takes {methods.replace(', ', ' or ')}"
    return _problem(405, "Method Not Allowed", detail, more=[(b"allow", methods.encode())])


def _problem(
    status: int,
    title: str,
    detail: str = "",
    errors: dict[str, list[str]] | None = None,
    outcome: str = "",
    more: Headers | None = None,
) -> Answer:
    return Answer(status, title, PROBLEM_TYPE, problem(status, title, detail, errors).encode(), outcome, more)
