"""The figures of the loss's derivation: an axis, what losses push, paths among distributions.

Knows numbers only, no losses and no models.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from distill_lessons.plots import wording
from distill_lessons.plots.theme import ROLES, Role

OTHER = Role("a path without a role", "#CC79A7", "v", "-.")
INVISIBLE = 0.02  # a bar of this share of the longest is not seen
# Where the three corners of the triangle of distributions stand: left, right, top.
CORNERS = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, np.sqrt(3) / 2]])


def scaling(
    x: Any,
    series: Mapping[str, tuple[Any, str]],
    title: str,
    *,
    xlabel: str,
    ylabel: str,
    log_x: bool = True,
    log_y: bool = True,
    ticks: Sequence[float] | None = None,
) -> Axes:
    """Draw quantities along an axis; with both axes logarithmic a power is a straight line.

    Args:
        x: positions, shape ``(M,)``; positive where their axis is logarithmic.
        series: name to the pair of values ``(M,)`` and role, see `ROLES`.
        title: a sentence.
        xlabel: label with unit.
        ylabel: label with unit.
        log_x: whether the horizontal axis is logarithmic.
        log_y: whether the vertical axis is; then all values must be positive.
        ticks: positions to name on the horizontal axis; powers of ten by default.

    Raises:
        ValueError: if a series has another length than x, or a value has no logarithm.
    """
    at = np.asarray(x, dtype=float)
    if log_x:
        _check_positive("x", at)
    rows = {name: np.asarray(values, dtype=float) for name, (values, _) in series.items()}
    for name, y in rows.items():  # before a figure is opened that nobody would close
        if y.shape != at.shape:
            raise ValueError(
                f"series[{name!r}] has shape {y.shape} for x of shape {at.shape}; give one each."
            )
        if log_y:
            _check_positive(f"series[{name!r}]", y)
    figure, ax = plt.subplots()
    for name, (_, role_name) in series.items():
        role = ROLES[role_name]
        ax.plot(at, rows[name], color=role.color, marker=role.marker, ls=role.linestyle, label=name)
        wording.note(figure, wording.of_curve(name, at.tolist(), rows[name].tolist()))
    if log_x:
        ax.set_xscale("log")
        ax.xaxis.set_major_formatter("{x:g}")
    if ticks is not None:
        ax.set_xticks(ticks)
        ax.minorticks_off()
    if log_y:
        ax.set_yscale("log")
        ax.yaxis.set_major_formatter("{x:g}")
    ax.set(xlabel=xlabel, ylabel=ylabel, title=title)
    if len(rows) > 1:
        ax.legend()
    return ax


def pushes(panels: Mapping[str, tuple[Any, str]], classes: Sequence[str], title: str) -> np.ndarray:
    """Draw what several losses ask of one image's logits: a panel each, on one scale.

    Args:
        panels: name to the wanted change of each logit, minus the gradient, shape ``(K,)``, and
            role, see `ROLES`.
        classes: K names.
        title: a sentence.

    Returns:
        The Axes, one per panel.

    Raises:
        ValueError: if a panel has not one number per class.
    """
    rows = {name: np.asarray(values, dtype=float) for name, (values, _) in panels.items()}
    for name, row in rows.items():
        if row.shape != (len(classes),):
            raise ValueError(
                f"panels[{name!r}] has shape {row.shape} for {len(classes)} classes; give one "
                "number each."
            )
    figure, axes = plt.subplots(1, len(panels), figsize=(2.7 * len(panels), 3.0), sharey=True)
    axes = np.atleast_1d(axes)
    for ax, (name, row) in zip(axes, rows.items(), strict=True):
        role = ROLES[panels[name][1]]
        ax.bar(range(len(classes)), row, color=role.color)
        ax.axhline(0, color="#333333", lw=1.2)
        ax.set_xticks(range(len(classes)), labels=list(classes))
        ax.set_title(name, fontsize=11, fontweight="normal")
        ax.grid(axis="x", visible=False)
        longest = np.abs(row).max()
        if longest < INVISIBLE * max(np.abs(other).max() for other in rows.values()):
            ax.text(
                0.5, 0.9, f"longest: {wording.number(longest)}", transform=ax.transAxes,
                ha="center", fontsize=11,
            )  # fmt: skip
        wording.note(figure, f"{name}: longest bar {wording.number(np.abs(row).max())}.")
    axes[0].set_ylabel("push on the logit")
    figure.supxlabel("class", fontsize=12)
    figure.suptitle(title, x=0.01, ha="left", fontsize=13, fontweight="bold")
    return np.asarray(axes)


def simplex(
    paths: Mapping[str, tuple[Any, str | None]], target: Any, title: str, *, names: Sequence[str]
) -> Axes:
    """Draw paths among the distributions of three classes, in a triangle.

    A corner is certainty of one class, and the middle knows nothing. A path starts at its small
    ring and ends at its mark.

    Args:
        paths: name to the distributions along the path, shape ``(M, 3)``, and role, see `ROLES`,
            or None for a path that has none of them.
        target: the distribution that the paths should reach, shape ``(3,)``; a star in the colour
            of teachers.
        title: a sentence.
        names: of the three classes, in the order of the columns.

    Raises:
        ValueError: if something is not a distribution of three classes.
    """
    goal = _distributions("target", [target])[0]
    steps = {name: _distributions(f"paths[{name!r}]", path) for name, (path, _) in paths.items()}
    figure, ax = plt.subplots(figsize=(7.6, 4.4))
    ax.fill(*CORNERS.T, facecolor="none", edgecolor="#777777", lw=1.2)
    for place, name, side in zip(CORNERS, names, ("right", "left", "center"), strict=True):
        up = "bottom" if side == "center" else "top"
        ax.annotate(name, place, ha=side, va=up, fontsize=12)
    for name, (_, style) in paths.items():
        role, path = OTHER if style is None else ROLES[style], steps[name]
        ax.plot(*(path @ CORNERS).T, color=role.color, ls=role.linestyle, lw=2)
        ax.plot(*(path[0] @ CORNERS), "o", color="#333333", markerfacecolor="none", ms=8)
        ax.plot(
            *(path[-1] @ CORNERS),
            role.marker,
            color=role.color,
            ms=9,
            mew=2,
            markerfacecolor="none",
            label=name,
        )
        gap = float(np.abs(path[-1] - goal).max())
        ended = ", ".join(f"{p:.2f}" for p in path[-1])
        wording.note(figure, f"{name}: ends at ({ended}), {gap:.2f} from the star.")
    ax.plot(*(goal @ CORNERS), "*", color=ROLES["teacher"].color, ms=22, zorder=0, label="teacher")
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    ax.set(title=title, aspect="equal", xlim=(-0.12, 1.12), ylim=(-0.1, 0.98))
    ax.axis("off")
    return ax


def _distributions(argument: str, values: Any) -> np.ndarray:
    found = np.asarray(values, dtype=float)
    if (
        found.ndim != 2
        or found.shape[1] != 3
        or len(found) == 0
        or (found < 0).any()
        or not np.allclose(found.sum(1), 1, atol=1e-4)
    ):
        raise ValueError(f"{argument} must hold probabilities of three classes that sum to 1.")
    return found


def _check_positive(argument: str, values: np.ndarray) -> None:
    if values.ndim != 1 or not (values > 0).all():
        raise ValueError(
            f"{argument} must be a row of positive numbers, since its axis is logarithmic."
        )
