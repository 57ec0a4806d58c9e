"""Jobs: each by one runner only, each outcome on record, none stopped by another's failure."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from tests.support.world import World
from webmon.jobs.scheduler import Scheduler
from webmon.jobs.table import JOBS, Job
from webmon.stores.control.jobs import SqlJobs


def runner(world: World, *jobs: Job) -> Scheduler:
    return Scheduler(jobs, world.runtime, world.runtime.database.unit(SqlJobs), world.clock)


def test_a_job_runs_once_where_many_ask(world: World) -> None:
    ran = []
    job = Job("count", "Count", timedelta(hours=1), lambda _, now: ran.append(now))
    runners = [runner(world, job) for _ in range(3)]
    assert [one.run(job) for one in runners] == [True, False, False]
    world.move(minutes=61)
    assert [one.run(job) for one in runners] == [True, False, False]
    assert len(ran) == 2


def test_a_failure_is_on_record_and_the_next_job_runs(world: World) -> None:
    def fail(*_: object) -> None:
        raise OSError("no such luck")

    bad, good = Job("bad", "", timedelta(hours=1), fail), Job("good", "", timedelta(hours=1), lambda *_: 7)
    both = runner(world, bad, good)
    assert both.run(bad)
    assert both.run(good)
    assert world.runtime.job_outcomes() == {"bad": "failed: OSError: no such luck", "good": "ok: 7"}
    world.move(hours=2)
    assert both.run(bad), "it is tried again"


def test_a_claim_of_a_process_that_died_runs_out(world: World) -> None:
    job = Job("long", "", timedelta(hours=1), lambda *_: None)
    with world.runtime.database.unit(SqlJobs)() as jobs:
        now = world.clock.now()
        assert jobs.claim(job.name, now, now + timedelta(hours=3), now - timedelta(hours=1))
    world.move(hours=2)
    assert not runner(world, job).run(job)
    world.move(hours=2)
    assert runner(world, job).run(job)


def test_the_timers_run_what_the_table_says_until_they_are_stopped(world: World) -> None:
    ran = threading.Semaphore(0)

    def count(_: object, now: object) -> None:
        world.move(seconds=2)  # the clock goes on, or the job would be due no more
        ran.release()

    job = Job("often", "", timedelta(seconds=1), count)
    timers = runner(world, job)
    timers.start()
    assert ran.acquire(timeout=10)
    assert ran.acquire(timeout=10)
    timers.stop()
    timers.stop()
    assert world.runtime.job_outcomes() == {"often": "ok: None"}


@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.name)
def test_every_job_of_the_table_runs_on_real_stores(world: World, job: Job) -> None:
    visitor = world.visitor()
    visitor.sees("/one")
    visitor.signs_in()
    world.settle()
    assert job.what
    assert runner(world, job).run(job)
    assert world.runtime.job_outcomes()[job.name].startswith("ok")
