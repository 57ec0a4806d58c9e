"""Renew the lists under `webmon/data` that others maintain: `make lists`. Needs npm."""

from __future__ import annotations

import json
import re
import subprocess
import tarfile
import tempfile
from pathlib import Path

DATA = Path(__file__).resolve().parents[1] / "webmon" / "data"
# ISO 3166-2 names, under the MIT licence (webmon/data/README.md).
PACKAGE = "iso-3166@4.4.0"
_ENTRY = re.compile(r"code: '([A-Z]{2}-[A-Z0-9]{1,3})',\s+name: ('(?:[^'\\]|\\.)*'|\"[^\"]*\"),\s+parent:")


def regions() -> dict[str, str]:
    """Return ISO 3166-2 code to name, as the package has them."""
    with tempfile.TemporaryDirectory() as folder:
        packed = subprocess.run(
            ["npm", "pack", "--silent", PACKAGE],  # noqa: S607
            cwd=folder,
            check=True,
            capture_output=True,
            text=True,
        )
        with tarfile.open(Path(folder) / packed.stdout.strip()) as archive:
            file = archive.extractfile("package/2.js")
            text = file.read().decode() if file else ""
    return {code: name[1:-1].replace("\\'", "'") for code, name in _ENTRY.findall(text)}


if __name__ == "__main__":
    found = regions()
    text = json.dumps(found, ensure_ascii=False, indent=0, sort_keys=True) + "\n"
    (DATA / "regions.json").write_text(text, "utf-8")
    print(f"{len(found)} regions")
