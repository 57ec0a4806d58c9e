"""What the command line has done where the event log is open: in the running server, or by itself where none runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from webmon.core import Core
from webmon.domain.site import Site
from webmon.runtime import Runtime
from webmon.services.restrict_account import Change

Command = Callable[[dict[str, Any]], Mapping[str, Any]]


def commands(runtime: Runtime) -> Mapping[str, Command]:
    """Return what can be asked, by name."""

    def site_of(arguments: dict[str, Any]) -> Site | None:
        return runtime.sites.get(arguments["site"]) if arguments.get("site") else None

    def plan(arguments: dict[str, Any]) -> Mapping[str, Any]:
        return runtime.retention.plan(runtime.clock.now(), site_of(arguments)).document()

    def apply(arguments: dict[str, Any]) -> Mapping[str, Any]:
        return runtime.retention.apply(runtime.clock.now(), site_of(arguments), actor="operator").document()

    def ping(_: dict[str, Any]) -> Mapping[str, Any]:
        waiting = sum(spool.count() for spool in runtime.spools.all())
        lost = len(runtime.account_eraser.lost())
        return {"waiting": waiting, "faults": runtime.event_log.faults(), "lost_keys": lost}

    def reload_keys(_: dict[str, Any]) -> Mapping[str, Any]:
        runtime.vault.reload()
        return {"mark": runtime.vault.mark.hex()}

    def erase_account(arguments: dict[str, Any]) -> Mapping[str, Any]:
        site, now = runtime.sites.get(arguments["site"]), runtime.clock.now()
        return {"rows": runtime.account_eraser.erase(site, arguments["account"], now, actor="operator")}

    def erase_lost(_: dict[str, Any]) -> Mapping[str, Any]:
        return {"accounts": runtime.account_eraser.erase_lost(runtime.clock.now(), actor="operator")}

    return {
        "ping": ping,
        "retention.plan": plan,
        "retention.apply": apply,
        "keys.reload": reload_keys,
        "account.erase": erase_account,
        "account.erase-lost": erase_lost,
        **{name: partial(run, runtime) for name, run in WITHOUT_EVENT_LOG.items()},
    }


def _change(core: Core, arguments: dict[str, Any], *, restricted: bool) -> Mapping[str, Any]:
    asked = Change(restricted, arguments["reason"], arguments["account"])
    site, now = core.sites.get(arguments["site"]), core.clock.now()
    standing = core.restrictions.change(site, asked, now, actor="operator")
    since = standing.restricted_at
    return {"restricted_at": since.isoformat() if since else None, "changed": standing.changed}


# Where no server runs, these move nothing out of the spool: what the rows that wait there leave depends on them.
WITHOUT_EVENT_LOG: Mapping[str, Callable[[Core, dict[str, Any]], Mapping[str, Any]]] = {
    "account.restrict": partial(_change, restricted=True),
    "account.lift-restriction": partial(_change, restricted=False),
}
