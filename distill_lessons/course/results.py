"""What a run found, a record for each lesson, with everything that is needed to repeat it.

A run's folder holds them as `FILE`. Knows notebooks as what `running` executed; runs nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from distill_lessons import __version__, files
from distill_lessons.claims import MIME
from distill_lessons.course import lessons
from distill_lessons.course.running import Result
from distill_lessons.settings import Settings

FILE = "results.json"

# What a replay sets in the kernel. A record of other variables would be one of a machine.
VARIABLES = {
    "dataset": "DISTILL_DATASET",
    "profile": "DISTILL_PROFILE",
    "seed": "DISTILL_SEED",
    "device": "DISTILL_DEVICE",
    "threads": "OMP_NUM_THREADS",
}


@dataclass(frozen=True)
class Number:
    """A claim's numbers, to the last bit; None stands for one that could not be measured.

    Attributes:
        statement: what is claimed.
        value: the estimate.
        low: lower end of its interval.
        high: upper end.
        n: how many repeats it rests on.
    """

    statement: str
    value: float | None
    low: float | None
    high: float | None
    n: int


@dataclass(frozen=True)
class Record:
    """One lesson as it was run.

    Attributes:
        lesson: the name of its file, with its folder where that is not the course's.
        code: a hash of its code cells.
        package: a hash of this package's source.
        dataset: as in the settings; of a folder with its whole path.
        data: a hash of the images and labels, ``""`` if they could not be read.
        profile: as in the settings.
        seed: as in the settings.
        device: as in the settings.
        threads: the ``OMP_NUM_THREADS`` that was set, or ``""``.
        versions: of Python and of the packages that count.
        machine: system, processor, and the GPU if one was used.
        command: what was typed.
        seconds: wall-clock time.
        failure: why the lesson did not run to its end, or ``""``.
        claims: what it measured.
        notebook: the name of the executed notebook in the run's folder, or ``""``.
        notebook_hash: a hash of that file.
    """

    lesson: str
    code: str
    package: str
    dataset: str
    data: str
    profile: str
    seed: int
    device: str
    threads: str
    versions: str
    machine: str
    command: str
    seconds: float
    failure: str
    claims: tuple[Number, ...]
    notebook: str = ""
    notebook_hash: str = ""

    @property
    def variables(self) -> dict[str, str]:
        """The environment variables under which a kernel repeats it."""
        found = {name: str(getattr(self, field)) for field, name in VARIABLES.items()}
        return {name: value for name, value in found.items() if value}


def conditions(config: Settings, env: Mapping[str, str]) -> dict[str, Any]:
    """Return the fields of a `Record` that are the same for all lessons of a run, but its data.

    Args:
        config: the settings.
        env: the kernel's environment variables; its data set stands there with its whole path.
    """
    return {
        "package": _package(),
        "dataset": env.get("DISTILL_DATASET") or config.dataset,
        "profile": config.profile,
        "seed": config.seed,
        "device": config.device,
        "threads": env.get("OMP_NUM_THREADS", ""),
        "versions": versions(),
        "machine": machine(config.device),
    }


def versions() -> str:
    """Return the versions of Python and of the packages that decide the numbers, in words."""
    packages = [f"{name} {version(name)}" for name in ("torch", "numpy", "scikit-learn")]
    python = platform.python_version()
    return ", ".join([f"distill-lessons {__version__}", f"Python {python}", *packages])


def machine(device: str) -> str:
    """Return system, processor, number of cores, and the GPU if one is used, in words."""
    parts = [platform.system(), platform.machine(), f"{os.cpu_count()} cores"]
    if device.startswith("cuda"):
        import torch

        parts.append(torch.cuda.get_device_name(device))
    return ", ".join(parts)


def record_of(result: Result, data: str, same: Mapping[str, Any], command: str) -> Record:
    """Return the record of an executed lesson.

    Args:
        result: the lesson.
        data: a hash of the data, see `data_hash`.
        same: see `conditions`.
        command: what was typed.
    """
    failure, kept = result.failure, result.kept
    return Record(
        lesson=name_of(result.lesson),
        code=code_of(result.lesson),
        data=data,
        command=command,
        seconds=round(result.seconds, 1),
        failure="" if failure is None else str(failure),
        claims=tuple(_numbers(result.notebook)),
        notebook="" if kept is None else kept.name,
        notebook_hash="" if kept is None else hash_of(kept),
        **same,
    )


def name_of(lesson: Path) -> str:
    """Return what a record calls a lesson."""
    own = lesson.name[:2].isdigit()
    return lesson.name if own else str(lesson)


def code_of(lesson: Path) -> str:
    """Return a hash of a lesson's code, or of the whole file where that is no notebook."""
    try:
        return lessons.code_of(lesson)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return hash_of(lesson)


def hash_of(path: Path) -> str:
    """Return a hash of a file, or ``""`` if it cannot be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    except OSError:
        return ""


def data_hash(dataset: str, root: Path) -> str:
    """Return a hash of a data set's images and labels, or ``""`` if they cannot be read yet.

    Args:
        dataset: as in the settings.
        root: the data folder.
    """
    from distill_lessons.sources.find import find
    from distill_lessons.sources.record import NotUsable
    from distill_lessons.sources.record import hash_of as hash_of_arrays

    try:
        source = find(dataset)
        train, test, classes = source.reader(source, root)
    except (NotUsable, ValueError, OSError):  # the lesson says what is wrong
        return ""
    return hash_of_arrays(classes, (*train, *(test or ())))


def read(path: Path) -> list[Record]:
    """Return the records that a file of results holds.

    Raises:
        ValueError: if it is no such file.
        OSError: if it cannot be read.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))["results"]
        return [
            Record(**one | {"claims": tuple(Number(**number) for number in one["claims"])})
            for one in content
        ]
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(
            f"{path} holds no results of a run ({error}); give the {FILE} of a folder below runs/."
        ) from error


def write(path: Path, records: Iterable[Record]) -> None:
    """Write the records of a run.

    Raises:
        OSError: if the file cannot be written; an older one is then as it was.
    """
    content = {"results": [asdict(record) for record in records]}
    files.write(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def _numbers(notebook: Any) -> Iterable[Number]:
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            listed = output.get("data", {}).get(MIME, [])
            for data in listed if isinstance(listed, list) else [listed]:
                try:
                    yield Number(*(data[k] for k in ("statement", "value", "low", "high", "n")))
                except (TypeError, KeyError):
                    continue  # a file may hold anything; the report names it


@cache
def _package() -> str:
    root = Path(__file__).parents[1]
    found = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        found.update(path.relative_to(root).as_posix().encode() + path.read_bytes())
    return found.hexdigest()[:16]
