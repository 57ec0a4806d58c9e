"""`webmon serve`: one process that answers, ingests and keeps the rules, and a small one that watches over it."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import click

from webmon.errors import SettingsError, WebmonError, told

_PR_SET_PDEATHSIG = 1
_PARENT_CHECK_SECONDS = 1.0
# How long the end waits for who never ends a request. What was acknowledged is durable, and moved at the next start.
_PATIENCE_SECONDS = 20
_OPENING_SECONDS = 0.02

_telling: list[Any] = []  # a loop holds its tasks but weakly


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
    from granian.constants import HTTPModes, Interfaces, Loops
    from granian.log import LogLevels
    from granian.server import MPServer

    from webmon.running import lock_data
    from webmon.settings import load_settings

    settings = load_settings()
    with lock_data(settings.data_dir):  # taken for good by the worker; here for an answer before anything starts
        _check_port(host, port)
    server = MPServer(
        "webmon",
        address=host,
        port=port,
        interface=Interfaces.ASGINL,
        workers=1,
        loop=Loops.uvloop,
        websockets=False,
        http=HTTPModes.auto,
        log_level=LogLevels.warning,
        log_access=False,  # a line per request would write addresses to the disk
        backlog=2048,
        workers_kill_timeout=_PATIENCE_SECONDS,
    )
    url = f"http://{_reachable(host)}:{port}"
    public_url = settings.public_url if settings.has_public_url else url
    os.environ.update(WEBMON_SERVE_URL=url, WEBMON_PUBLIC_URL=public_url)  # for the worker
    told = f"webmon listens on http://{host}:{port} (public address {public_url})"
    server.serve(spawn_target=_work, target_loader=partial(_load, host, port, told), wrap_loader=False)


def _load(host: str, port: int, told: str) -> Callable[..., Any]:
    """In the worker: open the stores, start what runs beside the requests, return the ASGI application.

    `told` is printed once it answers: whoever reads that may ask at once, and a refused start never says it.
    """
    import asyncio

    from webmon import server
    from webmon.app import create_asgi

    application = server.start(create_asgi)
    _telling.append(asyncio.get_event_loop().create_task(_tell_when_open(_reachable(host).strip("[]"), port, told)))
    return application


async def _tell_when_open(host: str, port: int, told: str) -> None:
    import asyncio

    writer = None
    while writer is None:
        try:
            _, writer = await asyncio.open_connection(host, port)
        except OSError:
            await asyncio.sleep(_OPENING_SECONDS)
    writer.close()
    click.echo(told)
    sys.stdout.flush()


def _work(*args: Any, **kwargs: Any) -> None:
    """The worker process: as Granian's own, but it dies with its parent and drains at its end."""
    from granian.server import MPServer

    _die_with_parent()
    status = 0
    try:
        MPServer._spawn_asgi_worker(*args, **kwargs)
    except WebmonError as error:
        click.echo(f"Error: {error}", err=True)
        status = 1
    finally:
        status = max(status, _stop())
    # All that was acknowledged is in its place. Threads may be left that wait for the rest of a request, which the
    # loop that has ended will never bring: Python would wait for them.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _stop() -> int:
    from webmon import server

    try:
        server.stop()
    except Exception as error:  # it has tried everything else, and what it could not move is moved at the next start
        click.echo(f"Error: the end failed: {told(error)}", err=True)
        return 1
    return 0


def _die_with_parent() -> None:
    """A worker whose parent was killed must not go on holding the data folder and the port."""
    parent = os.getppid()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    else:
        threading.Thread(target=_watch_parent, args=(parent,), daemon=True).start()
    if os.getppid() != parent:
        os._exit(1)


def _watch_parent(parent: int) -> None:
    while os.getppid() == parent:
        threading.Event().wait(_PARENT_CHECK_SECONDS)
    os._exit(1)


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
