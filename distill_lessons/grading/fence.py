"""A fence around a process, by the means of Linux and without rights: see `find`.

Behind it there is a file system of its own, in memory: the process's folder, and read-only what a
Python kernel needs. Nothing else of the machine is there to be read. `fenced` builds it, inside.
"""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from distill_lessons.grading import fenced

# Programs and libraries; nothing of anybody's home, of /etc no more than fonts and the time.
SYSTEM = (
    *("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/nix/store", "/gnu/store"),
    *(f"/usr/{name}" for name in ("bin", "sbin", "lib", "lib32", "lib64", "libexec")),
    *("/usr/local/lib", "/usr/local/lib64"),
    *(f"/usr/share/{name}" for name in ("fonts", "fontconfig", "zoneinfo", "locale", "mime")),
    *("/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/alternatives"),
    *("/etc/fonts", "/etc/localtime", "/sys/devices/system"),
)
COURSE = "distill_lessons"  # a folder of this name may hold solutions, wherever it is
# Own users, mounts, network, processes and shared memory; all dies with the first process.
UNSHARE = ("unshare", "-rmnpif", "--kill-child")


@dataclass(frozen=True)
class Fence:
    """What is to be seen from inside.

    Attributes:
        visible: paths that are there, read-only.
        hidden: folders and files below these that look empty.
    """

    visible: tuple[str, ...]
    hidden: tuple[str, ...]

    def command(self, box: Path, size: int, inside: Sequence[str]) -> list[str]:
        """Return the command that runs another one behind the fence.

        Args:
            box: its folder, with ``package`` in it; inside there are ``work``, ``home`` and
                ``tmp`` too, in memory.
            size: bytes that it may write.
            inside: the command.
        """
        about = {"box": str(box), "size": size, "visible": self.visible, "hidden": self.hidden}
        start = [sys.executable, "-I", "-S", fenced.__file__, json.dumps(about)]
        return [*UNSHARE, *start, *inside]


def find(needed: Iterable[Path] = ()) -> Fence | None:
    """Return a fence for this machine; None where it has none.

    Args:
        needed: what shall be visible beside the system and this Python, such as the data folder.

    Raises:
        ValueError: if the machine has the means, but the fence does not hold.
    """
    if sys.platform != "linux" or not shutil.which("unshare"):
        return None
    if subprocess.run([*UNSHARE, "true"], capture_output=True, check=False, timeout=60).returncode:
        return None
    python = list(_python())
    visible = [Path(path) for path in SYSTEM] + python + list(needed)
    fence = Fence(
        tuple(sorted({str(path) for path in visible if path.exists()})),  # outer folders first
        _copies(tuple(sorted({str(path) for path in python}))),
    )
    with tempfile.TemporaryDirectory(prefix="distill-fence-") as name:
        box = Path(name).resolve()
        (box / "package").mkdir()
        command = fence.command(box, 2**20, [sys.executable, "-I", "-S", "-c", ""])
        done = subprocess.run(command, capture_output=True, check=False, timeout=60)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"]
        raise ValueError(
            f"The fence around submissions cannot be built on this machine: {said[-1]}. With "
            "--no-fence they run without it, in your account: see INSTRUCTORS.md."
        )
    return fence


def _python() -> Iterator[Path]:
    """Yield the folders that this Python is run from and imports packages from."""
    places = [Path(sys.prefix), Path(sys.base_prefix), Path(sys.executable).resolve().parents[1]]
    # Packages, but not the folder of a script, nor a checkout of the course.
    places += [path for path in map(Path, sys.path) if _is_installed(path) and path.is_absolute()]
    places += map(Path, filter(None, os.environ.get("LD_LIBRARY_PATH", "").split(os.pathsep)))
    for place in places:
        for path in (place, place.resolve()):
            # All of /usr is more than is needed: what is, is in SYSTEM.
            if str(path) not in ("/", "/usr", "/usr/local"):
                yield path


@functools.cache
def _copies(tops: tuple[str, ...]) -> tuple[str, ...]:
    """Return what could be a copy of the course, or hold one, where Python has its packages."""
    found = [
        place
        for pattern in ("lib/python3*/*-packages", "local/lib/python3*/*-packages")
        for place in Path("/usr").glob(f"{pattern}/{COURSE}")
    ]
    for top in map(Path, tops):
        found += [path for path in (top / "envs", top / "pkgs") if path.is_dir()]  # conda's
        if not any(top.is_relative_to(other) for other in tops if other != str(top)):
            found += _copies_below(top)
    return tuple(sorted(map(str, found)))


def _copies_below(top: Path) -> Iterator[Path]:
    for folder, names, files in os.walk(top):
        names[:] = [name for name in names if name not in ("__pycache__", "envs", "pkgs")]
        if COURSE in names:
            here = Path(folder)
            # A checkout has notebooks and tests beside the package.
            yield here / COURSE if _is_installed(here) or here == top else here
            names.remove(COURSE)
        for name in files:
            if name.startswith((COURSE, "distill-lessons")) and name.endswith((".whl", ".gz")):
                yield Path(folder, name)


def _is_installed(folder: Path) -> bool:
    return folder.name.endswith("-packages")
