"""`webmon account`: people who sign in on a website."""

from __future__ import annotations

import sys

import click

from webmon.cli.on_runtime import on_runtime


@click.group()
def command() -> None:
    """Erase the account of somebody who signs in on a website."""


@command.command()
@click.argument("account")
@click.option("--site", "domain", required=True, help="The site that the account is of.")
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
    """Erase the accounts whose data keys are lost, with no copy left: nothing opens their rows any more, and until
    then their people cannot be signed in. Asks first, unless --yes."""
    _ask(yes, "Erase the accounts whose keys are lost for good?")
    done = on_runtime("account.erase-lost", {})
    click.echo(f"{done['accounts']} accounts are erased.")


def _ask(yes: bool, question: str) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError("Erasing needs --yes where nobody can be asked")
    click.confirm(question, abort=True)
