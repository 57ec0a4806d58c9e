"""Answers to pages of any website: readable by all, never with a cookie."""

from __future__ import annotations

from flask import Response


def allow_any_origin(response: Response) -> Response:
    """Let any page read the answer; without credentials, so no cookie of webmon's own origin takes part."""
    response.headers["Access-Control-Allow-Origin"] = "*"
    response.headers["Access-Control-Allow-Methods"] = "GET, POST, OPTIONS"
    response.headers["Access-Control-Allow-Headers"] = "content-type"
    response.headers["Access-Control-Expose-Headers"] = "x-webmon-erased, x-webmon-not-erased"
    response.headers["Access-Control-Max-Age"] = "86400"
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response
