"""Curves and tables: what was trained, how it is calibrated, what looks alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb

from distill_lessons.claims import mean_effect, share_effect
from distill_lessons.plots import wording
from distill_lessons.plots.theme import ROLES, SEQUENTIAL, say_cut

PERCENT = 100.0
# After a role's own marker and line, those of other methods of that role.
SHAPES, LINES = ("P", "v"), ("--", ":")
# A bin of fewer images says next to nothing.
FEW = 10


def learning_curves(
    history: pd.DataFrame, *, accept_loss: float | None = None, accepted: int = 0
) -> Axes:
    """Draw training and validation loss against epochs; the title says where one is accepted.

    Args:
        history: a row per epoch, as of `training.History.frame`.
        accept_loss: the threshold of acceptance.
        accepted: the epoch in which a teacher was accepted; 0 for none.
    """
    _, ax = plt.subplots()
    epochs = history["epoch"]
    for column, name, style in (
        ("train_loss", "training", "baseline"),
        ("valid_loss", "validation", "teacher"),
    ):
        if column in history:
            role = ROLES[style]
            marker = role.marker if style == "teacher" else ""
            ax.plot(
                epochs, history[column], color=role.color, ls=role.linestyle, marker=marker, ms=5,
                label=name,
            )  # fmt: skip
            wording.note(ax.figure, wording.of_curve(f"{name} loss", [*epochs], [*history[column]]))
    title = "Loss, epoch by epoch"
    if "valid_loss" in history:
        best = int(epochs[history["valid_loss"].idxmin()])
        title = f"The validation loss is lowest in epoch {best} of {len(history)}"
    if accept_loss is not None:
        ax.axhline(accept_loss, color=ROLES["control"].color, ls=":", label="threshold")
    if accepted and accept_loss is not None:
        title = f"Accepted in epoch {accepted}, the first at or below {accept_loss:g}"
    if accepted:
        ax.axvline(accepted, color=ROLES["control"].color, lw=1.2)
        ax.annotate(
            f"accepted: epoch {accepted}", (accepted, 1), xycoords=("data", "axes fraction"),
            xytext=(4, -2), textcoords="offset points", va="top", color=ROLES["control"].color,
        )  # fmt: skip
    ax.set(xlabel="epoch", ylabel="cross-entropy (nats)", yscale="log", title=title)
    ax.legend()
    return ax


def reliability(
    tables: Mapping[str, pd.DataFrame],
    roles: Sequence[str] = ("teacher", "control", "baseline"),
) -> np.ndarray:
    """Draw accuracy against confidence, bin by bin, with the images and the interval of each bin.

    A calibrated model lies on the diagonal. The title and the notes count the bins.

    Args:
        tables: the name of a model to its table of `distill_lessons.evaluation.calibration`.
        roles: what the models are, in that order, see `ROLES`.

    Returns:
        The Axes, one for each model.

    Raises:
        ValueError: if there are more models than roles.

    Source: Wilson (1927) for the intervals, as in `claims.share_effect`.
    """
    if len(tables) > len(roles):
        raise ValueError(
            f"roles={roles} are {len(roles)} for the {len(tables)} models of tables; give one each."
        )
    figure, axes = plt.subplots(
        1, len(tables), figsize=(5.2 * len(tables), 4.4), squeeze=False, sharey=True
    )
    for ax, (name, table), key in zip(axes[0], tables.items(), roles, strict=False):
        role = ROLES[key]
        ax.plot([0, 1], [0, 1], color="#999999", ls=":")
        met = 0
        for confidence, accuracy, n in zip(
            table["confidence"], table["accuracy"], table["images"], strict=True
        ):
            right = round(accuracy * n)
            effect = share_effect(np.arange(int(n)) < right)
            met += effect.low <= confidence <= effect.high
            ax.plot([confidence] * 2, [effect.low, effect.high], color=role.color, lw=1.6)
            ax.plot(confidence, accuracy, color=role.color, marker=role.marker, ls="")
            ax.annotate(
                # Clear of a mark that stands at the lower end.
                f"{int(n)}", (confidence, effect.low), xytext=(0, -3 if accuracy - effect.low > 0.05
                else -8), textcoords="offset points",
                ha="center", va="top", fontsize=10,
            )  # fmt: skip
        counts = table["images"]
        ax.set_title(
            f"{name}: {int(counts.max())} of {int(counts.sum())} images in one bin", fontsize=12
        )
        ax.set(xlabel="confidence", xlim=(0, 1.05), ylim=(-0.13, 1.05))
        wording.note(
            figure,
            f"{name}: the intervals of {met} of {len(table)} bins meet the diagonal; "
            f"{int((counts < FEW).sum())} hold fewer than {FEW} images.",
        )
    axes[0, 0].set_ylabel("accuracy")
    return np.asarray(axes[0])


def heatmap(
    table: pd.DataFrame,
    title: str,
    *,
    label: str,
    fmt: str = ".1f",
    center: float | None = None,
    limits: tuple[float, float] | None = None,
) -> Axes:
    """Draw a table as an annotated heatmap.

    Args:
        table: the values; index and columns name the axes.
        title: a sentence.
        label: what the values are, with their unit.
        fmt: how a value is written into its cell.
        center: a value at which a diverging colour map is white; None for a sequential map.
        limits: the values at both ends of the colours; by default the smallest and the largest.
            What is no number stays blank.
    """
    import seaborn as sns

    height = max(2.8, 0.46 * len(table) + 1.5)
    low, high = limits or (None, None)
    names = 0.09 * max(len(str(name)) for name in table.index)  # inches, so that cells stay wide
    _, ax = plt.subplots(figsize=(max(5.5, 0.66 * table.shape[1] + 1.8 + names), height))
    sns.heatmap(
        table,
        annot=True,
        fmt=fmt,
        ax=ax,
        cmap=SEQUENTIAL if center is None else "RdBu_r",
        center=center,
        vmin=low,
        vmax=high,
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


def _darker(color: str, by: float) -> tuple[float, ...]:
    return tuple((1 - 0.9 * by) * part for part in to_rgb(color))


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
    ax: Axes | None = None,
) -> Axes:
    """Draw the mean over seeds with its 95 % interval, one line per method.

    Args:
        runs: tidy results, one row per run.
        x: the column of the horizontal axis.
        value: the column that is averaged.
        by: the column that names the method.
        title: a sentence.
        roles: method to role, see `ROLES`; the order is that of the legend. Methods of one role
            are drawn side by side, in shades of its colour.
        xlabel: label with unit.
        ylabel: label with unit.
        factor: what values are multiplied by, 100 for accuracies in per cent.
        log_x: whether the horizontal axis is logarithmic.
        ax: where to draw; a figure of its own by default.
    """
    ax = plt.subplots()[1] if ax is None else ax
    alike: dict[str, list[str]] = {}
    for method, name in roles.items():
        alike.setdefault(name, []).append(method)
    for method, name in roles.items():
        role, nth, of = ROLES[name], alike[name].index(method), len(alike[name])
        groups = runs[runs[by] == method].groupby(x)[value]
        effects = {at: mean_effect(group.to_numpy() * factor) for at, group in groups}
        middle = np.array([effect.value for effect in effects.values()])
        spread = [
            [e.value - e.low for e in effects.values()],
            [e.high - e.value for e in effects.values()],
        ]
        aside = nth - (of - 1) / 2
        ax.errorbar(
            [at * 1.04**aside if log_x else at for at in effects],
            middle,
            yerr=spread,
            color=_darker(role.color, nth / of) if nth else role.color,
            marker=(role.marker, *SHAPES)[nth % (1 + len(SHAPES))],
            ls=(role.linestyle, *LINES)[nth % (1 + len(LINES))],
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
    say_cut(ax)
    ax.legend()
    return ax
