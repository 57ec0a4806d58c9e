"""Made-up visits for a demonstration: drawn at random, by the shape of real ones, through the same enrichment."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from webmon.domain.address import Place
from webmon.domain.event import ENGAGEMENT, PAGEVIEW, IncomingEvent
from webmon.domain.guard import guard_event
from webmon.domain.hit import Basis, Hit
from webmon.domain.site import Site
from webmon.services.collect_hit import Client, HitIds, build_hit

T = TypeVar("T")
# Pseudonym, user agent, place, width of the screen.
_Visitor = tuple[int, str, Place, int]
# (value, weight): the more, the more often it is drawn.
_PAGES = (
    ("/", 30),
    ("/services", 14),
    ("/imaging", 16),
    ("/doctors", 12),
    ("/article", 9),
    ("/guide/prepare", 8),
    ("/guide/arrive", 5),
    ("/contact", 7),
    ("/video", 4),
)
_REFERRERS = (
    ("", 40),
    ("https://www.google.com/", 30),
    ("https://www.bing.com/", 6),
    ("https://duckduckgo.com/", 5),
    ("https://www.facebook.com/", 6),
    ("https://chatgpt.com/", 4),
    ("https://news.example.org/health", 5),
    ("https://www.example.net/clinics", 4),
)
_CAMPAIGNS = (("", 92), ("?utm_source=newsletter&utm_medium=email&utm_campaign=autumn", 8))
_PLACES = (
    (Place("DE", region="DE-BE", city="Berlin"), 26),
    (Place("DE", region="DE-BY", city="Munich"), 16),
    (Place("DE", region="DE-HH", city="Hamburg"), 10),
    (Place("DE", region="DE-NW", city="Cologne"), 8),
    (Place("AT", region="AT-9", city="Vienna"), 12),
    (Place("CH", region="CH-ZH", city="Zurich"), 10),
    (Place("FR", region="FR-IDF", city="Paris"), 6),
    (Place("NL", region="NL-NH", city="Amsterdam"), 4),
    (Place("PL", region="PL-14", city="Warsaw"), 4),
    (Place("GB", region="GB-ENG", city="London"), 4),
)
_LANGUAGES = {"FR": "fr-FR", "NL": "nl-NL", "PL": "pl-PL", "GB": "en-GB"}
_WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"
_AGENTS = (
    (f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {_WEBKIT} Chrome/142.0.0.0 Safari/537.36", 26),
    (f"Mozilla/5.0 (Linux; Android 15; K) {_WEBKIT} Chrome/142.0.0.0 Mobile Safari/537.36", 22),
    (
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
        "Version/18.6 Mobile/15E148 Safari/604.1",
        22,
    ),
    ("Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:144.0) Gecko/20100101 Firefox/144.0", 10),
    (
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) "
        "Version/18.6 Safari/605.1.15",
        10,
    ),
    (f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {_WEBKIT} Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0", 7),
    ("Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0", 3),
)
# How busy each hour of the day is, in the site's own time.
_HOURS = (2, 1, 1, 1, 1, 2, 4, 8, 12, 14, 14, 13, 12, 12, 12, 12, 12, 11, 11, 12, 12, 10, 7, 4)
_RETURNS = 0.3
_STAYS = 0.55
# The share of pages that say how long they were read.
_REPORTS = 0.7
_LONGEST_PAUSE_SECONDS = 240


@dataclass(slots=True)
class DemoVisits:
    """Draws visits of the last `days` days before `now`; the same `seed` draws the same ones."""

    site: Site
    now: datetime
    days: int
    seed: int

    def rows(self, count: int) -> Iterator[Hit]:
        """Yield `count` rows."""
        draw = random.Random(self.seed)  # noqa: S311 - nothing secret is drawn
        known: list[_Visitor] = []
        made = 0
        while made < count:
            visitor = self._visitor(draw, known)
            for hit in self._visit(draw, *visitor):
                if made < count:
                    yield hit
                    made += 1

    def _visitor(self, draw: random.Random, known: list[_Visitor]) -> _Visitor:
        if known and draw.random() < _RETURNS:
            return draw.choice(known)
        agent = _pick(draw, _AGENTS)
        width = 390 if "Mobile" in agent else draw.choice((1280, 1440, 1536, 1920))
        visitor = (draw.getrandbits(63), agent, _pick(draw, _PLACES), width)
        known.append(visitor)
        return visitor

    def _visit(self, draw: random.Random, visitor_id: int, agent: str, place: Place, width: int) -> Iterator[Hit]:
        moment, visit_id = self._start(draw), draw.getrandbits(63)
        referrer, query = _pick(draw, _REFERRERS), _pick(draw, _CAMPAIGNS)
        while moment < self.now:
            path = _pick(draw, _PAGES)
            event = IncomingEvent(
                PAGEVIEW,
                f"https://{self.site.domain}{path}{query}",
                self.site.domain,
                referrer,
                screen_width=width,
            )
            headers = {"user-agent": agent, "accept-language": _LANGUAGES.get(place.country, "de-DE")}
            yield self._hit(draw, event, Client("", headers), place, moment, (visitor_id, visit_id))
            if draw.random() < _REPORTS:
                read = IncomingEvent(
                    ENGAGEMENT,
                    event.url,
                    self.site.domain,
                    engagement_ms=draw.randint(2000, 90_000),
                    scroll_pct=draw.randint(20, 100),
                )
                yield self._hit(draw, read, Client("", headers), place, moment, (visitor_id, visit_id))
            if draw.random() > _STAYS:
                return
            moment += timedelta(seconds=draw.randint(5, _LONGEST_PAUSE_SECONDS))
            referrer, query = "", ""

    def _hit(
        self,
        draw: random.Random,
        event: IncomingEvent,
        client: Client,
        place: Place,
        moment: datetime,
        who: tuple[int, int],
    ) -> Hit:
        return build_hit(
            self.site.id,
            event,
            guard_event(event, self.site.rules),
            agent_of=client,
            place=place,
            moment=moment,
            ids=HitIds(draw.getrandbits(63), *who),
            basis=Basis.IMPORT,
        )

    def _start(self, draw: random.Random) -> datetime:
        day = (self.now - timedelta(days=draw.randrange(self.days))).astimezone(self.site.zone)
        if day.weekday() >= 5 and draw.random() < 0.5:  # weekends are quieter
            day -= timedelta(days=2)
        hour = draw.choices(range(24), _HOURS)[0]
        start = day.replace(hour=hour, minute=draw.randrange(60), second=draw.randrange(60), microsecond=0)
        return start.astimezone(self.now.tzinfo)


def _pick(draw: random.Random, weighted: Sequence[tuple[T, int]]) -> T:
    return draw.choices([value for value, _ in weighted], [weight for _, weight in weighted])[0]
