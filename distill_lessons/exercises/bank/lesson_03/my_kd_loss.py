"""The whole loss, with torch's functions."""

from __future__ import annotations

import torch

from distill_lessons import losses
from distill_lessons.exercises.dice import dice
from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.nets import with_its_gradient
from distill_lessons.exercises.parts import Case
from distill_lessons.faults import losses as programs


def _labelled(seed: int) -> list[Case]:
    rng = dice(seed)
    z_student, z_teacher = 3 * torch.randn(2, 5, 10, generator=rng)
    y = torch.randint(10, (5,), generator=rng)
    more = (*2 * torch.randn(2, 3, 4, generator=rng), torch.randint(4, (3,), generator=rng))
    by_hand = (
        torch.tensor([[1.0, 2.0, 0.0], [0.0, 2.0, 1.0]]),
        torch.tensor([[4.0, 2.0, 0.0], [0.0, 6.0, 4.0]]),
        torch.tensor([0, 1]),
    )
    return [
        Case("the tiny batch of this lesson, T = 2, alpha = 0.3", (*by_hand, 2.0, 0.3)),
        Case("five images, ten classes, T = 4, alpha = 0.1", (z_student, z_teacher, y, 4.0, 0.1)),
        *(
            Case(f"three images, four classes, T = {T:g}, alpha = {alpha:g}", (*more, T, alpha))
            for T, alpha in ((0.5, 0.8), (2.0, 0.0), (8.0, 1.0))
        ),
    ]


exercise = Exercise(
    title="The whole loss, with torch's functions",
    kind="code",
    difficulty="medium",
    importance="high",
    minutes=8,
    points=2,
    hints=(
        "Write the two terms in a line each, the soft one first: it needs p, the logarithm of q, "
        "and `F.kl_div`.",
        "`F.kl_div` takes the student's log-softmax, then the teacher's softmax, and has a "
        "`reduction` that sums over classes and averages over the batch. Both softmaxes at T.",
        "`F.cross_entropy` takes the student's logits as they are. alpha weighs it, and the factor "
        "of the other term is `(1 - alpha) * T**2`.",
    ),
    cases=_labelled,
    ask=with_its_gradient,
    not_by=(losses.kd_loss, losses.kl_divergence, programs.kd_loss),
)

# ==== Judging =====================================================================================

from collections.abc import Callable
from typing import Any

from torch import Tensor

from distill_lessons import losses
from distill_lessons.exercises.bank.lesson_03.common import softmaxes
from distill_lessons.exercises.nets import NO_WAY_BACK
from distill_lessons.exercises.parts import Judging, Mistake


def _kl(above: Tensor, below: Tensor, T: float) -> Tensor:
    p, q = ((z / T).log_softmax(1) for z in (above, below))
    return (p.exp() * (p - q)).sum(1)


def _hard(z: Tensor, y: Tensor) -> Tensor:
    return -z.log_softmax(1)[torch.arange(len(y)), y].mean()


def _mixture(
    soft: Callable[..., Tensor] = lambda z, target, T: _kl(target, z, T).mean(),
    hard: Callable[..., Tensor] = lambda z, y, T: _hard(z, y),
    weights: Callable[[float, float], tuple[float, float]] = lambda a, T: (a, (1 - a) * T**2),
) -> Callable[..., Tensor]:
    """Return the distillation loss, with room for mistakes."""

    def loss(z_student: Tensor, z_teacher: Tensor, y: Tensor, T: float, alpha: float) -> Tensor:
        of_hard, of_soft = weights(alpha, T)
        return of_hard * hard(z_student, y, T) + of_soft * soft(z_student, z_teacher, T)

    return loss


def _kl_of_probabilities(z: Tensor, target: Tensor, T: float) -> Tensor:
    q, p = softmaxes(z, target, T)
    return (p * (p.log() - q)).sum(1).mean()


def _numbers_only(*given: Any) -> Tensor:
    with torch.no_grad():
        return _mixture()(*given)


