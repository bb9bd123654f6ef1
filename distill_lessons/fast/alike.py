"""Which nets a stack may hold: one net's forward pass must be right for the weights of all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from distill_lessons.data import UNLABELLED, Split
from distill_lessons.fast import batched
from distill_lessons.settings import number
from distill_lessons.tensors import class_labels

_ALONE = "train them one by one with training.fit."


def check_alike(students: Sequence[nn.Module]) -> None:
    """Raise an error unless `students` are nets of the same layers and sizes.

    Raises:
        TypeError: if they are not a sequence of nets.
        ValueError: if there is none, or one differs from the first.
    """
    if isinstance(students, nn.Module) or not isinstance(students, Sequence):
        kind = type(students).__name__
        raise TypeError(f"students is of type {kind}; give a list of nets, [net] for a single one.")
    if len(students) == 0:
        raise ValueError("students is empty; give at least one net.")
    for i, student in enumerate(students):
        if not isinstance(student, nn.Module):
            raise TypeError(f"students[{i}] is of type {type(student).__name__}; give nets.")
    first, *others = map(_structure, students)
    for i, other in enumerate(others, start=1):
        if other != first:
            raise ValueError(
                f"students[{i}] differs from students[0] in its layers; stack only nets that are "
                "built alike."
            )


def check_trainable(students: Sequence[nn.Module]) -> None:
    """Raise a ValueError if nets that are alike cannot be trained as a stack.

    Raises:
        ValueError: if weights are shared, or a layer would behave otherwise in a stack.
    """
    if len({id(student) for student in students}) < len(students):
        raise ValueError("students holds one net twice; build a net for each place.")
    again = shared_weights(students[0])
    if again:
        raise ValueError(f"students use the weights {again[0]} again as {again[1]}; {_ALONE}")
    owners: dict[int, int] = {}
    for i, student in enumerate(students):
        for name, weight in student.named_parameters():
            owner = owners.setdefault(id(weight), i)
            if owner != i:
                raise ValueError(
                    f"students[{owner}] and students[{i}] share {name}; give each its own."
                )
    for module in students[0].modules():
        dropout = isinstance(module, nn.modules.dropout._DropoutNd) and module.p > 0
        norm = isinstance(module, nn.modules.batchnorm._BatchNorm) or getattr(
            module, "track_running_stats", False
        )
        if dropout or norm:
            raise ValueError(
                f"students contain {type(module).__name__}, which differs from net to net in ways "
                f"a stack cannot keep apart; {_ALONE}"
            )


def shared_weights(net: nn.Module) -> tuple[str, str] | None:
    """Return two names of one weight, as a net with tied or repeated layers has them; else None."""
    names: dict[int, str] = {}
    for name, weight in net.named_parameters(remove_duplicate=False):
        if names.setdefault(id(weight), name) != name:
            return names[id(weight)], name
    return None


def check_same_forward(
    students: Sequence[nn.Module],
    params: Mapping[str, Tensor],
    buffers: Mapping[str, Tensor],
    x: Tensor,
    start: int = 0,
) -> None:
    """Raise a ValueError unless every net gives by itself what it gives in the stack.

    Nets of the same layers may still compute different things, as `Net(torch.tanh)` and
    `Net(torch.relu)` do. The result decides, not the attributes in which they differ.

    Args:
        students: S nets that are alike, in the mode in which the stack will run.
        params: their parameters, each ``(S, ...)``.
        buffers: their buffers, each ``(S, ...)``.
        x: some images ``(B, C, H, W)``.
        start: the place of the first student, for the message.

    Raises:
        ValueError: if a student differs, or cannot run in a stack.
    """
    if all(map(batched.is_plain, students)):
        return
    images = x.expand(len(students), *x.shape)
    with torch.no_grad():
        try:
            stacked = batched.runner(students[0])(dict(params), _copies(buffers), images)
        except RuntimeError as error:  # random numbers, or a branch on values
            reason = str(error).splitlines()[0]
            raise ValueError(f"students cannot run in a stack: {reason} {_ALONE}") from error
        for s, student in enumerate(students):
            own = ({name: t[s] for name, t in part.items()} for part in (params, _copies(buffers)))
            alone = batched.forward(student, x, *own)
            gap = (stacked[s] - alone).abs().max()
            if gap > 200 * torch.finfo(alone.dtype).eps * alone.abs().max():
                raise ValueError(
                    f"students[{start + s}] computes something else than students[{start}], though "
                    f"their layers are alike; {_ALONE}"
                )


def _copies(buffers: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: buffer.clone() for name, buffer in buffers.items()}  # a pass may write there


def _structure(net: nn.Module) -> list[tuple[object, ...]]:
    for name, weight in net.named_parameters():
        if is_lazy(weight):
            raise ValueError(
                f"students hold {name} of a lazy layer, which does not exist yet; run each net "
                "once on some images."
            )
    layers = [(type(module), module.extra_repr()) for module in net.modules()]
    tensors = (*net.named_parameters(), *net.named_buffers())
    kinds = [(name, t.shape, t.dtype, t.device, t.requires_grad) for name, t in tensors]
    return [*layers, *kinds]


def check_labelled(rows: Tensor, alphas: Sequence[float], split: Split) -> None:
    """Raise a ValueError if a student that learns from labels would see none."""
    labels = class_labels("split.y", split.y)
    labelled = (labels.cpu()[rows] != UNLABELLED).any(1).tolist()
    for s, (alpha, some) in enumerate(zip(alphas, labelled, strict=True)):
        if alpha > 0 and not some:
            raise ValueError(
                f"alpha={alpha} weighs labels, but rows[{s}] holds no labelled image; use alpha=0."
            )


def one_each(argument: str, value: float | Sequence[float], n: int) -> list[float]:
    """Return a number for each of `n` students, given one for all or a list of them."""
    single = isinstance(value, str) or not isinstance(value, Iterable) or np.ndim(value) == 0
    values: Any = [value] * n if single else value
    each = [number(argument, v) for v in values]
    if len(each) != n:
        raise ValueError(f"{argument} has {len(each)} values for {n} students; give one or {n}.")
    return each
