"""Is it the number that was recorded?"""

from __future__ import annotations

from distill_lessons.exercises.dice import mixed
from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import Case


def _numbers(seed: int) -> list[Case]:
    pairs = [("94.2", 94.1837), ("94", 93.7204), ("-0.40", -0.36419), ("99", 101.3)]
    for stream, decimals in enumerate((0, 1, 2, 3)):
        number = mixed(seed, stream)
        # The digit after those that are written is a 6 to 8, so that what is cut off shows.
        value = (number % 900 + 100 + 0.6 + number // 900 % 2000 / 10_000) / 10**decimals
        value = value * (-1 if number % 3 == 0 else 1)
        written = value + (number % 7 - 3) * 0.4 / 10**decimals
        pairs.append((f"{written:.{decimals}f}", value))
    return [Case(f"{text!r} in the card, {value} recorded", (text, value)) for text, value in pairs]


exercise = Exercise(
    title="Is it the number that was recorded?",
    kind="code",
    difficulty="medium",
    importance="high",
    minutes=6,
    points=2,
    hints=(
        "How many decimals does each of the three examples have, and how could the text tell you?",
        "`round(value, 2)` rounds to two decimals, `round(value, 0)` to none.",
    ),
    tolerance=1e-7,
    cases=_numbers,
)

# ==== Judging =====================================================================================

import math
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal

from distill_lessons.exercises.parts import Judging, Mistake


def _quantised(text: str, value: float) -> float:
    return float(Decimal(value).quantize(Decimal(text), rounding=ROUND_HALF_UP))


def _to(decimals: Callable[[str], int]) -> Callable[[str, float], float]:
    return lambda text, value: round(value, decimals(text))


def _decimals(text: str) -> int:
    return len(text.partition(".")[2])


judging = Judging(
    reference=_quantised,
    mistakes=(
        Mistake(
            "the card's own number",
            lambda text, value: float(text),
            "You return the number of the card, so that every card is right. Round what was "
            "*recorded*.",
        ),
        Mistake(
            "not rounded",
            lambda text, value: value,
            "You return all digits of the record. Nobody writes them all: round to those that the "
            "card has.",
        ),
        Mistake(
            "one decimal",
            _to(lambda text: 1),
            "You round to one decimal always. How many there are is up to whoever writes the card.",
        ),
        Mistake(
            "as many digits in all",
            lambda text, value: float(f"{value:.{len(text.replace('.', '').lstrip('-0'))}g}"),
            "You keep as many digits in all as the text has. Those before the point are not up to "
            "the card: count the ones after it.",
        ),
        Mistake(
            "cut off",
            lambda text, value: math.trunc(value * 10 ** _decimals(text)) / 10 ** _decimals(text),
            "You cut the further digits off. A 6 after the last digit makes that one larger.",
        ),
        Mistake(
            "all digits counted",
            _to(lambda text: len(text.replace(".", ""))),
            "You count all signs of the text but the point. Count the digits *after* the point.",
        ),
        Mistake(
            "the point counted",
            _to(lambda text: len(text) - max(text.find("."), 0)),
            "You count from the point on, and it is no digit.",
        ),
        Mistake(
            "whole",
            _to(lambda text: 0),
            "You round to whole numbers always.",
        ),
        Mistake(
            "rounded down",
            lambda text, value: math.floor(value * 10 ** _decimals(text)) / 10 ** _decimals(text),
            "You always round down.",
        ),
    ),
)

# ==== Solution ====================================================================================


# Whoever writes fewer digits claims less, and is right if the record rounds to what is written.
def rounded_like(text, value):
    decimals = len(text.split(".")[1]) if "." in text else 0
    return round(value, decimals)


def by_format(text, value):
    return float(f"{value:.{len(text.partition('.')[2])}f}")


def by_steps(text, value):
    step = 10 ** -len(text.partition(".")[2])
    return int(abs(value) / step + 0.5) * step * (1 if value > 0 else -1)


other_ways = [by_format, by_steps]
