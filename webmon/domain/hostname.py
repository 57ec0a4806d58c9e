"""What of a host's name is somebody's own."""

from __future__ import annotations

from functools import lru_cache

# Under two-letter endings these are as good as endings themselves: example.co.uk is somebody's, co.uk is nobody's.
SECOND_LEVEL = frozenset({"co", "com", "org", "net", "ac", "gov", "edu"})


@lru_cache(maxsize=1024)
def registrable(host: str) -> str:
    """Return the name that was registered: ``example.org`` of ``blog.example.org``.

    By rule, not by the Public Suffix List: it tells hosts that one site measures from each other, and where the rule
    takes two for one, a visitor of both is one visitor.
    """
    labels = host.lower().split(".")
    if labels[-1].isdecimal() or ":" in host:
        return host
    deep = len(labels) > 2 and len(labels[-1]) == 2 and labels[-2] in SECOND_LEVEL
    return ".".join(labels[-3:] if deep else labels[-2:])
