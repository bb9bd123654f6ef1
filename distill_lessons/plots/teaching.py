"""Figures that teach one idea each: temperature as bars, spread as a band, pairs of runs, the map.

They draw what they are given: probabilities, numbers, names. Knows nothing about models.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch

from distill_lessons.plots import wording
from distill_lessons.plots.theme import ROLES, say_cut

BAND = "the middle 80 of 100"
LONG_NAME = 2  # class names of more letters stand upright under their bars


def class_bars(ax: Axes, p: Any, classes: Sequence[str]) -> Any:
    """Draw the probabilities of the classes as bars, and return the bars.

    Args:
        ax: where to draw.
        p: probabilities, shape ``(K,)``.
        classes: K names.

    Raises:
        ValueError: if there is not one name per probability.
    """
    p = np.asarray(p)
    if p.shape != (len(classes),):
        raise ValueError(
            f"classes has {len(classes)} names for probabilities of shape {p.shape}; give one each."
        )
    bars = ax.bar(range(len(classes)), p, color=ROLES["teacher"].color)
    upright = max(map(len, classes)) > LONG_NAME
    ax.set_xticks(range(len(classes)), labels=list(classes), fontsize=10)
    ax.tick_params(axis="x", rotation=90 if upright else 0)
    ax.set(ylim=(0, 1.02), xlabel="class", ylabel="probability")
    ax.grid(axis="x", visible=False)
    return bars


def temperature_bars(p: Mapping[float, Any], classes: Sequence[str], title: str) -> np.ndarray:
    """Draw one image's soft targets at several temperatures, side by side.

    Args:
        p: temperature to the soft targets at it, shape ``(K,)``; one panel each.
        classes: K names.
        title: a sentence.

    Returns:
        The Axes, one per temperature.
    """
    figure, axes = plt.subplots(1, len(p), figsize=(2.7 * len(p), 3.0), sharey=True, squeeze=False)
    for ax, (T, values) in zip(axes[0], p.items(), strict=True):
        row = np.asarray(values.cpu() if hasattr(values, "cpu") else values)
        class_bars(ax, row, classes)
        nats = -(row[row > 0] * np.log(row[row > 0])).sum()
        ax.set_title(f"T = {T:g}, entropy {abs(nats):.2f} nats", fontsize=11, fontweight="normal")
        ax.label_outer()
    figure.suptitle(title, x=0.01, ha="left", fontsize=13, fontweight="bold")
    return np.asarray(axes[0])


def bands(
    x: Sequence[float] | np.ndarray,
    groups: Mapping[str, tuple[Any, str]],
    title: str,
    *,
    xlabel: str,
    ylabel: str,
    limits: Mapping[str, float] | None = None,
) -> Axes:
    """Draw medians as lines and the middle 80 of 100 values as bands, on a logarithmic x-axis.

    Args:
        x: positive positions, shape ``(M,)``.
        groups: name to the pair of values ``(M, N)`` and role, see `ROLES`.
        title: a sentence.
        xlabel: label with unit.
        ylabel: label with unit.
        limits: name to height of a horizontal line.
    """
    _, ax = plt.subplots()
    for number, (name, (values, style)) in enumerate(groups.items()):
        role = ROLES[style]
        low, middle, high = np.quantile(np.asarray(values), [0.1, 0.5, 0.9], axis=1)  # (M,) each
        ax.plot(
            x, middle, color=role.color, ls=role.linestyle, marker=role.marker, ms=4, label=name
        )
        said = None if number else BAND  # in the legend once, whatever its colour
        ax.fill_between(x, low, high, color=role.color, alpha=0.2, lw=0, label=said)
    for name, height in (limits or {}).items():
        ax.axhline(height, color="#333333", ls="--", lw=1.2)
        ax.annotate(name, (x[0], height), xytext=(2, -4), textcoords="offset points", va="top")
    ax.set(xscale="log", xlabel=xlabel, ylabel=ylabel, title=title)
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    ax.legend(loc="center left")
    return ax


def pairs(
    first: tuple[str, Sequence[float] | np.ndarray, str],
    second: tuple[str, Sequence[float] | np.ndarray, str],
    title: str,
    *,
    ylabel: str,
) -> Axes:
    """Draw two treatments of the same seeds, a thin line joining each pair.

    Args:
        first: name, one value per seed ``(n,)``, and role, see `ROLES`.
        second: the same for the other treatment.
        title: a sentence.
        ylabel: label with unit.
    """
    _, ax = plt.subplots(figsize=(5.2, 4.0))
    sides = [(name, np.asarray(values), ROLES[role]) for name, values, role in (first, second)]
    for a, b in zip(sides[0][1], sides[1][1], strict=True):
        ax.plot([0, 1], [a, b], color="#BBBBBB", lw=1.2, zorder=1)
    for at, (_, values, role) in enumerate(sides):
        ax.scatter([at] * len(values), values, color=role.color, marker=role.marker, s=60, zorder=2)
    ax.set_xticks([0, 1], labels=[side[0] for side in sides])
    ax.set(xlim=(-0.5, 1.5), ylabel=ylabel, title=title)
    ax.grid(axis="x", visible=False)
    say_cut(ax)
    rises = int((sides[1][1] > sides[0][1]).sum())
    wording.note(ax.figure, f"{rises} of {len(sides[0][1])} lines rise.", shown=True)
    return ax


def course_map(
    boxes: Mapping[str, tuple[float, float, str]],
    arrows: Sequence[tuple[str, str, str]],
    title: str,
) -> Axes:
    """Draw named boxes and labelled arrows between them.

    Args:
        boxes: name to x, y (any unit) and role, see `ROLES`.
        arrows: from, to, and the words beside the arrow.
        title: a sentence.

    Raises:
        ValueError: if an arrow names a box that is not there.
    """
    unknown = [name for a, b, _ in arrows for name in (a, b) if name not in boxes]
    if unknown:
        raise ValueError(f"arrows name {unknown}, not among boxes {list(boxes)}; add or rename.")
    _, ax = plt.subplots(figsize=(9.6, 4.0))
    wide, high = 1.1, 0.34
    for name, (x, y, style) in boxes.items():
        colour = ROLES[style].color
        corner = (x - wide / 2, y - high / 2)
        ax.add_patch(
            FancyBboxPatch(
                corner, wide, high, boxstyle="round,pad=0.06", fc=colour, ec=colour, alpha=0.16
            )
        )
        ax.text(x, y, name, ha="center", va="center", fontsize=12, fontweight="bold")
    for a, b, words in arrows:
        start, end = np.array(boxes[a][:2]), np.array(boxes[b][:2])
        # From edge to edge: along the axis on which the boxes lie further apart.
        along = np.abs(end - start).argmax()
        step = np.zeros(2)
        step[along] = np.sign(end - start)[along] * ((wide, high)[along] / 2 + 0.1)
        ax.annotate(
            "",
            tuple(end - step),
            tuple(start + step),
            arrowprops={"arrowstyle": "-|>", "lw": 1.6, "color": "#333333"},
        )
        ax.annotate(
            words,
            tuple((start + end) / 2),
            xytext=(0, 5) if along == 0 else (8, 0),
            textcoords="offset points",
            ha="center" if along == 0 else "left",
            va="bottom" if along == 0 else "center",
            fontsize=11,
        )
    xs, ys = zip(*[(x, y) for x, y, _ in boxes.values()], strict=True)
    ax.set(xlim=(min(xs) - 0.7, max(xs) + 0.7), ylim=(min(ys) - 0.4, max(ys) + 0.4), title=title)
    ax.set_axis_off()
    return ax
