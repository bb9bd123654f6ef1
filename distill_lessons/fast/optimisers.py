"""What moves the weights: an optimiser and the schedule of its rate, made and checked.

One net and a stack of nets make theirs here, so that both mean the same by an argument. Knows
nothing about nets or losses.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from distill_lessons.settings import number
from distill_lessons.tensors import check_function, check_type

# weights, lr=... -> optimiser, such as partial(torch.optim.SGD, momentum=0.9)
MakesOptimizer = Callable[..., Optimizer]
# optimiser -> a schedule of its learning rate, such as lambda o: OneCycleLR(o, 0.01, total_steps=n)
Schedule = Callable[[Optimizer], LRScheduler]


def check_rate(lr: float) -> None:
    """Raise an error unless the learning rate is a positive finite number."""
    if not 0 < number("lr", lr) < math.inf:
        raise ValueError(f"lr={lr} must be a positive number; 1e-3 suits Adam.")


def make(
    weights: Iterable[Tensor],
    lr: float,
    optimizer: MakesOptimizer | None,
    schedule: Schedule | None,
    weight_decay: float = 0.0,
) -> tuple[Optimizer, LRScheduler | None]:
    """Return the optimiser of some weights, and its schedule.

    Args:
        weights: what is trained.
        lr: learning rate, checked by `check_rate`.
        optimizer: makes the optimiser, called with the weights and ``lr=``; None for AdamW.
        schedule: makes a schedule of the optimiser; None for none.
        weight_decay: of AdamW.

    Raises:
        TypeError: if a function is none, or returns something else.
        ValueError: if there are an optimiser of one's own and a weight decay.
    """
    if optimizer is None:
        made: Optimizer = torch.optim.AdamW(weights, lr=lr, weight_decay=weight_decay, fused=True)
    else:
        check_function("optimizer", optimizer, "the weights and lr=")
        if weight_decay:
            raise ValueError(
                f"weight_decay={weight_decay} is that of AdamW; give it to optimizer= itself, as "
                f"in partial(torch.optim.SGD, weight_decay={weight_decay})."
            )
        made = optimizer(weights, lr=lr)
        check_type("what optimizer returns", made, Optimizer, "an optimiser of torch.optim")
    if schedule is None:
        return made, None
    check_function("schedule", schedule, "the optimiser")
    scheduler = schedule(made)
    check_type("what schedule returns", scheduler, LRScheduler, "a schedule of torch.optim")
    return made, scheduler
