"""The folder that a submission works in: made with a package in it, removed whatever happens.

A folder belongs to the grading that holds its lock. The system gives the lock back when that
process ends, however it ends, so a folder whose lock is free can be removed by the next grading.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from distill_lessons.grading import guard

PREFIX = "distill-grading-"
NEW = 60.0  # seconds in which a folder is left alone: it may have been made and not yet locked


@contextlib.contextmanager
def box(package: Mapping[str, bytes]) -> Iterator[Path]:
    """Make a folder with a package in it and folders to work in; remove it whatever is in it.

    Args:
        package: the files of the package, by their path; read-only there.

    Raises:
        OSError: if there is no room for it here.
    """
    made = Path(tempfile.mkdtemp(prefix=PREFIX)).resolve()
    try:
        with _lock(made):
            for part in ("work", "home", "tmp", "package"):
                (made / part).mkdir()
            for name, content in package.items():
                path = made / "package" / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
                path.chmod(0o444)
            for folder, _, _ in os.walk(made / "package"):
                Path(folder).chmod(0o555)
            yield made
    finally:
        guard.remove(made)


def fingerprint(folder: Path) -> str:
    """Return a hash of all names, contents and times of change: who wrote there left a trace."""
    found = hashlib.sha256()
    try:
        for path in sorted(folder.rglob("*")):
            about = path.lstat()
            found.update(repr((str(path), about.st_mode, about.st_ctime_ns)).encode())
            if path.is_file():
                found.update(path.read_bytes())
    except OSError as error:
        return f"cannot be read: {error}"
    return found.hexdigest()


def sweep() -> None:
    """Remove the folders of gradings that were killed together with everything beside them."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):  # another account's, or in use
            if time.time() - folder.stat().st_mtime > NEW:
                with _lock(folder):
                    guard.remove(folder)


@contextlib.contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """Hold a folder's lock, where the platform has such locks.

    Raises:
        BlockingIOError: if another process holds it, or none can be had.
    """
    if sys.platform == "win32":
        yield
        return
    import fcntl

    held = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(held)
