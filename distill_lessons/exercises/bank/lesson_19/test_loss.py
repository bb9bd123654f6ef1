"""A test for a loss."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from distill_lessons.exercises import testing
from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import Case
from distill_lessons.faults import losses


def _in_sums(z_student: Tensor, z_teacher: Tensor, y: Tensor, T: float, alpha: float) -> Tensor:
    p = (z_teacher / T).exp() / (z_teacher / T).exp().sum(1, keepdim=True)
    q = (z_student / T).exp() / (z_student / T).exp().sum(1, keepdim=True)
    hard = (z_student.logsumexp(1) - z_student.gather(1, y[:, None])[:, 0]).sum()
    soft = (p * (p / q).log()).sum()
    return (alpha * hard + (1 - alpha) * T * T * soft) / len(y)


def _in_double(z_student: Tensor, z_teacher: Tensor, y: Tensor, T: float, alpha: float) -> Tensor:
    z, target = z_student.double(), z_teacher.double().detach()
    p = (target / T).softmax(1)
    soft = F.cross_entropy(z / T, p) - F.cross_entropy(target / T, p)
    return torch.lerp(T**2 * soft, F.cross_entropy(z, y), alpha).to(z_student)


def _arguments_swapped(
    z_student: Tensor, z_teacher: Tensor, y: Tensor, T: float, alpha: float
) -> Tensor:
    soft = F.kl_div((z_teacher / T).log_softmax(1), (z_student / T).softmax(1), reduction="sum")
    return alpha * F.cross_entropy(z_student, y) + (1 - alpha) * T**2 * soft / len(y)


def _summed(z_student: Tensor, z_teacher: Tensor, y: Tensor, T: float, alpha: float) -> Tensor:
    soft = F.kl_div((z_student / T).log_softmax(1), (z_teacher / T).softmax(1), reduction="sum")
    return alpha * F.cross_entropy(z_student, y) + (1 - alpha) * T**2 * soft


def _losses(seed: int) -> list[Case]:
    right = {
        "with `F.kl_div`": losses.kd_loss,
        "that writes all sums out": _in_sums,
        "in double precision": _in_double,
    }
    wrong = {
        "own guess for target": losses.own_guess,
        "weights swapped": losses.weights_swapped,
        "T² missing": losses.without_t_squared,
        "mean over classes": losses.mean_over_classes,
        "teacher and student swapped in the KL": _arguments_swapped,
        "KL summed over the batch": _summed,
    }
    return testing.programs(seed, right, wrong)


exercise = Exercise(
    title="A test for a loss",
    kind="code",
    difficulty="medium",
    importance="high",
    minutes=10,
    points=2,
    hints=(
        "A loss is a number. So give it logits for which you know that number, by hand or from "
        "another function.",
        "Choose what keeps faults apart: T that is not 1, alpha that is not a half, two images, "
        "logits that are not alike. The formula in sums gives the soft term to compare with; so "
        "does `kl_divergence(z_teacher, z_student, T).mean()`, after `from distill_lessons.losses "
        "import kl_divergence`.",
        "Compare with `torch.isclose`, not with `==`: a right program may round in another way.",
    ),
    cases=_losses,
    ask=testing.run,
)

# ==== Judging =====================================================================================

import math
from collections.abc import Callable
from typing import Any

from distill_lessons import losses as course
from distill_lessons.exercises import testing
from distill_lessons.exercises.parts import Mistake


def _drawn() -> tuple[Tensor, Tensor, Tensor]:
    z_student, z_teacher = torch.randn(2, 6, 4, generator=torch.Generator().manual_seed(3))
    return z_student, 2 * z_teacher, torch.tensor([0, 1, 2, 3, 0, 1])


def _close(
    T: float, alpha: float, change: Callable[..., Any] = lambda *z: z, rows: int = 6
) -> Callable[..., None]:
    """Return a test against the course's loss, at one T and alpha."""

    def test(loss: Callable[..., Any]) -> None:
        z_student, z_teacher, y = change(*_drawn())
        given = (z_student[:rows], z_teacher[:rows], y[:rows])
        wanted = float(course.kd_loss(*given, T=T, alpha=alpha))
        assert math.isclose(float(loss(*given, T, alpha)), wanted, rel_tol=1e-4, abs_tol=1e-6)

    return test


