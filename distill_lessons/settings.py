"""The settings of a lesson: profile, data set, folder, device, seed, strictness.

All of it is read from the environment here and nowhere else. This module knows the names of the
data sets, but nothing about data, models or torch, apart from asking torch whether there is a GPU.
"""

from __future__ import annotations

import difflib
import operator
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import platformdirs

from distill_lessons import page
from distill_lessons.sources.catalogue import SOURCES

PROFILES = ("cpu", "full")

T = TypeVar("T")


@dataclass(frozen=True)
class Settings:
    """The conditions under which a lesson runs.

    Attributes:
        profile: ``"cpu"`` (small sizes, minutes on a laptop) or ``"full"`` (made for a GPU).
        dataset: a name in the catalogue of sources, or ``"folder:PATH"``.
        data_dir: where data sets are looked for and downloaded to.
        device: a torch device name, such as ``"cpu"`` or ``"cuda"``.
        seed: decides which images are for training, validation and test, the random examples of
            lesson 03, and everything in repeats that `fast.repeats` draws. Other initial weights
            and orders of images have seeds of their own, which stand in the lessons' cells.
        strict: True under test: a claim that fails raises instead of only saying so.
        live: whether someone is watching: progress bars, widgets and buttons to predict are shown.
        checks: ``"say"``, or ``"raise"`` where an exercise that is not solved counts as an error.
        record: the file that keeps a learner's solved exercises and predictions; None for none.
        checkpoints: the folder for checkpoints of long trainings, which `run` sets; None for none.
        weights: a folder of pretrained weights, for lesson 11; None for none.
    """

    profile: str
    dataset: str
    data_dir: Path
    device: str
    seed: int
    strict: bool
    live: bool
    checks: str = "say"
    record: Path | None = None
    checkpoints: Path | None = None
    weights: Path | None = None

    def pick(self, cpu: T, full: T) -> T:
        """Return the value for the current profile: the one way in which sizes differ."""
        return full if self.profile == "full" else cpu

    def describe(self, full_minutes_on_cpu: float | None = None) -> str:
        """Return one line that says under which conditions the lesson runs.

        Args:
            full_minutes_on_cpu: how long the ``full`` profile takes on MNIST without a GPU, in
                minutes of one thread, estimated from shortened runs. Added as a warning where it
                applies.
        """
        line = (
            f"profile {self.profile} · data set {self.dataset} · device {self.device} "
            f"· seed {self.seed}"
        )
        if full_minutes_on_cpu and self.profile == "full" and self.device == "cpu":
            line += (
                f"\nThe full profile on a CPU takes an estimated {full_minutes_on_cpu:g} minutes. "
                "Unset DISTILL_PROFILE for the small version, or use a machine with a GPU."
            )
        return line


def load(env: Mapping[str, str] | None = None) -> Settings:
    """Read the settings from ``DISTILL_*`` environment variables.

    Args:
        env: the variables; by default those of this process. An empty value counts as unset.

    Returns:
        The settings, every one of them checked.

    Raises:
        ValueError: if a variable has an invalid value; the message names the variable, the value
            and what to write instead.

    >>> load({"DISTILL_PROFILE": "cpu", "DISTILL_SEED": "3"}).seed
    3
    """
    env = os.environ if env is None else env

    def get(key: str, default: str) -> str:
        return env.get(f"DISTILL_{key}", "").strip() or default

    profile = one_of("DISTILL_PROFILE", get("PROFILE", "cpu"), PROFILES)
    dataset = get("DATASET", "digits")
    if dataset.startswith("folder:"):
        expanded("DISTILL_DATASET", dataset.removeprefix("folder:"))
    else:
        one_of("DISTILL_DATASET", dataset, SOURCES, also="folder:PATH for your own images")
    cache = platformdirs.user_cache_dir("distill-lessons", appauthor=False)
    return Settings(
        profile=profile,
        dataset=dataset,
        data_dir=expanded("DISTILL_DATA", get("DATA", cache)),
        device=_device(get("DEVICE", "auto"), profile),
        seed=_seed(get("SEED", "0")),
        strict=_flag("DISTILL_STRICT", get("STRICT", "0")),
        live=_flag("DISTILL_LIVE", get("LIVE", "1")),
        checks=one_of("DISTILL_CHECKS", get("CHECKS", "say"), ("say", "raise")),
        record=_record(get("RECORD", "")),
        checkpoints=Path(text) if (text := get("CHECKPOINTS", "")) else None,
        weights=expanded("DISTILL_WEIGHTS", text) if (text := get("WEIGHTS", "")) else None,
    )


