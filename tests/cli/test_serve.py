"""`webmon serve` says that it listens once it does; where it is refused it says why in a sentence."""

from __future__ import annotations

import contextlib
import socket
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from tests.support.server import ROOT, WEBMON, WebmonServer, request
from webmon.running import lock_data


@contextmanager
def folder_taken(server: WebmonServer) -> Iterator[str]:
    with lock_data(server.folder):
        yield f"webmon is already running on the data folder {server.folder}"


@contextmanager
def port_taken(server: WebmonServer) -> Iterator[str]:
    with socket.socket() as other:
        other.bind(("127.0.0.1", server.port))
        other.listen()
        yield f"Port {server.port} on 127.0.0.1 cannot be listened on"


@contextmanager
def wrapping_key_missing(server: WebmonServer) -> Iterator[str]:
    (server.folder / "secret.key").unlink()
    yield "secret.key"


@contextmanager
def wrapping_key_wrong(server: WebmonServer) -> Iterator[str]:
    server.env["WEBMON_WRAPPING_KEY"] = "A" * 43
    yield "WEBMON_WRAPPING_KEY"


@contextmanager
def folder_in_the_place_of_the_wrapping_key(server: WebmonServer) -> Iterator[str]:
    path = server.folder / "secret.key"
    path.unlink()
    path.mkdir(0o700)
    yield f"{path} is no file; put the file back from its backup"


@contextmanager
def root_damaged(server: WebmonServer) -> Iterator[str]:
    (server.folder / "secret.root").write_text("00\n")
    yield "secret.root is damaged; put it back from its backup"


@contextmanager
def data_keys_damaged(server: WebmonServer) -> Iterator[str]:
    (server.folder / "keys" / "accounts.db").write_bytes(b"this is no database" * 1000)
    yield "accounts.db cannot be used (file is not a database)"


@contextmanager
def database_missing(server: WebmonServer) -> Iterator[str]:
    server.start()
    server.stop()
    for path in server.folder.glob("control.db*"):
        path.unlink()
    yield f"control.db is missing, but {server.folder / 'events'} was written with it. Put the whole folder back"
    assert "control.db is missing" in server.run("site", "add", "another.example", check=False).stderr
    assert not [*server.folder.glob("control.db*")]


@contextmanager
def database_of_a_newer_webmon(server: WebmonServer) -> Iterator[str]:
    with contextlib.closing(sqlite3.connect(server.folder / "control.db")) as database, database:
        database.execute("update alembic_version set version_num = '9999'")
    yield "control.db is at version 9999, of a newer webmon"


@pytest.mark.parametrize(
    "obstacle",
    [
        folder_taken,
        port_taken,
        wrapping_key_missing,
        wrapping_key_wrong,
        folder_in_the_place_of_the_wrapping_key,
        root_damaged,
        data_keys_damaged,
        database_missing,
        database_of_a_newer_webmon,
    ],
)
def test_a_refused_start_says_why_and_never_that_it_listens(
    tmp_path: Path, obstacle: Callable[[WebmonServer], AbstractContextManager[str]]
) -> None:
    server = WebmonServer(tmp_path / "data")
    server.run("site", "add", "example.org")
    with obstacle(server) as said:
        done = server.run("serve", "--port", str(server.port), check=False)
    assert done.returncode == 1
    assert said in done.stderr
    assert "listens" not in done.stdout
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])  # noqa: S104
def test_whoever_reads_that_it_listens_may_ask_at_once(tmp_path: Path, host: str) -> None:
    server = WebmonServer(tmp_path / "data")
    command = [WEBMON, "serve", "--host", host, "--port", str(server.port)]
    server.process = subprocess.Popen(command, env=server.env, stdout=subprocess.PIPE, cwd=ROOT)
    try:
        assert server.process.stdout is not None
        line = server.process.stdout.readline().decode()
        assert request("GET", f"{server.url}/healthz").status == 200
    finally:
        status = server.stop()
        server.process.stdout.close()
    assert line == f"webmon listens on http://{host}:{server.port} (public address {server.url})\n"
    assert status == 0


def test_a_request_that_never_ends_does_not_keep_the_server_from_its_end(tmp_path: Path) -> None:
    """A thread waits for the rest of a body, and the loop that would bring it has ended."""
    server = WebmonServer(tmp_path / "data")
    server.start()
    head = "POST /staff/sign-in HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    with socket.create_connection(("127.0.0.1", server.port)) as half:
        half.sendall(f"{head}Content-Length: 100\r\n\r\nemail=".encode())
        assert request("GET", f"{server.url}/healthz").status == 200
        assert server.stop() == 0
