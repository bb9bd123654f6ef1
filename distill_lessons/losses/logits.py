"""Other ways to compare logits: parts of the soft term weighed apart, and logits without scale.

As in `features`, shapes are checked and values are not, so that all of this runs under
`torch.func.vmap`. The teacher's logits are constants.
"""

from __future__ import annotations

import torch
from torch import Tensor

from distill_lessons.losses.checks import check_pair, check_temperature, check_weight
from distill_lessons.losses.soft import _divergences, _log_soft_targets, _temperature, _widened
from distill_lessons.tensors import check_numbers


def decoupled_kd(
    student_logits: Tensor,
    teacher_logits: Tensor,
    labels: Tensor,
    *,
    T: float,
    target_weight: float = 1.0,
    others_weight: float = 8.0,
) -> Tensor:
    """Return the soft term taken apart: how sure of the label, and how the rest is shared out.

    The plain soft term is the first part plus the second *times the teacher's doubt*, its
    probability that the label is wrong; so a sure teacher's second part hardly counts. Decoupled,
    it has a weight of its own.

    Args:
        student_logits: z_s, shape ``(N, K)``, K >= 3.
        teacher_logits: z_t, shape ``(N, K)``.
        labels: y from 0 to K-1, one for every image, shape ``(N,)``, int64.
        T: temperature > 0.
        target_weight: of the part "the label or another".
        others_weight: of the part "which of the others".

    Returns:
        A scalar, the mean over the images, times T².

    Raises:
        TypeError: if an argument is of another type.
        ValueError: if shapes differ, there are two classes only, or a number is out of range.

    Source: Zhao et al. (2022), arXiv:2203.08679, equations 5 to 7.
    """
    check_temperature(T)
    check_weight("target_weight", target_weight)
    check_weight("others_weight", others_weight)
    check_pair(student_logits, teacher_logits, classes=3)
    check_numbers("labels", labels)
    if labels.dtype != torch.int64:
        raise TypeError(f"labels has type {labels.dtype}; labels are int64: use .long().")
    if labels.shape != student_logits.shape[:1]:
        raise ValueError(
            f"labels has shape {tuple(labels.shape)} for {len(student_logits)} rows of logits; "
            "give one label each."
        )
    return _decoupled(student_logits, teacher_logits, labels, T, target_weight, others_weight)


def _decoupled(
    student_logits: Tensor,
    teacher_logits: Tensor,
    labels: Tensor,
    T: float | Tensor,
    target_weight: float | Tensor,
    others_weight: float | Tensor,
) -> Tensor:
    classes = torch.arange(student_logits.shape[-1], device=student_logits.device)
    own = labels[..., None] == classes  # (N, K)

    def taken_apart(z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the logs of: the label, any other, and which other; an impossible one is -1e4."""
        log = _log_soft_targets(z, T).clamp(min=-1e4)
        right = (log * own).sum(-1)
        others = log.masked_fill(own, -torch.inf)
        wrong = others.logsumexp(-1)
        return right, wrong, others - wrong[..., None]

    p_right, p_wrong, p_rest = taken_apart(teacher_logits.detach())
    q_right, q_wrong, q_rest = taken_apart(student_logits)
    first = p_right.exp() * (p_right - q_right) + p_wrong.exp() * (p_wrong - q_wrong)
    gap = (p_rest - q_rest).masked_fill(own, 0.0)  # at the label: infinite minus infinite
    second = (p_rest.exp() * gap).sum(-1)
    both = (target_weight * first + others_weight * second).mean(-1)
    t = _temperature(T, both)
    return both * t * t  # T² itself can be beyond a float


def standardised(logits: Tensor) -> Tensor:
    """Return each image's logits with mean 0 and standard deviation 1 over the classes.

    Rows without spread become 0.

    Args:
        logits: ``(N, K)``.

    Raises:
        TypeError: if `logits` is not a tensor.
        ValueError: if it has another shape.

    Source: Sun et al. (2024), arXiv:2403.01427, section 4.1.

    >>> standardised(torch.tensor([[1.0, 3.0]]))
    tensor([[-1.,  1.]])
    """
    check_pair(logits, logits, names=("logits", "logits"))
    z = _widened(logits)
    z = z - z.mean(-1, keepdim=True)
    variance = z.square().mean(-1, keepdim=True)
    return z * (variance + torch.finfo(z.dtype).eps ** 2).rsqrt()


def standardised_kd(student_logits: Tensor, teacher_logits: Tensor, *, T: float) -> Tensor:
    """Return the soft term between `standardised` logits: the student need not copy their scale.

    Args:
        student_logits: z_s, shape ``(N, K)``.
        teacher_logits: z_t, shape ``(N, K)``.
        T: temperature > 0, in standard deviations.

    Returns:
        A scalar, the mean over the images, times T².

    Raises:
        TypeError: if either is not a tensor.
        ValueError: if T is not positive or the shapes differ.

    Source: Sun et al. (2024), arXiv:2403.01427, equation 9.
    """
    check_temperature(T)
    check_pair(student_logits, teacher_logits)
    z_s, z_t = standardised(student_logits), standardised(teacher_logits.detach())
    return _divergences(z_t, z_s, T)[1].mean(-1)
