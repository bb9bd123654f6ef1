"""The figures: ratios as bars, growth as points on log-log axes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from benchmarks.growth import Fit, Grown
from benchmarks.report import Line
from distill_lessons.plots import ROLES, use_theme

TARGET = "#000000"


def ratios(lines: Sequence[Line]) -> Figure:
    """Draw one bar per row; works that shall be faster stand above those that may take longer."""
    use_theme()
    groups = [[n for n in lines if not n.longer], [n for n in lines if n.longer]]
    groups = [group for group in groups if group]
    figure, axes = plt.subplots(
        len(groups),
        figsize=(9.6, 1.4 + 0.62 * len(lines) + 0.8 * len(groups)),
        height_ratios=[len(group) + 0.4 for group in groups],
        squeeze=False,
    )
    for ax, group in zip(axes[:, 0], groups, strict=True):
        _bars(ax, group)
    return figure


def _bars(ax: Axes, lines: Sequence[Line]) -> None:
    longer = lines[0].longer
    short = [n for n in lines if n.met is False]
    start = 0.8 * min(1.0, *(min(n.low, n.goal or n.low) for n in lines))
    for i, n in enumerate(lines):
        role = ROLES["baseline" if n.met is None else "student" if n in short else "teacher"]
        ax.barh(i, n.ratio - start, left=start, height=0.6, color=role.color, alpha=0.75,
                hatch="//" if n in short else "", edgecolor="white")  # fmt: skip
        ax.plot([n.low, n.high], [i, i], color="#222222", marker="|", markersize=8, lw=1.5)
        if n.goal is not None:
            ax.plot([n.goal] * 2, [i - 0.42, i + 0.42], color=TARGET, lw=2.5, ls=(0, (2, 1)))
        ax.annotate(
            f" {n.ratio:.3g}× ",
            (n.high, i),
            xytext=(5, 0),
            textcoords="offset points",
            va="center",
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
        )
    ax.set_xscale("log")
    top = max(max(n.high, n.goal or 0) for n in lines)
    ax.set_xlim(start, top * (top / start) ** 0.12)
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}×"))
    ax.set_yticks(range(len(lines)), [f"{n.work}\nagainst {n.against}" for n in lines], fontsize=9)
    ax.set_ylim(len(lines) - 0.4, -0.6)
    ax.grid(visible=False, axis="y")
    words = "Times as long: a bar shall end before its dashed target"
    if not longer:
        words = "Times faster: a bar shall pass its dashed target"
    ax.set_title(words)
    hatched = "; hatched: target not met" if short else ""
    ax.set_xlabel(f"median ratio; thin line: range over repeats{hatched}", fontsize=10)


def growth(grown: Grown) -> Figure:
    """Draw time and memory against size on log-log axes, with the fitted straight line."""
    use_theme()
    figure, axes = plt.subplots(1, 2, figsize=(9.6, 3.9))
    series = (
        ("seconds", grown.seconds, grown.time, ROLES["teacher"]),
        ("MiB above the start", grown.mebibytes, grown.memory, ROLES["student"]),
    )
    for ax, (label, values, fit, role) in zip(axes, series, strict=True):
        shown = np.asarray(values) > 0
        sizes = np.asarray(grown.sizes)[shown]
        ax.plot(sizes, np.asarray(values)[shown], role.marker, color=role.color, label="measured")
        if fit is not None:
            ends = np.array([min(sizes), max(sizes)])
            ax.plot(ends, fit.at(ends), "--", color="#222222", lw=1.5, label=_words(fit))
        ax.set(xscale="log", yscale="log", xlabel=grown.axis, ylabel=label)
        ax.legend()
    figure.suptitle(grown.title, fontsize=13, fontweight="bold")
    return figure


def _words(fit: Fit) -> str:
    return f"exponent {fit.slope:.2f} [{fit.low:.2f}, {fit.high:.2f}]"


def save(figure: Figure, path: Path) -> None:
    figure.savefig(path, dpi=120, bbox_inches="tight", facecolor="white")
    plt.close(figure)
