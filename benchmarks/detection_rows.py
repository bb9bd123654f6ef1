"""Scenes from their pixels to boxes: the student of lesson 13 beside its teacher."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.inputs import Setup
from benchmarks.timing import Array, Comparison
from distill_lessons import data, evaluation
from distill_lessons.detection import grid, nets, scenes

CANVAS, TEACHER, STUDENT = 20, (16, 64, 192), (8, 16, 24)


def _found(net: nn.Module, *, x: Tensor) -> Array:
    return _boxes(evaluation.predict(net, x))


def _boxes(z: Tensor) -> Array:
    """Return where every box is, how sure the net is of it, and whether it is kept."""
    said = grid.decode(z, CANVAS)
    parts = [said.boxes, said.scores[..., None], said.keep[..., None].float()]
    return np.asarray(torch.cat(parts, 2).cpu())


def student(setup: Setup) -> Comparison:
    """Compare a student with the teacher: both answer, decode and keep one box for each thing.

    The proof asks the student about the same scenes once more, one by one.
    """
    n = setup.sizes.scenes
    x = scenes.make(data.load("digits").test, n, canvas=CANVAS).x.to(setup.device)
    large, small = (nets.detector(1, 10, of).to(setup.device).eval() for of in (TEACHER, STUDENT))

    def one_by_one() -> Array:
        with torch.no_grad():
            return np.concatenate([_boxes(small(one[None])) for one in x])

    return Comparison(
        ours=lambda repeat: _found(small, x=x),
        theirs=lambda repeat: _found(large, x=x),
        tolerance=1e-4,
        unit="scene",
        ours_units=n,
        theirs_units=n,
        proof=lambda: (_found(small, x=x), one_by_one()),
        note=f"{n:,} scenes of {CANVAS}×{CANVAS} pixels, from pixels to boxes; equality with the "
        "student asked one scene at a time.",
    )
