"""What is moved with mouse or keyboard, each beside a static figure that says the same.

Everything that can be seen is computed once and goes into the output, with a few lines of
JavaScript that choose from it. So it follows a key within a frame, needs no kernel, and works in a
notebook that was saved and opened again, and on a web page. Knows logits, not models.
"""

from __future__ import annotations

import html
import json
import math
from base64 import b64encode
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from distill_lessons import losses, page
from distill_lessons.plots.teaching import LONG_NAME
from distill_lessons.plots.theme import ROLES

INSTEAD = "Run this cell in Jupyter for a temperature slider; the figures above show the same bars."
# Ten steps from 1 to 10, all of them numbers that one would say.
_DECADE = (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8)
TEMPERATURES = (*(t / 10 for t in _DECADE), *_DECADE, *(10 * t for t in _DECADE), 100)
LEFT, FLOOR, FULL, BAR = 40, 165, 150, 34  # of the bars, in pixels


def temperature_slider(z: Any, classes: Sequence[str], image: Any = None) -> None:
    """Show a slider for T, and the soft targets of one image that follow it.

    The slider goes from 0.1 to 100 in the steps of `TEMPERATURES`. Beside the picture stand its
    numbers in words, for those who do not see it.

    Args:
        z: the logits of one image, shape ``(K,)``.
        classes: K names.
        image: the image in [0, 1], shape ``(C, H, W)``, to be shown beside the bars.

    Raises:
        ValueError: if `z` is not the logits of one image, or names or image do not fit.
    """
    row = torch.as_tensor(z).detach().cpu().double()
    if row.ndim != 1:
        raise ValueError(f"z has shape {tuple(row.shape)}; give one image's logits, (K,): z[0].")
    losses.check_logits("z", row[None])
    if len(row) != len(classes):
        raise ValueError(f"classes has {len(classes)} names for {len(row)} logits; give one each.")
    picture = "" if image is None else _picture(image)
    first = TEMPERATURES.index(1)
    p = [losses.soft_targets(row[None], T)[0].tolist() for T in TEMPERATURES]
    words = [in_words(row, classes, T) for T in TEMPERATURES]
    markup = (
        '<label>Temperature T <input type="range" min="0" step="1" style="width:22em" '
        f'max="{len(TEMPERATURES) - 1}" value="{first}"></label> <output>1</output>'
        '<div style="display:flex;flex-wrap:wrap;gap:1.5em;align-items:center">'
        f"{picture}{_bars(p[first], classes)}</div><p>{html.escape(words[first])}</p>"
    )
    data = {
        "T": [f"{T:g}" for T in TEMPERATURES],
        "p": [[round(value, 4) for value in values] for values in p],
        "words": words,
        "classes": list(classes),
        "floor": FLOOR,
        "full": FULL,
    }
    page.show(with_script("slider", markup, data), INSTEAD)


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


def with_script(name: str, markup: str, data: dict[str, Any]) -> str:
    """Return HTML that the script `name`.js in this folder brings to life.

    Args:
        name: of the script, and of the box's class.
        markup: what stands there before the script has run, or where it may not run.
        data: what the script is given.
    """
    script = Path(__file__).with_name(f"{name}.js").read_text(encoding="utf-8")
    given = json.dumps(data, ensure_ascii=False).replace("<", "\\u003c")  # no end of the script
    box = f"distill-{name}"
    return (
        f'<div><div class="{box} {page.KEYS}">{markup}</div>{page.KEEP_KEYS}<script>({script})('
        f'document.currentScript.parentElement.querySelector(".{box}"), {given});</script></div>'
    )


def _bars(p: Sequence[float], classes: Sequence[str]) -> str:
    """Return an SVG of bars over an axis from 0 to 1, in the page's own text colour."""
    upright = max(map(len, classes)) > LONG_NAME
    width, height = LEFT + BAR * len(p) + 10, FLOOR + (80 if upright else 25)
    parts = []
    for level in (0.0, 0.5, 1.0):
        y = FLOOR - FULL * level
        parts.append(
            f'<path d="M{LEFT} {y}H{width}" stroke="currentColor" opacity=".25"/>'
            f'<text x="{LEFT - 6}" y="{y + 4}" text-anchor="end">{level:g}</text>'
        )
    for k, (value, name) in enumerate(zip(p, classes, strict=True)):
        x, top = LEFT + BAR * k, FULL * value
        place = f'x="{x + BAR / 2}" y="{FLOOR + 17}" text-anchor="middle"'
        if upright:
            x_text, y_text = x + BAR / 2 + 4, FLOOR + 8
            place = f'transform="translate({x_text} {y_text}) rotate(-90)" text-anchor="end"'
        parts.append(
            f'<rect class="bar" x="{x + 4}" y="{FLOOR - top}" width="{BAR - 8}" height="{top}" '
            f'fill="{ROLES["teacher"].color}"><title></title></rect>'
            f"<text {place}>{html.escape(str(name))}</text>"
        )
    return (
        f'<svg aria-hidden="true" viewBox="0 0 {width} {height}" width="{width}" '
        f'fill="currentColor" style="max-width:100%;font-size:12px">{"".join(parts)}</svg>'
    )


def _picture(image: Any) -> str:
    pixels = np.asarray(image.detach().cpu() if hasattr(image, "detach") else image)
    if pixels.ndim != 3 or pixels.shape[0] not in (1, 3):
        raise ValueError(f"image has shape {pixels.shape}; give one image, (C, H, W): x[0].")
    shown = (255 * pixels.clip(0, 1)).round().astype(np.uint8)
    if len(shown) == 1:
        shown = np.repeat(255 - shown, 3, axis=0)  # ink is dark, as in the figures
    buffer = BytesIO()
    Image.fromarray(shown.transpose(1, 2, 0)).save(buffer, format="png")
    return (
        f'<img alt="the image" src="data:image/png;base64,{b64encode(buffer.getvalue()).decode()}"'
        ' style="width:110px;image-rendering:pixelated;border:1px solid currentColor">'
    )
