"""A process for one submission: its own folder, limits of time and memory, a fence where there is.

Knows nothing of notebooks, exercises or points; passes on what `sit` says, believing none of it.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]

GRACE = 5.0  # seconds after a cell's limit until the process is killed: it may have heard nothing
MOST_PROCESSES = 64
MOST_TOLD = 32 * 2**20  # bytes of events from one submission
KEPT = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "SYSTEMROOT", "DISTILL_DATASET")


@dataclass(frozen=True)
class Limits:
    """What a submission may take: seconds in all, seconds for one cell, bytes of memory."""

    seconds: float = 300
    cell_seconds: float = 60
    memory: int = 4 * 2**30


@dataclass
class Sitting:
    """What one process told before it ended.

    Attributes:
        answers: what `sit.outputs` found, by exercise.
        errors: a line for each cell that raised, by the cell's number.
        doing: the cell's number or the exercise's name that was on when the process ended.
        stopped: why it ended early; "" if it came to its end.
    """

    answers: dict[str, dict[str, Any]] = field(default_factory=dict)
    errors: dict[int, str] = field(default_factory=dict)
    doing: int | str | None = None
    stopped: str = ""


def sit(
    job: Mapping[str, Any],
    limits: Limits,
    package: Mapping[str, bytes],
    fence: Sequence[str] | None,
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
    """
    job = {**job, "memory": limits.memory, "seconds": limits.cell_seconds}
    with _box(package) as box:
        start = [sys.executable, "-P", "-m", "distill_lessons.grading.sit"]
        process = subprocess.Popen(
            [*(part.replace("{box}", str(box)) for part in fence or ()), *start],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=box / "work",
            env=_environment(box) | dict(env),
            start_new_session=True,
        )
        seen: dict[int, psutil.Process] = {}
        try:
            return _watch(process, json.dumps(job).encode(), limits, seen, stop)
        finally:
            _kill(process, seen)


def _watch(
    process: subprocess.Popen[bytes],
    job: bytes,
    limits: Limits,
    seen: dict[int, psutil.Process],
    stop: threading.Event,
) -> Sitting:
    """Listen until the process ends, or has to."""
    found = Sitting()
    lines: queue.Queue[bytes | None] = queue.Queue()
    threading.Thread(target=_converse, args=(process, job, lines), daemon=True).start()
    begun = since = looked = time.monotonic()
    told = 0
    while True:
        with contextlib.suppress(queue.Empty):
            line = lines.get(timeout=0.1)
            if line is None:
                code = process.wait(timeout=GRACE) if _ends(process) else "none"
                found.stopped = f"ended the process (exit code {code})"
                return found
            told += len(line)
            if told > MOST_TOLD:
                found.stopped = "returned more than can be compared"
                return found
            if _hear(line, found):
                return found
            since = time.monotonic()
        now = time.monotonic()
        if now - looked < 0.1:
            continue
        looked = now
        count, size = _taken(process, seen)
        if stop.is_set():
            found.stopped = "was interrupted"
        elif now - begun > limits.seconds:
            found.stopped = f"was stopped: the submission took its {limits.seconds:g} seconds"
        elif now - since > limits.cell_seconds + GRACE and found.doing is not None:
            found.stopped = f"ran longer than {limits.cell_seconds:g} seconds and was killed"
        elif size > limits.memory:
            found.stopped = f"took more than {limits.memory / 2**30:.3g} GiB and was killed"
        elif count > MOST_PROCESSES:
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


def _taken(process: subprocess.Popen[bytes], seen: dict[int, psutil.Process]) -> tuple[int, int]:
    """Return how many processes there are and the memory of all, and remember them."""
    with contextlib.suppress(psutil.Error):
        root = psutil.Process(process.pid)
        for one in (root, *root.children(recursive=True)):
            seen.setdefault(one.pid, one)
    count = size = 0
    for one in seen.values():
        # A process that outlived its parent is no child any more, but is still known.
        with contextlib.suppress(psutil.Error):
            if one.is_running():
                size += one.memory_info().rss
                count += 1
    return count, size


def _kill(process: subprocess.Popen[bytes], seen: dict[int, psutil.Process]) -> None:
    _taken(process, seen)
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    for one in seen.values():
        with contextlib.suppress(psutil.Error):
            one.kill()  # psutil makes sure that the number was not given to another process
    process.wait()
    for stream in (process.stdin, process.stdout):
        assert stream is not None
        with contextlib.suppress(OSError):
            stream.close()


def _ends(process: subprocess.Popen[bytes]) -> bool:
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=GRACE)
    return process.poll() is not None


@contextlib.contextmanager
def _box(package: Mapping[str, bytes]) -> Iterator[Path]:
    """Make a folder with a package in it and a folder to work in; remove it whatever is in it."""
    box = Path(tempfile.mkdtemp(prefix="distill-grading-")).resolve()
    try:
        for part in ("work", "home", "tmp"):
            (box / part).mkdir()
        for name, content in package.items():
            path = box / "package" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        yield box
    finally:
        _remove(box)


def _remove(box: Path) -> None:
    for folder, names, _ in os.walk(box):
        for name in names:
            path = Path(folder, name)
            if not path.is_symlink():
                with contextlib.suppress(OSError):
                    path.chmod(0o700)  # a submission may have locked it
    shutil.rmtree(box, ignore_errors=True)


def _environment(box: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    home, temporary = str(box / "home"), str(box / "tmp")
    return kept | {
        "HOME": home,
        "USERPROFILE": home,
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
