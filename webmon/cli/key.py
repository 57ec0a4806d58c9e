"""`webmon key`: keys for programs."""

from __future__ import annotations

import click

from webmon.services.manage_sites import Scope


@click.group()
def command() -> None:
    """Make API keys."""


@command.command()
@click.option("--site", "domain", required=True, help="The site the key is for.")
@click.option("--scope", required=True, type=click.Choice([scope.value for scope in Scope]), help="What it may do.")
def add(domain: str, scope: str) -> None:
    """Make an API key, and print it, once."""
    from webmon.app import Core

    core = Core()
    site = core.sites.get(domain)
    click.echo(f"API key of {site.domain}, scope {scope}. It is not shown again.")
    click.echo(core.sites.new_api_key(site, scope, core.clock.now(), actor="operator"))
