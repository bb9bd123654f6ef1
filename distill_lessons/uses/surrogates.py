"""LIME: a linear model of a model, fitted near one input.

Regions of an image are hidden and shown at random, the model is asked each time, and a weighted
ridge regression says what each region was worth. Near means: most regions are shown. Formulas and
defaults are those of the package ``lime`` for images. Knows nothing about other explainers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from distill_lessons import evaluation, seeds
from distill_lessons.explain.admission import admitted
from distill_lessons.explain.arrays import Array, ArrayLike, baseline_for, check_logits, finite
from distill_lessons.explain.groups import Groups, as_groups
from distill_lessons.settings import number, one_of, whole_number

OUTPUTS = ("logits", "probabilities")


@dataclass(frozen=True)
class Surrogate:
    """A linear model for each of N images and K classes.

    Attributes:
        values: what each of R regions is worth, ``(N, R, K)``.
        intercept: what is left when all are hidden, ``(N, K)``.
        r2: the weighted R² on the answers it was fitted to, ``(N, K)``.
    """

    values: Array
    intercept: Array
    r2: Array

    def predict(self, kept: ArrayLike) -> Array:
        """Return what it says of masks ``(M, R)``: ``(N, M, K)``."""
        return np.asarray(np.asarray(kept, float) @ self.values + self.intercept[:, None])


def random_masks(n_regions: int, n: int, *, seed: int) -> Array:
    """Return masks, bool ``(n, R)``: each region is shown in half of them; the first shows all.

    Raises:
        TypeError: if a number is not whole.
        ValueError: if a number is not positive.
    """
    shape = (whole_number("n", n), whole_number("n_regions", n_regions))
    kept = torch.rand(shape, generator=seeds.generator(seed)).numpy() < 0.5
    kept[0] = True
    return np.asarray(kept)


def local_weights(kept: ArrayLike, width: float) -> Array:
    """Return how much each mask counts: the more regions it shows, the more.

    Args:
        kept: which regions each mask shows, bool ``(M, R)``.
        width: of the kernel, positive. The distance is 1 minus the cosine between the mask and all
            ones, that is 1 − √(share shown).

    Raises:
        ValueError: if the masks are no table, or the width is not positive.

    Source: Ribeiro, Singh and Guestrin (2016), arXiv:1602.04938, section 3.3; the square root of
        their kernel is what the package ``lime`` takes.

    >>> local_weights([[1, 1, 1, 1], [1, 0, 0, 0]], width=0.5).round(4).tolist()
    [1.0, 0.6065]
    """
    table = finite("kept", kept)
    if table.ndim != 2:
        raise ValueError(f"kept has shape {table.shape}; give a row for each mask, (M, R).")
    if not 0 < number("width", width) < math.inf:
        raise ValueError(f"width={width} must be a positive number, such as 0.25.")
    distance = 1 - np.sqrt(table.mean(1))
    return np.asarray(np.sqrt(np.exp(-((distance / float(width)) ** 2))))


def weighted_ridge(
    kept: ArrayLike, z: ArrayLike, weights: ArrayLike, *, penalty: float = 1.0
) -> tuple[Array, Array]:
    """Return coefficients and intercept of a ridge regression with weights.

    It minimises ``sum_m w_m (z_m − b − kept_m · a)² + penalty · |a|²``; the intercept is free.

    Args:
        kept: masks ``(M, R)``.
        z: answers ``(..., M, K)``.
        weights: of the masks, ``(M,)``, not negative.
        penalty: positive.

    Returns:
        Coefficients ``(..., R, K)`` and intercepts ``(..., K)``.

    Raises:
        ValueError: if shapes do not fit, a weight is negative or all are zero, or the penalty is
            not positive.
    """
    x, answers, w = finite("kept", kept), finite("z", z), finite("weights", weights)
    if x.ndim != 2 or answers.ndim < 2 or answers.shape[-2] != len(x) or w.shape != (len(x),):
        raise ValueError(
            f"kept has shape {x.shape}, z {answers.shape} and weights {w.shape}; give (M, R), "
            "(..., M, K) and (M,)."
        )
    _check_weights(w)
    if not 0 < number("penalty", penalty) < math.inf:
        raise ValueError(f"penalty={penalty} must be a positive number, such as 1.0.")
    share = w / w.sum()
    middle = share @ x  # (R,)
    centre = np.einsum("m,...mk->...k", share, answers)  # (..., K)
    inner = (x - middle).T * w  # (R, M)
    square = inner @ (x - middle) + float(penalty) * np.eye(x.shape[1])
    values = np.linalg.solve(square, inner) @ (answers - centre[..., None, :])
    return values, centre - middle @ values


def r_squared(z: ArrayLike, guessed: ArrayLike, weights: ArrayLike) -> Array:
    """Return the weighted R²: 1 for a perfect guess, 0 for the weighted mean, below 0 for worse.

    Args:
        z: answers ``(..., M, K)``.
        guessed: of the same shape.
        weights: of the masks, ``(M,)``.

    Returns:
        Shape ``(..., K)``; 0 where the answers do not differ, since there is nothing to explain.

    Raises:
        ValueError: if shapes do not fit.
    """
    answers, guess, w = finite("z", z), finite("guessed", guessed), finite("weights", weights)
    if answers.shape != guess.shape or answers.ndim < 2 or w.shape != (answers.shape[-2],):
        raise ValueError(
            f"z has shape {answers.shape}, guessed {guess.shape} and weights {w.shape}; give "
            "(..., M, K) twice and (M,)."
        )
    _check_weights(w)
    share = (w / w.sum())[:, None]
    mean = (share * answers).sum(-2, keepdims=True)
    spread = (share * (answers - mean) ** 2).sum(-2)
    missed = (share * (answers - guess) ** 2).sum(-2)
    still = spread <= 1e-24 * np.maximum(1.0, mean[..., 0, :] ** 2)
    return np.asarray(np.where(still, 0.0, 1 - missed / np.where(still, 1.0, spread)))


def _check_weights(weights: Array) -> None:
    if weights.min() < 0 or weights.sum() <= 0:
        raise ValueError("weights holds a negative number, or none above 0; take local_weights.")


def answers(
    model: nn.Module,
    x: Tensor,
    kept: ArrayLike,
    *,
    regions: Groups,
    baseline: Tensor | float,
    output: str = "logits",
) -> Array:
    """Return what a model says of images with regions hidden.

    Args:
        model: returns logits; asked in eval mode and left as it was.
        x: images ``(N, ...)``.
        kept: which regions each mask shows, bool ``(M, R)``.
        regions: a partition of the features, see `explain.groups`.
        baseline: what stands where a region is hidden: one image, or a number.
        output: ``"logits"``, centred, or ``"probabilities"``.

    Returns:
        Shape ``(N, M, K)``, float64.

    Raises:
        TypeError: if an argument is of another type.
        ValueError: if parts do not fit.
    """
    one_of("output", output, OUTPUTS)
    x = admitted(model, x)
    made = as_groups(regions, tuple(x.shape[1:]), partition=True)
    hidden = baseline_for(x, baseline)
    table = np.asarray(kept)
    if table.ndim != 2 or table.shape[1] != len(made) or len(table) == 0:
        raise ValueError(
            f"kept has shape {table.shape} for {len(made)} regions; give a row for each mask, "
            "(M, R)."
        )
    where = np.empty(x[0].numel(), int)  # the region of each feature
    for r, group in enumerate(made):
        where[group] = r
    shown = torch.as_tensor(table.astype(bool)[:, where], device=x.device)  # (M, D)
    found = []
    for image, behind in zip(x.flatten(1), hidden.flatten(1), strict=True):
        masked = torch.where(shown, image, behind).view(-1, *x.shape[1:])
        z = check_logits(evaluation.predict(model, masked), len(masked)).double()
        found.append(z - z.mean(1, keepdim=True) if output == "logits" else z.softmax(1))
    return np.asarray(torch.stack(found).cpu().numpy())


def lime(
    model: nn.Module,
    x: Tensor,
    *,
    regions: Groups,
    baseline: Tensor | float,
    n: int = 500,
    width: float = 0.25,
    penalty: float = 1.0,
    output: str = "logits",
    seed: int = 0,
) -> Surrogate:
    """Fit a linear model to a model's answers near each image.

    Args:
        model: see `answers`.
        x: images ``(N, ...)``.
        regions: see `answers`.
        baseline: see `answers`.
        n: how many masks; the model is asked N × n times.
        width: see `local_weights`.
        penalty: see `weighted_ridge`.
        output: see `answers`.
        seed: of the masks.

    Raises:
        TypeError: if an argument is of another type.
        ValueError: if a number is out of range, or parts do not fit.

    Source: Ribeiro, Singh and Guestrin (2016), arXiv:1602.04938, section 3.
    """
    x = admitted(model, x)
    made = as_groups(regions, tuple(x.shape[1:]), partition=True)
    kept = random_masks(len(made), n, seed=seed)
    weights = local_weights(kept, width)
    z = answers(model, x, kept, regions=made, baseline=baseline, output=output)
    values, intercept = weighted_ridge(kept, z, weights, penalty=penalty)
    guessed = kept.astype(float) @ values + intercept[:, None]
    return Surrogate(values, intercept, r_squared(z, guessed, weights))


def one_hidden(
    model: nn.Module,
    x: Tensor,
    *,
    regions: Groups,
    baseline: Tensor | float,
    output: str = "logits",
) -> Surrogate:
    """Return what hiding one region at a time takes away: R + 1 questions an image, nothing fitted.

    Arguments and errors as for `lime`.

    Returns:
        The differences as a linear model that is right for the whole image and for each image with
        one region hidden; its `r2` is 1 for these, so ask it about others.

    Source: Zeiler and Fergus (2014), arXiv:1311.2901, section 4.2, for regions of any form.
    """
    x = admitted(model, x)
    made = as_groups(regions, tuple(x.shape[1:]), partition=True)
    kept = np.concatenate([np.ones((1, len(made)), bool), ~np.eye(len(made), dtype=bool)])
    z = answers(model, x, kept, regions=made, baseline=baseline, output=output)
    values = z[:, :1] - z[:, 1:]  # (N, R, K)
    return Surrogate(values, z[:, 0] - values.sum(1), np.ones_like(z[:, 0]))
