"""The way of a hit: checked, scrubbed, enriched, pseudonymized, durable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

import msgspec

from webmon.domain.address import NO_PROXIES, Place, Proxies, client_address, packed_address
from webmon.domain.agent import parse_agent
from webmon.domain.decision import Claim, decide
from webmon.domain.drop import DropReason
from webmon.domain.event import IncomingEvent
from webmon.domain.guard import GuardedEvent, guard_event
from webmon.domain.hit import Basis, Hit, encode_hit
from webmon.domain.language import language_of
from webmon.domain.screen import screen_of
from webmon.domain.site import Site
from webmon.domain.unwanted import Unwanted
from webmon.errors import NotFound, SettingsError
from webmon.services.guard_counts import count_removed
from webmon.services.visits import Visit, VisitBook, random_visit_id
from webmon.stores.ports.spool import SpoolEntry

_props_encoder = msgspec.json.Encoder(order="sorted")


class Grant(Protocol):
    """A consent in force."""

    @property
    def notice(self) -> str: ...


class Grants(Protocol):
    def grant(self, site_id: int, receipt_id: str, now: datetime) -> Grant | None: ...


class PseudonymSource(Protocol):
    def visitor(self, site_id: int, raw: str) -> int: ...

    def visitor_all(self, site_id: int, raw: str) -> Sequence[int]: ...

    def event(self, site_id: int, event_id: str) -> int: ...

    def cookieless(self, site_id: int, moment: datetime, address: bytes, user_agent: str, host: str) -> int: ...


class SealingKeeper(Protocol):
    def seal(self, account_id: int, hit: Hit, consent: str) -> bytes: ...

    def leave_if_over(
        self, site_id: int, visitor_id: int, visit_id: int, now: datetime, earlier: Sequence[int] = ()
    ) -> bool: ...

    def leave(self, site_id: int, visitor_id: int) -> None: ...


class Locator(Protocol):
    def locate(self, address: bytes) -> Place: ...


# What is read of a client's headers here; addresses and client hints are read where they are understood.
CLIENT_HEADERS = ("accept-language", "user-agent", "sec-gpc", "dnt", "x-do-not-track")


class Client(msgspec.Struct, frozen=True):
    """Who asks: the connection's peer and the request's headers, names in lower case. Never stored.

    `spoken_for`: the address of somebody else for whom is asked, whatever peer and headers say.
    """

    peer: str
    headers: Mapping[str, str]
    spoken_for: str = ""

    @property
    def user_agent(self) -> str:
        return self.headers.get("user-agent", "")

    def address(self, trusted: Proxies) -> bytes:
        if self.spoken_for:
            return packed_address(self.spoken_for)
        return client_address(self.peer, self.headers, trusted)

    def speaking_for(self, address: str, user_agent: str) -> Client:
        """Return whom a website's server asks for: what it says of them, where it does."""
        headers = {**self.headers, "user-agent": user_agent} if user_agent else self.headers
        return Client(self.peer, headers, address)

    @property
    def language(self) -> str:
        return language_of(self.headers.get("accept-language", ""))

    @property
    def gpc(self) -> bool:
        # Only the exact value counts, whatever else is joined to it (GPC specification, section 3.2).
        said = self.headers.get("sec-gpc")
        return said is not None and "1" in (part.strip() for part in said.split(","))

    @property
    def dnt(self) -> bool:
        # The second is what browsers' extensions sent before there was the first.
        return any(self.headers.get(name, "").strip() == "1" for name in ("dnt", "x-do-not-track"))


