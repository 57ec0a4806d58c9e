"""Which policy the visitor behind a request is asked under."""

from __future__ import annotations

from dataclasses import dataclass

from webmon.domain.address import NO_PROXIES, NOWHERE, Proxies, client_address
from webmon.domain.jurisdiction import Policy, Signals, clean_code, decide_policy, never_laxer
from webmon.domain.site import Site
from webmon.errors import InvalidInput
from webmon.services.collect_hit import Client, Locator


@dataclass(frozen=True, slots=True)
class Policies:
    """Decides by the address in memory, and only where the place matters; the address is kept nowhere."""

    geo: Locator
    trusted_proxies: Proxies = NO_PROXIES

    def shown(self, site: Site, client: Client, preview: str = "") -> Policy:
        """Return what the visitor is shown, or would be in the place `preview`; raises `InvalidInput` naming it."""
        try:
            code = clean_code(preview) if preview else ""
        except ValueError as error:
            raise InvalidInput.field("preview", str(error)) from error
        place = NOWHERE
        if site.jurisdiction.pack is None and not code:
            place = self.geo.locate(client_address(client.peer, client.headers, self.trusted_proxies))
        signals = Signals(client.gpc, site.honour_dnt and client.dnt)
        return decide_policy(place.country, place.region, site.jurisdiction, code, signals)

    def answered(self, site: Site, client: Client, preview: str = "") -> Policy:
        """Return what an answer is recorded under: a preview is marked, and never makes it laxer."""
        own = self.shown(site, client)
        return never_laxer(self.shown(site, client, preview), own) if preview else own
