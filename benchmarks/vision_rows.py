"""An epoch of lesson 11's small convolutional student: the teacher's answers kept, or asked for."""

from __future__ import annotations

import numpy as np

from benchmarks.inputs import Setup
from benchmarks.timing import Array, Comparison
from distill_lessons import evaluation
from distill_lessons.vision import fitting, nets, shapes, views

SIDE, WIDTH, THIN, BATCH = 16, 16, 8, 64


def kept(setup: Setup) -> Comparison:
    """Compare an epoch on views with kept logits with one whose teacher is asked at every step.

    The time to answer all views beforehand is not in it: students share these answers.
    """
    n = setup.sizes.tutorial_images
    split = shapes.made(n, SIDE, seed=0).to(setup.device)
    shape = (3, SIDE, SIDE)
    teacher = nets.vgg(shape, 10, width=WIDTH, stages=nets.VGG_SLIM).to(setup.device).eval()
    z = views.kept_logits(teacher, split.x)
    steps = -(-n // BATCH)

    def epoch(repeat: int, *, asked: bool) -> Array:
        student = nets.small(shape, 10, width=THIN, seed=repeat).to(setup.device)
        source = {"teacher": teacher} if asked else {"z": z}
        fitting.fit(student, split, steps=steps, views=True, batch_size=BATCH, **source)
        return np.asarray(evaluation.predict(student, split.x).cpu())

    return Comparison(
        ours=lambda repeat: epoch(repeat, asked=False),
        theirs=lambda repeat: epoch(repeat, asked=True),
        tolerance=1e-3,
        unit="image",
        ours_units=n,
        theirs_units=n,
        proof=lambda: (epoch(0, asked=False), epoch(0, asked=True)),
        note=f"{n:,} made images of {SIDE}×{SIDE} in colour, in one of {views.N_VIEWS} views each.",
    )
