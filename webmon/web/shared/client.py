"""Who asks, as services see it."""

from __future__ import annotations

from flask import Request

from webmon.services.collect_hit import Client


def client_of(request: Request) -> Client:
    headers = {name.lower(): value for name, value in request.headers.items()}
    return Client(request.remote_addr or "", headers)
