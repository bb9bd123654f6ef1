"""A data set that nobody has seen: known images, changed as a name draws it.

Every image is changed alike, in training, validation and test, so that it is a data set of its own.
What is drawn depends on the name alone; what will come of it is in no lesson and no table.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace

import torch
from torch import Tensor

from distill_lessons import seeds
from distill_lessons.data import Data, Split
from distill_lessons.tensors import check_type


def drawn(found: Data, name: str) -> Data:
    """Return a data set with its images changed as a name draws it.

    The change is made of four: turned or mirrored, lighter or darker ink, a row and a column of the
    camera that see nothing, and noise.

    Args:
        found: the data set, images ``(N, C, H, W)`` in [0, 1].
        name: yours; other letters draw another change, other spaces and capitals do not.

    Returns:
        The same splits and labels, with other images of the same shape.

    Raises:
        TypeError: if `name` is not a word.
        ValueError: if it is empty, or the inputs are not images.
    """
    check_type("found", found, Data, "a Data, such as data.load('digits')")
    check_type("name", name, str, "your name, in quotes")
    name = " ".join(name.casefold().split())
    if not name:
        raise ValueError("name is empty; write yours: it draws your data.")
    _, height, width = found.image_shape
    number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "little")
    rng = seeds.generator(number)
    turns, mirrored = (int(torch.randint(n, (1,), generator=rng)) for n in (4, 2))
    turns = turns if height == width else 2 * (turns // 2)  # so that the shape stays
    gamma, noise = (torch.rand(2, generator=rng) + torch.tensor([0.5, 0.4])).tolist()
    row, column = (int(torch.randint(n, (1,), generator=rng)) for n in (height, width))

    def changed(x: Tensor, stream: int) -> Tensor:
        x = x.clamp(0, 1) ** gamma
        x[:, :, row] = 0
        x[:, :, :, column] = 0
        dice = seeds.generator((number + stream) % 2**31)
        x = x + 0.2 * noise * (torch.rand(x.shape, generator=dice).to(x.device) - 0.5)
        x = x.flip(3) if mirrored else x
        return torch.rot90(x, turns, dims=(2, 3)).clamp(0, 1).contiguous()

    def each(split: Split, stream: int) -> Split:
        return replace(split, x=changed(split.x, stream))

    train, valid, test = (
        each(split, stream) for stream, split in enumerate((found.train, found.valid, found.test))
    )
    return replace(found, train=train, valid=valid, test=test)
