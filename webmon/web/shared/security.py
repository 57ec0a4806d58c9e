"""Headers that every answer carries, and the cookie of webmon's own pages."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from datetime import timedelta

from flask import Flask, Response, abort, g, request

from webmon.web.shared.body import LARGEST_BODY

# What a page may do, but for scripts: those follow from how it was rendered.
PAGE_POLICY: Mapping[str, str] = {
    "default-src": "'none'",
    "style-src": "'self'",
    "img-src": "'self' data:",
    "font-src": "'self'",
    "connect-src": "'self'",
    "object-src": "'none'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
    "base-uri": "'none'",
}
# 128 bits, as CSP asks for: nobody who can put something into a page can guess it.
_NONCE_BYTES = 16
# A built file whose name holds the hash of its content.
_BUILT = re.compile(r"/static/dist/[\w-]+\.[0-9a-f]{8}\.(?:js|css|svg)")
SESSION_LIFETIME = timedelta(hours=12)


_JSON = ("/api/", "/internal/")


def nonce() -> str:
    """Return what every script element of this answer bears: random, and the same throughout the answer."""
    if "nonce" not in g:
        g.nonce = secrets.token_urlsafe(_NONCE_BYTES)
    return str(g.nonce)


def page_policy(directives: Mapping[str, str] = PAGE_POLICY) -> str:
    """Return the Content-Security-Policy of the page that was just rendered.

    Run are the scripts that bear its nonce, and what these load; of a page that was rendered without any, none. An
    address alone lets no script run, so that a file of ours, loaded where it does not belong, does nothing either.
    """
    return _policy(directives, f"'nonce-{g.nonce}' 'strict-dynamic'" if "nonce" in g else "'none'")


def _policy(directives: Mapping[str, str], scripts: str = "'none'") -> str:
    return "; ".join(f"{name} {value}" for name, value in {**directives, "script-src": scripts}.items())


def standing_headers(*, secure: bool) -> dict[str, str]:
    """The headers of every answer that does not say otherwise itself: none of a page that has scripts."""
    hsts = {"Strict-Transport-Security": "max-age=31536000; includeSubDomains"} if secure else {}
    return {
        "Content-Security-Policy": _policy(PAGE_POLICY),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
        "Permissions-Policy": "interest-cohort=()",
        "Cache-Control": "no-store",
        **hsts,
    }


def harden(app: Flask, *, secure: bool, session_key: bytes) -> None:
    """Set the session cookie and the security headers of every answer; templates get `nonce` for their scripts."""
    app.secret_key = session_key
    app.add_template_global(nonce)
    standing = standing_headers(secure=secure)
    app.config.update(
        SESSION_COOKIE_NAME="__Host-webmon_session" if secure else "webmon_session",
        SESSION_COOKIE_SECURE=secure,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        PERMANENT_SESSION_LIFETIME=SESSION_LIFETIME,
        WTF_CSRF_TIME_LIMIT=None,  # as long as the session; a form left open over lunch still works
        WTF_CSRF_SSL_STRICT=False,  # it compares Referer with Host, which a proxy may have changed
        MAX_CONTENT_LENGTH=LARGEST_BODY,
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
        headers.setdefault("Content-Security-Policy", page_policy())
        for name, value in standing.items():
            headers.setdefault(name, value)
        return response
