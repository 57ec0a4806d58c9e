"""`webmon key`: keys for programs, and the key that encrypts all others."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import click

from webmon.cli.progress import progress
from webmon.errors import SettingsError
from webmon.running import find_server
from webmon.services.manage_sites import Scope

if TYPE_CHECKING:
    from webmon.core import Core

ACTOR = "operator"
# What a running server was just writing under the old key is there within this time.
_SETTLING_SECONDS = 2.0


@click.group()
def command() -> None:
    """Make, list and end API keys; change the key that encrypts all others."""


@command.command()
@click.option("--site", "domain", required=True, help="The site the key is for.")
@click.option("--scope", required=True, type=click.Choice([scope.value for scope in Scope]), help="What it may do.")
def add(domain: str, scope: str) -> None:
    """Make an API key, and print it, once."""
    from webmon.core import Core

    core = Core()
    site = core.sites.get(domain)
    made = core.sites.new_api_key(site, scope, core.clock.now(), actor=ACTOR)
    click.echo(f"API key {made.kept.number} of {site.domain}, scope {scope}. It is not shown again.")
    click.echo(made.text)


@command.command("list")
@click.option("--site", "domain", required=True, help="The site the keys are for.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def list_(domain: str, as_json: bool) -> None:
    """List the API keys of a site, newest first: number, scope, since when, until when. The keys themselves are not
    kept."""
    from webmon.core import Core

    core = Core()
    kept = core.sites.api_keys(core.sites.get(domain))
    if as_json:
        rows = [
            {
                "number": one.number,
                "scope": one.scope,
                "created_at": one.created_at.isoformat(),
                "ended_at": one.ended_at and one.ended_at.isoformat(),
            }
            for one in kept
        ]
        click.echo(json.dumps(rows))
        return
    for one in kept:
        until = f"until {one.ended_at:%Y-%m-%d %H:%M} UTC" if one.ended_at else "with no end"
        click.echo(f"{one.number}  {one.scope}  since {one.created_at:%Y-%m-%d %H:%M} UTC  {until}")


@command.command()
@click.argument("number", type=int)
@click.option("--site", "domain", required=True, help="The site the key is for.")
def end(number: int, domain: str) -> None:
    """End the API key of that NUMBER, as list tells it, at once and for good; a running server refuses it from then
    on."""
    from webmon.core import Core

    core = Core()
    site = core.sites.get(domain)
    ended = core.sites.end_api_key(site, number, core.clock.now(), actor=ACTOR)
    click.echo(f"API key {number} of {site.domain}, scope {ended.scope}, has ended.")


@command.command()
def rotate() -> None:
    """Put a new wrapping key in the place of the old one, and wrap all other keys anew; a server may run.
    Interrupted, the same command goes on."""
    from webmon.core import Core

    core = Core()
    with core.vault.alone():
        count = _rotate(core)
    click.echo(f"{count} keys are wrapped under the new key. {core.vault.after_rotation}")
    core.close()


def _rotate(core: Core) -> int:
    rotation = core.key_rotation
    with progress(rotation.begin(), "Wrapping keys anew") as advance:
        runs = _tell_server(core)
        count = rotation.run(advance)
        if runs:
            time.sleep(_SETTLING_SECONDS)
            count += rotation.run(advance)
    rotation.finish(count, core.clock.now(), actor=ACTOR)
    _tell_server(core)
    return count


def _tell_server(core: Core) -> bool:
    """Have a running server take up the keys as they are now; say whether one runs."""
    server = find_server(core.folder)
    if server is None:
        return False
    if server.call("keys.reload", {})["mark"] != core.vault.mark.hex():
        raise SettingsError(
            "The running server has another wrapping key in use: start it again with the same WEBMON_WRAPPING_KEY, "
            "then run this once more"
        )
    return True
