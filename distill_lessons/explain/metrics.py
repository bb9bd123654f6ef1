"""How good logits are, image by image: what permutation importance adds up.

Scores are float64 and live where `forward.home_of_doubles` says. A prediction that rounding could
flip is named a near tie, to be judged again by the plain way. Knows nothing about shuffling.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from distill_lessons.explain import forward
from distill_lessons.explain.arrays import ArrayLike, finite
from distill_lessons.losses import check_temperature

METRICS = ("accuracy", "cross_entropy", "soft_targets")

# A tie closer than this share of the largest logit is judged again: some hundred times the rounding
# of single precision where the model is well conditioned.
NEAR_TIE = 2e-5
# Where it is not, a tie closer than this many times what the last bit of the inputs moves. Sums in
# another order were seen to move logits by 6 times that at most, over 8 to 3,072 features with
# offsets up to 1e6.
LAST_BITS = 32.0

# (logits (M, K), which images, exactly) -> scores (M,) in float64, positions of near ties
Score = Callable[[Tensor, Tensor, bool], tuple[Tensor, Tensor]]


def near_tie(net: nn.Module, x: Tensor, base: Tensor, memory: float) -> float:
    """Return the lead of one class over another below which rounding may decide between them.

    Args:
        net: a frozen net in eval mode.
        x: inputs `(N, *input_shape)`.
        base: its logits for them, `(N, K)`.
        memory: limit for temporary arrays in MiB.
    """
    generator = torch.Generator().manual_seed(0)
    rows = max(1, int(memory * forward.MIB) // (3 * forward.bytes_per_row(net, x)))
    moved = 0.0
    with torch.no_grad():
        for part, z in zip(x.split(rows), base.split(rows), strict=True):
            up = torch.randint(2, part.shape, generator=generator, dtype=torch.int8).to(x.device)
            other = net(part * (1 + torch.finfo(x.dtype).eps * (2 * up - 1)))
            moved = max(moved, float((other - z).abs().max()))
    return max(NEAR_TIE * float(base.abs().max()), LAST_BITS * moved)


def scorer(
    metric: str, y: Tensor, base: Tensor, near: float, teacher_logits: ArrayLike | None, T: float
) -> Score:
    """Return the function that scores logits.

    Args:
        metric: one of `METRICS`; losses are scores of which less is better.
        y: labels `(N,)`, on the device of the scores.
        base: logits of all images `(N, K)`, on any device.
        near: from `near_tie`.
        teacher_logits: `(N, K)`, for `"soft_targets"`.
        T: temperature > 0 of the soft targets.

    Raises:
        ValueError: if teacher or temperature do not fit.
    """
    home = y.device

    def accuracy(z: Tensor, own: Tensor, exact: bool) -> tuple[Tensor, Tensor]:
        z = z.to(home)
        if exact:
            hit = z.argmax(1) == y[own]
            return hit.double(), own[:0]
        label = y[own][:, None]
        # The lead over the best other class: positive where right. Much faster than argmax.
        lead = z.gather(1, label)[:, 0] - z.scatter(1, label, -torch.inf).amax(1)
        return (lead > 0).double(), (lead.abs() <= near).nonzero()[:, 0]

    if metric == "accuracy":
        return accuracy
    if metric == "cross_entropy":
        target = torch.nn.functional.one_hot(y, base.shape[1]).double()
        entropy, T = torch.zeros(len(y), dtype=torch.float64, device=home), 1.0
    else:
        if teacher_logits is None:
            raise ValueError('metric="soft_targets" compares with a teacher: give teacher_logits.')
        check_temperature(T)
        teacher = torch.from_numpy(finite("teacher_logits", teacher_logits)).to(home)
        if teacher.shape != base.shape:
            raise ValueError(
                f"teacher_logits has shape {tuple(teacher.shape)}, the model's logits "
                f"{tuple(base.shape)}; give the teacher's logits on the same x."
            )
        target = (teacher / T).softmax(1)
        entropy = -torch.special.xlogy(target, target).sum(1)

    def divergence(z: Tensor, own: Tensor, exact: bool) -> tuple[Tensor, Tensor]:
        log_q = (z.to(home).double() / T).log_softmax(1)
        return -(target[own] * log_q).sum(1) - entropy[own], own[:0]

    return divergence
