"""How time and memory grow with the size of the work, and with which exponent.

Each size runs in a new process, on noise: what an earlier size left in memory cannot hide what a
later one takes.
"""

from __future__ import annotations

import multiprocessing
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median

import numpy as np
import psutil
import torch

from benchmarks.timing import Array, synchronise
from distill_lessons import distillation, models
from distill_lessons.data import Split
from distill_lessons.explain.permutation import permutation_importance
from distill_lessons.explain.shap_adapters import shap_values
from distill_lessons.fast import stacking

REPEATS = 3
RESOLVED = 4.0  # MiB: less than that is the allocator's, and is not fitted
Run = Callable[[], object]


@dataclass(frozen=True)
class Fit:
    """value = factor · size^slope, with the slope's 95 % interval (Student's t)."""

    slope: float
    low: float
    high: float
    factor: float

    def at(self, sizes: Array) -> Array:
        return self.factor * np.asarray(sizes, dtype=float) ** self.slope


@dataclass(frozen=True)
class Grown:
    """What one axis of growth gave; `time_end` is fitted to the last half of the sizes."""

    title: str
    axis: str
    sizes: list[int]
    seconds: list[float]
    mebibytes: list[float]
    time: Fit | None
    time_end: Fit | None
    memory: Fit | None

    def __str__(self) -> str:
        """Say in a sentence with which exponents time and memory grow."""
        parts = {"time": self.time, "time, larger half": self.time_end, "memory": self.memory}
        said = [f"{name} {_exponent(fit)}" for name, fit in parts.items()]
        return f"{self.title}, {self.axis} {self.sizes[0]:,} to {self.sizes[-1]:,}: " + ", ".join(
            said
        )


def _exponent(fit: Fit | None) -> str:
    if fit is None:
        return "too small to fit"
    return f"exponent {fit.slope:.2f} [{fit.low:.2f}, {fit.high:.2f}]"


def exponent(sizes: Sequence[float], values: Sequence[float]) -> Fit | None:
    """Fit a straight line to log value against log size; None with fewer than three points."""
    from scipy import stats

    if len(sizes) < 3:
        return None
    line = stats.linregress(np.log(sizes), np.log(values))
    half = float(stats.t.ppf(0.975, len(sizes) - 2) * line.stderr)
    slope = float(line.slope)
    return Fit(slope, slope - half, slope + half, float(np.exp(line.intercept)))


def _noise(n: int, shape: tuple[int, int, int], device: torch.device) -> Split:
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(n, *shape, generator=generator)
    return Split(x, torch.arange(n) % 10).to(device)


def students(size: int, device: torch.device) -> Run:
    split = _noise(1000, (1, 8, 8), device)
    z = torch.randn(1000, 10, generator=torch.Generator().manual_seed(1)).to(device)
    nets = [models.mlp((1, 8, 8), 10, (32,), seed=s).to(device) for s in range(size)]
    return lambda: stacking.fit_many(nets, split, z, steps=30, T=4.0, alpha=0.1)


def images(size: int, device: torch.device) -> Run:
    split = _noise(size, (1, 28, 28), device)
    z = torch.randn(size, 10, generator=torch.Generator().manual_seed(1)).to(device)
    net = models.mlp((1, 28, 28), 10, (64,), seed=0).to(device)
    return lambda: distillation.distill(net, split, z, T=4.0, alpha=0.1, epochs=1)


def features(size: int, device: torch.device) -> Run:
    return _importance((1, 1, size), 5, device)


def repeats(size: int, device: torch.device) -> Run:
    return _importance((1, 1, 256), size, device)


def _importance(shape: tuple[int, int, int], repeats: int, device: torch.device) -> Run:
    split, net = _noise(500, shape, device), models.mlp(shape, 10, (128,), seed=0).to(device)
    return lambda: permutation_importance(net, split.x, split.y, repeats=repeats)


def deep(size: int, device: torch.device) -> Run:
    shape = (1, 1, size)
    x, net = _noise(120, shape, device).x, models.mlp(shape, 10, (128, 64), seed=0).to(device)
    return lambda: shap_values(net, x[:20], x[20:], method="deep")


@dataclass(frozen=True)
class Growth:
    """One axis: what grows, the sizes, and a function that prepares the work of a size."""

    title: str
    axis: str
    sizes: tuple[int, ...]
    prepare: Callable[[int, torch.device], Run]


_FEATURES = (64, 128, 256, 512, 784, 1024, 2048, 3072)
GROWTHS = {
    "students": Growth(
        "Students side by side, 30 steps", "students", tuple(2**k for k in range(11)), students
    ),
    "images": Growth(
        "One epoch of distillation",
        "images",
        (1000, 2000, 4000, 8000, 16000, 32000, 60000),
        images,
    ),
    "features": Growth("Permutation importance", "features", _FEATURES, features),
    "deep": Growth("Deep SHAP", "features", _FEATURES, deep),
    "repeats": Growth(
        "Permutation importance", "repeats", (1, 2, 4, 8, 16, 32, 64, 128, 256), repeats
    ),
}


def grow(name: str, device: torch.device, threads: int, sizes: Sequence[int] = ()) -> Grown:
    """Measure one axis of growth, each size in a process of its own.

    Args:
        name: a key of `GROWTHS`.
        device: where the work is done.
        threads: of torch.
        sizes: ascending; by default those of the axis.
    """
    growth = GROWTHS[name]
    sizes = list(sizes or growth.sizes)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context, max_tasks_per_child=1) as pool:
        points = [pool.submit(_point, name, n, device.type, threads).result() for n in sizes]
    took, memory = ([p[i] for p in points] for i in (0, 1))
    half = len(sizes) // 2
    seen = [i for i, m in enumerate(memory) if m >= RESOLVED]
    return Grown(
        growth.title,
        growth.axis,
        sizes,
        took,
        memory,
        exponent(sizes, took),
        exponent(sizes[half:], took[half:]),
        exponent([sizes[i] for i in seen], [memory[i] for i in seen]),
    )


def _point(name: str, size: int, device_name: str, threads: int) -> tuple[float, float]:
    """Return seconds and MiB of one size; data and nets count as memory of the work."""
    torch.set_num_threads(threads)
    device, growth = torch.device(device_name), GROWTHS[name]
    growth.prepare(min(growth.sizes[0], size), device)()  # warm
    with _peak(device) as peak:
        run = growth.prepare(size, device)
        run()
    times = []
    for _ in range(REPEATS):
        synchronise(device)
        start = time.perf_counter()
        run()
        synchronise(device)
        times.append(time.perf_counter() - start)
    return median(times), peak[0]


@contextmanager
def _peak(device: torch.device) -> Iterator[list[float]]:
    """Give a list whose only entry, afterwards, is the growth of memory at its peak in MiB."""
    found = [0.0]
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        yield found
        found[0] = (torch.cuda.max_memory_allocated(device) - before) / 2**20
        return
    process, done = psutil.Process(), threading.Event()
    before = process.memory_info().rss

    def watch() -> None:
        while True:
            found[0] = max(found[0], (process.memory_info().rss - before) / 2**20)
            if done.wait(0.001):
                return

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield found
    finally:
        done.set()
        watcher.join()
