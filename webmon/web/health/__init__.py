"""Whether the service is up and how it fares, for whoever watches over it."""

from __future__ import annotations

import hmac
from collections.abc import Callable

from flask import Blueprint, Response, abort, request
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, Gauge, generate_latest

from webmon.errors import NotAuthenticated


def blueprint(metrics_token: str, waiting: Callable[[], int], faults: Callable[[], int]) -> Blueprint:
    """Return the pages. `waiting`: hits in the spool; `faults`: files of the event log that cannot be opened."""
    pages = Blueprint("health", __name__)
    gauges = CollectorRegistry()
    Gauge("webmon_spool_waiting", "Hits that wait for the event log", registry=gauges).set_function(waiting)
    Gauge("webmon_event_log_faults", "Files that cannot be opened", registry=gauges).set_function(faults)

    @pages.get("/healthz")
    def healthz() -> Response:
        return Response("ok\n", content_type="text/plain; charset=utf-8")

    @pages.get("/metrics")
    def metrics() -> Response:
        if not metrics_token:
            abort(404)
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if not hmac.compare_digest(given.encode(), metrics_token.encode()):
            raise NotAuthenticated("needs the token that WEBMON_METRICS_TOKEN sets")
        return Response(generate_latest(REGISTRY) + generate_latest(gauges), content_type=CONTENT_TYPE_LATEST)

    return pages
