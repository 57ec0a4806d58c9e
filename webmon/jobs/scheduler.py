"""Runs the table of jobs, each by one process at a time however many there are."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import structlog
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

from webmon.clock import Clock
from webmon.errors import told
from webmon.jobs.table import Job
from webmon.stores.ports import Unit
from webmon.stores.ports.jobs import JobRepository

# A claim of a process that died is over after this; no job runs that long.
_CLAIM = timedelta(minutes=30)
# Two processes' timers are never quite together.
_LEEWAY = 0.9

log = structlog.get_logger()


class Scheduler:
    def __init__(self, jobs: Sequence[Job], services: Any, unit: Unit[JobRepository], clock: Clock) -> None:
        self._jobs = jobs
        self._services = services
        self._unit = unit
        self._clock = clock
        self._timers = BackgroundScheduler(executors={"default": ThreadPoolExecutor(1)}, timezone="UTC")

    def start(self) -> None:
        for job in self._jobs:
            self._timers.add_job(
                self.run,
                "interval",
                args=[job],
                id=job.name,
                seconds=job.every.total_seconds(),
                coalesce=True,
                max_instances=1,
                misfire_grace_time=None,
            )
        self._timers.start()

    def stop(self) -> None:
        """Wait for the job at hand, and run no more."""
        if self._timers.running:
            self._timers.shutdown(wait=True)

    def run(self, job: Job) -> bool:
        """Run a job unless another process has it or has just had it; say whether it ran."""
        now = self._clock.now()
        with self._unit() as jobs:
            if not jobs.claim(job.name, now, now + _CLAIM, now - job.every * _LEEWAY):
                return False
        try:
            outcome = f"ok: {job.function(self._services, now)}"
        except Exception as error:
            log.error("job.failed", job=job.name, error=told(error))
            outcome = f"failed: {told(error)}"
        with self._unit() as jobs:
            jobs.finish(job.name, self._clock.now(), outcome)
        return True
