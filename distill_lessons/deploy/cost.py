"""What a net costs: bytes, which are the same everywhere, and times, which are not.

Times are taken in turn, one call of each way after another, so that what slows the machine down
slows all of them; compare neighbours, not columns. Energy is read where the system counts it.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor, nn

from distill_lessons import evaluation
from distill_lessons.settings import one_of, whole_number
from distill_lessons.tensors import check_function, check_type

COUNTERS = Path("/sys/class/powercap")


def weight_bytes(net: nn.Module, *, bits: int = 32) -> int:
    """Return the bytes of a net's weights and biases.

    Args:
        net: any net.
        bits: of one weight. A net of fewer than 32 has a scale of 4 bytes for each output of a
            layer besides, and biases of 4 bytes.

    Raises:
        TypeError: if `net` is no module, or `bits` no whole number.
        ValueError: if `bits` is not positive.

    >>> weight_bytes(nn.Linear(4, 2)), weight_bytes(nn.Linear(4, 2), bits=8)
    (40, 24)
    """
    evaluation.check_built(net)
    bits = whole_number("bits", bits)
    total = 0
    for weight in net.parameters():
        if weight.ndim > 1:
            total += -(-weight.numel() * bits // 8) + (4 * len(weight) if bits < 32 else 0)
        else:
            total += 4 * weight.numel()
    return total


def activation_bytes(net: nn.Module, x: Tensor) -> int:
    """Return the most bytes that a layer's input and output take together, in 32 bits.

    That is what a device needs beside the weights if it forgets every layer's input as soon as the
    output is there.

    Args:
        net: any net; its mode is restored.
        x: a batch of the size that it is to take.

    Raises:
        TypeError: if `net` is no module, or `x` no tensor.
        ValueError: if the net cannot take `x`.
    """
    sizes = [0]

    def note(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        sizes.append(4 * (sum(part.numel() for part in inputs) + output.numel()))

    leaves = [module for module in net.modules() if not list(module.children())]
    hooks = [leaf.register_forward_hook(note) for leaf in leaves]
    try:
        evaluation.predict(net, x, batch_size=max(1, len(x)))
    finally:
        for hook in hooks:
            hook.remove()
    return max(sizes)


def in_turn(
    ways: Mapping[str, Callable[[], object]], repeats: int, *, warm_up: int = 20
) -> pd.DataFrame:
    """Time several ways to do one thing, in turn.

    Args:
        ways: name to a function without arguments.
        repeats: how often each is called, the first calls included.
        warm_up: of these, how many come first and are left out: caches and lazy loading.

    Returns:
        Seconds, a column for each way, a row for each round; who is first changes with the round.

    Raises:
        TypeError: if a way is no function.
        ValueError: if there is no way, or nothing is left after the warm-up.
    """
    check_type("ways", ways, Mapping, "a dict, name to a function without arguments")
    if not ways:
        raise ValueError("ways is empty; give at least one function to be timed.")
    for name, way in ways.items():
        check_function(f"ways[{name!r}]", way, "no argument")
    repeats, warm_up = whole_number("repeats", repeats), whole_number("warm_up", warm_up, least=0)
    if warm_up >= repeats:
        raise ValueError(f"warm_up={warm_up} leaves nothing of repeats={repeats}; repeat more.")
    names, rows = list(ways), []
    collecting = gc.isenabled()
    gc.disable()  # it would strike one of them by chance
    try:
        for round_ in range(repeats):
            seconds = {}
            first = round_ % len(names)
            for name in names[first:] + names[:first]:
                start = time.perf_counter()
                ways[name]()
                seconds[name] = time.perf_counter() - start
            rows.append(seconds)
    finally:
        if collecting:
            gc.enable()
    return pd.DataFrame(rows, columns=names)[warm_up:].reset_index(drop=True)


def ratios(times: pd.DataFrame, to: str) -> pd.DataFrame:
    """Return how many times as long each way took as one of them, round by round.

    Args:
        times: from `in_turn`.
        to: a column, the way that counts as 1.

    Returns:
        A row for each way: the ``median`` of its ratios, and the range from ``low`` to ``high``
        that holds 90 of 100 rounds.

    Raises:
        ValueError: if there is no such way.
    """
    check_type("times", times, pd.DataFrame, "the table from in_turn")
    one_of("to", to, list(times))
    found = times.div(times[to], axis=0)
    ends = {"median": found.median(), "low": found.quantile(0.05), "high": found.quantile(0.95)}
    return pd.DataFrame(ends)


def caller(net: nn.Module, x: Tensor) -> Callable[[], Tensor]:
    """Return a function that runs a net on a batch, for `in_turn`: eval mode, no gradient.

    Raises:
        TypeError: if `net` is no module, or `x` no tensor.
        ValueError: if the net cannot take `x`.
    """
    x = evaluation.as_input(net, x)
    evaluation.predict(net, x)
    net.eval()

    def call() -> Tensor:
        with torch.inference_mode():
            answer: Tensor = net(x)
        return answer

    return call


def energy(work: Callable[[], object], *, counters: Path = COUNTERS) -> float | None:
    """Return the joules that the processors took while `work` ran, or None where nothing counts.

    Linux has counters on many Intel and AMD processors, often for the administrator alone; virtual
    machines have none. They count the whole processor, whoever uses it.

    Args:
        work: a function without arguments; let it take a second at least.
        counters: the folder that holds them, ``intel-rapl:0`` and so on.

    Raises:
        TypeError: if `work` is no function.
    """
    check_function("work", work, "no argument")
    places = [place for place in sorted(counters.glob("*rapl:*")) if place.name.count(":") == 1]
    try:
        before = [_count(place, "energy_uj") for place in places]
        if not before:
            return None
        work()
        total = 0
        for place, start in zip(places, before, strict=True):
            used = _count(place, "energy_uj") - start
            if used < 0:  # the counter began again at zero
                used += _count(place, "max_energy_range_uj")
            total += used
    except (OSError, ValueError):
        return None
    return total / 1e6


def _count(place: Path, name: str) -> int:
    return int((place / name).read_text(encoding="ascii"))
