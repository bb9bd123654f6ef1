"""The figures: ratios as dots, growth as points on log-log axes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from benchmarks.growth import Fit, Grown
from benchmarks.report import Line
from distill_lessons.plots import ROLES, use_theme

TARGET = "#000000"


def ratios(lines: Sequence[Line]) -> Figure:
    """Draw one dot per row; work that should be faster stands above those that may take longer."""
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
        _dots(ax, group)
    return figure


def _dots(ax: Axes, lines: Sequence[Line]) -> None:
    # Dots, not bars: on a logarithmic axis a bar's length would say nothing. 1× is no difference.
    longer = lines[0].longer
    ax.axvline(1, color="#888888", lw=1, zorder=0)
    for i, n in enumerate(lines):
        role = ROLES["baseline" if n.met is None else "student" if n.met is False else "teacher"]
        ax.plot([n.low, n.high], [i, i], color=role.color, lw=5, alpha=0.4, solid_capstyle="butt")
        ax.plot(n.ratio, i, role.marker, color=role.color, markersize=9)
        if n.goal is not None:
            ax.plot([n.goal] * 2, [i - 0.42, i + 0.42], color=TARGET, lw=2.5, ls=(0, (2, 1)))
        close = n.goal is not None and n.high < n.goal < 1.5 * n.high  # the number would cover it
        ax.annotate(
            f" {n.ratio:.3g}× ",
            (n.goal if close else n.high, i),
            xytext=(7, 0),
            textcoords="offset points",
            va="center",
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
        )
    ax.set_xscale("log")
    low = min(1.0, *(min(n.low, n.goal or 1) for n in lines)) / 1.25
    top = max(1.0, *(max(n.high, n.goal or 1) for n in lines))
    ax.set_xlim(low, top * (top / low) ** 0.14)
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}×"))
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set_yticks(range(len(lines)), [f"{n.work}\nagainst {n.against}" for n in lines], fontsize=9)
    ax.set_ylim(len(lines) - 0.4, -0.6)
    ax.grid(visible=False, axis="y")
    side, word = ("left", "as long") if longer else ("right", "faster")
    ax.set_title(f"Times {word}: the dot should lie {side} of its dashed target")
    missed = "; squares: target missed" if any(n.met is False for n in lines) else ""
    ax.set_xlabel(f"median ratio; band: range over the repeats{missed}", fontsize=10)


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
