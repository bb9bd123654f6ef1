"""What the losses refuse: logits, labels and numbers that they would make nonsense of."""

from __future__ import annotations

import torch
from torch import Tensor

from distill_lessons.data import UNLABELLED
from distill_lessons.settings import number
from distill_lessons.tensors import check_numbers, values_are_trusted


def check_temperature(T: float) -> None:
    """Raise an error unless T is a positive finite number."""
    if not 0 < number("T", T) < float("inf"):
        raise ValueError(f"T={T} must be a positive number; T=1 is the plain softmax.")


def check_alpha(alpha: float) -> None:
    """Raise an error unless alpha is in [0, 1]."""
    if not 0 <= number("alpha", alpha) <= 1:
        raise ValueError(
            f"alpha={alpha} must be in [0, 1]: 1 is labels only, 0 is soft targets only."
        )


def check_logits(argument: str, logits: Tensor) -> None:
    """Raise an error unless `logits` is a finite ``(N, K)`` tensor with N >= 1 and K >= 2."""
    check_numbers(argument, logits)
    if logits.ndim != 2 or logits.shape[0] < 1 or logits.shape[1] < 2:
        raise ValueError(f"{argument} has shape {tuple(logits.shape)}; logits need (N, K), K >= 2.")
    if not logits.is_floating_point():
        raise ValueError(f"{argument} has type {logits.dtype}; logits are floats: use .float().")
    if not values_are_trusted() and not torch.isfinite(logits).all():
        row = int((~torch.isfinite(logits)).any(1).nonzero()[0, 0])
        raise ValueError(
            f"{argument} holds NaN or infinite numbers, first in row {row}; the model diverged: "
            "lower its learning rate."
        )


def check_same_shape(argument: str, a: Tensor, other: str, b: Tensor) -> None:
    """Raise a ValueError unless both tensors have one shape."""
    if a.shape != b.shape:
        raise ValueError(
            f"{argument} has shape {tuple(a.shape)} but {other} has {tuple(b.shape)}; teacher and "
            "student must see the same images and know the same classes."
        )


def check_labels(argument: str, labels: Tensor, logits: Tensor) -> None:
    """Raise an error unless `labels` are int64 from 0 to K-1 (or UNLABELLED), one per row."""
    check_numbers(argument, labels)
    if labels.shape != logits.shape[:1]:
        raise ValueError(
            f"{argument} has shape {tuple(labels.shape)} for {logits.shape[0]} rows of logits; "
            "give one label each."
        )
    if labels.dtype != torch.int64:
        raise ValueError(f"{argument} has type {labels.dtype}; labels are int64: use .long().")
    if values_are_trusted():
        return
    known = labels[labels != UNLABELLED]
    if len(known) and not (int(known.min()) >= 0 and int(known.max()) < logits.shape[1]):
        wrong = int(known.min()) if int(known.min()) < 0 else int(known.max())
        raise ValueError(
            f"{argument} holds {wrong}; with {logits.shape[1]} classes labels go from 0 to "
            f"{logits.shape[1] - 1}, and {UNLABELLED} marks an image without one."
        )


def check_features(
    argument: str, features: Tensor, *, axes: tuple[int, ...] = (), least: int = 1
) -> None:
    """Raise an error unless `features` are floats of at least so many images.

    Args:
        argument: its name, for the message.
        features: ``(N, ...)``; only its shape and type are looked at.
        axes: how many axes it may have; by default two or more.
        least: the smallest N.

    Raises:
        TypeError: if it is not a tensor.
        ValueError: if it has another shape, or is not of floats.
    """
    check_numbers(argument, features)
    wanted = {2: "(N, D)", 4: "(N, C, H, W)"}
    if (features.ndim not in axes) if axes else features.ndim < 2:
        form = " or ".join(wanted[n] for n in axes) or "(N, D) or (N, C, H, W)"
        raise ValueError(
            f"{argument} has shape {tuple(features.shape)}; features must have {form}."
        )
    if features.numel() == 0 or len(features) < least:
        raise ValueError(
            f"{argument} has shape {tuple(features.shape)}; give features of at least {least} "
            f"image{'s' if least > 1 else ''}."
        )
    if not features.is_floating_point():
        raise ValueError(
            f"{argument} has type {features.dtype}; features are floats: use .float()."
        )


def alike(*tensors: Tensor) -> list[Tensor]:
    """Return tensors in one precision, the widest of theirs and at least float32."""
    dtype = torch.float32
    for tensor in tensors:
        dtype = torch.promote_types(dtype, tensor.dtype)
    return [tensor.to(dtype) for tensor in tensors]


def check_pair(
    student_logits: Tensor,
    teacher_logits: Tensor,
    *,
    classes: int = 2,
    names: tuple[str, str] = ("student_logits", "teacher_logits"),
) -> None:
    """Raise an error unless both are logits ``(N, K)`` of one shape, by shape and type alone.

    Raises:
        TypeError: if either is not a tensor.
        ValueError: if a shape is another, or there are fewer classes than `classes`.
    """
    for name, z in zip(names, (student_logits, teacher_logits), strict=True):
        check_features(name, z, axes=(2,))
        if z.shape[1] < classes:
            raise ValueError(
                f"{name} has shape {tuple(z.shape)}; this needs logits of at least {classes} "
                "classes."
            )
    check_same_shape(names[1], teacher_logits, names[0], student_logits)


def check_weight(argument: str, weight: float) -> None:
    """Raise an error unless `weight` is a finite number that is not negative."""
    if not 0 <= number(argument, weight) < float("inf"):
        raise ValueError(f"{argument}={weight} must be a number that is not negative; 0 is off.")
