"""Many rows at once into the event log, by a spool of their own, whether or not a server runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import TYPE_CHECKING

from webmon.cli.progress import progress
from webmon.errors import SpoolFull, WebmonError
from webmon.running import find_server, lock_data

if TYPE_CHECKING:
    from webmon.core import Core
    from webmon.stores.ports.spool import SpoolEntry
    from webmon.stores.spool import Spool

Append = Callable[[Sequence["SpoolEntry"]], None]
_POLL_SECONDS = 0.1


def bring_in(core: Core, name: str, fill: Callable[[Core, Append], None]) -> int:
    """Have `fill` append rows to the spool `name` and move them to the event log; return how many are new there.

    Where a server runs, it moves them; else this process does, holding the data folder. Interrupted, the spool keeps
    what it was given, and the same call goes on from there.
    """
    from webmon.runtime import Runtime

    if find_server(core.folder) is not None:
        return _run(core, name, fill, _wait_for_server(core))
    with lock_data(core.folder):
        runtime = Runtime(core.settings, core.clock)
        try:
            runtime.recover()
            return _run(runtime, name, fill, runtime.ingester.run_once)
        finally:
            runtime.close()


def _run(core: Core, name: str, fill: Callable[[Core, Append], None], move: Callable[[], object]) -> int:
    with closing(core.import_spool(name)) as spool:
        before = int(spool.meta("stored"))
        fill(core, lambda entries: _append(spool, entries, move))
        waiting = spool.count()
        with progress(waiting, "Moving to the event log") as advance:
            while waiting:
                move()
                spool.demand_file()
                left = spool.count()
                advance(waiting - left)
                waiting = left
        stored = int(spool.meta("stored")) - before
        spool.finish()
    return stored


def _append(spool: Spool, entries: Sequence[SpoolEntry], move: Callable[[], object]) -> None:
    while True:
        try:
            return spool.append(entries)
        except SpoolFull:
            move()
            spool.refresh()


def _wait_for_server(core: Core) -> Callable[[], object]:
    """The running server moves what the spool holds; this waits a moment, and notices when the server is gone."""

    def wait() -> None:
        if find_server(core.folder) is None:
            raise WebmonError("The server stopped. Nothing is lost: run the same command again.")
        time.sleep(_POLL_SECONDS)

    return wait
