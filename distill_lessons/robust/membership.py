"""Was this image in the training set? An attacker who knows a model's loss on it makes a guess.

Models err less on what they were trained on. So whoever is asked about is called a member where the
loss is at most a threshold, which an attacker finds on models of her own, where she knows the
members: *shadow* models. Knows nothing about models: losses go in, numbers come out.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from distill_lessons.settings import number
from distill_lessons.tensors import float_array

Array = np.ndarray[Any, Any]


def auroc(members: Any, others: Any) -> float:
    """Return how often a member has the smaller loss of two, one of each kind; ties count half.

    0.5 is what guessing gives: the losses then say nothing about membership.

    Args:
        members: a model's losses on images on which it was trained, ``(N,)``.
        others: its losses on other images, ``(M,)``.

    Raises:
        TypeError: if they are no numbers.
        ValueError: if there are none, or one is NaN.

    Source: Fawcett (2006), doi:10.1016/j.patrec.2005.10.010, section 7.

    >>> auroc([0.1, 0.2, 0.9], [0.5, 1.0])
    0.8333333333333334
    """
    members, others = _losses("members", members), np.sort(_losses("others", others))
    below = np.searchsorted(others, members, side="left")  # others whose loss is smaller
    at_most = np.searchsorted(others, members, side="right")
    return float(1 - (below + at_most).mean() / (2 * len(others)))


def best_threshold(members: Any, others: Any) -> float:
    """Return the loss up to which "member" is the best guess on these two sets.

    Best is the largest `advantage`. Of equally good thresholds it is the smallest.

    Args:
        members: losses on members, ``(N,)``; those of a shadow model, where they are known.
        others: losses on others, ``(M,)``.

    Returns:
        The middle between two neighbouring losses.

    Raises:
        TypeError: if they are no numbers.
        ValueError: if there are none, or one is NaN.
    """
    members, others = _losses("members", members), _losses("others", others)
    found = np.unique(np.concatenate([members, others]))
    found = found[np.isfinite(found)]
    if len(found) < 2:
        return float(found[0]) if len(found) else 0.0
    between = (found[:-1] + found[1:]) / 2
    hits = np.searchsorted(np.sort(members), between, side="right") / len(members)
    false = np.searchsorted(np.sort(others), between, side="right") / len(others)
    return float(between[(hits - false).argmax()])


def advantage(members: Any, others: Any, threshold: float) -> float:
    """Return the share of members found, minus the share of others that are taken for members.

    0 is what guessing gives, 1 is perfect.

    Args:
        members: losses on members, ``(N,)``.
        others: losses on others, ``(M,)``.
        threshold: "member" is said where the loss is at most this.

    Raises:
        TypeError: if they are no numbers.
        ValueError: if there are none, or one is NaN.

    Source: Yeom et al. (2018), arXiv:1709.01604, definition 4.

    >>> advantage([0.1, 0.2, 0.9], [0.5, 1.0], threshold=0.3)
    0.6666666666666666
    """
    limit = number("threshold", threshold)
    if np.isnan(limit):
        raise ValueError("threshold is NaN; give a loss, such as best_threshold of a shadow model.")
    members, others = _losses("members", members), _losses("others", others)
    return float((members <= limit).mean() - (others <= limit).mean())


def _losses(argument: str, values: Any) -> Array:
    found = float_array(argument, values)
    if found.ndim != 1 or len(found) == 0:
        raise ValueError(f"{argument} has shape {found.shape}; give one loss per image, (N,).")
    if np.isnan(found).any():
        raise ValueError(f"{argument} holds NaN; find the model that produced it.")
    return found
