"""Refusing is as easy as accepting: what a notice must keep to before it may be published.

Consent that is harder to refuse than to give is not freely given (GDPR, articles 4(11) and 7; EDPB, report of the
cookie banner taskforce, 2023). The rules are a table: the check, the admin pages and the documentation read it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from webmon.domain.label import has_letter, read_as, shows
from webmon.domain.theme import BUTTONS, SCHEMES, button_colours, button_size

# WCAG 2.2, success criterion 1.4.3: text of the usual size.
LEAST_CONTRAST = 4.5
# WCAG 2.2, success criterion 1.4.11: what a control is told by.
LEAST_OUTLINE = 3.0
# What somebody presses to answer, or to come to where they can. The first four stand beside each other.
BESIDE = ("accept", "reject", "choose", "save")
PRESSED = (*BESIDE, "withdraw", "object", "do_not_sell", "reopen", "placeholder_load", "placeholder_always")
LONGEST_LABEL = 40
# Accept's share of reject's length; of the shortest words, of this length.
_TIMES, _SHORT = 3, 4
# The one purpose that needs no consent: what is strictly necessary to provide what the visitor has asked for
# (ePrivacy Directive, article 5(3)). A service that is so serves this purpose; a purpose of another name is no such.
NECESSARY = "necessary"
# Two shades that nobody tells apart are the same.
_SAME = 0.05

Body = Mapping[str, Any]
Found = Iterator[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Rule:
    """`check` yields the part of the notice that breaks the rule, and what is wrong there."""

    key: str
    sentence: str
    check: Callable[[Body], Found]


@dataclass(frozen=True, slots=True)
class Failure:
    rule: str
    where: str
    text: str


def failures(body: Body) -> tuple[Failure, ...]:
    """Return where a well-formed notice breaks a rule; nothing, where it may be published."""
    return tuple(Failure(rule.key, where, text) for rule in RULES.values() for where, text in rule.check(body))


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two ``#rrggbb`` colours, 1 to 21 (WCAG 2.2, "contrast ratio")."""
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    """Return the relative luminance of a ``#rrggbb`` colour, 0 to 1 (WCAG 2.2, "relative luminance")."""
    red, green, blue = (_linear(int(colour[at : at + 2], 16) / 255) for at in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(channel: float) -> float:
    return channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4


def _distance(body: Body) -> Found:
    if "reject" not in body["buttons"]:
        yield "buttons", "must hold reject: it stands further away than accept, which is on the first layer"


def _tab_order(body: Body) -> Found:
    buttons = body["buttons"]
    if "reject" in buttons and buttons.index("accept") < buttons.index("reject"):
        yield "buttons", "must hold reject before accept: the keyboard reaches it later"


def _labels(body: Body) -> Found:
    language = body["language"]
    for key, text in body["texts"].items():
        if not shows(text):
            yield f"texts.{key}", f"shows nothing in {language}"
        elif key in PRESSED and not has_letter(text):
            yield f"texts.{key}", f"has no word on it in {language}: whoever reads it must know what it does"
    for purpose in body["purposes"]:
        for part in ("name", "description"):
            if not shows(purpose[part]):
                yield "purposes", f"has {purpose['key']} with a {part} that shows nothing in {language}"


def _distinct(body: Body) -> Found:
    texts, said = body["texts"], dict[str, str]()
    for key in BESIDE:
        words = read_as(texts[key])
        if words in said:
            yield f"texts.{key}", f"reads like {said[words]} in {body['language']}: nobody can tell them apart"
        elif words:
            said[words] = key


def _length(body: Body) -> Found:
    texts, language = body["texts"], body["language"]
    for key in BESIDE:
        if len(texts[key]) > LONGEST_LABEL:
            text = f"is {len(texts[key])} characters long in {language}: at most {LONGEST_LABEL} are read on a button"
            yield f"texts.{key}", text
    # All that makes the one wide, against what is read of the other.
    accept, reject = len(texts["accept"]), len(read_as(texts["reject"]))
    if accept > _TIMES * max(reject, _SHORT):
        limit = f"at most {_TIMES} times as many"
        text = f"is {accept} characters long in {language}, and reject has {reject} letters: {limit}"
        yield "texts.accept", text


def _size(body: Body) -> Found:
    accept, reject, choose = (button_size(body["theme"], name) for name in ("accept", "reject", "choose"))
    if choose > reject:
        yield "theme.buttons_style.choose.size", f"is {choose} percent where reject has {reject}: choose is larger"
    if reject < accept:
        yield "theme.buttons_style.reject.size", f"is {reject} percent where accept has {accept}: reject is smaller"


def _weight(body: Body) -> Found:
    for scheme in SCHEMES:
        behind = body["theme"][scheme]["background"]
        accept, reject = (button_colours(body["theme"], name, scheme) for name in ("accept", "reject"))
        stands_out = contrast(reject[0], behind), contrast(accept[0], behind)
        legible = contrast(*reject), contrast(*accept)
        for (low, high), what in ((stands_out, "against the notice"), (legible, "of its text")):
            if low < high - _SAME:
                text = f"is dimmer than accept in {scheme}: contrast {what} {low:.2f}:1, accept has {high:.2f}:1"
                yield f"theme.buttons_style.reject.{scheme}", text


def _visible(body: Body) -> Found:
    theme = body["theme"]
    for scheme in SCHEMES:
        of_all = theme[scheme]["accent"]
        found = {f"theme.{scheme}.accent": of_all}
        for button in BUTTONS:
            own, _ = button_colours(theme, button, scheme)
            if own != of_all:
                found[f"theme.buttons_style.{button}.{scheme}"] = own
        for where, colour in found.items():
            ratio = contrast(colour, theme[scheme]["background"])
            if ratio < LEAST_OUTLINE:
                yield where, f"stands out from the notice by {_rounded(ratio)}:1, and {LEAST_OUTLINE:g}:1 is needed"


def _preselected(body: Body) -> Found:
    for key in body.get("preselected", []):
        yield "preselected", f"has {key}: a purpose is off until the visitor turns it on"


def _required(body: Body) -> Found:
    for purpose in body["purposes"]:
        if purpose["required"] and purpose["key"] != NECESSARY:
            yield "purposes", f"has {purpose['key']} as always on: only {NECESSARY} may be, all else is asked for"


def _contrast(body: Body) -> Found:
    theme = body["theme"]
    for scheme in SCHEMES:
        pairs = {f"theme.{scheme}.text": (theme[scheme]["text"], theme[scheme]["background"])}
        pairs[f"theme.{scheme}.on_accent"] = (theme[scheme]["on_accent"], theme[scheme]["accent"])
        for button in theme.get("buttons_style", {}):
            colours = button_colours(theme, button, scheme)
            if colours != (theme[scheme]["accent"], theme[scheme]["on_accent"]):
                pairs[f"theme.buttons_style.{button}.{scheme}"] = colours
        for where, (one, other) in pairs.items():
            ratio = contrast(one, other)
            if ratio < LEAST_CONTRAST:
                yield where, f"has a contrast of {_rounded(ratio)}:1, and at least {LEAST_CONTRAST}:1 is needed"


def _rounded(ratio: float) -> float:
    """Rounded down: 4.499 is not enough, and must not read as 4.5."""
    return int(ratio * 100) / 100


RULES: Mapping[str, Rule] = {
    rule.key: rule
    for rule in (
        Rule("distance", "Reject stands on the first layer, beside accept.", _distance),
        Rule("tab_order", "The keyboard reaches reject no later than accept.", _tab_order),
        Rule("labels", "Every text shows something, and every button has a word on it.", _labels),
        Rule("distinct", "Accept, reject, choose and save read differently.", _distinct),
        Rule("length", "No button is too long to be read, and accept not many times as long as reject.", _length),
        Rule("size", "Reject is no smaller than accept, and choose no larger than reject.", _size),
        Rule("weight", "Reject is no dimmer than accept, in light and in dark.", _weight),
        Rule("visible", "Every button stands out from the notice by at least 3:1, in light and in dark.", _visible),
        Rule("preselected", "No purpose is ticked before the visitor ticks it.", _preselected),
        Rule("required", "Only what is strictly necessary is always on.", _required),
        Rule("contrast", "Text has a contrast of at least 4.5:1, in light and in dark.", _contrast),
    )
}
