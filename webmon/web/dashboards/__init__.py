"""The figures of a website, for the people who run it."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from webmon.clock import Clock
from webmon.domain.site import Site
from webmon.domain.staff import Role
from webmon.errors import InvalidInput
from webmon.services.consent_counts import ConsentCounts
from webmon.services.drop_counts import DropCounts
from webmon.services.manage_sites import Sites
from webmon.services.read_stats import Stats
from webmon.web.dashboards.consent import build_consent, parse_consent_state
from webmon.web.dashboards.page import build, written
from webmon.web.dashboards.state import PERIODS, parse_state
from webmon.web.shared.guard import Guard

_READERS = frozenset({Role.MARKETING, Role.PRIVACY})


def blueprint(
    sites: Sites,
    stats: Stats,
    drops: DropCounts,
    consents: ConsentCounts,
    signed_in: Callable[[Site], bool],
    guard: Guard,
    revision: Callable[[], object],
    clock: Clock,
) -> Blueprint:
    """Return the dashboards.

    `signed_in`: whether the site holds visits of people who signed in, which the figures leave out. `revision` tells
    something else whenever what the dashboards show has changed.
    """
    pages = Blueprint("dashboards", __name__)
    # Another process may draw the same figures otherwise.
    start = secrets.token_hex(4)

    @pages.get("/")
    def root() -> AnyResponse:
        return redirect(url_for("dashboards.index"))

    @pages.get("/dashboard/")
    @guard.roles(*_READERS)
    def index() -> AnyResponse | str:
        seen = _seen_sites(sites)
        if len(seen) == 1:
            return redirect(url_for("dashboards.show", domain=seen[0].domain))
        return render_template("dashboards/index.html", sites=seen)

    @pages.get("/dashboard/<domain>")
    @guard.roles(*_READERS)
    def show(site: Site) -> str:
        return render_template("dashboards/show.html", **content(site), sites=_seen_sites(sites))

    @pages.get("/dashboard/<domain>/live")
    @guard.roles(*_READERS)
    def live(site: Site) -> Response:
        """The changing part of the page, or 304 as long as nothing has changed: then no question is asked."""
        tag = tag_of(site)
        if request.if_none_match.contains_weak(tag):
            response = Response(status=304)
        else:
            response = Response(render_template("dashboards/_content.html", **content(site)))
        response.set_etag(tag, weak=True)
        response.headers["Cache-Control"] = "private, no-cache"
        return response

    @pages.get("/dashboard/<domain>/consent")
    @guard.roles(*_READERS)
    def consent(site: Site) -> str:
        """How notices are answered; without JavaScript, so the figures are those of when it was opened."""
        state, now = parse_consent_state(request.args), clock.now()
        return render_template(
            "dashboards/consent.html",
            site=site,
            state=state,
            page=build_consent(consents, site, state, now),
            written=written,
            periods=PERIODS.values(),
            today=now.astimezone(site.zone).date(),
            no_data=consents.is_empty(site),
            still=True,
        )

    @pages.errorhandler(InvalidInput)
    def unreadable(error: InvalidInput) -> tuple[str, int]:
        """The address says something that no dashboard shows: what, and the way to one that does."""
        return render_template("dashboards/unreadable.html", error=error), error.status

    def content(site: Site) -> dict[str, Any]:
        # The tag is taken first: what changes meanwhile is then asked for once more, and never missed.
        tag, state, now = tag_of(site), parse_state(request.args), clock.now()
        page = build(stats, drops, site, state, now)
        elsewhere = page.empty and signed_in(site)
        ever = not page.empty or elsewhere or stats.reader.first_day(site.id) is not None or drops.any(site.id)
        return {
            "site": site,
            "state": state,
            "page": page,
            "written": written,
            "tag": f'W/"{tag}"',
            "periods": PERIODS.values(),
            "today": now.astimezone(site.zone).date(),
            "no_data": not ever,
            "elsewhere": elsewhere,
            "script": url_for("embed.w_js", _external=True) if page.empty else "",
        }

    def tag_of(site: Site) -> str:
        # Charts move on with the hour even where nobody comes.
        parts = (
            start,
            revision(),
            site,
            clock.now().astimezone(site.zone).strftime("%Y%m%d%H"),
            request.query_string,
        )
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:20]

    return pages


def _seen_sites(sites: Sites) -> list[Site]:
    return [site for site in sites.all() if g.staff.reaches(site.id, _READERS)]
