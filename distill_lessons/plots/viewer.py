"""A viewer for explanations: choose image, class and method, for one model or for two side by side.

Works as `widgets` does, without a kernel; a static figure beside it says the same. Knows
attributions, not models.
"""

from __future__ import annotations

import html
from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np

from distill_lessons import page, settings
from distill_lessons.plots.attributions import DIVERGING
from distill_lessons.plots.widgets import with_script

INSTEAD = "Run this cell in Jupyter to choose image, class and method; the figure below shows some."
FINEST = 32767  # steps of an attribution on either side of zero
# What the attributions may take in the notebook, in bytes: a stored lesson is read on the web.
MOST_LIVE, MOST_STORED = 1_000_000, 30_000


def explanation_viewer(
    x: Any,
    maps: Mapping[str, Any],
    classes: Sequence[str],
    *,
    y: Any = None,
    predicted: Any = None,
    beside: Mapping[str, Any] | None = None,
    names: tuple[str, str] = ("teacher", "student"),
) -> None:
    """Show controls for image, class and method, and the attributions that follow them.

    It opens on the predicted class. Both models share one colour scale, which stays while the class
    changes. As many images can be chosen as the notebook may hold.

    Args:
        x: images in [0, 1], shape `(N, C, H, W)`.
        maps: name of a method to its attributions, shape `(N, C, H, W, K)`.
        classes: K names.
        y: the labels, shape `(N,)`.
        predicted: the predicted classes, shape `(N,)`; with `beside` those of both, `(2, N)`.
        beside: the attributions of a second model under the same names, drawn beside the first.
        names: what the two models are called; not shown for one model.

    Raises:
        ValueError: if shapes, names or methods do not fit, or an attribution is not finite.
    """
    pictures = _array(x)
    sides = _checked(pictures, maps, classes, beside)
    shown_names = names if beside is not None else ("",)
    if len(shown_names) != len(sides):
        raise ValueError(f"names={names} must name both models.")
    labels = _classes_of("y", y, (len(pictures),), len(classes))
    wanted = (len(pictures),) if beside is None else (2, len(pictures))
    guesses = _classes_of("predicted", predicted, wanted, len(classes))
    if guesses is not None:
        guesses = guesses.reshape(len(sides), -1)

    # Channels summed, and in the order of the panels: (methods, models, N, K, H, W).
    values = np.stack([[side[name].sum(1) for side in sides] for name in maps])
    values = values.transpose(0, 1, 2, 5, 3, 4)
    most = MOST_LIVE if settings.load().live else MOST_STORED
    n = max(1, min(len(pictures), most // (2 * values[:, :, 0].size)))
    limits = np.abs(values[:, :, :n]).max(axis=(1, 3, 4, 5))  # (methods, n), of all in view
    shares = values[:, :, :n] / np.where(limits == 0, 1, limits)[:, None, :, None, None, None]
    first = guesses[0] if guesses is not None else labels
    data = {
        "height": pictures.shape[2],
        "width": pictures.shape[3],
        "channels": pictures.shape[1],
        "images": n,
        "classes": [str(name) for name in classes],
        "names": shown_names,
        "methods": list(maps),
        "about": [_about(i, classes, labels, guesses, shown_names) for i in range(n)],
        "first": [0] * n if first is None else first[:n].tolist(),
        "limits": limits.tolist(),
        "colours": [mpl.colors.to_hex(c) for c in mpl.colormaps[DIVERGING](np.linspace(0, 1, 101))],
        "pictures": _packed((255 * pictures[:n].clip(0, 1)).round().transpose(0, 2, 3, 1), "u1"),
        "shares": _packed((shares * FINEST).round(), "<i2"),
    }
    rule = "predicted class" if guesses is not None else "label" if labels is not None else ""
    markup = _controls(data, rule) + _panels(shown_names, pictures.shape[2:])
    if n < len(pictures):
        markup += f"<small>The first {n} of {len(pictures)} images are in the notebook.</small>"
    page.show(with_script("viewer", markup, data), INSTEAD)


def _about(
    i: int,
    classes: Sequence[str],
    labels: np.ndarray | None,
    guesses: np.ndarray | None,
    names: Sequence[str],
) -> str:
    parts = [] if labels is None else [f"label {classes[labels[i]]}"]
    for name, row in zip(names, () if guesses is None else guesses, strict=False):
        parts.append(
            f"{name} predicts {classes[row[i]]}" if name else f"classified as {classes[row[i]]}"
        )
    return ", ".join(parts)


def _controls(data: Mapping[str, Any], rule: str) -> str:
    """Return the controls; a menu with one entry is none."""
    rules = f'<option value="-1">{rule}</option>' if rule else ""
    classes = "".join(
        f'<option value="{k}">{html.escape(name)}</option>'
        for k, name in enumerate(data["classes"])
    )
    methods = "".join(f"<option>{html.escape(name)}</option>" for name in data["methods"])
    parts = []
    if data["images"] > 1:
        last = data["images"] - 1
        parts.append(
            f'<label>image <input name="image" type="range" min="0" max="{last}" value="0">'
            "</label><output>0</output>"
        )
    parts.append(f'<label>class <select name="class">{rules}{classes}</select></label>')
    if len(data["methods"]) > 1:
        parts.append(f'<label>method <select name="method">{methods}</select></label>')
    return f'<div style="{_ROW}">{" ".join(parts)}</div>'


_ROW = "display:flex;flex-wrap:wrap;gap:.6em 1.2em;align-items:end;margin:.3em 0"


def _panels(names: Sequence[str], size: tuple[int, ...]) -> str:
    box = f'aria-hidden="true" viewBox="0 0 {size[1]} {size[0]}" width="190" font-size="1" '
    box += 'text-anchor="middle" dominant-baseline="central" shape-rendering="crispEdges" '
    box += 'style="border:1px solid currentColor;display:block"'
    titles = ["image", *(name or "attributions" for name in names)]
    panels = "".join(f"<div>{html.escape(title)}<svg {box}></svg></div>" for title in titles)
    colours = ",".join(mpl.colors.to_hex(c) for c in mpl.colormaps[DIVERGING](np.linspace(0, 1, 9)))
    bar = (
        '<div style="display:flex;gap:.4em;align-items:center">'
        '<span class="limit" data-end="low"></span><span style="width:9em;height:.8em;'
        f'background:linear-gradient(to right,{colours})"></span>'
        '<span class="limit" data-end="high"></span> logits</div>'
    )
    read = '<div class="read" style="min-height:1.4em">Point at a pixel to read its value.</div>'
    return f'<div style="{_ROW}">{panels}</div>{bar}{read}<p>{INSTEAD}</p>'


def _packed(values: np.ndarray, kind: str) -> str:
    return b64encode(np.ascontiguousarray(values).astype(kind).tobytes()).decode()


def _array(values: Any) -> np.ndarray:
    return np.asarray(values.detach().cpu() if hasattr(values, "detach") else values)


def _classes_of(name: str, given: Any, shape: tuple[int, ...], n: int) -> np.ndarray | None:
    if given is None:
        return None
    rows = [_array(row) for row in given] if isinstance(given, tuple | list) else _array(given)
    found = np.asarray(rows)
    if found.shape != shape or not ((found >= 0) & (found < n)).all():
        raise ValueError(
            f"{name} has shape {found.shape}; give class numbers from 0 to {n - 1}, shape {shape}."
        )
    return found.astype(int)


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
