"""The forms of a website's page, and how they read for what the site has."""

from __future__ import annotations

from flask_wtf import FlaskForm
from wtforms import BooleanField, IntegerField, SelectField, StringField, TextAreaField
from wtforms.validators import DataRequired, InputRequired, Length, NumberRange

from webmon.domain.jurisdiction import Jurisdiction
from webmon.domain.promotion import PROMOTE_DAYS_LIMIT, THIS_VISIT
from webmon.domain.site import CHOICE_DAYS, CHOICE_DAYS_LIMIT, Mode, Site
from webmon.web.shared.forms import options

RULES_TEXT_LIMIT = 40_000
MODES = {
    Mode.CONSENTED_ONLY: "Only with consent: nothing is measured before a visitor agrees",
    Mode.COOKIELESS_UNTIL_CONSENT: "Without identifiers until a visitor has chosen",
    Mode.COOKIELESS_ALWAYS: "Always without identifiers, no banner; visitors can object",
}
POLICIES = {
    Jurisdiction.EVERYWHERE_OPT_IN: "Consent first, everywhere",
    Jurisdiction.BY_PLACE: "By the visitor's place; consent first where no law says otherwise",
    Jurisdiction.BY_PLACE_ELSE_NOTICE: "By the visitor's place; only a notice where no law asks for more",
    Jurisdiction.OPT_OUT: "Opt-out everywhere: “Do not sell or share”",
    Jurisdiction.NOTICE_ONLY: "Only a notice, everywhere",
    Jurisdiction.EXEMPT: "Notice of measurement without identifiers, with objection",
}


class SettingsForm(FlaskForm):  # type: ignore[misc]
    timezone = StringField("Time zone", [DataRequired("is required"), Length(max=64)], default="UTC")
    mode = SelectField("What may be measured", choices=options(MODES))
    jurisdiction = SelectField(
        "How visitors are asked", choices=options(POLICIES), default=Jurisdiction.EVERYWHERE_OPT_IN.value
    )
    minimum_group_count = IntegerField(
        "Smallest group a breakdown shows",
        [InputRequired("must be a whole number"), NumberRange(1, 1000, "must be between 1 and 1000")],
        default=1,
    )
    choice_days = IntegerField(
        "Days for which an answer holds",
        [
            InputRequired("must be a whole number"),
            NumberRange(1, CHOICE_DAYS_LIMIT, f"must be between 1 and {CHOICE_DAYS_LIMIT}"),
        ],
        default=CHOICE_DAYS,
    )
    promote_days = IntegerField(
        "Days of earlier visits that go to the account at sign-in",
        [
            InputRequired("must be a whole number"),
            NumberRange(THIS_VISIT, PROMOTE_DAYS_LIMIT, f"must be between {THIS_VISIT} and {PROMOTE_DAYS_LIMIT}"),
        ],
        default=THIS_VISIT,
    )
    honour_dnt = BooleanField("Take the browser's Do Not Track for an objection")
    share_subdomains = BooleanField("One choice for all subdomains")


class RulesForm(FlaskForm):  # type: ignore[misc]
    """The guard's rules, one a line."""

    parameters = TextAreaField("Allowed parameters", [Length(max=RULES_TEXT_LIMIT)])
    path_templates = TextAreaField("Path templates", [Length(max=RULES_TEXT_LIMIT)])
    property_keys = TextAreaField("Allowed property keys", [Length(max=RULES_TEXT_LIMIT)])


class FamilyForm(FlaskForm):  # type: ignore[misc]
    """Domains of the other sites, one a line."""

    family = TextAreaField("Other sites of the family", [Length(max=RULES_TEXT_LIMIT)])


class SiteForm(SettingsForm):
    domain = StringField("Domain", [DataRequired("is required"), Length(max=260)])


def settings_of(site: Site) -> SettingsForm:
    return SettingsForm(
        timezone=site.timezone,
        mode=site.mode.value,
        minimum_group_count=site.minimum_group_count,
        honour_dnt=site.honour_dnt,
        jurisdiction=site.jurisdiction.value,
        choice_days=site.choice_days,
        share_subdomains=site.share_subdomains,
        promote_days=site.promote_days,
    )


def rules_of(site: Site) -> RulesForm:
    return RulesForm(
        parameters="\n".join(site.rules.parameters),
        path_templates="\n".join(site.rules.path_templates),
        property_keys="\n".join(site.rules.property_keys),
    )


def other_sites_of(site: Site) -> FamilyForm:
    return FamilyForm(family="\n".join(site.family))
