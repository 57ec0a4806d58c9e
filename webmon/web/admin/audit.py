"""The audit trail, for those who answer for privacy."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from flask import Blueprint, Response, g, render_template, request

from webmon.clock import Clock
from webmon.domain.staff import Role, Staff
from webmon.errors import InvalidInput, NotFound
from webmon.services.manage_sites import Sites
from webmon.services.read_audit import PAGE_COUNT, AuditLog
from webmon.stores.ports.audit import AuditFilter
from webmon.web.shared.guard import Guard

_LAST = 2**63 - 1  # what the database can count to
_READERS = frozenset({Role.PRIVACY, Role.OWNER})
_REFUSED = "audit.refused"
_FIELDS = ("actor", "action", "site", "since", "until")


def register(pages: Blueprint, guard: Guard, audit: AuditLog, sites: Sites, clock: Clock) -> None:
    def domains() -> dict[int, str]:
        return {site.id: site.domain for site in sites.all() if _sees(g.staff, site.id)}

    def asked(known: dict[int, str]) -> AuditFilter:
        """The filter in the address, narrowed to what the reader answers for."""
        return AuditFilter(
            sites=_sites(g.staff, known, request.args.get("site", "").strip().lower()),
            actor=request.args.get("actor", "").strip()[:254],
            action=request.args.get("action", "").strip()[:64],
            since=_midnight(_day("since")),
            until=_midnight(_day("until"), days=1),
        )

    @pages.get("/audit")
    @guard.roles(Role.PRIVACY, refused=_REFUSED)
    def show_audit() -> str:
        before = request.args.get("before", type=int)
        if before is not None and not 0 <= before <= _LAST:
            raise NotFound("There is no such entry")
        known = domains()
        where = asked(known)
        entries = audit.newest(before, PAGE_COUNT + 1, where)
        given = {name: request.args[name] for name in _FIELDS if request.args.get(name)}
        return render_template(
            "admin/audit.html",
            entries=entries[:PAGE_COUNT],
            older=entries[PAGE_COUNT - 1].seq if len(entries) > PAGE_COUNT else None,
            before=before,
            given=given,
            actions=_with_nouns(audit.actions(AuditFilter(sites=_sites(g.staff, known, "")))),
            domains=known,
            verdict=audit.verify() if "verify" in request.args else None,
        )

    @pages.post("/audit/export")
    @guard.roles(Role.PRIVACY, refused=_REFUSED)
    def export_audit() -> Response:
        """By a form, since it leaves an entry: a link that somebody is lured to does not."""
        known = domains()
        entries = audit.export(clock.now(), actor=g.staff.email, where=asked(known))
        lines: Iterator[str] = (json.dumps(one.document(), ensure_ascii=False) + "\n" for one in entries)
        response = Response(lines, content_type="application/x-ndjson")
        response.headers["Content-Disposition"] = 'attachment; filename="webmon-audit.jsonl"'
        return response


def _sees(member: Staff, site_id: int | None) -> bool:
    """Who answers for one site sees what is about it; the rest is for those who answer for all."""
    if site_id is None:
        return member.roles.get(None) in _READERS
    return member.reaches(site_id, _READERS)


def _sites(member: Staff, known: dict[int, str], wanted: str) -> Collection[int | None]:
    if wanted:
        return [number for number, domain in known.items() if domain == wanted]
    everywhere: list[int | None] = [None] if _sees(member, None) else []
    return [*known, *everywhere]


def _day(name: str) -> date | None:
    text = request.args.get(name, "").strip()
    try:
        return date.fromisoformat(text) if text else None
    except ValueError as error:
        raise InvalidInput.field(name, "must be a day, such as 2026-01-31") from error


def _midnight(day: date | None, days: int = 0) -> datetime | None:
    try:
        return None if day is None else datetime.combine(day, time(), UTC) + timedelta(days=days)
    except OverflowError as error:
        raise InvalidInput.field("until", "is too far away") from error


def _with_nouns(actions: Any) -> list[str]:
    """Every action, after the noun that stands for all of its own."""
    return sorted({part for action in actions for part in (action, action.partition(".")[0])})
