"""Where everything is put together: settings to stores, stores to services, services to blueprints.

`Core` is what every process has (the command line too); `Runtime` is the one process that serves and so holds the
event log. Services are made when they are first asked for.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import structlog
from a2wsgi import WSGIMiddleware
from flask import Blueprint, Flask
from flask_wtf.csrf import CSRFProtect
from prometheus_client import Counter

from webmon.clock import Clock, SystemClock
from webmon.domain import agent
from webmon.domain.address import Networks
from webmon.domain.handling import InfoClass
from webmon.domain.jurisdiction import Jurisdiction
from webmon.domain.pseudonym import PseudonymKey
from webmon.domain.retention import length
from webmon.domain.site import Mode, Site
from webmon.domain.unwanted import Unwanted
from webmon.domain.visit import INACTIVITY
from webmon.errors import NotAuthenticated, SettingsError, Unavailable, told
from webmon.jobs.scheduler import Scheduler
from webmon.jobs.table import JOBS
from webmon.jobs.worker import Worker
from webmon.services.account_keys import AccountKeys
from webmon.services.apply_retention import Retention
from webmon.services.choose_policy import Policies
from webmon.services.collect_hit import Collector
from webmon.services.common_pages import CommonPages
from webmon.services.consent_counts import ConsentCounts, Observer
from webmon.services.drop_counts import DropCounts
from webmon.services.erase_account import AccountEraser
from webmon.services.erase_collected import Eraser
from webmon.services.hand_over import Handovers
from webmon.services.import_log import LogImporter
from webmon.services.ingest import Ingester
from webmon.services.keep_register import Register
from webmon.services.manage_sites import Scope, Sites
from webmon.services.manage_staff import StaffAccounts
from webmon.services.once import REMEMBERED_FOR, Once
from webmon.services.promote_visit import AccountKeeper
from webmon.services.pseudonyms import Pseudonyms
from webmon.services.publish_notice import Notices
from webmon.services.read_account import AccountReader
from webmon.services.read_audit import AuditLog
from webmon.services.read_held import HeldData
from webmon.services.read_stats import Stats
from webmon.services.record_consent import Consents
from webmon.services.refused_attempts import PAUSE_SECONDS, RefusedAttempts
from webmon.services.renew_keys import KeyRenewal
from webmon.services.retention_file import read_rules
from webmon.services.rotate_keys import KeyRotation
from webmon.services.second_factor import SecondFactors
from webmon.services.sign_consents import Signer
from webmon.services.site_directory import SiteDirectory
from webmon.services.store_hits import HitStore, LoopStore
from webmon.services.thin_out import Generalizer
from webmon.services.visits import VisitBook
from webmon.settings import Settings, load_settings
from webmon.stores.accountkeys import AccountKeyFile
from webmon.stores.control.accounts import SqlAccounts
from webmon.stores.control.consent import SqlConsents
from webmon.stores.control.consent_figures import SqlConsentFigures
from webmon.stores.control.database import ControlDatabase, sqlite_url
from webmon.stores.control.drops import SqlDrops
from webmon.stores.control.jobs import SqlJobs
from webmon.stores.control.register import SqlRegister
from webmon.stores.control.repository import Repository
from webmon.stores.control.retention import SqlRetention
from webmon.stores.control.sites import SqlSites
from webmon.stores.control.staff import SqlStaff
from webmon.stores.control.wrapped import ControlWrapped
from webmon.stores.daykeys import DayKeys, destroy_abandoned
from webmon.stores.events.reader import EventStats
from webmon.stores.expiring import ExpiringAccounts, ExpiringAudit, ExpiringConsents, ExpiringEvents
from webmon.stores.geo import Geo
from webmon.stores.lists import read_datacenters, read_spam_referrers
from webmon.stores.ports.retention import Expiring
from webmon.stores.ports.spool import SpoolEntry
from webmon.stores.spool import Spool
from webmon.stores.spools import SpoolFolder
from webmon.stores.vault import DATA, KEYS, Vault
from webmon.web import admin, api, dashboards, embed, health, internal, portal, staff
from webmon.web.collect.asgi import AsgiCollect
from webmon.web.collect.door import Door
from webmon.web.collect.wsgi import WsgiCollect
from webmon.web.embed.answers import LOGIN_PATH
from webmon.web.embed.answers import PATH as CONSENT_PATH
from webmon.web.embed.asgi import AsgiEmbed, Recorder, Recording, SignIn
from webmon.web.portal.person import PersonCookie
from webmon.web.shared.assets import load_manifest
from webmon.web.shared.cors import ANY_ORIGIN
from webmon.web.shared.problems import QuietFlask, handle_errors
from webmon.web.shared.security import harden, standing_headers
from webmon.web.shared.staff_guard import StaffGuard

# Keys that die are kept apart, so that no backup of the rest holds them.
EPHEMERAL = "ephemeral"
# Sign-ins that come meanwhile are brought forward together; a visit is to be done within a second.
PROMOTER_PAUSE_SECONDS = 0.5
# Older rows are seldom a visit's whose visitor signs in: they are put into their month's file.
RECENT = timedelta(hours=36)
RETENTION_FAILURES = Counter("webmon_retention_failures", "Runs in which a retention rule could not be applied")
_NOT_HELD = "did not hold"
log = structlog.get_logger()
ROOT = Path(__file__).resolve().parent.parent


class Core:
    """Settings, clock, keys and the control database, and the services that need no more than these."""

    def __init__(self, settings: Settings | None = None, clock: Clock | None = None) -> None:
        self.settings = settings or load_settings()
        self.clock = clock or SystemClock()
        self.folder = _open_folder(self.settings.data_dir)
        self.vault = Vault.open(self.folder, self.settings.wrapping_key)
        self.database = ControlDatabase(sqlite_url(self.folder / DATA))
        self.database.migrate()
        (self.folder / DATA).chmod(0o600)
        self.data_keys = AccountKeyFile(self.folder / KEYS / "accounts.db")
        self._take_over_data_keys()

    @cached_property
    def sites(self) -> Sites:
        return Sites(self.database.unit(SqlSites), self.vault)

    @cached_property
    def notices(self) -> Notices:
        return Notices(self.database.unit(SqlConsents))

    @cached_property
    def register(self) -> Register:
        return Register(self.database.unit(SqlRegister), self.notices)

    @cached_property
    def consents(self) -> Consents:
        return Consents(
            self.database.unit(SqlConsents),
            self.notices,
            self.settings.public_url,
            self.consent_counts,
            self.signer,
        )

    @cached_property
    def consent_counts(self) -> ConsentCounts:
        return ConsentCounts(self.database.unit(SqlConsentFigures), self.notices)

    @cached_property
    def signer(self) -> Signer:
        return Signer(self.database.unit(SqlConsents), self.vault)

    @cached_property
    def key_rotation(self) -> KeyRotation:
        stores = (ControlWrapped(self.database), self.data_keys)
        return KeyRotation(self.vault, stores, self.database.unit(Repository))

    @cached_property
    def staff(self) -> StaffAccounts:
        return StaffAccounts(
            self.database.unit(SqlStaff),
            self.settings.min_password_length,
            self.second_factors,
            self.refused_attempts,
        )

    @cached_property
    def second_factors(self) -> SecondFactors:
        return SecondFactors(self.database.unit(SqlStaff), self.vault)

    @cached_property
    def refused_attempts(self) -> RefusedAttempts:
        return RefusedAttempts(self.database.unit(Repository))

    @cached_property
    def audit(self) -> AuditLog:
        return AuditLog(self.database.unit(Repository), self.signer)

    @cached_property
    def geo(self) -> Geo:
        return Geo(self.settings.place_file, self.settings.asn_file)

    @cached_property
    def unwanted(self) -> Unwanted:
        spam = read_spam_referrers(self.settings.spam_referrers_file)
        return Unwanted(spam, read_datacenters(self.settings.datacenter_file))

    def add_site(
        self,
        domain: str,
        *,
        actor: str,
        timezone: str = "UTC",
        mode: str = Mode.CONSENTED_ONLY,
        minimum_group: int = 1,
        honour_dnt: bool = False,
        jurisdiction: str = Jurisdiction.EVERYWHERE_OPT_IN,
    ) -> Site:
        """Add a site with everything that it begins with."""
        now = self.clock.now()
        site = self.sites.add(
            domain,
            now,
            actor=actor,
            timezone=timezone,
            mode=mode,
            minimum_group_count=minimum_group,
            honour_dnt=honour_dnt,
            jurisdiction=jurisdiction,
        )
        self.notices.publish_defaults(site, now, actor=actor)
        return site

    def job_outcomes(self) -> dict[str, str]:
        """What each scheduled job said at its last end: ``ok: …`` or ``failed: …``, empty while it runs."""
        with self.database.unit(SqlJobs)() as jobs:
            return {name: outcome for name, _, outcome in jobs.outcomes()}

    # What an import of a log needs, whether or not a server runs beside it

    def import_spool(self, name: str) -> Spool:
        return Spool(self.folder / "spool" / f"{name}.db", self.settings.spool_limit, deduplicate=True)

    def import_keys(self, name: str) -> DayKeys:
        return DayKeys(self.folder / EPHEMERAL / f"{name}.json")

    def log_importer(
        self, site: Site, keys: DayKeys, append: Callable[[Sequence[SpoolEntry]], None], *, keep_numbers: bool
    ) -> LogImporter:
        row_key = PseudonymKey(self.vault.derive(f"import:{site.id}"))
        return LogImporter(site, keys, row_key, self.geo, self.unwanted, append, self.clock.now(), keep_numbers)

    def record_import(self, site: Site, *, actor: str, kept: int, stored: int) -> None:
        with self.database.unit(SqlSites)() as sites:
            detail = {"kept": kept, "stored": stored}
            sites.audit.record(self.clock.now(), actor, "log.import", site_id=site.id, detail=detail)

    def _take_over_data_keys(self) -> None:
        """Move accounts' keys out of the control database, where they were before they had a file of their own."""
        if self.data_keys.has_taken_over:
            return
        unit = self.database.unit(SqlAccounts)
        with unit() as accounts:
            self.data_keys.take_over(accounts.kept_keys())
        with unit() as accounts:
            accounts.forget_keys()
        self.database.scrub()
        self.data_keys.note_taken_over()

    def close(self) -> None:
        self.database.close()
        self.data_keys.close()


