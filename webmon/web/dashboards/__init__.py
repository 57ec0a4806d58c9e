"""The figures of a website, for the people who run it."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
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


@dataclass(frozen=True, slots=True)
class Board:
    """What a dashboard shows.

    `signed_in`: whether the site holds visits of people who signed in, which the figures leave out. `revision` tells
    something else whenever what the dashboards show has changed.
    """

    stats: Stats
    drops: DropCounts
    signed_in: Callable[[Site], bool]
    revision: Callable[[], object]
    clock: Clock
    # Another process may draw the same figures otherwise.
    start: str = field(default_factory=lambda: secrets.token_hex(4))

    def content(self, site: Site) -> dict[str, Any]:
        """Return what the changing part of the page is made of, as the address asks for it."""
        # The tag is taken first: what changes meanwhile is then asked for once more, and never missed.
        tag, state, now = self.tag(site), parse_state(request.args), self.clock.now()
        page = build(self.stats, self.drops, site, state, now)
        elsewhere = page.empty and self.signed_in(site)
        return {
            "site": site,
            "state": state,
            "page": page,
            "written": written,
            "tag": f'W/"{tag}"',
            "periods": PERIODS.values(),
            "today": now.astimezone(site.zone).date(),
            "no_data": page.empty and not elsewhere and not self._ever(site),
            "elsewhere": elsewhere,
            "script": url_for("embed.w_js", _external=True) if page.empty else "",
        }

    def tag(self, site: Site) -> str:
        # Charts move on with the hour even where nobody comes.
        hour = self.clock.now().astimezone(site.zone).strftime("%Y%m%d%H")
        parts = (self.start, self.revision(), site, hour, request.query_string)
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:20]

    def _ever(self, site: Site) -> bool:
        return self.stats.reader.first_day(site.id) is not None or self.drops.any(site.id)


def blueprint(sites: Sites, board: Board, consents: ConsentCounts, guard: Guard) -> Blueprint:
    """Return the dashboards."""
    pages = Blueprint("dashboards", __name__)

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
        return render_template("dashboards/show.html", **board.content(site), sites=_seen_sites(sites))

    @pages.get("/dashboard/<domain>/live")
    @guard.roles(*_READERS)
    def live(site: Site) -> Response:
        """The changing part of the page, or 304 as long as nothing has changed: then no question is asked."""
        tag = board.tag(site)
        if request.if_none_match.contains_weak(tag):
            response = Response(status=304)
        else:
            response = Response(render_template("dashboards/_content.html", **board.content(site)))
        response.set_etag(tag, weak=True)
        response.headers["Cache-Control"] = "private, no-cache"
        return response

    @pages.errorhandler(InvalidInput)
    def unreadable(error: InvalidInput) -> tuple[str, int]:
        """The address says something that no dashboard shows: what, and the way to one that does."""
        return render_template("dashboards/unreadable.html", error=error), error.status

    _register_consent(pages, consents, guard, board.clock)
    return pages


def _register_consent(pages: Blueprint, consents: ConsentCounts, guard: Guard, clock: Clock) -> None:
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


def _seen_sites(sites: Sites) -> list[Site]:
    return [site for site in sites.all() if g.staff.reaches(site.id, _READERS)]
