"""Tensors that belong together, example by example: what a split may hold, and what it refuses.

The N examples lie along the first axis of each. A *target* is what a model shall answer: class
labels, or other tensors, one by itself or several in a tuple or dict. Knows nothing about models.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

# Class labels (N,), or any tensors with the N examples along the first axis.
Target = Tensor | tuple[Tensor, ...] | dict[str, Tensor]


def each(change: Callable[[Tensor], Tensor], target: Target) -> Target:
    """Return a target with every one of its tensors changed."""
    if isinstance(target, dict):
        return {name: change(part) for name, part in target.items()}
    return tuple(map(change, target)) if isinstance(target, tuple) else change(target)


def joined(targets: Sequence[Target]) -> Target:
    """Return targets of one form, one after the other, as one target."""
    columns = zip(*(parts(target).values() for target in targets), strict=True)
    tensors = [torch.cat(column) for column in columns]
    if isinstance(targets[0], dict):
        return dict(zip(targets[0], tensors, strict=True))
    return tuple(tensors) if isinstance(targets[0], tuple) else tensors[0]


def parts(target: Target) -> dict[str, Tensor]:
    """Return the tensors of a target, by the names that an error's message gives them."""
    if isinstance(target, dict):
        return {f"y[{name!r}]": part for name, part in target.items()}
    if isinstance(target, tuple):
        return {f"y[{i}]": part for i, part in enumerate(target)}
    return {"y": target}


def class_labels(argument: str, target: Target) -> Tensor:
    """Return a target that is class labels ``(N,)``.

    Raises:
        ValueError: if it is another; the message names it `argument`.
    """
    if isinstance(target, Tensor) and target.ndim == 1:
        return target
    shapes = ", ".join(f"{name} {tuple(part.shape)}" for name, part in parts(target).items())
    raise ValueError(
        f"{argument} is another target than class labels ({shapes}), but this needs one label per "
        "example, (N,): y.argmax(1) makes them of one-hot rows. Other targets are for the "
        "objective= of training.fit."
    )


def check_examples(x: Tensor, y: Target, mask: Tensor | None) -> None:
    """Raise an error unless inputs, target and mask belong together; see `data.Split`.

    Raises:
        TypeError: if a part is no tensor.
        ValueError: if shapes or types are wrong, a number is not finite, or there is no example.
    """
    check_tensor("x", x)
    _check_inputs(x)
    noun = "image" if x.ndim == 4 else "example"
    if len(x) == 0:
        raise ValueError(f"x holds no {noun}: an empty split can neither train nor measure.")
    targets = parts(y)
    if not targets:
        raise ValueError(f"y is empty; give a target for each {noun}.")
    masks = {} if mask is None else {"mask": mask}
    for name, part in (targets | masks).items():
        check_tensor(name, part)
        if part.shape[:1] != x.shape[:1]:
            what = "one label" if name == "y" else "one row"
            shape = tuple(part.shape)
            raise ValueError(f"{name} has shape {shape} for {len(x)} {noun}s; give {what} each.")
    if isinstance(y, Tensor) and y.ndim == 1 and y.dtype != torch.int64:
        column = " Numbers to predict are a column: y[:, None]." if y.is_floating_point() else ""
        raise ValueError(f"y has type {y.dtype}; labels are int64: use y.long().{column}")
    for name, part in {"x": x, **targets}.items():
        _check_finite(name, part, noun)


def check_tensor(argument: str, value: object) -> None:
    """Raise a TypeError unless `value` is a tensor."""
    if not isinstance(value, Tensor):
        kind = type(value).__name__
        raise TypeError(f"{argument} is of type {kind}; give a tensor: torch.as_tensor(...).")


def _check_inputs(x: Tensor) -> None:
    if x.ndim < 2:
        shape = tuple(x.shape)
        raise ValueError(f"x has shape {shape}; inputs need (N, ...), images (N, C, H, W).")
    if x.is_floating_point() or (x.dtype == torch.int64 and x.ndim != 4):
        return
    if x.ndim == 4:
        raise ValueError(f"x has type {x.dtype}; images are floats in [0, 1]: use x.float() / 255.")
    raise ValueError(
        f"x has type {x.dtype}; numbers are floats: use x.float(). Tokens are int64: use x.long()."
    )


def _check_finite(name: str, values: Tensor, noun: str) -> None:
    # NaN and infinity survive a sum, which is quick; only a suspicious sum is looked into.
    if values.is_meta or not values.is_floating_point() or bool(values.sum().isfinite()):
        return
    bad = (~values.isfinite()).reshape(len(values), -1).any(1)
    if bool(bad.any()):
        first = int(bad.nonzero()[0])
        found = "NaN" if bool(values[first].isnan().any()) else "an infinite number"
        raise ValueError(f"{noun} {first} holds {found} in {name}; repair it or leave it out.")