class ReadyHit(msgspec.Struct, frozen=True):
    """A hit that may be stored, as it will stand in the spool; `key` is set for an event with an id of its own."""

    entry: SpoolEntry
    key: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Collector:
    """Makes hits ready to be stored. All it keeps of a client is a pseudonym and a place."""

    pseudonyms: PseudonymSource
    visits: VisitBook
    grants: Grants
    keeper: SealingKeeper
    geo: Locator
    trusted_proxies: Proxies = NO_PROXIES
    unwanted: Unwanted = field(default_factory=Unwanted)

    def prepare(self, site: Site, event: IncomingEvent, client: Client, now: datetime) -> ReadyHit | DropReason:
        """Return the hit of a moment in UTC, ready to be stored, or why it must not be.

        Raises `InvalidInput` for an address that is none.
        """
        kept = guard_event(event, site.rules)
        grant = self.grants.grant(site.id, event.consent, now) if event.visitor and event.consent else None
        address = client.address(self.trusted_proxies)
        # Crawlers press no button: whoever was asked and agreed is a visitor, whatever the browser calls itself; and
        # whose consent was withdrawn elsewhere is told so.
        unwanted = None if event.visitor else self.unwanted.reason(client.user_agent, event.referrer, address)
        if unwanted is not None:
            return unwanted
        dnt = site.honour_dnt and client.dnt
        basis = decide(site.mode, Claim(bool(event.visitor), grant is not None, client.gpc, dnt))
        if isinstance(basis, DropReason):
            return basis
        if basis == Basis.CONSENT:
            visitor_id, visit = self._consented(site, event, now)
        else:
            visitor_id, carried = self._cookieless(site, now, address, client.user_agent, kept.hostname)
            visit = self._visit(site, visitor_id, event, now, carried)
        if visit is None:
            return DropReason.ORPHAN_ENGAGEMENT
        hit_id = self.pseudonyms.event(site.id, event.event_id) if event.event_id else random_visit_id()
        hit = build_hit(
            site.id,
            event,
            kept,
            agent_of=client,
            place=self.geo.locate(address),
            moment=now,
            ids=HitIds(hit_id, visitor_id, visit.visit_id),
            basis=basis,
            notice=grant.notice if grant else "",
        )
        try:
            entry = self._entry(hit, visit, event.consent if grant else "")
        except (NotFound, SettingsError):
            # The account was erased in this moment, or its key is not here or damaged: the hit is nobody's.
            self.keeper.leave(site.id, visitor_id)
            return self.prepare(site, event, client, now)
        return ReadyHit(entry, (site.id, hit_id) if event.event_id else None)

    def _consented(self, site: Site, event: IncomingEvent, now: datetime) -> tuple[int, Visit | None]:
        visitor_id = self.pseudonyms.visitor(site.id, event.visitor)
        visit = self._visit(site, visitor_id, event, now, None)
        if visit is None or visit.started_at is not visit.last_seen_at:
            return visitor_id, visit
        # One that has just begun may follow a signed-in one, to which nothing is to lead.
        earlier = self.pseudonyms.visitor_all(site.id, event.visitor)[1:]
        if self.keeper.leave_if_over(site.id, visitor_id, visit.visit_id, now, earlier):
            visitor_id = self.pseudonyms.visitor(site.id, event.visitor)
            visit = self._visit(site, visitor_id, event, now, None)
        return visitor_id, visit

    def _visit(
        self, site: Site, visitor_id: int, event: IncomingEvent, now: datetime, carried: int | None
    ) -> Visit | None:
        follow = self.visits.extend if event.is_engagement else self.visits.touch
        return follow(site.id, visitor_id, now, carried_from=carried)

    def _cookieless(
        self, site: Site, now: datetime, address: bytes, user_agent: str, host: str
    ) -> tuple[int, int | None]:
        """Return the pseudonym of today and, just after midnight, the one of yesterday."""
        today = self.pseudonyms.cookieless(site.id, now, address, user_agent, host)
        if now.hour > 0:
            return today, None
        return today, self.pseudonyms.cookieless(site.id, now - timedelta(hours=1), address, user_agent, host)

    def _entry(self, hit: Hit, visit: Visit, consent: str) -> SpoolEntry:
        if visit.account_id is None:
            return SpoolEntry(hit.site_id, hit.month, hit.visit_id, hit.hit_id, encode_hit(hit))
        body = self.keeper.seal(visit.account_id, hit, consent)
        return SpoolEntry(hit.site_id, hit.month, visit.promotion_id, hit.hit_id, body, visit.account_id)


class HitIds(msgspec.Struct, frozen=True, gc=False):
    hit_id: int
    visitor_id: int
    visit_id: int


def build_hit(
    site_id: int,
    event: IncomingEvent,
    kept: GuardedEvent,
    *,
    agent_of: Client,
    place: Place,
    moment: datetime,
    ids: HitIds,
    basis: str,
    notice: str = "",
) -> Hit:
    """Return the row of an event of a moment in UTC: scrubbed, enriched, and without anything that identifies."""
    agent = parse_agent(agent_of.user_agent, agent_of.headers)
    if kept.removed:
        count_removed(kept.removed)
    return Hit(
        site_id=site_id,
        occurred_at=moment.replace(tzinfo=None),
        hit_id=ids.hit_id,
        visitor_id=ids.visitor_id,
        visit_id=ids.visit_id,
        name=kept.name,
        hostname=kept.hostname,
        pathname=kept.pathname,
        referrer=kept.referrer,
        source=kept.source,
        medium=kept.medium,
        utm_source=kept.utm_source,
        utm_medium=kept.utm_medium,
        utm_campaign=kept.utm_campaign,
        utm_content=kept.utm_content,
        utm_term=kept.utm_term,
        channel=kept.channel,
        click_id=kept.click_id,
        country=place.country,
        region=place.region,
        city=place.city,
        provider=place.provider,
        browser=agent.browser,
        browser_version=agent.browser_version,
        os=agent.os,
        os_version=agent.os_version,
        device=agent.device,
        screen=screen_of(event.screen_width),
        language=agent_of.language,
        interactive=event.interactive,
        engagement_ms=event.engagement_ms,
        scroll_pct=event.scroll_pct,
        props=_props_encoder.encode(kept.props).decode() if kept.props else "",
        basis=basis,
        notice=notice,
    )
