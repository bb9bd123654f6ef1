"""Tensors that belong together, example by example: what a split may hold, and how it is divided.

The N examples lie along the first axis of each. A *target* is what a model should answer: class
labels, or other tensors, one by itself or several in a tuple or dict. Knows nothing about models.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from types import UnionType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from distill_lessons import seeds
from distill_lessons.settings import number

# Class labels (N,), or any tensors with the N examples along the first axis.
Target = Tensor | tuple[Tensor, ...] | dict[str, Tensor]

_trusted = ContextVar("trusted", default=False)


@contextmanager
def trusting_values() -> Iterator[None]:
    """Let checks inside look at types and shapes only.

    To look at the numbers of a tensor on a GPU is to wait for it, which a captured step cannot.
    """
    token = _trusted.set(True)
    try:
        yield
    finally:
        _trusted.reset(token)


def values_are_trusted() -> bool:
    """Tell whether checks may not look at the numbers in a tensor, see `trusting_values`."""
    return _trusted.get()


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
        TypeError: if a part is not a tensor.
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
        check_finite(name, part, noun)


def rows(index: Tensor | Sequence[int], n: int, device: torch.device) -> Tensor:
    """Return which of n examples an index or a mask picks, as a tensor ``(n_picked,)``.

    Raises:
        TypeError: if it holds other things than whole numbers or booleans.
        ValueError: if it has several axes, or picks an example that is not there.
    """
    try:
        picked = torch.as_tensor(index, device=device)
    except (TypeError, ValueError, RuntimeError):
        picked = torch.empty(1, device=device)  # refused below
    if picked.shape == (0,):
        return picked.long()  # of an empty list torch makes floats
    if picked.is_floating_point() or picked.is_complex():
        raise TypeError(f"index={index!r} must be whole numbers, or a boolean for each example.")
    mask = picked.dtype == torch.bool
    if picked.ndim != 1 or (mask and len(picked) != n):
        wanted = f"a boolean for each of {n} examples" if mask else "(n,)"
        raise ValueError(f"index has shape {tuple(picked.shape)}; give {wanted}.")
    if not (mask or picked.is_meta) and not -n <= int(picked.min()) <= int(picked.max()) < n:
        raise ValueError(
            f"index goes from {int(picked.min())} to {int(picked.max())}; the split "
            f"holds examples 0 to {n - 1}."
        )
    return picked


def check_rows(argument: str, rows: Tensor, n_students: int, n_images: int) -> Tensor:
    """Return the indices of each student's own images, ``(S, n)``, if they are that.

    Raises:
        TypeError: if `rows` is not a tensor of numbers.
        ValueError: if its shape is another, or an index is not one of an image.
    """
    check_numbers(argument, rows)
    if rows.ndim != 2 or len(rows) != n_students or rows.shape[1] == 0:
        raise ValueError(
            f"{argument} has shape {tuple(rows.shape)}; give ({n_students}, n), n >= 1."
        )
    if rows.dtype != torch.int64 or not 0 <= int(rows.min()) <= int(rows.max()) < n_images:
        raise ValueError(f"{argument} must hold int64 indices of images, from 0 to {n_images - 1}.")
    return rows


def split_indices(
    y: Tensor, shares: Sequence[float], *, seed: int, classes: Sequence[str] | None = None
) -> list[Tensor]:
    """Divide the indices of `y` into parts in which every class has its share.

    Args:
        y: labels, shape ``(N,)``.
        shares: fractions that sum to 1, one per part.
        seed: decides which image goes where.
        classes: names for the error's message.

    Returns:
        One index tensor per part: disjoint, shuffled, together all of ``range(N)``.

    Raises:
        TypeError: if `y` is not a tensor of whole numbers, or a share is not a number.
        ValueError: if a class has fewer images than there are parts, or the shares are not positive
            or do not sum to 1.
    """
    check_each_labelled(y)
    check_type("shares", shares, Iterable, "a list of fractions, such as (0.8, 0.2)")
    shares = [number("shares", share) for share in shares]
    if not all(share > 0 for share in shares) or not math.isclose(sum(shares), 1, abs_tol=1e-6):
        raise ValueError(f"shares={shares} must be positive and sum to 1, such as (0.8, 0.2).")
    generator = seeds.generator(seed)
    parts: list[list[Tensor]] = [[] for _ in shares]
    labels, counts = y.unique(return_counts=True)
    if int(counts.min()) < len(shares):
        label = int(labels[counts.argmin()])
        name = repr(classes[label]) if classes else label
        raise ValueError(
            f"class {name} has {int(counts.min())} images, too few for {len(shares)} parts; "
            "add images of it or leave the class out."
        )
    for label in labels:
        index = torch.nonzero(y == label).flatten()
        index = index[torch.randperm(len(index), generator=generator)]
        ends = [round(sum(shares[: i + 1]) * len(index)) for i in range(len(shares))]
        # Each part gets at least one image of every class, however small the class.
        for i, part in enumerate(parts):
            low = max(ends[i - 1], i) if i else 0
            ends[i] = min(max(ends[i], low + 1), len(index) - (len(shares) - 1 - i))
            part.append(index[low : ends[i]])
    joined = [torch.cat(part) for part in parts]
    return [part[torch.randperm(len(part), generator=generator)] for part in joined]


def apportioned(counts: Tensor, size: int) -> list[int]:
    """Divide `size` over the classes by largest remainder, at least one each."""
    exact = counts.double() * size / counts.sum()
    whole = exact.floor().clamp(min=1)
    order = (exact - whole).argsort(descending=True, stable=True)
    for k in order[: max(0, int(size - whole.sum()))]:
        whole[k] += 1
    while int(whole.sum()) > size:  # rare classes took more than their share
        whole[whole.argmax()] -= 1
    return [int(n) for n in whole]


def check_each_labelled(y: Tensor) -> None:
    """Raise an error unless `y` is whole numbers ``(N,)``, N at least 1."""
    check_numbers("y", y)
    if y.ndim != 1 or len(y) == 0:
        shape = tuple(y.shape)
        raise ValueError(f"y has shape {shape}; give labels (N,): y.argmax(1) of one-hot rows.")
    if y.is_floating_point() or y.dtype == torch.bool:
        raise TypeError(f"y has type {y.dtype}; labels are whole numbers: use y.long().")


def moved(part: Tensor, device: str | torch.device) -> Tensor:
    """Return a tensor on a device, or raise a ValueError if torch does not find the device."""
    try:
        return part.to(device)
    except (RuntimeError, AssertionError) as error:
        why = str(error).splitlines()[0]
        raise ValueError(f"device={device!r} is not to be had; use 'cpu'. ({why})") from error


def check_type(argument: str, value: object, kind: type | UnionType, remedy: str) -> None:
    """Raise a TypeError that names the remedy unless `value` is an instance of `kind`."""
    if not isinstance(value, kind):
        what = f"the class {value.__name__}" if isinstance(value, type) else type(value).__name__
        raise TypeError(f"{argument} is {what}; give {remedy}.")


def check_function(argument: str, value: object, of: str) -> None:
    """Raise a TypeError unless `value` is a function; `of` says of what."""
    if not callable(value):
        raise TypeError(f"{argument}={value!r} must be a function of {of}.")


def check_tensor(argument: str, value: object) -> None:
    """Raise a TypeError unless `value` is a tensor."""
    check_type(argument, value, Tensor, "a tensor: torch.as_tensor(...)")


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


def check_numbers(argument: str, value: object) -> None:
    """Raise an error unless `value` is a tensor with numbers in it, which the meta device lacks."""
    check_tensor(argument, value)
    if isinstance(value, Tensor) and value.is_meta:
        raise ValueError(f"{argument} is on the meta device, without numbers; give it on the CPU.")


def float_array(argument: str, value: object) -> np.ndarray[Any, Any]:
    """Return numbers of any kind as a float64 array, or raise a TypeError if they are none."""
    if isinstance(value, Tensor):
        check_numbers(argument, value)
        value = value.detach().cpu().double().numpy()
    try:
        if (array := np.asarray(value)).dtype.kind in "SU":  # NumPy would read text as numbers
            raise TypeError
        return array.astype(np.float64, copy=False)
    except (TypeError, ValueError):
        kind = type(value).__name__
        raise TypeError(f"{argument} is {kind}; give an array or tensor of numbers.") from None


def check_finite(name: str, values: Tensor, noun: str) -> None:
    """Raise a ValueError that names the first example with NaN or an infinite number."""
    # NaN and infinity survive a sum, which is quick; only a suspicious sum is looked into.
    if values.is_meta or not values.is_floating_point() or bool(values.sum().isfinite()):
        return
    bad = (~values.isfinite()).reshape(len(values), -1).any(1)
    if bool(bad.any()):
        first = int(bad.nonzero()[0])
        found = "NaN" if bool(values[first].isnan().any()) else "an infinite number"
        raise ValueError(f"{noun} {first} holds {found} in {name}; repair it or leave it out.")
