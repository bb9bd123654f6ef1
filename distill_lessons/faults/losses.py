"""A distillation loss, and four that are wrong.

All take the student's logits and the teacher's ``(N, K)``, labels ``(N,)``, a temperature and the
weight of the hard term, and return a number to be minimised.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def kd_loss(z_student: Tensor, z_teacher: Tensor, y: Tensor, T: float, alpha: float) -> Tensor:
    """Return ``alpha * CE + (1 - alpha) * T**2 * KL``: the right one."""
    log_q = F.log_softmax(z_student / T, dim=1)
    p = F.softmax(z_teacher / T, dim=1)
    soft = F.kl_div(log_q, p, reduction="batchmean")
    return alpha * F.cross_entropy(z_student, y) + (1 - alpha) * T**2 * soft


def own_guess(z_student: Tensor, z_teacher: Tensor, y: Tensor, T: float, alpha: float) -> Tensor:
    """Take the student's own guess for the target: it agrees with itself whatever it says."""
    targets = torch.argmax(z_student, dim=1)
    return F.cross_entropy(z_student, targets)


def weights_swapped(
    z_student: Tensor, z_teacher: Tensor, y: Tensor, T: float, alpha: float
) -> Tensor:
    """Weigh the soft term by alpha, which is meant for the hard one."""
    log_q = F.log_softmax(z_student / T, dim=1)
    p = F.softmax(z_teacher / T, dim=1)
    soft = F.kl_div(log_q, p, reduction="batchmean")
    return (1 - alpha) * F.cross_entropy(z_student, y) + alpha * T**2 * soft


def without_t_squared(
    z_student: Tensor, z_teacher: Tensor, y: Tensor, T: float, alpha: float
) -> Tensor:
    """Leave T² out: the soft term's gradient is smaller by that factor."""
    log_q = F.log_softmax(z_student / T, dim=1)
    p = F.softmax(z_teacher / T, dim=1)
    soft = F.kl_div(log_q, p, reduction="batchmean")
    return alpha * F.cross_entropy(z_student, y) + (1 - alpha) * soft


def mean_over_classes(
    z_student: Tensor, z_teacher: Tensor, y: Tensor, T: float, alpha: float
) -> Tensor:
    """Average over classes too, as ``reduction="mean"`` does: the soft term is K times smaller."""
    log_q = F.log_softmax(z_student / T, dim=1)
    log_p = F.log_softmax(z_teacher / T, dim=1)
    soft = (log_p.exp() * (log_p - log_q)).mean()
    return alpha * F.cross_entropy(z_student, y) + (1 - alpha) * T**2 * soft


# As the lesson hands them out: which one is right is for a test to say.
HANDED_OUT = {
    "A": weights_swapped,
    "B": own_guess,
    "C": kd_loss,
    "D": without_t_squared,
    "E": mean_over_classes,
}
