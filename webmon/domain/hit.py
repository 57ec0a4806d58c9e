"""One measured thing: a row of the event log, and the request it came from."""

from __future__ import annotations

from datetime import datetime

import msgspec

from webmon.domain.pseudonym import day_of


class Hit(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """A scrubbed, enriched, pseudonymized hit: exactly the columns of the event log.

    `occurred_at` is UTC without offset (the log's column has none). `visitor_id`, `visit_id` and `hit_id` are
    63-bit pseudonyms. Texts are empty, never null, where nothing is known, and but for paths, referrers and campaigns
    they are drawn from few values each: the log's files stay small by that.

    `utm_source` and `utm_medium` are what the visit was said to come by, by whatever parameter (`sources.Acquired`).
    `click_id` is the name of a click identifier, never its value. `region` is an ISO 3166-2 code, `language` the
    primary tag of what the browser asks for, `screen` a class of width (`screen.screen_of`).
    """

    site_id: int
    occurred_at: datetime
    hit_id: int
    visitor_id: int
    visit_id: int
    name: str
    hostname: str
    pathname: str
    referrer: str = ""
    source: str = ""
    medium: str = ""
    utm_source: str = ""
    utm_medium: str = ""
    utm_campaign: str = ""
    utm_content: str = ""
    utm_term: str = ""
    channel: str = ""
    click_id: str = ""
    country: str = ""
    region: str = ""
    city: str = ""
    provider: str = ""
    browser: str = ""
    browser_version: str = ""
    os: str = ""
    os_version: str = ""
    device: str = ""
    screen: str = ""
    language: str = ""
    interactive: bool = True
    engagement_ms: int = 0
    scroll_pct: int = 0
    props: str = ""
    basis: str
    notice: str = ""

    @property
    def month(self) -> str:
        """The file of the event log that holds it, such as ``2026-11``."""
        return day_of(self.occurred_at)[:7]


class AccountRow(Hit, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """A row of the account log, as it is sealed: a hit without pseudonyms.

    `consent` is the receipt under which it was collected; empty where that is not known, or where there was none.
    """

    consent: str = ""


class Basis:
    """Why a row may exist (GDPR article 6; the exemption of article 82 of the French data protection act)."""

    CONSENT = "consent"
    EXEMPT = "exempt"
    IMPORT = "import"
    # What is left for figures of a row that has gone to the account log (`remainder`).
    DEIDENTIFIED = "deidentified"


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Hit)
_row_decoder = msgspec.json.Decoder(AccountRow)


def encode_hit(hit: Hit) -> bytes:
    """Return the hit as one line of JSON, without the line break and without the fields that have their default."""
    return _encoder.encode(hit)


def decode_hit(line: bytes) -> Hit:
    return _decoder.decode(line)


def account_row(hit: Hit, consent: str) -> AccountRow:
    """Return the row of a hit, which says nothing of the pseudonyms under which the visit began.

    One that is a row already keeps what it says of its consent.
    """
    fields = msgspec.structs.asdict(hit) | {"visitor_id": 0, "visit_id": 0}
    return AccountRow(**{"consent": consent} | fields)


def decode_row(line: bytes) -> AccountRow:
    """Return a row of the account log out of its JSON, of whatever age."""
    return _row_decoder.decode(line)
