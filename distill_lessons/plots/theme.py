"""The look of the course: a theme, one colour and marker for every role, and captions."""

from __future__ import annotations

import html
import io
import re
from base64 import b64encode
from collections.abc import Sequence
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
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
# Pixels of a stored figure for each one that it takes on the page, and for each of its 90 to the
# inch: sharp on screens of high resolution, and large enough on a projector.
SHARPNESS, DENSITY = 1.28, 1.6
FIVE_BITS = [round(round(value * 31 / 255) * 255 / 31) for value in range(256)]
NEGATIVE = re.compile(r"(?<![\w.-])-(?=\d)")


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
            # Without a border, yet words stay legible where no corner is free of lines.
            "legend.frameon": True,
            "legend.edgecolor": "none",
            "legend.framealpha": 0.85,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "image.cmap": "gray_r",
            "lines.linewidth": 2.0,
            "lines.markersize": 7,
        },
    )


def say_cut(ax: Axes, axis: str = "y") -> None:
    """Write at a linear axis that it does not begin at 0, where that is so."""
    if getattr(ax, f"get_{axis}scale")() != "linear" or getattr(ax, f"get_{axis}lim")()[0] <= 0:
        return
    label = getattr(ax, f"get_{axis}label")()
    getattr(ax, f"set_{axis}label")(f"{label}\n(the axis does not begin at 0)")


def show(axes: Axes | Figure | np.ndarray | Sequence[Axes], caption: str) -> None:
    """Display a figure with its caption, and close it.

    What the plot function has noted about the numbers drawn follows the caption, part of it below
    the figure and all of it in the alternative text. Both go into HTML: of a bare picture
    JupyterLab and the pages made from a notebook pass no alternative text on.

    Args:
        axes: what a plot function returned.
        caption: one or two sentences that say what is to be seen, at least twenty characters.

    Raises:
        ValueError: if the caption is too short to describe anything.
    """
    if len(caption.strip()) < 20:
        raise ValueError(f"caption={caption!r} is too short; say in a sentence what is to be seen.")
    figure = _figure_of(axes)
    below, all_of_it = (
        " ".join(filter(None, [caption.strip(), wording.noted(figure, shown=shown)]))
        for shown in (True, False)
    )
    for text in figure.findobj(Text):
        assert isinstance(text, Text)
        text.set_text(NEGATIVE.sub("−", text.get_text()))
    # Drawn here and not by the notebook's backend, which may be another or none at all.
    drawn, picture = io.BytesIO(), io.BytesIO()
    dpi = DENSITY * figure.dpi
    figure.savefig(drawn, format="png", bbox_inches="tight", facecolor="white", dpi=dpi)
    # Five bits a channel look the same, in even steps also along a colour bar, and WebP needs half
    # of what a PNG would: a lesson's file has to stay small.
    image = Image.open(drawn).convert("RGB")
    flat = image.point(FIVE_BITS * 3)
    flat.save(picture, format="webp", lossless=True, quality=70)
    said, source = html.escape(all_of_it), b64encode(picture.getvalue()).decode()
    page.show(
        f'<figure style="margin:.4em 0"><img alt="{said}" src="data:image/webp;base64,{source}" '
        f'width="{image.width / SHARPNESS:.0f}" style="max-width:100%;height:auto">'
        # Hidden from screen readers only: they have read it as the picture's alternative text.
        '<figcaption aria-hidden="true" style="max-width:46em;margin:.2em 0 .8em">'
        f"<em>{html.escape(below)}</em></figcaption></figure>",
        all_of_it,
    )
    plt.close(figure)


def _figure_of(axes: Any) -> Figure:
    if isinstance(axes, Figure):
        return axes
    first = axes if isinstance(axes, Axes) else np.ravel(np.asarray(axes, dtype=object))[0]
    figure = first.get_figure()
    assert isinstance(figure, Figure)
    return figure
