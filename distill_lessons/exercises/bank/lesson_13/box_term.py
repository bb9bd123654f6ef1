"""Find the bug: boxes of nothing."""

from __future__ import annotations

import torch

from distill_lessons.exercises.dice import dice
from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import Case


def _maps(seed: int) -> list[Case]:
    z = torch.zeros(1, 5, 1, 2)
    teacher = torch.tensor([0.0, 1, 0, 0, 0, -9, 4, 4, 4, 4]).reshape(2, 5).T.reshape(1, 5, 1, 2)
    words = (
        "two cells, a teacher that is in two minds about the first and sees nothing in the other"
    )
    cases = [Case(words, (z, teacher))]
    for n, cells in ((2, 3), (3, 4)):
        rng = dice(seed, n)
        z, teacher = torch.randn(2, n, 5, cells, cells, generator=rng)
        teacher[:, 0] = 4 * teacher[:, 0] - 1
        cases.append(Case(f"{n} scenes of {cells}×{cells} cells", (z, teacher)))
    return cases


GIVEN = '''\
def box_term(z, z_teacher):
    """Answers (N, 5, G, G) of student and teacher: a logit for there being something, and a box.

    Returns how far the student's boxes are from the teacher's, one number, the mean over scenes.
    """
    apart = (z[:, 1:] - z_teacher[:, 1:]).abs().sum(dim=1)  # (N, G, G)
    return apart.sum() / len(z)
'''

exercise = Exercise(
    title="Find the bug: boxes of nothing",
    kind="bug",
    given=GIVEN,
    difficulty="medium",
    importance="high",
    minutes=5,
    hints=(
        "Most cells hold nothing. What is a teacher's box worth there, and what does the student "
        "spend its steps on?",
        "The teacher says itself how sure it is that something is there: its first number, a "
        "logit. Weight each cell by that *probability*.",
    ),
    cases=_maps,
)

# ==== Judging =====================================================================================

import math
from collections.abc import Callable

from torch import Tensor

from distill_lessons.exercises.parts import Judging, Mistake


def _sigmoid(logit: float) -> float:
    return 1 / (1 + math.exp(-logit))


def _term(
    weight: Callable[[float, float], float] = lambda student, teacher: _sigmoid(teacher),
    over: Callable[[Tensor, float], float] = lambda z, total: len(z),
    first: int = 1,
) -> Callable[[Tensor, Tensor], float]:
    """Return the distance, with room for mistakes; cell by cell."""

    def found(z: Tensor, z_teacher: Tensor) -> float:
        students, teachers = (of.movedim(1, 3).reshape(-1, 5).tolist() for of in (z, z_teacher))
        weights = [weight(s[0], t[0]) for s, t in zip(students, teachers, strict=True)]
        sums = [
            sum(abs(a - b) for a, b in zip(s[first:], t[first:], strict=True))
            for s, t in zip(students, teachers, strict=True)
        ]
        total = sum(w * apart for w, apart in zip(weights, sums, strict=True))
        return float(total / over(z, sum(weights)))

    return found


judging = Judging(
    reference=_term(),
    mistakes=(
        Mistake("as given", _term(lambda student, teacher: 1.0), "", given=True),
        Mistake(
            "the student's own certainty",
            _term(lambda student, teacher: _sigmoid(student)),
            "The student's certainty is the weight here. Seeing nothing would lower the term.",
        ),
        Mistake(
            "the logit for a weight",
            _term(lambda student, teacher: teacher),
            "A logit is no weight: in empty cells it is negative, and there the term would reward "
            "a distance.",
        ),
        Mistake(
            "yes or no",
            _term(lambda student, teacher: float(teacher > 0)),
            "You cut at one half. A teacher that is in two minds should count with half its "
            "weight, not with none or all.",
        ),
        Mistake(
            "mean over cells",
            _term(
                lambda student, teacher: 1.0,
                over=lambda z, total: len(z) * z.shape[2] * z.shape[3],
            ),
            "All cells still weigh the same; you only divide by their number.",
        ),
        Mistake(
            "mean over what is there",
            _term(over=lambda z, total: total),
            "The weights are right. But the sum is to be divided by the number of scenes.",
        ),
        Mistake(
            "the logit compared too",
            _term(first=0),
            "The weights are right, but the first number is compared along. It is no part of the "
            "box.",
        ),
        Mistake("nothing", lambda z, z_teacher: 0.0, "Zero, always: nothing would be learned."),
    ),
)

# ==== Solution ====================================================================================


# A weight of the teacher's own probability: cells in which it sees nothing fall out by themselves.
def box_term(z, z_teacher):
    apart = (z[:, 1:] - z_teacher[:, 1:]).abs().sum(dim=1)
    sure = z_teacher[:, 0].sigmoid()
    return (apart * sure).sum() / len(z)


def by_einsum(z, z_teacher):
    sure = torch.sigmoid(z_teacher[:, 0])
    apart = torch.abs(z - z_teacher)[:, 1:]
    return torch.einsum("nbij,nij->n", apart, sure).mean()


other_ways = [by_einsum]
