"""Attributions drawn on images, and the error of explainers against what they cost.

Attributions have a sign, so colours diverge from white at zero on one symmetric scale for all
panels of a figure. Signs or numbers say the same without colour. Knows nothing about how they are
computed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from distill_lessons.plots import wording
from distill_lessons.plots.pictures import _picture, as_pictures

DIVERGING = "RdBu_r"  # red speaks for a class, blue against it
# Okabe-Ito colours again; methods are no roles, so each has a marker and line of its own.
STYLES = (
    ("#0072B2", "o", "-"),
    ("#D55E00", "s", "-"),
    ("#009E73", "D", "--"),
    ("#CC79A7", "^", "-."),
    ("#555555", "v", ":"),
    ("#E69F00", "P", ":"),
    ("#56B4E9", "X", "--"),
    ("#000000", "*", "-"),
)


def attribution_panel(
    ax: Axes, attribution: Any, limit: float, *, marks: int = 3, regions: Any = None
) -> Any:
    """Draw one attribution map, red for and blue against, and return the picture.

    Args:
        ax: where to draw.
        attribution: one number per pixel, shape `(H, W)`.
        limit: attribution at which the colour is fullest; `-limit` is its opposite.
        marks: how many of the largest attributions for and against get a plus or a minus sign;
            equal ones share one.
        regions: feature numbers of each region where a map shows regions; their attributions are
            then written on them instead of the signs.
    """
    values = np.asarray(attribution, dtype=np.float64)
    if values.ndim != 2:
        raise ValueError(f"attribution has shape {values.shape}; sum over channels to get (H, W).")
    picture = ax.imshow(values, cmap=DIVERGING, vmin=-limit, vmax=limit, interpolation="nearest")
    ax.set_xticks([])
    ax.set_yticks([])
    ax.grid(visible=False)
    # White is a value too: say where a map ends.
    ax.spines[:].set(visible=True, color="#777777", lw=0.8)

    def write(row: float, column: float, text: str, size: int) -> None:
        dark = abs(values[round(row), round(column)]) > 0.6 * limit
        colour = "white" if dark else "#222222"
        ax.text(column, row, text, ha="center", va="center", color=colour, fontsize=size)

    if regions is not None:
        for region in regions:
            rows, columns = np.divmod(np.asarray(region) % values.size, values.shape[1])
            number = round(values[rows[0], columns[0]], 1) + 0.0  # no "−0.0"
            write(rows.mean(), columns.mean(), f"{number:+.1f}".replace("-", "−"), 9)
            corner = (columns.min() - 0.5, rows.min() - 0.5)
            size = (float(np.ptp(columns)) + 1, float(np.ptp(rows)) + 1)
            ax.add_patch(Rectangle(corner, *size, fill=False, edgecolor="#777777", lw=0.5))
        return picture
    levels = np.unique(values)
    signs = [(level, "−") for level in levels[:marks] if level < 0]
    signs += [(level, "+") for level in levels[max(0, len(levels) - marks) :] if level > 0]
    for level, sign in signs:
        where = np.argwhere(values == level)  # many pixels where a region was painted
        middle = where.mean(0)
        if np.prod(np.ptp(where, axis=0) + 1) > len(where):  # no rectangle: stay on a pixel of it
            middle = where[np.abs(where - middle).sum(1).argmin()]
        write(float(middle[0]), float(middle[1]), sign, 12)
    return picture


def attribution_maps(
    maps: Any,
    titles: Sequence[str],
    *,
    title: str,
    images: Any = None,
    rows: Sequence[str] | None = None,
    label: str = "attribution (logits)",
    regions: Any = None,
    marks: int = 3,
    limit: float | None = None,
) -> np.ndarray:
    """Draw attribution maps in a grid, all on one symmetric scale with one colour bar.

    Args:
        maps: attribution of each pixel, channels summed, shape `(M, H, W)` for one row or
            `(R, M, H, W)`.
        titles: a short text above each of the M columns.
        title: a sentence above all.
        images: the image that each row explains, shape `(R, C, H, W)`, drawn on the left.
        rows: a short text for each of the R rows.
        label: what is drawn, with its unit.
        regions: see `attribution_panel`.
        marks: see `attribution_panel`.
        limit: where the colours end, by default at the largest attribution. What lies beyond is
            drawn at the end, so that one large attribution does not bleach all others.

    Returns:
        The Axes, shape `(R, M)`, or `(R, M + 1)` with images.

    Raises:
        ValueError: if maps, titles, images or rows do not fit, a map is not finite, or limit is not
            positive.
    """
    grid = np.asarray(maps, dtype=np.float64)
    grid = grid[None] if grid.ndim == 3 else grid
    if grid.ndim != 4 or grid.shape[1] != len(titles):
        raise ValueError(
            f"maps has shape {np.shape(maps)} for {len(titles)} titles; "
            "give (M, H, W) or (R, M, H, W), channels summed, and one title per column."
        )
    if not np.isfinite(grid).all():
        raise ValueError("maps holds NaN or infinite attributions; find the step that produced it.")
    pictures = None if images is None else as_pictures(images)
    for name, given in (("images", pictures), ("rows", rows)):
        if given is not None and len(given) != len(grid):
            raise ValueError(f"{name} has {len(given)} entries for {len(grid)} rows of maps.")
    first = 0 if pictures is None else 1
    n_rows, n_columns = len(grid), grid.shape[1] + first
    figure, axes = plt.subplots(
        n_rows,
        n_columns,
        figsize=(max(4.5, 1.75 * n_columns + 1.0), 1.75 * n_rows + 0.75),
        squeeze=False,
    )
    largest = float(np.abs(grid).max()) or 1.0
    limit = largest if limit is None else limit
    if not limit > 0:
        raise ValueError(f"limit={limit} leaves no scale; give the attribution at its end, > 0.")
    for r, row in enumerate(grid):
        if pictures is not None:
            _picture(axes[r, 0], pictures[r])
        for c, attribution in enumerate(row):
            shown = attribution_panel(
                axes[r, c + first], attribution, limit, marks=marks, regions=regions
            )
        if rows is not None:
            axes[r, 0].set_ylabel(rows[r], fontsize=11)
    for ax, text in zip(axes[0], ["image"] * first + list(titles), strict=True):
        ax.set_title(text, fontsize=11, fontweight="normal", loc="center")
    label = label.replace(" (", "\n(") if n_rows == 1 else label  # no longer than the bar
    bar = figure.colorbar(shown, ax=axes[:, first:], label=label, shrink=0.9,
                          extend="both" if largest > limit else "neither")  # fmt: skip
    if grid.min() >= 0:
        bar.ax.set_ylim(0, limit)  # no colours that no map has
    figure.suptitle(title, x=0.01, ha="left", fontsize=13, fontweight="bold")
    if grid.shape[0] * grid.shape[1] <= wording.MOST_MAPS:
        for name, row in zip(rows or [""] * n_rows, grid, strict=True):
            for text, values in zip(titles, row, strict=True):
                wording.note(figure, wording.of_map(f"{name} {text}", values))
    return np.asarray(axes)


def error_against_cost(table: pd.DataFrame, title: str, *, exact_rows: float) -> Axes:
    """Draw the error of each explainer against the rows that went through the model.

    Args:
        table: columns `method`, `rows`, `error` (a fraction), one row per method, budget and
            seed; the means over seeds are drawn. A method with several budgets becomes a line.
        title: a sentence.
        exact_rows: what exact values cost, drawn as a line: their error is zero, and zero has no
            place on a logarithmic axis.
    """
    _, ax = plt.subplots(figsize=(9.2, 4.8))
    ends: list[tuple[float, float, str, str, bool]] = []
    for i, (method, runs) in enumerate(table.groupby("method", sort=False)):
        colour, marker, line = STYLES[i % len(STYLES)]
        mean = 100 * runs.groupby("rows")["error"].mean()
        ax.plot(mean.index, mean, color=colour, marker=marker, ls=line)
        ends.append(
            (float(mean.index[-1]), float(mean.iloc[-1]), str(method), colour, len(mean) == 1)
        )
        wording.note(
            ax.figure, wording.of_curve(f"{method} (%)", mean.index.tolist(), mean.tolist())
        )
    ax.axvline(exact_rows, color="#333333", lw=1.2, ls="--")
    across = ax.get_yaxis_transform()  # x from 0 to 1, y in per cent
    ax.hlines(100, 0, 1, transform=across, color="#333333", lw=1.2, ls=":")
    ax.text(0.6, 100, "a map of zeros", transform=across, ha="center", va="bottom", fontsize=11)
    ax.annotate(
        "exact: error 0",
        (exact_rows, 0.98),
        xycoords=("data", "axes fraction"),
        xytext=(-4, 0),
        textcoords="offset points",
        ha="right",
        va="top",
        rotation=90,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},  # it crosses the line at 100
    )
    ax.set(
        xscale="log",
        yscale="log",
        xlabel="rows through the model, per image",
        ylabel="relative error (%)",
        title=title,
    )
    ax.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    _label_ends(ax, ends)
    return ax


def _label_ends(ax: Axes, ends: list[tuple[float, float, str, str, bool]]) -> None:
    """Write names right of last marks, above or below single ones, where there is room.

    Args:
        ax: with logarithmic axes and all marks drawn.
        ends: place of the mark, name and colour of its method, and whether it is a single mark.
    """
    bottom, top = ax.get_ylim()
    ax.set_ylim(bottom, 1.3 * top)
    line = 0.06 * np.log(1.3 * top / bottom)  # the height of a line of text, on this axis
    drawn = np.concatenate(
        [_along(*np.array(one.get_data())) for one in ax.lines[:-1]]
    )  # last: exact values
    letter = 0.0105 * np.ptp(np.log(ax.get_xlim()))  # the width of a letter, on the other axis
    placed: list[tuple[float, float, float]] = []

    def free(left: float, right: float, at: float) -> bool:
        over = (drawn[:, 0] > left + 0.02) & (drawn[:, 0] < right)  # a name begins at its mark
        over &= np.abs(drawn[:, 1] - at) < 0.6 * line
        beside = [other for start, end, other in placed if start < right and left < end]
        clear = not over.any() and at - 0.5 * line > np.log(bottom)
        return clear and all(abs(at - other) >= line for other in beside)

    for x, y, name, colour, single in sorted(ends, key=lambda end: end[1]):
        places = np.log(y) + line * np.array([-0.8, 0.8, -1.6, 1.6] if single else [0, 1, 2, -1])
        left, right = np.log(x), np.log(x) + letter * max(1, len(name) + (-1 if single else 1))
        at = next((place for place in places if free(left, right, place)), places[0])
        placed.append((left, right, at))
        ax.annotate(
            name, (x, np.exp(at)), xytext=(-5 if single else 9, 0), textcoords="offset points",
            va="center", color=colour, fontsize=11,
        )  # fmt: skip


def _along(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return points along a line between its marks, as logarithms, ``(M, 2)``."""
    log_x, log_y = np.log(x), np.log(np.maximum(y, 1e-12))  # an error may be 0
    fine = np.linspace(log_x[0], log_x[-1], 100)
    return np.column_stack([fine, np.interp(fine, log_x, log_y)])
