"""`webmon staff`: the people who work with webmon."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from webmon.domain.staff import Role
from webmon.errors import Conflict
from webmon.running import public_url

if TYPE_CHECKING:
    from webmon.core import Core

ACTOR = "operator"
HAS_PASSWORD = 3
EVERY_SITE = "(every site)"


@click.group()
def command() -> None:
    """Add staff members and their one-time links."""


@command.command()
@click.argument("email")
@click.option("--role", required=True, type=click.Choice([role.value for role in Role]), help="What they may do.")
@click.option("--site", "domain", help="Only on this site; without it on every site.")
def add(email: str, role: str, domain: str | None) -> None:
    """Give EMAIL a role, and print the one-time link with which they set their password."""
    from webmon.core import Core

    core = Core()
    site = core.sites.get(domain) if domain else None
    token = core.staff.add(email, role, site, core.clock.now(), actor=ACTOR)
    click.echo(f"{email.strip().lower()} is {role} on {site.domain if site else 'every site'}.")
    if token is None:
        click.echo("They have set a password already and sign in with it.")
    else:
        _show(core, token)


@command.command()
@click.argument("email")
@click.option("--reset", is_flag=True, help="Even where a password is set: the link replaces it.")
def link(email: str, reset: bool) -> None:
    """Print a fresh one-time link for EMAIL; older ones end. Exit status 3 where a password is set already."""
    from webmon.core import Core

    core = Core()
    try:
        token = core.staff.new_link(email, core.clock.now(), actor=ACTOR, reset=reset)
    except Conflict as error:
        click.echo(f"{error}; --reset makes a link that replaces it.", err=True)
        raise SystemExit(HAS_PASSWORD) from error
    _show(core, token)


@command.command("remove-second-factor")
@click.argument("email")
def remove_second_factor(email: str) -> None:
    """Turn off the second factor of EMAIL, who has lost both app and recovery codes."""
    from webmon.core import Core

    core = Core()
    core.second_factors.remove(core.staff.id_of(email), core.clock.now(), actor=ACTOR)
    click.echo(f"The second factor of {email.strip().lower()} is off; the password alone signs them in.")


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def list_(as_json: bool) -> None:
    """List the staff members and their roles."""
    from webmon.core import Core

    core = Core()
    domains = {site.id: site.domain for site in core.sites.all()}
    rows: list[dict[str, Any]] = [
        {
            "email": one.staff.email,
            "password_set": one.password_hash is not None,
            "second_factor": one.totp_wrapped is not None,
            "roles": {domains[key] if key else EVERY_SITE: role.value for key, role in one.staff.roles.items()},
        }
        for one in core.staff.all()
    ]
    if as_json:
        click.echo(json.dumps(rows))
    else:
        for row in rows:
            click.echo(_line(**row))


def _line(email: str, password_set: bool, second_factor: bool, roles: dict[str, str]) -> str:
    held = ", ".join(f"{role} on {where.strip('()')}" for where, role in roles.items()) or "no role"
    notes = ("" if password_set else "  (no password yet)") + ("  (second factor)" if second_factor else "")
    return f"{email}  {held}{notes}"


def _show(core: Core, token: str) -> None:
    click.echo("This link works once, for three days; whoever opens it sets the password:")
    click.echo(f"{public_url(core.settings)}/staff/link/{token}")
