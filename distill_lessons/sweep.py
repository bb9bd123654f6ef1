"""Many students at once: seeds × T × alpha as a table, and effects with their intervals."""

from __future__ import annotations

import itertools
import numbers
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from distill_lessons import evaluation, losses
from distill_lessons.claims import Effect, mean_effect
from distill_lessons.data import Split
from distill_lessons.fast.spread import spread
from distill_lessons.fast.stacking import fit_many, predict_many
from distill_lessons.settings import whole_number
from distill_lessons.tensors import check_function, check_rows, check_type


def sweep(
    build: Callable[[int], nn.Module],
    transfer: Split,
    z_teacher: Tensor,
    measure: Split,
    *,
    Ts: Sequence[float],
    alphas: Sequence[float],
    seeds: Sequence[int],
    steps: int,
    rows: Tensor | None = None,
    measured_rows: Tensor | None = None,
    jobs: int | None = None,
    chunk: int = 64,
    **fit_arguments: Any,
) -> pd.DataFrame:
    """Distil a student for every combination of seed, T and alpha, and measure each.

    A seed may have images and a teacher of its own, as those of `fast.repeats`. With `jobs` the
    training is spread over processes, or over the machines of a cluster; the numbers are the same.

    Args:
        build: makes the untrained student of a seed, such as ``lambda s: mlp(shape, 10, (32,),
            seed=s)``.
        transfer: the images to distil on.
        z_teacher: the teacher's logits for them, ``(N, K)``, or one such table for each of the R
            seeds, ``(R, N, K)``.
        measure: labelled images. To *choose* T or alpha these must be validation images.
        Ts: temperatures.
        alphas: weights of the hard term.
        seeds: one student each: initial weights and order of images.
        steps: optimiser steps of every student.
        rows: the images that a seed's students may see, indices ``(R, n)``; by default all.
        measured_rows: the images on which they are measured, ``(R, m)``; by default all.
        jobs: how many processes share the training; -1 for one per core, or for all workers of the
            cluster that ``joblib.parallel_config`` names. By default this process does it alone. A
            share that a killed worker leaves is done again.
        chunk: how many students run at once, see `fit_many`; with `jobs` they are one share.
        **fit_arguments: go to `fit_many`.

    Returns:
        One row per student: ``seed``, ``T``, ``alpha``, ``accuracy``, ``loss``.

    Raises:
        ValueError: if one of the lists is empty, or as in `fit_many`.
    """
    check_function("build", build, "a seed that returns a student")
    for argument, values in {"Ts": Ts, "alphas": alphas, "seeds": seeds}.items():
        check_type(argument, values, Iterable, "a list")
    seeds = list(seeds)
    grid = list(itertools.product(seeds, Ts, alphas))
    if not grid:
        raise ValueError("seeds, Ts and alphas must each hold at least one value.")
    students = [build(seed) for seed, _, _ in grid]
    check_type("what build returns", students[0], nn.Module, "an untrained net")
    check_type("transfer", transfer, Split, "a Split, such as data.train")
    _check_measured("measure", measure)
    z = evaluation.first_answer(students[0], measure)  # (1, K)
    evaluation.labels_of("measure", measure, z.expand(len(measure), -1))
    run_seeds, run_Ts, run_alphas = zip(*grid, strict=True)
    n_cells = len(grid) // len(seeds)
    rows, measured_rows = (
        None if r is None else check_rows(name, r, len(seeds), n).repeat_interleave(n_cells, 0)
        for name, r, n in (
            ("rows", rows, len(transfer)),
            ("measured_rows", measured_rows, len(measure)),
        )
    )
    own = isinstance(z_teacher, Tensor) and z_teacher.ndim == 3
    if own:
        z_teacher = z_teacher.repeat_interleave(n_cells, 0)
    chunk = whole_number("chunk", chunk)

    parts = [
        {
            "students": students[part],
            "z_teacher": z_teacher[part] if own else z_teacher,
            "T": run_Ts[part],
            "alpha": run_alphas[part],
            "seeds": run_seeds[part],
            "rows": None if rows is None else rows[part],
        }
        for part in _parts(len(grid), len(grid) if jobs is None else chunk)
    ]
    train = partial(_train, split=transfer, steps=steps, chunk=chunk, **fit_arguments)
    students = list(itertools.chain(*spread(train, parts, jobs)))
    frame = pd.DataFrame(grid, columns=["seed", "T", "alpha"])
    return frame.join(measure_many(students, measure, measured_rows))


def _train(part: dict[str, Any], **same: Any) -> list[nn.Module]:
    fit_many(**part, **same)
    students: list[nn.Module] = part["students"]
    return students


def _parts(n: int, size: int) -> list[slice]:
    return [slice(start, start + size) for start in range(0, n, size)]


