"""The classes of information, each under its own retention rule (promise P1)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class InfoClass(StrEnum):
    EVENT_LOG = "event_log"
    ACCOUNT_LOG = "account_log"
    CONSENT_RECORDS = "consent_records"
    AUDIT = "audit"


@dataclass(frozen=True, slots=True)
class ClassInfo:
    """How a class is shown, and how long it is kept where nobody says otherwise (ISO 8601 duration)."""

    info_class: InfoClass
    label: str
    description: str
    keep: str


CLASSES = {
    info.info_class: info
    for info in (
        ClassInfo(
            InfoClass.EVENT_LOG,
            "Event log",
            "Non-Personal Information: pseudonymized rows of visits.",
            "P25M",  # CNIL: data of exempt measurement at most 25 months
        ),
        ClassInfo(
            InfoClass.ACCOUNT_LOG,
            "Account log",
            "Personal Account Information: rows of signed-in visits, encrypted per account.",
            "P13M",
        ),
        ClassInfo(
            InfoClass.CONSENT_RECORDS,
            "Consent records",
            "What was asked, answered and shown, without any identity.",
            "P5Y",  # the period in which a claim can usually be raised
        ),
        ClassInfo(
            InfoClass.AUDIT,
            "Audit trail",
            "Who did and read what.",
            "P6Y",  # 45 CFR 164.316(b)(2)(i): six years
        ),
    )
}
