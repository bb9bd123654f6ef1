"""A decision tree with the way of one input, and beside it what each input was worth.

Draws what `whitebox.trees` reads and `explain.known` computes. Knows nothing about training.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from distill_lessons.plots import wording
from distill_lessons.whitebox.trees import Question, node_values, route

TAKEN, OTHER, AGAINST = "#D55E00", "#999999", "#0072B2"


def reading(
    tree: Any,
    row: Any,
    values: Any,
    names: Sequence[str],
    classes: Sequence[str],
    title: str,
    *,
    most: int = 8,
) -> np.ndarray:
    """Draw a tree with one input's way through it, and the values of the inputs as bars.

    Bars of inputs that the way asks about are filled; those of others are hollow.

    Args:
        tree: a grown tree of a few levels.
        row: the input, ``(F,)``.
        values: what each input is worth for one class, ``(F,)``.
        names: of the F inputs.
        classes: of the K answers.
        title: a sentence.
        most: how many bars at most; the largest.

    Returns:
        The two Axes.
    """
    asked = route(tree, row)
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(12.5, 4.6), width_ratios=(2.1, 1), layout="constrained"
    )
    _tree(left, tree, asked, names, classes)
    _bars(right, np.asarray(values, float), {q.feature for q in asked}, names, most)
    figure.suptitle(title, x=0.01, ha="left", fontsize=13, fontweight="bold")
    said = [
        f"{names[q.feature]} {wording.number(q.value)} "
        f"{'≤' if q.yes else '>'} {wording.number(q.threshold)}"
        for q in asked
    ]
    wording.note(figure, f"The way: {'; '.join(said)}.", shown=True)
    return np.array([left, right])


def _tree(
    ax: Axes, tree: Any, asked: Sequence[Question], names: Sequence[str], classes: Sequence[str]
) -> None:
    grown, answers = tree.tree_, node_values(tree)
    on_way = {q.node for q in asked}
    if asked:
        last = asked[-1]
        sides = grown.children_left if last.yes else grown.children_right
        on_way.add(int(sides[last.node]))
    place: dict[int, tuple[float, int]] = {}
    leaves = 0

    def lay(node: int, depth: int) -> float:
        nonlocal leaves
        if grown.feature[node] < 0:
            at, leaves = float(leaves), leaves + 1
        else:
            below = (int(grown.children_left[node]), int(grown.children_right[node]))
            at = sum(lay(child, depth + 1) for child in below) / 2
        place[node] = at, depth
        return at

    lay(0, 0)
    for node, (x, depth) in place.items():
        for child, word in ((grown.children_left[node], "yes"), (grown.children_right[node], "no")):
            if child < 0:
                continue
            x_to, to = place[int(child)]
            taken = {node, int(child)} <= on_way
            color = TAKEN if taken else OTHER
            ax.plot([x, x_to], [-depth, -to], color=color, lw=3 if taken else 1.2, zorder=1)
            if node == 0:
                ax.annotate(
                    word, ((x + x_to) / 2, -(depth + to) / 2), fontsize=10, ha="center",
                    va="center", color=color,
                    bbox={"fc": "white", "ec": "none", "pad": 1},
                )  # fmt: skip
        if grown.feature[node] < 0:
            best = int(answers[node].argmax())
            text = f"{classes[best]}\n{answers[node, best]:.2f}"
        else:
            name = names[grown.feature[node]].replace(" ", "\n")
            text = f"{name}\n≤ {wording.number(float(grown.threshold[node]))}"
        style = {
            "boxstyle": "round,pad=0.3", "fc": "white", "lw": 2.4 if node in on_way else 1.0,
            "ec": TAKEN if node in on_way else OTHER,
        }  # fmt: skip
        ax.annotate(text, (x, -depth), ha="center", va="center", fontsize=9, bbox=style, zorder=2)
    deepest = max(depth for _, depth in place.values())
    ax.set(xlim=(-0.6, leaves - 0.4), ylim=(-deepest - 0.5, 0.5))
    ax.set_axis_off()


def _bars(ax: Axes, values: np.ndarray, asked: set[int], names: Sequence[str], most: int) -> None:
    worth = np.flatnonzero(np.abs(values) > 1e-9)
    order = worth[np.argsort(-np.abs(values[worth]))][:most]
    for at, feature in enumerate(order):
        color = TAKEN if values[feature] > 0 else AGAINST
        filled = int(feature) in asked
        ax.barh(at, values[feature], color=color if filled else "white", edgecolor=color, lw=1.8)
    ax.axvline(0, color="#333333", lw=1.2)
    ax.set_yticks(range(len(order)), labels=[names[feature] for feature in order])
    ax.invert_yaxis()
    ax.grid(axis="y", visible=False)
    ax.set(xlabel="Shapley value (filled: asked on the path)")
    worths = {names[feature]: float(values[feature]) for feature in order}
    wording.note(ax.figure, wording.in_order(worths))
