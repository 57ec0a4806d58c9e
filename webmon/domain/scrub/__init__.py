"""The guard in front of the first write: health information and identifiers are removed, and only counted.

`checks` knows check digits, `national` the forms of the numbers that states give out, `detectors` is the table of
what is looked for, `text` applies it, `page` does so for a page's address and `props` for an event's properties;
`rules` are what a site adds. A new detector is a row of `detectors.DETECTORS`, a new national number one of
`national.NUMBERS`. How well all of it does is measured by tests/guard.
"""

from webmon.domain.scrub.detectors import DETECTORS, Detector
from webmon.domain.scrub.page import (
    DEFAULT_ALLOWED,
    PATH_LIMIT,
    ScrubbedUrl,
    scrub_fragment,
    scrub_path,
    scrub_query,
    scrub_url,
)
from webmon.domain.scrub.props import KEY_LIMIT, PROPS_LIMIT, VALUE_LIMIT, scrub_props
from webmon.domain.scrub.rules import (
    CLICK_IDS,
    NO_RULES,
    GuardRules,
    clean_parameters,
    clean_path_templates,
    clean_property_keys,
)
from webmon.domain.scrub.text import Scrubbed, plain, scrub_text

__all__ = [
    "CLICK_IDS",
    "DEFAULT_ALLOWED",
    "DETECTORS",
    "KEY_LIMIT",
    "NO_RULES",
    "PATH_LIMIT",
    "PROPS_LIMIT",
    "VALUE_LIMIT",
    "Detector",
    "GuardRules",
    "Scrubbed",
    "ScrubbedUrl",
    "clean_parameters",
    "clean_path_templates",
    "clean_property_keys",
    "plain",
    "scrub_fragment",
    "scrub_path",
    "scrub_props",
    "scrub_query",
    "scrub_text",
    "scrub_url",
]
