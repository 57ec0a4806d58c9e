"""Commands that need the event log: run by the process that holds it."""

from __future__ import annotations

from typing import Any

from webmon.running import find_server, lock_data


def on_runtime(command: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Run a command where the event log is open: in the running server, or else in this process."""
    from webmon.commands import commands
    from webmon.core import Core
    from webmon.runtime import Runtime

    core = Core()
    try:
        server = find_server(core.folder)
        if server is not None:
            return server.call(command, arguments)
        with lock_data(core.folder):
            runtime = Runtime(core.settings, core.clock)
            try:
                runtime.recover()
                return dict(commands(runtime)[command](arguments))
            finally:
                runtime.close()
    finally:
        core.close()
