"""Where everything is put together: settings to stores, stores to services, services to blueprints.

`Core` is what every process has (the command line too); `Runtime` is the one process that serves and so holds the
event log. Services are made when they are first asked for.
"""

from __future__ import annotations

import threading
from functools import cached_property
from pathlib import Path

from flask import Blueprint, Flask
from flask_wtf.csrf import CSRFProtect

from webmon.clock import Clock, SystemClock
from webmon.errors import SettingsError
from webmon.services.manage_sites import Sites
from webmon.settings import Settings, load_settings
from webmon.stores.control.database import ControlDatabase, sqlite_url
from webmon.stores.control.sites import SqlSites
from webmon.stores.events.duckdb import DuckDBEventLog
from webmon.stores.vault import Vault
from webmon.web.shared.assets import load_manifest
from webmon.web.shared.problems import handle_errors
from webmon.web.shared.security import harden

ROOT = Path(__file__).resolve().parent.parent


class Core:
    """Settings, clock, keys and the control database, and the services that need no more than these."""

    def __init__(self, settings: Settings | None = None, clock: Clock | None = None) -> None:
        self.settings = settings or load_settings()
        self.clock = clock or SystemClock()
        self.folder = _open_folder(self.settings.data_dir)
        self.vault = Vault.open(self.folder)
        self.database = ControlDatabase(sqlite_url(self.folder / "control.db"))
        self.database.migrate()
        (self.folder / "control.db").chmod(0o600)

    @cached_property
    def sites(self) -> Sites:
        return Sites(self.database.unit(SqlSites), self.vault)

    def close(self) -> None:
        self.database.close()


class Runtime(Core):
    """The serving process: everything of `Core`, the event log, and what runs beside the requests."""

    def __init__(self, settings: Settings | None = None, clock: Clock | None = None) -> None:
        super().__init__(settings, clock)
        self.event_log = DuckDBEventLog(self.folder / "events", self.settings.event_log_memory)
        # Held by whoever moves rows between spool, event log and account log, so that no row is seen in two places.
        self.log_lock = threading.Lock()

    def close(self) -> None:
        self.event_log.close()
        super().close()


def create_app(runtime: Runtime) -> Flask:
    """Return the Flask application: every page and interface but the hot path of `POST /api/event`."""
    app = Flask(
        "webmon",
        static_folder=str(ROOT / "static"),
        static_url_path="/static",
        template_folder=str(ROOT / "templates"),
    )
    harden(app, secure=runtime.settings.secure, session_key=runtime.vault.derive("session"))
    handle_errors(app)
    csrf = CSRFProtect(app)
    manifest = load_manifest(ROOT / "static")
    app.add_template_global(manifest.__getitem__, "asset")
    for blueprint in _blueprints(runtime):
        app.register_blueprint(blueprint)
    _ = csrf
    return app


def _blueprints(runtime: Runtime) -> list[Blueprint]:
    """One blueprint per audience, each given just the services it calls."""
    _ = runtime
    return []


def _open_folder(folder: Path) -> Path:
    folder = folder.resolve()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
    except OSError as error:
        raise SettingsError(f"WEBMON_DATA_DIR: {folder} cannot be used: {error.strerror}") from error
    return folder
