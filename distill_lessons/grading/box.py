"""A process for one submission: its own folder, limits of time and memory, a fence where there is.

Knows nothing of notebooks, exercises or points; passes on what `sit` says, believing none of it.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from distill_lessons.grading import folders, guard
from distill_lessons.grading.fence import Fence
from distill_lessons.grading.limits import GIB, Limits
from distill_lessons.grading.usage import Watch

GRACE = 5.0  # seconds after a cell's limit until the process is killed: it may have heard nothing
LOOK = 0.2  # seconds between two looks at what a submission uses
MOST_PROCESSES = 64
MOST_TOLD = 32 * 2**20  # bytes of events from one submission
MOST_WRITTEN = 400  # characters of what it wrote that are passed on
KEPT = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "SYSTEMROOT", "DISTILL_DATASET")


@dataclass
class Sitting:
    """What one process told before it ended.

    Attributes:
        started: whether it came as far as the submission's first cell.
        answers: what `sit.outputs` found, by exercise.
        errors: a line for each cell that raised, by the cell's number.
        doing: the cell's number or the exercise's name that was on when the process ended.
        stopped: why it ended early; "" if it came to its end.
        intact: whether the course's files beside it were the same at its end.
        spent: seconds that it computed, or waited if that is more.
        wrote: the end of what it wrote to stderr before the submission began; nothing after that.
    """

    started: bool = False
    answers: dict[str, dict[str, Any]] = field(default_factory=dict)
    errors: dict[int, str] = field(default_factory=dict)
    doing: int | str | None = None
    stopped: str = ""
    intact: bool = True
    spent: float = 0.0
    wrote: str = ""

    @property
    def began(self) -> bool:
        """Whether it came to the submission's own code, or to its end without any."""
        return self.doing is not None or (self.started and not self.stopped)

    @property
    def why(self) -> str:
        """What ended it before it began, for whoever looks after this machine."""
        return f"{self.stopped}; the last it wrote: {self.wrote or 'nothing'}"


def sit(
    job: Mapping[str, Any],
    limits: Limits,
    package: Mapping[str, bytes],
    fence: Fence | None,
    env: Mapping[str, str],
    stop: threading.Event,
) -> Sitting:
    """Run a job in a process of its own, and leave nothing of it behind.

    Args:
        job: for `sit.run`, without the limits.
        limits: what it may take.
        package: the files of the package that the submission imports, by their path.
        fence: from `fence.find`.
        env: the ``DISTILL_*`` variables of the process.
        stop: set from another thread, it ends the process.

    Raises:
        OSError: if there is no room for it here.
    """
    job = {
        **job,
        "seconds": limits.cell_seconds,
        "memory": limits.memory,
        "disk": limits.disk,
    }
    command = [sys.executable, "-P", "-m", "distill_lessons.grading.sit"]
    with folders.box(package) as box, tempfile.TemporaryFile() as stderr:
        if fence is not None:
            command = fence.command(box, limits.disk, command)
        before = folders.fingerprint(box / "package")
        alive, held = os.pipe()
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", guard.__file__, str(alive), str(box), *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            cwd=box / "work",
            env=_environment(box) | dict(env),
            start_new_session=True,
            pass_fds=(alive,),
        )
        os.close(alive)
        watch = Watch(process.pid)
        try:
            found = _watch(process, json.dumps(job).encode(), limits, watch, stop)
            found.intact = folders.fingerprint(box / "package") == before
            found.spent = max(watch.used.cpu, watch.used.waited)
            found.wrote = _end_of(stderr)
            return found
        finally:
            os.close(held)
            _kill(process, watch)


