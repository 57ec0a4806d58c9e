"""Everything that runs by itself, as one table: what it is called, what it does, how often."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from webmon.domain.checkpoint import INTERVAL


@dataclass(frozen=True, slots=True)
class Job:
    """`function` is given the services and the time; what it returns is its outcome, in a word or a count."""

    name: str
    what: str
    every: timedelta
    function: Callable[[Any, datetime], object]


JOBS = (
    Job(
        "retention",
        "Delete what the retention rules say has expired",
        timedelta(hours=6),
        lambda services, now: services.retention.apply(now, actor="scheduler").complete,
    ),
    Job(
        "day-keys",
        "Destroy the keys of days that are over, and those that interrupted imports left",
        timedelta(minutes=5),
        lambda services, now: services.destroy_day_keys(now),
    ),
    Job(
        "epoch-keys",
        "Begin new pseudonym keys, destroy those that no kept row was made with",
        timedelta(days=1),
        lambda services, now: services.rotate_epoch_keys(now),
    ),
    Job(
        "promotions",
        "Complete promotions that a crash has interrupted",
        timedelta(minutes=1),
        lambda services, now: services.accounts.advance(now),
    ),
    Job(
        "signed-in-visits",
        "End signed-in visits after half an hour without activity, and with the website's session",
        timedelta(minutes=1),
        lambda services, now: services.accounts.end_over(now),
    ),
    Job(
        "data-keys",
        "Give accounts new data keys once a year, seal their rows anew, destroy the old keys",
        timedelta(hours=1),
        lambda services, now: services.key_renewal.run(now),
    ),
    Job(
        "empty-accounts",
        "Erase accounts of which no row is kept any more",
        timedelta(hours=6),
        lambda services, now: services.erase_empty_accounts(now),
    ),
    Job(
        "erased-accounts",
        "Complete erasures of accounts that were interrupted, or that a restored backup has undone",
        timedelta(hours=1),
        lambda services, now: services.account_eraser.finish(now),
    ),
    Job(
        "remainders",
        "Make what signed-in visits leave for figures say less where too few people share it",
        timedelta(minutes=10),
        lambda services, now: services.generalizer.run(now),
    ),
    Job(
        "recent-files",
        "Put the event log's recent rows into their month's file when they are older",
        timedelta(hours=1),
        lambda services, now: services.fold(now),
    ),
    Job(
        "damaged-hits",
        "Delete what was set aside of the spool, since nothing can read it, after 30 days",
        timedelta(hours=1),
        lambda services, now: services.expire_damaged_hits(now),
    ),
    Job(
        "compaction",
        "Rewrite files of the event log from which rows were deleted",
        timedelta(hours=1),
        lambda services, _: len(services.compact()),
    ),
    Job(
        "checkpoint",
        "Fold all write-ahead logs into their files, so that nothing deleted stands in one",
        timedelta(minutes=10),
        lambda services, _: services.checkpoint(),
    ),
    Job(
        "consent-checkpoints",
        "Sign what each site's consent ledger ends with, so that nothing can be cut off or rewritten before it",
        INTERVAL,
        lambda services, now: services.sign_checkpoints(now),
    ),
    Job(
        "audit-checkpoint",
        "Sign what the audit trail ends with",
        INTERVAL,
        lambda services, now: services.audit.checkpoint(now) is not None,
    ),
    Job(
        "prune",
        "Forget used login tokens, login keys, links and sessions that have expired",
        timedelta(hours=1),
        lambda services, now: services.prune(now),
    ),
)
