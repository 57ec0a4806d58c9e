"""What a hit's request says and what it is answered, whatever server brings it.

One reader for each wire format turns a request into an `IncomingEvent`; what becomes of it is the same for all.
"""

from __future__ import annotations

import base64
import traceback
from collections.abc import Callable, Mapping
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
from webmon.errors import BodyTooLarge, InvalidInput, SettingsError, SpoolFull, UnknownSite, WebmonError, told
from webmon.services.collect_hit import Client, ReadyHit
from webmon.web.collect.tally import TALLY
from webmon.web.shared.asgi import Headers
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
_MAY_POST = Answer(204, "No Content", "", b"", "", _PREFLIGHT)


class HitCollector(Protocol):
    def prepare(self, site: Site, event: IncomingEvent, client: Client, now: datetime) -> ReadyHit | DropReason: ...


class DropCounter(Protocol):
    def count(self, site_id: int, reason: DropReason, day: date) -> None: ...


class SiteFinder(Protocol):
    def find(self, domain: str, now: datetime) -> Site | None: ...


class Door:
    """Reads requests for `PATHS`; what it says of a hit holds once the hit is stored."""

    def __init__(
        self,
        collector: HitCollector,
        sites: SiteFinder,
        opens: Callable[[str, Site], bool],
        drops: DropCounter,
        clock: Clock,
    ) -> None:
        """`opens(key, site)`: whether an API key may send events with times of their own to the site."""
        self._collector = collector
        self._sites = sites
        self._opens = opens
        self._drops = drops
        self._clock = clock

    def prepare(self, asked: Asked) -> tuple[ReadyHit | None, Answer]:
        """Return the answer, and the hit that must be durable before it is given.

        Raises `WebmonError` for what is refused; `refusal` says how.
        """
        if asked.path == PATH:
            if asked.method == "POST":
                return self._take(asked, decode_event, _EVENT)
            return None, _MAY_POST if asked.method == "OPTIONS" else _not_allowed(asked, ALLOWED_METHODS)
        if asked.method in {"GET", "HEAD"}:
            return self._take(asked, lambda _, now: _pixel_event(asked, now), _PIXEL)
        return None, _not_allowed(asked, "GET, HEAD")

    def _take(
        self, asked: Asked, read: Callable[[bytes, datetime], IncomingEvent], kind: _Kind
    ) -> tuple[ReadyHit | None, Answer]:
        now = self._clock.now()
        event = read(asked.body, now)
        site = self._sites.find(event.domain, now)
        if site is None:
            raise UnknownSite(event.domain, "domain")
        client = Client(asked.peer, asked.headers)
        moment = now if event.timestamp is None else self._moment(event.timestamp, site, asked.headers, now)
        hit = self._collector.prepare(site, event, client, moment)
        if isinstance(hit, DropReason):
            self._drops.count(site.id, hit, moment.astimezone(site.zone).date())
            return None, kind.dropped[hit]
        return hit, kind.stored

    def _moment(self, said: datetime, site: Site, headers: Mapping[str, str], now: datetime) -> datetime:
        """A time in a body is believed only with a key: without one, anybody could rewrite the past."""
        key = headers.get("authorization", "").removeprefix("Bearer ").strip()
        return said if key and self._opens(key, site) else now


def refusal(error: WebmonError) -> Answer:
    retry: Headers = [(b"retry-after", b"1")] if isinstance(error, SpoolFull) else []
    errors = error.errors if isinstance(error, InvalidInput | BodyTooLarge) else None
    outcome = "invalid" if error.status < 429 else error.code
    if isinstance(error, SettingsError):
        log.error("collect.failed", error=told(error))  # a key that does not open: nobody else says so
    return _problem(error.status, error.title, str(error), errors, outcome, retry)


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
