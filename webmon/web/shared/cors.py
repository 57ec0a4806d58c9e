"""Answers to pages of any website: readable by all, never with a cookie."""

from __future__ import annotations

from flask import Response

ANY_ORIGIN = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET, POST, OPTIONS",
    "Access-Control-Allow-Headers": "content-type",
    "Access-Control-Expose-Headers": "x-webmon-erased, x-webmon-not-erased",
    "Access-Control-Max-Age": "86400",
    "Cross-Origin-Resource-Policy": "cross-origin",
}


def allow_any_origin(response: Response) -> Response:
    """Let any page read the answer; without credentials, so no cookie of webmon's own origin takes part."""
    response.headers.update(ANY_ORIGIN)
    return response
