"""Inside the fence, before the submission: builds the file system that it will see.

Started by `fence`, as the first process of namespaces of its own, with a description as JSON and a
command. Ends with an error if any step fails. Needs the standard library alone.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import re
import socket
import struct
import sys
from pathlib import Path

RDONLY, NOSUID, NODEV, NOEXEC = 1, 2, 4, 8  # of mount(2)
REMOUNT, BIND, REC, PRIVATE, DETACH = 32, 4096, 16384, 1 << 18, 2
# What statvfs says of a mount has to be said again when it is mounted anew: (its bit, mount's).
KEPT = ((2, NOSUID), (4, NODEV), (8, NOEXEC), (1024, 1 << 10), (2048, 1 << 11), (4096, 1 << 21))
DROP_BOUNDING, NO_NEW_PRIVILEGES = 24, 38  # of prctl(2)
DEVICES = ("null", "zero", "full", "random", "urandom")
SHARED = 64 * 2**20  # bytes of /dev/shm

libc = ctypes.CDLL(None, use_errno=True)


def main(about: dict[str, object], command: list[str]) -> int:
    """Build the fence around this process, run a command, return its exit code."""
    visible, hidden = about["visible"], about["hidden"]
    assert isinstance(visible, list)
    assert isinstance(hidden, list)
    box = Path(str(about["box"]))
    root = box / "root"
    root.mkdir()
    mount("none", Path("/"), flags=REC | PRIVATE)
    mount("none", root, "tmpfs", options="mode=755")
    for path in map(Path, visible):
        show(path, root)
    for path in map(Path, hidden):
        hide(inside(path, root))
    (root / "dev" / "shm").mkdir(parents=True)
    for name in DEVICES:
        show(Path("/dev", name), root)
    (root / "dev" / "fd").symlink_to("/proc/self/fd")
    (root / "tmp").mkdir(mode=0o1777, exist_ok=True)
    (root / "proc").mkdir()
    mount("proc", root / "proc", "proc", NOSUID | NODEV | NOEXEC)
    own = inside(box, root)
    own.mkdir(parents=True, exist_ok=True)
    mount("none", own, "tmpfs", NOSUID | NODEV, f"size={about['size']},nr_inodes=100k,mode=755")
    for part in ("work", "home", "tmp", "package"):
        (own / part).mkdir()
    mount(str(box / "package"), own / "package", flags=BIND | REC)
    for place in mounts_below(root):
        if place != own:
            read_only(place)
    mount("none", root / "dev" / "shm", "tmpfs", NOSUID | NODEV, f"size={SHARED},mode=1777")
    os.chdir(root)
    check(libc.pivot_root(b".", b"."), "pivot_root")
    check(libc.umount2(b".", DETACH), "umount")
    os.chdir(box / "work")
    loopback_up()
    drop_all_rights()
    return run(command)


def mount(what: str, where: Path, kind: str = "", flags: int = 0, options: str = "") -> None:
    """Put a file system, or a folder, into a place.

    Raises:
        OSError: if it fails.
    """
    arguments = (what, str(where), kind, flags, options)
    encoded = [os.fsencode(a) if isinstance(a, str) else a for a in arguments]
    check(libc.mount(*encoded), f"mount {where}")


def show(path: Path, root: Path) -> None:
    """Let a path be seen under the new root, with whatever is mounted below it."""
    target = inside(path, root)
    if target.exists() or target.is_symlink():
        return  # it lies in a folder that is there
    target.parent.mkdir(parents=True, exist_ok=True)
    if path.is_symlink():
        target.symlink_to(path.readlink())
        return
    target.mkdir() if path.is_dir() else target.touch()
    mount(str(path), target, flags=BIND | REC)


def hide(target: Path) -> None:
    """Cover a folder with an empty one, a file with nothing."""
    if target.is_dir():
        mount("none", target, "tmpfs", RDONLY | NOSUID | NODEV, "size=4k,mode=755")
    elif target.exists():
        mount("/dev/null", target, flags=BIND)


def inside(path: Path, root: Path) -> Path:
    """Return where a path of the machine lies under the new root."""
    return root / path.relative_to("/")


def mounts_below(root: Path) -> list[Path]:
    """Return all mount points at and below a folder. Odd characters are written in octal there."""
    found = []
    for line in Path("/proc/self/mountinfo").read_text(errors="surrogateescape").splitlines():
        written = line.split(" ")[4]
        path = Path(re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), written))
        if path.is_relative_to(root):
            found.append(path)
    return found


def read_only(place: Path) -> None:
    """Mount a mount point anew so that nothing can be written there.

    Raises:
        OSError: if that fails: then there is no fence.
    """
    was = os.statvfs(place).f_flag
    kept = sum(flag for bit, flag in KEPT if was & bit)
    mount("none", place, flags=REMOUNT | BIND | RDONLY | kept)


def loopback_up() -> None:
    """Let 127.0.0.1 be reached: a kernel that a lesson starts is spoken to over it."""
    with socket.socket() as any_socket:  # SIOCSIFFLAGS, IFF_UP
        fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh14x", b"lo", 1))


def drop_all_rights() -> None:
    """Give up, for this process and all that it starts, whatever could undo the fence."""
    right = 0
    while libc.prctl(DROP_BOUNDING, right, 0, 0, 0) == 0:
        right += 1
    if right == 0:
        raise OSError("the rights of this process cannot be dropped")
    check(libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0), "prctl")


def run(command: list[str]) -> int:
    """Run a command, and collect the orphans of these namespaces until it ends."""
    child = os.fork()
    if child == 0:
        os.execv(command[0], command)
    while True:
        ended, status = os.wait()
        if ended == child:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


def check(result: int, what: str) -> None:
    """Raise what the C library noted if a call of it failed.

    Raises:
        OSError: if it did.
    """
    if result:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1]), sys.argv[2:]))
