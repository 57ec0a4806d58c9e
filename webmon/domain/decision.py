"""May this hit be stored, and on what basis? One pure function."""

from __future__ import annotations

import msgspec

from webmon.domain.drop import DropReason
from webmon.domain.hit import Basis
from webmon.domain.site import Mode


class Claim(msgspec.Struct, frozen=True, gc=False):
    """What a hit brings along: whether it names a visitor and a consent, and whether that consent is in force."""

    names_visitor: bool
    consent_in_force: bool
    gpc: bool
    # Do Not Track, where the site honours it.
    dnt: bool = False


def decide(mode: Mode, claim: Claim) -> str | DropReason:
    """Return the basis under which the hit may be stored, or why it may not.

    An explicit consent outweighs the Global Privacy Control and Do Not Track: they speak for those who were not asked
    (invariant 12). A hit with an identifier needs a consent on record, in every mode (invariant 1).
    """
    if claim.names_visitor:
        return Basis.CONSENT if claim.consent_in_force else DropReason.NO_CONSENT
    if mode is Mode.CONSENTED_ONLY:
        return DropReason.NO_CONSENT
    if claim.gpc:
        return DropReason.GPC
    return DropReason.DNT if claim.dnt else Basis.EXEMPT
