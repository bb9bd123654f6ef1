"""Soft targets, the distillation loss and its relatives: pure functions of tensors.

Logits are ``(N, K)``; ``p = softmax(z / T)``; `alpha` weighs the *hard* term. Functions with a
leading underscore do not check their arguments: loops that run them thousands of times, and
`torch.func.vmap`, which cannot branch on values, call those.
"""

from __future__ import annotations

import torch
from torch import Tensor

from distill_lessons.data import UNLABELLED
from distill_lessons.losses.checks import (
    check_alpha,
    check_labels,
    check_logits,
    check_same_shape,
    check_temperature,
)
from distill_lessons.tensors import check_numbers


def soft_targets(logits: Tensor, T: float = 1.0) -> Tensor:
    """Return the softmax of logits at a temperature, ``softmax(z / T)``.

    Args:
        logits: z, shape ``(N, K)``.
        T: temperature > 0. At 1 the plain softmax; the higher, the more even.

    Returns:
        Probabilities, shape ``(N, K)``, float32 or wider; rows sum to 1.

    Raises:
        ValueError: if T is not positive or the logits are not finite.

    Source: Hinton, Vinyals and Dean (2015), arXiv:1503.02531, equation 1.

    >>> soft_targets(torch.tensor([[2.0, 0.0]]), T=2.0)
    tensor([[0.7311, 0.2689]])
    """
    check_temperature(T)
    check_logits("logits", logits)
    return _log_soft_targets(logits, T).exp()


def kd_loss(
    student_logits: Tensor,
    teacher_logits: Tensor,
    labels: Tensor | None,
    *,
    T: float,
    alpha: float,
) -> Tensor:
    """Return ``alpha * CE + (1 - alpha) * T**2 * KL(p_teacher || p_student)``.

    KL is summed over classes and averaged over the batch. The teacher's logits are constants: no
    gradient flows into them. Half-precision inputs are computed in float32.

    Args:
        student_logits: z_s, shape ``(N, K)``.
        teacher_logits: z_t, shape ``(N, K)``.
        labels: y from 0 to K-1, shape ``(N,)``, int64; `UNLABELLED` (-100) marks an image without a
            label, which the hard term skips. None if no image has one; then alpha must be 0.
        T: temperature > 0 of both softmaxes in the soft term.
        alpha: weight of the hard term, in [0, 1].

    Returns:
        A scalar.

    Raises:
        ValueError: if an argument is out of its range or the shapes differ.

    Source: Hinton, Vinyals and Dean (2015), arXiv:1503.02531, section 2.

    >>> z = torch.tensor([[1.0, 2.0, 3.0]])
    >>> kd_loss(z, z, None, T=4.0, alpha=0.0).item()  # a student equal to its teacher
    0.0
    """
    check_temperature(T)
    check_alpha(alpha)
    check_logits("student_logits", student_logits)
    check_logits("teacher_logits", teacher_logits)
    check_same_shape("teacher_logits", teacher_logits, "student_logits", student_logits)
    if labels is None:
        if alpha > 0:
            raise ValueError(f"alpha={alpha} weighs labels, but labels is None; use alpha=0.")
        labels = torch.full_like(student_logits[:, 0], UNLABELLED, dtype=torch.int64)
    check_labels("labels", labels, student_logits)
    return _kd_loss(student_logits, teacher_logits, labels, T, alpha)


def kl_divergence(teacher_logits: Tensor, student_logits: Tensor, T: float = 1.0) -> Tensor:
    """Return KL(p_teacher || p_student) at temperature T, one number an image, shape ``(N,)``.

    Raises:
        ValueError: if T is not positive, the logits are not finite or their shapes differ.
    """
    check_temperature(T)
    check_logits("teacher_logits", teacher_logits)
    check_logits("student_logits", student_logits)
    check_same_shape("teacher_logits", teacher_logits, "student_logits", student_logits)
    return _divergences(teacher_logits, student_logits, T)[0]


def entropy(probabilities: Tensor) -> Tensor:
    """Return the entropy of each row in nats, shape ``(N,)``: 0 for certainty, log K for none.

    Raises:
        ValueError: if the rows are not distributions; give probabilities, not logits.
    """
    check_numbers("probabilities", probabilities)
    p = probabilities
    if (
        p.ndim != 2
        or len(p) == 0
        or (p < 0).any()
        or not torch.allclose(p.sum(1), p.new_ones(len(p)), atol=1e-4)
    ):
        raise ValueError(
            "probabilities must have shape (N, K), no negative entry and rows that sum to 1; "
            "give softmax(logits), not logits."
        )
    return -torch.xlogy(p, p).sum(1)


