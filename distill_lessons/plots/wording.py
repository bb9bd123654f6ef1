"""What a figure shows, in words that follow from what is drawn.

A caption written beforehand says the same whatever a run draws. The plot functions keep these
sentences with their figure, and `plots.show` adds them to its alternative text. Few are shown below
it as well: who sees a figure need not read all its numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from distill_lessons.claims import UNITS, Effect

MOST_MAPS = 6  # of more of them nobody reads where each has its largest value


def note(figure: Any, *sentences: str, shown: bool = False) -> None:
    """Keep sentences with a figure, after those that it has; empty ones are left out.

    Args:
        figure: what they are about.
        sentences: what is drawn, in words.
        shown: whether they stand below the figure too, and not in its alternative text only.
    """
    assert isinstance(figure, Figure)
    below, _, other = str(figure.get_label()).partition("\n")
    said = " ".join(filter(None, sentences))
    below, other = (f"{below} {said}", other) if shown else (below, f"{other} {said}")
    figure.set_label(f"{below.strip()}\n{other.strip()}")


def noted(figure: Figure, *, shown: bool = False) -> str:
    """Return the sentences that were kept with a figure: all, or only those below it."""
    below, _, other = str(figure.get_label()).partition("\n")
    return below if shown else f"{below} {other}".strip()


def listed(words: Sequence[str]) -> str:
    """Return words as a list in a sentence.

    >>> listed(["a", "b", "c"])
    'a, b and c'
    """
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)


def number(value: float) -> str:
    """Return a number with three digits that count, and the true minus sign.

    >>> number(-0.05), number(1234.0)
    ('−0.05', '1,234')
    """
    value = 0.0 if abs(value) < 1e-9 else value  # what rounding left of nothing
    text = f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return ("0" if float(text.replace(",", "")) == 0 else text).replace("-", "−")


def alike(values: Iterable[float]) -> list[str]:
    """Return numbers as `number` does, with the zeros that it drops where another has digits there.

    >>> alike([52.21, 52.04]), alike([2.0, 3.0])
    (['52.2', '52.0'], ['2', '3'])
    """
    texts = [number(value) for value in values]
    most = max((len(text.partition(".")[2]) for text in texts), default=0)
    padded = []
    for text in texts:
        whole, _, places = text.partition(".")
        kept = max(len(places), min(most, 3 - len(whole.lstrip("−").lstrip("0"))))
        padded.append(f"{whole}.{places:0<{kept}}" if kept else whole)
    return padded


def in_order(values: Mapping[str, float]) -> str:
    """Return names with their values, the largest first.

    >>> in_order({"a": 1.0, "b": 2.5})
    'From the largest to the smallest: b 2.5, a 1.'
    """
    ranked = sorted(values.items(), key=lambda item: -item[1])
    said = ", ".join(f"{_flat(name)} {number(value)}" for name, value in ranked)
    return f"From the largest to the smallest: {said}."


def against_zero(effects: Mapping[str, Effect]) -> str:
    """Say which intervals meet zero, and which lie above it or below.

    >>> against_zero({"a": Effect(1, 0.5, 1.5, 5), "b": Effect(0, -1, 1, 5)})
    'Intervals above zero: a; that meet zero: b.'
    """
    words = {"above": "above zero", "below": "below zero", "at": "that meet zero"}
    lying: dict[str, list[str]] = {word: [] for word in words.values()}
    for name, side in sides(effects).items():
        lying[words[side]].append(_flat(name))
    full = {side: names for side, names in lying.items() if names}
    if len(full) == 1 and len(effects) > 1:
        all_of_them = {
            "above zero": "lie above zero",
            "below zero": "lie below zero",
            "that meet zero": "meet zero",
        }
        return f"All intervals {all_of_them[next(iter(full))]}."
    return "Intervals " + "; ".join(f"{s}: {listed(names)}" for s, names in full.items()) + "."


def sides(effects: Mapping[str, Effect]) -> dict[str, str]:
    """Return for each effect where its interval lies: ``"above"`` zero, ``"below"``, or ``"at"``.

    >>> sides({"a": Effect(1, 0.5, 1.5, 5), "b": Effect(0, -1, 1, 5)})
    {'a': 'above', 'b': 'at'}
    """
    return {
        name: "above" if effect.low > 0 else "below" if effect.high < 0 else "at"
        for name, effect in effects.items()
    }


def of_effects(effects: Mapping[str, Effect]) -> str:
    """Return the order of some effects, in their unit, and how their intervals lie to zero."""
    values = {name: e.value * UNITS[e.unit][0] for name, e in effects.items()}
    return f"{in_order(values)} {against_zero(effects)}"


def of_curve(name: str, x: Sequence[float], y: Sequence[float]) -> str:
    """Say where a curve starts and ends, and whether it rises or falls all the way.

    >>> of_curve("error", [1, 10, 100], [50.0, 20.0, 5.0])
    'error: 50 at 1, 5 at 100, falling all the way.'
    """
    if len(y) == 1:
        return f"{_flat(name)}: {number(y[0])} at {number(x[0])}."
    steps = np.diff(np.asarray(y, dtype=float))
    way = ", falling all the way" if (steps < 0).all() else ""
    way = ", rising all the way" if (steps > 0).all() else way
    ends = f"{number(y[0])} at {number(x[0])}, {number(y[-1])} at {number(x[-1])}"
    return f"{_flat(name)}: {ends}{way}."


def of_map(name: str, values: Any) -> str:
    """Say where a map has its largest value, and its smallest if that lies below zero.

    >>> of_map("zero", [[0.0, 2.0], [-1.0, 0.0]])
    'zero: largest 2 in row 0, column 1; most negative −1 in row 1, column 0.'
    """
    table = np.asarray(values, dtype=float)
    if not table.any():
        return f"{_flat(name)}: zero everywhere."
    ends = [("largest", int(table.argmax()))]
    if table.min() < 0:
        ends.append(("most negative", int(table.argmin())))
    said = []
    for word, at in ends:
        row, column = np.unravel_index(at, table.shape)
        said.append(f"{word} {number(table.flat[at])} in row {row}, column {column}")
    return f"{_flat(name)}: {'; '.join(said)}."


def _flat(name: str) -> str:
    return " ".join(name.split())