def _watch(
    process: subprocess.Popen[bytes],
    job: bytes,
    limits: Limits,
    watch: Watch,
    stop: threading.Event,
) -> Sitting:
    """Listen until the process ends, or has to."""
    found = Sitting()
    lines: queue.Queue[bytes | None] = queue.Queue()
    threading.Thread(target=_converse, args=(process, job, lines), daemon=True).start()
    told, looked, cpu, waited = 0, time.monotonic(), 0.0, 0.0
    while True:
        with contextlib.suppress(queue.Empty):
            line = lines.get(timeout=LOOK)
            if line is None:
                code = process.wait(timeout=GRACE) if _ends(process) else "none"
                ended = "ended the process" if found.began else "ended"
                found.stopped = found.stopped or f"{ended} (exit code {code})"
                return found
            told += len(line)
            if told > MOST_TOLD:
                found.stopped = "returned more than can be compared"
                return found
            if _hear(line, found):
                return found
            cpu, waited = watch.used.cpu, watch.used.waited
        if time.monotonic() - looked < LOOK:
            continue
        used = watch.look()
        looked = time.monotonic()
        cell = found.doing is not None
        if stop.is_set():
            found.stopped = "was interrupted"
        elif max(used.cpu, used.waited) > limits.seconds:
            found.stopped = f"was stopped: the submission took its {limits.seconds:g} seconds"
        elif cell and used.cpu - cpu > limits.cell_seconds + GRACE:
            found.stopped = f"ran longer than {limits.cell_seconds:g} seconds and was killed"
        elif cell and used.waited - waited > limits.cell_seconds:
            found.stopped = f"waited longer than {limits.cell_seconds:g} seconds and was killed"
        elif used.memory > limits.memory:
            found.stopped = f"took more than {limits.memory / GIB:.3g} GiB and was killed"
        elif used.written > limits.disk:
            found.stopped = f"wrote more than {limits.disk / GIB:.3g} GiB and was killed"
        elif used.processes > MOST_PROCESSES:
            found.stopped = f"started more than {MOST_PROCESSES} processes and was killed"
        if found.stopped:
            return found


def _converse(
    process: subprocess.Popen[bytes], job: bytes, lines: queue.Queue[bytes | None]
) -> None:
    """Hand over the job and pass on every line, then None. In a thread: either may block."""
    assert process.stdin is not None
    assert process.stdout is not None
    with contextlib.suppress(OSError, ValueError):
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(job)
            process.stdin.close()
        room = MOST_TOLD + 1
        while room > 0 and (line := process.stdout.readline(room)):
            room -= len(line)
            lines.put(line)
    lines.put(None)


def _hear(line: bytes, found: Sitting) -> bool:
    """Take in one event; return whether it was the last. A line that is none is not heard."""
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return False
    match event:
        case {"end": True}:
            return True
        case {"ready": True}:
            found.started = True
        case {"failed": str(error)}:  # before the first cell
            found.stopped = f"raised {error}"
        case {"cell": int(number), "error": str(error)}:
            found.errors.setdefault(number, error)
        case {"cell": int(number)}:
            found.doing = number
        case {"ask": str(name)}:
            found.doing = name
        case {"name": str(name)}:
            answer = {key: value for key, value in event.items() if key != "name"}
            # What was left blank further down does not take back an answer.
            if "blank" not in answer or "blank" in found.answers.get(name, {"blank": True}):
                found.answers[name] = answer
    return False


def _end_of(written: IO[bytes]) -> str:
    """Return the last characters of a file, in one line."""
    written.seek(max(0, written.seek(0, os.SEEK_END) - 4 * MOST_WRITTEN))
    return " ".join(written.read().decode(errors="replace").split())[-MOST_WRITTEN:]


def _kill(process: subprocess.Popen[bytes], watch: Watch) -> None:
    """Wait for the guard to clear up; it knows that it has to, since its pipe is closed."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=guard.PATIENCE + GRACE)
    # Without a fence a submission may have killed its guard.
    watch.kill()
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout):
        assert stream is not None
        with contextlib.suppress(OSError):
            stream.close()


def _ends(process: subprocess.Popen[bytes]) -> bool:
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=GRACE)
    return process.poll() is not None


def _environment(box: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    home, temporary = str(box / "home"), str(box / "tmp")
    return kept | {
        "HOME": home,
        "USERPROFILE": home,
        "USER": "learner",
        "IPYTHONDIR": home,
        "MPLCONFIGDIR": home,
        "TMPDIR": temporary,
        "TEMP": temporary,
        "TMP": temporary,
        "PYTHONPATH": str(box / "package"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
        "MPLBACKEND": "Agg",
        "OMP_NUM_THREADS": "1",
        "DISTILL_LIVE": "0",
        "DISTILL_RECORD": "0",
    }
