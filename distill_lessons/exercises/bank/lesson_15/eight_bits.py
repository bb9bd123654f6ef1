"""Round the weights."""

from __future__ import annotations

import torch

from distill_lessons.deploy import int8
from distill_lessons.exercises.dice import dice
from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import Case


def _weights(seed: int) -> list[Case]:
    by_hand = torch.tensor([[3.0, -1.4, 0.6], [0.3, 0.14, -0.06]])
    cases = [Case("the rows (3, −1.4, 0.6) and (0.3, 0.14, −0.06), 3 bits", (by_hand, 3))]
    for rows, columns, bits in ((4, 9, 8), (3, 7, 4)):
        rng = dice(seed, bits)
        weight = torch.randn(rows, columns, generator=rng)
        weight *= torch.rand(rows, 1, generator=rng) + torch.arange(1, rows + 1)[:, None]
        weight[0, weight[0].abs().argmax()] *= -1.2  # a largest weight that may be negative
        cases.append(Case(f"{rows}×{columns} weights, {bits} bits", (weight, bits)))
    return cases


exercise = Exercise(
    title="Round the weights",
    kind="code",
    difficulty="medium",
    importance="high",
    minutes=6,
    points=2,
    hints=(
        "What is the largest absolute value in each row, and by what must it be divided to become "
        "`most`?",
        "`weight.abs().amax(dim=1, keepdim=True)` has the shape (outputs, 1), so that a division "
        "by it goes row by row.",
        "`torch.round` gives the nearest whole numbers of `weight / scale`.",
    ),
    not_by=(int8.round_weights,),
    cases=_weights,
)

# ==== Judging =====================================================================================

from collections.abc import Callable

from torch import Tensor

from distill_lessons.exercises.parts import Judging, Mistake


def _per_row(weight: Tensor) -> Tensor:
    return weight.abs().amax(1, keepdim=True)


def _on(
    largest: Callable[[Tensor], Tensor] = _per_row,
    most: Callable[[int], int] = lambda bits: 2 ** (bits - 1) - 1,
    near: Callable[[Tensor], Tensor] = torch.round,
) -> Callable[[Tensor, int], Tensor]:
    def rounded(weight: Tensor, bits: int) -> Tensor:
        scale = largest(weight) / most(bits)
        found: Tensor = near(weight / scale) * scale
        return found

    return rounded


def _whole(weight: Tensor, bits: int) -> Tensor:
    most: int = 2 ** (bits - 1) - 1
    return (weight / (_per_row(weight) / most)).round()


judging = Judging(
    reference=lambda weight, bits: int8.round_weights(weight, bits=bits),
    mistakes=(
        Mistake(
            "one scale for all",
            _on(lambda weight: weight.abs().amax()),
            "All rows have one scale. Each output has its own: the rows of small weights lose most "
            "of their values otherwise.",
        ),
        Mistake(
            "without the sign",
            _on(lambda weight: weight.amax(1, keepdim=True)),
            "The scale looks at the largest weight, but a negative one may be larger in size.",
        ),
        Mistake(
            "by column",
            _on(lambda weight: weight.abs().amax(0, keepdim=True)),
            "Your scales belong to the inputs. Each output, a row, has its own.",
        ),
        Mistake(
            "cut off",
            _on(near=torch.trunc),
            "The digits after the point are cut off. Take the *nearest* whole number.",
        ),
        Mistake(
            "rounded down",
            _on(near=torch.floor),
            "Everything is rounded down. Take the *nearest* whole number.",
        ),
        Mistake(
            "twice the range",
            _on(most=lambda bits: 2**bits - 1),
            "Your whole numbers need one bit more: a bit is spent on the sign.",
        ),
        Mistake(
            "one step too many",
            _on(most=lambda bits: 2 ** (bits - 1)),
            "With `most + 1` on the positive side the largest weight does not fit: eight bits end "
            "at 127.",
        ),
        Mistake(
            "whole numbers",
            _whole,
            "These are the whole numbers themselves. The net computes with scale times them.",
        ),
        Mistake("as it was", lambda weight, bits: weight.clone(), "Nothing is rounded."),
    ),
)

# ==== Solution ====================================================================================


# A row's largest weight goes to the largest whole number. Whatever lies between two of them moves
# by half a step at most.
def eight_bits(weight, bits=8):
    most = 2 ** (bits - 1) - 1
    scale = weight.abs().amax(dim=1, keepdim=True) / most
    whole = (weight / scale).round()
    return whole * scale


def row_by_row(weight, bits=8):
    most = 2 ** (bits - 1) - 1
    rows = []
    for row in weight.tolist():
        scale = max(abs(w) for w in row) / most
        rows.append([round(w / scale) * scale for w in row])
    return rows


def in_numpy(weight, bits=8):
    import numpy as np

    w = weight.numpy()
    scale = np.abs(w).max(axis=1, keepdims=True) / (2 ** (bits - 1) - 1)
    return np.rint(w / scale) * scale


other_ways = [row_by_row, in_numpy]

borrowed = [lambda weight, bits: int8.round_weights(weight, bits=bits)]
