"""What should the cell answer?"""

from __future__ import annotations

from distill_lessons.detection import grid
from distill_lessons.exercises.dice import dice
from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import Case


def _boxes(seed: int) -> list[Case]:
    cases = [Case("the box (2, 9, 10, 17), cells of 4 pixels", ((2.0, 9.0, 10.0, 17.0), 4))]
    for n, size in ((1, 5), (2, 3)):
        rng = dice(seed, n)
        low, extent = (
            torch.rand(2, generator=rng) * torch.tensor(scale) + torch.tensor(at)
            for scale, at in (((4.0, 6.0), (9.0, 1.0)), ((2.0, 2.0), (3.0, 6.5)))
        )
        box = tuple(round(edge, 2) for edge in torch.cat([low, low + extent]).tolist())
        cases.append(Case(f"the box {box}, cells of {size} pixels", (box, size)))
    return cases


exercise = Exercise(
    title="What should the cell answer?",
    kind="code",
    difficulty="easy",
    importance="high",
    minutes=6,
    hints=(
        "Divide everything by the side of a cell first. Then the centre (3.2, 1.7) lies in the "
        "column 3 and the row 1.",
        "The middle of that cell is (3.5, 1.5). From there to the centre it is −0.3 to the right "
        "and +0.2 down.",
        "The last two are `np.log` of width and of height, in cells.",
    ),
    not_by=(grid.targets,),
    cases=_boxes,
)

# ==== Judging =====================================================================================

import math
from collections.abc import Callable

import numpy as np
import torch

from distill_lessons.detection.scenes import Scenes
from distill_lessons.exercises.parts import Judging, Mistake

Box = tuple[float, float, float, float]


def _answer(
    place: Callable[[int, int], tuple[int, int]] = lambda row, column: (row, column),
    centre: Callable[[float, float], float] = lambda low, high: (low + high) / 2,
    middle: float = 0.5,
    whole: Callable[[float], int] = math.floor,
    extent: Callable[[float, float], float] = lambda edge, size: math.log(edge / size),
    unit: Callable[[float, float], float] = lambda offset, size: offset,
) -> Callable[[Box, float], list[float]]:
    """Return a cell's answer, with room for mistakes."""

    def found(box: Box, size: float) -> list[float]:
        x, y = centre(box[0], box[2]) / size, centre(box[1], box[3]) / size
        row, column = whole(y), whole(x)
        offsets = [unit(at - cell - middle, size) for at, cell in ((x, column), (y, row))]
        sides = [extent(box[i + 2] - box[i], size) for i in (0, 1)]
        return [*place(row, column), *offsets, *sides]

    return found


judging = Judging(
    reference=_answer(),
    mistakes=(
        Mistake(
            "column before row",
            _answer(place=lambda row, column: (column, row)),
            "Row and column are swapped: the row counts downwards, and comes first.",
        ),
        Mistake(
            "the corner's cell",
            _answer(centre=lambda low, high: low),
            "You place the left upper corner. The cell of the *centre* answers.",
        ),
        Mistake(
            "from the cell's corner",
            _answer(middle=0.0),
            "You measure from the corner of the cell. Measure from its middle.",
        ),
        Mistake(
            "rounded",
            _answer(whole=round),
            "You round to the nearest whole number. Cell 3 reaches from 3 to 4.",
        ),
        Mistake(
            "no logarithm",
            _answer(extent=lambda edge, size: edge / size),
            "Width and height are given without their logarithm.",
        ),
        Mistake(
            "pixels for cells",
            _answer(extent=lambda edge, size: math.log(edge)),
            "Width and height are measured in pixels. Measure them in cells.",
        ),
        Mistake(
            "offsets in pixels",
            _answer(unit=lambda offset, size: offset * size),
            "The distances from the middle are in pixels. Measure them in cells.",
        ),
        Mistake(
            "the cell alone",
            lambda box, size: [*_answer()(box, size)[:2], 0.0, 0.0, 0.0, 0.0],
            "The cell is right. Where the box lies in it and how large it is are left out.",
        ),
    ),
)

# ==== Solution ====================================================================================


# All lengths in units of one cell; whole numbers then count cells, and what is left over is the way
# from the cell's middle.
def cell_answer(box, size):
    x1, y1, x2, y2 = (edge / size for edge in box)
    x, y = (x1 + x2) / 2, (y1 + y2) / 2
    row, column = int(y), int(x)
    return row, column, x - column - 0.5, y - row - 0.5, np.log(x2 - x1), np.log(y2 - y1)


def in_numpy(box, size):
    edges = np.asarray(box).reshape(2, 2) / size
    centre, extent = edges.mean(0), edges[1] - edges[0]
    cell = np.floor(centre)
    return np.concatenate([cell[::-1], centre - cell - 0.5, np.log(extent)])


other_ways = [in_numpy]


def _by_the_package(box, size):
    cells = 8
    scene = Scenes(
        torch.zeros(1, 1, cells * size, cells * size),
        torch.tensor(box)[None, None],
        torch.zeros(1, 1, dtype=torch.int64),
    )
    found = grid.targets(scene, cells)
    _, row, column = found["objectness"].nonzero()[0].tolist()
    return [row, column, *found["boxes"][0, :, row, column].tolist()]


borrowed = [_by_the_package]
