"""How the nets of the paper's section 3 are trained: what it says, and what had to be chosen.

The paper gives widths, temperatures, the two pixels of jitter, and "dropout and weight-constraints"
for the large net. Optimiser, rate, batch, epochs, dropout's probabilities and the weight of the
hard term are ours.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch.optim.lr_scheduler import LambdaLR

from distill_lessons.fast.optimisers import MakesOptimizer, Schedule

OPTIMIZERS: dict[str, MakesOptimizer] = {
    "AdamW": partial(torch.optim.AdamW, weight_decay=0.0, fused=True),
    "SGD": partial(torch.optim.SGD, momentum=0.9, nesterov=True, fused=True),
}


@dataclass(frozen=True)
class Recipe:
    """How one kind of net is trained.

    Attributes:
        hidden: units of each hidden layer.
        epochs: passes through the training images.
        optimizer: ``"AdamW"``, or ``"SGD"`` with Nesterov's momentum of 0.9.
        lr: the highest learning rate; it rises for a twentieth of the steps and falls as a cosine.
        batch_size: images in a step.
        T: temperature of the soft targets.
        alpha: weight of the hard term; 1 for a net without a teacher.
        dropout: probability of dropping a pixel, and a hidden unit.
        jitter: pixels by which an image is shifted at most.
    """

    hidden: tuple[int, ...]
    epochs: int
    optimizer: str
    lr: float
    batch_size: int = 100
    T: float = 1.0
    alpha: float = 1.0
    dropout: tuple[float, float] = (0.0, 0.0)
    jitter: int = 0

    def steps(self, n: int) -> int:
        """Return how many steps that is with `n` images."""
        return self.epochs * -(-n // self.batch_size)

    def shorter(self, factor: float) -> Recipe:
        """Return the recipe with `factor` times fewer epochs, at least one."""
        return replace(self, epochs=max(1, round(self.epochs / factor)))


def rising_and_falling(steps: int) -> Schedule:
    """Return a schedule of `steps` steps: up for a twentieth of them, then down as a cosine."""
    rise = math.ceil(steps / 20)

    def share(step: int) -> float:
        if step < rise:
            return (step + 1) / rise
        return (1 + math.cos(math.pi * (step - rise) / max(1, steps - rise))) / 2

    return lambda optimizer: LambdaLR(optimizer, share)


TEACHER = Recipe(
    (1200, 1200), 200, "AdamW", 1e-3, batch_size=500, dropout=(0.1, 0.3), jitter=2
)  # fmt: skip
PLAIN = Recipe((800, 800), 30, "SGD", 0.1)
DISTILLED = Recipe((800, 800), 100, "SGD", 0.02, T=20.0, alpha=0.0)
NARROW = Recipe((300, 300), 30, "SGD", 0.02, alpha=0.0)
NARROWEST = Recipe((30, 30), 30, "AdamW", 1e-3, alpha=0.0)

# What is tried on validation images. The slopes at a high T are as large as the teacher's logits:
# with rates above 0.1 the units of single nets die at T = 20.
RATES, ALPHAS = (0.1, 0.05, 0.02), (0.0, 0.1, 0.5)
TEMPERATURES_300 = (1.0, 2.5, 4.0, 8.0, 20.0)
TEMPERATURES_30 = (0.5, 1.0, 2.5, 4.0, 8.0)
OPTIMIZERS_30 = (("AdamW", 1e-3), ("AdamW", 1e-2), ("SGD", 0.03))
