"""Shapley values of models that can be read: linear models and decision trees, exactly and fast.

Elsewhere exact values take every coalition. A linear model is a sum, and of a tree it is enough to
know, leaf by leaf, which questions an input and a background row would answer alike.
"""

from __future__ import annotations

import math

import numpy as np
from sklearn.tree import BaseDecisionTree

from distill_lessons.explain.arrays import Array, ArrayLike, finite
from distill_lessons.whitebox.trees import inputs_of, node_values


def linear_values(weight: ArrayLike, x: ArrayLike, background: ArrayLike) -> Array:
    """Return the exact Shapley values of a linear model: weight times distance from the mean.

    Args:
        weight: ``(K, F)``, as of `torch.nn.Linear`; the bias is no input and gets nothing.
        x: inputs to explain, ``(N, ...)`` with F numbers each.
        background: what a missing input is replaced by, ``(B, ...)``.

    Returns:
        Shape ``(N, F, K)``, float64. An input's values sum to its output minus the mean output over
        the background.

    Raises:
        ValueError: if shapes do not fit, or a number is NaN or infinite.

    Source: Lundberg and Lee (2017), corollary 1.

    >>> linear_values([[2.0, -1.0]], [[3.0, 3.0]], [[1.0, 0.0], [1.0, 2.0]])[0, :, 0].tolist()
    [4.0, -2.0]
    """
    w, x, background = finite("weight", weight), _rows("x", x), _rows("background", background)
    if w.ndim != 2 or not w.shape[1] == x.shape[1] == background.shape[1]:
        raise ValueError(
            f"weight has shape {w.shape}, x {x.shape} and background {background.shape}; give "
            "(K, F), (N, F) and (B, F) with one F."
        )
    return np.asarray((x - background.mean(0))[:, :, None] * w.T)


def tree_values(tree: BaseDecisionTree, x: ArrayLike, background: ArrayLike) -> Array:
    """Return the exact interventional Shapley values of a decision tree.

    A coalition takes its features from the input, all others from a background row. It reaches a
    leaf if it holds every feature with which only the input would get there (p of them), and none
    with which only the background row would (q). In that game each of the p has
    ``(p - 1)! q! / (p + q)!`` of the leaf's value, and each of the q loses
    ``p! (q - 1)! / (p + q)!`` of it; the others have nothing. Sums over leaves and rows are exact.

    Args:
        tree: a grown decision tree of scikit-learn.
        x: inputs to explain, ``(N, ...)`` with F numbers each.
        background: what a missing feature is replaced by, ``(B, ...)``.

    Returns:
        Shape ``(N, F, K)``, float64. An input's values sum to the tree's answer minus its mean
        answer over the background.

    Raises:
        TypeError: if `tree` is no decision tree of scikit-learn.
        ValueError: if it has not been grown, or inputs do not fit it.

    Source: Lundberg et al. (2020), doi:10.1038/s42256-019-0138-9, supplement: interventional
        TreeSHAP. The shares are those of a unanimity game with opponents.
    """
    answers = node_values(tree)
    x, background = inputs_of(tree, "x", x), inputs_of(tree, "background", background)
    values = np.zeros((*x.shape, answers.shape[1]))
    for leaf, bounds in _leaves(tree):
        if not bounds:
            continue  # the root is the only leaf: no input matters
        features = list(bounds)
        low, high = np.array(list(bounds.values())).T
        own, place = _patterns((x[:, features] > low) & (x[:, features] <= high))
        other, at = _patterns((background[:, features] > low) & (background[:, features] <= high))
        share = np.bincount(at) / len(background)
        shares = np.einsum("iod,o->id", _shares(own[:, None], other[None]), share)  # (I, d)
        values[:, features] += shares[place][:, :, None] * answers[leaf]
    return values


def _shares(own: Array, other: Array) -> Array:
    """Return what each feature has of a leaf's value, for patterns ``(..., d)`` of both rows."""
    joins, leaves = own & ~other, other & ~own
    p, q = joins.sum(-1, keepdims=True), leaves.sum(-1, keepdims=True)
    factorial = np.array([math.factorial(n) for n in range(own.shape[-1] + 1)], dtype=np.float64)
    whole = factorial[p + q]
    gain = factorial[np.maximum(p - 1, 0)] * factorial[q] / whole
    loss = factorial[p] * factorial[np.maximum(q - 1, 0)] / whole
    reachable = (own | other).all(-1, keepdims=True)
    return np.asarray(np.where(joins, gain, np.where(leaves, -loss, 0.0)) * reachable)


def _patterns(inside: Array) -> tuple[Array, Array]:
    """Return the rows of a bool table that differ, and for each row which of them it is."""
    packed = np.packbits(inside, axis=1)
    keys = np.ascontiguousarray(packed).view(np.dtype((np.void, packed.shape[1]))).ravel()
    _, first, place = np.unique(keys, return_index=True, return_inverse=True)
    return inside[first], place.ravel()


def _leaves(tree: BaseDecisionTree) -> list[tuple[int, dict[int, tuple[float, float]]]]:
    """Return each leaf with the interval that it leaves to every feature that is asked for."""
    grown, found = tree.tree_, []
    waiting: list[tuple[int, dict[int, tuple[float, float]]]] = [(0, {})]
    while waiting:
        node, bounds = waiting.pop()
        feature, threshold = int(grown.feature[node]), float(grown.threshold[node])
        if feature < 0:
            found.append((node, bounds))
            continue
        low, high = bounds.get(feature, (-math.inf, math.inf))
        left, right = int(grown.children_left[node]), int(grown.children_right[node])
        waiting.append((right, bounds | {feature: (max(low, threshold), high)}))
        waiting.append((left, bounds | {feature: (low, min(high, threshold))}))
    return found


def _rows(argument: str, x: ArrayLike) -> Array:
    rows = finite(argument, x)
    if rows.ndim < 2 or len(rows) == 0:
        raise ValueError(f"{argument} has shape {rows.shape}; give at least one input, (N, F).")
    return rows.reshape(len(rows), -1)
