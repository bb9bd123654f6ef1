"""Phrases: what each of their letters is worth, and a field to type one of your own into."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from distill_lessons import asking, page, settings
from distill_lessons.plots import wording

SHOWN = 3  # classes that are named for a typed phrase


def letters(rows: Mapping[str, tuple[str, Sequence[float]]], title: str, *, label: str) -> Axes:
    """Draw phrases letter by letter, each on a ground that says what it is worth.

    Args:
        rows: name at the left to a phrase and a number for each of its signs.
        title: a sentence.
        label: what the numbers are, with their unit.

    Raises:
        ValueError: if there is no row, or a phrase has not as many numbers as signs.
    """
    if not rows:
        raise ValueError("rows is empty; give at least one phrase.")
    longest = max(len(phrase) for phrase, _ in rows.values())
    table = np.full((len(rows), longest), np.nan)
    for row, (name, (phrase, values)) in enumerate(rows.items()):
        if len(phrase) != len(values):
            raise ValueError(
                f"rows[{name!r}] has {len(values)} numbers for {len(phrase)} signs; give one each."
            )
        table[row, : len(phrase)] = values
    figure, ax = plt.subplots(figsize=(2.6 + 0.42 * longest, 1.1 + 0.5 * len(rows)))
    most = max(float(np.nanmax(np.abs(table))), 1e-9)
    drawn = ax.imshow(table, cmap="RdBu_r", vmin=-most, vmax=most, aspect="auto")
    for row, (name, (phrase, values)) in enumerate(rows.items()):
        for column, (sign, value) in enumerate(zip(phrase, values, strict=True)):
            ink = "white" if abs(value) > 0.6 * most else "black"
            ax.text(column, row, sign, ha="center", va="center", color=ink, fontsize=13)
        first = sorted(range(len(phrase)), key=lambda i: -values[i])[:SHOWN]
        told = ", ".join(f"{phrase[i]} {wording.number(values[i])}" for i in first)
        wording.note(figure, f"{name}, {phrase}: {told}.")
    ax.set_yticks(range(len(rows)), labels=list(rows))
    ax.set_xticks([])
    ax.grid(visible=False)
    ax.set_title(title)
    figure.colorbar(drawn, ax=ax, label=label)
    return ax


def type_a_phrase(
    answer: Callable[[str], Mapping[str, Any]], classes: Sequence[str], examples: Sequence[str]
) -> None:
    """Show what models say of some phrases, and a field in which to type another one.

    Without a kernel or widgets the table of the examples is what there is to see.

    Args:
        answer: takes a phrase and returns, by the models' names, probabilities ``(K,)``. A
            ValueError of its own is shown in place of the answer.
        classes: K names.
        examples: phrases that are always shown.

    Raises:
        ValueError: if there is no example.
    """
    if not examples:
        raise ValueError("examples is empty; give at least one phrase.")
    said = {phrase: named(answer(phrase), classes) for phrase in examples}
    live = settings.load().live
    shown = page.show(*_table(said, live=live))
    if not live:
        return

    def note(phrase: str) -> None:
        try:
            found = named(answer(phrase), classes)
        except ValueError as error:
            found = {"": str(error)}
        page.replace(shown, *_table({phrase: found, **said}, live=True))

    asking.show(asking.words("Type a phrase", note))


def named(answers: Mapping[str, Any], classes: Sequence[str]) -> dict[str, str]:
    """Return the most probable classes of every model in words.

    >>> named({"student": [0.1, 0.7, 0.2]}, ["de", "nl", "fi"])
    {'student': 'nl 70 %, fi 20 %, de 10 %'}
    """
    words = {}
    for name, p in answers.items():
        p = np.asarray(p, float)
        first = np.argsort(-p, kind="stable")[:SHOWN]
        words[name] = ", ".join(f"{classes[k]} {100 * p[k]:.0f} %" for k in first)
    return words


def _table(said: Mapping[str, Mapping[str, str]], *, live: bool) -> tuple[str, str]:
    """Return the answers as HTML and as text."""
    rows, lines = [], []
    for phrase, answers in said.items():
        for i, (name, words) in enumerate(answers.items()):
            first = f"<b>{html.escape(phrase)}</b>" if i == 0 else ""
            cells = (first, html.escape(name), html.escape(words))
            rows.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
            lines.append(f"{phrase} | {name}: {words}")
    head = "<tr><th>phrase</th><th>model</th><th>most probable</th></tr>"
    hint = asking.RERUN.replace("No buttons below?", "No field below?") if live else ""
    return f"<table>{head}{''.join(rows)}</table>{hint}", "\n".join(lines)
