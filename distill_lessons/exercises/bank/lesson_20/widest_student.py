"""How wide may the student be?"""

from __future__ import annotations

from distill_lessons.exercises.dice import mixed
from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import Case


def _nets(seed: int) -> list[Case]:
    sizes = [(64, 10, 85_002), (64, 10, 83_500), (64, 10, 83_499), (10, 3, 56_300)]
    for stream in range(3):
        number = mixed(seed, stream)
        n_inputs, n_classes = 20 + number % 700, 2 + number // 700 % 30
        # Some units' worth and a rest that is just too small for one more, so that a bias that is
        # left out makes room for it; or half of one, so that rounding shows.
        unit = n_inputs + 1 + n_classes
        rest = unit - 1 if stream < 2 else unit * 3 // 5
        weights = (3 + number // 21_000 % 40) * unit + n_classes + rest
        sizes.append((n_inputs, n_classes, 100 * weights + 57))
    return [
        Case(f"{i} inputs, {k} classes, a teacher of {n:,} weights", (i, k, n)) for i, k, n in sizes
    ]


exercise = Exercise(
    title="How wide may the student be?",
    kind="code",
    difficulty="medium",
    importance="high",
    minutes=6,
    points=2,
    hints=(
        "A hundredth of the teacher's weights, cut off to a whole number: `n_teacher // 100`.",
        "One hidden unit has a weight for each input, a bias, and a weight for each class.",
        "The output layer has biases too. They are there however many units there are.",
    ),
    cases=_nets,
)

# ==== Judging =====================================================================================

from collections.abc import Callable

from distill_lessons.exercises.parts import Judging, Mistake


def _by_trying(n_inputs: int, n_classes: int, n_teacher: int) -> int:
    units = 0
    while 100 * _weights(n_inputs, n_classes, units + 1) <= n_teacher:
        units += 1
    return units


def _weights(n_inputs: int, n_classes: int, units: int) -> int:
    return (n_inputs + 1) * units + (units + 1) * n_classes


def _from(width: Callable[[int, int, float], float]) -> Callable[[int, int, int], float]:
    return lambda n_inputs, n_classes, n_teacher: width(n_inputs, n_classes, n_teacher / 100)


judging = Judging(
    reference=_by_trying,
    mistakes=(
        Mistake(
            "rounded up",
            _from(lambda i, k, most: -(-(most - k) // (i + 1 + k))),
            "With so many units the student is over the limit: a part of a unit does not count.",
        ),
        Mistake(
            "rounded",
            _from(lambda i, k, most: round((most - k) / (i + 1 + k))),
            "You round to the nearest number of units, and so may go over the limit.",
        ),
        Mistake(
            "not whole",
            _from(lambda i, k, most: (most - k) / (i + 1 + k)),
            "A number of units is whole.",
        ),
        Mistake(
            "no output biases",
            _from(lambda i, k, most: most // (i + 1 + k)),
            "The output layer's biases are missing: one for each class, however many units.",
        ),
        Mistake(
            "no bias of the unit",
            _from(lambda i, k, most: (int(most) - k) // (i + k)),
            "Each hidden unit has a bias too.",
        ),
        Mistake(
            "inputs alone",
            _from(lambda i, k, most: most // i),
            "You count the weights from the inputs alone. Each unit has a bias and a weight for "
            "every class too.",
        ),
        Mistake(
            "a hundredth of the units",
            lambda n_inputs, n_classes, n_teacher: n_teacher // (n_inputs + 1 + n_classes),
            "With so many units the student has as many weights as the teacher.",
        ),
        Mistake(
            "a tenth",
            lambda n_inputs, n_classes, n_teacher: _by_trying(n_inputs, n_classes, 10 * n_teacher),
            "That is the width for a tenth of the weights. The contract says a hundredth.",
        ),
        Mistake(
            "the root",
            _from(lambda i, k, most: int(most**0.5)),
            "The root would be the width of a square layer. This net has one hidden layer between "
            "inputs and classes.",
        ),
    ),
)

# ==== Solution ====================================================================================


# All weights but the output layer's biases belong to one hidden unit each.
def widest_student(n_inputs, n_classes, n_teacher):
    allowed = n_teacher // 100
    of_each_unit = n_inputs + 1 + n_classes
    always = n_classes
    return (allowed - always) // of_each_unit


def by_counting_up(n_inputs, n_classes, n_teacher):
    width = 1
    while n_inputs * width + width + width * n_classes + n_classes <= n_teacher / 100:
        width += 1
    return width - 1


def with_floats(n_inputs, n_classes, n_teacher):
    return float(int((n_teacher / 100 - n_classes) / (n_inputs + n_classes + 1)))


other_ways = [by_counting_up, with_floats]
