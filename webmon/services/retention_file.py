"""Retention rules out of a TOML file: the operator's word, above that of the admin pages."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from webmon.domain.handling import InfoClass
from webmon.domain.retention import check_keep
from webmon.errors import SettingsError


@dataclass(frozen=True, slots=True)
class FileRules:
    """Rules for every site, and for single ones: class of information to duration."""

    default: Mapping[str, str] = field(default_factory=dict)
    sites: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def of(self, domain: str) -> Mapping[str, str]:
        return {**self.default, **self.sites.get(domain, {})}


def read_rules(path: Path | None, domains: Sequence[str]) -> FileRules:
    """Return the rules of the file; raises `SettingsError` naming the file, the key and what is wrong with it.

    Nothing in it is passed over in silence: a rule for a misspelt site would do nothing, for ever.
    """
    if path is None:
        return FileRules()
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"WEBMON_RETENTION_FILE: {path} cannot be read: {error}") from error
    unknown = set(document) - {"default", "site"}
    if unknown:
        raise SettingsError(f'{path}: {sorted(unknown)[0]!r} is neither [default] nor [site."DOMAIN"]')
    sites = document.get("site", {})
    if not isinstance(sites, dict):
        raise SettingsError(f"{path}: site must be a table of sites")
    for domain in sites:
        if domain not in domains:
            raise SettingsError(f"{path}: {domain!r} is not a site of this server")
    return FileRules(
        _rules(path, "default", document.get("default", {})),
        {domain: _rules(path, f"site.{domain}", table) for domain, table in sites.items()},
    )


def _rules(path: Path, place: str, table: Any) -> Mapping[str, str]:
    if not isinstance(table, dict):
        raise SettingsError(f"{path}: {place} must be a table")
    rules = {}
    for name, keep in table.items():
        if name not in {member.value for member in InfoClass}:
            raise SettingsError(f"{path}: {place}.{name} is not one of {', '.join(InfoClass)}")
        try:
            rules[name] = check_keep(str(keep))
        except ValueError as error:
            raise SettingsError(f"{path}: {place}.{name} {error}") from error
    return rules
