"""Relations: how the images of a batch lie to each other, whatever the width of the layer.

Features are ``(N, D)``, or any ``(N, ...)``, which are flattened; student and teacher see the same
N images and may be of different widths. The teacher's are constants. As in `features`, shapes are
checked and values are not, so that all of this runs under `torch.func.vmap`.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from distill_lessons.losses.checks import alike, check_features


def relational_distance(student: Tensor, teacher: Tensor) -> Tensor:
    """Return how far the distances between a batch's images differ from the teacher's.

    Every pair of images has a distance in the student's layer and one in the teacher's. Each is
    divided by the mean over all pairs, so that only proportions count, and the two are compared by
    Huber's loss.

    Args:
        student: features ``(N, ...)``, N >= 2.
        teacher: the teacher's for the same images, ``(N, ...)``.

    Returns:
        A scalar, the mean over the N (N - 1) / 2 pairs.

    Raises:
        TypeError: if either is not a tensor.
        ValueError: if the numbers of images differ, or there is one only.

    Source: Park et al. (2019), arXiv:1904.05068, equations 5 to 8.

    >>> corners = torch.tensor([[0.0, 0.0], [3.0, 0.0], [0.0, 4.0]])
    >>> relational_distance(10 * corners, corners).item()  # the same triangle, larger
    0.0
    """
    a, b = _rows(student, teacher, least=2)
    total = F.smooth_l1_loss(_distances(a), _distances(b), reduction="sum")
    return total / (len(a) * (len(a) - 1))


def _distances(h: Tensor) -> Tensor:
    """Return all distances between rows, divided by the mean of those between two, ``(N, N)``."""
    h = h - h.mean(0)  # nearer to 0, less is lost in the differences of the next lines
    products = h @ h.mT
    lengths = products.diagonal()
    squares = lengths[:, None] + lengths - 2 * products
    tiny = torch.finfo(h.dtype).tiny
    distances = squares.clamp(min=tiny).sqrt() * (squares > tiny)  # a root has no slope at 0
    mean = distances.sum() / (len(h) * (len(h) - 1))
    return distances / mean.clamp(min=tiny)


def relational_angle(student: Tensor, teacher: Tensor) -> Tensor:
    """Return how far the angles between a batch's images differ from the teacher's.

    Three images make a triangle in the student's layer and one in the teacher's. The cosines of
    their angles are compared by Huber's loss. N images have N³ triples, so keep batches small.

    Args:
        student: features ``(N, ...)``, N >= 3.
        teacher: the teacher's for the same images, ``(N, ...)``.

    Returns:
        A scalar, the mean over all triples; those with an image twice count as 0 in both nets.

    Raises:
        TypeError: if either is not a tensor.
        ValueError: if the numbers of images differ, or there are fewer than three.

    Source: Park et al. (2019), arXiv:1904.05068, equations 9 to 11.
    """
    a, b = _rows(student, teacher, least=3)
    return F.smooth_l1_loss(_cosines(a), _cosines(b))


def _cosines(h: Tensor) -> Tensor:
    """Return the cosine of the angle at row i between rows j and k, ``(N, N, N)``."""
    sides = F.normalize(h[None] - h[:, None], dim=2)
    return sides @ sides.mT


def similarity_preserving(student: Tensor, teacher: Tensor) -> Tensor:
    """Return how far the similarities of a batch's images differ from the teacher's.

    A table holds the dot product of every pair of images, each row divided by its length. The two
    tables are compared by their mean squared difference.

    Args:
        student: features ``(N, ...)``, N >= 2.
        teacher: the teacher's for the same images, ``(N, ...)``.

    Returns:
        A scalar.

    Raises:
        TypeError: if either is not a tensor.
        ValueError: if the numbers of images differ, or there is one only.

    Source: Tung and Mori (2019), arXiv:1907.09682, equations 2 to 4.
    """
    a, b = (F.normalize(h @ h.mT, dim=1) for h in _rows(student, teacher, least=2))
    return (a - b).square().mean()


def linear_cka(a: Tensor, b: Tensor) -> Tensor:
    """Return how alike two layers place the same images: linear centred kernel alignment.

    Blind to rotation, to scale and to the widths of the layers. It is a measure, not a loss, so
    both sides may carry a gradient.

    Args:
        a: features ``(N, ...)``, N >= 2.
        b: features of another layer or net for the same images, ``(N, ...)``.

    Returns:
        A scalar from 0 to 1: 1 for layers that differ by rotation and scale only; NaN where one of
        them gives the same to all images.

    Raises:
        TypeError: if either is not a tensor.
        ValueError: if the numbers of images differ, or there is one only.

    Source: Kornblith et al. (2019), arXiv:1905.00414, section 3.

    >>> corners = torch.tensor([[0.0, 0.0], [3.0, 0.0], [0.0, 4.0]])
    >>> round(linear_cka(corners, 2 * corners.flip(1) + 1).item(), 4)
    1.0
    """
    a, b = _rows(a, b, least=2, names=("a", "b"), constant=False)
    a, b = a - a.mean(0), b - b.mean(0)
    if max(a.shape[1], b.shape[1]) < len(a):  # the smaller tables
        cross, own, other = (p.mT @ q for p, q in ((a, b), (a, a), (b, b)))
        shared = cross.square().sum()
    else:
        own, other = a @ a.mT, b @ b.mT
        shared = (own * other).sum()
    cka: Tensor = shared / (torch.linalg.matrix_norm(own) * torch.linalg.matrix_norm(other))
    return cka


def _rows(
    student: Tensor,
    teacher: Tensor,
    *,
    least: int,
    names: tuple[str, str] = ("student", "teacher"),
    constant: bool = True,
) -> tuple[Tensor, Tensor]:
    """Return both as rows of one precision, ``(N, D)`` and ``(N, D')``, if they fit together."""
    for name, features in zip(names, (student, teacher), strict=True):
        check_features(name, features, least=least)
    if len(student) != len(teacher):
        raise ValueError(
            f"{names[0]} has features of {len(student)} images and {names[1]} of {len(teacher)}; "
            "relations are between the images of one batch: give both for the same ones."
        )
    a, b = alike(student, teacher.detach() if constant else teacher)
    return a.flatten(1), b.flatten(1)
