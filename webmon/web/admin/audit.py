"""The audit trail, for those who answer for privacy."""

from __future__ import annotations

from flask import Blueprint, g, render_template, request

from webmon.domain.staff import Role, Staff
from webmon.errors import NotFound
from webmon.services.manage_sites import Sites
from webmon.services.read_audit import PAGE_COUNT, AuditLog, Entry
from webmon.web.shared.guard import Guard

_LAST = 2**63 - 1  # what the database can count to
_READERS = frozenset({Role.PRIVACY, Role.OWNER})


def register(pages: Blueprint, guard: Guard, audit: AuditLog, sites: Sites) -> None:
    @pages.get("/audit")
    @guard.roles(Role.PRIVACY)
    def show_audit() -> str:
        before = request.args.get("before", type=int)
        if before is not None and not 0 <= before <= _LAST:
            raise NotFound("There is no such entry")
        entries = audit.newest(before)
        return render_template(
            "admin/audit.html",
            entries=[entry for entry in entries if _sees(g.staff, entry)],
            older=entries[-1].seq if len(entries) == PAGE_COUNT else None,
            domains={site.id: site.domain for site in sites.all()},
            verdict=audit.verify() if "verify" in request.args else None,
        )


def _sees(member: Staff, entry: Entry) -> bool:
    """Who answers for one site sees what is about it; the rest is for those who answer for all."""
    if entry.site_id is None:
        return member.roles.get(None) in _READERS
    return member.reaches(entry.site_id, _READERS)