def measure_many(
    students: Sequence[nn.Module], split: Split, rows: Tensor | None = None
) -> pd.DataFrame:
    """Return ``accuracy`` and ``loss`` of every student on a labelled split, one row each.

    Args:
        students: S nets of the same shape.
        split: labelled images.
        rows: the images on which each student is measured, indices ``(S, n)``; by default all.

    Raises:
        TypeError: if `students` are not nets, or `split` is not a Split.
        ValueError: if an image has no label, or one that the students do not know, a logit is not
            finite, or `rows` does not fit the students and the split.
    """
    _check_measured("split", split)
    z = predict_many(students, split.x)  # (S, N, K)
    for s, logits in enumerate(z):
        losses.check_logits(f"the answer of students[{s}]", logits)
    y = evaluation.labels_of("split", split, z[0]).expand(len(z), -1)  # (S, N)
    if rows is not None:
        rows = check_rows("rows", rows, len(z), len(split)).to(y.device)
        y = y.gather(1, rows)
        z = z.gather(1, rows[..., None].expand(-1, -1, z.shape[2]))
    accuracy = (z.argmax(2) == y).float().mean(1)
    loss = -torch.log_softmax(z, 2).gather(2, y[..., None])[..., 0].mean(1)
    return pd.DataFrame({"accuracy": accuracy.tolist(), "loss": loss.tolist()})


def _check_measured(argument: str, split: Split) -> None:
    check_type(argument, split, Split, "a Split, such as data.valid")
    if split.mask is not None:
        raise ValueError(
            f"{argument} has a mask, but stacked nets take x alone; use evaluation.evaluate."
        )


def paired_effect(
    frame: pd.DataFrame,
    treatment: Mapping[str, Any],
    control: Mapping[str, Any],
    *,
    value: str = "accuracy",
    pair_by: str = "seed",
    unit: str = "points",
) -> Effect:
    """Return the mean paired difference, treatment minus control, with its 95 % interval.

    Two runs of the same seed share initial weights, data and order; their difference is freed of
    what these do to both.

    Args:
        frame: one row per run, as `sweep` returns it.
        treatment: picks the rows of the one side, such as ``{"T": 4.0, "alpha": 0.0}``.
        control: picks the rows of the other side.
        value: the column that is compared.
        pair_by: the column that says which rows belong together.
        unit: see `distill_lessons.claims.Effect`.

    Raises:
        ValueError: if a side is empty, has a pair twice, or the sides have different pairs.

    >>> runs = pd.DataFrame({"seed": [0, 1, 0, 1], "T": [1, 1, 4, 4],
    ...                      "accuracy": [0.80, 0.82, 0.84, 0.88]})
    >>> effect = paired_effect(runs, {"T": 4}, {"T": 1})
    >>> round(effect.value, 3), effect.wins
    (0.05, 2)
    """
    if not isinstance(frame, pd.DataFrame):
        raise TypeError(f"frame is of type {type(frame).__name__}; give a DataFrame of runs.")
    columns = list(frame.columns)
    for argument, column in {"value": value, "pair_by": pair_by}.items():
        if column not in columns:
            raise ValueError(f"{argument}={column!r} is no column of frame; use one of {columns}.")
    if not np.isfinite(_numbers(frame[value])).all():
        raise ValueError(
            f"frame holds NaN or infinite numbers in {value!r}; find the run that produced them."
        )
    sides = []
    for name, picked in (("treatment", treatment), ("control", control)):
        if not isinstance(picked, Mapping):
            raise TypeError(f"{name}={picked!r} must be a dict, such as {{'T': 4.0}}.")
        missing = [column for column in picked if column not in columns]
        if missing:
            raise ValueError(f"{name} names {missing}, no columns of frame; use some of {columns}.")
        rows = np.ones(len(frame), dtype=bool)
        for column, wanted in picked.items():
            rows &= _equal(frame[column], wanted)
        chosen = frame[rows]
        if chosen.empty:
            raise ValueError(f"{name}={dict(picked)} picks no row of the frame; check its values.")
        series = chosen.set_index(pair_by)[value].sort_index()
        if series.index.has_duplicates:
            raise ValueError(
                f"{name}={dict(picked)} picks several rows for one {pair_by}; name more columns."
            )
        sides.append(series)
    if not sides[0].index.equals(sides[1].index):
        raise ValueError(
            f"treatment and control have different values of {pair_by!r}; run both with the same."
        )
    return mean_effect((sides[0] - sides[1]).to_numpy(), unit=unit)


def _numbers(column: pd.Series) -> np.ndarray:
    if not pd.api.types.is_numeric_dtype(column):
        raise TypeError(f"frame holds no numbers in {column.name!r}; give a column of results.")
    return np.asarray(column, dtype=np.float64)


def _equal(column: pd.Series, wanted: Any) -> np.ndarray:
    """Say where a column has a value; a number may differ by rounding, as 0.1 + 0.2 from 0.3."""
    if isinstance(wanted, numbers.Real) and pd.api.types.is_numeric_dtype(column):
        close = np.isclose(column.to_numpy(dtype=np.float64), float(wanted), rtol=1e-9, atol=0)
        return np.asarray(close)
    return np.asarray(column == wanted)
