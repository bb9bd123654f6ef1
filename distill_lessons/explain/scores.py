"""Class scores and their gradients: what every explanation by gradients computes.

The score is the centred logit `z_k − mean_j z_j`, which is all that softmax sees, or the logit.
Knows nothing about what becomes of the gradients (see `gradients`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from distill_lessons.evaluation import evaluating, refusing_in_place
from distill_lessons.explain.arrays import Array, check_logits
from distill_lessons.losses import centred
from distill_lessons.settings import whole_number

Classes = int | Sequence[int] | None


def in_batches(
    model: nn.Module, explain: Callable[..., Tensor], batch_size: int, *inputs: Tensor
) -> Array:
    """Run `explain` on slices of admitted inputs, in eval mode and with gradients on.

    Raises:
        ValueError: if batch_size < 1.
    """
    size = min(whole_number("batch_size", batch_size), len(inputs[0]))
    parts = zip(*(tensor.split(size) for tensor in inputs), strict=True)
    with evaluating(model), torch.inference_mode(False), torch.enable_grad():
        done = [explain(*part).detach().cpu() for part in parts]
    return np.asarray(torch.cat(done).numpy())


def class_scores(model: nn.Module, x: Tensor, classes: Classes, centre: bool) -> Tensor:
    """Return the scores to explain, shape `(N, K)` or fewer columns.

    Args:
        model: returns logits `(N, K)`.
        x: admitted inputs.
        classes: one or several, in the order of the columns; None for all.
        centre: subtract the mean over all classes.

    Raises:
        ValueError: if a class does not exist.
        TypeError: if a class is not a whole number.
    """
    z = check_logits(model(x), len(x))
    k = z.shape[1]
    if classes is None:
        wanted: Sequence[int] = range(k)
    else:
        many = isinstance(classes, Sequence | np.ndarray | Tensor) and not isinstance(classes, str)
        listed: Any = np.ravel(np.asarray(classes, dtype=object)) if many else [classes]
        wanted = [whole_number("classes", c, least=None) for c in listed]
    if not wanted or not all(0 <= c < k for c in wanted):
        raise ValueError(f"classes={classes} must name some of the classes 0 to {k - 1}.")
    return (centred(z) if centre else z)[:, list(wanted)]


def gradients_of(scores: Tensor, inner: Tensor) -> Tensor:
    """Return d scores / d inner for all columns, shape `(*inner.shape, K)`.

    Raises:
        ValueError: if the scores have no gradient, or the model overwrote what it needs.
    """
    if not scores.requires_grad:
        raise ValueError(
            "model gives an output without gradient; it must not detach, round or use no_grad."
        )
    # No input influences another one's score, so the gradient of a column's sum holds each input's
    # own gradient. autograd.grad touches no parameter, unlike backward().
    with refusing_in_place():
        grads = [
            torch.autograd.grad(column.sum(), inner, retain_graph=True, materialize_grads=True)[0]
            for column in scores.unbind(1)
        ]
    return torch.stack(grads, -1)


def input_gradients(model: nn.Module, x: Tensor, classes: Classes, centre: bool) -> Tensor:
    """Return d scores / d x, shape `(*x.shape, K)`; see `class_scores`."""
    leaf = x.detach().clone().requires_grad_(True)
    # clone: a model that begins with an in-place layer may not write into a leaf
    return gradients_of(class_scores(model, leaf.clone(), classes, centre), leaf)