def _same_bits(loss: Callable[..., Any]) -> None:
    given = _drawn()
    assert float(loss(*given, 4.0, 0.1)) == float(losses.kd_loss(*given, 4.0, 0.1))


def _hears(loss: Callable[..., Any]) -> None:
    z_student, z_teacher, y = _drawn()
    one, other = (float(loss(z_student, z, y, 4.0, 0.1)) for z in (z_teacher, -z_teacher))
    assert one != other


def _zero_where_alike(loss: Callable[..., Any]) -> None:
    _, z_teacher, y = _drawn()
    assert abs(float(loss(z_teacher, z_teacher, y, 4.0, 0.0))) < 1e-5


def _never(loss: Callable[..., Any]) -> None:
    raise AssertionError("whatever it is")


judging = testing.judging(
    _close(4.0, 0.1),
    Mistake(
        "at T = 1",
        _close(1.0, 0.1),
        "At T = 1 nobody can tell whether T² is there. Choose another temperature.",
    ),
    Mistake(
        "alpha of a half",
        _close(4.0, 0.5),
        "At alpha = 0.5 the two weights are alike, whichever way round they are.",
    ),
    Mistake(
        "one image",
        _close(4.0, 0.1, rows=1),
        "In a batch of one image a sum and a mean are the same. Take two or more.",
    ),
    Mistake(
        "same bits",
        _same_bits,
        "You ask for equal bits. Another right program adds in another order, and rounds it so.",
    ),
    Mistake(
        "it hears",
        _hears,
        "You test that the teacher matters. It does so in most wrong losses, too; the question is "
        "how much.",
    ),
    Mistake(
        "zero where alike",
        _zero_where_alike,
        "You test a student that says what its teacher says, where the soft term is 0. Nothing "
        "that multiplies it can be seen there.",
    ),
    Mistake("it never passes", _never, "No program passes your test, not even a right one."),
)

# ==== Solution ====================================================================================

import numpy as np


# Known by hand: at T = 2 the teacher says 3/4 and 1/4, the student a half each. Two images, so that
# sums and means differ; alpha that is no half; T that is not 1.
def test_loss(loss):
    z_teacher = torch.tensor([[2 * np.log(3), 0.0], [0.0, 2 * np.log(3)]])
    kl = 0.75 * np.log(0.75 / 0.5) + 0.25 * np.log(0.25 / 0.5)
    expected = 0.1 * np.log(2) + 0.9 * 2**2 * kl
    found = loss(torch.zeros(2, 2), z_teacher, torch.tensor([0, 1]), 2.0, 0.1)
    assert abs(float(found) - expected) < 1e-4


def by_its_gradient(loss: Any) -> None:
    z, target, y = _drawn()
    z.requires_grad_()
    T, alpha = 3.0, 0.2
    (slope,) = torch.autograd.grad(loss(z, target, y, T, alpha), z)
    soft = T * ((z / T).softmax(1) - (target / T).softmax(1))
    hard = z.softmax(1) - F.one_hot(y, 4)
    torch.testing.assert_close(slope, (alpha * hard + (1 - alpha) * soft) / 6)


def in_numpy(loss: Any) -> None:
    z, target, y = (part.numpy() for part in _drawn())
    p, q, hard = (np.exp(v) / np.exp(v).sum(1, keepdims=True) for v in (target / 4, z / 4, z))
    wanted = 0.9 * 16 * (p * np.log(p / q)).sum() / 6 - 0.1 * np.log(hard[range(6), y]).mean()
    found = loss(*map(torch.as_tensor, (z, target, y)), 4.0, 0.1)
    np.testing.assert_allclose(float(found), wanted, rtol=1e-3)


other_ways = [by_its_gradient, in_numpy]
