"""What the explanation modules share: checked arrays, numbers and baselines.

Attributions keep one contract everywhere: shape `(N, *input_shape, K)`, one number per input
feature and class. Knows nothing about models.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from distill_lessons.tensors import check_numbers, float_array

Array = npt.NDArray[Any]
ArrayLike = Array | Tensor


def labels(y: ArrayLike, table: Array) -> Array:
    """Return `y` as whole numbers, checked to be one class of `table (N, K)` per row."""
    n, k = table.shape[0], table.shape[-1]
    if isinstance(y, Tensor):
        check_numbers("y", y)
    array = np.asarray(y.detach().cpu() if isinstance(y, Tensor) else y)
    if array.shape != (n,):
        raise ValueError(f"y has shape {array.shape} for {n} inputs; give one label per input.")
    if not np.issubdtype(array.dtype, np.integer):
        raise ValueError(f"y holds {array.dtype} values; labels are whole numbers 0 to {k - 1}.")
    if array.min() < 0 or array.max() >= k:
        wrong = int(array[(array < 0) | (array >= k)][0])
        raise ValueError(f"y holds the label {wrong}; with {k} classes labels are 0 to {k - 1}.")
    return array


def finite(argument: str, value: ArrayLike) -> Array:
    """Return `value` as a float64 array, or raise a ValueError if it is empty, NaN or infinite."""
    array = float_array(argument, value)
    if array.size == 0:
        raise ValueError(f"{argument} has shape {array.shape} and holds nothing; give some inputs.")
    bad = int((~np.isfinite(array)).sum())
    if bad:
        raise ValueError(
            f"{argument} holds {bad} NaN or infinite values of {array.size}; "
            "find the step that produced them before comparing anything."
        )
    return array


def check_finite(argument: str, x: Tensor) -> None:
    """Raise a ValueError if a float tensor is empty, or holds NaN or infinite values."""
    if x.numel() == 0:
        raise ValueError(
            f"{argument} has shape {tuple(x.shape)} and holds nothing; give some inputs."
        )
    bad = ~x.isfinite()
    if bool(bad.any()):
        first = int(bad.flatten(1).any(1).nonzero()[0])
        raise ValueError(
            f"{argument} holds {int(bad.sum())} NaN or infinite values of {x.numel()}, the first "
            f"in row {first}; find the step that produced them before explaining anything."
        )


def check_logits(z: Tensor, n: int) -> Tensor:
    """Return `z` if it is a finite `(n, K)` table; warn if it looks like probabilities."""
    if z.ndim != 2 or z.shape[0] != n or z.shape[1] < 2:
        raise ValueError(
            f"model returned shape {tuple(z.shape)} for {n} inputs; it must return logits (N, K)."
        )
    check_finite("the model's output", z)
    if bool((z >= 0).all()) and torch.allclose(z.sum(1), torch.ones_like(z[:, 0]), atol=1e-4):
        warnings.warn(
            "The model's rows sum to 1: they look like probabilities. Drop its softmax: we explain "
            "logits.",
            stacklevel=3,
        )
    return z


def of_class(attributions: ArrayLike, y: ArrayLike) -> Array:
    """Pick for each input the attribution of one class.

    Args:
        attributions: shape `(N, *input_shape, K)`.
        y: the class of each input, shape `(N,)`: its label or the prediction, as you need.

    Returns:
        Shape `(N, *input_shape)`.
    """
    finite("attributions", attributions)
    array = np.asarray(torch.as_tensor(attributions).detach().cpu())
    if array.ndim < 3:
        raise ValueError(
            f"attributions has shape {array.shape}; give (N, *input_shape, K), all classes."
        )
    return np.asarray(array[np.arange(len(array)), ..., labels(y, array)])


def baseline_for(x: Tensor, baseline: Tensor | float) -> Tensor:
    """Return `baseline` with the shape of x; raise a ValueError if it does not fit."""
    given = baseline if isinstance(baseline, Tensor) else np.asarray(baseline)
    start = torch.from_numpy(finite("baseline", given)).to(x.dtype).to(x.device)
    shape = tuple(start.shape)
    if shape not in {(), tuple(x.shape[1:]), (1, *x.shape[1:]), tuple(x.shape)}:
        raise ValueError(
            f"baseline has shape {shape} for inputs of shape {tuple(x.shape[1:])}; give one such "
            "input (the training mean, for example), one per input, or a number."
        )
    return start.expand_as(x)
