"""Curves, tables and effects with their intervals."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from distill_lessons.claims import UNITS, Effect, mean_effect
from distill_lessons.plots import wording
from distill_lessons.plots.theme import ROLES, SEQUENTIAL

PERCENT = 100.0


def learning_curves(history: pd.DataFrame, title: str, accept_loss: float | None = None) -> Axes:
    """Draw training and validation loss against epochs, and the threshold of acceptance."""
    _, ax = plt.subplots()
    teacher, baseline = ROLES["teacher"], ROLES["baseline"]
    ax.plot(
        history["epoch"], history["train_loss"], color=baseline.color, ls="--", label="training"
    )
    if "valid_loss" in history:
        ax.plot(
            history["epoch"],
            history["valid_loss"],
            color=teacher.color,
            marker="o",
            markersize=5,
            label="validation",
        )
    if accept_loss is not None:
        ax.axhline(accept_loss, color=ROLES["control"].color, ls=":", label="accepted below this")
    ax.set(xlabel="epoch", ylabel="cross-entropy (nats)", yscale="log", title=title)
    ax.legend()
    return ax


def reliability(tables: Mapping[str, pd.DataFrame], title: str) -> Axes:
    """Draw accuracy against confidence, bin by bin; a calibrated model lies on the diagonal.

    Args:
        tables: name to the table of `distill_lessons.evaluation.calibration`.
        title: a sentence.
    """
    _, ax = plt.subplots(figsize=(7.8, 4.8))
    ax.plot([0, 1], [0, 1], color="#999999", ls=":", label="confidence = accuracy")
    styles = ("teacher", "control", "baseline")
    for at, ((name, table), style) in enumerate(zip(tables.items(), styles, strict=False)):
        role = ROLES[style]
        # The area says how many images a bin rests on: a far point of few images means little.
        # Only the first model's marks are filled, so that those of the others do not hide them.
        ax.scatter(
            table["confidence"],
            table["accuracy"],
            s=15 + 700 * table["images"] / table["images"].sum(),
            facecolor="none" if at else role.color,
            edgecolor=role.color,
            linewidth=1.8,
            marker=role.marker,
            label=name,
            zorder=3,
        )
    # Room for whole marks at both ends.
    ax.set(xlabel="confidence", ylabel="accuracy", title=title, xlim=(0, 1.09), ylim=(-0.05, 1.09))
    legend = ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    for handle in legend.legend_handles[1:]:
        handle.set_sizes([60])  # type: ignore[union-attr]
    return ax


def heatmap(
    table: pd.DataFrame, title: str, *, label: str, fmt: str = ".1f", center: float | None = None
) -> Axes:
    """Draw a table as an annotated heatmap.

    Args:
        table: the values; index and columns name the axes.
        title: a sentence.
        label: what the values are, with their unit.
        fmt: how a value is written into its cell.
        center: a value at which a diverging colour map is white; None for a sequential map.
    """
    import seaborn as sns

    height = max(2.8, 0.46 * len(table) + 1.5)
    _, ax = plt.subplots(figsize=(max(5.5, 0.66 * table.shape[1] + 2.4), height))
    sns.heatmap(
        table,
        annot=True,
        fmt=fmt,
        ax=ax,
        cmap=SEQUENTIAL if center is None else "RdBu_r",
        center=center,
        annot_kws={"fontsize": 10},
        cbar_kws={"label": label},
    )
    ax.set_title(title)
    ax.tick_params(axis="y", rotation=0)
    return ax


def dendrogram(similarity: pd.DataFrame, title: str) -> Axes:
    """Draw which classes look alike to a model, as a tree (average linkage).

    Args:
        similarity: symmetric table ``(K, K)`` of similarities, largest on the diagonal.
        title: a sentence.
    """
    from scipy.cluster import hierarchy
    from scipy.spatial.distance import squareform

    distance = similarity.to_numpy().max() - similarity.to_numpy()
    np.fill_diagonal(distance, 0)
    tree = hierarchy.linkage(squareform(distance, checks=False), "average", optimal_ordering=True)
    _, ax = plt.subplots()
    hierarchy.dendrogram(
        tree,
        labels=list(similarity.index),
        ax=ax,
        color_threshold=0,
        above_threshold_color="#0072B2",
    )
    ax.set(ylabel="distance", title=title)
    ax.grid(axis="x", visible=False)
    return ax


def curves(
    runs: pd.DataFrame,
    x: str,
    value: str,
    by: str,
    title: str,
    *,
    roles: Mapping[str, str],
    xlabel: str,
    ylabel: str,
    factor: float = PERCENT,
    log_x: bool = True,
) -> Axes:
    """Draw the mean over seeds with its 95 % interval, one line per method.

    Args:
        runs: tidy results, one row per run.
        x: the column of the horizontal axis.
        value: the column that is averaged.
        by: the column that names the method.
        title: a sentence.
        roles: method to role, see `ROLES`; the order is that of the legend.
        xlabel: label with unit.
        ylabel: label with unit.
        factor: what values are multiplied by, 100 for accuracies in per cent.
        log_x: whether the horizontal axis is logarithmic.
    """
    _, ax = plt.subplots()
    for method, name in roles.items():
        role = ROLES[name]
        groups = runs[runs[by] == method].groupby(x)[value]
        effects = {at: mean_effect(group.to_numpy() * factor) for at, group in groups}
        middle = np.array([effect.value for effect in effects.values()])
        spread = [
            [e.value - e.low for e in effects.values()],
            [e.high - e.value for e in effects.values()],
        ]
        ax.errorbar(
            list(effects),
            middle,
            yerr=spread,
            color=role.color,
            marker=role.marker,
            ls=role.linestyle,
            capsize=4,
            label=method,
        )
        wording.note(ax.figure, wording.of_curve(method, list(effects), middle.tolist()))
    if log_x:
        ticks = sorted(runs[x].unique())
        ax.set_xscale("log")
        ax.set_xticks(ticks, labels=[f"{tick:g}" for tick in ticks])
        ax.minorticks_off()
    ax.set(xlabel=xlabel, ylabel=ylabel, title=title)
    ax.legend()
    return ax


def forest(effects: Mapping[str, Effect], title: str, *, xlabel: str) -> Axes:
    """Draw effects with their intervals, one per line; an interval that meets zero shows no effect.

    Args:
        effects: name to effect, from top to bottom, all in one unit.
        title: a sentence.
        xlabel: what the effect is, with its unit.
    """
    _, ax = plt.subplots(figsize=(7.2, 1.3 + 0.5 * len(effects)))
    ax.axvline(0, color="#333333", lw=1.2)
    for at, effect in enumerate(effects.values()):
        factor = UNITS[effect.unit][0]
        clear = effect.low > 0 or effect.high < 0
        role = ROLES["student" if clear else "baseline"]
        ax.errorbar(
            effect.value * factor,
            at,
            xerr=[
                [(effect.value - effect.low) * factor],
                [(effect.high - effect.value) * factor],
            ],
            color=role.color,
            marker=role.marker,
            capsize=4,
        )
    ax.set_yticks(range(len(effects)), labels=list(effects))
    ax.set_ylim(len(effects) - 0.4, -0.6)  # the first on top, none at the frame
    ax.grid(axis="y", visible=False)
    ax.set(xlabel=xlabel, title=title)
    wording.note(ax.figure, wording.of_effects(effects))
    return ax


def strips(table: pd.DataFrame, title: str, *, ylabel: str) -> Axes:
    """Draw one mark per run, a column of marks per method, and the mean as a line.

    Args:
        table: one column per method, one row per seed.
        title: a sentence.
        ylabel: what the values are, with their unit.
    """
    _, ax = plt.subplots(figsize=(1.6 + 1.9 * table.shape[1], 4.2))
    # Spread sideways by run, so that the figure is the same each time, a run stands in the same
    # place of every column, and no order is drawn that would look like a trend.
    for at, column in enumerate(table):
        values = table[column].to_numpy()
        role = ROLES["baseline" if at == 0 else "student"]
        sideways = at + np.linspace(-0.15, 0.15, len(values))
        ax.scatter(sideways, values, color=role.color, marker=role.marker, s=45, alpha=0.75)
        ax.hlines(values.mean(), at - 0.28, at + 0.28, color=role.color, lw=2)
        ax.annotate(f"{values.mean():.1f}", (at + 0.3, values.mean()), va="center", fontsize=11)
    ax.set_xticks(range(table.shape[1]), labels=list(table))
    ax.set_xlim(-0.5, table.shape[1] - 0.3)
    ax.grid(axis="x", visible=False)
    ax.set(ylabel=ylabel, title=title)
    means = {str(name): float(mean) for name, mean in table.mean().items()}
    wording.note(ax.figure, wording.in_order(means).replace("From", "Means from", 1))
    return ax
