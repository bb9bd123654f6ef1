"""What a process and all that it started use: processor, memory, disk; and how long they waited.

Time is measured so that a busy machine changes nothing: seconds of the processor, and apart from
them seconds in which nothing wanted the processor.
"""

from __future__ import annotations

import contextlib
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import psutil  # type: ignore[import-untyped]

# Part of a moment that counts as waiting, by what the process does. On a busy machine disks are
# slow, so waiting for one counts little; but it does, since a process can pretend to do it.
_WAITS = {"S": 1.0, "T": 1.0, "t": 1.0, "I": 1.0, "D": 0.1}


@dataclass
class Usage:
    """What is used.

    Attributes:
        processes: how many there are.
        memory: bytes, of all of them; files that are only in memory (memfd) included.
        written: bytes that went to disks.
        cpu: seconds of the processor since the beginning.
        waited: seconds since the beginning in which nothing computed or wanted to.
    """

    processes: int = 0
    memory: int = 0
    written: int = 0
    cpu: float = 0.0
    waited: float = 0.0


class Watch:
    """Follows a process and its descendants; `used` is what the last look found."""

    def __init__(self, pid: int) -> None:
        """Begin with the process of this number."""
        self.used = Usage()
        self._root = pid
        self._seen: dict[int, psutil.Process] = {}
        self._written: dict[int, int] = {}
        self._last = time.monotonic()

    def look(self) -> Usage:
        """Measure anew, and return what is used."""
        alive = self._alive()
        now, cpu = time.monotonic(), sum(map(_cpu, alive))
        passed, worked = now - self._last, cpu - self.used.cpu
        if worked < passed / 100:
            self.used.waited += passed * min(map(_waits, alive), default=1.0)
        elif sys.platform != "linux":  # which does not say who waits for the processor
            self.used.waited += max(0.0, passed - worked)
        self._last = now
        self.used.cpu = max(cpu, self.used.cpu)
        self.used.processes = len(alive)
        self.used.memory = sum(map(_memory, alive)) + _only_in_memory(alive)
        for one in alive:
            with contextlib.suppress(psutil.Error, AttributeError, OSError):  # macOS has none
                self._written[one.pid] = one.io_counters().write_bytes
        self.used.written = sum(self._written.values())
        return self.used

    def kill(self) -> None:
        """Kill all that is known."""
        for one in self._alive():
            with contextlib.suppress(psutil.Error):
                one.kill()  # psutil makes sure that the number was not given to another process

    def _alive(self) -> list[psutil.Process]:
        with contextlib.suppress(psutil.Error):
            root = psutil.Process(self._root)
            for one in (root, *root.children(recursive=True)):
                self._seen.setdefault(one.pid, one)
        # A process that outlived its parent may be no child any more, but is still known.
        return [one for one in self._seen.values() if _is_alive(one)]


def _is_alive(one: psutil.Process) -> bool:
    try:
        return bool(one.is_running())
    except psutil.Error:
        return False


def _cpu(one: psutil.Process) -> float:
    try:
        times = one.cpu_times()
    except psutil.Error:
        return 0.0
    # With those of its children that have ended.
    own: float = times.user + times.system
    return own + getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0)


def _waits(one: psutil.Process) -> float:
    """Return 1 if a process only waits, 0 if one of its threads runs or wants to."""
    if sys.platform != "linux":
        return 1.0
    try:
        tasks = list(Path(f"/proc/{one.pid}/task").iterdir())
        states = [(task / "stat").read_text().rpartition(")")[2].split()[0] for task in tasks]
    except (OSError, IndexError):
        return 1.0
    return min((_WAITS.get(state, 0.0) for state in states if state not in "ZX"), default=1.0)


def _memory(one: psutil.Process) -> int:
    try:
        return int(one.memory_info().rss)
    except psutil.Error:
        return 0


def _only_in_memory(alive: list[psutil.Process]) -> int:
    """Return the bytes of open files that are on no disk, each counted once (Linux)."""
    sizes: dict[tuple[int, int], int] = {}
    for one in alive:
        with contextlib.suppress(OSError):
            for entry in Path(f"/proc/{one.pid}/fd").iterdir():
                with contextlib.suppress(OSError):
                    if str(entry.readlink()).startswith(("/memfd:", "/dev/shm/")):
                        about = entry.stat()
                        sizes[about.st_dev, about.st_ino] = about.st_blocks * 512
    return sum(sizes.values())
