"""Two ways to do one work: are their results equal, and how long does each take?

Both ways run in one process and take turns, so that what slows the machine down slows both; what is
reported is the median and the range of the ratios of neighbours. Knows nothing about the works.
"""

from __future__ import annotations

import gc
import os
import platform
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import psutil
import torch

Array = np.ndarray[Any, Any]


class NotEqual(AssertionError):
    """The two ways gave different results, so their times say nothing."""


@dataclass(frozen=True)
class Comparison:
    """One work, done in two ways.

    Attributes:
        ours: the package's way. It is given the number of the repeat and returns its result.
        theirs: the rival's way.
        tolerance: largest absolute difference of the results at which they count as equal.
        unit: what the times are given for, such as "image".
        ours_units: how many of them our call works off.
        theirs_units: how many the rival's call does.
        repeats: how many times each way is timed.
        warm_up: runs both ways before the clock does; by default one whole repeat.
        proof: returns both results where the timed calls have none that could be compared.
        given: seconds that stand for the rival where there is none, only a budget.
        note: what a reader of the table must know.
        share: the share of the numbers that `tolerance` is for; of weights, see `adam`.
        most: the largest difference of any number, where `share` leaves some out.
    """

    ours: Callable[[int], Array]
    theirs: Callable[[int], Array] | None
    tolerance: float
    unit: str
    ours_units: int = 1
    theirs_units: int = 1
    repeats: int = 5
    warm_up: Callable[[], None] | None = None
    proof: Callable[[], tuple[Array, Array]] | None = None
    given: float = float("nan")
    note: str = ""
    share: float = 1.0
    most: float = float("inf")


@dataclass(frozen=True)
class Measured:
    """Seconds per unit of each repeat, in pairs, and by how much the results differ at most."""

    ours: list[float] = field(default_factory=list)
    theirs: list[float] = field(default_factory=list)
    difference: float = 0.0

    def ratios(self, *, faster: bool) -> list[float]:
        """Return how many times faster ours is in each repeat, or how many times as long."""
        pairs = zip(self.ours, self.theirs, strict=True)
        return [t / o if faster else o / t for o, t in pairs]

    @staticmethod
    def middle(values: list[float]) -> float:
        return median(values)


def difference(
    ours: Array,
    theirs: Array,
    tolerance: float,
    share: float = 1.0,
    most: float = float("inf"),
) -> float:
    """Return the largest absolute difference of two results, or of that share of their numbers.

    Raises:
        NotEqual: if it is above the tolerance, a single one is above `most`, or the results cannot
            be compared at all.
    """
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    if ours.shape != theirs.shape or ours.size == 0:
        raise NotEqual(f"results of shapes {ours.shape} and {theirs.shape} cannot be compared.")
    if not (np.isfinite(ours).all() and np.isfinite(theirs).all()):
        raise NotEqual("a result holds NaN or infinite numbers.")
    gaps = np.abs(ours.astype(np.float64) - theirs)
    apart = float(np.quantile(gaps, share))
    if apart > tolerance:
        raise NotEqual(f"the results differ by {apart:.3g}, more than {tolerance:.3g}.")
    if gaps.max() > most:
        raise NotEqual(f"a single result differs by {gaps.max():.3g}, more than {most:.3g}.")
    return apart


def measure(c: Comparison, device: torch.device, repeats: int | None = None) -> Measured:
    """Time both ways in turn; every result is compared with the rival's of the same repeat.

    Raises:
        NotEqual: if the results differ.
    """
    limits = c.tolerance, c.share, c.most
    apart = difference(*c.proof(), *limits) if c.proof else 0.0
    if c.warm_up:
        c.warm_up()
    elif c.theirs is not None:
        c.ours(0), c.theirs(0)
    ours_s: list[float] = []
    theirs_s: list[float] = []
    for repeat in range(repeats or c.repeats):
        results: dict[str, Array] = {}
        gc.collect()  # neither should pay for what the other left
        # Who goes first changes from repeat to repeat: the second may find a warmer cache.
        for who in ("ours", "theirs") if repeat % 2 == 0 else ("theirs", "ours"):
            if who == "ours":
                results[who], seconds = _timed(c.ours, repeat, device)
                ours_s.append(seconds / c.ours_units)
            elif c.theirs is None:
                theirs_s.append(c.given)
            else:
                results[who], seconds = _timed(c.theirs, repeat, device)
                theirs_s.append(seconds / c.theirs_units)
        if c.theirs is not None and c.proof is None:
            apart = max(apart, difference(results["ours"], results["theirs"], *limits))
    return Measured(ours_s, theirs_s, apart)


def _timed(run: Callable[[int], Array], repeat: int, device: torch.device) -> tuple[Array, float]:
    synchronise(device)
    start = time.perf_counter()
    result = run(repeat)
    synchronise(device)  # a GPU works on after the call has returned
    return result, time.perf_counter() - start


def synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def find_device(name: str) -> torch.device:
    """Return a torch device.

    Raises:
        ValueError: if torch does not find it here.
    """
    if name not in ("cpu", "cuda"):
        raise ValueError(f"device={name!r} is unknown. Use 'cpu' or 'cuda'.")
    if name == "cuda" and not torch.cuda.is_available():
        raise ValueError(
            "device='cuda' asks for a GPU, and torch finds none here. Leave --device out, or run "
            "`distill-lessons doctor` to see why."
        )
    return torch.device(name)


def machine(device: torch.device, threads: int) -> str:
    """Return one line on what the numbers were measured with; it names no host and no user."""
    cores = psutil.cpu_count(logical=False) or psutil.cpu_count()
    parts = [f"{_cpu_model()}, {cores} cores, {threads} torch thread{'s' * (threads != 1)}"]
    if device.type == "cuda":
        parts.append(torch.cuda.get_device_name(device))
    parts += [f"{psutil.virtual_memory().total / 2**30:.0f} GiB", platform.system()]
    return ", ".join([*parts, f"Python {platform.python_version()}", f"torch {torch.__version__}"])


def _cpu_model() -> str:
    """Return the processor's name; each system keeps it in another place."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    if platform.system() == "Darwin":
        command = ["sysctl", "-n", "machdep.cpu.brand_string"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    return os.environ.get("PROCESSOR_IDENTIFIER") or platform.machine()
