"""Commands that a running server is asked for; where none runs, this process holds the data folder."""

from __future__ import annotations

from typing import Any

from webmon.running import find_server, lock_data


def on_runtime(command: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Run a command in the running server, or else in this process, which opens the event log where it needs it."""
    from webmon.commands import WITHOUT_EVENT_LOG, commands
    from webmon.core import Core
    from webmon.runtime import Runtime

    core = Core()
    try:
        server = find_server(core.folder)
        if server is not None:
            return server.call(command, arguments)
        with lock_data(core.folder):
            if command in WITHOUT_EVENT_LOG:
                return dict(WITHOUT_EVENT_LOG[command](core, arguments))
            runtime = Runtime(core.settings, core.clock)
            try:
                runtime.recover()
                return dict(commands(runtime)[command](arguments))
            finally:
                runtime.close()
    finally:
        core.close()
