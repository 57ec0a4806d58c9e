"""Keys that live for one UTC day, in a file of their own so that no backup of the databases holds them."""

from __future__ import annotations

import hmac
import json
import threading
from datetime import datetime, timedelta
from pathlib import Path

from webmon.domain.pseudonym import PseudonymKey, day_key_expired
from webmon.errors import SettingsError
from webmon.stores.wrapping import new_key, overwrite, replace_private

ABANDONED_AFTER = timedelta(days=1)


class DayKeys:
    """A random key per day; a site's key is derived from it, and dies with it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._derived: dict[tuple[int, str], PseudonymKey] = {}
        self._keys: dict[str, bytes] = self._read()

    def key(self, site_id: int, day: str) -> PseudonymKey:
        """Return the site's key of the day, making the day's key when it is asked for first."""
        found = self._derived.get((site_id, day))
        if found is None:
            with self._lock:
                root = self._root(day)
            site_key = hmac.digest(root, f"site:{site_id}".encode(), "sha256")
            found = self._derived[site_id, day] = PseudonymKey(site_key)
        return found

    def destroy_expired(self, now: datetime) -> int:
        """Destroy the keys whose day is over, and return how many there were."""
        with self._lock:
            dead = [day for day in self._keys if day_key_expired(day, now)]
            if dead:
                self._keys = {day: key for day, key in self._keys.items() if day not in dead}
                self._derived = {place: key for place, key in self._derived.items() if place[1] not in dead}
                self._write()
        return len(dead)

    def destroy_all(self) -> None:
        with self._lock:
            self._keys, self._derived = {}, {}
            _overwrite(self._path)
            self._path.unlink(missing_ok=True)

    def _root(self, day: str) -> bytes:
        if day not in self._keys:
            self._keys[day] = new_key()
            self._write()
        return self._keys[day]

    def _read(self) -> dict[str, bytes]:
        if not self._path.exists():
            return {}
        try:
            return {day: bytes.fromhex(text) for day, text in json.loads(self._path.read_text("ascii")).items()}
        except (ValueError, TypeError, AttributeError) as error:
            raise SettingsError(
                f"{self._path} is damaged. Without it, visits without consent begin anew today; nothing else is lost"
            ) from error

    def _write(self) -> None:
        replace_private(self._path, json.dumps({day: key.hex() for day, key in self._keys.items()}))


def destroy_abandoned(folder: Path, now: datetime) -> int:
    """Destroy the keys of imports that were interrupted and not taken up again for a day; return how many files."""
    oldest = (now - ABANDONED_AFTER).timestamp()
    left = [path for path in folder.glob("import-*.json") if path.stat().st_mtime < oldest]
    for path in left:
        _overwrite(path)
        path.unlink(missing_ok=True)
    return len(left)


def _overwrite(path: Path) -> None:
    if path.exists():
        with path.open("r+b") as file:
            overwrite(file.fileno())
