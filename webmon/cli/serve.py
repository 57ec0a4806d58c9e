"""`webmon serve`: one process that answers, ingests and keeps the rules."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from webmon.errors import SettingsError, told

if TYPE_CHECKING:
    from granian.server.embed import Server

# How long the end waits for who never ends a request. What was acknowledged is durable, and moved at the next start.
_PATIENCE_SECONDS = 20
_OPENING_SECONDS = 0.02


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(1, 65535), help="Port to listen on.")
@click.option(
    "--role",
    default="all",
    show_default=True,
    type=click.Choice(["all"]),
    help="What this process does; the embedded stores need one process that does all.",
)
def command(host: str, port: int, role: str) -> None:  # noqa: ARG001
    """Start webmon and go on until SIGTERM, which drains and ends it."""
    import uvloop

    from webmon import server
    from webmon.app import create_asgi
    from webmon.running import lock_data
    from webmon.settings import load_settings

    settings = load_settings()
    with lock_data(settings.data_dir):  # taken for good by `server`; here for an answer before anything is opened
        _check_port(host, port)
    url = f"http://{_reachable(host)}:{port}"
    public_url = settings.public_url if settings.has_public_url else url
    os.environ.update(WEBMON_SERVE_URL=url, WEBMON_PUBLIC_URL=public_url)
    told_when_open = f"webmon listens on http://{host}:{port} (public address {public_url})"
    loop = uvloop.new_event_loop()
    asyncio.set_event_loop(loop)
    status = 1
    try:
        application = server.start(create_asgi)
        status = loop.run_until_complete(_serve(_granian(application, host, port), host, port, told_when_open))
    finally:
        for one in _ends():
            signal.signal(one, signal.SIG_IGN)  # the end is under way, and a second request does not hasten it
        status = max(status, _stop())
    # All that was acknowledged is in its place. Threads may be left that wait for the rest of a request, which the
    # loop that has ended will never bring: Python would wait for them.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _granian(application: object, host: str, port: int) -> Server:
    from granian.constants import HTTPModes, Interfaces
    from granian.log import LogLevels
    from granian.server.embed import Server

    return Server(
        application,
        address=host,
        port=port,
        interface=Interfaces.ASGINL,
        websockets=False,
        http=HTTPModes.auto,
        log_level=LogLevels.error,
        log_access=False,  # a line per request would write addresses to the disk
        backlog=2048,
    )


async def _serve(server: Server, host: str, port: int, told_when_open: str) -> int:
    """Answer until a signal asks for the end, and return the exit status; who is being answered has some time more.

    `told_when_open` is printed once it answers: whoever reads it may ask at once; a refused start never says it.
    """
    asked = asyncio.Event()
    for one in _ends():
        asyncio.get_running_loop().add_signal_handler(one, asked.set)
    serving = asyncio.create_task(server.serve())
    telling = asyncio.create_task(_tell_when_open(_reachable(host).strip("[]"), port, told_when_open))
    waiting = asyncio.create_task(asked.wait())
    await asyncio.wait({serving, waiting}, return_when=asyncio.FIRST_COMPLETED)
    telling.cancel()
    if serving.done():
        serving.result()  # says why
        return 1  # nobody asked for it
    server.stop()  # type: ignore[no-untyped-call]  # of Granian
    with suppress(TimeoutError):
        await asyncio.wait_for(serving, _PATIENCE_SECONDS)
    return 0


def _ends() -> list[signal.Signals]:
    """The signals that ask for the end; a terminal that goes away does, but not where `nohup` says no."""
    return [
        one
        for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        if one is not signal.SIGHUP or signal.getsignal(one) is not signal.SIG_IGN
    ]


async def _tell_when_open(host: str, port: int, told: str) -> None:
    writer = None
    while writer is None:
        try:
            _, writer = await asyncio.open_connection(host, port)
        except OSError:
            await asyncio.sleep(_OPENING_SECONDS)
    writer.close()
    click.echo(told)
    sys.stdout.flush()


def _stop() -> int:
    from webmon import server

    try:
        server.stop()
    except Exception as error:  # it has tried everything else, and what it could not move is moved at the next start
        click.echo(f"Error: the end failed: {told(error)}", err=True)
        return 1
    return 0


def _check_port(host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise SettingsError(f"Port {port} on {host} cannot be listened on: {error.strerror}") from error


def _reachable(host: str) -> str:
    """The address under which this machine reaches a server that listens on `host`."""
    return {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
