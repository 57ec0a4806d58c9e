"""What the command line asks of a running server; only who can read the data folder knows the token."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from typing import Any

from flask import Blueprint, Response, jsonify, request

from webmon.errors import NotAuthenticated, NotFound
from webmon.web.shared.body import read_json

Command = Callable[[dict[str, Any]], Mapping[str, Any]]


def blueprint(token: str, commands: Mapping[str, Command]) -> Blueprint:
    pages = Blueprint("internal", __name__)

    @pages.post("/internal/<command>")
    def run(command: str) -> Response:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if not token or not hmac.compare_digest(given.encode(), token.encode()):
            raise NotAuthenticated("needs the token of this data folder")
        if command not in commands:
            raise NotFound("There is no such command")
        return jsonify(commands[command](read_json(request, dict[str, Any])))

    return pages
