"""Losses of hidden layers and logits: what a step with one of them costs beside the plain step."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from benchmarks.inputs import Setup
from benchmarks.timing import Array, Comparison
from benchmarks.training_rows import BATCH, LR, T, equality, student, weights
from distill_lessons import distillation, losses, models, training
from distill_lessons.data import Split
from distill_lessons.objectives import Batch, Objective

WIDTH = 512
# the student's features, the same projected, its logits, and the teacher's features and logits
Extra = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor], Tensor]

LOSSES: dict[str, Extra] = {
    "hint": lambda h, p, z, t, z_t: losses.hint(p, t),
    "distance": lambda h, p, z, t, z_t: losses.relational_distance(h, t),
    "angle": lambda h, p, z, t, z_t: losses.relational_angle(h, t),
    "similarity": lambda h, p, z, t, z_t: losses.similarity_preserving(h, t),
    "contrast": lambda h, p, z, t, z_t: losses.contrastive(p, t),
    "attention": lambda h, p, z, t, z_t: losses.attention_transfer(
        h.view(-1, 4, 4, 4), t.view(-1, 32, 4, 4)
    ),
    "decoupled": lambda h, p, z, t, z_t: losses.decoupled_kd(z, z_t, z_t.argmax(1), T=T),
    "standardised": lambda h, p, z, t, z_t: losses.standardised_kd(z, z_t, T=1.0),
}


def step(name: str, setup: Setup) -> Comparison:
    """Compare an epoch with one of `LOSSES` beside the plain loss with the plain epoch."""
    n = setup.sizes.tutorial_images
    split, teacher = setup.first(n), setup.trained((WIDTH, WIDTH))
    z = distillation.teacher_logits(teacher, split.x)
    with torch.no_grad():
        t = teacher[:-1](split.x)

    def objective(projector: nn.Module, weight: float) -> Objective:
        def value(net: nn.Module, batch: Batch) -> Tensor:
            assert isinstance(net, nn.Sequential)
            h = net[:-1](batch.x)
            logits = net[-1](h)
            rows, z_t = t[batch.index], z[batch.index]
            plain = losses.kd_loss(logits, z_t, None, T=T, alpha=0.0)
            return plain + weight * LOSSES[name](h, projector(h), logits, rows, z_t)

        return value

    def ours(repeat: int, weight: float = 1.0) -> Array:
        net = student(setup)
        projector = models.seeded(lambda: nn.Linear(64, WIDTH), 0).to(setup.device)
        training.fit(
            net, split, objective=objective(projector, weight), also=[projector], epochs=1,
            batch_size=BATCH, lr=LR, seed=repeat,
        )  # fmt: skip
        return weights(net)

    def theirs(repeat: int, dtype: torch.dtype = torch.float32) -> Array:
        net, images = student(setup).to(dtype), data_in(dtype)
        distillation.distill(
            net, images, z.to(dtype), T=T, alpha=0.0, epochs=1, batch_size=BATCH, lr=LR,
            seed=repeat,
        )  # fmt: skip
        return weights(net)

    def data_in(dtype: torch.dtype) -> Split:
        return Split(split.x.to(dtype), split.y)

    def proof() -> tuple[Array, Array]:
        return ours(0, weight=0.0), theirs(0)  # with the weight 0 the plain student is left

    return Comparison(
        ours=ours,
        theirs=theirs,
        unit="image",
        **equality(partial(theirs, 0), -(-n // BATCH)),
        ours_units=n,
        theirs_units=n,
        proof=proof,
        note=f"{n:,} images of {setup.images}, student 784-64-10, teacher's layer of {WIDTH} "
        "units computed once; equality with the weight 0.",
    )
