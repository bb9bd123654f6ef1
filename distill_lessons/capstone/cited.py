"""What a card may cite, by name: measurements and their parts, verdicts, settings."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from distill_lessons.capstone.contract import Contract
from distill_lessons.capstone.ledger import Run
from distill_lessons.claims import UNITS, Effect


@dataclass(frozen=True)
class Cited:
    """What a name stands for in a card: a text, or numbers in the order in which it has them."""

    text: str
    numbers: tuple[float, ...] | None = None
    run: Run | None = None


def known(registered: Contract, runs: Mapping[str, Run]) -> dict[str, Cited]:
    """Return everything that a card may cite, by name."""
    found = {"seal": Cited(registered.seal), "registered": Cited(registered.time)}
    found["data"] = Cited(registered.data)
    for name, value in registered.settings.items():
        one = Cited(value) if isinstance(value, str) else Cited(_whole(value), (float(value),))
        found[f"settings.{name}"] = one
    for name, run in runs.items():
        found |= _parts(name, run)
    for name, promised in registered.by_name.items():
        found[f"{name}.statement"] = Cited(promised.statement)
        found[f"{name}.control"] = Cited(promised.control)
        if name in runs:
            verdict = promised.judged(runs[name].effect).verdict
            found[f"{name}.verdict"] = Cited(verdict, run=runs[name])
    return found


def _parts(name: str, run: Run) -> dict[str, Cited]:
    effect = run.effect
    factor = UNITS[effect.unit][0]
    shown = {part: factor * getattr(effect, part) for part in ("value", "low", "high")}
    parts = {
        f"{name}.{part}": Cited(_one(effect, getattr(effect, part)), (number,), run)
        for part, number in shown.items()
        if math.isfinite(number)
    }
    parts[f"{name}.n"] = Cited(str(effect.n), (float(effect.n),), run)
    if effect.n == 1:
        return parts | {name: Cited(_one(effect, effect.value), (shown["value"],), run)}
    # In the order in which `str(effect)` has them; equal repeats leave no interval.
    numbers = [number for number in shown.values() if math.isfinite(number)] + [effect.n]
    numbers += [] if effect.wins is None else [effect.wins]
    return parts | {name: Cited(str(effect), tuple(map(float, numbers)), run)}


def _one(effect: Effect, value: float) -> str:
    if effect.unit == "" and value == int(value):
        return _whole(value)
    return effect.number(value) + UNITS[effect.unit][1]


def _whole(value: float) -> str:
    return f"{int(value):,}" if value == int(value) else f"{value:g}"
