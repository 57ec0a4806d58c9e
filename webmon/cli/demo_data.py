"""`webmon demo-data`: something to look at before there are visitors."""

from __future__ import annotations

import itertools
import secrets
from typing import TYPE_CHECKING

import click

from webmon.cli.bulk import Append, bring_in
from webmon.cli.progress import progress

if TYPE_CHECKING:
    from webmon.core import Core

CHUNK = 1000
DEMO_SITE = "localhost"


@click.command()
@click.option("--site", "domain", required=True, help="The site that gets the made-up visits.")
@click.option("--rows", default=20_000, show_default=True, type=click.IntRange(1, 10_000_000), help="How many rows.")
@click.option("--days", default=30, show_default=True, type=click.IntRange(1, 700), help="Over how many days.")
@click.option("--yes", is_flag=True, help="Also for a site that is not the demo website.")
def command(domain: str, rows: int, days: int, yes: bool) -> None:
    """Fill a site with made-up visits. They cannot be told from real ones afterwards."""
    from webmon.core import Core
    from webmon.domain.hit import encode_hit
    from webmon.services.demo_visits import DemoVisits
    from webmon.stores.ports.spool import SpoolEntry

    core = Core()
    site = core.sites.get(domain)
    if site.domain != DEMO_SITE and not yes:
        raise click.UsageError(f"{site.domain} is not the demo website; --yes mixes made-up visits into its figures")
    visits = DemoVisits(site, core.clock.now(), days, secrets.randbits(32))

    def fill(_: Core, append: Append) -> None:
        with progress(rows, "Making up visits") as advance:
            hits = visits.rows(rows)
            while part := list(itertools.islice(hits, CHUNK)):
                append([SpoolEntry(h.site_id, h.month, h.visit_id, h.hit_id, encode_hit(h)) for h in part])
                advance(len(part))

    stored = bring_in(core, f"demo-{site.id}-{secrets.token_hex(4)}", fill)
    core.record_import(site, actor="operator", kept=rows, stored=stored)
    click.echo(f"{stored} made-up rows stand in the event log of {site.domain}, over {days} days.")
