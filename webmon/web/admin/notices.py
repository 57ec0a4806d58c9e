"""Notices: which is in force, older ones as they were, and the way from a draft to another one in force."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Response, flash, g, redirect, render_template, request, url_for
from flask_wtf import FlaskForm
from werkzeug.wrappers import Response as Answer
from wtforms import BooleanField, DateTimeLocalField, FileField, HiddenField, RadioField
from wtforms.validators import DataRequired, Optional

from webmon.clock import Clock
from webmon.domain.difference import difference
from webmon.domain.language import named
from webmon.domain.notice import Notice, read_body, text_keys, upgraded
from webmon.domain.site import Site
from webmon.domain.staff import Role
from webmon.domain.symmetry import RULES, failures
from webmon.domain.theme import SCHEMES
from webmon.errors import Conflict, InvalidInput, NotAllowed, NotFound
from webmon.services.manage_staff import StaffAccounts
from webmon.services.publish_notice import Notices
from webmon.web.admin.notice_form import NoticeForm, body_of, fields_of
from webmon.web.shared.forms import blame, blaming, options
from webmon.web.shared.guard import Guard
from webmon.web.shared.security import PAGE_POLICY, page_policy

# The preview's frame runs the banner and reaches nothing: what is chosen in it cannot be sent anywhere.
_FRAME_POLICY = {
    "default-src": "'none'",
    "style-src": "'self'",
    "connect-src": "'none'",
    "object-src": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'self'",
    "base-uri": "'none'",
}
_PREVIEW_POLICY = {**PAGE_POLICY, "frame-src": "'self'"}
# How a notice can be looked at: the first of each is the usual.
VIEWS = {
    "scheme": SCHEMES,
    "direction": ("own", "ltr", "rtl"),
    "width": ("desktop", "phone"),
    "layer": ("first", "second"),
}


class PublishForm(FlaskForm):  # type: ignore[misc]
    revision = HiddenField()
    when = RadioField("When", choices=options({"now": "Now", "at": "At this time:"}), default="now")
    effective_at = DateTimeLocalField("Date and time", validators=[Optional()])


class DeleteForm(FlaskForm):  # type: ignore[misc]
    sure = BooleanField("Yes, delete the draft", [DataRequired("must be ticked")])


class CancelForm(FlaskForm):  # type: ignore[misc]
    """Only the CSRF token: the button is the whole form."""


class ImportForm(FlaskForm):  # type: ignore[misc]
    file = FileField("A notice as JSON")


def register(pages: Blueprint, guard: Guard, notices: Notices, staff: StaffAccounts, clock: Clock) -> None:
    _register_reading(pages, guard, notices, staff, clock)
    _register_drafting(pages, guard, notices, staff, clock)
    _register_publishing(pages, guard, notices, staff, clock)
    _register_looking(pages, guard, notices, clock)


def _register_reading(pages: Blueprint, guard: Guard, notices: Notices, staff: StaffAccounts, clock: Clock) -> None:
    @pages.get("/sites/<domain>/notices")
    @guard.roles(Role.PRIVACY)
    def list_notices(site: Site) -> str:
        now = clock.now()
        current = {language: notices.get(name) for language, name in notices.current(site, now).items()}
        since = notices.since(site, now)
        in_force = [(named(language), one, since.get(one.hash)) for language, one in current.items()]
        return render_template(
            "admin/notices.html",
            site=site,
            current=current,
            in_force=sorted(in_force, key=lambda row: row[0].english),
            drafts=notices.drafts(site),
            scheduled=notices.scheduled(site, now),
            history=notices.history(site),
            cancel_form=CancelForm(formdata=None),
            publishes=staff.publishes_notices(g.staff, site),
            now=now,
        )

    @pages.get("/sites/<domain>/notices/<notice_hash>")
    @guard.roles(Role.PRIVACY)
    def show_notice(site: Site, notice_hash: str) -> str:
        if not notice_hash.startswith("sha256-"):
            raise NotFound("There is no such notice")
        notice = notices.named(site, notice_hash, clock.now())
        times = [one for one in notices.history(site, limit=1000) if one.notice_hash == notice.hash]
        in_force = notices.current(site, clock.now()).get(notice.language) == notice.hash
        return render_template(
            "admin/notice.html", site=site, notice=notice, in_force=in_force, times=times, now=clock.now()
        )

    @pages.get("/sites/<domain>/notices/<name>/export")
    @guard.roles(Role.PRIVACY)
    def export_notice(site: Site, name: str) -> Response:
        notice = notices.named(site, name, clock.now())
        text = json.dumps(notice.body, ensure_ascii=False, indent=2) + "\n"
        answer = Response(text, content_type="application/json")
        answer.headers["Content-Disposition"] = f'attachment; filename="notice-{notice.language}.json"'
        return answer


def _register_drafting(pages: Blueprint, guard: Guard, notices: Notices, staff: StaffAccounts, clock: Clock) -> None:
    @pages.route("/sites/<domain>/notices/<language>/edit", methods=["GET", "POST"])
    @guard.roles(Role.PRIVACY)
    def edit_notice(site: Site, language: str) -> Answer | str:
        before = upgraded(_in_language(notices, site, language, clock).body)
        form = NoticeForm(data=fields_of(before, _revision(notices, site, language)))
        status = 200
        if form.validate_on_submit():
            try:
                body, seen = body_of(before, form), form.revision.data
                notices.save_draft(site, body, clock.now(), actor=g.staff.email, seen=seen)
            except InvalidInput as error:
                # The form has purposes, and no services that would be named wrongly but by them.
                amiss = [f"Services and cookies: {text}" for text in error.errors.pop("services", [])]
                form.purposes.errors = [*form.purposes.errors, *amiss]
                blame(form, error, "layout")
            except Conflict as error:
                flash(f"{error}. Nothing was replaced yet: save once more to put yours in its place.", "bad")
                form.revision.data = _revision(notices, site, language)
                status = 409
            else:
                flash("The draft is saved. Visitors see nothing of it until it is published.", "done")
                return redirect(url_for("admin.show_draft", domain=site.domain, language=language))
        page = render_template(
            "admin/notice_edit.html", site=site, form=form, language=language, body=before, text_keys=text_keys()
        )
        return Response(page, status)

    @pages.get("/sites/<domain>/notices/<language>/draft")
    @guard.roles(Role.PRIVACY)
    def show_draft(site: Site, language: str) -> str:
        return _draft_page(notices, staff, site, language, clock)

    @pages.post("/sites/<domain>/notices/<language>/delete")
    @guard.roles(Role.PRIVACY)
    def delete_draft(site: Site, language: str) -> Answer | str:
        form = DeleteForm()
        if not form.validate_on_submit():
            return _draft_page(notices, staff, site, language, clock, delete_form=form)
        notices.delete_draft(site, language, clock.now(), actor=g.staff.email)
        flash("The draft is deleted.", "done")
        return redirect(url_for("admin.list_notices", domain=site.domain))

    @pages.route("/sites/<domain>/notices/import", methods=["GET", "POST"])
    @guard.roles(Role.PRIVACY)
    def import_notice(site: Site) -> Answer | str:
        form = ImportForm()
        if form.validate_on_submit():
            with blaming(form, "file"):
                sent = request.files.get("file")
                body = read_body(sent.read() if sent else b"")
                draft = notices.import_draft(site, body, clock.now(), actor=g.staff.email)
                flash("The notice is brought in as a draft.", "done")
                return redirect(url_for("admin.show_draft", domain=site.domain, language=draft.notice.language))
        return render_template("admin/notice_import.html", site=site, form=form)


def _register_publishing(
    pages: Blueprint, guard: Guard, notices: Notices, staff: StaffAccounts, clock: Clock
) -> None:
    def check_officer(site: Site) -> None:
        if not staff.publishes_notices(g.staff, site):
            raise NotAllowed("Notices of this site are published by its privacy officer")

    @pages.post("/sites/<domain>/notices/<language>/publish")
    @guard.roles(Role.PRIVACY)
    def publish_notice(site: Site, language: str) -> Answer | str:
        check_officer(site)
        form = PublishForm()
        if not form.validate_on_submit():
            return _draft_page(notices, staff, site, language, clock, publish_form=form)
        try:
            at = _time_asked_for(site, form)
            revision = form.revision.data or ""
            notices.publish_draft(site, language, revision, clock.now(), actor=g.staff.email, at=at)
        except InvalidInput as error:
            blame(form, error, "when")
            return _draft_page(notices, staff, site, language, clock, publish_form=form)
        if at is None:
            flash("The notice is in force from now on.", "done")
        else:
            flash(
                f"The notice comes into force on {at.astimezone(site.zone):%Y-%m-%d at %H:%M} ({site.timezone}).",
                "done",
            )
        return redirect(url_for("admin.list_notices", domain=site.domain))

    @pages.post("/sites/<domain>/notices/scheduled/<int:publication_id>/cancel")
    @guard.roles(Role.PRIVACY)
    def cancel_notice(site: Site, publication_id: int) -> Answer:
        check_officer(site)
        notices.cancel(site, publication_id, clock.now(), actor=g.staff.email)
        flash("Cancelled: it does not come into force.", "done")
        return redirect(url_for("admin.list_notices", domain=site.domain))


def _register_looking(pages: Blueprint, guard: Guard, notices: Notices, clock: Clock) -> None:
    @pages.get("/sites/<domain>/notices/compare")
    @guard.roles(Role.PRIVACY)
    def compare_notices(site: Site) -> str:
        names = [request.args.get("before", ""), request.args.get("after", "")]
        before, after = (notices.named(site, name, clock.now()) if name else None for name in names)
        return render_template(
            "admin/notice_compare.html",
            site=site,
            before=before,
            after=after,
            names=names,
            known=_known(notices, site, clock),
            parts=difference(before.body, after.body) if before and after else (),
        )

    @pages.get("/sites/<domain>/notices/<name>/preview")
    @guard.roles(Role.PRIVACY)
    def preview_notice(site: Site, name: str) -> Response:
        notice = notices.named(site, name, clock.now())
        page = render_template(
            "admin/notice_preview.html", site=site, name=name, notice=notice, view=_view(), views=VIEWS
        )
        return Response(page, headers={"Content-Security-Policy": page_policy(_PREVIEW_POLICY)})

    @pages.get("/sites/<domain>/notices/<name>/preview/frame")
    @guard.roles(Role.PRIVACY)
    def preview_frame(site: Site, name: str) -> Response:
        view = _view()
        body = notices.named(site, name, clock.now()).body
        if view["direction"] != "own":
            body["direction"] = view["direction"]
        page = render_template("admin/notice_frame.html", body=body, view=view)
        return Response(page, headers={"Content-Security-Policy": page_policy(_FRAME_POLICY)})


def _view() -> dict[str, str]:
    asked = {name: request.args.get(name, "") for name in VIEWS}
    return {name: asked[name] if asked[name] in known else known[0] for name, known in VIEWS.items()}


def _in_language(notices: Notices, site: Site, language: str, clock: Clock) -> Notice:
    if language.startswith("sha256-"):
        raise NotFound("There is no notice in this language")
    return notices.named(site, language, clock.now())


def _revision(notices: Notices, site: Site, language: str) -> str:
    return next((one.revision for one in notices.drafts(site) if one.notice.language == language), "")


def _known(notices: Notices, site: Site, clock: Clock) -> Mapping[str, str]:
    """What can be compared: name to how it is called."""
    drafts = {one.notice.language: f"Draft, {one.notice.language}" for one in notices.drafts(site)}
    current = set(notices.current(site, clock.now()).values())
    found: dict[str, str] = {}
    for one in notices.history(site, limit=200):
        state = (
            "in force" if one.notice_hash in current else f"{one.effective_at.astimezone(site.zone):%Y-%m-%d %H:%M}"
        )
        found.setdefault(one.notice_hash, f"{one.language}, {state}, {one.notice_hash[7:15]}")
    return drafts | found


def _draft_page(notices: Notices, staff: StaffAccounts, site: Site, language: str, clock: Clock, **forms: Any) -> str:
    draft = notices.draft(site, language)
    current = notices.current(site, clock.now()).get(language)
    values: dict[str, Any] = {
        "publish_form": PublishForm(formdata=None, revision=draft.revision),
        "delete_form": DeleteForm(formdata=None),
    }
    return render_template(
        "admin/notice_draft.html",
        site=site,
        language=language,
        draft=draft,
        notice=draft.notice,
        current=current,
        parts=difference(notices.get(current).body, draft.notice.body) if current else (),
        failures=failures(draft.notice.body),
        rules=RULES,
        publishes=staff.publishes_notices(g.staff, site),
        **values | forms,
    )


def _time_asked_for(site: Site, form: PublishForm) -> datetime | None:
    """The time at which a notice shall come into force, None for now. It is read in the site's time zone."""
    if form.when.data != "at":
        return None
    local = form.effective_at.data
    if local is None:
        raise InvalidInput.field("effective_at", "is required")
    try:
        at: datetime = local.replace(tzinfo=site.zone).astimezone(UTC)
    except OverflowError:
        raise InvalidInput.field("effective_at", "is no time that can be meant") from None
    if at.astimezone(site.zone).replace(tzinfo=None) != local:
        raise InvalidInput.field("effective_at", f"does not exist in {site.timezone}: the clocks go forward over it")
    return at
