"""Titles and captions of lesson 04 follow what is drawn: redrawn with the effect reversed."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from labs import stored
from matplotlib.axes import Axes

from distill_lessons import plots
from distill_lessons.claims import Effect, claim, finding, mean_effect
from distill_lessons.plots import wording

SCATTER = np.array([-0.002, 0.0, 0.001, 0.001])
KEYS = ("soft targets, teacher saw all labels", "soft targets, teacher saw the same labels",
        "its guesses only, teacher saw all labels")  # fmt: skip


def redrawn(
    monkeypatch: pytest.MonkeyPatch, cell: str, given: dict[str, Any], *, start: str, end: str
) -> tuple[str, str]:
    """Run the part of a cell that draws, on given numbers; return the figure's title and words."""
    shown: list[tuple[Axes, str]] = []
    monkeypatch.setattr(plots, "show", lambda ax, text: shown.append((ax, text)))
    monkeypatch.delenv("DISTILL_STRICT", raising=False)
    (source,) = [
        "".join(c["source"])
        for c in json.loads(stored("04").read_bytes())["cells"]
        if c.get("id") == cell
    ]
    part = source[source.index(start) if start else 0 : source.index(end) if end else None]
    names = {"plots": plots, "pd": pd, "mean_effect": mean_effect, "claim": claim,
             "finding": finding}  # fmt: skip
    exec(part, names | given)
    ((ax, text),) = shown
    title = ax.get_title() or ax.figure.get_suptitle()  # type: ignore[union-attr]
    words = f"{text} {wording.noted(ax.figure)}"  # type: ignore[arg-type]
    plt.close("all")
    return title, words


def points(value: float) -> Effect:
    return Effect(value / 100, value / 100 - 0.005, value / 100 + 0.005, 10, 5, "points", "repeats")


def accuracies(value: float) -> np.ndarray:
    return value + SCATTER


@pytest.mark.parametrize(("soft", "first"), [(0.9, "+10.0 points"), (0.7, "-10.0 points")])
def test_few_labels(monkeypatch: pytest.MonkeyPatch, soft: float, first: str) -> None:
    given = {
        "soft_by_size": {50: accuracies(soft), 1000: accuracies(0.95)},
        "hard_by_size": {50: accuracies(0.8), 1000: accuracies(0.95)},
        "gain": points(100 * (soft - 0.8)),
        "everything": points(0.0),
        "T": 4.0,
        "of_teachers": accuracies(0.97),
    }
    title, words = redrawn(monkeypatch, "04-code-12", given, start="", end="")
    assert title == f"Soft minus hard: {first} with 50 images, +0.0 with all"
    assert f"soft targets, T = 4: {100 * soft:.0f} at 50" in words


@pytest.mark.parametrize(
    ("gain", "clear"), [(-2.0, "gains 0, losses 6"), (2.0, "gains 1, losses 5")]
)
def test_all_labels(monkeypatch: pytest.MonkeyPatch, gain: float, clear: str) -> None:
    effects = {f"{u} units, T = {t}": points(-1.0) for u in (32, 4) for t in (1, 4, 20)}
    effects["32 units, T = 4"] = points(gain)
    title, words = redrawn(monkeypatch, "04-code-15", {"effects": effects}, start="", end="")
    assert title == f"All labels, clear of zero: {clear} of 6"
    assert ("All intervals lie below zero." in words) == (gain < 0)


@pytest.mark.parametrize("sign", [1, -1])
def test_what_the_gain_is_made_of(monkeypatch: pytest.MonkeyPatch, sign: int) -> None:
    given = {
        "control": {key: points(sign * v) for key, v in zip(KEYS, (3.0, 1.0, 2.0), strict=True)},
        "n": 200,
        "soft_by_size": {200: accuracies(0.9)},
        "hard_by_size": {200: accuracies(0.8)},
        "same": accuracies(0.8),
        "guessed": accuracies(0.8),
    }
    title, words = redrawn(monkeypatch, "04-code-18", given, start="", end="")
    both, one, other = (f"{sign * v:+.1f}" for v in (3, 1, 2))
    assert title == f"Both {both} points, no more labels {one}, no softness {other}"
    assert f"All intervals lie {'above' if sign > 0 else 'below'} zero." in words


@pytest.mark.parametrize("shares", [(0.0, 0.5, 0.9), (0.9, 0.5, 0.0)])
def test_a_missing_class(monkeypatch: pytest.MonkeyPatch, shares: tuple[float, ...]) -> None:
    names = ("hard labels", "soft targets, T = 1", "soft targets, T = 4")
    given = {
        "recognised": {n: np.full(4, s) for n, s in zip(names, shares, strict=True)},
        "digits": SimpleNamespace(classes=("a", "b")),
        "missing": 1,
    }
    title, _ = redrawn(monkeypatch, "04-code-21", given, start="", end="shares = ")
    none, middle, last = (f"{100 * s:.0f}" for s in shares)
    assert title == f"Class b, never seen: {none}, {middle} and {last} %"


@pytest.mark.parametrize("sign", [1, -1])
def test_fine_tuning(monkeypatch: pytest.MonkeyPatch, sign: int) -> None:
    tuned = {"after unlabelled images": points(-sign), "after uniform noise": points(9 * sign)}
    title, words = redrawn(
        monkeypatch, "04-code-24", {"tuned": tuned}, start="images, noise = ", end=""
    )
    first, second = f"{-sign:+.1f}", f"{9 * sign:+.1f}"
    assert title == f"Fine-tuning: {first} points after images, {second} after uniform noise"
    above = "after uniform noise" if sign > 0 else "after unlabelled images"
    assert f"Intervals above zero: {above}; below zero:" in words


@pytest.mark.parametrize("slope", [0.0, 1.0])
def test_the_grid(monkeypatch: pytest.MonkeyPatch, slope: float) -> None:
    cells = [(a, t) for a in (0.0, 0.75, 1.0) for t in (1.0, 4.0, 16.0)]
    grid = pd.DataFrame(
        [{"alpha": a, "T": t, "accuracy": 0.9 - slope * t / 1000} for a, t in cells]
    )
    title, _ = redrawn(monkeypatch, "04-code-26", {"grid": grid}, start="table = ", end="")
    assert title == f"From T = 4, alpha < 1: within {1.2 * slope:.1f} points"
