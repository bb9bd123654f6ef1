"""Ask the right specialist."""

from __future__ import annotations

import torch

from distill_lessons import teachers
from distill_lessons.exercises.dice import dice
from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import Case


def _answers(seed: int) -> list[Case]:
    by_hand = torch.tensor([[[1.0, 1.0, 4.0]], [[0.0, 7.0, -3.0]]])
    first = torch.tensor([[0.0, 0.0, 2.0]])
    cases = [
        Case("one image, three classes, the first specialist knows 0 and 1", (by_hand, first, 2))
    ]
    for n, k, split in ((3, 5, 2), (4, 6, 4)):
        rng = dice(seed, n)
        z = 3 * torch.randn(2, n, k, generator=rng)
        gate = 2 * torch.randn(n, k, generator=rng)
        words = f"{n} images, {k} classes, the first specialist knows the first {split}"
        cases.append(Case(words, (z, gate, split)))
    return cases


exercise = Exercise(
    title="Ask the right specialist",
    kind="code",
    difficulty="medium",
    importance="medium",
    minutes=8,
    points=2,
    hints=(
        "Three softmaxes: one of the gate over all classes, one of each specialist over its own "
        "classes only, `z[0][:, :split]` and `z[1][:, split:]`.",
        "How likely the first group is, says the *sum* of the gate's probabilities of its classes. "
        "With `keepdim=True` it can be multiplied with a table.",
        "`torch.cat([left, right], dim=1)` puts the two tables side by side.",
    ),
    not_by=(teachers.gated,),
    cases=_answers,
)

# ==== Judging =====================================================================================

import math
from collections.abc import Callable
from typing import Any

from torch import Tensor

from distill_lessons.exercises.parts import Judging, Mistake


def _mix(
    within: Callable[[Tensor, slice], Tensor] = lambda z, own: z[:, own].softmax(1),
    share: Callable[[Tensor], Tensor] = lambda p: p.sum(1, keepdim=True),
    gate_of: Callable[[Tensor], Tensor] = lambda gate: gate.softmax(1),
    order: tuple[int, int] = (0, 1),
) -> Callable[[Tensor, Tensor, int], Tensor]:
    def mix(z: Tensor, gate: Tensor, split: int) -> Tensor:
        p, groups = gate_of(gate), (slice(None, split), slice(split, None))
        parts = [
            within(z[who], own) * share(p[:, own]) for who, own in zip(order, groups, strict=True)
        ]
        return torch.hstack(parts)

    return mix


def _hard(gate: Tensor) -> Tensor:
    return torch.nn.functional.one_hot(gate.argmax(1), gate.shape[1]).float()


judging = Judging(
    reference=_mix(),
    mistakes=(
        Mistake(
            "glued, no gate",
            lambda z, gate, split: torch.hstack([z[0][:, :split], z[1][:, split:]]).softmax(1),
            "You glue the logits and take one softmax. So the louder specialist wins, and the gate "
            "is not asked.",
        ),
        Mistake(
            "no gate",
            _mix(share=lambda p: torch.full_like(p[:, :1], 0.5)),
            "Both groups get one half. How likely each is, says the gate.",
        ),
        Mistake(
            "softmax over all classes",
            _mix(within=lambda z, own: z.softmax(1)[:, own]),
            "A specialist's softmax runs over its own classes only. What it says of the others is "
            "nothing it has learned.",
        ),
        Mistake(
            "the gate's mean",
            _mix(share=lambda p: p.mean(1, keepdim=True)),
            "You take the mean of the gate's probabilities. How likely a group is, says their sum.",
        ),
        Mistake(
            "the gate's largest",
            _mix(share=lambda p: p.amax(1, keepdim=True)),
            "You take the largest of the gate's probabilities. How likely a group is, says their "
            "sum.",
        ),
        Mistake(
            "a gate that shuts",
            _mix(gate_of=_hard),
            "Your gate sends each image to one specialist. It should weigh both.",
        ),
        Mistake(
            "specialists exchanged",
            _mix(order=(1, 0)),
            "Each specialist is asked for the classes of the other.",
        ),
        Mistake(
            "class by class",
            _mix(share=lambda p: p),
            "You multiply class by class. Inside a group the gate has no say: there the specialist "
            "knows better.",
        ),
        Mistake(
            "the gate alone",
            lambda z, gate, split: gate.softmax(1),
            "This is what the gate says. The specialists were not asked.",
        ),
        Mistake(
            "logarithms",
            lambda z, gate, split: _mix()(z, gate, split).log(),
            "These are the logarithms. Return probabilities.",
        ),
    ),
)

# ==== Solution ====================================================================================


# Probability of the group, times probability of the class within it.
def gated_mix(z, gate, split):
    p = gate.softmax(dim=1)
    left = z[0][:, :split].softmax(dim=1) * p[:, :split].sum(dim=1, keepdim=True)
    right = z[1][:, split:].softmax(dim=1) * p[:, split:].sum(dim=1, keepdim=True)
    return torch.cat([left, right], dim=1)


def in_logarithms(z: Any, gate: Any, split: int) -> Any:
    log_gate = gate.log_softmax(1)
    mixed = torch.zeros_like(gate)
    for table, own in zip(z, (slice(0, split), slice(split, gate.shape[1])), strict=True):
        group = torch.logsumexp(log_gate[:, own], dim=1)
        mixed[:, own] = table[:, own].log_softmax(1) + group.unsqueeze(1)
    return mixed.exp()


def in_loops(z: Any, gate: Any, split: int) -> Any:
    rows = []
    for i, row in enumerate(gate.tolist()):
        total = sum(math.exp(v) for v in row)
        found = []
        for table, own in ((z[0], range(split)), (z[1], range(split, len(row)))):
            odds = [math.exp(float(table[i, c])) for c in own]
            group = sum(math.exp(row[c]) for c in own) / total
            found += [group * o / sum(odds) for o in odds]
        rows.append(found)
    return rows


other_ways = [in_logarithms, in_loops]

borrowed = [
    lambda z, gate, split: teachers.gated(
        z, [list(range(split)), list(range(split, gate.shape[1]))], gate
    ).exp()
]
