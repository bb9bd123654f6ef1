"""Soft targets of one image: at two temperatures, and beside those of other teachers.

They draw probabilities, whoever computed them. Knows nothing about models.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from distill_lessons.plots.pictures import _picture, as_pictures
from distill_lessons.plots.teaching import class_bars
from distill_lessons.plots.theme import ROLES


def open_question(
    image: Any, p: Mapping[float, Any], classes: Sequence[str], *, title: str = "an image"
) -> np.ndarray:
    """Draw an image, its soft targets at some temperatures, and an empty frame for another teacher.

    Args:
        image: in [0, 1], shape ``(C, H, W)``.
        p: temperature to the soft targets at it, shape ``(K,)``.
        classes: K names.
        title: a few words above the image.

    Returns:
        The Axes, from left to right.
    """
    _, axes = plt.subplots(
        1, 2 + len(p), figsize=(10.4, 2.7), width_ratios=[0.75, *[1] * len(p), 1]
    )
    _picture(axes[0], as_pictures(image[None])[0])
    axes[0].set_title(title, fontsize=11, fontweight="normal", loc="center")
    for ax, (T, row) in zip(axes[1:], p.items(), strict=False):
        class_bars(ax, np.asarray(row), classes)
        ax.set_title(f"a teacher, T = {T:g}", fontsize=11, fontweight="normal", loc="center")
        ax.set_xlabel("class", fontsize=11)
        ax.set_ylabel("probability" if ax is axes[1] else "")
    last = axes[-1]
    class_bars(last, np.zeros(len(classes)), classes)
    last.text(
        0.5, 0.5, "?", fontsize=60, ha="center", va="center", transform=last.transAxes,
        color=ROLES["control"].color,
    )  # fmt: skip
    last.set_xlabel("class", fontsize=11)
    last.set_ylabel("")
    last.set_title(
        f"another teacher, T = {max(p):g}", fontsize=11, fontweight="normal", loc="center"
    )
    return np.asarray(axes)


def beside_others(
    ours: Mapping[float, Any],
    others: Mapping[str, Mapping[float, Any]],
    classes: Sequence[str],
    right: int,
    *,
    yours: Any = None,
) -> np.ndarray:
    """Draw a teacher's soft targets as bars, and those of other teachers as marks on them.

    The scale of a column is that of the wrong classes; the bar of the right one is cut there, and
    its height is written beside it.

    Args:
        ours: temperature to our teacher's soft targets of an image, shape ``(K,)``; a column each.
        others: the words of a row to temperature to other teachers' soft targets, ``(M, K)``.
        classes: K names.
        right: the right class.
        yours: the reader's own bars, shape ``(K,)``, on the scale of the last column.

    Returns:
        The Axes, shape ``(rows, columns)``.

    Raises:
        ValueError: if `yours` is not one number for each class.
    """
    if yours is not None:
        drawn = np.asarray(yours, dtype=float)
        if drawn.shape != (len(classes),) or not np.isfinite(drawn).all():
            raise ValueError(
                f"yours={drawn.tolist()} should be {len(classes)} numbers, one for each class, and "
                "not all of them 0."
            )
    figure, axes = plt.subplots(
        len(others), len(ours), figsize=(10.4, 2.1 * len(others) + 0.4), squeeze=False, sharex=True
    )
    wrong = np.arange(len(classes)) != right
    bars = {T: np.asarray(p, dtype=float) for T, p in ours.items()}
    for column, T in enumerate(bars):
        dots = [np.asarray(by_T[T], dtype=float) for by_T in others.values()]
        top = 1.15 * max(bars[T][wrong].max(), *(found[:, wrong].max() for found in dots))
        for row, (words, found) in enumerate(zip(others, dots, strict=True)):
            ax = axes[row, column]
            _bars_and_dots(ax, bars[T], found, classes)
            ax.set_ylim(0, top)
            if bars[T][right] > top:
                ax.annotate(
                    f"{bars[T][right]:.3g}", (right, top), xytext=(0, -2), va="top", ha="center",
                    textcoords="offset points", fontsize=9, color="#222222", rotation=90,
                )  # fmt: skip
            if row == 0:
                ax.set_title(f"T = {T:g}", fontsize=11, fontweight="normal", loc="center")
            if row == len(others) - 1:
                ax.set_xlabel("class", fontsize=11)
            if column == 0:
                ax.set_ylabel(words, fontsize=11)
            if yours is not None and row == 0 and column == len(bars) - 1:
                ax.step(
                    np.arange(-1, len(classes) + 1), np.r_[0, np.asarray(yours), 0], where="mid",
                    color=ROLES["student"].color, lw=1.6, label="yours",
                )  # fmt: skip
    role, dot = ROLES["teacher"], ROLES["control"]
    handles = [
        Rectangle((0, 0), 1, 1, color=role.color, alpha=0.55),
        Line2D([], [], color=dot.color, marker=dot.marker, ls="", ms=5),
    ]
    names = ["our teacher, this image", "one mark for each other teacher"]
    if yours is not None:
        handles.append(Line2D([], [], color=ROLES["student"].color, lw=1.6))
        names.append("yours")
    figure.legend(handles, names, loc="outside upper left", ncols=3)
    return axes


def _bars_and_dots(ax: Axes, bars: np.ndarray, dots: np.ndarray, classes: Sequence[str]) -> None:
    for bar in class_bars(ax, bars, classes):
        bar.set_alpha(0.55)
    ax.set_axisbelow(True)
    ax.set(xlabel="", ylabel="")
    control = ROLES["control"]
    # Beside each other and not on each other, so that equal ones are all seen.
    sideways = np.linspace(-0.26, 0.26, len(dots))
    for shift, row in zip(sideways, dots, strict=True):
        ax.plot(
            np.arange(len(classes)) + shift, row, color=control.color, marker=control.marker,
            ls="", ms=3.5, mec="white", mew=0.4,
        )  # fmt: skip
