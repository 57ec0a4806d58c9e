"""The way in: a WSGI callable in front of Flask, because its addresses are asked more than all others.

`POST /api/event` for the snippet and programs, `GET /p.gif` for pages without JavaScript. One adapter for each format
turns a request into an `IncomingEvent`; what becomes of it is the same for all.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from functools import lru_cache
from time import perf_counter
from typing import Any, Protocol
from urllib.parse import parse_qsl

from prometheus_client import Counter, Histogram

from webmon.clock import Clock
from webmon.domain.drop import DropReason
from webmon.domain.event import PAGEVIEW, IncomingEvent, decode_event, parse_event
from webmon.domain.site import Site
from webmon.errors import BodyTooLarge, InvalidInput, SpoolFull, UnknownSite, WebmonError
from webmon.services.collect_hit import Client
from webmon.web.shared.problems import PROBLEM_TYPE, problem

PATH = "/api/event"
PIXEL_PATH = "/p.gif"
# The smallest picture there is: one transparent pixel.
PIXEL = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAICRAEAOw==")
BODY_LIMIT = 64 * 1024
ALLOWED_METHODS = "POST, OPTIONS"

HITS = Counter("webmon_hits", "Hits by what became of them", ["outcome"])
STORED = HITS.labels("stored")
SECONDS = Histogram(
    "webmon_collect_seconds",
    "From a hit's arrival to its answer, the durable write included",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5),
)

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
        path = environ.get("PATH_INFO")
        if path == PATH:
            return self._event(environ, start_response)
        if path == PIXEL_PATH:
            return self._pixel(environ, start_response)
        return self._inner(environ, start_response)

    def _event(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        method = environ["REQUEST_METHOD"]
        if method == "POST":
            accepted = ("202 Accepted", "text/plain; charset=utf-8", b"ok")
            return self._answer(environ, start_response, lambda now: decode_event(_body(environ), now), accepted)
        if method == "OPTIONS":
            start_response("204 No Content", _CORS + _PREFLIGHT)
            return []
        return _refuse(start_response, 405, "Method Not Allowed", headers=[("Allow", ALLOWED_METHODS)])

    def _pixel(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] not in {"GET", "HEAD"}:
            return _refuse(start_response, 405, "Method Not Allowed", headers=[("Allow", "GET, HEAD")])
        shown = ("200 OK", "image/gif", PIXEL)
        return self._answer(environ, start_response, lambda now: _pixel_event(environ, now), shown)

    def _answer(
        self,
        environ: Environ,
        start_response: Any,
        read: Callable[[datetime], IncomingEvent],
        accepted: tuple[str, str, bytes],
    ) -> Iterable[bytes]:
        began = perf_counter()
        try:
            reason = self._take(environ, read)
        except WebmonError as error:
            HITS.labels("invalid" if error.status < 429 else error.code).inc()
            retry: Headers = [("Retry-After", "1")] if isinstance(error, SpoolFull) else []
            errors = error.errors if isinstance(error, InvalidInput) else None
            return _refuse(start_response, error.status, error.title, str(error), errors, retry)
        status, kind, body = accepted
        headers = [("Content-Type", kind), ("Content-Length", str(len(body))), *_CORS]
        if reason is None:
            STORED.inc()
        else:
            HITS.labels(reason.value).inc()
            headers += [("x-webmon-dropped", "1"), ("x-webmon-drop-reason", reason.value)]
        SECONDS.observe(perf_counter() - began)
        start_response(status, headers)
        return [body]

    def _take(self, environ: Environ, read: Callable[[datetime], IncomingEvent]) -> DropReason | None:
        now = self._clock.now()
        event = read(now)
        site = self._sites.find(event.domain, now)
        if site is None:
            raise UnknownSite(event.domain, "domain")
        client = Client(environ.get("REMOTE_ADDR", ""), _Headers(environ))
        return self._collector.collect(site, event, client, self._moment(event, site, client.headers, now))

    def _moment(self, event: IncomingEvent, site: Site, headers: Mapping[str, str], now: datetime) -> datetime:
        """A time in a body is believed only with a key: without one, anybody could rewrite the past."""
        if event.timestamp is None:
            return now
        key = headers.get("authorization", "").removeprefix("Bearer ").strip()
        return event.timestamp if key and self._opens(key, site) else now


def _pixel_event(environ: Environ, now: datetime) -> IncomingEvent:
    """A page view, of the page that shows the picture: by `url`, or by who asks (`Referer`)."""
    asked = dict(parse_qsl(environ.get("QUERY_STRING", ""), max_num_fields=20))
    url = asked.get("url") or asked.get("u") or environ.get("HTTP_REFERER", "")
    known = {"name": PAGEVIEW, "url": url, "domain": asked.get("site") or asked.get("d") or asked.get("domain")}
    return parse_event(known | {"referrer": asked.get("referrer") or asked.get("r") or ""}, now)


def _body(environ: Environ) -> bytes:
    text = environ.get("CONTENT_LENGTH") or ""
    length = int(text) if text.isdecimal() else BODY_LIMIT + 1 if text else -1
    if length > BODY_LIMIT:
        raise BodyTooLarge(f"body is larger than {BODY_LIMIT} bytes")
    body: bytes = environ["wsgi.input"].read(BODY_LIMIT + 1 if length < 0 else length)
    if len(body) > BODY_LIMIT:
        raise BodyTooLarge(f"body is larger than {BODY_LIMIT} bytes")
    return body


class _Headers(Mapping[str, str]):
    """The request's headers by lower-case name, looked up when asked for: few of them ever are."""

    __slots__ = ("_environ",)

    def __init__(self, environ: Environ) -> None:
        self._environ = environ

    def __getitem__(self, name: str) -> str:
        value: str = self._environ[_key(name)]
        return value

    def __iter__(self) -> Iterator[str]:
        return (key[5:].replace("_", "-").lower() for key in self._environ if key.startswith("HTTP_"))

    def __len__(self) -> int:
        return sum(key.startswith("HTTP_") for key in self._environ)

    def __bool__(self) -> bool:
        return True

    def __contains__(self, name: object) -> bool:
        return _key(str(name)) in self._environ

    def get(self, name: str, default: Any = None) -> Any:
        return self._environ.get(_key(name), default)


@lru_cache(maxsize=256)
def _key(name: str) -> str:
    return f"HTTP_{name.upper().replace('-', '_')}"


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
