"""Whether the service is up, for whoever watches over it."""

from __future__ import annotations

from flask import Blueprint, Response


def blueprint() -> Blueprint:
    pages = Blueprint("health", __name__)

    @pages.get("/healthz")
    def healthz() -> Response:
        return Response("ok\n", content_type="text/plain; charset=utf-8")

    return pages
