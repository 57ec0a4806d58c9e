"""How a notice looks: colours in light and dark, rounding, type face. What a visitor sees, so part of its hash."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

SCHEMES = ("light", "dark")
# Each is a custom property of the banner: `on_accent` is `--webmon-on-accent`.
COLOURS = ("accent", "on_accent", "text", "background", "border")
FONTS = ("system-ui", "inherit", "sans-serif", "serif", "monospace")
LARGEST_RADIUS = 24
# A button's share of the usual size, in percent.
SIZES = (50, 200)
USUAL_SIZE = 100
BUTTONS = ("accept", "reject", "choose")
_COLOUR = re.compile(r"#[0-9a-f]{6}")

Theme = Mapping[str, Any]
Fault = tuple[str, str]


def default_theme() -> dict[str, Any]:
    """Return the theme that a new site begins with."""
    return {
        "light": {
            "accent": "#1f4f8f",
            "on_accent": "#ffffff",
            "text": "#1c2430",
            "background": "#ffffff",
            "border": "#c3cad5",
        },
        "dark": {
            "accent": "#a9c9f5",
            "on_accent": "#0f1620",
            "text": "#e9edf3",
            "background": "#171c24",
            "border": "#3c4655",
        },
        "radius": 10,
        "font": "system-ui",
    }


def button_colours(theme: Theme, button: str, scheme: str) -> tuple[str, str]:
    """Return a button's background and text colour, its own or those of all."""
    own = theme.get("buttons_style", {}).get(button, {}).get(scheme, {})
    return own.get("background", theme[scheme]["accent"]), own.get("text", theme[scheme]["on_accent"])


def button_size(theme: Theme, button: str) -> int:
    size: int = theme.get("buttons_style", {}).get(button, {}).get("size", USUAL_SIZE)
    return size


def theme_faults(theme: object) -> list[Fault]:
    """Return what is wrong with a theme, each with the part that it is about; nothing else may stand in one."""
    if not isinstance(theme, dict):
        return [("theme", "must be an object")]
    faults = _strangers(theme, {*SCHEMES, "radius", "font", "buttons_style"}, "theme")
    for scheme in SCHEMES:
        faults += _colour_faults(theme.get(scheme), COLOURS, COLOURS, f"theme.{scheme}")
    if not _is_whole(theme.get("radius"), 0, LARGEST_RADIUS):
        faults.append(("theme.radius", f"must be a whole number of pixels from 0 to {LARGEST_RADIUS}"))
    if theme.get("font") not in FONTS:
        faults.append(("theme.font", f"must be one of {', '.join(FONTS)}"))
    return faults + _style_faults(theme.get("buttons_style", {}))


def _style_faults(styles: object) -> list[Fault]:
    where = "theme.buttons_style"
    if not isinstance(styles, dict):
        return [(where, "must be an object")]
    faults = _strangers(styles, set(BUTTONS), where)
    for button in BUTTONS:
        style, inner = styles.get(button, {}), f"{where}.{button}"
        if not isinstance(style, dict):
            faults.append((inner, "must be an object"))
            continue
        faults += _strangers(style, {*SCHEMES, "size"}, inner)
        if not _is_whole(style.get("size", USUAL_SIZE), *SIZES):
            faults.append((f"{inner}.size", f"must be a whole number from {SIZES[0]} to {SIZES[1]}, in percent"))
        for scheme in SCHEMES:
            faults += _colour_faults(style.get(scheme, {}), ("background", "text"), (), f"{inner}.{scheme}")
    return faults


def _colour_faults(colours: object, known: tuple[str, ...], needed: tuple[str, ...], where: str) -> list[Fault]:
    if not isinstance(colours, dict):
        return [(where, "must be an object of colours")]
    faults = _strangers(colours, set(known), where)
    for name in known:
        value = colours.get(name)
        if (name in needed or name in colours) and not (isinstance(value, str) and _COLOUR.fullmatch(value)):
            faults.append((f"{where}.{name}", "must be a colour such as #1f4f8f"))
    return faults


def _strangers(part: Mapping[str, Any], known: set[str], where: str) -> list[Fault]:
    return [(where, f"has {str(name)[:40]!r}, which is no part of it") for name in sorted(set(part) - known, key=str)]


def _is_whole(value: object, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