class Runtime(Core):
    """The serving process: everything of `Core`, the event log, and what runs beside the requests."""

    def __init__(self, settings: Settings | None = None, clock: Clock | None = None) -> None:
        # Only who serves needs it, and it takes long to load.
        from webmon.stores.events.duckdb import DuckDBEventLog  # noqa: PLC0415

        super().__init__(settings, clock)
        self.event_log = DuckDBEventLog(self.folder / "events", self.settings.event_log_memory)
        # Held by whoever moves rows between spool, event log and account log: no row is seen in two places.
        self.log_lock = threading.Lock()
        self.spools = SpoolFolder(self.folder / "spool", self.settings.spool_limit, self.event_log)
        # Known to who can read the data folder, while this process serves it.
        self.internal_token = ""
        self.day_keys = DayKeys(self.folder / EPHEMERAL / "day-keys.json")
        self.visits = VisitBook()
        self.once = Once()
        self.ingester = Ingester(self.spools.all, self.event_log, self.accounts, self.log_lock)
        self.erasing = Worker("eraser", self.eraser.wake, lambda: self.eraser.advance(self.clock.now()))
        self.promoter = Worker(
            "promoter", self.accounts.wake, lambda: self.accounts.advance(self.clock.now()), PROMOTER_PAUSE_SECONDS
        )

    @cached_property
    def drop_counts(self) -> DropCounts:
        return DropCounts(self.database.unit(SqlDrops))

    @cached_property
    def drop_writer(self) -> Worker:
        return Worker("drop counts", self.drop_counts.wake, self.drop_counts.flush, pause_seconds=5)

    @cached_property
    def consent_count_writer(self) -> Worker:
        return Worker("consent counts", self.consent_counts.wake, self.consent_counts.flush, pause_seconds=5)

    @cached_property
    def refusal_writer(self) -> Worker:
        kept = self.refused_attempts
        return Worker("refused attempts", kept.wake, kept.flush, pause_seconds=PAUSE_SECONDS)

    @cached_property
    def observer(self) -> Observer:
        return Observer(self.geo, Networks(self.settings.trusted_proxies), self.unwanted)

    @cached_property
    def directory(self) -> SiteDirectory:
        return SiteDirectory(self.sites.all)

    @cached_property
    def pseudonyms(self) -> Pseudonyms:
        return Pseudonyms(self.database.unit(SqlSites), self.vault, self.day_keys)

    @cached_property
    def account_keys(self) -> AccountKeys:
        return AccountKeys(self.database.unit(SqlAccounts), self.vault, self.data_keys)

    @cached_property
    def key_renewal(self) -> KeyRenewal:
        return KeyRenewal(self.database.unit(SqlAccounts), self.account_keys, self.spools)

    @cached_property
    def account_eraser(self) -> AccountEraser:
        return AccountEraser(self.database.unit(SqlAccounts), self.account_keys, self.accounts, self.wipe)

    @cached_property
    def accounts(self) -> AccountKeeper:
        return AccountKeeper(
            self.database.unit(SqlAccounts),
            self.account_keys,
            self.sites.good_login_keys,
            self.vault,
            self.pseudonyms,
            self.visits,
            self.event_log,
            CommonPages(self.event_log),
            self.log_lock,
            self.spools,
            self.wipe,
            lambda site_id, receipt, now: self.consents.grant(site_id, receipt, now) is not None,
            self.spools.live.id,
        )

    @cached_property
    def generalizer(self) -> Generalizer:
        return Generalizer(self.sites.all, self.event_log, self.log_lock)

    @cached_property
    def eraser(self) -> Eraser:
        return Eraser(
            self.database.unit(SqlConsents),
            self.pseudonyms,
            self.visits,
            self.event_log,
            self.spools,
            self.accounts,
            self.log_lock,
            self.wipe,
        )

    @cached_property
    def account_reader(self) -> AccountReader:
        return AccountReader(self.database.unit(SqlAccounts), self.account_keys, self.sites.login_keys, self.vault)

    @cached_property
    def collector(self) -> Collector:
        return Collector(
            self.pseudonyms,
            self.visits,
            self.consents,
            self.accounts,
            self.geo,
            Networks(self.settings.trusted_proxies),
            self.unwanted,
        )

    @cached_property
    def policies(self) -> Policies:
        return Policies(self.geo, Networks(self.settings.trusted_proxies))

    @cached_property
    def stats(self) -> Stats:
        return Stats(EventStats(self.event_log))

    @cached_property
    def retention(self) -> Retention:
        stores: Mapping[InfoClass, Expiring] = {
            InfoClass.EVENT_LOG: ExpiringEvents(self.event_log),
            InfoClass.ACCOUNT_LOG: ExpiringAccounts(self.database),
            InfoClass.CONSENT_RECORDS: ExpiringConsents(self.database),
            InfoClass.AUDIT: ExpiringAudit(self.database),
        }
        return Retention(
            self.database.unit(SqlRetention),
            self.sites.all,
            stores,
            self.settings.retention_file,
            self.log_lock,
            RETENTION_FAILURES.inc,
        )

    @cached_property
    def scheduler(self) -> Scheduler:
        return Scheduler(JOBS, self, self.database.unit(SqlJobs), self.clock)

    # What the table of jobs calls

    def destroy_day_keys(self, now: datetime) -> int:
        gone = self.day_keys.destroy_expired(now) + destroy_abandoned(self.folder / EPHEMERAL, now)
        if gone:
            with self.database.unit(Repository)() as trail:
                trail.audit.record(now, "scheduler", "day_key.destroy", detail={"count": gone})
        return gone

    def rotate_epoch_keys(self, now: datetime) -> int:
        kept = {site.id: self._kept(site) for site in self.sites.all()}
        return self.pseudonyms.rotate(now, kept)

    def sign_checkpoints(self, now: datetime) -> int:
        return self.signer.checkpoint_all(self.sites.all(), now)

    def compact(self) -> list[str]:
        with self.log_lock:
            return self.event_log.compact()

    def fold(self, now: datetime) -> int:
        with self.log_lock:
            return self.event_log.fold(now - RECENT)

    def checkpoint(self) -> None:
        self.event_log.checkpoint()
        self.data_keys.checkpoint()
        self.wipe()

    def prune(self, now: datetime) -> int:
        with self.database.unit(SqlAccounts)() as accounts:
            tokens = accounts.prune_used_tokens(now)
        return tokens + self.sites.prune_login_keys(now) + self.staff.prune(now)

    def _kept(self, site: Site) -> timedelta:
        rules = {rule.info_class: rule.keep for rule in self.retention.rules(site)}
        return length(rules[InfoClass.EVENT_LOG])

    def wipe(self) -> None:
        """Leave nothing of deleted rows in the write-ahead logs of spool and control database."""
        self.spools.truncate()
        self.database.scrub()

    def recover(self) -> None:
        """Take up where the last process ended, however it ended: before anything is answered."""
        now = self.clock.now()
        self.accounts.restore(now)
        try:
            self.ingester.drain()
            self.visits.restore(self.event_log.recent_visits(now - INACTIVITY))
            self.once.remember(self.event_log.recent_hits(now - REMEMBERED_FOR, self.once.limit))
            with self.database.unit(SqlAccounts)() as accounts:
                self.once.remember(accounts.recent_hits((now - REMEMBERED_FOR).date(), self.once.limit))
        except Unavailable as error:
            # Hits go on being acknowledged into the spool; the ingester tries again until the file is back.
            log.error("event_log.unavailable", error=told(error))
        self.accounts.restore(now)
        self.event_log.compact()

    def start(self) -> None:
        # A file of rules that cannot be read is said now, not when a deletion is due.
        read_rules(self.settings.retention_file, [site.domain for site in self.sites.all()])
        self.recover()
        agent.prepare()
        self.signer.key()  # made now, so that no answer waits for it
        self.ingester.start()
        self.promoter.start()
        self.erasing.start()
        self.drop_writer.start()
        self.consent_count_writer.start()
        self.refusal_writer.start()
        self.scheduler.start()

    def close(self) -> None:
        self.scheduler.stop()
        self.promoter.stop()
        self.erasing.stop()
        self.drop_writer.stop()
        self.consent_count_writer.stop()
        self.refusal_writer.stop()
        self.ingester.stop()
        self.spools.close()
        self.event_log.close()
        self.drop_counts.flush()
        self.consent_counts.flush()
        self.refused_attempts.flush()
        super().close()


