"""One training step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from distill_lessons.exercises.dice import dice
from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import Case


def _linear(weight: Tensor) -> nn.Linear:
    # Draws no random numbers.
    net: nn.Linear = nn.utils.skip_init(nn.Linear, weight.shape[1], weight.shape[0])
    with torch.no_grad():
        net.weight.copy_(weight)
        net.bias.zero_()
    return net


def _steps(seed: int) -> list[Case]:
    rng = dice(seed)
    small, larger = _linear(torch.zeros(2, 2)), _linear(torch.randn(3, 4, generator=rng))
    x, y = torch.randn(5, 4, generator=rng), torch.randint(3, (5,), generator=rng)
    return [
        Case(
            "a linear net with all weights 0, x = [[1, 0], [0, 1]], y = [0, 1], learning rate 1",
            (small, torch.optim.SGD(small.parameters(), 1.0), torch.eye(2), torch.arange(2)),
        ),
        Case(
            "a linear net with random weights, five images, learning rate 0.5",
            (larger, torch.optim.SGD(larger.parameters(), 0.5), x, y),
        ),
    ]


def _two_steps(
    step: Callable[..., Any], model: nn.Module, optimizer: Any, x: Tensor, y: Tensor
) -> dict[str, Any] | None:
    weights = [nn.utils.parameters_to_vector(model.parameters()).tolist()]
    losses = []
    for n in (len(x), 1):
        losses.append(step(model, optimizer, x[:n], y[:n]))
        weights.append(nn.utils.parameters_to_vector(model.parameters()).tolist())
    if losses == [None, None] and weights[0] == weights[-1]:
        return None  # left blank
    return {
        "the loss that the step returns": losses[0],
        "the weights after the step": weights[1],
        "the loss that a second step returns, on the first image alone": losses[1],
        "the weights after the second step": weights[2],
    }


exercise = Exercise(
    title="One training step",
    kind="code",
    difficulty="medium",
    importance="high",
    minutes=8,
    points=2,
    hints=(
        "Five things in this order: logits, loss, clear the old gradients, find the new ones, move "
        "the weights. Three of them are methods of the loss or of the optimiser.",
        "`nn.functional.cross_entropy` takes logits and labels, and already averages over the "
        "batch.",
        "The loss knows `backward`; the optimiser knows `zero_grad` and `step`. Return the loss.",
    ),
    cases=_steps,
    ask=_two_steps,
    may_change=(0, 1),
)

# ==== Judging =====================================================================================

from torch.nn import functional as F

from distill_lessons.exercises.parts import Judging, Mistake


def _step(
    loss: Callable[[Tensor, Tensor], Tensor],
    *,
    moves: bool = True,
    clears: bool = True,
    late: bool = False,
) -> Callable[..., float]:
    """Return a step of gradient descent that needs no optimiser, with room for mistakes."""

    def step(model: nn.Module, optimizer: Any, x: Tensor, y: Tensor) -> float:
        value = loss(model(x), y)
        for weight, slope in zip(
            model.parameters(), torch.autograd.grad(value, list(model.parameters())), strict=True
        ):
            old = None if clears else weight.grad
            weight.grad = slope if old is None else slope + old
            weight.data -= moves * optimizer.param_groups[0]["lr"] * weight.grad
        return float(loss(model(x), y) if late else value)

    return step


def _mean_loss(z: Tensor, y: Tensor) -> Tensor:
    return -z.log_softmax(1)[torch.arange(len(y)), y].mean()


judging = Judging(
    reference=_step(_mean_loss),
    mistakes=(
        Mistake(
            "no zero_grad",
            _step(_mean_loss, clears=False),
            "The second step still carries the gradient of the first: gradients add up unless they "
            "are cleared.",
        ),
        Mistake(
            "nothing moves",
            _step(_mean_loss, moves=False),
            "The weights stay where they were. Look for backward, for the optimiser's step, and "
            "for gradients that are cleared between the two.",
        ),
        Mistake(
            "loss summed",
            _step(lambda z, y: len(y) * _mean_loss(z, y)),
            "Your loss is summed over the batch, so the step grows with the batch size. Take "
            "the mean.",
        ),
        Mistake(
            "softmax before the loss",
            _step(lambda z, y: F.cross_entropy(z.softmax(1), y)),
            "The loss got probabilities. Cross-entropy takes logits and does the softmax itself; "
            "with two of them the gradients are small and wrong.",
        ),
        Mistake(
            "the loss after the step",
            _step(_mean_loss, late=True),
            "You return the loss after the weights have moved; return the loss before the step.",
        ),
    ),
)

# ==== Solution ====================================================================================

import numpy as np


# The order matters at two places: gradients are cleared before backward adds new ones, and the
# optimiser steps after that. `item` keeps the number and lets go of the graph behind it.
def training_step(model, optimizer, x, y):
    loss = nn.functional.cross_entropy(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


def sgd_in_numpy(model, optimizer, x, y):
    """For a linear net the gradient is (q - one-hot) times the input."""
    with torch.no_grad():
        z = model(x).double().numpy()
        q = np.exp(z) / np.exp(z).sum(1, keepdims=True)
        loss = -np.log(q[range(len(y)), y]).mean()
        error = torch.tensor((q - np.eye(q.shape[1])[y]) / len(y)).float()
        rate = optimizer.param_groups[0]["lr"]
        model.weight -= rate * error.T @ x
        model.bias -= rate * error.sum(0)
    return loss


def cleared_at_the_end(model, optimizer, x, y):
    q = model(x).softmax(1)
    loss = -q.gather(1, y[:, None]).log().mean()
    loss.backward()
    optimizer.step()
    model.zero_grad()
    return loss  # a tensor with its graph


other_ways = [sgd_in_numpy, cleared_at_the_end]
