"""Sites by domain, in memory, for the hot path."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from webmon.domain.site import Site

# The command line adds and changes sites beside the running server; it need not be told.
FRESH_FOR = timedelta(seconds=2)
# A stream of unknown names must not become a stream of queries.
PATIENCE = timedelta(milliseconds=250)


class SiteDirectory:
    """A copy of the site table that is never older than two seconds."""

    def __init__(self, load: Callable[[], Sequence[Site]]) -> None:
        self._load = load
        self._lock = threading.Lock()
        self._sites: dict[str, Site] = {}
        self._loaded_at: datetime | None = None

    def find(self, domain: str, now: datetime) -> Site | None:
        """Return the site, or None where there is none of that name, with or without ``www.`` before it.

        As Plausible has it, whose snippets are there already: `www.example.org` is `example.org` where it is no site.
        """
        domain = domain.strip()
        return self._named(domain, now) or (self._named(domain[4:], now) if domain.startswith("www.") else None)

    def _named(self, domain: str, now: datetime) -> Site | None:
        self._refresh(now, FRESH_FOR)
        site = self._sites.get(domain)
        if site is None:
            self._refresh(now, PATIENCE)
            site = self._sites.get(domain)
        return site

    def _refresh(self, now: datetime, age: timedelta) -> None:
        if self._loaded_at is not None and abs(now - self._loaded_at) < age:
            return
        with self._lock:
            if self._loaded_at is None or abs(now - self._loaded_at) >= age:
                self._sites = {site.domain: site for site in self._load()}
                self._loaded_at = now
