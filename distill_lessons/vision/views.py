"""Flips and shifts that can be counted: every view of an image has a number.

A student that sees changed images needs the teacher's answers to the *changed* ones. Where the
changes can be counted, the teacher can answer all of them once, and a batch looks its rows up by
view and image. The result is that of asking anew. Knows nothing about training.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from distill_lessons import distillation
from distill_lessons.settings import whole_number
from distill_lessons.tensors import check_tensor

# Five places, in shares of the step: as it is, and one step up, down, left or right.
_PLACES = ((0, 0), (-1, 0), (1, 0), (0, -1), (0, 1))
N_VIEWS = 2 * len(_PLACES)


def step(side: int) -> int:
    """Return by how many pixels a view is shifted: a sixteenth of the side, at least one.

    Raises:
        TypeError: if `side` is not a whole number.
        ValueError: if it is not positive.
    """
    return max(1, whole_number("side", side) // 16)


def view(x: Tensor, v: Tensor | int) -> Tensor:
    """Return images as they look in their views.

    Args:
        x: images ``(N, C, H, W)``.
        v: the number of a view for each, ``(N,)``, or one for all; 0 to 9. View 0 is the image as
            it is, 0 to 4 are its places, 5 to 9 the same of its mirror image. What a shift leaves
            empty repeats the edge.

    Returns:
        The images ``(N, C, H, W)``; x itself is left as it was.

    Raises:
        TypeError: if x is not a tensor, or `v` holds other things than whole numbers.
        ValueError: if shapes do not fit, or there is no such view.
    """
    check_tensor("x", x)
    if x.ndim != 4:
        raise ValueError(f"x has shape {tuple(x.shape)}; only images (N, C, H, W) have views.")
    if not isinstance(v, Tensor):
        v = torch.full((len(x),), whole_number("v", v, least=0), device=x.device)
    if v.is_floating_point() or v.dtype == torch.bool:
        raise TypeError(f"v holds {v.dtype}; the number of a view is a whole number.")
    if v.shape != (len(x),):
        raise ValueError(f"v has shape {tuple(v.shape)} for {len(x)} images; give one each.")
    if len(v) and not 0 <= int(v.min()) <= int(v.max()) < N_VIEWS:
        raise ValueError(f"v={int(v.max())}: the views are numbered from 0 to {N_VIEWS - 1}.")
    return _seen(x, v)


def _seen(x: Tensor, v: Tensor) -> Tensor:
    height, width = x.shape[2:]
    places = torch.tensor(_PLACES, device=x.device)[v % len(_PLACES)]  # (N, 2)
    down, right = (places * torch.tensor([step(height), step(width)], device=x.device)).T
    rows = (torch.arange(height, device=x.device) - down[:, None]).clamp(0, height - 1)
    columns = (torch.arange(width, device=x.device) - right[:, None]).clamp(0, width - 1)
    mirrored = (v >= len(_PLACES))[:, None]
    columns = torch.where(mirrored, width - 1 - columns, columns)
    image = torch.arange(len(x), device=x.device)[:, None, None]
    return x.movedim(1, -1)[image, rows[:, :, None], columns[:, None, :]].movedim(-1, 1)


def drawn(n: int, generator: torch.Generator) -> Tensor:
    """Return the number of a view for each of n images, every view as likely, ``(n,)``.

    Raises:
        TypeError: if `n` is not a whole number.
        ValueError: if it is not positive.
    """
    n = whole_number("n", n)
    return torch.randint(0, N_VIEWS, (n,), generator=generator, device=generator.device)


def at_random(x: Tensor, generator: torch.Generator) -> Tensor:
    """Return every image in a view drawn at random: an `augment` for `training.fit`."""
    return view(x, drawn(len(x), generator))


def kept_logits(teacher: nn.Module, x: Tensor) -> Tensor:
    """Return a teacher's logits for every view of every image, ``(N_VIEWS, N, K)``.

    Row ``[v, i]`` answers to ``view(x, v)[i]``.

    Args:
        teacher: any net that returns logits.
        x: images ``(N, C, H, W)``.

    Raises:
        TypeError: if the teacher is not a module, or x is not a tensor.
        ValueError: as `distillation.teacher_logits`.
    """
    return torch.stack([distillation.teacher_logits(teacher, view(x, v)) for v in range(N_VIEWS)])