def logit_matching(student_logits: Tensor, teacher_logits: Tensor) -> Tensor:
    """Return the limit of the soft term as T grows: half the mean squared difference of logits.

    Logits count only up to a constant per image, so both are centred first. The squared differences
    are averaged over the classes (the limit of T² KL is 1/(2K) times their sum) and the batch.

    Raises:
        ValueError: if the logits are not finite or their shapes differ.

    Source: Hinton, Vinyals and Dean (2015), arXiv:1503.02531, section 2.1.
    """
    check_logits("student_logits", student_logits)
    check_logits("teacher_logits", teacher_logits)
    check_same_shape("teacher_logits", teacher_logits, "student_logits", student_logits)
    return (centred(student_logits) - centred(teacher_logits.detach())).square().mean() / 2


def centred(logits: Tensor) -> Tensor:
    """Return logits minus their mean over classes: the part of them that a softmax sees."""
    check_numbers("logits", logits)
    if not logits.is_floating_point():
        raise ValueError(f"logits has type {logits.dtype}; logits are floats: use .float().")
    return logits - logits.mean(-1, keepdim=True)


def _log_soft_targets(logits: Tensor, T: float | Tensor) -> Tensor:
    # float16 would overflow in the division for small T and lose the tail of the distribution.
    wide = _widened(logits)
    # Below the largest logit nothing is infinite minus infinite, however small T is.
    scaled = (wide - wide.detach().amax(-1, keepdim=True)) / _temperature(T, wide)
    return torch.log_softmax(scaled.clamp(min=torch.finfo(wide.dtype).min / 4), dim=-1)


def _widened(logits: Tensor) -> Tensor:
    return logits.float() if logits.dtype in (torch.float16, torch.bfloat16) else logits


def _temperature(T: float | Tensor, like: Tensor) -> Tensor:
    limits = torch.finfo(like.dtype)
    if isinstance(T, Tensor):
        return T.to(like).clamp(limits.tiny, limits.max)
    # Filled on the device: a GPU waits for a number that is copied to it.
    inside = min(max(float(T), limits.tiny), limits.max)
    return torch.full((), inside, dtype=like.dtype, device=like.device)


def _divergences(
    teacher_logits: Tensor, student_logits: Tensor, T: float | Tensor
) -> tuple[Tensor, Tensor]:
    """Return KL(p || q) and T² KL(p || q) of each image, both ``(..., N)``.

    By hand because F.kl_div has no batching rule for vmap. KL falls like 1/T², so that at high T it
    is far smaller than the rounding of log p and log q, and T² would multiply that rounding. Where
    a student is close to its teacher, ``T² KL = T² log E_p[exp(gap/T)]`` is therefore computed from
    the gap between their logits; its limit for large T is that of `logit_matching`.
    """
    precision = torch.promote_types(teacher_logits.dtype, student_logits.dtype)
    teacher_logits, student_logits = teacher_logits.to(precision), student_logits.to(precision)
    log_p, log_q = _log_soft_targets(teacher_logits, T), _log_soft_targets(student_logits, T)
    p = log_p.exp()
    # Where p underflows to 0 its log is still finite: 0 * (log p - log q) is 0, as in the limit.
    # The differences q - p sum to 0 and keep rounding from making KL negative.
    plain = (p * (log_p - log_q) + (log_q.exp() - p)).sum(-1).clamp(min=0)

    t = _temperature(T, p)
    gap = _widened(student_logits) - _widened(teacher_logits)
    gap = gap - (p * gap).sum(-1, keepdim=True)  # now E_p[gap] = 0
    near = (gap.abs() <= t / 4).all(-1, keepdim=True)
    gap = gap.where(near, 0.0)  # elsewhere the next lines would overflow
    x = gap / t
    series = one = torch.ones_like(x)
    for n in range(10, 2, -1):  # Horner's rule for 2 (exp(x) - 1 - x) / x²
        series = torch.addcmul(one, x, series, value=1 / n)
    scaled = (p * gap.square() * series).sum(-1) / 2  # T² E_p[exp(x) - 1]
    mean = (scaled / t / t).clamp(min=torch.finfo(x.dtype).eps)
    scaled = scaled * mean.log1p() / mean

    near = near[..., 0]
    square = t.square().clamp(max=torch.finfo(x.dtype).max)
    return scaled.div(t).div(t).where(near, plain), scaled.where(near, square * plain)


def _hard(student_logits: Tensor, labels: Tensor) -> Tensor:
    log_q = _log_soft_targets(student_logits, 1.0)
    labelled = labels != UNLABELLED
    chosen = log_q.gather(-1, labels.clamp(min=0)[..., None])[..., 0]
    return -(chosen * labelled).sum(-1) / labelled.sum(-1).clamp(min=1)


def _kd_loss(
    student_logits: Tensor,
    teacher_logits: Tensor,
    labels: Tensor,
    T: float | Tensor,
    alpha: float | Tensor,
) -> Tensor:
    _, soft = _divergences(teacher_logits.detach(), student_logits, T)
    return alpha * _hard(student_logits, labels) + (1 - alpha) * soft.mean(-1)
