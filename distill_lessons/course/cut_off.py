"""The folder of a run, found again if the run was cut off, with what needs no second time.

While a run goes on its folder holds `UNFINISHED`, which says what was asked for, and a lock. Knows
results and executed notebooks; runs nothing.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from distill_lessons import files, settings
from distill_lessons.course import lessons, results
from distill_lessons.course.results import Record
from distill_lessons.course.running import Result

UNFINISHED = "unfinished.json"
_CHECKPOINTS = "checkpoints"


@contextmanager
def folder_of(
    runs: Path, wanted: Mapping[str, Any], start: datetime, *, anew: bool
) -> Iterator[tuple[Path, bool]]:
    """Yield the folder of a run, and whether it is that of a run that was cut off.

    The folder is this process's until the block ends. `finish` says that the run is over.

    Args:
        runs: the folder of all runs.
        wanted: what is asked for, as JSON holds it: two runs of which this is equal are the same.
        start: names a new folder.
        anew: True to leave runs that were cut off alone.

    Raises:
        ValueError: if another process is on the same run.
        OSError: if no folder can be made.
    """
    from filelock import FileLock, Timeout

    wanted = json.loads(json.dumps(wanted))
    found = None if anew else _find(runs, wanted)
    folder = found or lessons.new_folder(runs, start.strftime("%Y-%m-%d-%H%M%S"))
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise ValueError(
            f"the same command is running now, in {folder}; wait for it, or begin another run with "
            "--anew."
        ) from None
    except NotImplementedError:  # a file system without locks
        pass
    try:
        if found is None:
            try:
                files.write(folder / UNFINISHED, json.dumps(wanted, indent=1))
            except OSError as error:
                print(f"This run could not be taken up again, should it be cut off: {error}.")
        yield folder, found is not None
    finally:
        lock.release()
        with suppress(OSError):
            (folder / ".lock").unlink(missing_ok=True)


def finish(folder: Path) -> None:
    """Say that a run is over: the same command then begins a new one."""
    shutil.rmtree(folder / _CHECKPOINTS, ignore_errors=True)
    with suppress(OSError):
        (folder / UNFINISHED).unlink(missing_ok=True)


def checkpoints(folder: Path, lesson: Path, seed: int) -> dict[str, str]:
    """Return the variable that gives the trainings of a lesson a folder for their checkpoints."""
    # With its code, since a training does not know its loss by name.
    name = f"{lesson.stem}-{results.code_of(lesson)}-{seed}"
    return {"DISTILL_CHECKPOINTS": str(folder / _CHECKPOINTS / name)}


def finished(folder: Path, lesson: Path, config: settings.Settings) -> Result | None:
    """Return a lesson as a run has it already, or None if it must run again.

    It must if it did not run to its end, if its code or the data have changed, or if its notebook
    is not as it was written.

    Args:
        folder: the run's.
        lesson: the notebook.
        config: the settings.
    """
    import nbformat

    for one in read(folder):
        if one.lesson != results.name_of(lesson) or not one.notebook:
            continue
        path = folder / one.notebook
        if (
            not one.failure
            and one.code == results.code_of(lesson)
            and one.data == results.data_hash(one.dataset, config.data_dir)
            and one.notebook_hash == results.hash_of(path)
        ):
            notebook = nbformat.read(path, as_version=4)
            n = sum(cell.cell_type == "code" for cell in notebook.cells)
            return Result(lesson, notebook, one.seconds, n, n, kept=path)
        path.unlink(missing_ok=True)
    return None


def read(folder: Path) -> list[Record]:
    """Return what a run has found so far; nothing if its file is missing or damaged."""
    try:
        return results.read(folder / results.FILE)
    except (OSError, ValueError):
        return []


def record(folder: Path, result: Result, env: Mapping[str, str], command: str) -> None:
    """Add an executed lesson to the results of a run; say so if that is not possible.

    Args:
        folder: the run's.
        result: the lesson.
        env: the environment variables under which it ran.
        command: what was typed.
    """
    config = settings.load(env)
    same = results.conditions(config, env)
    data = results.data_hash(same["dataset"], config.data_dir)
    new = results.record_of(result, data, same, command)
    others = [one for one in read(folder) if _key(one) != _key(new)]
    try:
        results.write(folder / results.FILE, [*others, new])
    except OSError as error:  # the run goes on: its report may yet find room
        print(f"The results of {result.lesson.stem} could not be written: {error}.")


def _key(one: Record) -> tuple[object, ...]:
    return one.lesson, one.notebook, one.dataset, one.profile, one.seed


def _find(runs: Path, wanted: Mapping[str, Any]) -> Path | None:
    """Return the newest folder of a run that was asked for the same and is not over."""
    for path in sorted(runs.glob(f"*/{UNFINISHED}"), reverse=True):
        with suppress(OSError, ValueError):
            if json.loads(path.read_text(encoding="utf-8")) == wanted:
                return path.parent
    return None