def graphs(env: Mapping[str, str] | None = None) -> bool:
    """Return whether a GPU may run training steps as captured graphs: unless ``DISTILL_GRAPHS=0``.

    Args:
        env: the variables; by default those of this process. An empty value counts as unset.

    Raises:
        ValueError: if the value is neither 0 nor 1.
    """
    env = os.environ if env is None else env
    return _flag("DISTILL_GRAPHS", env.get("DISTILL_GRAPHS", "").strip() or "1")


def begin(full_minutes_on_cpu: float | None = None) -> Settings:
    """Start a lesson: read the settings, choose the number of threads, print the settings.

    In the ``cpu`` profile torch gets one thread. The nets are so small that more threads wait for
    each other longer than they work, and thirty learners on one server would wait for all the
    others. Set ``OMP_NUM_THREADS`` to decide otherwise.

    A lesson on the CPU does not see the GPUs: an optimiser of torch would open one, also for a net
    on the CPU, and thirty learners would fill its memory. Set ``CUDA_VISIBLE_DEVICES`` to decide
    otherwise.

    Args:
        full_minutes_on_cpu: see `Settings.describe`.
    """
    import torch

    found = load()
    if found.profile == "cpu" and "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(1)
    if found.device == "cpu":
        os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
    page.say(found.describe(full_minutes_on_cpu))
    return found


def one_of(argument: str, value: str, allowed: Iterable[str], also: str = "") -> str:
    """Return `value` if it is allowed; else raise a ValueError that names the nearest allowed one.

    Raises:
        ValueError: if `value` is not among `allowed`.
    """
    allowed = list(allowed)
    if value in allowed:
        return value
    near = difflib.get_close_matches(str(value), allowed, n=1, cutoff=0.4)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    choices = ", ".join(map(repr, allowed)) + (f", or {also}" if also else "")
    raise ValueError(f"{argument}={value!r} is unknown.{hint} Use one of {choices}.")


def whole_number(argument: str, value: int, *, least: int | None = 1) -> int:
    """Return `value` as an int, NumPy's numbers too, if it is whole and not too small.

    Raises:
        TypeError: if it is not a whole number.
        ValueError: if it is smaller than `least`.
    """
    try:
        whole = operator.index(value)
    except TypeError:
        raise TypeError(f"{argument}={value!r} must be a whole number, such as 10.") from None
    if least is not None and whole < least:
        raise ValueError(f"{argument}={whole} must be at least {least}.")
    return whole


def number(argument: str, value: float) -> float:
    """Return `value` as a float, NumPy's numbers and tensors of one number too.

    Raises:
        TypeError: if it is not a number.
    """
    try:
        if not isinstance(value, str):
            return float(value)
    except (TypeError, ValueError, OverflowError, RuntimeError):
        pass
    raise TypeError(f"{argument}={value!r} must be a number, such as 0.5.")


def _device(name: str, profile: str) -> str:
    # The cpu profile is sized for a CPU, where small nets run faster than on most GPUs, and where
    # the same seed gives the same numbers; so a GPU is taken only where it pays or is asked for.
    if name == "auto" and profile == "cpu":
        return "cpu"
    if name == "cpu":
        return "cpu"
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    kind = name.split(":")[0]
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if kind not in available:
        raise ValueError(f"DISTILL_DEVICE={name!r} is unknown. Use 'auto', 'cpu', 'cuda' or 'mps'.")
    if not available[kind]:
        raise ValueError(
            f"DISTILL_DEVICE={name!r} asks for a device that torch does not find here. "
            "Unset DISTILL_DEVICE, or run `distill-lessons doctor` to see why."
        )
    return name


def _seed(text: str) -> int:
    try:
        seed = int(text)
    except ValueError:
        seed = -1
    if not 0 <= seed < 2**31:
        raise ValueError(f"DISTILL_SEED={text!r} must be a whole number from 0 to {2**31 - 1}.")
    return seed


def default_record() -> Path:
    """Return where a learner's progress is kept unless ``DISTILL_RECORD`` says otherwise."""
    return Path(platformdirs.user_data_dir("distill-lessons", appauthor=False)) / "progress.json"


def expanded(argument: str, text: str) -> Path:
    """Return a path with ``~`` replaced by the home folder that it stands for.

    Raises:
        ValueError: if there is no such user; the message names `argument`.
    """
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise ValueError(
            f"{argument}={text!r} names a home folder that is not known here; write the whole path."
        ) from error


def _record(text: str) -> Path | None:
    if text == "0":
        return None
    return expanded("DISTILL_RECORD", text) if text else default_record()


def _flag(argument: str, text: str) -> bool:
    return one_of(argument, text.lower(), ("0", "1")) == "1"
