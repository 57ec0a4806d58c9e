"""The command line: one console script, one file per noun, loaded when it is used."""

from __future__ import annotations

import importlib
import os
from typing import Any

import click

from webmon import __version__
from webmon.errors import WebmonError

# name: (module, what it does). A module has a click command or group named `command`.
COMMANDS = {
    "serve": ("webmon.cli.serve", "Start webmon: pages, collection, jobs."),
    "site": ("webmon.cli.site", "Add and list sites; keep the keys that sign login tokens."),
    "key": ("webmon.cli.key", "Make, list and end API keys; change the key that encrypts all others."),
    "account": ("webmon.cli.account", "Erase or restrict the account of somebody who signs in on a website."),
    "staff": ("webmon.cli.staff", "Add staff members and their one-time links."),
    "import": ("webmon.cli.import_", "Bring in what was measured elsewhere."),
    "retention": ("webmon.cli.retention", "Say what the retention rules would delete, and delete it."),
    "consent": ("webmon.cli.consent", "Verify the consent ledger."),
    "notice": ("webmon.cli.notice", "Bring in, check and write out notices as JSON."),
    "audit": ("webmon.cli.audit", "Verify, sign and write out the audit trail."),
    "doctor": ("webmon.cli.doctor", "Say what is wrong with settings, files and permissions."),
    "demo-data": ("webmon.cli.demo_data", "Fill a site with made-up visits."),
}


class LazyGroup(click.Group):
    """Knows its commands by the table; turns errors of webmon into one sentence and exit status 1."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:  # noqa: ARG002
        if name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(COMMANDS[name][0]).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        for one in args:
            if _is_broken(one):
                raise click.UsageError(f"{one!a} is not text in UTF-8")
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except WebmonError as error:
            raise click.ClickException(str(error)) from error
        except BrokenPipeError:
            raise  # whoever reads has enough: no error
        except OSError as error:
            what = f"{error.filename}: " if error.filename else ""
            raise click.ClickException(f"{what}{error.strerror or error}") from error


def _is_broken(argument: str) -> bool:
    """Whether an argument holds bytes that are no text: Python passes them on as halves of characters."""
    try:
        argument.encode()
    except UnicodeEncodeError:
        return True
    return False


@click.command(cls=LazyGroup)
@click.version_option(__version__)
def main() -> None:
    """webmon: cookie consent and web-monitoring analytics.

    Settings come from WEBMON_… environment variables and webmon.toml; all state is under WEBMON_DATA_DIR.
    """
    os.umask(0o077)  # whatever is written is its owner's alone
