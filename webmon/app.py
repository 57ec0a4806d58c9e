"""What answers: services to blueprints, blueprints to one application, WSGI or ASGI, with the hot path in front."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

from a2wsgi import WSGIMiddleware
from flask import Blueprint, Flask
from flask_wtf.csrf import CSRFProtect

from webmon.commands import commands
from webmon.domain.site import Site
from webmon.errors import NotAuthenticated
from webmon.runtime import Runtime
from webmon.services.hand_over import Handovers
from webmon.services.manage_sites import Scope
from webmon.services.read_held import HeldData
from webmon.services.store_hits import HitStore, LoopStore
from webmon.web import admin, api, dashboards, embed, health, internal, portal, staff
from webmon.web.collect.asgi import AsgiCollect
from webmon.web.collect.door import Door
from webmon.web.collect.wsgi import WsgiCollect
from webmon.web.embed.answers import LOGIN_PATH
from webmon.web.embed.answers import PATH as CONSENT_PATH
from webmon.web.embed.asgi import AsgiEmbed, Recorder, Recording, SignIn
from webmon.web.portal.person import PersonCookie
from webmon.web.shared.assets import load_manifest
from webmon.web.shared.bodies import BODY_SECONDS, Bodies, BodyFirst
from webmon.web.shared.cors import ANY_ORIGIN
from webmon.web.shared.problems import QuietFlask, handle_errors
from webmon.web.shared.security import harden, standing_headers
from webmon.web.shared.staff_guard import StaffGuard

_NOT_HELD = "did not hold"
ROOT = Path(__file__).resolve().parent.parent


def create_wsgi(runtime: Runtime) -> WsgiCollect:
    """Return the whole WSGI application: the hot path in front, Flask behind it."""
    store = HitStore(runtime.spools.append, runtime.once)
    return WsgiCollect(create_app(runtime).wsgi_app, _door(runtime), store.store)


def create_asgi(runtime: Runtime, body_seconds: float = BODY_SECONDS) -> AsgiCollect:
    """Return the same as an ASGI application: hits, consents and sign-ins on the event loop, Flask in threads.

    `body_seconds`: within which the body of a request has to be there.
    """
    pages = WSGIMiddleware(cast(Any, _terminated(create_app(runtime).wsgi_app)), workers=runtime.settings.threads)
    recorders: Mapping[str, Recording] = {
        CONSENT_PATH: Recorder(
            runtime.directory, runtime.notices, runtime.consents, runtime.policies, runtime.observer
        ),
        LOGIN_PATH: SignIn(runtime.directory, runtime.consents, runtime.sign_ins),
    }
    headers = standing_headers(secure=runtime.settings.secure) | ANY_ORIGIN
    answers = AsgiEmbed(pages, recorders, headers, runtime.clock)
    hits, bodies = LoopStore(runtime.spools.append, runtime.once), Bodies(body_seconds)
    return AsgiCollect(BodyFirst(answers, bodies), _door(runtime), hits, bodies)


def _terminated(pages: Callable[..., Any]) -> Callable[..., Any]:
    """A body that comes in chunks has no length, and is taken for none unless it is said that it has an end."""
    return lambda environ, start: pages(environ | {"wsgi.input_terminated": True}, start)


def _door(runtime: Runtime) -> Door:
    return Door(
        runtime.collector,
        runtime.directory,
        lambda key, site: _opens(runtime, key, site),
        runtime.drop_counts,
        runtime.clock,
    )


def create_app(runtime: Runtime) -> Flask:
    """Return the Flask application: every page and interface but the hot path of `POST /api/event`."""
    app = QuietFlask(
        "webmon",
        static_folder=str(ROOT / "static" / "dist"),
        static_url_path="/static/dist",
        template_folder=str(ROOT / "templates"),
    )
    harden(app, secure=runtime.settings.secure, session_key=runtime.vault.derive("session"))
    handle_errors(
        app, lambda action, site: runtime.refused_attempts.note(action, _NOT_HELD, runtime.clock.now(), site_id=site)
    )
    csrf = CSRFProtect(app)
    manifest = load_manifest(ROOT / "static")
    app.add_template_global(manifest.__getitem__, "asset")
    for blueprint in [*_public(runtime, manifest), _portal(runtime)]:
        csrf.exempt(blueprint)
        app.register_blueprint(blueprint)
    for blueprint in _pages(runtime):
        app.register_blueprint(blueprint)
    return app


def _public(runtime: Runtime, manifest: Mapping[str, str]) -> list[Blueprint]:
    """Interfaces that use no cookie, and so need no CSRF token."""
    return [
        embed.blueprint(
            embed.Embed(
                runtime.sites,
                runtime.directory,
                runtime.notices,
                runtime.consents,
                Handovers(runtime.directory.find, runtime.notices, runtime.consents),
                runtime.signer,
                runtime.eraser,
                runtime.sign_ins,
                runtime.policies,
                runtime.consent_counts,
                runtime.observer,
                manifest,
                ROOT / "static" / "dist" / "w.js",
                runtime.clock,
            )
        ),
        api.blueprint(runtime.sites, runtime.stats, runtime.drop_counts, runtime.consent_counts, runtime.clock),
        internal.blueprint(runtime.internal_token, commands(runtime)),
        health.blueprint(
            runtime.settings.metrics_token,
            lambda: runtime.spools.depth,
            lambda: len(runtime.event_log.faults()),
        ),
    ]


def _portal(runtime: Runtime) -> Blueprint:
    """The visitor's pages; their forms have tokens of their own, which need no cookie."""
    return portal.blueprint(
        portal.Portal(
            runtime.sites,
            runtime.notices,
            runtime.consents,
            runtime.policies,
            runtime.eraser,
            runtime.account_eraser,
            HeldData(runtime.pseudonyms, runtime.event_log, runtime.account_reader, runtime.accounts),
            runtime.restrictions,
            runtime.retention,
            PersonCookie(runtime.vault, runtime.settings.secure),
            runtime.vault.derive("portal-form"),
            runtime.clock,
        )
    )


def _pages(runtime: Runtime) -> list[Blueprint]:
    """One blueprint per audience, each given just the services it calls."""
    guard = StaffGuard(runtime.staff, runtime.sites, runtime.refused_attempts, runtime.clock)
    return [
        staff.blueprint(
            runtime.staff,
            runtime.second_factors,
            guard,
            runtime.proxies,
            runtime.clock,
        ),
        admin.blueprint(
            guard,
            runtime.sites,
            runtime.add_site,
            runtime.notices,
            runtime.register,
            runtime.retention,
            runtime.staff,
            runtime.second_factors,
            runtime.audit,
            runtime.account_reader,
            runtime.restrictions,
            runtime.account_eraser,
            runtime.settings.public_url,
            runtime.clock,
        ),
        dashboards.blueprint(
            runtime.sites,
            dashboards.Board(
                runtime.stats,
                runtime.drop_counts,
                runtime.account_reader.holds_any,
                lambda: (runtime.event_log.revision, runtime.drop_counts.revision),
                runtime.clock,
            ),
            runtime.consent_counts,
            guard,
        ),
    ]


def _opens(runtime: Runtime, key: str, site: Site) -> bool:
    try:
        return runtime.sites.authenticate(key, Scope.EVENTS) == site.id
    except NotAuthenticated:
        runtime.refused_attempts.note("api_key.refused", _NOT_HELD, runtime.clock.now(), site_id=site.id)
        return False
