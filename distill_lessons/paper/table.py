"""The whole table of section 3, in the order of what matters most, kept after every step.

A `Step` is one experiment. It returns rows and leaves in the `Work` what later steps need: the
teachers' logits, and what was chosen on validation images. Test images are counted on, and chosen
on in one place only, where the paper does it; its row says so.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

import torch
from torch import Tensor

from distill_lessons.data import Split
from distill_lessons.paper import biases, experiments, rows
from distill_lessons.paper.recipes import (
    ALPHAS,
    DISTILLED,
    NARROW,
    NARROWEST,
    OPTIMIZERS_30,
    PLAIN,
    RATES,
    TEACHER,
    TEMPERATURES_30,
    TEMPERATURES_300,
    Recipe,
)
from distill_lessons.paper.rows import Row, Work
from distill_lessons.tensors import class_labels

# How the bias of classes that were left out, or alone there, is chosen.
FREQUENCIES, VALIDATION = ", bias from class frequencies", ", bias on validation images"
TEST = ", bias on the test images"  # the paper's way
WAYS = ("", FREQUENCIES, VALIDATION, TEST)


@dataclass(frozen=True)
class Step:
    """One experiment.

    Attributes:
        name: of the experiment.
        seconds: that it takes on an H100, as estimated from the number of its steps.
        run: does it.
    """

    name: str
    seconds: float
    run: Callable[[Work], list[Row]]


def run(steps: Sequence[Step], shared: Work, seconds: float) -> Iterator[list[Row]]:
    """Run steps in order, and yield each step's rows.

    A step that would not fit into the seconds that are left is not run. What it would take is its
    estimate for an H100, times the largest ratio so far of what a step took to its estimate. The
    first one is always run.
    """
    end, ratios = time.monotonic() + seconds, [0.0]
    for step in steps:
        start = time.monotonic()
        expected = step.seconds / shared.shorter
        if expected * max(ratios) > end - start:
            yield [Row(step.name, "not run")]
            continue
        found = step.run(shared)
        took = time.monotonic() - start
        ratios.append(took / expected)
        yield [replace(row, seconds=float(f"{took:.3g}")) for row in found]


# ---- The experiments -----------------------------------------------------------------------------


def teacher(shared: Work) -> list[Row]:
    """Train the large nets; their logits are what every student learns."""
    recipe = TEACHER.shorter(shared.shorter)
    nets = experiments.teachers(shared.pool, recipe, shared.seeds, shared.n_classes)
    shared.z = experiments.logits(nets, shared.pool)
    return [rows.counted("teacher", recipe, shared, experiments.logits(nets, shared.test))]


def plain(shared: Work) -> list[Row]:
    """Train small nets on the labels alone."""
    return _taught("plain", [PLAIN.shorter(shared.shorter)], shared)


def search(shared: Work) -> list[Row]:
    """Choose the distilled student's rate and alpha on validation images that no net here met.

    A teacher of one seed and three students of each kind, on all other images, for a few epochs.
    """
    split = shared.pool.take(shared.rest)
    recipe = replace(TEACHER, epochs=100).shorter(shared.shorter)
    nets = experiments.teachers(split, recipe, shared.seeds[:1], shared.n_classes)
    z = experiments.logits(nets, split).expand(3, -1, -1)  # three students of one teacher
    found = [rows.judged("search: teacher", recipe, shared, nets)]
    for rate in RATES:
        tried = [replace(DISTILLED, epochs=15, lr=rate, alpha=alpha) for alpha in ALPHAS]
        found += _tried("search: distilled", tried, shared, split, z)
    finite = [row for row in found[1:] if row.state == "done"]
    if finite:
        best = min(finite, key=lambda row: sum(row.validation)).recipe
        shared.chosen = replace(DISTILLED, lr=best["lr"], alpha=best["alpha"])
    for optimizer, rate in OPTIMIZERS_30:
        narrow = replace(NARROWEST, epochs=15, optimizer=optimizer, lr=rate)
        tried = [replace(narrow, T=T) for T in TEMPERATURES_30]
        found += _tried("search: 30 units", tried, shared, split, z)
    return found


def distilled(shared: Work) -> list[Row]:
    """Train the same small nets on soft targets of T = 20."""
    return _taught("distilled", [shared.chosen.shorter(shared.shorter)], shared)


def distilled_longer(shared: Work) -> list[Row]:
    """Train them twice as long."""
    longer = replace(shared.chosen, epochs=2 * shared.chosen.epochs)
    return _taught("distilled, twice as long", [longer.shorter(shared.shorter)], shared)


def width_300(shared: Work) -> list[Row]:
    """Train narrower students at five temperatures."""
    recipe = NARROW.shorter(shared.shorter)
    return _taught("300 units", [replace(recipe, T=T) for T in TEMPERATURES_300], shared)


def width_30(optimizer: str, lr: float, epochs: int) -> Callable[[Work], list[Row]]:
    """Return the step of the narrowest students, without the hard term and with it."""

    def step(shared: Work) -> list[Row]:
        narrow = replace(NARROWEST, optimizer=optimizer, lr=lr, epochs=epochs)
        narrow = narrow.shorter(shared.shorter)
        pairs = product((0.0, 0.1), TEMPERATURES_30)
        return _taught("30 units", [replace(narrow, alpha=a, T=T) for a, T in pairs], shared)

    return step


def without(
    name: str, classes: Sequence[int], epochs: int, *, only: bool = False
) -> Callable[[Work], list[Row]]:
    """Return the step of students whose transfer set lacks some classes, or has only those.

    It lacks the validation images too, on which two of the three ways choose the bias. `classes`
    are those whose biases are shifted, by one number.
    """

    def step(shared: Work) -> list[Row]:
        recipe = replace(DISTILLED, epochs=epochs).shorter(shared.shorter)
        labels = class_labels("pool.y", shared.pool.y)
        listed = torch.isin(labels, torch.tensor(classes, device=labels.device))
        transfer = shared.rest[(listed if only else ~listed)[shared.rest]]
        try:
            [nets] = experiments.students(
                shared.pool, shared.logits, [recipe], shared.seeds, rows=transfer
            )
        except ValueError as error:
            return [rows.diverged(name, recipe, shared, error)]
        valid = shared.pool.take(shared.valid)
        frequency = float(listed[shared.rest].float().mean())
        left_out = [c for c in range(shared.n_classes) if (c in classes) != only]
        there = torch.isin(
            class_labels("test.y", shared.test.y),
            torch.tensor(left_out, device=shared.test.x.device),
        )
        z, z_test = experiments.logits(nets, valid), experiments.logits(nets, shared.test)
        found = []
        for way in WAYS:
            shifts = [_shift(way, *both, valid, shared.test, classes, frequency)
                      for both in zip(z, z_test, strict=True)]  # fmt: skip
            judged, test = (_each_shifted(table, classes, shifts) for table in (z, z_test))
            missed = experiments.wrong(test, shared.test)[:, there].sum(1).tolist()
            found.append(
                replace(
                    rows.counted(name + way, recipe, shared, test),
                    validation=rows.errors(judged, valid),
                    on_left_out=tuple(missed),
                    shift=tuple(round(b, 2) for b in shifts),
                )
            )
        return found

    return step


def _each_shifted(z: Tensor, classes: Sequence[int], shifts: Sequence[float]) -> Tensor:
    """Return every net's logits ``(S, N, K)`` with a shift of its own."""
    pairs = zip(z, shifts, strict=True)
    return torch.stack([biases.shifted(one, classes, shift) for one, shift in pairs])


