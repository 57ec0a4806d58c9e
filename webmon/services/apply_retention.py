"""The retention rules: what they would delete, and deleting it. Both say so, rule by rule."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import structlog

from webmon.domain.handling import CLASSES, InfoClass
from webmon.domain.retention import Origin, Rule, check_keep, cutoff, in_words, longest
from webmon.domain.site import Site
from webmon.errors import Conflict, InvalidInput, told
from webmon.services.retention_file import FileRules, read_rules
from webmon.stores.ports import Unit
from webmon.stores.ports.retention import Expiring, RetentionRepository

INSTALLATION = "(installation)"
# Of the whole installation: one chain, one rule.
_SHARED = frozenset({InfoClass.AUDIT})

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Line:
    """What one rule looked at, found expired and deleted. `error` says why it could not run.

    `restricted_count`: rows that are as old, and stay because their account is restricted.
    """

    site: str
    info_class: str
    keep: str
    origin: str
    cutoff: str
    looked_at_count: int = 0
    expired_count: int = 0
    deleted_count: int = 0
    restricted_count: int = 0
    note: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    applied: bool
    lines: tuple[Line, ...]

    @property
    def complete(self) -> bool:
        """Whether every rule could run."""
        return not any(line.error for line in self.lines)

    def document(self) -> dict[str, Any]:
        return {"applied": self.applied, "complete": self.complete, "rules": [asdict(line) for line in self.lines]}


@dataclass(frozen=True, slots=True)
class Retention:
    """Retention rules per site and class: the file's win over those of the admin pages, and these over defaults."""

    unit: Unit[RetentionRepository]
    sites: Callable[[], Sequence[Site]]
    stores: Mapping[InfoClass, Expiring]
    file: Path | None
    log_lock: threading.Lock
    alarm: Callable[[], None]

    def rules(self, site: Site) -> list[Rule]:
        """Return the site's rule for each class of information."""
        return self._rules(site, self._file())

    def set_rules(self, site: Site, keeps: Mapping[str, str], now: datetime, *, actor: str) -> None:
        """Set rules in the admin pages, class of information to duration: all of them, or none.

        Raises `InvalidInput` naming each class whose duration cannot be, or `Conflict` where the file decides.
        """
        checked = _checked(keeps)
        decided = sorted(set(checked) & set(self._file().of(site.domain)))
        if decided:
            raise Conflict(f"The rule for {CLASSES[InfoClass(decided[0])].label} is set in {self.file}")
        with self.unit() as rules:
            for kind, keep in checked.items():
                rules.set_rule(site.id, kind, keep, now, actor)
                detail = {"info_class": kind.value, "keep": keep}
                rules.audit.record(now, actor, "retention.set", site_id=site.id, detail=detail)

    def plan(self, now: datetime, site: Site | None = None) -> Report:
        """Say what the rules would delete now."""
        return Report(False, tuple(self._look(one) for one in self._jobs(now, site)))

    def apply(self, now: datetime, site: Site | None = None, *, actor: str) -> Report:
        """Delete what has expired. A rule that cannot run does not stop the others, and is reported."""
        report = Report(True, tuple(self._delete(one, now) for one in self._jobs(now, site)))
        if not report.complete:
            self.alarm()
        with self.unit() as rules:
            rules.add_run(now, now, json.dumps(report.document()))
            counts: dict[str, str | int | bool | None] = {"complete": report.complete}
            for line in report.lines:
                counts[line.info_class] = int(counts.get(line.info_class) or 0) + line.deleted_count
            rules.audit.record(now, actor, "retention.apply", detail=counts)
        return report

    def runs(self, limit: int = 20) -> Sequence[tuple[datetime, datetime, Mapping[str, Any]]]:
        with self.unit.reading() as rules:
            return rules.runs(limit)

    def _rules(self, site: Site, file: FileRules) -> list[Rule]:
        with self.unit.reading() as rules:
            set_here = rules.rules(site.id)
        from_file = file.of(site.domain)
        return [_rule(kind, set_here, from_file) for kind in InfoClass]

    def _file(self) -> FileRules:
        return read_rules(self.file, [site.domain for site in self.sites()])

    def _jobs(self, now: datetime, only: Site | None) -> Iterator[_Job]:
        file = self._file()
        sites = [only] if only else list(self.sites())
        for site in sites:
            for rule in self._rules(site, file):
                if rule.info_class not in _SHARED:
                    yield _Job(site, rule, cutoff(rule.keep, now), self.stores[rule.info_class])
        if only is None and sites:
            yield from self._shared_jobs(now, sites, file)

    def _shared_jobs(self, now: datetime, sites: Sequence[Site], file: FileRules) -> Iterator[_Job]:
        """One chain for all sites: it is kept as long as the site that keeps it longest asks."""
        for kind in sorted(_SHARED):
            found = {site.domain: next(r for r in self._rules(site, file) if r.info_class is kind) for site in sites}
            whose = longest({domain: rule.keep for domain, rule in found.items()}, now)
            note = f"one chain for all sites; {whose} keeps it longest" if len(sites) > 1 else ""
            yield _Job(None, found[whose], cutoff(found[whose].keep, now), self.stores[kind], note)

    def _look(self, job: _Job) -> Line:
        try:
            with self.log_lock:
                looked_at = job.store.count(job.site)
                expired = job.store.count_before(job.site, job.cutoff)
                restricted = job.store.count_restricted_before(job.site, job.cutoff)
        except Exception as error:
            return _failed(job, error)
        return replace(job.line(), looked_at_count=looked_at, expired_count=expired, restricted_count=restricted)

    def _delete(self, job: _Job, now: datetime) -> Line:
        found = self._look(job)
        if found.error or not found.expired_count:
            return found
        try:
            with self.log_lock:
                deleted = job.store.delete_before(job.site, job.cutoff, now)
        except Exception as error:
            return _failed(job, error)
        return replace(found, deleted_count=deleted)


@dataclass(frozen=True, slots=True)
class _Job:
    site: Site | None
    rule: Rule
    cutoff: datetime
    store: Expiring
    note: str = ""

    def line(self) -> Line:
        return Line(
            site=self.site.domain if self.site else INSTALLATION,
            info_class=self.rule.info_class.value,
            keep=self.rule.keep,
            origin=self.rule.origin.value,
            cutoff=self.cutoff.isoformat(),
            note=self.note or f"kept for {in_words(self.rule.keep)}",
        )


def _failed(job: _Job, error: Exception) -> Line:
    log.error("retention.failed", info_class=job.rule.info_class, error=told(error))
    return replace(job.line(), error=told(error))


def _rule(kind: InfoClass, set_here: Mapping[str, str], from_file: Mapping[str, str]) -> Rule:
    if kind in from_file:
        return Rule(kind, from_file[kind], Origin.FILE)
    if kind in set_here:
        return Rule(kind, set_here[kind], Origin.ADMIN)
    return Rule(kind, CLASSES[kind].keep, Origin.DEFAULT)


def _checked(keeps: Mapping[str, str]) -> dict[InfoClass, str]:
    checked, errors = {}, {}
    for name, keep in keeps.items():
        try:
            checked[_class(name)] = check_keep(keep)
        except ValueError as error:
            errors[name] = [str(error)]
    if errors:
        raise InvalidInput(errors)
    return checked


def _class(name: str) -> InfoClass:
    try:
        return InfoClass(name)
    except ValueError as error:
        raise InvalidInput.field("info_class", f"must be one of {', '.join(InfoClass)}") from error
