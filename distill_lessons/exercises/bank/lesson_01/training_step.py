"""One training step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from distill_lessons.exercises.dice import dice
from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.nets import StillDropout, flat_weights
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
    small = _linear(torch.zeros(2, 2))
    first, last = (_linear(torch.randn(*shape, generator=rng)) for shape in ((6, 4), (3, 6)))
    larger = nn.Sequential(first, nn.Tanh(), StillDropout(), last)
    layers = [
        {"params": first.parameters(), "lr": 0.5},
        {"params": last.parameters(), "lr": 0.125, "weight_decay": 0.25},
    ]
    x, y = torch.randn(5, 4, generator=rng), torch.randint(3, (5,), generator=rng)
    return [
        Case(
            "a linear net with all weights 0, x = [[1, 0], [0, 1]], y = [0, 1], learning rate 1",
            (small, torch.optim.SGD(small.parameters(), 1.0), torch.eye(2), torch.arange(2)),
        ),
        Case(
            "a net of two layers with dropout, five images, momentum 0.5, a learning rate of 0.5 "
            "for the first layer and of 0.125 for the last",
            (larger, torch.optim.SGD(layers, momentum=0.5), x, y),
        ),
    ]


def _two_steps(
    step: Callable[..., Any], model: nn.Module, optimizer: Any, x: Tensor, y: Tensor
) -> dict[str, Any] | None:
    weights, losses = [flat_weights(model)], []
    for n in (len(x), 1):
        losses.append(step(model, optimizer, x[:n], y[:n]))
        weights.append(flat_weights(model))
    if losses == [None, None] and torch.equal(weights[0], weights[-1]):
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

from distill_lessons.exercises.bank.moves import by_a_fresh_one, last_layer
from distill_lessons.exercises.parts import Judging, Mistake


def _step(
    loss: Callable[[Tensor, Tensor], Tensor],
    *,
    moves: Callable[[nn.Module, Any], None] = lambda model, optimizer: optimizer.step(),
    clears: bool = True,
    late: bool = False,
    mode: bool = True,
) -> Callable[..., float]:
    """Return a step whose gradients are found without backward, with room for mistakes."""

    def step(model: nn.Module, optimizer: Any, x: Tensor, y: Tensor) -> float:
        value = loss(model.train(mode)(x), y)
        weights = list(model.parameters())
        for weight, slope in zip(weights, torch.autograd.grad(value, weights), strict=True):
            old = None if clears else weight.grad
            weight.grad = slope if old is None else slope + old
        moves(model, optimizer)
        return (loss(model(x), y) if late else value).item()

    return step


def _by_hand(model: nn.Module, optimizer: Any) -> None:
    for group in optimizer.param_groups:
        for weight in group["params"]:
            weight.data -= group["lr"] * weight.grad


def _at_one_rate(model: nn.Module, optimizer: Any) -> None:
    for weight in model.parameters():
        weight.data -= optimizer.param_groups[0]["lr"] * weight.grad


def _by_a_plain_one(model: nn.Module, optimizer: Any) -> None:
    torch.optim.SGD(model.parameters(), lr=optimizer.param_groups[0]["lr"]).step()


def _mean_loss(z: Tensor, y: Tensor) -> Tensor:
    return -z.log_softmax(1)[torch.arange(len(y)), y].mean()


OWN = (
    "The weights were not moved by the optimiser that was given. It knows more than one learning "
    "rate: momentum from the step before, a rate for each layer, weight decay. Call its `step`."
)


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
            _step(_mean_loss, moves=lambda model, optimizer: None),
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
        *(
            Mistake(f"an optimiser of its own, {number}", _step(_mean_loss, moves=moves), OWN)
            for number, moves in enumerate(
                (_by_hand, _at_one_rate, by_a_fresh_one, _by_a_plain_one), start=1
            )
        ),
        Mistake(
            "eval mode",
            _step(_mean_loss, mode=False),
            "The net was in eval mode, where dropout does nothing. A training step runs in train "
            "mode, in which the net came.",
        ),
        Mistake(
            "the last layer only",
            _step(_mean_loss, moves=last_layer),
            "Only the last layer moves. The step is for all weights of the model.",
        ),
    ),
)

# ==== Solution ====================================================================================


# The order matters at two places: gradients are cleared before backward adds new ones, and the
# optimiser steps after that. `item` keeps the number and lets go of the graph behind it.
def training_step(model, optimizer, x, y):
    loss = nn.functional.cross_entropy(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


def step_with_a_closure(model, optimizer, x, y):
    def closure():
        optimizer.zero_grad()
        loss = F.nll_loss(model(x).log_softmax(1), y)
        loss.backward()
        return loss

    return optimizer.step(closure)


def cleared_at_the_end(model, optimizer, x, y):
    model.train()
    q = model(x).softmax(1)
    loss = -q.gather(1, y[:, None]).log().mean()
    loss.backward()
    optimizer.step()
    model.zero_grad()
    return loss  # a tensor with its graph


def asked_twice(model, optimizer, x, y):
    with torch.no_grad():
        before = F.cross_entropy(model(x), y)
    optimizer.zero_grad(set_to_none=False)
    F.cross_entropy(model(x), y).backward()
    optimizer.step()
    return before.numpy()


other_ways = [step_with_a_closure, cleared_at_the_end, asked_twice]
