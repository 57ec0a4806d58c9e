"""The class of a screen by its width: what is kept of it, as exact widths would help to tell people apart."""

from __future__ import annotations

# Up to, but not including, so many CSS pixels. The limits are those of the field (Plausible's first tracker).
_CLASSES = ((576, "Mobile"), (992, "Tablet"), (1440, "Laptop"))
SCREENS = (*(name for _, name in _CLASSES), "Desktop")


def screen_of(width: int) -> str:
    """Return the class of a width in CSS pixels; empty where it was not told (0)."""
    if width <= 0:
        return ""
    return next((name for below, name in _CLASSES if width < below), SCREENS[-1])
