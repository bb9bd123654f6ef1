"""How quantities grow or fade along one axis: the figures of the loss's derivation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from distill_lessons.plots.theme import ROLES


def scaling(
    x: Any,
    series: Mapping[str, tuple[Any, str]],
    title: str,
    *,
    xlabel: str,
    ylabel: str,
    log_y: bool = True,
    ticks: Sequence[float] | None = None,
) -> Axes:
    """Draw quantities against a logarithmic axis; with both axes logarithmic a power is a line.

    Args:
        x: positive positions, shape ``(M,)``.
        series: name to the pair of values ``(M,)`` and role, see `ROLES`.
        title: a sentence.
        xlabel: label with unit.
        ylabel: label with unit.
        log_y: whether the vertical axis is logarithmic too; then all values must be positive.
        ticks: positions to name on the horizontal axis; powers of ten by default.

    Raises:
        ValueError: if a series has another length than x, or a value has no logarithm.
    """
    at = np.asarray(x, dtype=float)
    _check_positive("x", at)
    rows = {name: np.asarray(values, dtype=float) for name, (values, _) in series.items()}
    for name, y in rows.items():  # before a figure is opened that nobody would close
        if y.shape != at.shape:
            raise ValueError(
                f"series[{name!r}] has shape {y.shape} for x of shape {at.shape}; give one each."
            )
        if log_y:
            _check_positive(f"series[{name!r}]", y)
    _, ax = plt.subplots()
    for name, (_, role_name) in series.items():
        role = ROLES[role_name]
        ax.plot(at, rows[name], color=role.color, marker=role.marker, ls=role.linestyle, label=name)
    ax.set_xscale("log")
    ax.xaxis.set_major_formatter("{x:g}")
    if ticks is not None:
        ax.set_xticks(ticks)
        ax.minorticks_off()
    if log_y:
        ax.set_yscale("log")
        ax.yaxis.set_major_formatter("{x:g}")
    ax.set(xlabel=xlabel, ylabel=ylabel, title=title)
    ax.legend()
    return ax


def _check_positive(argument: str, values: np.ndarray) -> None:
    if values.ndim != 1 or not (values > 0).all():
        raise ValueError(
            f"{argument} must be a row of positive numbers, since its axis is logarithmic."
        )
