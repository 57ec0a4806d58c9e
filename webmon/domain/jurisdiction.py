"""Which rules a visitor is asked under: packs of places, a site's choice among them, and the decision with reasons.

A policy says what is shown before a choice, never what may be stored: a row with an identifier needs a consent on
record under every one of them (`webmon.domain.decision`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any


class Model(StrEnum):
    """How a visitor is asked; from the strictest to the laxest."""

    OPT_IN = "opt_in"
    OPT_OUT = "opt_out"
    EXEMPT = "exempt"
    NOTICE_ONLY = "notice_only"


_STRICTNESS = {model: place for place, model in enumerate(reversed(Model))}


class ChosenBy(StrEnum):
    """What the decision follows: the visitor's place, the site's one policy, a place asked for, or none of these."""

    PLACE = "place"
    SITE = "site"
    PREVIEW = "preview"
    DEFAULT = "default"


class Reason(StrEnum):
    """Why a policy was decided as it was: the closed list that records and answers draw from."""

    SITE_HAS_ONE = "site_has_one"
    PLACE_IN_PACK = "place_in_pack"
    PLACE_IN_NO_PACK = "place_in_no_pack"
    PLACE_UNKNOWN = "place_unknown"
    REGION_UNKNOWN = "region_unknown"
    STRICTEST = "strictest"
    ELSEWHERE_NOTICE = "elsewhere_notice"
    PREVIEW = "preview"
    PREVIEW_NOT_LAXER = "preview_not_laxer"
    GPC = "gpc"
    DNT = "dnt"


REASONS: Mapping[Reason, str] = {
    Reason.SITE_HAS_ONE: "The site has one policy for everybody.",
    Reason.PLACE_IN_PACK: "The place is one of the pack's.",
    Reason.PLACE_IN_NO_PACK: "The place is in no pack.",
    Reason.PLACE_UNKNOWN: "The place is not known.",
    Reason.REGION_UNKNOWN: "The country's rules differ by region, and the region is not known.",
    Reason.STRICTEST: "Nothing says that less will do, so the strictest holds.",
    Reason.ELSEWHERE_NOTICE: "The site gives notice only where no pack holds.",
    Reason.PREVIEW: "A place was asked for, to see what is shown there.",
    Reason.PREVIEW_NOT_LAXER: "The place asked for has laxer rules than the visitor's own, which hold.",
    Reason.GPC: "The browser sends the Global Privacy Control: an opt-out, until the visitor says otherwise.",
    Reason.DNT: "The browser sends Do Not Track, which the site honours as an opt-out.",
}


@dataclass(frozen=True, slots=True)
class Pack:
    """Places with the same rules. `codes`: countries (ISO 3166-1), regions (3166-2), or none: a site's choice."""

    key: str
    label: str
    model: Model
    codes: frozenset[str] = frozenset()


def _pack(key: str, label: str, model: Model, codes: str = "") -> Pack:
    return Pack(key, label, model, frozenset(codes.split()))


PACKS: Mapping[str, Pack] = {
    pack.key: pack
    for pack in (
        _pack(
            "eu_eea",
            "European Union and European Economic Area",
            Model.OPT_IN,
            "AT BE BG HR CY CZ DE DK EE ES FI FR GR HU IE IT LT LU LV MT NL PL PT RO SE SI SK IS LI NO "
            # Parts of member states with codes of their own.
            "AX GF GP MF MQ RE SJ YT",
        ),
        # The Crown dependencies and Gibraltar have the same rules in laws of their own.
        _pack("uk", "United Kingdom", Model.OPT_IN, "GB GG GI IM JE"),
        _pack("ch", "Switzerland", Model.OPT_IN, "CH"),
        _pack("br", "Brazil", Model.OPT_IN, "BR"),
        # States whose comprehensive law with a right to opt out of sale and sharing is in force in 2026.
        _pack(
            "us_states",
            "States of the USA with opt-out laws",
            Model.OPT_OUT,
            "US-CA US-CO US-CT US-DE US-IA US-IN US-KY US-MD US-MN US-MT US-NE US-NH US-NJ US-OR US-RI US-TN US-TX "
            "US-UT US-VA",
        ),
        _pack("opt_in", "Consent first", Model.OPT_IN),
        _pack("opt_out", "Opt-out: “Do not sell or share”", Model.OPT_OUT),
        _pack("notice_only", "Notice only", Model.NOTICE_ONLY),
        _pack("exempt", "Notice of exempt measurement, with objection", Model.EXEMPT),
    )
}
_PACK_OF = {code: pack for pack in PACKS.values() for code in pack.codes}
# Countries whose rules differ by region.
_BY_REGION = frozenset(code[:2] for code in _PACK_OF if "-" in code)


