"""The distillation loss together with its gradient, written down instead of traced.

Both terms are one formula: the divergence of ``softmax(z/T)`` from a target. The soft term's
target is the teacher at temperature T, the hard term's the label at temperature 1. Its gradient
with respect to z is a difference of probabilities (lesson 03 derives it), so autograd need not
record the fifteen operations of the loss at every step. `losses.kd_loss` remains the definition.

Arrays have classes before images, ``(K, B)``: over many short columns a softmax runs eight times as
fast as along as many short rows. S students side by side add a first axis.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


def wide(teacher_logits: Tensor, images: Tensor) -> Tensor:
    """Return the logits as wide as the student that reads the images, float32 at least."""
    dtype = torch.promote_types(teacher_logits.dtype, images.dtype)
    return teacher_logits.detach().to(torch.promote_types(dtype, torch.float32))


def terms(
    T: float | Sequence[float], alpha: float | Sequence[float], like: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the temperatures of the soft and the hard term, and what each weighs in the loss.

    Args:
        T: temperature, one or S.
        alpha: weight of the hard term, one or S.
        like: has the wanted dtype and device.

    Returns:
        ``[T, 1]`` and ``[(1 − alpha) T², alpha]``, each ``(2, 1, 1)`` or ``(S, 2, 1, 1)``.
    """
    Ts, alphas = (torch.tensor(v, dtype=torch.float64) for v in (T, alpha))
    Ts = Ts.clamp(min=1e-30)  # one-hots by then; a smaller T would make z/T infinite in float32
    pairs = (
        torch.stack([Ts, torch.ones_like(Ts)], -1),
        torch.stack([(1 - alphas) * Ts**2, alphas], -1),
    )
    # First the type, then the device: not every GPU has doubles.
    temperatures, weights = (p[..., None, None].to(like.dtype).to(like.device) for p in pairs)
    return temperatures, weights


def targets(teacher_logits: Tensor, labels: Tensor, T: Tensor) -> Tensor:
    """Return what a student should answer: the soft targets, and below them the labels as one-hots.

    Args:
        teacher_logits: ``(B, K)`` or ``(S, B, K)``, float32 or wider.
        labels: ``(B,)`` or ``(S, B)``; an image without a label gets zeros.
        T: temperatures from `terms`.

    Returns:
        Shape ``(2, K, B)`` or ``(S, 2, K, B)``.
    """
    z = teacher_logits.mT  # (..., K, B)
    both = z.new_empty(*z.shape[:-2], 2, *z.shape[-2:])
    torch.softmax(z.contiguous() / T[..., 0, :, :], -2, out=both[..., 0, :, :])
    classes = torch.arange(z.shape[-2], device=z.device)[:, None]  # (K, 1)
    torch.eq(labels[..., None, :], classes, out=both[..., 1, :, :])
    return both


def gradient(z: Tensor, target: Tensor, T: Tensor, weight: Tensor) -> Tensor:
    """Return the gradient of the distillation loss for the logits z, unchecked.

    Args:
        z: logits ``(B, K)`` or ``(S, B, K)``.
        target: from `targets`.
        T: temperatures from `terms`.
        weight: weights from `terms`.

    Returns:
        Shaped like `z`: each student's own. Each term is a mean over the images that have a target.

    Source: Hinton, Vinyals and Dean (2015), arXiv:1503.02531, equation 2.
    """
    _, gap, share = _parts(z, target, T, weight)
    return _gradient(gap, share, T).to(z.dtype)


def value_and_gradient(
    z: Tensor, target: Tensor, T: Tensor, weight: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the loss, ``alpha * CE + (1 - alpha) * T**2 * KL``, beside its `gradient`.

    With one-hots KL is the cross-entropy, so that both terms are one: the sum over classes of
    ``p log(p/q) - p + q``, none of which is negative. The loss is a scalar, or ``(S,)``.
    """
    log_q, gap, share = _parts(z, target, T, weight)
    r = target.log().clamp_(min=torch.finfo(target.dtype).min) - log_q  # log p/q
    # At high T, q is so close to p that the rounding of either would be larger than the term.
    near = target * (r + torch.expm1(-r))
    summands = torch.where(r.abs() < 1, near, (target * r).add_(gap)).clamp_(min=0)
    value = summands.sum((-2, -1), keepdim=True).mul_(share).sum((-3, -2, -1))
    return value, _gradient(gap, share, T).to(z.dtype)


def _parts(z: Tensor, target: Tensor, T: Tensor, weight: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return log q, q - p, each ``(..., 2, K, B)``, and what an image weighs in either term."""
    # Half precision is computed in single, as in `losses`: targets are never narrower.
    columns = z.detach().to(target.dtype).mT.contiguous().unsqueeze(-3)  # (..., 1, K, B)
    log_q = (columns / T).log_softmax(-2)
    mass = target.sum(-2, keepdim=True)  # 1, or 0 where an image has no label
    share = weight / mass.sum(-1, keepdim=True).clamp_(min=1)
    return log_q, log_q.exp().mul_(mass).sub_(target), share


def _gradient(gap: Tensor, share: Tensor, T: Tensor) -> Tensor:
    return gap.mul_(share / T).sum(-3).mT


class _Seeded(torch.autograd.Function):
    """A loss that knows its gradient, so that `backward` starts at the student's logits."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, target: Tensor, T: Tensor, weight: Tensor) -> Tensor:
        value, gradient = value_and_gradient(z, target, T, weight)
        ctx.save_for_backward(gradient)
        return value

    @staticmethod
    def backward(ctx: Any, above: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = ctx.saved_tensors
        return above * gradient, None, None, None


def loss(z: Tensor, target: Tensor, T: Tensor, weight: Tensor) -> Tensor:
    """Return the value of `value_and_gradient`, ready for `backward`, once."""
    value: Tensor = _Seeded.apply(z, target, T, weight)
    return value
