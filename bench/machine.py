"""What was measured on, and how much of it was used."""

from __future__ import annotations

import os
import platform
import re
import time
from pathlib import Path


def describe() -> str:
    cpu = re.findall(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text())
    memory = int(re.findall(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text())[0]) / 1024**2
    cores = len(os.sched_getaffinity(0))
    return (
        f"{cpu[0] if cpu else platform.machine()}, {cores} cores, {memory:.0f} GiB; "
        f"{platform.system()} {platform.release().split('-')[0]}; Python {platform.python_version()}; "
        f"{time.strftime('%Y-%m-%d')}"
    )


def processes(pid: int) -> list[Path]:
    """A process and its children."""
    first = Path(f"/proc/{pid}")
    children = (first / "task" / first.name / "children").read_text().split()
    return [first, *(Path(f"/proc/{child}") for child in children)]


def cpu_seconds(pid: int) -> float:
    ticks = [(one / "stat").read_text().rpartition(")")[2].split()[11:13] for one in processes(pid)]
    return sum(int(tick) for pair in ticks for tick in pair) / os.sysconf("SC_CLK_TCK")


def memory_mb(pid: int) -> float:
    """Proportional set size of the processes together, as it is now."""
    rollups = [(one / "smaps_rollup").read_text() for one in processes(pid)]
    return sum(int(re.findall(r"^Pss:\s+(\d+)", text, re.MULTILINE)[0]) for text in rollups) / 1024