class Jurisdiction(StrEnum):
    """How a site chooses the policy of a visitor."""

    EVERYWHERE_OPT_IN = "everywhere_opt_in"
    BY_PLACE = "by_place"
    BY_PLACE_ELSE_NOTICE = "by_place_else_notice"
    OPT_OUT = "opt_out"
    NOTICE_ONLY = "notice_only"
    EXEMPT = "exempt"

    @property
    def pack(self) -> Pack | None:
        """The pack that holds for everybody; None where the place decides."""
        return PACKS.get("opt_in" if self is Jurisdiction.EVERYWHERE_OPT_IN else self.value)


@dataclass(frozen=True, slots=True)
class Signals:
    """What the browser says by itself; `dnt` only where the site honours it."""

    gpc: bool = False
    dnt: bool = False


NO_SIGNALS = Signals()


@dataclass(frozen=True, slots=True)
class Policy:
    """A decision. `code` is the place that decided it, no finer than it had to be; empty where no place did."""

    model: Model
    pack: str
    code: str
    chosen_by: ChosenBy
    reasons: tuple[Reason, ...]

    @property
    def opted_out(self) -> bool:
        """Whether a signal speaks for the visitor until they choose for themselves."""
        return Reason.GPC in self.reasons or Reason.DNT in self.reasons

    def document(self) -> dict[str, Any]:
        """Return what is kept with a record of consent."""
        return {
            "model": self.model.value,
            "pack": self.pack,
            "code": self.code,
            "chosen_by": self.chosen_by.value,
            "reasons": [reason.value for reason in self.reasons],
        }


_CODE = re.compile(r"[A-Z]{2}(-[A-Z0-9]{1,3})?")


def clean_code(text: str) -> str:
    """Return the code of a place in its usual form; raises `ValueError` for what is none."""
    code = text.strip().upper()
    if not _CODE.fullmatch(code):
        raise ValueError("must be the code of a country or region, such as DE or US-CA")
    return code


def decide_policy(
    country: str, region: str, jurisdiction: Jurisdiction, preview: str = "", signals: Signals = NO_SIGNALS
) -> Policy:
    """Return the policy of a visitor in a country and region, empty where unknown.

    `preview` is a place to decide for in the place of the visitor's own. Nothing of the place is looked at, or told
    in the decision, where the site has one policy for everybody.
    """
    by_preview = (Reason.PREVIEW,) if preview else ()
    if preview:
        country, region = preview[:2], preview if "-" in preview else ""
    pack = jurisdiction.pack
    if pack is not None:
        found = Policy(pack.model, pack.key, "", ChosenBy.SITE, (Reason.SITE_HAS_ONE,))
    else:
        found = _by_place(country, region, jurisdiction)
        if preview:
            found = replace(found, chosen_by=ChosenBy.PREVIEW)
    said = ((Reason.GPC,) if signals.gpc else ()) + ((Reason.DNT,) if signals.dnt else ())
    return replace(found, reasons=found.reasons + by_preview + said)


def _by_place(country: str, region: str, jurisdiction: Jurisdiction) -> Policy:
    code = region or country if country in _BY_REGION else country
    pack = _PACK_OF.get(code)
    if pack is not None:
        return Policy(pack.model, pack.key, code, ChosenBy.PLACE, (Reason.PLACE_IN_PACK,))
    unknown = Reason.REGION_UNKNOWN if code in _BY_REGION else None if code else Reason.PLACE_UNKNOWN
    if unknown is not None:
        return Policy(Model.OPT_IN, "opt_in", code, ChosenBy.DEFAULT, (unknown, Reason.STRICTEST))
    if jurisdiction is Jurisdiction.BY_PLACE_ELSE_NOTICE:
        why = (Reason.PLACE_IN_NO_PACK, Reason.ELSEWHERE_NOTICE)
        return Policy(Model.NOTICE_ONLY, "notice_only", code, ChosenBy.PLACE, why)
    return Policy(Model.OPT_IN, "opt_in", code, ChosenBy.DEFAULT, (Reason.PLACE_IN_NO_PACK, Reason.STRICTEST))


def never_laxer(shown: Policy, own: Policy) -> Policy:
    """Return what holds for an answer given under `shown`, a preview, by a visitor whose `own` policy is another.

    A page cannot talk the record of a visitor into laxer rules by asking for a preview of them.
    """
    if _STRICTNESS[shown.model] >= _STRICTNESS[own.model]:
        return shown
    return replace(own, reasons=(*own.reasons, Reason.PREVIEW, Reason.PREVIEW_NOT_LAXER))
