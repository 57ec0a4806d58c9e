"""One process at a time opens a data folder's event log; how others find it and ask it."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from webmon.errors import SettingsError, WebmonError
from webmon.settings import Settings
from webmon.stores.folders import make_folder
from webmon.stores.locks import hold_file
from webmon.stores.wrapping import write_private

_LOCK = "webmon.lock"
_WHERE = Path("run") / "server.json"
_PATIENCE_SECONDS = 600


@dataclass(frozen=True, slots=True)
class Server:
    """A running server of a data folder, and the token that only who can read the folder knows.

    `url` is where this machine reaches it, `public_url` where browsers do.
    """

    url: str
    token: str
    public_url: str

    def call(self, command: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Have the server run a command and return its answer; raises `WebmonError` with its words."""
        asked = urllib.request.Request(  # noqa: S310 - the address is from our own file
            f"{self.url}/internal/{command}",
            data=json.dumps(arguments).encode(),
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(asked, timeout=_PATIENCE_SECONDS) as answer:  # noqa: S310
                document: dict[str, Any] = json.load(answer)
        except urllib.error.HTTPError as error:
            raise WebmonError(_words(error)) from error
        except OSError as error:
            raise WebmonError(f"The running server at {self.url} does not answer: {error}") from error
        return document


def _words(error: urllib.error.HTTPError) -> str:
    """What the server says is wrong, as a command that runs without one would say it."""
    try:
        said = json.load(error)["detail"]
    except (ValueError, LookupError, TypeError, OSError):
        said = ""
    return str(said or f"The running server refused: {error.code} {error.reason}")


@contextmanager
def lock_data(folder: Path) -> Iterator[None]:
    """Hold the data folder; raises `SettingsError` where another process does."""
    make_folder(folder)
    with ExitStack() as held:
        try:
            held.enter_context(hold_file(folder / _LOCK, wait=False))
        except BlockingIOError as error:
            raise SettingsError(
                f"webmon is already running on the data folder {folder.resolve()}; "
                "stop it first, or name another folder in WEBMON_DATA_DIR"
            ) from error
        yield


def is_locked(folder: Path) -> bool:
    try:
        with lock_data(folder):
            return False
    except SettingsError:
        return True


@contextmanager
def tell_where(folder: Path, url: str, public_url: str) -> Iterator[str]:
    """Say where this process answers, for the command line; yields the token that it must bring."""
    token = secrets.token_urlsafe(32)
    where = {"url": url, "token": token, "public_url": public_url, "pid": os.getpid()}
    write_private(folder / _WHERE, json.dumps(where))
    try:
        yield token
    finally:
        with contextlib.suppress(FileNotFoundError):
            (folder / _WHERE).unlink()


def find_server(folder: Path) -> Server | None:
    """Return the server that holds the folder, or None where none does."""
    path = folder / _WHERE
    if not path.exists() or not is_locked(folder):
        return None
    where = json.loads(path.read_text("utf-8"))
    return Server(where["url"], where["token"], where["public_url"])


def public_url(settings: Settings) -> str:
    """Return where browsers reach webmon: as it is set, else as the running server says."""
    server = None if settings.has_public_url else find_server(settings.data_dir)
    return server.public_url if server else settings.public_url
