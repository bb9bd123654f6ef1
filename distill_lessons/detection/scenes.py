"""Scenes: a data set's images pasted on a dark canvas, among scraps of others.

The box of an image is the frame in which it was pasted. Scenes of two splits share no image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from distill_lessons import distillation, seeds
from distill_lessons.data import UNLABELLED, Data, Split
from distill_lessons.detection.boxes import check_boxes
from distill_lessons.settings import whole_number
from distill_lessons.tensors import (
    check_each_labelled,
    check_numbers,
    check_type,
    class_labels,
    split_indices,
)

TRIES = 40


@dataclass(frozen=True)
class Scenes:
    """Scenes with what is in them.

    Attributes:
        x: canvases in [0, 1], ``(N, C, S, S)``.
        boxes: up to M boxes in each, ``(N, M, 4)`` in pixels; zeros where there is none.
        classes: their classes, ``(N, M)``, int64; `data.UNLABELLED` where there is no box.
    """

    x: Tensor
    boxes: Tensor
    classes: Tensor

    def __post_init__(self) -> None:
        """Refuse tensors that do not belong together.

        Raises:
            TypeError: if a part is not a tensor.
            ValueError: if shapes differ, or a box has no area or leaves the canvas.
        """
        check_numbers("x", self.x)
        check_numbers("classes", self.classes)
        if self.x.ndim != 4 or self.x.shape[2] != self.x.shape[3]:
            raise ValueError(f"x has shape {tuple(self.x.shape)}; give scenes (N, C, S, S).")
        check_numbers("boxes", self.boxes)
        if self.classes.ndim != 2 or self.boxes.shape != (*self.classes.shape, 4):
            raise ValueError(
                f"boxes has shape {tuple(self.boxes.shape)} and classes "
                f"{tuple(self.classes.shape)}; give (N, M, 4) and (N, M)."
            )
        if len(self.x) != len(self.classes):
            raise ValueError(f"classes has {len(self.classes)} rows for {len(self.x)} scenes.")
        check_boxes("boxes", self.boxes[self.there], self.canvas)

    def __len__(self) -> int:
        """Return the number of scenes."""
        return len(self.x)

    @property
    def canvas(self) -> int:
        """The side of a canvas in pixels."""
        return self.x.shape[-1]

    @property
    def there(self) -> Tensor:
        """Where there is a box, ``(N, M)``."""
        return self.classes != UNLABELLED

    def take(self, index: Tensor | Sequence[int] | slice) -> Scenes:
        """Return the scenes at `index`, in that order."""
        return Scenes(self.x[index], self.boxes[index], self.classes[index])


def make(
    images: Split,
    n: int,
    *,
    canvas: int = 24,
    side: int = 8,
    most: int = 3,
    scraps: int = 4,
    seed: int = 0,
) -> Scenes:
    """Make scenes of images: one to `most` of them, not overlapping, and scraps of others.

    Args:
        images: images with labels, of any size, grey or colour. They are scaled so that the longer
            side has `side` to 5/4 of it in pixels.
        n: how many scenes.
        canvas: side of a canvas, in pixels.
        side: smallest side of a pasted image, in pixels.
        most: the largest number of images in a scene.
        scraps: pieces of images, half as wide and high, pasted anywhere: what is there and has no
            box.
        seed: same seed, same scenes.

    Returns:
        The scenes, on the device of the images.

    Raises:
        TypeError: if `images` is no split of labelled images.
        ValueError: if a size makes no sense, or the canvas is too small for one image.
    """
    check_type("images", images, Split, "a Split of images, such as data.train")
    labels = class_labels("images.y", images.y)
    check_each_labelled(labels)
    if images.x.ndim != 4:
        raise ValueError(f"images.x has shape {tuple(images.x.shape)}; give images (N, C, H, W).")
    if bool((labels == UNLABELLED).any()):
        raise ValueError("images.y hides labels; scenes need the class of every image.")
    n, canvas = whole_number("n", n), whole_number("canvas", canvas)
    side, most = whole_number("side", side, least=4), whole_number("most", most)
    scraps = whole_number("scraps", scraps, least=0)
    largest = side + side // 4
    if canvas < largest:
        raise ValueError(
            f"canvas={canvas} is smaller than an image of side={side} to {largest} pixels; make it "
            "larger."
        )
    rng = seeds.generator(seed)
    sized = {size: _scaled(images.x.cpu(), size) for size in range(side, largest + 1)}
    x = torch.zeros(n, images.x.shape[1], canvas, canvas)
    boxes = torch.zeros(n, most, 4)
    classes = torch.full((n, most), UNLABELLED)
    labels = labels.cpu()

    def whole(high: int, *shape: int) -> Any:
        return torch.randint(high, shape, generator=rng).tolist()

    counts, which = whole(most, n), whole(len(labels), n, most + scraps)
    size_of = (torch.randint(largest - side + 1, (n, most), generator=rng) + side).tolist()
    places = torch.rand(n, most, TRIES, 2, generator=rng).tolist()
    scrap_places = torch.rand(n, max(scraps, 1), 4, generator=rng).tolist()
    for i in range(n):
        for j in range(scraps):
            piece = sized[side][which[i][most + j]]
            h, w = (max(2, edge // 2) for edge in piece.shape[1:])
            from_y, from_x, to_y, to_x = scrap_places[i][j]
            top, left = (int(u * (e - s + 1)) for u, e, s in
                         ((from_y, piece.shape[1], h), (from_x, piece.shape[2], w)))  # fmt: skip
            cut = piece[:, top : top + h, left : left + w]
            _paste(x[i], cut, int(to_y * (canvas - h + 1)), int(to_x * (canvas - w + 1)))
        taken: list[tuple[int, int, int, int]] = []
        for j in range(counts[i] + 1):
            picture = sized[size_of[i][j]][which[i][j]]
            h, w = picture.shape[1:]
            for v, u in places[i][j]:
                top, left = int(v * (canvas - h + 1)), int(u * (canvas - w + 1))
                box = (left, top, left + w, top + h)
                if not any(_overlap(box, other) for other in taken):
                    _paste(x[i], picture, top, left)
                    k = len(taken)
                    boxes[i, k] = torch.tensor(box, dtype=torch.float32)
                    classes[i, k] = labels[which[i][j]]
                    taken.append(box)
                    break
    device = images.x.device
    return Scenes(x.to(device), boxes.to(device), classes.to(device))


def shared_out(
    found: Data, *, train: int, transfer: int, valid: int, test: int, seed: int = 0, **how: int
) -> dict[str, Scenes]:
    """Make scenes for a teacher, for its students, for choices and for the test.

    All images of a data set are pooled and shared out anew, the classes in their proportions: 40 %
    for the teacher, 30 % for its students, 10 % for choices and 20 % for the test. So no image
    stands in scenes of two kinds.

    Args:
        found: the data set.
        train: scenes of the teacher.
        transfer: scenes of its students.
        valid: scenes for choices.
        test: scenes for the test.
        seed: decides which images go where, and what the scenes look like.
        **how: go to `make`: ``canvas``, ``side``, ``most``, ``scraps``.

    Returns:
        The scenes by name.

    Raises:
        TypeError: if an argument is of another type.
        ValueError: if a class has too few images to be shared out, or as in `make`.
    """
    check_type("found", found, Data, "a Data, such as data.load('digits')")
    pool = distillation.join(found.train, found.valid, found.test)
    labels = class_labels("the labels of found", pool.y)
    parts = split_indices(labels.cpu(), (0.4, 0.3, 0.1, 0.2), seed=seed, classes=found.classes)
    wanted = {"train": train, "transfer": transfer, "valid": valid, "test": test}
    wanted = {name: whole_number(name, n) for name, n in wanted.items()}
    return {
        name: make(pool.take(part.to(pool.x.device)), n, seed=4 * seed + i, **how)
        for i, (part, (name, n)) in enumerate(zip(parts, wanted.items(), strict=True))
    }


def _scaled(x: Tensor, size: int) -> Tensor:
    height, width = x.shape[2:]
    factor = size / max(height, width)
    shape = [max(4, round(factor * edge)) for edge in (height, width)]
    return F.interpolate(x, size=shape, mode="bilinear", antialias=True).clamp(0, 1)


def _paste(scene: Tensor, picture: Tensor, top: int, left: int) -> None:
    window = scene[:, top : top + picture.shape[1], left : left + picture.shape[2]]
    torch.maximum(window, picture, out=window)


def _overlap(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    return min(a[2], b[2]) > max(a[0], b[0]) and min(a[3], b[3]) > max(a[1], b[1])
