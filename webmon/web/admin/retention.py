"""Retention rules: seen, changed, tried out, applied."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask_wtf import FlaskForm
from werkzeug.wrappers import Response
from wtforms import StringField
from wtforms.validators import DataRequired, Length

from webmon.clock import Clock
from webmon.domain.handling import CLASSES, InfoClass
from webmon.domain.retention import Origin, in_words
from webmon.domain.site import Site
from webmon.domain.staff import Role
from webmon.errors import InvalidInput
from webmon.services.apply_retention import Retention
from webmon.web.shared.forms import blame
from webmon.web.shared.guard import Guard


class ApplyForm(FlaskForm):  # type: ignore[misc]
    """Only the CSRF token: the button is the whole form."""


RulesForm: Any = type(
    "RulesForm",
    (FlaskForm,),
    {
        kind.value: StringField(info.label, [DataRequired("is required"), Length(max=32)])
        for kind, info in CLASSES.items()
    },
)


def register(pages: Blueprint, guard: Guard, retention: Retention, clock: Clock) -> None:
    def page(site: Site, form: Any) -> str:
        rules = {rule.info_class: rule for rule in retention.rules(site)}
        return render_template(
            "admin/retention.html",
            site=site,
            form=form,
            apply_form=ApplyForm(formdata=None),
            rules=rules,
            classes=CLASSES,
            in_words=in_words,
            from_file=Origin.FILE,
            file=retention.file,
            plan=retention.plan(clock.now(), site) if "plan" in request.args else None,
            runs=_runs(retention, site),
            may_apply=g.staff.reaches(site.id, frozenset({Role.PRIVACY})),
        )

    def present(site: Site) -> Any:
        return RulesForm(data={rule.info_class.value: rule.keep for rule in retention.rules(site)})

    @pages.get("/sites/<domain>/retention")
    @guard.roles(Role.PRIVACY)
    def show_retention(site: Site) -> str:
        return page(site, present(site))

    @pages.post("/sites/<domain>/retention")
    @guard.roles(Role.PRIVACY)
    def change_retention(site: Site) -> Response | str:
        form = present(site)
        if form.validate_on_submit() and _save(retention, site, form, clock):
            flash("The rules are saved. This is what they would delete now.", "done")
            return redirect(url_for("admin.show_retention", domain=site.domain, plan=1))
        return page(site, form)

    @pages.post("/sites/<domain>/retention/apply")
    @guard.roles(Role.PRIVACY)
    def apply_retention(site: Site) -> Response:
        report = retention.apply(clock.now(), site, actor=g.staff.email)
        deleted = sum(line.deleted_count for line in report.lines)
        if report.complete:
            flash(f"Done: {deleted:,} rows deleted.", "done")
        else:
            flash(f"{deleted:,} rows deleted, but a rule could not run; see below.", "bad")
        return redirect(url_for("admin.show_retention", domain=site.domain))


def _save(retention: Retention, site: Site, form: Any, clock: Clock) -> bool:
    """Set what was changed; False, with the fields blamed, where one cannot be set: then none is."""
    before = {rule.info_class: rule for rule in retention.rules(site)}
    wanted = {
        kind.value: form[kind.value].data
        for kind in InfoClass
        if before[kind].origin is not Origin.FILE and form[kind.value].data.strip().upper() != before[kind].keep
    }
    try:
        retention.set_rules(site, wanted, clock.now(), actor=g.staff.email)
    except InvalidInput as error:
        blame(form, error)
        return False
    return True


def _runs(retention: Retention, site: Site) -> list[dict[str, Any]]:
    """The last runs, as far as they are about this site or the whole installation."""
    shown = {site.domain, "(installation)"}
    runs = [
        {"at": finished_at, "lines": [line for line in report["rules"] if line["site"] in shown]}
        for _, finished_at, report in retention.runs()
    ]
    return [run for run in runs if run["lines"]]
