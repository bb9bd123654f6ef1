"""How alike two attributions are: cosine, Spearman's rank correlation, top-k overlap.

One number per input and class; `agreement` makes tables with intervals of them. A model or an
explainer is nothing this module knows about, and no number here means much without a control.
"""

from __future__ import annotations

import numpy as np

from distill_lessons.explain.arrays import Array, ArrayLike, finite
from distill_lessons.settings import whole_number


def cosine(a: ArrayLike, b: ArrayLike) -> Array:
    """Return the cosine between two attributions of the same inputs, class by class.

    Args:
        a: attributions, shape `(N, *input_shape, K)`.
        b: the same shape.

    Returns:
        Shape `(N, K)`, from −1 to 1; 1 is the same map up to a positive factor. A map of zeros has
        no direction and agrees with nothing: 0 by definition.

    Raises:
        ValueError: if the shapes differ or a value is NaN or infinite.
    """
    va, vb = by_class(a, b)  # (N, K, D)
    return _row_cosine(va, vb)


def spearman(a: ArrayLike, b: ArrayLike, *, absolute: bool = False) -> Array:
    """Return Spearman's rank correlation of two attributions over features, class by class.

    Args:
        a: attributions, shape `(N, *input_shape, K)`.
        b: the same shape.
        absolute: rank by size and forget the sign. A map may keep its sizes, which the input often
            dictates, and lose its signs: look at both.

    Returns:
        Shape `(N, K)`, from −1 to 1; ties share their mean rank. A constant map ranks nothing and
        agrees with nothing: 0 by definition.

    Raises:
        ValueError: if the shapes differ or a value is NaN or infinite.
    """
    from scipy.stats import rankdata

    ranks = [rankdata(np.abs(v) if absolute else v, axis=-1) for v in by_class(a, b)]
    return _row_cosine(*(r - r.mean(-1, keepdims=True) for r in ranks))


def topk_overlap(a: ArrayLike, b: ArrayLike, *, k: int) -> Array:
    """Return the share of the k strongest features that two attributions have in common.

    Strong means a large absolute value; of equals the earlier feature wins. A feature with
    attribution zero is never among the strongest, so two maps full of zeros do not agree by that.

    Args:
        a: attributions, shape `(N, *input_shape, K)`.
        b: the same shape.
        k: how many features, from 1 to the number D of features. Chance gives k / D.

    Returns:
        Shape `(N, K)`, from 0 to 1.

    Raises:
        ValueError: if k is out of range, the shapes differ, or a value is NaN or infinite.
    """
    va, vb = by_class(a, b)
    if not 1 <= whole_number("k", k, least=None) <= va.shape[-1]:
        raise ValueError(f"k={k} must be from 1 to {va.shape[-1]}, the number of features.")
    return np.asarray((_strongest(va, k) & _strongest(vb, k)).sum(-1) / k)


def same_shape(name_a: str, a: ArrayLike, name_b: str, b: ArrayLike) -> tuple[Array, Array]:
    """Return both as finite arrays of one shape, or raise a ValueError."""
    va, vb = finite(name_a, a), finite(name_b, b)
    if va.shape != vb.shape:
        raise ValueError(
            f"{name_a} has shape {va.shape} but {name_b} has {vb.shape}; "
            "compare models on the same inputs and classes."
        )
    if va.ndim < 2:
        raise ValueError(
            f"{name_a} has shape {va.shape}; the first axis is inputs, the last classes."
        )
    return va, vb


def by_class(a: ArrayLike, b: ArrayLike) -> tuple[Array, Array]:
    """Return both attributions as `(N, K, D)`, D features."""
    va, vb = same_shape("a", a, "b", b)
    if va.ndim < 3:
        raise ValueError(f"a has shape {va.shape}; attributions are (N, *input_shape, K).")
    n, k = va.shape[0], va.shape[-1]
    return va.reshape(n, -1, k).swapaxes(1, 2), vb.reshape(n, -1, k).swapaxes(1, 2)


def _row_cosine(va: Array, vb: Array) -> Array:
    # Scaled to a largest entry of 1 first: squares of tiny gradients would underflow to zero.
    sizes = [np.abs(v).max(-1, keepdims=True) for v in (va, vb)]
    va, vb = (v / np.where(s > 0, s, 1.0) for v, s in zip((va, vb), sizes, strict=True))
    norms = np.linalg.norm(va, axis=-1) * np.linalg.norm(vb, axis=-1)
    dots = (va * vb).sum(-1)
    ratio = np.divide(dots, norms, out=np.zeros_like(dots), where=norms > 0)
    return np.asarray(np.clip(ratio, -1.0, 1.0))


def _strongest(v: Array, k: int) -> Array:
    """Mark the k largest absolute values of each row that are not zero, shape of `v`."""
    size = np.abs(v)
    order = np.argsort(-size, axis=-1, kind="stable")[..., :k]
    chosen = np.zeros(v.shape, dtype=bool)
    np.put_along_axis(chosen, order, True, axis=-1)
    return np.asarray(chosen & (size > 0))
