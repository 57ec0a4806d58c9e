"""The one process that holds the event log: `Core`, the stores of hits, their services, what runs beside requests."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from datetime import datetime, timedelta
from functools import cached_property

import structlog
from prometheus_client import Counter

from webmon.clock import Clock
from webmon.core import EPHEMERAL, EVENTS, SPOOL, Core
from webmon.domain import agent
from webmon.domain.address import Proxies
from webmon.domain.handling import InfoClass
from webmon.domain.retention import cutoff, length
from webmon.domain.site import Site
from webmon.domain.visit import LONGEST_PAUSE
from webmon.errors import Unavailable, told
from webmon.jobs.scheduler import Scheduler
from webmon.jobs.table import JOBS
from webmon.jobs.worker import Worker
from webmon.services.apply_retention import Retention
from webmon.services.choose_policy import Policies
from webmon.services.collect_hit import Collector
from webmon.services.common_pages import CommonPages
from webmon.services.consent_counts import Observer
from webmon.services.drop_counts import DropCounts
from webmon.services.erase_account import AccountEraser
from webmon.services.erase_collected import Eraser
from webmon.services.ingest import Ingester
from webmon.services.leave_remainder import Remainders
from webmon.services.once import REMEMBERED_FOR, Once
from webmon.services.promote_visit import AccountKeeper
from webmon.services.pseudonyms import Pseudonyms
from webmon.services.read_account import AccountReader
from webmon.services.read_held import PAGE_LIFETIME
from webmon.services.read_stats import Stats
from webmon.services.refused_attempts import PAUSE_SECONDS
from webmon.services.renew_keys import KeyRenewal
from webmon.services.retention_file import read_rules
from webmon.services.set_aside import DamagedHits
from webmon.services.sign_in import SignIns
from webmon.services.signed_in import Links, SignedIn
from webmon.services.site_directory import SiteDirectory
from webmon.services.thin_out import Generalizer
from webmon.services.visits import VisitBook
from webmon.settings import Settings
from webmon.stores.control.accounts import SqlAccounts
from webmon.stores.control.consent import SqlConsents
from webmon.stores.control.drops import SqlDrops
from webmon.stores.control.jobs import SqlJobs
from webmon.stores.control.repository import Repository
from webmon.stores.control.retention import SqlRetention
from webmon.stores.control.sites import SqlSites
from webmon.stores.daykeys import DayKeys, destroy_abandoned
from webmon.stores.events.duckdb import DuckDBEventLog
from webmon.stores.events.reader import EventStats
from webmon.stores.expiring import ExpiringAccounts, ExpiringAudit, ExpiringConsents, ExpiringEvents
from webmon.stores.ports.retention import Expiring
from webmon.stores.spools import SpoolFolder

# Sign-ins that come meanwhile are brought forward together; a visit is to be done within a second.
PROMOTER_PAUSE_SECONDS = 0.65
# Older rows are seldom a visit's whose visitor signs in: they are put into their month's file.
RECENT = timedelta(hours=36)
RETENTION_FAILURES = Counter("webmon_retention_failures", "Runs in which a retention rule could not be applied")
log = structlog.get_logger()


class Runtime(Core):
    """The serving process: everything of `Core`, the event log, and what runs beside the requests."""

    def __init__(self, settings: Settings | None = None, clock: Clock | None = None) -> None:
        super().__init__(settings, clock)
        self.event_log = DuckDBEventLog(self.folder / EVENTS, self.settings.event_log_memory)
        self.spools = SpoolFolder(self.folder / SPOOL, self.settings.spool_limit, self.event_log)
        # Known to who can read the data folder, while this process serves it.
        self.internal_token = ""
        self.day_keys = DayKeys(self.folder / EPHEMERAL / "day-keys.json")
        self.visits = VisitBook()
        self.once = Once()
        damaged = DamagedHits(self.account_keys, self.spools)
        self.ingester = Ingester(
            self.spools.turn, self.event_log, self.accounts, self.log_lock, set_aside=damaged.set_aside
        )
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
    def proxies(self) -> Proxies:
        return Proxies(self.settings.trusted_proxies, self.settings.proxy_header)

    @cached_property
    def observer(self) -> Observer:
        return Observer(self.geo, self.proxies, self.unwanted)

    @cached_property
    def directory(self) -> SiteDirectory:
        return SiteDirectory(self.sites.all)

    @cached_property
    def pseudonyms(self) -> Pseudonyms:
        return Pseudonyms(self.database.unit(SqlSites), self.vault, self.day_keys)

    @cached_property
    def key_renewal(self) -> KeyRenewal:
        return KeyRenewal(self.database.unit(SqlAccounts), self.account_keys, self.spools)

    @cached_property
    def account_eraser(self) -> AccountEraser:
        return AccountEraser(self.database.unit(SqlAccounts), self.account_keys, self.sign_ins, self.wipe_or_later)

    @cached_property
    def roster(self) -> SignedIn:
        return SignedIn()

    @cached_property
    def links(self) -> Links:
        return Links(self.vault)

    @cached_property
    def sign_ins(self) -> SignIns:
        return SignIns(
            self.account_keys,
            self.sites.good_login_keys,
            self.vault,
            self.pseudonyms,
            self.visits,
            self.roster,
            self.links,
            lambda site_id, receipt, now: self.consents.grant(site_id, receipt, now) is not None,
        )

    @cached_property
    def accounts(self) -> AccountKeeper:
        return AccountKeeper(
            self.database.unit(SqlAccounts),
            self.account_keys,
            self.sign_ins,
            self.roster,
            self.links,
            self.event_log,
            Remainders(self.pseudonyms, CommonPages(self.event_log)),
            self.log_lock,
            self.spools,
            self.wipe,
            self.spools.node,
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
            self.sign_ins,
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
            self.proxies,
            self.unwanted,
        )

    @cached_property
    def policies(self) -> Policies:
        return Policies(self.geo, self.proxies)

    @cached_property
    def stats(self) -> Stats:
        return Stats(EventStats(self.event_log))

    @cached_property
    def retention(self) -> Retention:
        stores: Mapping[InfoClass, Expiring] = {
            InfoClass.EVENT_LOG: ExpiringEvents(self.event_log),
            InfoClass.ACCOUNT_LOG: ExpiringAccounts(self.database),
            InfoClass.CONSENT_RECORDS: ExpiringConsents(self.database, self.signer.key),
            InfoClass.AUDIT: ExpiringAudit(self.database, self.signer.key),
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
            # The pages that were open then have closed by themselves.
            accounts.forget_sign_outs(now - PAGE_LIFETIME)
        return tokens + self.sites.prune_login_keys(now) + self.staff.prune(now)

    def erase_empty_accounts(self, now: datetime) -> int:
        """Erase the accounts whose last row is gone, once they have been there as long as a row is kept."""
        sites = {site.id: self.retention.rules(site) for site in self.sites.all()}
        before = {
            site_id: cutoff(rule.keep, now)
            for site_id, rules in sites.items()
            for rule in rules
            if rule.info_class is InfoClass.ACCOUNT_LOG
        }
        return self.account_eraser.erase_empty(before, now)

    def expire_damaged_hits(self, now: datetime) -> int:
        return self.spools.damaged_hits.expire(now, {site.id: self._kept(site) for site in self.sites.all()})

    def _kept(self, site: Site) -> timedelta:
        rules = {rule.info_class: rule.keep for rule in self.retention.rules(site)}
        return length(rules[InfoClass.EVENT_LOG])

    def wipe(self) -> None:
        """Leave nothing of deleted rows in the files of the spool and in the control database's write-ahead log."""
        self.spools.wipe()
        self.database.scrub()

    def wipe_or_later(self) -> None:
        """The same after what must not be told as undone: where it cannot be done, the next checkpoint does it."""
        try:
            self.spools.wipe()
        except Unavailable as error:
            log.warning("spool.wipe_later", error=told(error))
        self.database.scrub_or_later()

    def recover(self) -> None:
        """Take up where the last process ended, however it ended: before anything is answered."""
        now = self.clock.now()
        self.accounts.restore(now)
        try:
            self.ingester.drain()
            self.visits.restore(self.event_log.recent_visits(now - LONGEST_PAUSE))
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
        """Take every step, whatever becomes of one; the last error is raised then."""
        steps = (
            self.scheduler.stop,
            self.promoter.stop,
            self.erasing.stop,
            self.drop_writer.stop,
            self.consent_count_writer.stop,
            self.refusal_writer.stop,
            self.ingester.stop,
            self.spools.close,
            self.event_log.close,
            self.drop_counts.flush,
            self.consent_counts.flush,
            self.refused_attempts.flush,
            super().close,
        )
        with ExitStack() as closing:
            for step in reversed(steps):
                closing.callback(step)
