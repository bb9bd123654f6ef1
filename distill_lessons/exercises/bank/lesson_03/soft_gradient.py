"""The gradient of the soft term."""

from __future__ import annotations

import torch

from distill_lessons.exercises.dice import dice
from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import Case


def _logits(seed: int) -> list[Case]:
    rng = dice(seed)
    z_student, z_teacher = 3 * torch.randn(2, 4, 3, generator=rng)
    more_student, more_teacher = torch.randn(2, 3, 5, generator=rng)
    by_hand = torch.tensor([[1.0, 2.0, 0.0]]), torch.tensor([[4.0, 2.0, 0.0]])
    return [
        Case("z_student = [[1, 2, 0]], z_teacher = [[4, 2, 0]], T = 2", (*by_hand, 2.0)),
        Case("four images, three classes, T = 4", (z_student, z_teacher, 4.0)),
        Case("three images, five classes, T = 0.5", (more_student, more_teacher, 0.5)),
    ]


exercise = Exercise(
    title="The gradient of the soft term",
    kind="code",
    difficulty="medium",
    importance="high",
    minutes=6,
    points=2,
    hints=(
        "Start from the gradient of one image's KL, derived above. What do the factor T² and the "
        "mean over N images do to it?",
        "T² times 1/T is one T. Each image has a share of 1/N in a mean.",
        "Make both softmaxes first, of logits that are divided by T: q of the student, p of the "
        "teacher. N is `len(z_student)`.",
    ),
    cases=_logits,
    not_by=(torch.autograd.grad, torch.autograd.backward),
)

# ==== Judging =====================================================================================

from collections.abc import Callable

from torch import Tensor

from distill_lessons import losses
from distill_lessons.exercises.bank.lesson_03.common import softmaxes
from distill_lessons.exercises.parts import Judging, Mistake


def _by_autograd(z_student: Tensor, z_teacher: Tensor, T: float) -> Tensor:
    leaf = z_student.double().requires_grad_()
    loss = losses.kd_loss(leaf, z_teacher.double(), None, T=T, alpha=0.0)
    return torch.autograd.grad(loss, leaf)[0]


def _scaled(factor: Callable[[int, int, float], float]) -> Callable[..., Tensor]:
    """Return the gradient of one image's KL times T, (q - p), times another factor of N, K, T."""

    def gradient(z_student: Tensor, z_teacher: Tensor, T: float) -> Tensor:
        q, p = softmaxes(z_student, z_teacher, T)
        n, k = q.shape
        return factor(n, k, T) * (q - p)

    return gradient


def _at_one(z_student: Tensor, z_teacher: Tensor, T: float) -> Tensor:
    return _scaled(lambda n, k, _: T / n)(z_student, z_teacher, 1.0)


def _student_at_one(z_student: Tensor, z_teacher: Tensor, T: float) -> Tensor:
    return _scaled(lambda n, k, _: T / n)(z_student * T, z_teacher, T)


judging = Judging(
    reference=_by_autograd,
    mistakes=(
        Mistake(
            "sign",
            _scaled(lambda n, k, T: -T / n),
            "The sign is flipped: where the student gives too much, the loss rises with its logit.",
        ),
        Mistake(
            "no mean",
            _scaled(lambda n, k, T: T),
            "That is right for one image by itself. In the mean over the batch each image has a "
            "share of 1/N.",
        ),
        Mistake(
            "no T²",
            _scaled(lambda n, k, T: 1 / T / n),
            "That is the gradient of the KL. The soft term is T² times the KL.",
        ),
        Mistake(
            "one image's plain KL",
            _scaled(lambda n, k, T: 1 / T),
            "That is the gradient of one image's plain KL. T² and the mean over the batch are "
            "still to come.",
        ),
        Mistake(
            "1/T missing",
            _scaled(lambda n, k, T: T**2 / n),
            "The factor T² is there, but a 1/T is missing: the logits are divided by T before the "
            "softmax, and the chain rule brings that out.",
        ),
        Mistake(
            "no factor at all",
            _scaled(lambda n, k, T: 1 / n),
            "q − p has the right direction. T is still missing in its length.",
        ),
        Mistake(
            "mean over classes",
            _scaled(lambda n, k, T: T / (n * k)),
            "You also averaged over the classes. The KL sums over them.",
        ),
        Mistake(
            "softmax at T = 1",
            _at_one,
            "Both softmaxes lack the temperature: logits are divided by T first.",
        ),
        Mistake(
            "temperature for the teacher only",
            _student_at_one,
            "The teacher's softmax has the temperature, the student's has not. Both need it.",
        ),
    ),
)

# ==== Solution ====================================================================================

import numpy as np
from scipy import special
from torch.nn import functional as F


# One image's KL has the gradient (q - p) / T. T² times that is T (q - p), and in the mean over the
# batch every image has a share of 1/N.
def soft_gradient(z_student, z_teacher, T):
    q = (z_student / T).softmax(1)
    p = (z_teacher / T).softmax(1)
    return T * (q - p) / len(z_student)


def gradient_in_numpy(z_student, z_teacher, T):
    q, p = (
        special.softmax(z.numpy().astype(np.float64) / T, axis=1) for z in (z_student, z_teacher)
    )
    return T * (q - p) / q.shape[0]


def gradient_in_a_loop(z_student, z_teacher, T):
    rows = []
    for ours, theirs in zip(z_student.double(), z_teacher.double(), strict=True):
        q, p = torch.softmax(ours / T, 0), torch.softmax(theirs / T, 0)
        rows.append(T / len(z_student) * (q - p))
    return torch.stack(rows)


def gradient_by_autograd(z_student, z_teacher, T):
    z = z_student.clone().requires_grad_()
    p = (z_teacher / T).softmax(1)
    loss = T**2 * F.kl_div((z / T).log_softmax(1), p, reduction="batchmean")
    loss.backward()
    return z.grad


other_ways = [gradient_in_numpy, gradient_in_a_loop]

borrowed = [gradient_by_autograd]
