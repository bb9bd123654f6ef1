"""Pictures with which a lesson opens: something that is known, and a question beside it.

They draw what they are given: images, probabilities, losses. Knows nothing about models.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

from distill_lessons.plots import wording
from distill_lessons.plots.pictures import _picture, as_pictures
from distill_lessons.plots.teaching import class_bars
from distill_lessons.plots.theme import ROLES

VISIBLE = 0.01  # the smallest probability that can be seen as a bar


def two_answers(
    image: Any, answers: Mapping[str, tuple[Any, str]], classes: Sequence[str]
) -> np.ndarray:
    """Draw an image, and beside it the probabilities that each of some sources gives the classes.

    Args:
        image: in [0, 1], shape ``(C, H, W)``.
        answers: name to probabilities ``(K,)`` and role, see `ROLES`.
        classes: K names.

    Returns:
        The Axes, from left to right.
    """
    figure, axes = plt.subplots(
        1, 1 + len(answers), figsize=(2.2 + 3.6 * len(answers), 2.5),
        width_ratios=[0.6, *[1] * len(answers)],
    )  # fmt: skip
    _picture(axes[0], as_pictures(image[None])[0])
    for ax, (name, (p, role)) in zip(axes[1:], answers.items(), strict=True):
        row = np.asarray(p)
        for bar in class_bars(ax, row, classes):
            bar.set_color(ROLES[role].color)
        ax.set_title(name, fontsize=12, fontweight="normal", loc="center")
        ax.set_ylabel("probability" if ax is axes[1] else "")
        seen = int((row >= VISIBLE).sum())
        wording.note(figure, f"{name}: {seen} of {len(row)} classes with 1 % or more.")
    return np.asarray(axes)


def loss_and_question(
    epochs: Sequence[int], losses: Sequence[float], known: str, unknown: str
) -> np.ndarray:
    """Draw a loss against epochs, and beside it an empty frame for another one.

    Args:
        epochs: E numbers.
        losses: in nats, one an epoch.
        known: the title of the loss.
        unknown: the title of the empty frame.

    Returns:
        The two Axes.
    """
    figure, axes = plt.subplots(1, 2, figsize=(9.4, 2.6), sharex=True, sharey=True)
    drawn, empty = axes
    drawn.plot(epochs, losses, color=ROLES["baseline"].color, ls=ROLES["baseline"].linestyle)
    drawn.set(yscale="log", ylabel="loss (nats)")
    mark = ROLES["teacher"].color
    empty.text(
        0.5, 0.5, "?", fontsize=60, ha="center", va="center", color=mark, transform=empty.transAxes
    )
    for ax, name in zip(axes, (known, unknown), strict=True):
        ax.set_xlabel("epoch")
        ax.set_title(name, fontsize=12, fontweight="normal", loc="center")
    wording.note(figure, wording.of_curve("The loss that is drawn", [*epochs], [*losses]))
    return np.asarray(axes)
