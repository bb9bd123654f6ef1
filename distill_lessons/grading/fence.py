"""A fence around a process, by the means of Linux and without rights: see `find`."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

# Linux: own network (nobody else is on it), own processes, own mounts. Everything but the box is
# read-only, what is in $2 (a list with newlines) is not to be seen, and no right to undo this is
# kept.
FENCE = """
set -e
box=$1; hidden=$2; loopback=$3; shift 3
"$1" -I -S -c "$loopback"
cut -d ' ' -f 2 /proc/self/mounts | sort -u > "$box/mounts"
mount --bind "$box" "$box"
while read -r place; do mount -o remount,bind,ro "$place" 2>/dev/null || true; done < "$box/mounts"
mount -t tmpfs -o size=64m none /dev/shm
printf '%s\\n' "$hidden" | while read -r place; do
  if [ -n "$place" ]; then mount -t tmpfs -o ro none "$place"; fi
done
touch "$box/fenced"
if touch "$box/../fence-test-$$" 2>/dev/null; then rm "$box/../fence-test-$$"; exit 9; fi
cd "$box/work"
exec setpriv --bounding-set=-all --inh-caps=-all "$@"
"""
# A kernel that a lesson starts is spoken to over 127.0.0.1: SIOCSIFFLAGS, IFF_UP.
LOOPBACK = """
import fcntl, socket, struct
fcntl.ioctl(socket.socket(), 0x8914, struct.pack("16sh14x", b"lo", 1))
"""
UNSHARE = ("unshare", "-rmnpf", "--mount-proc", "--kill-child", "sh", "-c", FENCE, "fence")


def find(hidden: Sequence[Path]) -> list[str] | None:
    """Return the command that puts a process behind the fence; None where this machine has none.

    The part ``{box}`` stands for the process's own folder, which has a folder ``work`` in it.

    Args:
        hidden: folders that look empty from inside.
    """
    if sys.platform != "linux" or not all(map(shutil.which, ("unshare", "setpriv", "mount"))):
        return None
    places = "\n".join(str(place) for place in hidden if place.is_dir())
    with tempfile.TemporaryDirectory(prefix="distill-grading-") as name:
        box = Path(name).resolve()
        (box / "work").mkdir()
        command = [*UNSHARE, str(box), places, LOOPBACK, sys.executable, "-I", "-S", "-c", ""]
        done = subprocess.run(command, capture_output=True, check=False, timeout=60)
        if done.returncode or not (box / "fenced").exists():
            return None
    return [*UNSHARE, "{box}", places, LOOPBACK]
