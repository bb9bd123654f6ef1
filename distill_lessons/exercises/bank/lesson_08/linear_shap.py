"""A linear model explains itself."""

from __future__ import annotations

import numpy as np

from distill_lessons.exercises.dice import mixed
from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import Case
from distill_lessons.explain import known


def _models(seed: int) -> list[Case]:
    rng = np.random.default_rng(mixed(seed))
    by_hand = (
        np.array([[2.0, -1.0], [0.0, 1.0]]),
        np.array([[3.0, 3.0]]),
        np.array([[1.0, 0.0], [1.0, 2.0]]),
    )
    cases = [Case("two weights for each of two classes, x = (3, 3)", by_hand)]
    for n, n_back, n_features, K in ((3, 5, 4, 3), (5, 2, 6, 2)):
        weight, x = rng.normal(size=(K, n_features)), 2 + rng.normal(size=(n, n_features))
        background = 1 + rng.normal(size=(n_back, n_features))
        words = f"{n} inputs of {n_features} numbers, a background of {n_back}, K = {K}"
        cases.append(Case(words, (weight, x, background)))
    return cases


exercise = Exercise(
    title="A linear model explains itself",
    kind="code",
    difficulty="easy",
    importance="high",
    minutes=5,
    hints=(
        "What an input usually is: the mean of the background, input by input.",
        "`background.mean(0)` has shape `(F,)`, and NumPy subtracts it from every row of `x`.",
    ),
    not_by=(known.linear_values,),
    cases=_models,
)

# ==== Judging =====================================================================================

from collections.abc import Callable
from typing import Any

from distill_lessons.exercises.parts import Judging, Mistake

Array = np.ndarray[Any, Any]


def _from(usual: Callable[[Array, Array], Any]) -> Callable[[Array, Array, Array], Array]:
    """Return weight times distance from something that is taken to be usual."""
    return lambda weight, x, background: (x - usual(x, background))[:, :, None] * weight.T


judging = Judging(
    reference=known.linear_values,
    mistakes=(
        Mistake(
            "weight times input",
            _from(lambda x, background: 0.0),
            "This is weight times input. It compares with an input of zeros and not with the "
            "background.",
        ),
        Mistake(
            "mean of the inputs",
            _from(lambda x, background: x.mean(0)),
            "You compare with the mean of the inputs that are explained. What is usual, the "
            "background says.",
        ),
        Mistake(
            "one mean for all inputs",
            _from(lambda x, background: background.mean()),
            "You take one mean of all numbers. Each input has a usual value of its own: `mean(0)`.",
        ),
        Mistake(
            "the first row",
            _from(lambda x, background: background[0]),
            "You compare with the first row of the background. The value of an input is an average "
            "over all of them.",
        ),
        Mistake(
            "median",
            _from(lambda x, background: np.median(background, 0)),
            "You compare with the median. Shapley values average the output over the background, "
            "and for a linear model that is the output at the mean.",
        ),
        Mistake(
            "upside down",
            lambda weight, x, background: -_from(lambda x, b: b.mean(0))(weight, x, background),
            "The sign is turned: an input above its usual value, with a positive weight, speaks "
            "*for* the class.",
        ),
        Mistake(
            "sizes only",
            lambda weight, x, background: np.abs(
                _from(lambda x, b: b.mean(0))(weight, x, background)
            ),
            "The signs are lost: inputs speak for and against a class.",
        ),
        Mistake(
            "the weight alone",
            lambda weight, x, background: np.broadcast_to(
                weight.T, (len(x), *weight.T.shape)
            ).copy(),
            "These are the weights, the same for every input. How far is this input from the "
            "usual?",
        ),
    ),
)

# ==== Solution ====================================================================================

import torch


# The sum of a row's values is its output minus the mean output: the bias takes itself away.
def linear_shap(weight, x, background):
    usual = background.mean(0)
    away = x - usual
    return away[:, :, None] * weight.T


def with_einsum(weight: Any, x: Any, background: Any) -> Any:
    weight, x, background = (torch.as_tensor(part) for part in (weight, x, background))
    return torch.einsum("nf,kf->nfk", x - background.mean(0), weight).float()


def in_loops(weight: Any, x: Any, background: Any) -> list[list[list[float]]]:
    usual = [sum(column) / len(background) for column in background.T]
    return [
        [[float(w[f] * (row[f] - usual[f])) for w in weight] for f in range(len(usual))]
        for row in x
    ]


other_ways = [with_einsum, in_loops]

borrowed = [
    known.linear_values,
    lambda weight, x, background: known.linear_values(weight, x, background),
]
