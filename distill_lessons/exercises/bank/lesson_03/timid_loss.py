"""Find the bugs: a timid student."""

from __future__ import annotations

import torch

from distill_lessons.exercises.dice import dice
from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.nets import with_its_gradient
from distill_lessons.exercises.parts import Case


def _pairs(seed: int) -> list[Case]:
    rng = dice(seed)
    z_student, z_teacher = 3 * torch.randn(2, 4, 10, generator=rng)
    more_student, more_teacher = 4 * torch.randn(2, 3, 5, generator=rng)
    by_hand = torch.tensor([[2.0, 1.0, 0.0]]), torch.tensor([[8.0, 4.0, 0.0]])
    return [
        Case("z_student = [[2, 1, 0]], z_teacher = [[8, 4, 0]], T = 4", (*by_hand, 4.0)),
        Case("four images, ten classes, T = 2", (z_student, z_teacher, 2.0)),
        Case("three images, five classes, T = 8", (more_student, more_teacher, 8.0)),
        Case("the same, T = 0.5", (more_student.clone(), more_teacher.clone(), 0.5)),
    ]


GIVEN = """\
def timid_loss(z_student, z_teacher, T):
    p = torch.softmax(z_teacher / T, dim=1)
    log_q = torch.log_softmax(z_student, dim=1)
    return T**2 * F.kl_div(log_q, p, reduction="mean")
"""

exercise = Exercise(
    title="Find the bugs: a timid student",
    kind="bug",
    given=GIVEN,
    difficulty="medium",
    importance="high",
    minutes=6,
    points=2,
    hints=(
        "In the first of the check's inputs the student's logits are the teacher's divided by T. "
        "Do they agree, then? Compute both softmaxes at T = 4.",
        "One mistake is in a softmax. The other is in what is summed and what is averaged.",
        "Compare both softmaxes, letter by letter. Then look up what `reduction` may be, in the "
        'section "The classic mistakes, on the tiny batch".',
    ),
    cases=_pairs,
    ask=with_its_gradient,
)

# ==== Judging =====================================================================================

from collections.abc import Callable

from torch import Tensor
from torch.nn import functional as F

from distill_lessons import losses
from distill_lessons.exercises.nets import NO_WAY_BACK
from distill_lessons.exercises.parts import Judging, Mistake


def _same(T: float) -> float:
    return T


def _reduced(
    reduction: str,
    of_student: Callable[[float], float],
    of_teacher: Callable[[float], float] = _same,
) -> Callable[..., Tensor]:
    def soft(z_student: Tensor, z_teacher: Tensor, T: float) -> Tensor:
        p = losses.soft_targets(z_teacher, of_teacher(T))
        each = F.kl_div((z_student / of_student(T)).log_softmax(1), p, reduction="none")
        return (
            T**2
            * {"mean": each.mean(), "sum": each.sum(), "batchmean": each.sum(1).mean()}[reduction]
        )

    return soft


_COLD = (
    "The two softmaxes agree now, but at T = 1: you took the teacher's temperature away. It is the "
    "student's that is missing."
)


judging = Judging(
    reference=lambda zs, zt, T: losses.kd_loss(zs, zt, None, T=T, alpha=0.0),
    mistakes=(
        Mistake("as given", _reduced("mean", lambda T: 1.0), "", given=True),
        Mistake(
            "no way back",
            lambda zs, zt, T: losses.kd_loss(zs, zt, None, T=T, alpha=0.0).detach(),
            NO_WAY_BACK,
        ),
        Mistake(
            "mean over classes remains",
            _reduced("mean", _same),
            "One bug is fixed: both softmaxes have the temperature. The other remains: your KL is "
            "averaged over classes.",
        ),
        Mistake(
            "temperature remains missing",
            _reduced("batchmean", lambda T: 1.0),
            "One bug is fixed: classes are summed, images averaged. The other remains: the two "
            "softmaxes are not at the same temperature.",
        ),
        Mistake(
            "sum over the batch",
            _reduced("sum", _same),
            "Both softmaxes are right now. But the KL is summed over the images; it has to be "
            "averaged over them.",
        ),
        Mistake(
            "T² lost",
            lambda zs, zt, T: _reduced("batchmean", _same)(zs, zt, T) / T**2,
            "Both bugs are fixed. But the factor T² has got lost on the way.",
        ),
        Mistake("no temperature", _reduced("batchmean", lambda T: 1.0, lambda T: 1.0), _COLD),
        Mistake(
            "no temperature, mean over classes",
            _reduced("mean", lambda T: 1.0, lambda T: 1.0),
            f"{_COLD} And the KL is still averaged over classes.",
        ),
    ),
)

# ==== Solution ====================================================================================


# The student's softmax lacked its temperature: such a loss is 0 for a student whose logits are the
# teacher's divided by T, with the teacher's guesses and little confidence. And "mean" averages over
# the classes too, which makes the loss K times too small.
def timid_loss(z_student, z_teacher, T):
    p = torch.softmax(z_teacher / T, dim=1)
    log_q = torch.log_softmax(z_student / T, dim=1)
    return T**2 * F.kl_div(log_q, p, reduction="batchmean")


def soft_in_a_loop(z_student, z_teacher, T):
    logs = (torch.stack([row - row.logsumexp(0) for row in z / T]) for z in (z_student, z_teacher))
    log_q, log_p = (rows.double() for rows in logs)
    return (
        T**2
        * sum((p.exp() * (p - q)).sum() for p, q in zip(log_p, log_q, strict=True))
        / len(log_p)
    )


other_ways = [soft_in_a_loop]
