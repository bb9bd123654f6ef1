"""Pieces of an image that arrive one after another, and the mean of what one of them brings.

Draws the way from a background image to the image that is explained as a waterfall. Knows nothing
about games or models.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from distill_lessons.plots import wording
from distill_lessons.plots.pictures import _picture, as_pictures

FOR, AGAINST, FRAME = "#B2182B", "#2166AC", "#222222"
STYLES = (("#0072B2", "-"), ("#D55E00", "--"), ("#009E73", ":"))


def waterfall(
    frames: Mapping[str, Any],
    values: Mapping[str, Sequence[float]],
    pieces: Mapping[str, int],
    *,
    title: str,
    ylabel: str,
) -> np.ndarray:
    """Draw orders of arrival, one below the other: the mixtures, and a step for each piece.

    Args:
        frames: name of an order to what the model was asked on its way, images
            ``(n + 1, C, H, W)``: first nobody is there, last everybody.
        values: the same names to the outputs on the way, n + 1 numbers each.
        pieces: the same names to the place, from 1, at which the followed piece arrives; its step
            has a dark frame.
        title: a sentence above all.
        ylabel: what the values are, with their unit.

    Returns:
        The Axes of the steps, one per order.

    Raises:
        ValueError: if an order has another number of frames than of values, or the followed piece
            arrives at no place of it.
    """
    for name, images in frames.items():
        n = len(values[name])
        if len(images) != n or not 1 <= pieces[name] < n:
            raise ValueError(
                f"order {name!r} has {len(images)} frames, {n} values and its piece in place "
                f"{pieces[name]}; give as many values as frames, and a place from 1 to {n - 1}."
            )
    steps = max(map(len, values.values()))
    figure = plt.figure(figsize=(max(6.0, 0.62 * steps + 1.2), 2.9 * len(frames) + 0.4))
    grid = figure.add_gridspec(2 * len(frames), steps, height_ratios=[1, 2.6] * len(frames))
    drawn: list[Axes] = []
    for row, (name, images) in enumerate(frames.items()):
        for at, picture in enumerate(as_pictures(images)):
            ax = figure.add_subplot(grid[2 * row, at])
            _picture(ax, picture)
            followed = at == pieces[name]
            ax.spines[:].set(visible=True, color=FRAME, lw=2.2 if followed else 0.5)
        ax = figure.add_subplot(grid[2 * row + 1, :], sharey=drawn[0] if drawn else None)
        _steps(ax, np.asarray(values[name], dtype=float), pieces[name])
        ax.set(ylabel=ylabel, xlim=(-0.5, steps - 0.5))
        ax.set_title(name, fontsize=11, fontweight="normal")
        drawn.append(ax)
    drawn[-1].set_xlabel("pieces of the image, in their order of arrival")
    # One scale for all orders, with room for the numbers at the steps.
    every = np.concatenate([np.asarray(way, dtype=float) for way in values.values()])
    drawn[0].set_ylim(every.min() - 0.06 * np.ptp(every), every.max() + 0.2 * np.ptp(every) + 1e-9)
    figure.suptitle(title, x=0.01, ha="left", fontsize=13, fontweight="bold")
    brings = {
        name: float(values[name][place] - values[name][place - 1]) for name, place in pieces.items()
    }
    said = wording.listed([f"{wording.number(step)} ({name})" for name, step in brings.items()])
    wording.note(figure, f"The step of the framed piece: {said}.")
    return np.asarray(drawn)


def _steps(ax: Axes, values: np.ndarray, followed: int) -> None:
    change = np.diff(values)
    place = np.arange(1, len(values))
    ax.axhline(0, color="#999999", lw=0.8)
    bars = ax.bar(
        place, change, bottom=values[:-1], width=0.8, color=np.where(change >= 0, FOR, AGAINST)
    )
    bars[followed - 1].set(edgecolor=FRAME, linewidth=2.5)
    ax.plot(0, values[0], color=FRAME, marker="_", markersize=16, mew=2)
    ax.step(np.arange(len(values)), values, where="mid", color=FRAME, lw=0.8)
    last = len(values) - 1
    for at, top in ((0, max(values[0], 0.0)), (last, max(values[-2:]))):  # above bars and zero
        ax.annotate(
            wording.number(round(float(values[at]), 1)), (at, top), xytext=(0, 4), ha="center",
            textcoords="offset points", fontsize=10,
        )  # fmt: skip
    ax.annotate(
        f"{change[followed - 1]:+.1f}".replace("-", "−"),
        (followed, max(values[followed - 1 : followed + 1])), xytext=(0, 4), ha="center",
        textcoords="offset points", fontsize=11, fontweight="bold",
    )  # fmt: skip
    ax.set_xticks([])
    ax.grid(axis="x", visible=False)


def settling(
    steps: Mapping[str, Sequence[float]], exact: Mapping[str, float], *, title: str, ylabel: str
) -> Axes:
    """Draw the mean of what a piece brings, over more and more orders, and the exact value.

    Args:
        steps: name of a line to what the piece brought in one order after another.
        exact: the same names to the mean over all orders, drawn as a thin line.
        title: a sentence.
        ylabel: what is averaged, with its unit.

    Raises:
        ValueError: if a line has no step, or there are more lines than styles.
    """
    if len(steps) > len(STYLES) or not all(len(brought) for brought in steps.values()):
        raise ValueError(
            f"steps has {len(steps)} lines of {[len(b) for b in steps.values()]} orders; give one "
            f"to {len(STYLES)} lines of at least one order."
        )
    _, ax = plt.subplots(figsize=(8.2, 4.2))
    for (name, brought), (color, line) in zip(steps.items(), STYLES, strict=False):
        orders = np.arange(1, len(brought) + 1)
        mean = np.cumsum(np.asarray(brought, dtype=float)) / orders
        ax.plot(orders, mean, color=color, ls=line)
        ax.axhline(exact[name], color=color, lw=0.8)
        ax.annotate(
            f"{name}: {wording.number(exact[name])}", (1.01, exact[name]), color=color, va="center",
            xycoords=("axes fraction", "data"), fontsize=11, annotation_clip=False,
        )  # fmt: skip
        wording.note(
            ax.figure,
            f"{name}: {wording.number(mean[0])} in the first order, {wording.number(mean[-1])} on "
            f"average over {len(mean)}, exactly {wording.number(exact[name])}.",
        )
    ax.set(xscale="log", xlabel="orders of arrival", ylabel=ylabel, title=title)
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    return ax
