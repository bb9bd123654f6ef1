"""Things to move with the mouse or the keyboard, each beside a static figure that says the same.

Where nobody can move anything (tests, `distill-lessons run`, a web page) a widget is a line of text
that says so, and nothing of it is stored in the notebook. Knows logits, not models.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from io import BytesIO
from typing import Any

import torch

from distill_lessons import losses, settings
from distill_lessons.plots.teaching import class_bars

INSTEAD = "In JupyterLab a temperature slider stands here; the figure below shows the same."
PIXELS_WIDE = 480


def temperature_slider(z: Any, classes: Sequence[str]) -> Any:
    """Show a slider for T, and the soft targets of one image that follow it.

    The slider is logarithmic, from 0.1 to 100. The arrow keys move it. Beside the picture stand its
    numbers in words, for those who do not see it.

    Args:
        z: the logits of one image, shape ``(K,)``.
        classes: K names.

    Returns:
        The widget; None in a run without a person before it, where one line is printed instead.

    Raises:
        ValueError: if `z` is not the logits of one image, or the names do not fit.
    """
    row = torch.as_tensor(z).detach().cpu().double()
    if row.ndim != 1:
        raise ValueError(f"z has shape {tuple(row.shape)}; give one image's logits, (K,): z[0].")
    losses.check_logits("z", row[None])
    if len(row) != len(classes):
        raise ValueError(f"classes has {len(classes)} names for {len(row)} logits; give one each.")
    if not settings.load().live:
        print(INSTEAD)
        return None

    import ipywidgets as widgets

    slider = widgets.FloatLogSlider(
        value=1.0,
        base=10,
        min=-1,
        max=2,
        step=0.05,
        description="T",
        readout_format=".2f",
        layout=widgets.Layout(width=f"{PIXELS_WIDE}px"),
    )
    picture = widgets.Image(value=bars_png(row, classes, slider.value), width=PIXELS_WIDE)
    words = widgets.HTML(in_words(row, classes, slider.value))

    def follow(change: dict[str, Any]) -> None:
        picture.value = bars_png(row, classes, change["new"])
        words.value = in_words(row, classes, change["new"])

    slider.observe(follow, names="value")
    return widgets.VBox([slider, picture, words])


def bars_png(z: torch.Tensor, classes: Sequence[str], T: float) -> bytes:
    """Return a picture of softmax(z / T) as bars, in PNG, for logits ``(K,)``."""
    from matplotlib.figure import Figure

    # Not through pyplot: a figure it knows would be shown a second time below the cell.
    figure = Figure(figsize=(5.4, 2.9), dpi=90, layout="constrained")
    class_bars(figure.add_subplot(), losses.soft_targets(z[None], T)[0], classes)
    buffer = BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def in_words(z: torch.Tensor, classes: Sequence[str], T: float) -> str:
    """Return the three largest soft targets and the entropy in words, for logits ``(K,)``.

    >>> in_words(torch.tensor([2.0, 0.0]), ["cat", "dog"], T=2.0)
    'At T = 2: cat 0.731, dog 0.269; entropy 0.582 of at most 0.693 nats.'
    """
    p = losses.soft_targets(z[None], T)
    first = p[0].argsort(descending=True, stable=True)[:3].tolist()
    shown = ", ".join(f"{classes[k]} {p[0, k]:.3f}" for k in first)
    nats, most = float(losses.entropy(p)), math.log(len(z))
    return f"At T = {T:.3g}: {shown}; entropy {nats:.3f} of at most {most:.3f} nats."
