"""What many teachers say together: pure functions of their logits.

The logits of M teachers for the same N images and K classes are one tensor ``(M, N, K)``, or a list
of M tables ``(N, K)``. A mix of them is one table ``(N, K)`` that a student takes for the logits of
a single teacher. Knows nothing about nets and training.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from distill_lessons.losses.checks import alike, check_logits, check_same_shape, check_temperature
from distill_lessons.losses.soft import _log_soft_targets
from distill_lessons.tensors import check_numbers, float_array

Answers = Tensor | Sequence[Tensor]  # (M, N, K), or M tables (N, K)
Groups = Sequence[Sequence[int]]


def mean_logits(z: Answers, weights: Tensor | Sequence[float] | None = None) -> Tensor:
    """Return the mean of the teachers' logits, ``(N, K)``.

    Its softmax is the geometric mean of theirs, divided by its sum: a class that one teacher holds
    for impossible stays unlikely.

    Args:
        z: the teachers' logits, ``(M, N, K)``.
        weights: how much each teacher counts, ``(M,)``, or ``(M, N)`` for each image; over the
            teachers they sum to 1. By default all count the same.

    Raises:
        TypeError: if `z` or `weights` are not numbers.
        ValueError: if there is no teacher, the teachers' tables differ in shape, a logit is not
            finite, or the weights do not fit or do not sum to 1.

    Source: Hinton, Vinyals and Dean (2015), arXiv:1503.02531, sections 1 and 4.

    >>> mean_logits(torch.tensor([[[1.0, 0.0]], [[4.0, 2.0]]]), weights=[0.75, 0.25])
    tensor([[1.7500, 0.5000]])
    """
    z = stacked(z)
    return (_weights(weights, z) * z).sum(0)


def mean_probabilities(
    z: Answers, T: float = 1.0, weights: Tensor | Sequence[float] | None = None
) -> Tensor:
    """Return logits whose softmax at T is the mean of the teachers' softmaxes at T, ``(N, K)``.

    They are ``T log mean softmax(z / T)``. A class that one teacher believes in stays likely. As T
    grows, the result becomes `mean_logits` but for a constant per image.

    Args:
        z: the teachers' logits, ``(M, N, K)``.
        T: temperature > 0, the one at which the student learns.
        weights: as in `mean_logits`.

    Raises:
        TypeError: if `z` or `weights` are not numbers.
        ValueError: if T is not positive, or as in `mean_logits`.

    Source: Hinton, Vinyals and Dean (2015), arXiv:1503.02531, section 1.

    >>> mixed = mean_probabilities(torch.tensor([[[9.0, 0.0]], [[0.0, 9.0]]]))
    >>> mixed.softmax(1)
    tensor([[0.5000, 0.5000]])
    """
    check_temperature(T)
    z = stacked(z)
    wide = z.double()
    # From a million times the largest logit on, the result no longer changes, and rounding would
    # grow with T.
    T = min(max(float(T), 1e-300), 1e6 * max(1.0, float(wide.abs().max())))
    log_p = _log_soft_targets(wide, T)
    mean: Tensor = T * (_weights(weights, wide).log() + log_p).logsumexp(0)
    return mean.to(z.dtype)


def votes(z: Answers) -> Tensor:
    """Return the share of the teachers that choose each class, ``(N, K)``.

    Raises:
        TypeError: if `z` is not tensors.
        ValueError: if there is no teacher, the tables differ in shape, or a logit is not finite.

    >>> votes(torch.tensor([[[1.0, 0.0]], [[4.0, 2.0]], [[0.0, 1.0]], [[9.0, 0.0]]]))
    tensor([[0.7500, 0.2500]])
    """
    z = stacked(z)
    return torch.nn.functional.one_hot(z.argmax(-1), z.shape[-1]).to(z.dtype).mean(0)


def entropy_weights(z: Answers, T: float = 1.0) -> Tensor:
    """Return weights by which sure teachers count for more, image by image, ``(M, N)``.

    They are the softmax, over the teachers, of minus the entropy of what each says at T.

    Args:
        z: the teachers' logits, ``(M, N, K)``.
        T: temperature > 0 at which the entropies are taken.

    Raises:
        TypeError: if `z` is not tensors.
        ValueError: if T is not positive, there is no teacher, the tables differ in shape, or a
            logit is not finite.

    >>> sure, torn = torch.tensor([[99.0, 0.0]]), torch.tensor([[0.0, 0.0]])
    >>> entropy_weights([sure, torn])  # the entropies are 0 and log 2
    tensor([[0.6667],
            [0.3333]])
    """
    check_temperature(T)
    log_p = _log_soft_targets(stacked(z), T)
    return (log_p.exp() * log_p).sum(-1).softmax(0)


def one_each(z: Answers, which: Tensor) -> Tensor:
    """Return for every image what one teacher says of it, ``(N, K)``.

    Args:
        z: the teachers' logits, ``(M, N, K)``.
        which: the teacher that each image is shown to, from 0 to M - 1, int64, ``(N,)``.

    Raises:
        TypeError: if an argument is not a tensor.
        ValueError: if the teachers' tables do not fit together, or `which` does not fit them.

    >>> one_each(torch.tensor([[[1.0, 0.0], [2.0, 0.0]], [[3.0, 0.0], [4.0, 0.0]]]),
    ...          torch.tensor([1, 0]))
    tensor([[3., 0.],
            [2., 0.]])
    """
    z = stacked(z)
    check_numbers("which", which)
    if which.dtype != torch.int64 or which.shape != z.shape[1:2]:
        raise ValueError(
            f"which has type {which.dtype} and shape {tuple(which.shape)} for {z.shape[1]} images; "
            "give the number of a teacher for each, int64, (N,)."
        )
    if not 0 <= int(which.min()) <= int(which.max()) < len(z):
        raise ValueError(
            f"which goes from {int(which.min())} to {int(which.max())}; use 0 to {len(z) - 1}, the "
            f"numbers of {len(z)} teachers."
        )
    return z[which, torch.arange(z.shape[1], device=z.device)]


def disagreement(z: Answers) -> Tensor:
    """Return how much the teachers contradict each other on each image in nats, ``(N,)``.

    That is the entropy of their mean distribution minus the mean of their entropies: 0 where all
    say the same, however unsure, and at most log M. It is also the mean divergence of a teacher
    from their mean, and the information that the answer holds on which teacher gave it.

    Raises:
        TypeError: if `z` is not tensors.
        ValueError: if there is no teacher, the tables differ in shape, or a logit is not finite.

    Source: Houlsby, Huszár, Ghahramani and Lengyel (2011), arXiv:1112.5745, equation 2; for an
        ensemble of nets, Lakshminarayanan, Pritzel and Blundell (2017), arXiv:1612.01474.

    >>> disagreement(torch.tensor([[[99.0, 0.0], [0.0, 0.0]], [[0.0, 99.0], [0.0, 0.0]]]))
    tensor([0.6931, 0.0000])
    """
    log_p = _log_soft_targets(stacked(z), 1.0)
    mean = log_p.exp().mean(0)
    # As a mean divergence: the difference of two entropies may come out below 0 by rounding.
    apart = log_p.exp() * (log_p - mean.clamp_min(torch.finfo(mean.dtype).tiny).log())
    return apart.sum(-1).mean(0).clamp_min(0.0)


def glued(z: Answers, groups: Groups) -> Tensor:
    """Return the logits of specialists side by side: each class from the one who knows it.

    The logits of two specialists have no common zero, so that who speaks louder wins; `gated` does
    without that comparison.

    Args:
        z: the specialists' logits, ``(M, N, K)``; of each, the columns of its own classes are used.
        groups: the classes that each specialist knows; together 0 to K - 1, each once.

    Raises:
        TypeError: if `z` is not tensors.
        ValueError: if the tables do not fit together, or the groups do not share out the classes.

    >>> glued(torch.tensor([[[1.0, 2.0, 0.0]], [[0.0, 0.0, 3.0]]]), [[0, 1], [2]])
    tensor([[1., 2., 3.]])
    """
    z = stacked(z)
    return z[_owners(groups, z), :, torch.arange(z.shape[-1])].T


def gated(z: Answers, groups: Groups, gate: Tensor) -> Tensor:
    """Return log-probabilities of specialists, each weighed by how likely a gate holds its group.

    ``log p(k) = log p_gate(group of k) + log p_specialist(k | group)``: the gate says to whom an
    image belongs, and the specialist what it is.

    Args:
        z: the specialists' logits, ``(M, N, K)``; of each, the columns of its own classes are used.
        groups: the classes that each specialist knows; together 0 to K - 1, each once.
        gate: the logits of a generalist that knows all classes roughly, ``(N, K)``.

    Returns:
        ``(N, K)``, logits whose softmax at T = 1 is that distribution.

    Raises:
        TypeError: if `z` or `gate` are not tensors.
        ValueError: if the tables do not fit together, or the groups do not share out the classes.

    Source: Jacobs, Jordan, Nowlan and Hinton (1991), Adaptive mixtures of local experts, Neural
        Computation 3; there the gate is trained along with the experts.

    >>> z = torch.tensor([[[5.0, 5.0, 0.0]], [[0.0, 0.0, -9.0]]])
    >>> gated(z, [[0, 1], [2]], torch.zeros(1, 3)).exp()
    tensor([[0.3333, 0.3333, 0.3333]])
    """
    z = stacked(z)
    check_logits("gate", gate)
    check_same_shape("gate", gate, "z[0]", z[0])
    owners = _owners(groups, z)
    z, gate = alike(z, gate)
    log_gate, mixed = gate.log_softmax(-1), torch.empty_like(z[0])
    for m in range(len(z)):
        own = owners == m
        within = z[m][:, own].log_softmax(-1)
        mixed[:, own] = within + log_gate[:, own].logsumexp(-1, keepdim=True)
    return mixed


def stacked(z: Answers) -> Tensor:
    """Return the logits of M teachers as one tensor ``(M, N, K)``, float32 or wider.

    Raises:
        TypeError: if they are not tensors.
        ValueError: if there is no teacher, the tables differ in shape, or a logit is not finite.
    """
    if isinstance(z, Tensor):
        check_numbers("z", z)
        if z.ndim != 3:
            raise ValueError(
                f"z has shape {tuple(z.shape)}; give the logits of M teachers, (M, N, K), or a "
                "list of M tables (N, K)."
            )
    elif not isinstance(z, list | tuple):
        raise TypeError(f"z is {type(z).__name__}; give the teachers' logits, (M, N, K).")
    if len(z) == 0:
        raise ValueError("z holds no teacher; give the logits of at least one.")
    for m, table in enumerate(z):
        check_logits(f"z[{m}]", table)
        if table.shape != z[0].shape:
            raise ValueError(
                f"z[{m}] has shape {tuple(table.shape)} but z[0] has {tuple(z[0].shape)}; teachers "
                "must see the same images and know the same classes."
            )
    return torch.stack(alike(*z))


def _weights(weights: Tensor | Sequence[float] | None, z: Tensor) -> Tensor:
    """Return the weights of teachers, to be multiplied with their tables, ``(M, 1 or N, 1)``."""
    m, n, _ = z.shape
    if weights is None:
        return z.new_full((m, 1, 1), 1 / m)
    found = torch.as_tensor(float_array("weights", weights), dtype=z.dtype, device=z.device)
    if found.shape not in {(m,), (m, n)}:
        raise ValueError(
            f"weights has shape {tuple(found.shape)} for {m} teachers and {n} images; give "
            f"({m},) or ({m}, {n})."
        )
    total = found.sum(0)
    if not bool((found >= 0).all()) or not torch.allclose(total, torch.ones_like(total), atol=1e-4):
        raise ValueError(
            "weights must not be negative and must sum to 1 over the teachers; divide them by "
            "weights.sum(0)."
        )
    return found.reshape(m, -1, 1)


def _owners(groups: Groups, z: Tensor) -> Tensor:
    """Return the number of the specialist that knows each class, ``(K,)``."""
    m, _, k = z.shape
    try:
        owners = {int(label): i for i, group in enumerate(groups) for label in group}
        size = sum(len(group) for group in groups)
    except (TypeError, ValueError):
        raise TypeError(
            f"groups={groups!r} must be a list of classes for each specialist, such as "
            "[[0, 1], [2, 3]]."
        ) from None
    if len(groups) != m or size != k or set(owners) != set(range(k)):
        raise ValueError(
            f"groups={groups!r} must share out the classes 0 to {k - 1} over {m} specialists, each "
            "class once."
        )
    return torch.tensor([owners[label] for label in range(k)])
