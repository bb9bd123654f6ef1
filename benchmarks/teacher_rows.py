"""Soft targets of eight teachers: in one stacked pass, beside a loop over them, beside one's."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.inputs import SHAPE, Setup
from benchmarks.timing import Array, Comparison
from distill_lessons import losses, models, teachers
from distill_lessons.fast import stacking

N_TEACHERS, HIDDEN, T = 8, (128,), 4.0


def _ours(nets: list[nn.Sequential], x: Tensor) -> Array:
    z = teachers.mean_logits(stacking.predict_many(nets, x))
    return np.asarray(losses.soft_targets(z, T=T).cpu())


def _theirs(nets: list[nn.Sequential], x: Tensor) -> Array:
    """Return the same as one would write it: every net by itself."""
    with torch.no_grad():
        z = torch.stack([net(x) for net in nets]).mean(0)
    return np.asarray((z / T).softmax(1).cpu())


def eight(setup: Setup, *, against: int) -> Comparison:
    """Compare the stacked pass of eight teachers with a loop over so many of them."""
    n = setup.sizes.tutorial_images
    x = setup.first(n).x
    nets = [models.mlp(SHAPE, 10, HIDDEN, seed=m).to(setup.device) for m in range(N_TEACHERS)]

    def proof() -> tuple[Array, Array]:
        # Eight copies of one teacher say what it says; eight others are compared one by one.
        ours = nets if against == N_TEACHERS else [nets[0]] * N_TEACHERS
        return _ours(ours, x), _theirs(nets[:against], x)

    return Comparison(
        ours=lambda repeat: _ours(nets, x),
        theirs=lambda repeat: _theirs(nets[:against], x),
        tolerance=1e-5,
        unit="image",
        ours_units=n,
        theirs_units=n,
        proof=proof,
        note=f"{n:,} images of {setup.images}, teachers 784-128-10"
        + ("." if against == N_TEACHERS else "; equality for eight copies of the one."),
    )