judging = Judging(
    reference=lambda zs, zt, y, T, alpha: losses.kd_loss(zs, zt, y, T=T, alpha=alpha),
    mistakes=(
        Mistake("no way back", _numbers_only, NO_WAY_BACK),
        Mistake(
            "half a way back",
            _mixture(hard=lambda z, y, T: _hard(z.detach(), y)),
            "The number is right, but the gradient is not: the hard term has lost its way back to "
            "the student's logits.",
        ),
        Mistake(
            "the other half",
            _mixture(soft=lambda z, t, T: _kl(t, z.detach(), T).mean()),
            "The number is right, but the gradient is not: the soft term has lost its way back to "
            "the student's logits. It is the teacher's that may be detached.",
        ),
        Mistake(
            "no T²",
            _mixture(weights=lambda a, T: (a, 1 - a)),
            "The soft term lacks its factor T².",
        ),
        Mistake(
            "no T², mean over classes",
            _mixture(
                soft=lambda z, t, T: _kl(t, z, T).mean() / z.shape[1],
                weights=lambda a, T: (a, 1 - a),
            ),
            "Two things are off in the soft term: its factor T² is missing, and the KL is averaged "
            "over classes.",
        ),
        Mistake(
            "T for T²",
            _mixture(weights=lambda a, T: (a, (1 - a) * T)),
            "The soft term's factor is T; it has to be T².",
        ),
        Mistake(
            "alpha on the wrong term",
            _mixture(weights=lambda a, T: (1 - a, a * T**2)),
            "alpha weighs the soft term here. In this course it is the weight of the hard term.",
        ),
        Mistake(
            "T² on both terms",
            _mixture(weights=lambda a, T: (a * T**2, (1 - a) * T**2)),
            "T² multiplies the hard term as well. That term has no temperature to make up for.",
        ),
        Mistake(
            "temperature in the hard term",
            _mixture(hard=lambda z, y, T: _hard(z / T, y)),
            "The hard term has a temperature too. It uses the student's logits as they are.",
        ),
        Mistake(
            "two softmaxes",
            _mixture(hard=lambda z, y, T: _hard(z.softmax(1), y)),
            "`F.cross_entropy` got probabilities. It takes logits and does the softmax itself.",
        ),
        Mistake(
            "mean over classes",
            _mixture(soft=lambda z, t, T: _kl(t, z, T).mean() / z.shape[1]),
            "Your KL is averaged over classes. Which `reduction` averages over the batch alone?",
        ),
        Mistake(
            "sum over the batch",
            _mixture(soft=lambda z, t, T: _kl(t, z, T).sum()),
            "Your KL is summed over the batch, the hard term is averaged over it. Average both.",
        ),
        Mistake(
            "arguments swapped",
            _mixture(soft=lambda z, t, T: _kl(z, t, T).mean()),
            "The KL has its arguments swapped, KL(q‖p). `F.kl_div` takes the student's logarithms "
            "first, the teacher's probabilities second.",
        ),
        Mistake(
            "cross-entropy for KL",
            _mixture(
                soft=lambda z, t, T: -((t / T).softmax(1) * (z / T).log_softmax(1)).sum(1).mean()
            ),
            "The gradient is right, but the soft term is the cross-entropy with the teacher: its "
            "own entropy is still in it. `F.kl_div` leaves it out.",
        ),
        Mistake(
            "softmax for log-softmax",
            _mixture(soft=_kl_of_probabilities),
            "`F.kl_div` got the student's probabilities. It takes their logarithms.",
        ),
        Mistake(
            "temperature for the teacher only",
            _mixture(soft=lambda z, t, T: _kl(t, z * T, T).mean()),
            "The student's softmax lacks the temperature in the soft term. Both need it.",
        ),
    ),
)

# ==== Solution ====================================================================================

from torch.nn import functional as F


# T in both softmaxes of the soft term and in none of the hard term; log-softmax for the student,
# softmax for the teacher; the student first; a sum over classes; the factor T².
def my_kd_loss(z_student, z_teacher, y, T, alpha):
    log_q = torch.log_softmax(z_student / T, dim=1)
    p = torch.softmax(z_teacher.detach() / T, dim=1)
    soft = F.kl_div(log_q, p, reduction="batchmean")
    return alpha * F.cross_entropy(z_student, y) + (1 - alpha) * T**2 * soft


def loss_in_double(z_student, z_teacher, y, T, alpha):
    z, target = z_student.double(), z_teacher.double()
    log_q, log_p = (rows / T - (rows / T).logsumexp(1, keepdim=True) for rows in (z, target))
    kl = sum((p.exp() * (p - q)).sum() for p, q in zip(log_p, log_q, strict=True)) / len(z)
    ce = -torch.stack([row[k] for row, k in zip(z.log_softmax(1), y, strict=True)]).mean()
    return torch.lerp(T**2 * kl, ce, alpha)


def loss_by_cross_entropies(z_student, z_teacher, y, T, alpha):
    p = torch.softmax(z_teacher / T, dim=1)
    soft = F.cross_entropy(z_student / T, p) - F.cross_entropy(z_teacher / T, p)
    return alpha * F.cross_entropy(z_student, y) + (1 - alpha) * T * T * soft


other_ways = [loss_in_double, loss_by_cross_entropies]

borrowed = [
    lambda z_student, z_teacher, y, T, alpha: losses.kd_loss(
        z_student, z_teacher, y, T=T, alpha=alpha
    ),
    lambda z_student, z_teacher, y, T, alpha: (
        alpha * F.cross_entropy(z_student, y)
        + (1 - alpha) * T**2 * losses.kl_divergence(z_teacher, z_student, T).mean()
    ),
]
