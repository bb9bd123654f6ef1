"""Models compared: predictions against reasons, runs by role, several orders of the pixels.

They draw tables of numbers; how alike two models are is measured in `explain.agreement` and
`explain.quality`. Knows nothing about models or attributions.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullLocator

from distill_lessons.plots import wording
from distill_lessons.plots.theme import ROLES, Role, say_cut

# The order that knows nothing plays no role of the course.
RANDOM = Role("random order", "#888888", "v", ":")
# A marker for each group, so that two of one role can be told apart without colour.
MARKERS = "osD^vPX*"
GAP = 0.085  # between two labels, as a share of the axis


def fidelity(
    groups: Mapping[str, tuple[Any, Any, str]],
    title: str,
    *,
    xlabel: str = "same prediction as the teacher (% of test images)",
    ylabel: str = "1 − cosine of attributions (nearer ↑)",
) -> Axes:
    """Draw how alike two models' reasons are against how alike their predictions are.

    A small mark is one run, the large one the mean of its group, whose name stands at the right.
    Reasons are drawn as a distance, 1 − cosine, on a logarithmic axis with the near at the top:
    cosines crowd below 1.

    Args:
        groups: name to prediction agreement ``(S,)`` as fractions, attribution agreement ``(S,)``
            from -1 to below 1, and role, see `ROLES`; one value per seed.
        title: a sentence.
        xlabel: label with unit.
        ylabel: label with unit.

    Raises:
        ValueError: if a group has not as many predictions as reasons.
    """
    points = {}
    for name, (predictions, reasons, _) in groups.items():
        x, y = 100 * np.asarray(predictions, float), 1 - np.asarray(reasons, float)
        if x.shape != y.shape or x.ndim != 1:
            raise ValueError(
                f"groups[{name!r}] has predictions of shape {x.shape} and reasons of shape "
                f"{y.shape}; give one of each per seed."
            )
        points[name] = x, y
    figure, ax = plt.subplots(figsize=(8.2, 4.6))
    for (name, (x, y)), marker in zip(points.items(), itertools.cycle(MARKERS)):
        color = ROLES[groups[name][2]].color
        ax.scatter(x, y, s=22, color=color, marker=marker, alpha=0.45, linewidths=0)
        ax.scatter(
            x.mean(), y.mean(), s=90, color=color, marker=marker, edgecolors="white", zorder=3
        )
    every = np.concatenate([y for _, y in points.values()])
    ax.set(xlabel=xlabel, ylabel=ylabel, title=title, yscale="log")
    ax.set_ylim(every.max() * 1.3, every.min() / 1.3)  # the near at the top
    ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 3.0)))
    ax.yaxis.set_minor_locator(NullLocator())
    ax.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    _name_at_the_right(ax, {name: (x.mean(), y.mean()) for name, (x, y) in points.items()})
    ranked = sorted(points.items(), key=lambda item: item[1][1].mean())
    said = [f"{name} ({x.mean():.1f} %, {wording.number(y.mean())})" for name, (x, y) in ranked]
    wording.note(figure, f"From the nearest to the farthest: {', '.join(said)}.")
    return ax


def _name_at_the_right(ax: Axes, means: Mapping[str, tuple[float, float]]) -> None:
    """Write names beside the axes, a line from each to its mark, none upon another."""
    low, high = (np.log(limit) for limit in ax.get_ylim())
    heights = {name: (np.log(y) - low) / (high - low) for name, (_, y) in means.items()}
    names = sorted(heights, key=lambda name: -heights[name])
    free = 1.0
    for left, name in zip(range(len(names) - 1, -1, -1), names, strict=True):
        at = max(min(heights[name], free), left * GAP)  # room below it for all that follow
        free = at - GAP
        ax.annotate(
            name,
            means[name],
            xytext=(1.04, at),
            textcoords="axes fraction",
            va="center",
            fontsize=11,
            arrowprops={"arrowstyle": "-", "color": "#999999", "lw": 0.8, "shrinkB": 5},
            annotation_clip=False,
        )


def lanes(
    groups: Mapping[str, tuple[Any, str]],
    title: str,
    *,
    xlabel: str,
    log: bool = False,
    fmt: str = ".1f",
) -> Axes:
    """Draw one lane per group: a mark per run, a bar and a number at their mean.

    Args:
        groups: name to one value per seed ``(S,)`` and role, see `ROLES`; from top to bottom.
        title: a sentence.
        xlabel: what the values are, with their unit.
        log: whether the axis is logarithmic; then all values must be positive.
        fmt: how the mean is written.
    """
    letters = max(map(len, groups))
    figure, ax = plt.subplots(figsize=(5.6 + 0.08 * letters, 1.2 + 0.45 * len(groups)))
    if log:
        ax.set_xscale("log")
        ax.xaxis.set_major_formatter("{x:g}")
    means = {}
    for at, (name, (values, style)) in enumerate(groups.items()):
        values, role = np.asarray(values, float), ROLES[style]
        means[name] = float(values.mean())
        # By run, so that a run stands at the same height in every lane, equal values stay apart,
        # and no order is drawn that would look like a trend.
        spread = at + np.linspace(-0.28, 0.28, len(values))
        ax.scatter(values, spread, color=role.color, marker=role.marker, s=26, alpha=0.75)
        ax.vlines(values.mean(), at - 0.38, at + 0.38, color=role.color, lw=2.5)
        ax.annotate(
            f"{values.mean():{fmt}}",
            (values.max(), at),
            xytext=(9, 0),
            textcoords="offset points",
            va="center",
            fontsize=11,
        )
    ax.set_yticks(range(len(groups)), labels=list(groups))
    ax.set_ylim(len(groups) - 0.5, -0.5)
    ax.margins(x=0.12)
    ax.grid(axis="y", visible=False)
    ax.set(xlabel=xlabel)
    say_cut(ax, "x")
    figure.suptitle(title, x=0.01, ha="left", fontsize=13, fontweight="bold")
    wording.note(figure, wording.in_order(means))
    return ax


def orders(tables: Mapping[str, tuple[pd.DataFrame, str]], title: str) -> np.ndarray:
    """Draw deletion and insertion curves of one model for several orders of the pixels.

    The first order is drawn with a broad line, which shows under another that coincides with it.

    Args:
        tables: name of an order to its table from `explain.quality.curves`, several runs laid end
            to end, and role, see `ROLES`. The random order of the first table is drawn too.
        title: a sentence.

    Returns:
        The Axes, shape ``(2,)``: deletion, insertion.
    """
    figure, axes = plt.subplots(1, 2, figsize=(6.8, 3.1), sharey=True)
    for ax, kind, words in zip(axes, ("deletion", "insertion"), ("removed", "put in"), strict=True):
        means = {
            name: _order(ax, table, kind, "attribution", name, style, "-", broad=at == 0)
            for at, (name, (table, style)) in enumerate(tables.items())
        }
        first = next(iter(tables.values()))[0]
        means |= {"random order": _order(ax, first, kind, "random", "random order", "", ":")}
        wording.note(figure, f"Mean over the {kind} curve.", wording.in_order(means))
        ax.set(ylim=(0, 1.06), xlabel=f"fraction of pixels {words}")
        ax.set_title(kind, fontweight="normal", fontsize=12, loc="center")
    axes[0].set_ylabel("probability of the class")
    handles, names = axes[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=3)
    figure.suptitle(title, x=0.01, ha="left", fontsize=13, fontweight="bold")
    return np.asarray(axes)


def _order(
    ax: Axes,
    table: pd.DataFrame,
    kind: str,
    order: str,
    name: str,
    style: str,
    line: str,
    *,
    broad: bool = False,
) -> float:
    """Draw the mean curve of one order, and return its mean."""
    part = table[(table["kind"] == kind) & (table["order"] == order)]
    mean = part.groupby("fraction")["score"].mean()
    role = ROLES.get(style, RANDOM)
    fill = role.color if order == "attribution" else "white"
    ax.plot(
        mean.index,
        mean.to_numpy(),
        color=role.color,
        marker=role.marker,
        markerfacecolor=fill,
        markersize=12 if broad else 6,
        lw=6 if broad else 2,
        alpha=0.6 if broad else 1.0,
        ls=line,
        label=name,
        clip_on=False,  # whole marks at a probability of 1
    )
    return float(mean.mean())