def _shift(
    way: str,
    z: Tensor,
    z_test: Tensor,
    valid: Split,
    test: Split,
    classes: Sequence[int],
    frequency: float,
) -> float:
    """Return what one way adds to the logits of `classes`, for one student."""
    if way == FREQUENCIES:
        return biases.from_frequency(z, classes, frequency)
    if way == VALIDATION:
        return biases.fewest_errors(z, class_labels("valid.y", valid.y), classes)
    if way == TEST:
        return biases.fewest_errors(z_test, class_labels("test.y", test.y), classes)
    return 0.0


def _taught(what: str, recipes: Sequence[Recipe], shared: Work) -> list[Row]:
    """Train students of some recipes on the whole pool; one row each."""
    try:
        found = experiments.students(shared.pool, shared.logits, recipes, shared.seeds)
    except ValueError as error:
        return [rows.diverged(what, recipe, shared, error) for recipe in recipes]
    return [
        rows.counted(what, recipe, shared, experiments.logits(nets, shared.test))
        for recipe, nets in zip(recipes, found, strict=True)
    ]


def _tried(
    what: str, recipes: Sequence[Recipe], shared: Work, split: Split, z: Tensor
) -> list[Row]:
    """Train a student of each table of z without the validation images, and count on these."""
    recipes = [recipe.shorter(shared.shorter) for recipe in recipes]
    try:
        found = experiments.students(split, z, recipes, shared.seeds[: len(z)])
    except ValueError as error:
        return [rows.diverged(what, recipe, shared, error) for recipe in recipes]
    return [rows.judged(what, r, shared, nets) for r, nets in zip(recipes, found, strict=True)]


STEPS = (
    Step("teacher", 55, teacher),
    Step("search", 34, search),
    Step("plain", 9, plain),
    Step("distilled", 30, distilled),
    Step("30 units", 12, width_30("AdamW", 1e-3, 30)),
    Step("30 units", 12, width_30("AdamW", 1e-2, 30)),
    Step("no 3s", 12, without("no 3s", [3], 50)),
    Step("only 7s and 8s", 8, without("only 7s and 8s", [7, 8], 150, only=True)),
    Step("300 units", 12, width_300),
    Step("30 units", 12, width_30("SGD", 0.03, 30)),
    Step("distilled, twice as long", 60, distilled_longer),
    Step("30 units", 40, width_30("AdamW", 1e-2, 100)),
)
