"""Headers that every answer carries, and the cookie of webmon's own pages."""

from __future__ import annotations

import re
from datetime import timedelta

from flask import Flask, Response, abort, request

PAGE_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
# A built file whose name holds the hash of its content.
_BUILT = re.compile(r"/static/dist/[\w-]+\.[0-9a-f]{8}\.(?:js|css|svg)")
SESSION_LIFETIME = timedelta(hours=12)


_JSON = ("/api/", "/internal/")


def standing_headers(*, secure: bool) -> dict[str, str]:
    """The headers of every answer that does not say otherwise itself."""
    hsts = {"Strict-Transport-Security": "max-age=31536000; includeSubDomains"} if secure else {}
    return {
        "Content-Security-Policy": PAGE_CSP,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
        "Permissions-Policy": "interest-cohort=()",
        "Cache-Control": "no-store",
        **hsts,
    }


def harden(app: Flask, *, secure: bool, session_key: bytes) -> None:
    """Set the session cookie and the security headers of every answer."""
    app.secret_key = session_key
    standing = standing_headers(secure=secure)
    app.config.update(
        SESSION_COOKIE_NAME="__Host-webmon_session" if secure else "webmon_session",
        SESSION_COOKIE_SECURE=secure,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        PERMANENT_SESSION_LIFETIME=SESSION_LIFETIME,
        WTF_CSRF_TIME_LIMIT=None,  # as long as the session; a form left open over lunch still works
        WTF_CSRF_SSL_STRICT=False,  # it compares Referer with Host, which a proxy may have changed
        MAX_CONTENT_LENGTH=1024 * 1024,
        MAX_FORM_MEMORY_SIZE=1024 * 1024,
    )

    @app.before_request
    def _no_json_in_forms() -> None:
        # Flask-WTF would read it in a form's place, and a form's fields hold texts.
        if request.is_json and request.method == "POST" and not request.path.startswith(_JSON):
            abort(415)

    @app.after_request
    def _headers(response: Response) -> Response:
        headers = response.headers
        if _BUILT.fullmatch(request.path) and response.status_code in {200, 304}:
            headers["Cache-Control"] = "public, max-age=31536000, immutable"
            headers["Cross-Origin-Resource-Policy"] = "cross-origin"
            # The snippet imports them as modules, which browsers fetch with CORS.
            headers["Access-Control-Allow-Origin"] = "*"
        for name, value in standing.items():
            headers.setdefault(name, value)
        return response
