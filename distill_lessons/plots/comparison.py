"""Models compared: beside controls, predictions against reasons, runs by role, several orders.

They draw tables of numbers; how alike two models are is measured in `explain.agreement` and
`explain.quality`. Knows nothing about models or attributions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullLocator

from distill_lessons.plots.theme import ROLES

# name in the tables -> colour, marker: never colour alone
SIMILARITIES = {
    "prediction agreement": ("#000000", "s"),
    "cosine": ("#0072B2", "o"),
    "Spearman": ("#D55E00", "^"),
    "top-k overlap": ("#009E73", "D"),
}


def fidelity(
    groups: Mapping[str, tuple[Any, Any, str]],
    title: str,
    *,
    xlabel: str = "same prediction as the teacher (% of test images)",
    ylabel: str = "1 − cosine of attributions",
) -> Axes:
    """Draw how alike two models' reasons are against how alike their predictions are.

    A small mark is one run, the large one the mean of its group. Reasons are drawn as a distance,
    1 − cosine, on a logarithmic axis with the near at the top: cosines crowd below 1. Marks repeat
    through the roles, so every group also has a letter of its own.

    Args:
        groups: name to prediction agreement ``(S,)`` as fractions, attribution agreement ``(S,)``
            from -1 to 1, and role, see `ROLES`; one value per seed.
        title: a sentence.
        xlabel: label with unit.
        ylabel: label with unit.

    Raises:
        ValueError: if a group has not as many predictions as reasons.
    """
    _, ax = plt.subplots(figsize=(6.7, 4.4))
    for at, (name, (predictions, reasons, style)) in enumerate(groups.items()):
        letter = chr(ord("A") + at)
        x, y = 100 * np.asarray(predictions, float), 1 - np.asarray(reasons, float)
        if x.shape != y.shape or x.ndim != 1:
            raise ValueError(
                f"groups[{name!r}] has predictions of shape {x.shape} and reasons of shape "
                f"{y.shape}; give one of each per seed."
            )
        role = ROLES[style]
        ax.scatter(x, y, s=22, color=role.color, marker=role.marker, alpha=0.45, linewidths=0)
        ax.scatter(
            x.mean(),
            y.mean(),
            s=90,
            color=role.color,
            marker=role.marker,
            edgecolors="white",
            zorder=3,
            label=f"{letter}  {name}",
        )
        ax.annotate(
            letter,
            (x.mean(), y.mean()),
            xytext=(-9, 0),
            textcoords="offset points",
            color="#222222",
            ha="right",
            va="center",
            fontsize=11,
            fontweight="bold",
            zorder=4,
        )
    ax.set(xlabel=xlabel, ylabel=ylabel, title=title, yscale="log")
    ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 3.0)))
    ax.yaxis.set_minor_locator(NullLocator())
    ax.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    ax.invert_yaxis()
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), labelspacing=0.8)
    return ax


def controls(table: pd.DataFrame, *, title: str | None = None, ax: Axes | None = None) -> Axes:
    """Draw a comparison beside its controls: one row each, one mark and interval per metric.

    Args:
        table: the result of `explain.agreement.beside_controls`. KL has no common scale with the
            others and is left to the table.
        title: a sentence that says what was found.
        ax: where to draw; by default a new figure.
    """
    names = list(dict.fromkeys(table["comparison"]))
    shown = [metric for metric in SIMILARITIES if metric in set(table["metric"])]
    if ax is None:
        _, ax = plt.subplots(figsize=(8.6, 0.62 * len(names) + 1.6), layout="constrained")
    for j, metric in enumerate(shown):
        rows = table[table["metric"] == metric]
        where = np.array([names.index(c) for c in rows["comparison"]])
        where = where + 0.18 * (j - (len(shown) - 1) / 2)  # side by side, not on top
        colour, marker = SIMILARITIES[metric]
        value, low, high = (rows[c].to_numpy() for c in ("value", "low", "high"))
        bars = np.maximum([value - low, high - value], 0)  # rounding may leave −1e-17
        ax.errorbar(
            value, where, xerr=bars, fmt=marker, color=colour, label=metric, ms=8, capsize=3
        )
    for i in range(1, len(names)):
        ax.axhline(i - 0.5, color="#dddddd", lw=1)
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.set_xlim(min(0.0, ax.get_xlim()[0]), 1.03)
    ax.set_xlabel("similarity with the reference (95 % interval over inputs)")
    ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)
    ax.set_title(title or "A similarity is read beside its controls.", loc="left")
    return ax


def lanes(groups: Mapping[str, tuple[Any, str]], title: str, *, xlabel: str) -> Axes:
    """Draw one lane per group: a mark per run, a bar and a number at their mean.

    Args:
        groups: name to one value per seed ``(S,)`` and role, see `ROLES`; from top to bottom.
        title: a sentence.
        xlabel: what the values are, with their unit.
    """
    _, ax = plt.subplots(figsize=(6.4, 1.1 + 0.45 * len(groups)))
    for at, (values, style) in enumerate(groups.values()):
        values, role = np.sort(np.asarray(values, float)), ROLES[style]
        # By rank, so always the same, and so wide that equal values stay apart.
        spread = at + np.linspace(-0.28, 0.28, len(values))
        ax.scatter(values, spread, color=role.color, marker=role.marker, s=26, alpha=0.75)
        ax.vlines(values.mean(), at - 0.38, at + 0.38, color=role.color, lw=2.5)
        ax.annotate(
            f"{values.mean():.1f}",
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
    ax.set(xlabel=xlabel, title=title)
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
        for at, (name, (table, style)) in enumerate(tables.items()):
            _order(ax, table, kind, "attribution", name, style, "-", broad=at == 0)
        first = next(iter(tables.values()))[0]
        _order(ax, first, kind, "random", "random order", "control", ":")
        ax.set(ylim=(0, 1.02), xlabel=f"fraction of pixels {words}")
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
) -> None:
    part = table[(table["kind"] == kind) & (table["order"] == order)]
    mean = part.groupby("fraction")["score"].mean()
    role = ROLES[style]
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
    )
