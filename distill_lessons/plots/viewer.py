"""A viewer for explanations: choose image, class and method, for one model or for two side by side.

Where nobody can choose anything (tests, `distill-lessons run`, a web page) it is a line of text, as
in `widgets`; a static figure beside it says the same. Knows attributions, not models.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from distill_lessons import settings
from distill_lessons.explain.similarity import cosine
from distill_lessons.plots.attributions import attribution_panel

INSTEAD = "In JupyterLab a viewer stands here (image, class, method); the figure below shows it."
PIXELS_WIDE = 300  # of one panel


def explanation_viewer(
    x: Any,
    maps: Mapping[str, Any],
    classes: Sequence[str],
    *,
    beside: Mapping[str, Any] | None = None,
    names: tuple[str, str] = ("teacher", "student"),
) -> Any:
    """Show controls for image, class and method, and the attributions that follow them.

    Both models share one colour scale, which stays while the class changes.

    Args:
        x: images in [0, 1], shape `(N, C, H, W)`.
        maps: name of a method to its attributions, shape `(N, C, H, W, K)`.
        classes: K names.
        beside: the attributions of a second model under the same names, drawn beside the first.
        names: what the two models are called; not shown for one model.

    Returns:
        The widget; None in a run without a person before it, where one line is printed instead.

    Raises:
        ValueError: if shapes, names or methods do not fit, or an attribution is not finite.
    """
    pictures = np.asarray(x.detach().cpu() if hasattr(x, "detach") else x)
    sides = _checked(pictures, maps, classes, beside)
    shown_names = names if beside is not None else ("",)
    if len(shown_names) != len(sides):
        raise ValueError(f"names={names} must name both models.")
    if not settings.load().live:
        print(INSTEAD)
        return None

    import ipywidgets as widgets

    methods = list(maps)
    image = widgets.IntSlider(value=0, min=0, max=len(pictures) - 1, description="image")
    shown = widgets.Dropdown(
        options=[(name, k) for k, name in enumerate(classes)], value=0, description="class"
    )
    method = widgets.Dropdown(options=methods, value=methods[0], description="method")
    picture = widgets.Image(width=PIXELS_WIDE * (1 + len(sides)))
    words = widgets.HTML()

    def follow(_: object = None) -> None:
        i, k = image.value, shown.value
        shown_maps = [side[method.value][i].sum(0) for side in sides]  # (H, W, K) each
        picture.value = panels_png(pictures[i], shown_maps, k, shown_names)
        words.value = f"Image {i}, class {classes[k]}, {method.value}. " + in_words(
            [m[..., k] for m in shown_maps], shown_names
        )

    for control in (image, shown, method):
        control.observe(follow, names="value")
    follow()
    return widgets.VBox([widgets.HBox([image, shown, method]), picture, words])


def panels_png(
    picture: np.ndarray, maps: Sequence[np.ndarray], k: int, names: Sequence[str]
) -> bytes:
    """Return the image and its attribution maps as panels, in PNG.

    Args:
        picture: shape `(C, H, W)`.
        maps: for each model one map for all classes, `(H, W, K)`; the scale covers them all.
        k: the class to draw.
        names: a title for each map.
    """
    # Not through pyplot: a figure it knows would be shown a second time below the cell.
    figure = Figure(figsize=(3.0 * (1 + len(maps)), 2.9), dpi=90, layout="constrained")
    first, *others = figure.subplots(1, 1 + len(maps))
    first.imshow(picture.transpose(1, 2, 0).squeeze(), vmin=0, vmax=1, cmap="gray_r")
    first.set_axis_off()
    limit = max(float(np.abs(m).max()) for m in maps) or 1.0
    for ax, m, name in zip(others, maps, names, strict=True):
        drawn = attribution_panel(ax, m[..., k], limit)
        ax.set_title(name)
    figure.colorbar(drawn, ax=others, label="attribution (logits)")
    buffer = BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def in_words(maps: Sequence[np.ndarray], names: Sequence[str]) -> str:
    """Return what the maps show in words: sum, extremes and, for two models, how alike they are.

    Args:
        maps: one map `(H, W)` per model.
        names: their names; empty for a single model.

    >>> in_words([np.array([[1.0, -0.5], [0.0, 0.0]])], [""])
    'Sum +0.50; most for it at row 1, column 1 (+1.00), most against it at row 1, column 2 (-0.50).'
    """
    parts = []
    for values, name in zip(maps, names, strict=True):
        text = f"{name}: sum" if name else "Sum"
        text += f" {values.sum():+.2f}"
        for word, at in (("for", int(values.argmax())), ("against", int(values.argmin()))):
            value = values.flat[at]
            if value != 0 and (value > 0) == (word == "for"):
                row, column = divmod(at, values.shape[1])
                sign = ";" if word == "for" else ","
                text += f"{sign} most {word} it at row {row + 1}, column {column + 1}"
                text += f" ({value:+.2f})"
        parts.append(text + ".")
    if len(maps) == 2:
        alike = float(cosine(maps[0][None, ..., None], maps[1][None, ..., None])[0, 0])
        parts.append(f"Cosine between the maps {alike:.2f}.")
    return " ".join(parts)


def _checked(
    x: np.ndarray, maps: Mapping[str, Any], classes: Sequence[str], beside: Mapping[str, Any] | None
) -> list[dict[str, np.ndarray]]:
    if x.ndim != 4 or len(x) == 0:
        raise ValueError(f"x has shape {x.shape}; give images (N, C, H, W), one or more.")
    if not maps:
        raise ValueError("maps is empty; give at least one method and its attributions.")
    if beside is not None and set(beside) != set(maps):
        raise ValueError(
            f"beside has the methods {sorted(beside)}, maps has {sorted(maps)}; give both the same."
        )
    wanted = (*x.shape, len(classes))
    sides = []
    for name, side in (("maps", maps), ("beside", beside)):
        if side is None:
            continue
        arrays = {method: np.asarray(values, dtype=np.float64) for method, values in side.items()}
        for method, array in arrays.items():
            if array.shape != wanted:
                raise ValueError(
                    f"{name}[{method!r}] has shape {array.shape}; "
                    f"for these images and classes it must be {wanted}."
                )
            if not np.isfinite(array).all():
                raise ValueError(f"{name}[{method!r}] holds NaN or infinite attributions.")
        sides.append(arrays)
    return sides
