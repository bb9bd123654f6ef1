"""The look of the course: a theme, one colour and marker for every role, and captions."""

from __future__ import annotations

import html
import io
from base64 import b64encode
from collections.abc import Sequence
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from distill_lessons import page
from distill_lessons.plots import wording


class Role(NamedTuple):
    """How a role looks in every figure of the course."""

    label: str
    color: str
    marker: str
    linestyle: str


# Colours from the Okabe-Ito palette, which survives colour blindness and a projector; the markers
# and line styles say the same once more without colour.


ROLES = {
    "teacher": Role("teacher", "#0072B2", "o", "-"),
    "student": Role("distilled student", "#D55E00", "s", "-"),
    "baseline": Role("student without a teacher", "#555555", "^", "--"),
    "control": Role("control", "#009E73", "D", ":"),
}


SEQUENTIAL = "viridis"


def use_theme() -> None:
    """Set seaborn's theme and the sizes that read on a projector; once, at a lesson's start."""
    import seaborn as sns

    sns.set_theme(
        context="notebook",
        style="whitegrid",
        palette=[role.color for role in ROLES.values()],
        rc={
            "figure.figsize": (7.2, 4.2),
            "figure.dpi": 90,
            "figure.constrained_layout.use": True,
            "axes.titlesize": 13,
            "axes.titlelocation": "left",
            "axes.titleweight": "bold",
            "axes.labelsize": 12,
            "xtick.labelsize": 11,
            "ytick.labelsize": 11,
            "legend.fontsize": 11,
            "legend.frameon": False,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "image.cmap": "gray_r",
            "lines.linewidth": 2.0,
            "lines.markersize": 7,
        },
    )


def show(axes: Axes | Figure | np.ndarray | Sequence[Axes], caption: str) -> None:
    """Display a figure with its caption, and close it.

    What the plot function has noted about the numbers drawn follows the caption.

    The caption stands below the figure and is its alternative text. Both go into HTML: of a bare
    picture JupyterLab and the pages made from a notebook pass no alternative text on.

    Args:
        axes: what a plot function returned.
        caption: one or two sentences that say what is to be seen, at least twenty characters.

    Raises:
        ValueError: if the caption is too short to describe anything.
    """
    if len(caption.strip()) < 20:
        raise ValueError(f"caption={caption!r} is too short; say in a sentence what is to be seen.")
    figure = _figure_of(axes)
    caption = " ".join(filter(None, [caption.strip(), wording.noted(figure)]))
    # Drawn here and not by the notebook's backend, which may be another or none at all.
    drawn, picture = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", bbox_inches="tight", facecolor="white")
    # A palette of 256 colours looks the same and keeps a lesson's file under half its size.
    Image.open(drawn).convert("RGB").quantize(256, dither=Image.Dither.NONE).save(
        picture, format="png", optimize=True
    )
    said, source = html.escape(caption), b64encode(picture.getvalue()).decode()
    page.show(
        f'<figure style="margin:.4em 0"><img alt="{said}" src="data:image/png;base64,{source}" '
        'style="max-width:100%">'
        # Hidden from screen readers only: they have read it as the picture's alternative text.
        '<figcaption aria-hidden="true" style="max-width:46em;margin:.2em 0 .8em">'
        f"<em>{said}</em></figcaption></figure>",
        caption,
    )
    plt.close(figure)


def _figure_of(axes: Any) -> Figure:
    if isinstance(axes, Figure):
        return axes
    first = axes if isinstance(axes, Axes) else np.ravel(np.asarray(axes, dtype=object))[0]
    figure = first.get_figure()
    assert isinstance(figure, Figure)
    return figure
