"""What the explanation modules share: checked arrays, baselines, and logits of any model.

Attributions keep one contract everywhere: shape `(N, *input_shape, K)`, one number per input
feature and class. Knows nothing about how they are made or judged.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from distill_lessons.evaluation import predict

Array = npt.NDArray[Any]
ArrayLike = Array | Tensor


def labels(y: ArrayLike, table: Array) -> Array:
    """Return `y` as whole numbers, checked to be one class of `table (N, K)` per row."""
    n, k = table.shape[0], table.shape[-1]
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
    raw = value.detach().cpu().double().numpy() if isinstance(value, Tensor) else value
    array = np.asarray(raw, dtype=np.float64)
    if array.size == 0:
        raise ValueError(f"{argument} has shape {array.shape} and holds nothing; give some inputs.")
    bad = int((~np.isfinite(array)).sum())
    if bad:
        raise ValueError(
            f"{argument} holds {bad} NaN or infinite values of {array.size}; "
            "find the step that produced them before comparing anything."
        )
    return array


def inputs_for(model: nn.Module, x: Tensor) -> Tensor:
    """Return `x` on the model's device, or raise a ValueError if it is no finite float batch."""
    if not isinstance(x, Tensor) or not x.is_floating_point() or x.ndim < 2:
        kind = f"{x.dtype} {tuple(x.shape)}" if isinstance(x, Tensor) else type(x).__name__
        raise ValueError(f"x is {kind}; give a float tensor (N, *input_shape).")
    finite("x", x)
    first = next(model.parameters(), None)
    return x.detach() if first is None else x.detach().to(first.device)


def check_logits(z: Tensor, n: int) -> Tensor:
    """Return `z` if it is a finite `(n, K)` table; warn if it looks like probabilities."""
    if z.ndim != 2 or z.shape[0] != n or z.shape[1] < 2:
        raise ValueError(
            f"model returned shape {tuple(z.shape)} for {n} inputs; it must return logits (N, K)."
        )
    finite("the model's output", z)
    if bool((z >= 0).all()) and torch.allclose(z.sum(1), torch.ones_like(z[:, 0]), atol=1e-4):
        warnings.warn(
            "The model's rows sum to 1: they look like probabilities. Drop its softmax: we explain "
            "logits.",
            stacklevel=3,
        )
    return z


def logits(model: nn.Module, x: Tensor, *, batch_size: int = 1024) -> Array:
    """Return the model's logits, shape `(N, K)`, in eval mode and without gradients."""
    x = inputs_for(model, x)
    z = predict(model, x, batch_size=batch_size)
    return np.asarray(check_logits(z, len(x)).cpu().numpy())


def of_class(attributions: ArrayLike, y: ArrayLike) -> Array:
    """Pick for each input the attribution of one class.

    Args:
        attributions: shape `(N, *input_shape, K)`.
        y: the class of each input, shape `(N,)`: its label or the prediction, as you need.

    Returns:
        Shape `(N, *input_shape)`.
    """
    array = np.asarray(torch.as_tensor(attributions).detach().cpu())
    return np.asarray(array[np.arange(len(array)), ..., labels(y, array)])


def baseline_for(x: Tensor, baseline: Tensor | float) -> Tensor:
    """Return `baseline` with the shape of x; raise a ValueError if it does not fit."""
    start = torch.as_tensor(baseline, dtype=x.dtype).to(x.device)
    shape = tuple(start.shape)
    if shape not in {(), tuple(x.shape[1:]), (1, *x.shape[1:]), tuple(x.shape)}:
        raise ValueError(
            f"baseline has shape {shape} for inputs of shape {tuple(x.shape[1:])}; give one such "
            "input (the training mean, for example), one per input, or a number."
        )
    return start.expand_as(x)


def completeness_gap(
    model: nn.Module,
    x: Tensor,
    attributions: ArrayLike,
    *,
    baseline: Tensor | float,
    centre: bool = True,
) -> Array:
    """Return how far attributions for all K classes are from summing to what they must explain.

    Args:
        model: returns logits `(N, K)`.
        x: inputs, shape `(N, *input_shape)`.
        attributions: shape `(N, *input_shape, K)`.
        baseline: as given to `integrated_gradients`.
        centre: as given to `integrated_gradients`.

    Returns:
        `sum of attributions − (score(x) − score(baseline))`, shape `(N, K)`, in logits. Closer to 0
        is better; 0 does not prove that the attributions are right.
    """
    given = finite("attributions", attributions)
    change = logits(model, x) - logits(model, baseline_for(x, baseline))  # (N, K)
    if given.shape != (*x.shape, change.shape[1]):
        raise ValueError(
            f"attributions has shape {given.shape}; "
            f"for this x and all classes it must be {(*x.shape, change.shape[1])}."
        )
    change = change - change.mean(1, keepdims=True) if centre else change
    return np.asarray(given.reshape(len(x), -1, change.shape[1]).sum(1) - change)
