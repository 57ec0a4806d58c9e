"""The way in for any WSGI server: a callable in front of Flask. `webmon serve` uses the faster one beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from time import perf_counter
from typing import Any

from webmon.errors import WebmonError
from webmon.services.collect_hit import ReadyHit
from webmon.web.collect.door import PATHS, Answer, Asked, Door, count, crashed, refusal, too_large
from webmon.web.shared.body import BODY_LIMIT

Environ = dict[str, Any]
WsgiApp = Callable[[Environ, Any], Iterable[bytes]]


class WsgiCollect:
    """Answers requests for `PATHS` and hands everything else on."""

    def __init__(self, inner: WsgiApp, door: Door, store: Callable[[ReadyHit], None]) -> None:
        self._inner = inner
        self._door = door
        self._store = store

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        if environ.get("PATH_INFO") not in PATHS:
            return self._inner(environ, start_response)
        began = perf_counter()
        answer = self._answer(environ)
        count(answer, began)
        headers = [(name.decode(), value.decode("latin-1")) for name, value in answer.headers]
        start_response(f"{answer.status} {answer.title}", headers)
        return [answer.body]

    def _answer(self, environ: Environ) -> Answer:
        try:
            hits, answer = self._door.prepare(_asked(environ))
            for hit in hits:
                self._store(hit)
        except WebmonError as error:
            return refusal(error)
        except Exception as error:
            return crashed(error)
        return answer


def _asked(environ: Environ) -> Asked:
    headers = {key[5:].replace("_", "-").lower(): environ[key] for key in environ if key.startswith("HTTP_")}
    method = environ["REQUEST_METHOD"]
    return Asked(
        method,
        environ["PATH_INFO"],
        environ.get("QUERY_STRING", ""),
        headers,
        environ.get("REMOTE_ADDR", ""),
        _body(environ) if method == "POST" else b"",
    )


def _body(environ: Environ) -> bytes:
    text = environ.get("CONTENT_LENGTH") or ""
    length = int(text) if text.isdecimal() else BODY_LIMIT + 1 if text else -1
    if length > BODY_LIMIT:
        raise too_large()
    body: bytes = environ["wsgi.input"].read(BODY_LIMIT + 1 if length < 0 else length)
    if len(body) > BODY_LIMIT:
        raise too_large()
    return body
