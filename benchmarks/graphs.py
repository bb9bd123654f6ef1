"""A training step as a captured graph against the same step launched operation by operation."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import torch
from torch import nn

from benchmarks.timing import machine, synchronise
from distill_lessons import files, models, training
from distill_lessons.data import Split
from distill_lessons.fast import stacking

N = 60_000


class Case(NamedTuple):
    """What is trained: images of side × side pixels, hidden layers, batch, students side by side.

    A captured step has to be `at_least` so many times faster.
    """

    side: int
    hidden: tuple[int, ...]
    batch: int
    students: int
    at_least: float


CASES = {
    "784-64-10, batch 64": Case(28, (64,), 64, 1, 8),
    "784-1200-1200-10, batch 512": Case(28, (1200, 1200), 512, 1, 3.5),
    "64 students 64-32-10 side by side, batch 64": Case(8, (32,), 64, 64, 8),
}


def seconds_per_step(case: str, device: torch.device, steps: int) -> float:
    """Return the time of one step, all that a training does before and after included."""
    side, hidden, batch, students, _ = CASES[case]
    shape = (1, side, side)
    generator = torch.Generator().manual_seed(0)
    n = min(N, batch * steps)
    split = Split(torch.rand(n, *shape, generator=generator), torch.arange(n) % 10).to(device)
    nets = [models.mlp(shape, 10, hidden, seed=seed).to(device) for seed in range(students)]
    synchronise(device)
    start = time.perf_counter()
    _train(nets, split, steps, batch)
    synchronise(device)
    return (time.perf_counter() - start) / steps


def _train(nets: list[nn.Sequential], split: Split, steps: int, batch: int) -> None:
    if len(nets) > 1:
        stacking.fit_many(nets, split, steps=steps, batch_size=batch)
    else:
        training.fit(nets[0], split, steps=steps, batch_size=batch)


def compare(
    device: torch.device,
    steps: int,
    repeats: int,
    seconds: Callable[[str, torch.device, int], float] = seconds_per_step,
) -> list[dict[str, Any]]:
    """Return one row a case: seconds a step with and without graphs, and their ratio."""
    rows = []
    before = os.environ.get("DISTILL_GRAPHS")
    try:
        for case in CASES:
            found: dict[str, list[float]] = {"1": [], "0": []}
            for repeat in range(repeats + 1):
                for switch, times in found.items():
                    os.environ["DISTILL_GRAPHS"] = switch
                    took = seconds(case, device, steps)
                    times += [took] if repeat else []  # the first warms up
            captured, plain = median(found["1"]), median(found["0"])
            row = {"case": case, "captured": captured, "plain": plain, "ratio": plain / captured}
            rows.append(row)
            print(
                f"{case}: {1e6 * captured:.0f} µs a step, plainly {1e6 * plain:.0f} µs", flush=True
            )
    finally:
        os.environ.pop("DISTILL_GRAPHS", None)
        if before is not None:
            os.environ["DISTILL_GRAPHS"] = before
    return rows


def main(out: str, device: str, steps: int, repeats: int) -> None:
    """Write the comparison to a file."""
    os.environ["DISTILL_LIVE"] = "0"
    place = torch.device(device)
    rows = compare(place, steps, repeats)
    content = {"machine": machine(place, torch.get_num_threads()), "steps": steps, "rows": rows}
    files.write(Path(out), json.dumps(content, indent=1, ensure_ascii=False) + "\n")
