"""Features: what a student's hidden layer is to have of its teacher's, image by image.

Features are ``(N, D)``, or ``(N, C, H, W)`` where a function says so; student and teacher see the
same N images. The teacher's are constants: no gradient flows into them. Shapes are checked and
values are not, so that all of this runs under `torch.func.vmap`, which cannot branch on values; a
training refuses a loss that is not finite.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from distill_lessons.losses.checks import alike, check_features, check_temperature


def hint(student: Tensor, teacher: Tensor) -> Tensor:
    """Return the mean squared difference of features that are equally wide.

    A student's layer is seldom as wide as its teacher's. Then a *projector*, a linear layer that is
    trained along with the student, carries its features over first; see `Projected`.

    Args:
        student: its features, projected, shape ``(N, D)`` or ``(N, C, H, W)``.
        teacher: the teacher's, of the same shape.

    Returns:
        A scalar.

    Raises:
        TypeError: if either is not a tensor.
        ValueError: if the shapes differ.

    Source: Romero et al. (2015), FitNets, arXiv:1412.6550, equation 3.

    >>> hint(torch.tensor([[1.0, 2.0]]), torch.tensor([[1.0, 4.0]])).item()
    2.0
    """
    _check_together(student, teacher)
    if student.shape != teacher.shape:
        raise ValueError(
            f"student has features of shape {tuple(student.shape)} and teacher of "
            f"{tuple(teacher.shape)}; let a projector carry the student's to the teacher's width: "
            f"torch.nn.Linear({student.shape[1]}, {teacher.shape[1]})."
        )
    a, b = alike(student, teacher.detach())
    return (a - b).square().mean()


class Projected(nn.Module):
    """A student with the projector that is trained along with it, and thrown away afterwards.

    It answers what the student answers. So it is trained, stacked and measured like any net, and an
    objective finds both parts in it.

    Attributes:
        student: the net, whose logits it returns.
        projector: carries the student's features to the teacher's width.
    """

    def __init__(self, student: nn.Module, projector: nn.Module) -> None:
        """Join the two."""
        super().__init__()
        self.student, self.projector = student, projector

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return the student's logits."""
        logits: Tensor = self.student(*inputs)
        return logits


def attention_map(features: Tensor) -> Tensor:
    """Return where a convolutional layer is active, as vectors of length 1, shape ``(N, H * W)``.

    Args:
        features: ``(N, C, H, W)``. The squares are summed over the channels, so that nets with
            unequally many channels can be compared. An image without activity gets zeros.

    Raises:
        TypeError: if `features` is not a tensor.
        ValueError: if it has another shape.

    Source: Zagoruyko and Komodakis (2017), arXiv:1612.03928, section 3.1.

    >>> attention_map(torch.tensor([[[[2.0, 0.0]], [[0.0, 0.0]]]]))
    tensor([[1., 0.]])
    """
    check_features("features", features, axes=(4,))
    (h,) = alike(features)
    return F.normalize(h.square().sum(1).flatten(1), dim=1)


def attention_transfer(student: Tensor, teacher: Tensor) -> Tensor:
    """Return the mean over images of the squared distance between two `attention_map`s.

    (The paper writes the distance itself; the authors' code squares it, which has a gradient at 0.)

    Args:
        student: ``(N, C, H, W)``.
        teacher: ``(N, C', H, W)``.

    Returns:
        A scalar, from 0 to 2.

    Raises:
        TypeError: if either is not a tensor.
        ValueError: if the numbers of images or the sizes of the maps differ.

    Source: Zagoruyko and Komodakis (2017), arXiv:1612.03928, equation 2.
    """
    _check_together(student, teacher, axes=(4,))
    if student.shape[2:] != teacher.shape[2:]:
        raise ValueError(
            f"student has maps of {tuple(student.shape[2:])} and teacher of "
            f"{tuple(teacher.shape[2:])} places; pool the larger ones, for example with "
            "torch.nn.functional.adaptive_avg_pool2d."
        )
    a, b = alike(attention_map(student), attention_map(teacher.detach()))
    return (a - b).square().sum(1).mean()


def contrastive(student: Tensor, teacher: Tensor, *, T: float = 0.1) -> Tensor:
    """Return how badly each image's features find their teacher's among those of the batch.

    A student's row is compared by cosine with every teacher's row; its own image is the right
    answer of a softmax over the N images (InfoNCE). This is contrastive distillation at its
    smallest: all other images of the batch are the negatives, and there is no memory of others.

    Args:
        student: features, projected to the teacher's width, shape ``(N, D)``, N >= 2.
        teacher: the teacher's, shape ``(N, D)``.
        T: temperature > 0 of the softmax over images.

    Returns:
        A scalar; log N is what chance gives.

    Raises:
        TypeError: if either is not a tensor.
        ValueError: if the shapes differ, there is one image only, or T is not positive.

    Source: Tian, Krishnan and Isola (2020), arXiv:1910.10699; van den Oord, Li and Vinyals (2018),
    arXiv:1807.03748, equation 4.
    """
    check_temperature(T)
    _check_together(student, teacher, axes=(2,), least=2)
    if student.shape != teacher.shape:
        raise ValueError(
            f"student has {student.shape[1]} features and teacher {teacher.shape[1]}; let a "
            f"projector carry them over: torch.nn.Linear({student.shape[1]}, {teacher.shape[1]})."
        )
    a, b = (F.normalize(h, dim=1) for h in alike(student, teacher.detach()))
    log_found = torch.log_softmax(a @ b.mT / T, dim=1).diagonal()
    return -log_found.mean()


def _check_together(
    student: Tensor, teacher: Tensor, *, axes: tuple[int, ...] = (), least: int = 1
) -> None:
    check_features("student", student, axes=axes, least=least)
    check_features("teacher", teacher, axes=axes, least=least)
    if len(student) != len(teacher):
        raise ValueError(
            f"student has features of {len(student)} images and teacher of {len(teacher)}; give "
            "both for the same batch, image by image: teacher[index]."
        )
