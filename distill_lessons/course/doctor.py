"""Is this machine ready for the lessons? One line per check, each problem with its remedy.

Every check is a function that returns a result and never raises. Nothing is downloaded, and
nothing is left behind.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from distill_lessons.course.checking import Check, install, short
from distill_lessons.course.kernel import kernel
from distill_lessons.settings import Settings, load

GIB = 2**30
# The memory of a kernel that has imported everything, rounded up; and a comfortable amount.
MEMORY_NEEDED, MEMORY_EASY = 1.0 * GIB, 2.0 * GIB

# Bytes that must fit into every folder we write to; an executed lesson takes about as much.
ROOM = 500_000


def examine(cwd: Path) -> Iterator[Check]:
    """Yield the result of every check, each as soon as it is known.

    Args:
        cwd: the learner's current folder.
    """
    yield python(sys.version_info[:3])
    torch_works = package("torch")
    yield torch_works
    yield torchvision() if torch_works.state != "problem" else package("torchvision")
    for name in ("shap", "jupyterlab"):
        yield package(name)
    config: Settings | None = None
    try:
        config = load()
        yield Check("settings", "OK", config.describe())
    except ValueError as error:
        yield Check("settings", "problem", "not understood", str(error))
    except (ImportError, RuntimeError, OSError):
        pass  # torch is broken, as reported above
    if torch_works.state != "problem":
        yield device(config)
        yield threads()
    yield memory()
    yield folder("current folder", cwd, "Change to a folder of your own.")
    yield temporary_folder()
    yield jupyter_folder()
    yield digits()
    if config is not None:
        yield data_folder(config)
        if config.dataset != "digits" and torch_works.state != "problem":
            yield data_set(config)
    yield kernel()


def python(version: tuple[int, ...]) -> Check:
    """Check the version of Python."""
    seen = ".".join(map(str, version)) + f" ({sys.executable})"
    if version < (3, 11):
        return Check(
            "Python", "problem", seen, "Install Python 3.11 or later and create a new environment."
        )
    return Check("Python", "OK", seen)


def package(name: str) -> Check:
    """Check that a package can be imported and is not older than the oldest version tested."""
    try:
        if name == "jupyterlab":
            # Importing it would take seconds to load a web server, and it has no binaries to fail.
            importlib.util.find_spec(name)
        else:
            importlib.import_module(name)
        version = importlib.metadata.version(name)
    except Exception as error:  # a broken binary may raise anything
        return Check(name, "problem", short(error), install(name))
    oldest = _oldest_tested(name)
    if oldest and _numbers(version) < _numbers(oldest):
        seen = f"{version}, older than {oldest}, the oldest version tested"
        return Check(name, "warning", seen, install(name))
    return Check(name, "OK", version)


def torchvision() -> Check:
    """Check torchvision, which works only with the torch it was built for."""
    check = package("torchvision")
    if check.state == "problem" and ("torchvision::" in check.seen or "symbol" in check.seen):
        remedy = (
            "torch and torchvision do not match: they are from different releases or indexes. "
            "Reinstall them together, from one index: python -m pip install "
            "--force-reinstall --no-cache-dir torch torchvision"
        )
        return Check("torchvision", "problem", check.seen, remedy)
    return check


def device(config: Settings | None) -> Check:
    """Check which device is used and which are available."""
    import torch

    available, cuda = ["cpu"], torch.cuda
    if cuda.is_available():
        available += [f"cuda ({cuda.get_device_name(i)})" for i in range(cuda.device_count())]
    if torch.backends.mps.is_available():
        available.append("mps")
    seen = f"available: {', '.join(available)}"
    if config is None:
        return Check("device", "OK", seen)
    seen = f"{config.device} is used; {seen}"
    if config.profile == "full" and config.device == "cpu":
        remedy = (
            "The full profile is made for a GPU. Unset DISTILL_PROFILE, or set DISTILL_DEVICE=mps."
            if "mps" in available
            else "The full profile is made for a GPU and slow here. Unset DISTILL_PROFILE."
        )
        return Check("device", "warning", seen, remedy)
    return Check("device", "OK", seen)


def threads() -> Check:
    """Check that torch does not use more threads than there are cores."""
    import torch

    affinity = getattr(os, "sched_getaffinity", None)  # cores that we may use; Linux only
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    used = torch.get_num_threads()
    seen = f"torch uses {used} on {cores} cores (OMP_NUM_THREADS is "
    seen += f"{os.environ.get('OMP_NUM_THREADS') or 'not set'})"
    if used > cores:
        remedy = f"More threads than cores slow each other down: set OMP_NUM_THREADS={cores}."
        return Check("threads", "warning", seen, remedy)
    return Check("threads", "OK", seen)


def memory() -> Check:
    """Check that there is room for a kernel with all packages loaded."""
    import psutil  # type: ignore[import-untyped]

    free = float(psutil.virtual_memory().available)
    seen = f"{free / GIB:.1f} GiB free; a lesson needs about {MEMORY_NEEDED / GIB:g} GiB"
    if free < MEMORY_EASY:
        state: Literal["warning", "problem"] = "problem" if free < MEMORY_NEEDED else "warning"
        return Check(
            "memory", state, seen, "Close other programs, and kernels that you no longer use."
        )
    return Check("memory", "OK", seen)


def folder(name: str, path: Path, remedy: str, *, needed: bool = True) -> Check:
    """Check that a file can be written to `path`, or that the folder could be created."""
    there = path.absolute()
    while not there.exists() and there != there.parent:
        there = there.parent
    try:
        with tempfile.TemporaryFile(dir=there) as file:
            file.write(bytes(ROOM))  # an empty file can be created even on a full disk
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        seen = f"cannot write to {path} ({error.strerror})"
        return Check(name, "problem" if needed else "warning", seen, remedy)
    return Check(name, "OK", f"can write to {path}")


def temporary_folder() -> Check:
    """Check the folder for temporary files, where submissions run while they are graded."""
    remedy = "Make room there, or set TMPDIR to a folder of your own."
    try:
        return folder("temporary folder", Path(tempfile.gettempdir()), remedy)
    except FileNotFoundError as error:  # none of the usual folders can be written to
        return Check("temporary folder", "problem", str(error), remedy)


def jupyter_folder() -> Check:
    """Check that Jupyter can write the connection files of its kernels."""
    try:
        from jupyter_core.paths import jupyter_runtime_dir
    except ImportError as error:
        return Check("Jupyter's folder", "problem", short(error), install("jupyterlab"))
    remedy = "Set JUPYTER_RUNTIME_DIR to a folder of your own: no kernel starts without one."
    return folder("Jupyter's folder", Path(jupyter_runtime_dir()), remedy)


def digits() -> Check:
    """Check that the default data set loads; it is part of scikit-learn."""
    try:
        from sklearn.datasets import load_digits

        number = len(load_digits().target)
    except Exception as error:
        return Check("digits", "problem", short(error), install("scikit-learn"))
    return Check("digits", "OK", f"{number:,} images, no download needed")


def data_folder(config: Settings) -> Check:
    """Check the folder for downloads, which only data sets other than the digits need."""
    remedy = "Set DISTILL_DATA to a folder of your own. The digits need none."
    return folder("data folder", config.data_dir, remedy, needed=False)


def data_set(config: Settings) -> Check:
    """Check that the files of the chosen data set are there and whole; nothing is downloaded."""
    try:
        from distill_lessons.sources.find import find

        source = find(config.dataset, "DISTILL_DATASET")
        problems = source.problems(config.data_dir)
    except Exception as error:
        return Check("data set", "problem", short(error), "Set DISTILL_DATASET to another one.")
    if not problems:
        seen = f"{config.dataset} is {source.where(config.data_dir)}"
        return Check("data set", "OK", seen)
    if source.files:
        remedy = f"Fetch it before class: distill-lessons data get {source.name}"
        return Check("data set", "warning", "; ".join(problems), remedy)
    remedy = "Give the path of a folder with one folder of images per class."
    return Check("data set", "problem", problems[0], remedy)


def _oldest_tested(name: str) -> str:
    try:
        wanted = importlib.metadata.requires("distill-lessons") or []
    except importlib.metadata.PackageNotFoundError:  # run from a checkout, not installed
        return ""
    bounds = [line.split(">=")[1] for line in wanted if line.startswith(f"{name}>=")]
    return bounds[0].split(";")[0].strip() if bounds else ""


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("+")[0].split(".") if part.isdigit())
