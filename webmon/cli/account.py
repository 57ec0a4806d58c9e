"""`webmon account`: people who sign in on a website."""

from __future__ import annotations

import sys

import click

from webmon.cli.on_runtime import on_runtime

_site = click.option("--site", "domain", required=True, help="The site that the account is of.")
_reason = click.option("--reason", required=True, help="Why, in words; without names: it is kept in the audit trail.")


@click.group()
def command() -> None:
    """Erase or restrict the account of somebody who signs in on a website."""


@command.command()
@click.argument("account")
@_site
@click.option("--yes", is_flag=True, help="Do not ask.")
def erase(account: str, domain: str, yes: bool) -> None:
    """Destroy the key of ACCOUNT, as the website calls it in login tokens (sub), and delete its rows, for good. Asks
    first, unless --yes."""
    _ask(yes, f"Erase all that is held about this account of {domain} for good?")
    done = on_runtime("account.erase", {"site": domain, "account": account})
    click.echo(f"The account is erased, and with it {done['rows']} rows.")


@command.command("erase-lost")
@click.option("--yes", is_flag=True, help="Do not ask.")
def erase_lost(yes: bool) -> None:
    """Erase the accounts whose data keys are lost or damaged, with no copy left: nothing opens their rows any
    more, and until then their people cannot be signed in. Asks first, unless --yes."""
    _ask(yes, "Erase the accounts whose keys are lost for good?")
    done = on_runtime("account.erase-lost", {})
    click.echo(f"{done['accounts']} accounts are erased.")


@command.command()
@click.argument("account")
@_site
@_reason
def restrict(account: str, domain: str, reason: str) -> None:
    """Restrict the processing of ACCOUNT, as the website calls it in login tokens (sub): its rows are stored and
    nothing more, until the restriction is lifted."""
    done = on_runtime("account.restrict", {"site": domain, "account": account, "reason": reason})
    already = "" if done["changed"] else " already"
    click.echo(f"The account is restricted{already}, since {done['restricted_at']}.")


@command.command("lift-restriction")
@click.argument("account")
@_site
@_reason
def lift_restriction(account: str, domain: str, reason: str) -> None:
    """Lift the restriction of ACCOUNT, as the website calls it in login tokens (sub). Tell the person before
    (GDPR Art. 18(3))."""
    done = on_runtime("account.lift-restriction", {"site": domain, "account": account, "reason": reason})
    click.echo("The restriction is lifted." if done["changed"] else "The account is not restricted.")


def _ask(yes: bool, question: str) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError("Erasing needs --yes where nobody can be asked")
    click.confirm(question, abort=True)
