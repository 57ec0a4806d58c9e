"""The rows of one person, for a privacy officer who says why: to answer a request of theirs."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Response, flash, g, redirect, render_template, request, url_for
from flask_wtf import FlaskForm
from werkzeug.wrappers import Response as BaseResponse
from wtforms import BooleanField, IntegerField, SelectMultipleField, StringField
from wtforms.validators import NumberRange, Optional
from wtforms.widgets import CheckboxInput, ListWidget

from webmon.clock import Clock
from webmon.domain.access import FIELD_GROUPS, LONGEST_REASON, SHORTEST_REASON
from webmon.domain.site import Site
from webmon.errors import InvalidInput, NotFound
from webmon.services.erase_account import AccountEraser, Wish
from webmon.services.read_account import AccountReader, Question, Shown
from webmon.services.restrict_account import Change, Restrictions, Standing
from webmon.web.shared.forms import blame, options
from webmon.web.shared.guard import Guard

PAGE_COUNT = 100
_USUAL = ("time", "page")
_LABELS = {key: group.label for key, group in FIELD_GROUPS.items()}


class WhoseForm(FlaskForm):  # type: ignore[misc]
    subject = StringField("Identifier at the website")
    account_id = IntegerField("or account number", [Optional(), NumberRange(1, 2**62, "must be a number")])
    reason = StringField("Reason")


class QuestionForm(WhoseForm):
    fields = SelectMultipleField(
        "Fields",
        choices=options(_LABELS),
        widget=ListWidget(prefix_label=False),
        option_widget=CheckboxInput(),
    )
    restricted_use = BooleanField("At the person's request, or for legal claims")
    skip = IntegerField(validators=[Optional(), NumberRange(0, 2**31)])


class RestrictionForm(WhoseForm):
    """Stands on the same page, so its fields have names of their own."""

    def __init__(self, **given: Any) -> None:
        super().__init__(prefix="restriction-", **given)


class ErasureForm(WhoseForm):
    understood = BooleanField("I understand that it cannot be undone")

    def __init__(self, **given: Any) -> None:
        super().__init__(prefix="erasure-", **given)


def register(
    pages: Blueprint,
    guard: Guard,
    accounts: AccountReader,
    restrictions: Restrictions,
    eraser: AccountEraser,
    clock: Clock,
) -> None:
    _reading(pages, guard, accounts, clock)
    _restricting(pages, guard, restrictions, clock)
    _erasing(pages, guard, eraser, clock)


def _reading(pages: Blueprint, guard: Guard, accounts: AccountReader, clock: Clock) -> None:
    def look(site: Site, form: QuestionForm, answer: Callable[[Question], Shown]) -> Shown | Response:
        """What was asked for, or the page that says why it is not shown."""
        if not form.validate_on_submit():
            return _page(site, form, status=400)
        try:
            return answer(_question(form))
        except InvalidInput as error:
            blame(form, error)
            return _page(site, form, status=400)
        except NotFound as error:
            _blame_whose(form, error)
            return _page(site, form, status=404)

    @pages.route("/sites/<domain>/persons", methods=["GET", "POST"])
    @guard.rows_of_persons()
    def ask_person(site: Site) -> Response:
        """What is asked goes in the body: an address stays in histories and logs."""
        if request.method == "GET":
            return _page(site, _empty_question())
        form = QuestionForm()

        def shown(asked: Question) -> Shown:
            skip = form.data["skip"] or 0
            return accounts.show(g.staff, site, asked, clock.now(), skip=skip, limit=PAGE_COUNT)

        found = look(site, form, shown)
        return found if isinstance(found, Response) else _page(site, form, shown=found)

    @pages.post("/sites/<domain>/persons/download")
    @guard.rows_of_persons()
    def download_person(site: Site) -> Response:
        found = look(site, QuestionForm(), lambda asked: accounts.export(g.staff, site, asked, clock.now()))
        if isinstance(found, Response):
            return found
        document = {
            "site": site.domain,
            "account": found.account_id,
            "made_at": clock.now().isoformat(),
            "made_by": g.staff.email,
            "reason": found.reason,
            "restricted_at": found.restricted_at,
            "fields": found.fields,
            "identity": found.identity,
            "rows": found.rows,
            "unopened": found.unopened_count,
        }
        response = Response(
            json.dumps(document, ensure_ascii=False, indent=1, default=_plain), content_type="application/json"
        )
        name = f"{site.domain}-account-{found.account_id}.json".replace(":", "-")
        response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
        return response


def _restricting(pages: Blueprint, guard: Guard, restrictions: Restrictions, clock: Clock) -> None:
    def change(site: Site, *, restricted: bool) -> BaseResponse:
        form = RestrictionForm()
        if not form.validate_on_submit():
            return _page(site, _empty_question(), restriction=form, status=400)
        asked = Change(restricted, form.data["reason"] or "", form.data["subject"] or "", form.data["account_id"])
        try:
            standing = restrictions.change_as(g.staff, site, asked, clock.now())
        except InvalidInput as error:
            blame(form, error)
            return _page(site, _empty_question(), restriction=form, status=400)
        except NotFound as error:
            _blame_whose(form, error)
            return _page(site, _empty_question(), restriction=form, status=404)
        flash(_how_it_is(standing), "done")
        return redirect(url_for("admin.ask_person", domain=site.domain))

    @pages.post("/sites/<domain>/persons/restrict")
    @guard.rows_of_persons()
    def restrict_person(site: Site) -> BaseResponse:
        return change(site, restricted=True)

    @pages.post("/sites/<domain>/persons/lift-restriction")
    @guard.rows_of_persons()
    def lift_restriction(site: Site) -> BaseResponse:
        return change(site, restricted=False)


def _erasing(pages: Blueprint, guard: Guard, eraser: AccountEraser, clock: Clock) -> None:
    @pages.post("/sites/<domain>/persons/erase")
    @guard.rows_of_persons()
    def erase_person(site: Site) -> BaseResponse:
        form = ErasureForm()
        if not form.validate_on_submit():
            return _page(site, _empty_question(), erasure=form, status=400)
        try:
            count = eraser.erase_as(g.staff, site, _wish(form), clock.now())
        except InvalidInput as error:
            blame(form, error)
            return _page(site, _empty_question(), erasure=form, status=400)
        except NotFound as error:
            _blame_whose(form, error)
            return _page(site, _empty_question(), erasure=form, status=404)
        flash(f"The account is erased, and with it {count} {'row' if count == 1 else 'rows'}.", "done")
        return redirect(url_for("admin.ask_person", domain=site.domain))


def _page(
    site: Site,
    form: QuestionForm,
    *,
    shown: Shown | None = None,
    restriction: RestrictionForm | None = None,
    erasure: ErasureForm | None = None,
    status: int = 200,
) -> Response:
    asks_for_use = bool(form.restricted_use.errors) or (shown is not None and shown.restricted_at is not None)
    form.restricted_use.data = False  # said of each account anew
    whose = {"account_id": shown.account_id} if shown else {}
    erasure = erasure or ErasureForm(formdata=None, data=whose)
    erasure.understood.data = False  # and so is this
    page = render_template(
        "admin/persons.html",
        site=site,
        form=form,
        restriction=restriction or RestrictionForm(formdata=None, data=whose),
        erasure=erasure,
        asks_for_use=asks_for_use,
        shown=shown,
        rows=[_cells(row) for row in shown.rows] if shown else [],
        titles=[_LABELS[key] for key in shown.fields if FIELD_GROUPS[key].columns] if shown else [],
        page_count=PAGE_COUNT,
        shortest=SHORTEST_REASON,
        longest=LONGEST_REASON,
    )
    return Response(page, status)


def _empty_question() -> QuestionForm:
    return QuestionForm(formdata=None, data={"fields": list(_USUAL)})


def _blame_whose(form: WhoseForm, error: NotFound) -> None:
    blame(form, InvalidInput.field("subject", f"is not known: {str(error)[0].lower()}{str(error)[1:]}"))


def _how_it_is(standing: Standing) -> str:
    account = f"Account {standing.account_id}"
    if standing.restricted_at is not None:
        already = "" if standing.changed else " already"
        return f"{account} is restricted{already}, since {standing.restricted_at:%Y-%m-%d %H:%M} UTC."
    return f"{account} is not restricted any more." if standing.changed else f"{account} is not restricted."


def _question(form: QuestionForm) -> Question:
    return Question(
        form.data["subject"] or "",
        form.data["account_id"],
        form.data["reason"] or "",
        tuple(form.data["fields"] or ()),
        form.data["restricted_use"],
    )


def _wish(form: ErasureForm) -> Wish:
    data = form.data
    return Wish(data["subject"] or "", data["account_id"], data["reason"] or "", data["understood"])


def _cells(row: dict[str, Any]) -> list[str]:
    """A row as the page shows it: one text for each group of fields."""
    groups = (group for group in FIELD_GROUPS.values() if group.columns and group.columns[0] in row)
    return [" ".join(filter(None, (_said(column, row[column]) for column in group.columns))) for group in groups]


def _said(column: str, value: Any) -> str:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    if column == "engagement_ms":
        return f"{value / 1000:.1f} s" if value else ""
    if column == "scroll_pct":
        return f"{value} %" if value else ""
    return str(value)


def _plain(value: Any) -> str:
    return value.replace(tzinfo=UTC).isoformat() if isinstance(value, datetime) else str(value)
