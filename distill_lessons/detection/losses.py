"""What a detector minimises: the distance to labels, or to another detector's answers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from torch import Tensor
from torch.nn import functional as F

from distill_lessons.data import UNLABELLED
from distill_lessons.detection.grid import PARTS, split
from distill_lessons.settings import number
from distill_lessons.tensors import check_type


def labelled(
    z: Tensor,
    wanted: Mapping[str, Tensor],
    *,
    box_weight: float = 2.0,
    class_weight: float = 1.0,
) -> Tensor:
    """Return the loss of answers with labels, per scene.

    Binary cross-entropy of every cell's objectness, summed over the cells; and for the cells with a
    box, the smooth distance of its four numbers and the cross-entropy of its class.

    Args:
        z: answers ``(N, 5 + K, G, G)``.
        wanted: what `grid.targets` returns.
        box_weight: how much the four numbers count.
        class_weight: how much the class counts.

    Returns:
        One number, the mean over scenes.

    Raises:
        TypeError: if an argument is of another type.
        ValueError: if shapes differ.

    Source: after Redmon and others (2016), equation 3, arXiv:1506.02640, with cross-entropies.
    """
    there, where, kinds = split(z)
    for name in PARTS:
        if wanted[name].shape[0] != len(z) or wanted[name].shape[-2:] != z.shape[-2:]:
            raise ValueError(
                f"wanted[{name!r}] has shape {tuple(wanted[name].shape)} for z of shape "
                f"{tuple(z.shape)}; use grid.targets with as many cells."
            )
    on = wanted["objectness"]
    found = F.binary_cross_entropy_with_logits(there, on, reduction="sum")
    apart = F.smooth_l1_loss(where, wanted["boxes"], reduction="none", beta=0.2).sum(1)
    kind = F.cross_entropy(kinds, wanted["classes"], ignore_index=UNLABELLED, reduction="sum")
    box_weight, class_weight = (
        _weight("box_weight", box_weight),
        _weight("class_weight", class_weight),
    )
    return (found + box_weight * (apart * on).sum() + class_weight * kind) / len(z)


def distilled(
    z: Tensor,
    z_teacher: Tensor,
    parts: Sequence[str] = tuple(PARTS),
    *,
    T: float = 2.0,
    box_weight: float = 2.0,
) -> Tensor:
    """Return the distance of a student's answers from a teacher's, per scene.

    Objectness: cross-entropy with the teacher's probability, in every cell. Boxes and classes:
    weighted by that probability, since where there is nothing a teacher's box means nothing.

    Args:
        z: the student's answers ``(N, 5 + K, G, G)``.
        z_teacher: the teacher's answers, of the same shape; gradients do not flow into them.
        parts: which maps to compare, some of ``"objectness"``, ``"boxes"``, ``"classes"``.
        T: temperature of the classes.
        box_weight: how much the four numbers count.

    Returns:
        One number, the mean over scenes.

    Raises:
        TypeError: if an argument is of another type.
        ValueError: if shapes differ, a part is unknown, or T is not positive.

    Source: after Chen and others (2017), Learning Efficient Object Detection Models with Knowledge
        Distillation, NeurIPS 30, section 3; the weight by objectness is Mehta and Ozturk's (2018),
        arXiv:1805.06361.
    """
    there, where, kinds = split(z)
    there_t, where_t, kinds_t = (part.detach() for part in split(z_teacher, "z_teacher"))
    if z.shape != z_teacher.shape:
        raise ValueError(
            f"z has shape {tuple(z.shape)} and z_teacher {tuple(z_teacher.shape)}; both need the "
            "same grid and classes."
        )
    check_type("parts", parts, list | tuple, "a list of names")
    if not parts or set(parts) - set(PARTS):
        raise ValueError(f"parts={parts!r} must be some of {list(PARTS)}, in a list.")
    if not 0 < number("T", T) < math.inf:
        raise ValueError(f"T={T} must be positive and finite, such as 2.0.")
    sure = there_t.sigmoid()
    total = z.new_zeros(())
    if "objectness" in parts:
        total = total + F.binary_cross_entropy_with_logits(there, sure, reduction="sum")
    if "boxes" in parts:
        apart = F.smooth_l1_loss(where, where_t, reduction="none", beta=0.2).sum(1)
        total = total + _weight("box_weight", box_weight) * (apart * sure).sum()
    if "classes" in parts:
        p = (kinds_t / T).softmax(1)
        cross = -(p * (kinds / T).log_softmax(1)).sum(1)
        total = total + T**2 * (cross * sure).sum()
    return total / len(z)


def _weight(argument: str, value: float) -> float:
    if not 0 <= number(argument, value) < math.inf:
        raise ValueError(f"{argument}={value} must be a weight: a finite number, 0 or more.")
    return number(argument, value)
