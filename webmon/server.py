"""A serving process from its start to its end, for `webmon serve` and for any WSGI server.

One process only: it opens the event log, and a second one on the same data folder is refused.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from webmon.logs import configure_logs
from webmon.running import lock_data, tell_where
from webmon.runtime import Runtime
from webmon.settings import load_settings

_open = ExitStack()


def start(create: Callable[[Runtime], Callable[..., Any]]) -> Callable[..., Any]:
    """Open the stores of this process's data folder and return the application that `create` makes."""
    os.umask(0o077)  # whatever is written is its owner's alone
    settings = load_settings()
    configure_logs(settings.log_level)
    _open.enter_context(lock_data(settings.data_dir))
    runtime = Runtime(settings)
    _open.callback(runtime.close)
    runtime.internal_token = _open.enter_context(
        tell_where(
            runtime.folder, os.environ.get("WEBMON_SERVE_URL", settings.public_url), public_url=settings.public_url
        )
    )
    runtime.start()
    application = create(runtime)
    _settle_memory()
    return application


def _settle_memory() -> None:
    """Take what start-up made out of the garbage collector's rounds: hits would pay for looking through it again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def stop() -> None:
    """Drain and close; a second call does nothing."""
    _open.close()
