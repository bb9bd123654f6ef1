"""The bias of a class that a student never met in its transfer set.

Every function adds one number to the logits of one or several classes. They differ in what they
look at to choose it: how frequent the classes are, labels of validation images, or, as the paper
did, labels of the test images themselves.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from distill_lessons import losses
from distill_lessons.settings import number, whole_number
from distill_lessons.tensors import check_tensor, check_type, class_labels


def shifted(z: Tensor, classes: Sequence[int], shift: float) -> Tensor:
    """Return logits ``(N, K)`` with a number added to those of some classes.

    >>> shifted(torch.zeros(1, 3), [2], 1.5).tolist()
    [[0.0, 0.0, 1.5]]
    """
    _check(z, classes)
    out = z.clone()
    out[:, list(classes)] += number("shift", shift)
    return out


def margins(z: Tensor, classes: Sequence[int]) -> Tensor:
    """Return for every image the shift at which one of `classes` becomes its answer, ``(N,)``.

    >>> margins(torch.tensor([[3.0, 1.0, 0.0], [0.0, 1.0, 4.0]]), [2]).tolist()
    [3.0, -3.0]
    """
    _check(z, classes)
    chosen = _columns(z, classes)
    # Without a boolean index: one of either kind is never the largest where it does not belong.
    others = z.masked_fill(chosen, -torch.inf).amax(1)
    return others - z.masked_fill(~chosen, -torch.inf).amax(1)


def from_frequency(z: Tensor, classes: Sequence[int], frequency: float) -> float:
    """Return the shift with which so many images are taken for one of `classes` as there are.

    Needs no label: how often the classes occur, and images of all classes as they occur.

    Args:
        z: logits of these images, ``(N, K)``.
        classes: the classes whose logits are shifted together.
        frequency: the share of images that belong to one of them, between 0 and 1.

    Raises:
        ValueError: if `frequency` is outside (0, 1), or `classes` are none or all.

    >>> from_frequency(torch.tensor([[3.0, 0.0], [2.0, 0.0], [9.0, 0.0], [8.0, 0.0]]), [1], 0.5)
    5.5
    """
    if not 0 < number("frequency", frequency) < 1:
        raise ValueError(f"frequency={frequency} must be a share between 0 and 1, such as 0.1.")
    ordered = margins(z, classes).sort().values.cpu()
    below = min(max(round(frequency * len(ordered)), 1), len(ordered) - 1)
    return float(ordered[below - 1 : below + 1].mean())


def fewest_errors(z: Tensor, labels: Tensor, classes: Sequence[int]) -> float:
    """Return the shift that makes the fewest errors on labelled images: on these, none is better.

    Args:
        z: logits ``(N, K)``.
        labels: their labels, ``(N,)``.
        classes: the classes whose logits are shifted together.

    Raises:
        ValueError: if the labels do not fit, or `classes` are none or all.

    >>> z = torch.tensor([[3.0, 0.0], [2.0, 0.0], [9.0, 0.0]])
    >>> fewest_errors(z, torch.tensor([1, 1, 0]), [1])
    6.0
    """
    check_tensor("labels", labels)
    losses.check_labels("labels", class_labels("labels", labels), z)
    at = margins(z, classes)
    order = at.argsort()
    z, labels, at = z[order], labels[order], at[order]
    chosen = _columns(z, classes)
    with_them = z.masked_fill(~chosen, -torch.inf).argmax(1) == labels
    without = z.masked_fill(chosen, -torch.inf).argmax(1) == labels
    # A shift between at[i-1] and at[i] gives the first i images to `classes`, the others not.
    gained = torch.cat([at.new_zeros(1), (with_them.to(at) - without.to(at)).cumsum(0)])
    best = (gained == gained.max()).nonzero().flatten()
    middle = int(best[len(best) // 2])
    edges = torch.cat([at[:1] - 1, at, at[-1:] + 1])
    return float(edges[middle : middle + 2].mean())


def _columns(z: Tensor, classes: Sequence[int]) -> Tensor:
    """Return which columns of z belong to `classes`, ``(K,)`` booleans."""
    chosen = torch.zeros(z.shape[1], dtype=torch.bool, device=z.device)
    chosen[list(classes)] = True
    return chosen


def _check(z: Tensor, classes: Sequence[int]) -> None:
    check_tensor("z", z)
    losses.check_logits("z", z)
    check_type("classes", classes, Sequence, "a list of classes, such as [3]")
    found = [whole_number("classes", c, least=0) for c in classes]
    if not 0 < len(set(found)) < z.shape[1] or max(found) >= z.shape[1]:
        raise ValueError(
            f"classes={found} of {z.shape[1]} classes: name some of them and not all, such as [3]."
        )