def commands(runtime: Runtime) -> Mapping[str, internal.Command]:
    """What the command line has done where the event log is open."""

    def site_of(arguments: dict[str, Any]) -> Site | None:
        return runtime.sites.get(arguments["site"]) if arguments.get("site") else None

    def plan(arguments: dict[str, Any]) -> Mapping[str, Any]:
        return runtime.retention.plan(runtime.clock.now(), site_of(arguments)).document()

    def apply(arguments: dict[str, Any]) -> Mapping[str, Any]:
        return runtime.retention.apply(runtime.clock.now(), site_of(arguments), actor="operator").document()

    def ping(_: dict[str, Any]) -> Mapping[str, Any]:
        waiting = sum(spool.count() for spool in runtime.spools.all())
        lost = len(runtime.account_eraser.lost())
        return {"waiting": waiting, "faults": runtime.event_log.faults(), "lost_keys": lost}

    def reload_keys(_: dict[str, Any]) -> Mapping[str, Any]:
        runtime.vault.reload()
        return {"mark": runtime.vault.mark.hex()}

    def erase_account(arguments: dict[str, Any]) -> Mapping[str, Any]:
        site, now = runtime.sites.get(arguments["site"]), runtime.clock.now()
        return {"rows": runtime.account_eraser.erase(site, arguments["account"], now, actor="operator")}

    def erase_lost(_: dict[str, Any]) -> Mapping[str, Any]:
        return {"accounts": runtime.account_eraser.erase_lost(runtime.clock.now(), actor="operator")}

    return {
        "ping": ping,
        "retention.plan": plan,
        "retention.apply": apply,
        "keys.reload": reload_keys,
        "account.erase": erase_account,
        "account.erase-lost": erase_lost,
    }


