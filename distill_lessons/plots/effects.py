"""Effects with their intervals, and the runs that they come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from distill_lessons.claims import UNITS, Effect, rounded
from distill_lessons.plots import wording
from distill_lessons.plots.theme import ROLES, say_cut

# Where an interval lies: colour, its name, and a marker that says the same without colour.
SIDES = {
    "above": (ROLES["student"].color, "orange", ">"),
    "below": ("#7B3294", "purple", "<"),
    "at": (ROLES["baseline"].color, "grey", "o"),
}


def forest(effects: Mapping[str, Effect], title: str, *, xlabel: str) -> Axes:
    """Draw effects with their intervals, one per line, and write both beside them.

    Colour and marker say whether an interval lies above zero, below it, or meets it: then the
    experiment shows no effect.

    Args:
        effects: name to effect, from top to bottom, all in one unit.
        title: a sentence, at the left edge of the figure.
        xlabel: what the effect is, with its unit.
    """
    letters = max(len(line) for name in effects for line in name.split("\n"))
    figure, ax = plt.subplots(figsize=(6.6 + 0.07 * letters, 1.4 + 0.5 * len(effects)))
    ax.axvline(0, color="#333333", lw=1.2)
    sides = wording.sides(effects)
    widest = max(UNITS[e.unit][0] * max(abs(e.low), abs(e.high)) for e in effects.values())
    digits = 1 if widest >= 2 else 2 if widest >= 0.3 else 3

    def written(number: float, clear: bool) -> str:
        text = rounded(number, digits, clear=clear)
        return text.replace("-", "−") if float(text) else "0"

    for at, (name, effect) in enumerate(effects.items()):
        factor, (color, _, marker) = UNITS[effect.unit][0], SIDES[sides[name]]
        value, low, high = (factor * end for end in (effect.value, effect.low, effect.high))
        ax.errorbar(
            value, at, xerr=[[value - low], [high - value]], color=color, marker=marker, capsize=4
        )
        mean, start, end = (written(x, sides[name] != "at") for x in (value, low, high))
        ax.annotate(
            f"{mean} [{start}, {end}]", (1.02, at), fontsize=10.5,
            xycoords=("axes fraction", "data"), va="center", color=color, annotation_clip=False,
        )  # fmt: skip
    ax.set_yticks(range(len(effects)), labels=list(effects))
    ax.set_ylim(len(effects) - 0.4, -0.6)  # the first on top, none at the frame
    ax.grid(axis="y", visible=False)
    ax.set(xlabel=xlabel)
    figure.suptitle(title, x=0.01, ha="left", fontsize=13, fontweight="bold")
    drawn = [side for side in SIDES if side in sides.values()]
    words = {"above": "above zero", "below": "below zero", "at": "across zero"}
    key = ", ".join(f"{SIDES[side][1]} {words[side]}" for side in drawn)
    wording.note(figure, f"Intervals: {key}.", shown=True)
    wording.note(figure, wording.of_effects(effects))
    return ax


def strips(
    table: pd.DataFrame,
    title: str,
    *,
    ylabel: str,
    roles: Sequence[str] | None = None,
    joined: bool = False,
) -> Axes:
    """Draw one mark per run, a column of marks per method, and the mean as a line.

    Args:
        table: one column per method, one row per seed.
        title: a sentence.
        ylabel: what the values are, with their unit.
        roles: of the columns, see `ROLES`; by default a baseline, and students.
        joined: whether a line joins the marks of a run.
    """
    roles = ["baseline", *["student"] * (table.shape[1] - 1)] if roles is None else roles
    written = wording.alike(table.mean())
    _, ax = plt.subplots(figsize=(1.6 + 1.9 * table.shape[1], 4.2))
    # Spread sideways by run, so that the figure is the same each time, a run stands in the same
    # place of every column, and no order is drawn that would look like a trend.
    places = np.linspace(-0.15, 0.15, len(table))
    if joined:
        for place, values in zip(places, table.to_numpy(), strict=True):
            ax.plot(place + np.arange(table.shape[1]), values, color="#BBBBBB", lw=0.8, zorder=0)
    for at, column in enumerate(table):
        values = table[column].to_numpy()
        role = ROLES[roles[at]]
        sideways = at + places
        ax.scatter(sideways, values, color=role.color, marker=role.marker, s=45, alpha=0.75)
        ax.hlines(values.mean(), at - 0.28, at + 0.28, color=role.color, lw=2)
        ax.annotate(written[at], (at + 0.3, values.mean()), va="center", fontsize=11)
    ax.set_xticks(range(table.shape[1]), labels=list(table))
    ax.set_xlim(-0.5, table.shape[1] - 0.3)
    ax.grid(axis="x", visible=False)
    ax.set(ylabel=ylabel, title=title)
    lowest, highest = float(table.min().min()), float(table.max().max())
    if 0 <= lowest < highest / 2:
        ax.set_ylim(-0.03 * highest, None)
    say_cut(ax)
    means = {str(name): float(mean) for name, mean in table.mean().items()}
    wording.note(ax.figure, wording.in_order(means).replace("From", "Means from", 1))
    return ax
