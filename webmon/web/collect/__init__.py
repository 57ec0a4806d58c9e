"""`POST /api/event`: a WSGI callable in front of Flask, because this one address is asked more than all others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Protocol

from prometheus_client import Counter

from webmon.clock import Clock
from webmon.domain.drop import DropReason
from webmon.domain.event import IncomingEvent, decode_event
from webmon.domain.site import Site
from webmon.errors import BodyTooLarge, InvalidInput, SpoolFull, UnknownSite, WebmonError
from webmon.services.collect_hit import Client
from webmon.web.shared.problems import PROBLEM_TYPE, problem

PATH = "/api/event"
BODY_LIMIT = 64 * 1024
ALLOWED_METHODS = "POST, OPTIONS"

HITS = Counter("webmon_hits", "Hits by what became of them", ["outcome"])

Headers = list[tuple[str, str]]
Environ = dict[str, Any]

_CORS: Headers = [
    ("Access-Control-Allow-Origin", "*"),
    ("Access-Control-Expose-Headers", "x-webmon-dropped, x-webmon-drop-reason"),
    ("Cross-Origin-Resource-Policy", "cross-origin"),
    ("Cache-Control", "no-store"),
    ("X-Content-Type-Options", "nosniff"),
]
_PREFLIGHT: Headers = [
    ("Access-Control-Allow-Methods", ALLOWED_METHODS),
    ("Access-Control-Allow-Headers", "content-type, authorization"),
    ("Access-Control-Max-Age", "86400"),
]


class HitCollector(Protocol):
    def collect(self, site: Site, event: IncomingEvent, client: Client, now: datetime) -> DropReason | None: ...


class SiteFinder(Protocol):
    def find(self, domain: str, now: datetime) -> Site | None: ...


class CollectApp:
    """Answers `POST /api/event` and hands everything else on."""

    def __init__(
        self,
        inner: Callable[[Environ, Any], Iterable[bytes]],
        collector: HitCollector,
        sites: SiteFinder,
        opens: Callable[[str, Site], bool],
        clock: Clock,
    ) -> None:
        """`opens(key, site)`: whether an API key may send events with times of their own to the site."""
        self._inner = inner
        self._collector = collector
        self._sites = sites
        self._opens = opens
        self._clock = clock

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        if environ.get("PATH_INFO") != PATH:
            return self._inner(environ, start_response)
        method = environ["REQUEST_METHOD"]
        if method == "POST":
            return self._post(environ, start_response)
        if method == "OPTIONS":
            start_response("204 No Content", _CORS + _PREFLIGHT)
            return []
        return _refuse(start_response, 405, "Method Not Allowed", headers=[("Allow", ALLOWED_METHODS)])

    def _post(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        try:
            reason = self._take(environ)
        except WebmonError as error:
            HITS.labels("invalid" if error.status < 429 else error.code).inc()
            retry: Headers = [("Retry-After", "1")] if isinstance(error, SpoolFull) else []
            errors = error.errors if isinstance(error, InvalidInput) else None
            return _refuse(start_response, error.status, error.title, str(error), errors, retry)
        headers = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", "2"), *_CORS]
        if reason is None:
            HITS.labels("stored").inc()
        else:
            HITS.labels(reason.value).inc()
            headers += [("x-webmon-dropped", "1"), ("x-webmon-drop-reason", reason.value)]
        start_response("202 Accepted", headers)
        return [b"ok"]

    def _take(self, environ: Environ) -> DropReason | None:
        now = self._clock.now()
        event = decode_event(_body(environ), now)
        site = self._sites.find(event.domain, now)
        if site is None:
            raise UnknownSite(event.domain, "domain")
        client = Client(environ.get("REMOTE_ADDR", ""), _headers(environ))
        return self._collector.collect(site, event, client, self._moment(event, site, client.headers, now))

    def _moment(self, event: IncomingEvent, site: Site, headers: Mapping[str, str], now: datetime) -> datetime:
        """A time in a body is believed only with a key: without one, anybody could rewrite the past."""
        if event.timestamp is None:
            return now
        key = headers.get("authorization", "").removeprefix("Bearer ").strip()
        return event.timestamp if key and self._opens(key, site) else now


def _body(environ: Environ) -> bytes:
    text = environ.get("CONTENT_LENGTH") or ""
    length = int(text) if text.isdecimal() else BODY_LIMIT + 1 if text else -1
    if length > BODY_LIMIT:
        raise BodyTooLarge(f"body is larger than {BODY_LIMIT} bytes")
    body: bytes = environ["wsgi.input"].read(BODY_LIMIT + 1 if length < 0 else length)
    if len(body) > BODY_LIMIT:
        raise BodyTooLarge(f"body is larger than {BODY_LIMIT} bytes")
    return body


def _headers(environ: Environ) -> dict[str, str]:
    return {key[5:].replace("_", "-").lower(): value for key, value in environ.items() if key.startswith("HTTP_")}


def _refuse(
    start_response: Any,
    status: int,
    title: str,
    detail: str = "",
    errors: dict[str, list[str]] | None = None,
    headers: Headers | None = None,
) -> Iterable[bytes]:
    body = problem(status, title, detail, errors).encode()
    start_response(
        f"{status} {title}",
        [("Content-Type", PROBLEM_TYPE), ("Content-Length", str(len(body))), *_CORS, *(headers or [])],
    )
    return [body]
