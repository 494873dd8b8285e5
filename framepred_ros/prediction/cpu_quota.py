"""The share of the machine's cores that a container may use: `docker run --cpus 1.5` hides none, it limits the time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
OWN_GROUPS = Path("/proc/self/cgroup")


def cpu_quota(cgroups: Path = CGROUPS, own: Path = OWN_GROUPS) -> float | None:
    """Return how many cores' worth of time this process may use, by its control groups; None: there is no limit.

    Args:
        cgroups: where they are mounted, of version 1 or 2 (Linux: Documentation/admin-guide/cgroup-v2.rst, cpu.max, and
            scheduler/sched-bwc.rst).
        own: lists those of this process.
    """
    shares = []
    for group in _groups(cgroups, own):
        with suppress(OSError, ValueError, ZeroDivisionError):
            quota, period = _limit(group)
            if quota > 0:
                shares.append(quota / period)
    return min(shares, default=None)


def _groups(cgroups: Path, own: Path) -> Iterator[Path]:
    """The folders of the group that limits the time, and of those that it is in."""
    try:
        lines = own.read_text().splitlines()
    except OSError:  # not Linux
        return
    for line in lines:
        controllers, path = line.split(":", 2)[1:]
        if controllers and "cpu" not in controllers.split(","):
            continue
        mount = cgroups / controllers if controllers else cgroups
        # In a container its own group is mounted as the root, whatever path the machine knows it by.
        folder = mount / path.lstrip("/")
        yield from (each for each in (folder, *folder.parents) if each.is_relative_to(mount))


def _limit(group: Path) -> tuple[int, int]:
    """Quota and period in microseconds; the quota is -1 where there is none."""
    if (file := group / "cpu.max").is_file():
        quota, period = file.read_text().split()
        return (-1 if quota == "max" else int(quota)), int(period)
    return int((group / "cpu.cfs_quota_us").read_text()), int((group / "cpu.cfs_period_us").read_text())
