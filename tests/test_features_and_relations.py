"""Lesson 09 in small: the gain of copied relations, and the control that makes its claim fall."""

from __future__ import annotations

import functools

import numpy as np
import torch

from distill_lessons import data, losses, models, sweep
from distill_lessons.claims import Claim, mean_effect
from distill_lessons.fast import repeats, stacking

R, N, UNITS = 16, 60, 8


@functools.cache
def drawn() -> repeats.Repeats:
    digits = data.load("digits")
    return repeats.draw(
        digits, lambda s: models.mlp(digits.image_shape, 10, (32,), seed=s), R, steps=150, lr=3e-3
    )


@functools.cache
def accuracy(source: str, bias: float) -> np.ndarray:
    """Test accuracy of students that copy distances from a source, or from none, (R,)."""
    draws = drawn()
    rows, own = draws.labelled(N), torch.arange(R * N).reshape(R, N)
    few = draws.pool.take(rows.flatten())
    z = torch.cat([logits[row] for logits, row in zip(draws.z, rows, strict=True)])
    with torch.no_grad():
        parts = zip(draws.teachers, rows, strict=True)
        hidden = torch.cat([net[:-1](draws.pool.x[row]) for net, row in parts])
    table = few.x.flatten(1) if source == "pixels" else hidden
    nets = [models.mlp(tuple(few.x.shape[1:]), 10, (UNITS,), seed=s) for s in draws.seeds]
    with torch.no_grad():
        for net in nets:
            net[1].bias += bias

    def objective(net, batch):
        h = net[:-1](batch.x)
        p, q = (z[batch.index] / 4).log_softmax(1), (net[-1](h) / 4).log_softmax(1)
        soft = 16 * (p.exp() * (p - q)).sum(1).mean()
        copied = losses.relational_distance(h, table[batch.index])
        return soft + (0.0 if source == "none" else 5.0) * copied

    stacking.fit_many(
        nets, few, objective=objective, rows=own, seeds=draws.seeds, steps=250, batch_size=20,
        lr=1e-2,
    )  # fmt: skip
    return sweep.measure_many(nets, draws.pool, draws.test)["accuracy"].to_numpy()


def wins(treated: np.ndarray, control: np.ndarray) -> bool:
    effect = mean_effect(treated - control, unit="points", per="repeats")
    return Claim("Copying the teacher's distances wins.", effect, above=0.0, below=None).holds


def test_the_win_is_there_and_falls_with_each_of_its_controls() -> None:
    copying = accuracy("teacher", 0.0)
    assert wins(copying, accuracy("none", 0.0))
    assert not wins(copying, accuracy("pixels", 0.0))
    assert not wins(accuracy("teacher", 0.5), accuracy("none", 0.5))
