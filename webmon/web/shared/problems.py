"""Errors as answers: `application/problem+json` (RFC 9457) for programs, a page for people."""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import structlog
from flask import Flask, Request, Response, g, render_template, request, url_for
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import BadHost, HTTPException

from webmon.errors import NotAuthenticated, SpoolFull, WebmonError, told

log = structlog.get_logger()
PROBLEM_TYPE = "application/problem+json"
_STAFF_PAGES = ("/admin", "/dashboard", "/staff")


def problem(status: int, title: str, detail: str = "", errors: dict[str, list[str]] | None = None) -> str:
    """Return the problem document as JSON text."""
    document: dict[str, Any] = {"type": "about:blank", "title": title, "status": status}
    if detail:
        document["detail"] = detail
    if errors:
        document["errors"] = errors
    return json.dumps(document, ensure_ascii=False)


# What the audit trail calls it when the credential in a field does not hold; without a field it was the operator's.
_REFUSED = {
    "authorization": "api_key.refused",
    "site_id": "api_key.refused",
    "token": "login_token.refused",
    None: "operator_token.refused",
}


def handle_errors(app: Flask, refused: Callable[[str, int | None], None]) -> None:
    """Answer every error.

    `refused` is told of each credential that did not hold, by the action's name and the site, where one was named
    that there is (`g.site_id`).
    """

    def not_authenticated(error: NotAuthenticated) -> Response:
        action = _REFUSED.get(next(iter(error.errors), None), "api_key.refused")
        refused(action, g.get("site_id"))
        return _webmon_error(error)

    app.register_error_handler(NotAuthenticated, not_authenticated)
    app.register_error_handler(WebmonError, _webmon_error)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(CSRFError, _csrf_error)


def wants_json(asked: Request) -> bool:
    """Programs call below ``/api/``, and the command line below ``/internal/``; people with a browser elsewhere."""
    return asked.path.startswith(("/api/", "/internal/"))


class QuietFlask(Flask):
    """Logs where an unforeseen error came from, and neither its message nor the address that was asked for.

    Both may hold what a visitor sent; an address may hold a one-time link.
    """

    def log_exception(self, exc_info: Any) -> None:
        _, error, trace = exc_info
        where = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(trace)]
        log.error("request.crashed", endpoint=request.endpoint, error=type(error).__name__, where=where[-12:])


def _webmon_error(error: WebmonError) -> Response:
    detail = str(error)
    if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        log.error("request.failed", endpoint=request.endpoint, error=told(error))
        # Files and keys are the operator's business: visitors and programs are told that it is not their fault.
        detail = (
            detail
            if g.get("staff") or request.blueprint == "internal"
            else "Something on this server is being mended. Please try again later."
        )
    response = answer(error.status, error.title, detail, getattr(error, "errors", None))
    if isinstance(error, SpoolFull):
        response.headers["Retry-After"] = "1"
    return response


def _http_error(error: HTTPException) -> Response:
    status = error.code or HTTPStatus.INTERNAL_SERVER_ERROR
    response = answer(status, error.name, error.description or "")
    for name, value in error.get_headers():
        if name.lower() not in {"content-type", "content-length"}:
            response.headers[name] = value
    return response


def _csrf_error(error: CSRFError) -> Response:
    return answer(400, "The form has expired", f"{error.description} Go back, load the page again and repeat.")


def answer(status: int, title: str, detail: str = "", errors: dict[str, list[str]] | None = None) -> Response:
    """Return the error in the form that suits who asked."""
    if wants_json(request):
        return Response(problem(status, title, detail, errors), status, content_type=PROBLEM_TYPE)
    # Visitors' pages have words in the visitor's language; staff's are in English.
    said = {"status": status, "title": title, "detail": detail, "home": _home()}
    page = render_template("shared/error.html", words=g.get("words"), **said)
    return Response(page, status, content_type="text/html; charset=utf-8")


def _home() -> str:
    """Where staff go on from an error; nothing for visitors."""
    # Under a host that is none (`a..b`) Flask knows no routes, and so makes no addresses.
    if isinstance(request.routing_exception, BadHost) or not request.path.startswith(_STAFF_PAGES):
        return ""
    return url_for("dashboards.index")
