"""The guard in front of the first write: health information and identifiers are removed, and only counted.

`checks` knows check digits, `detectors` is the table of what is looked for, `text` applies it, `page` does so for a
page's address and `props` for an event's properties. A new detector is a row of `detectors.DETECTORS`.
"""

from webmon.domain.scrub.detectors import DETECTORS, Detector
from webmon.domain.scrub.page import (
    CLICK_IDS,
    DEFAULT_ALLOWED,
    PATH_LIMIT,
    ScrubbedUrl,
    scrub_path,
    scrub_query,
    scrub_url,
)
from webmon.domain.scrub.props import KEY_LIMIT, PROPS_LIMIT, VALUE_LIMIT, scrub_props
from webmon.domain.scrub.text import Scrubbed, plain, scrub_text

__all__ = [
    "CLICK_IDS",
    "DEFAULT_ALLOWED",
    "DETECTORS",
    "KEY_LIMIT",
    "PATH_LIMIT",
    "PROPS_LIMIT",
    "VALUE_LIMIT",
    "Detector",
    "Scrubbed",
    "ScrubbedUrl",
    "plain",
    "scrub_path",
    "scrub_props",
    "scrub_query",
    "scrub_text",
    "scrub_url",
]
