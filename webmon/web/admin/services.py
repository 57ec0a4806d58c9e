"""The cookie register: services and their cookies, their texts in other languages, publishing them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask_wtf import FlaskForm
from werkzeug.wrappers import Response
from wtforms import FieldList, Form, FormField, HiddenField, SelectField, StringField, TextAreaField
from wtforms.validators import DataRequired, Length

from webmon.clock import Clock
from webmon.domain.language import LANGUAGES
from webmon.domain.notice import COOKIES_LIMIT, TEXT_LIMIT, own_services
from webmon.domain.register import FALLBACK, CookieTexts, RegisteredCookie, RegisteredService, ServiceTexts
from webmon.domain.site import Site
from webmon.domain.staff import Role
from webmon.errors import InvalidInput, NotFound
from webmon.services.keep_register import Register
from webmon.web.shared.forms import blame, options
from webmon.web.shared.guard import Guard

_KINDS = {"persistent": "Kept after the browser is closed", "session": "Only until the browser is closed"}
_PARTIES = {"first": "This website (first party)", "third": "Another company (third party)"}
_SHORT, _LONG = [Length(max=200)], [Length(max=TEXT_LIMIT)]
_SPARE_ROWS = 2


class CookieForm(Form):
    """One row; without a name it is none. `was` is the name that it came with, by which its other texts are found."""

    was = HiddenField()
    name = StringField("Name", _SHORT)
    description = StringField("What it is for", _LONG)
    lifetime = StringField("Kept for", _SHORT)
    purpose = SelectField("Purpose")
    kind = SelectField("Duration", choices=options(_KINDS))
    party = SelectField("Set by", choices=options(_PARTIES))


class ServiceForm(FlaskForm):  # type: ignore[misc]
    name = StringField("Name", [DataRequired("is required"), *_SHORT])
    provider = StringField("Provider", _SHORT)
    description = TextAreaField("What it does", _LONG)
    purpose = SelectField("Purpose")
    cookies = FieldList(FormField(CookieForm), max_entries=COOKIES_LIMIT)

    def offer(self, purposes: Mapping[str, str]) -> None:
        """Let choose among these purposes."""
        self.purpose.choices = options(purposes)
        for row in self.cookies:
            row.form.purpose.choices = options(purposes)

    def add_rows(self, count: int, purposes: Mapping[str, str]) -> None:
        for _ in range(min(count, COOKIES_LIMIT - len(self.cookies))):
            self.cookies.append_entry({"purpose": self.purpose.data})
        self.offer(purposes)


class CookieTextsForm(Form):
    name = HiddenField()
    description = StringField("What it is for", _LONG)
    lifetime = StringField("Kept for", _SHORT)


class TextsForm(FlaskForm):  # type: ignore[misc]
    """The texts of a service in another language; an empty one leaves the English one to be shown."""

    name = StringField("Name", _SHORT)
    description = TextAreaField("What it does", _LONG)
    cookies = FieldList(FormField(CookieTextsForm))


class ButtonForm(FlaskForm):  # type: ignore[misc]
    """Only the CSRF token: the button is the whole form."""


def register(pages: Blueprint, guard: Guard, book: Register, clock: Clock) -> None:
    _reading(pages, guard, book, clock)
    _editing(pages, guard, book, clock)


def _reading(pages: Blueprint, guard: Guard, book: Register, clock: Clock) -> None:
    @pages.get("/sites/<domain>/services")
    @guard.roles(Role.PRIVACY)
    def list_services(site: Site) -> str:
        return page(site)

    @pages.post("/sites/<domain>/services/publish")
    @guard.roles(Role.PRIVACY)
    def publish_services(site: Site) -> Response | str:
        try:
            new = book.publish(site, clock.now(), actor=g.staff.email)
        except InvalidInput as error:
            return page(site, str(error))
        languages = ", ".join(notice.language for notice in new)
        told = f"In force from now on, in new notices: {languages}. Drafts and what is scheduled list it, too."
        flash(told if new else "Nothing was changed.", "done")
        return redirect(url_for("admin.list_services", domain=site.domain))

    def page(site: Site, bad: str = "") -> str:
        return render_template(
            "admin/services.html",
            site=site,
            own=own_services(FALLBACK),
            services=book.services(site),
            purposes=book.purposes(site, clock.now()),
            unpublished=book.unpublished(site, clock.now()),
            languages=_others(list(book.notices.current(site, clock.now()))),
            form=ButtonForm(formdata=None),
            bad=bad,
        )


def _others(tags: list[str]) -> dict[str, str]:
    """The languages in which a service may have texts besides English, by their English names."""
    names = {tag: LANGUAGES[tag].english if tag in LANGUAGES else tag for tag in tags if tag != FALLBACK}
    return dict(sorted(names.items(), key=lambda one: one[1]))


def _editing(pages: Blueprint, guard: Guard, book: Register, clock: Clock) -> None:
    @pages.route("/sites/<domain>/services/new", methods=["GET", "POST"])
    @guard.roles(Role.PRIVACY)
    def new_service(site: Site) -> Response | str:
        return edit(site, None)

    @pages.route("/sites/<domain>/services/<key>/edit", methods=["GET", "POST"])
    @guard.roles(Role.PRIVACY)
    def edit_service(site: Site, key: str) -> Response | str:
        return edit(site, book.get(site, key))

    def edit(site: Site, before: RegisteredService | None) -> Response | str:
        form, purposes = ServiceForm(data=_fields(before)), book.purposes(site, clock.now())
        form.offer(purposes)
        if "more" not in request.form and form.validate_on_submit():
            key = before.key if before else book.new_key(site, str(form.name.data))
            if save(site, _service(form, key, before), form, "name"):
                return redirect(url_for("admin.list_services", domain=site.domain))
        elif request.method == "GET" or "more" in request.form:
            form.add_rows(_SPARE_ROWS, purposes)
        return render_template("admin/service_edit.html", site=site, form=form, before=before, purposes=purposes)

    def save(site: Site, service: RegisteredService, form: Any, rest: str) -> bool:
        try:
            book.put(site, service, clock.now(), actor=g.staff.email)
        except InvalidInput as error:
            blame(form, error, rest)
            return False
        flash("Saved. It is not in force until you publish it.", "done")
        return True

    @pages.route("/sites/<domain>/services/<key>/texts/<language>", methods=["GET", "POST"])
    @guard.roles(Role.PRIVACY)
    def translate_service(site: Site, key: str, language: str) -> Response | str:
        before = book.get(site, key)
        if language == FALLBACK or language not in book.notices.current(site, clock.now()):
            raise NotFound("The site has no notice in that language")
        form = TextsForm(data=_texts(before, language))
        if form.validate_on_submit() and save(site, _translated(form, before, language), form, "name"):
            return redirect(url_for("admin.list_services", domain=site.domain))
        english = before.in_language(FALLBACK)
        return render_template(
            "admin/service_texts.html", site=site, form=form, before=before, english=english, tag=language
        )

    @pages.route("/sites/<domain>/services/<key>/delete", methods=["GET", "POST"])
    @guard.roles(Role.PRIVACY)
    def delete_service(site: Site, key: str) -> Response | str:
        service, form = book.get(site, key), ButtonForm()
        if form.validate_on_submit():
            book.remove(site, key, clock.now(), actor=g.staff.email)
            flash(f"{service.name} is out of the register. Visitors see it until you publish.", "done")
            return redirect(url_for("admin.list_services", domain=site.domain))
        return render_template("admin/service_delete.html", site=site, form=form, service=service)


def _fields(before: RegisteredService | None) -> dict[str, Any]:
    """What the form begins with."""
    if before is None:
        return {}
    english = before.in_language(FALLBACK)
    rows = [
        {
            "was": one.name,
            "name": one.name,
            "description": one.description,
            "lifetime": one.lifetime,
            "purpose": one.purpose,
            "kind": one.kind,
            "party": one.party,
        }
        for one in english.cookies
    ]
    return {
        "name": english.name,
        "provider": english.provider,
        "description": english.description,
        "purpose": english.purpose,
        "cookies": rows,
    }


def _service(form: Any, key: str, before: RegisteredService | None) -> RegisteredService:
    """What the form holds, with the texts in other languages that there were."""
    known = {cookie.name: cookie.texts for cookie in before.cookies} if before else {}
    english = ServiceTexts(form.name.data.strip(), _plain(form.description))
    return RegisteredService(
        key=key,
        purpose=form.purpose.data,
        provider=form.provider.data.strip(),
        texts={**(before.texts if before else {}), FALLBACK: english},
        cookies=tuple(_cookie(row.form, known) for row in form.cookies if row.form.name.data.strip()),
    )


def _cookie(row: Any, known: Mapping[str, Mapping[str, CookieTexts]]) -> RegisteredCookie:
    english = CookieTexts(_plain(row.description), row.lifetime.data.strip())
    return RegisteredCookie(
        name=row.name.data.strip(),
        purpose=row.purpose.data,
        kind=row.kind.data,
        party=row.party.data,
        texts={**known.get(row.was.data, {}), FALLBACK: english},
    )


def _texts(before: RegisteredService, language: str) -> dict[str, Any]:
    own = before.texts.get(language, ServiceTexts())
    cookies = [(cookie.name, cookie.texts.get(language, CookieTexts())) for cookie in before.cookies]
    rows = [{"name": name, "description": one.description, "lifetime": one.lifetime} for name, one in cookies]
    return {"name": own.name, "description": own.description, "cookies": rows}


def _translated(form: Any, before: RegisteredService, language: str) -> RegisteredService:
    rows = {row.form.name.data: row.form for row in form.cookies}
    cookies = (
        replace(
            cookie,
            texts={**cookie.texts, language: CookieTexts(_plain(row.description), row.lifetime.data.strip())},
        )
        if (row := rows.get(cookie.name))
        else cookie
        for cookie in before.cookies
    )
    texts = {**before.texts, language: ServiceTexts(form.name.data.strip(), _plain(form.description))}
    return replace(before, texts=texts, cookies=tuple(cookies))


def _plain(field: Any) -> str:
    """Line ends as the page that sent them had them on no system in particular."""
    text: str = field.data
    return text.replace("\r\n", "\n").strip()