def create_wsgi(runtime: Runtime) -> WsgiCollect:
    """Return the whole WSGI application: the hot path in front, Flask behind it."""
    store = HitStore(runtime.spools.live.append, runtime.once)
    return WsgiCollect(create_app(runtime).wsgi_app, _door(runtime), store.store)


def create_asgi(runtime: Runtime) -> AsgiCollect:
    """Return the same as an ASGI application: hits, consents and sign-ins on the event loop, Flask in threads."""
    pages = WSGIMiddleware(cast(Any, _terminated(create_app(runtime).wsgi_app)), workers=runtime.settings.threads)
    recorder = Recorder(
        runtime.directory,
        runtime.notices,
        runtime.consents,
        runtime.policies,
        runtime.observer,
        runtime.clock,
    )
    sign_in = SignIn(runtime.directory, runtime.consents, runtime.accounts, runtime.clock)
    recorders: Mapping[str, Recording] = {CONSENT_PATH: recorder, LOGIN_PATH: sign_in}
    answers = AsgiEmbed(pages, recorders, standing_headers(secure=runtime.settings.secure) | ANY_ORIGIN)
    return AsgiCollect(answers, _door(runtime), LoopStore(runtime.spools.live.append, runtime.once))


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
    handle_errors(app, lambda action: runtime.refused_attempts.note(action, _NOT_HELD, runtime.clock.now()))
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
                runtime.accounts,
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
            lambda: runtime.spools.live.depth,
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
            HeldData(runtime.pseudonyms, runtime.event_log, runtime.account_reader, runtime.accounts),
            runtime.retention,
            PersonCookie(runtime.vault, runtime.settings.secure),
            runtime.vault.derive("portal-form"),
            runtime.clock,
        )
    )


def _pages(runtime: Runtime) -> list[Blueprint]:
    """One blueprint per audience, each given just the services it calls."""
    guard = StaffGuard(runtime.staff, runtime.sites, runtime.clock)
    return [
        staff.blueprint(
            runtime.staff,
            runtime.second_factors,
            guard,
            Networks(runtime.settings.trusted_proxies),
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
            runtime.settings.public_url,
            runtime.clock,
        ),
        dashboards.blueprint(
            runtime.sites,
            runtime.stats,
            runtime.drop_counts,
            runtime.consent_counts,
            runtime.account_reader.holds_any,
            guard,
            lambda: (runtime.event_log.revision, runtime.drop_counts.revision),
            runtime.clock,
        ),
    ]


def _opens(runtime: Runtime, key: str, site: Site) -> bool:
    try:
        return runtime.sites.authenticate(key, Scope.EVENTS) == site.id
    except NotAuthenticated:
        runtime.refused_attempts.note("api_key.refused", _NOT_HELD, runtime.clock.now())
        return False


def _open_folder(folder: Path) -> Path:
    folder = folder.resolve()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
    except OSError as error:
        raise SettingsError(f"WEBMON_DATA_DIR: {folder} cannot be used: {error.strerror}") from error
    return folder
