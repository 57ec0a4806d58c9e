"""CSRF tokens that need no cookie: a mere look at these pages stores nothing in the browser.

A token is signed, expires, and holds for one site and for the cookie that the browser has (or has not).
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from flask import request
from itsdangerous import BadSignature, URLSafeTimedSerializer
from wtforms import Field, ValidationError
from wtforms.csrf.core import CSRF

from webmon.web.portal.person import fingerprint

LIFETIME_SECONDS = 12 * 3600


class SignedToken(CSRF):
    """For WTForms: ``Meta.csrf_context`` is a pair of signing key and site domain."""

    def setup_form(self, form: Any) -> Any:
        key, self.domain = form.meta.csrf_context
        self.signer = URLSafeTimedSerializer(key, salt="portal-form")
        return super().setup_form(form)

    def generate_csrf_token(self, csrf_token_field: Field) -> str:  # noqa: ARG002
        return str(self.signer.dumps([self.domain, fingerprint(request)]))

    def validate_csrf_token(self, form: Any, field: Field) -> None:  # noqa: ARG002
        try:
            tied_to = self.signer.loads(field.data or "", max_age=LIFETIME_SECONDS)
        except BadSignature as error:
            raise ValidationError("has expired") from error
        if tied_to != [self.domain, fingerprint(request)]:
            raise ValidationError("has expired")


def same_origin() -> bool:
    """Whether the form was sent from a page of ours, as far as the browser says so."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site in {"same-origin", "none"}
    origin = request.headers.get("Origin")
    # Host and port alone: a TLS proxy before us has taken the https away.
    try:
        return origin is None or urlsplit(origin).netloc == request.host
    except ValueError:
        return False
