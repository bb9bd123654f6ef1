"""Beside a submission, outside its fence: when grading ends, however it ends, so does what it ran.

Started as ``python -I -S guard.py FD BOX COMMAND...``. The grader holds the other end of the pipe
FD; should it be killed, even by SIGKILL, the system closes that end. Then the command is killed and
its folder removed. Whatever it has left running when it ends is killed in any case. Needs the
standard library alone, so that it starts at once.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER: orphans below us become our children, not init's
PATIENCE = 5.0  # seconds for killed processes to be gone


def main(alive: int, box: str, command: list[str]) -> int:
    """Run a command until it ends or the pipe is closed; leave nothing of it behind.

    Args:
        alive: the read end of a pipe that nothing is written to.
        box: the folder to remove when the pipe is closed.
        command: what to run. It gets this process's standard streams.

    Returns:
        The command's exit code; 128 and the signal's number if it was killed.
    """
    hear_of_children()
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(SUBREAPER, 1, 0, 0, 0)
    process = subprocess.Popen(command)

    grader_is_gone = threading.Event()

    def end_with_the_grader() -> None:
        os.read(alive, 1)
        grader_is_gone.set()
        process.kill()

    threading.Thread(target=end_with_the_grader, daemon=True).start()
    code = process.wait()
    _kill_what_is_left()
    if grader_is_gone.is_set():
        remove(Path(box))
    return code if code >= 0 else 128 - code


def hear_of_children() -> None:
    """Let this process and its children learn how their own children end.

    Some runners of jobs ignore SIGCHLD, and who is started by them ignores it too. The system then
    forgets how a child ended, and Python takes it for exit code 0.
    """
    if hasattr(signal, "SIGCHLD"):
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)


def remove(box: Path) -> None:
    """Remove a folder, also if what ran in it has locked parts of it."""
    for folder, names, _ in os.walk(box):
        for name in names:
            path = Path(folder, name)
            if not path.is_symlink():
                with contextlib.suppress(OSError):
                    path.chmod(0o700)
    shutil.rmtree(box, ignore_errors=True)


def _kill_what_is_left() -> None:
    """Kill our children, then those who become ours by that, until there are none (on Linux)."""
    listed = Path(f"/proc/self/task/{os.getpid()}/children")
    deadline = time.monotonic() + PATIENCE
    while listed.exists() and (left := listed.read_text().split()):
        for number in left:
            os.kill(int(number), signal.SIGKILL)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        if time.monotonic() > deadline:
            return
        time.sleep(0.01)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2], sys.argv[3:]))
