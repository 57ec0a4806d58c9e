"""Interfaces for programs, opened by a key."""

from __future__ import annotations

import json
from typing import Any

from flask import Blueprint, Request, Response, request

from webmon.clock import Clock
from webmon.domain.drop import EXPLAINED
from webmon.domain.site import Site
from webmon.errors import InvalidInput, NotAuthenticated
from webmon.services.consent_counts import ConsentCounts
from webmon.services.drop_counts import DropCounts
from webmon.services.manage_sites import Scope, Sites
from webmon.services.read_stats import Stats
from webmon.web.shared.body import read_json


def blueprint(sites: Sites, stats: Stats, drops: DropCounts, consents: ConsentCounts, clock: Clock) -> Blueprint:
    """Return the interface; who asks is told by the key alone, so it needs no CSRF token."""
    pages = Blueprint("api", __name__)

    @pages.post("/api/v2/query")
    def query() -> Response:
        site_id = sites.authenticate(_key(request), Scope.STATS)
        document: dict[str, Any] = read_json(request, dict[str, Any])
        site = _site_of(sites, document, site_id)
        answer = stats.ask(site, document, clock.now()).document()
        answer["query"]["site_id"] = site.domain
        return Response(json.dumps(answer, ensure_ascii=False), content_type="application/json")

    @pages.post("/api/v2/not-counted")
    def not_counted() -> Response:
        """Hits that were not counted, by reason, for the `date_range` of a query."""
        site_id = sites.authenticate(_key(request), Scope.STATS)
        document: dict[str, Any] = read_json(request, dict[str, Any])
        site = _site_of(sites, document, site_id)
        dates = stats.dates(site, document.get("date_range"), clock.now())
        found = drops.read(site.id, dates.first_day, dates.last_day)
        results = [
            {"reason": reason.value, "hits": count, "meaning": EXPLAINED[reason].sentence}
            for reason, count in found.items()
        ]
        asked = {"site_id": site.domain, "date_range": [dates.first_day.isoformat(), dates.last_day.isoformat()]}
        answer = {"results": results, "query": asked}
        return Response(json.dumps(answer, ensure_ascii=False), content_type="application/json")

    @pages.post("/api/v2/consent")
    def consent() -> Response:
        """How notices were answered in the `date_range` of a query: in all, by day, and by one dimension."""
        site_id = sites.authenticate(_key(request), Scope.STATS)
        document: dict[str, Any] = read_json(request, dict[str, Any])
        site = _site_of(sites, document, site_id)
        dimension = document.get("dimension", "")
        if not isinstance(dimension, str):
            raise InvalidInput.field("dimension", "must be a text")
        found = consents.read(site, document.get("date_range"), clock.now(), dimension)
        asked = {
            "site_id": site.domain,
            "date_range": [found.dates.first_day.isoformat(), found.dates.last_day.isoformat()],
            "dimension": found.dimension or None,
        }
        answer = {
            "totals": found.totals.document(),
            "days": [{"day": day.isoformat()} | figures.document() for day, figures in found.days.items()],
            "groups": [{"value": value} | figures.document() for value, figures in found.groups.items()],
            "query": asked,
        }
        return Response(json.dumps(answer, ensure_ascii=False), content_type="application/json")

    return pages


def _key(asked: Request) -> str:
    kind, _, key = asked.headers.get("Authorization", "").partition(" ")
    if kind.lower() != "bearer" or not key.strip():
        raise NotAuthenticated("needs the header Authorization: Bearer KEY", "authorization")
    return key.strip()


def _site_of(sites: Sites, document: dict[str, Any], site_id: int) -> Site:
    domain = document.get("site_id")
    if not isinstance(domain, str) or not domain:
        raise InvalidInput.field("site_id", "is required")
    site = next((one for one in sites.all() if one.id == site_id), None)
    if site is None or site.domain != domain.lower():
        # Whether there is such a site is nobody's business who has no key to it.
        raise NotAuthenticated("the key does not open this site", "site_id")
    return site
