"""The admin pages: sites, notices, cookies, retention, staff, audit trail."""

from __future__ import annotations

from flask import Blueprint, redirect, url_for
from werkzeug.wrappers import Response

from webmon.clock import Clock
from webmon.services.apply_retention import Retention
from webmon.services.erase_account import AccountEraser
from webmon.services.keep_register import Register
from webmon.services.manage_sites import Sites
from webmon.services.manage_staff import StaffAccounts
from webmon.services.publish_notice import Notices
from webmon.services.read_account import AccountReader
from webmon.services.read_audit import AuditLog
from webmon.services.restrict_account import Restrictions
from webmon.services.second_factor import SecondFactors
from webmon.web.admin import audit, notices, persons, retention, services, sites, staff
from webmon.web.admin.sites import AddSite
from webmon.web.shared.guard import Guard


def blueprint(
    guard: Guard,
    site_book: Sites,
    add_site: AddSite,
    notice_book: Notices,
    register: Register,
    rules: Retention,
    staff_accounts: StaffAccounts,
    second_factors: SecondFactors,
    audit_log: AuditLog,
    accounts: AccountReader,
    restrictions: Restrictions,
    account_eraser: AccountEraser,
    public_url: str,
    clock: Clock,
) -> Blueprint:
    pages = Blueprint("admin", __name__, url_prefix="/admin")

    @pages.get("/")
    def index() -> Response:
        return redirect(url_for("admin.list_sites"))

    sites.register(pages, guard, site_book, add_site, public_url, clock)
    services.register(pages, guard, register, clock)
    notices.register(pages, guard, notice_book, staff_accounts, clock)
    retention.register(pages, guard, rules, clock)
    staff.register(pages, guard, staff_accounts, second_factors, site_book, public_url, clock)
    persons.register(pages, guard, accounts, restrictions, account_eraser, clock)
    audit.register(pages, guard, audit_log, site_book, clock)
    return pages
