"""Find the bug: a student that never gets good."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from distill_lessons import models
from distill_lessons.exercises.dice import dice, mixed
from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.nets import StillDropout, flat_weights
from distill_lessons.exercises.parts import Case


def _batches(seed: int) -> list[Case]:
    cases = []
    batches = (([2, 0, 3, 1], 3, 2.0, 0.1), ([5, 1, 7, 0, 3, 6, 2, 4], 5, 4.0, 0.3))
    for order, K, T, lr in batches:
        rng = dice(seed)
        student = models.mlp((1, 2, 2), K, (6,), seed=mixed(seed)).insert(3, StillDropout())
        first, last = student[1].parameters(), student[-1].parameters()
        layers: list[dict[str, Any]] = [{"params": first, "lr": 4 * lr}, {"params": last}]
        optimizer = torch.optim.SGD(layers, lr=lr, momentum=0.5)
        x = torch.rand(len(order), 1, 2, 2, generator=rng)
        z = 4 * torch.randn(len(order), K, generator=rng)
        half = len(order) // 2
        words = f"{len(order)} images, batches {order[:half]} and {order[half:]}, T = {T:g}"
        cases.append(Case(words, (student, optimizer, x, z, torch.tensor(order), T)))
    return cases


def _two_steps(
    step: Callable[..., Any],
    student: nn.Module,
    optimizer: Any,
    x: Tensor,
    z: Tensor,
    order: Tensor,
    T: float,
) -> dict[str, Any] | None:
    before = flat_weights(student)
    found = [step(student, optimizer, x, z, index, T) for index in order.chunk(2)]
    moved = flat_weights(student) - before
    if found == [None, None]:
        return None
    return {
        "the loss of the first batch": found[0],
        "the loss of the second batch": found[1],
        "how far the student's weights move": moved,
    }


GIVEN = '''\
def index_step(student, optimizer, x, z, index, T):
    """x (N, C, H, W), z (N, K) the teacher's logits for x, index (B,). Returns the loss."""
    z_student = student(x[index])
    z_teacher = z[: len(index)]
    loss = losses.kd_loss(z_student, z_teacher, None, T=T, alpha=0.0)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()
'''

exercise = Exercise(
    title="Find the bug: a student that never gets good",
    kind="bug",
    given=GIVEN,
    difficulty="easy",
    importance="high",
    minutes=5,
    hints=(
        "The first batch of the check is [2, 0]. Which image is the first in it, and which row of "
        "the table does this code give to it?",
        "The images are looked up by index. What about the teacher's logits?",
    ),
    cases=_batches,
    ask=_two_steps,
    may_change=(0, 1),
)

# ==== Judging =====================================================================================

from distill_lessons import losses
from distill_lessons.exercises.bank.moves import by_a_fresh_one, last_layer
from distill_lessons.exercises.parts import Judging, Mistake


def _step(
    images: Callable[[Tensor], Tensor] = lambda index: index,
    rows: Callable[[Tensor], Tensor] = lambda index: index,
    *,
    clears: bool = True,
    moves: Callable[[nn.Module, Any], None] = lambda student, optimizer: optimizer.step(),
    mode: bool = True,
) -> Callable[..., float]:
    """Return a step whose gradients are found without backward, with room for mistakes."""

    def step(
        student: nn.Module, optimizer: Any, x: Tensor, z: Tensor, index: Tensor, T: float
    ) -> float:
        z_teacher = z.index_select(0, rows(index))
        student.train(mode)
        loss = T**2 * losses.kl_divergence(z_teacher, student(x[images(index)]), T).mean()
        weights = list(student.parameters())
        for weight, slope in zip(weights, torch.autograd.grad(loss, weights), strict=True):
            weight.grad = slope if clears or weight.grad is None else weight.grad + slope
        moves(student, optimizer)
        return loss.item()

    return step


def _first(index: Tensor) -> Tensor:
    return torch.arange(len(index))


_OWN = (
    "The rows are right now. But the weights were not moved by the optimiser that was given. It "
    "knows more than one learning rate: momentum from the step before, a rate for each layer."
)


def _by_hand(student: nn.Module, optimizer: Any) -> None:
    for weight in student.parameters():
        weight.data -= optimizer.param_groups[0]["lr"] * weight.grad


def _by_a_plain_one(student: nn.Module, optimizer: Any) -> None:
    torch.optim.SGD(student.parameters(), lr=optimizer.defaults["lr"]).step()


judging = Judging(
    reference=_step(),
    mistakes=(
        Mistake("as given", _step(rows=_first), "", given=True),
        Mistake(
            "always the first images",
            _step(images=_first, rows=_first),
            "Images and rows belong together now, but both are the first ones of the table in "
            "every batch. The rest is never seen.",
        ),
        Mistake(
            "rows in the order of the table",
            _step(rows=lambda index: index.sort().values),
            "The rows are those of this batch, but in the order of the table, not of the batch.",
        ),
        Mistake(
            "no zero_grad",
            _step(clears=False),
            "The rows are right. But the second step still carries the gradient of the first: "
            "gradients add up unless they are cleared.",
        ),
        Mistake(
            "nothing moves",
            _step(moves=lambda student, optimizer: None),
            "The loss is right, but the weights stay.",
        ),
        *(
            Mistake(f"an optimiser of its own, {number}", _step(moves=moves), _OWN)
            for number, moves in enumerate((_by_hand, by_a_fresh_one, _by_a_plain_one), start=1)
        ),
        Mistake(
            "eval mode",
            _step(mode=False),
            "The rows are right now. But the student was in eval mode, where its dropout does "
            "nothing; it came in train mode.",
        ),
        Mistake(
            "the last layer only",
            _step(moves=last_layer),
            "The rows are right now. But only the last layer moves.",
        ),
    ),
)

# ==== Solution ====================================================================================

from torch.nn import functional as F


# The batch is shuffled, but the teacher's logits were always the first rows of the table: every
# image learned the answer for another one, and confidently. Images and rows have one index.
def index_step(student, optimizer, x, z, index, T):
    z_student = student(x[index])
    loss = losses.kd_loss(z_student, z[index], None, T=T, alpha=0.0)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


def step_by_hand(student, optimizer, x, z, index, T):
    p = torch.stack([z[i] for i in index.tolist()]).div(T).softmax(1)
    images = torch.stack([x[i] for i in index.tolist()])
    optimizer.zero_grad(set_to_none=False)
    loss = T**2 * F.kl_div((student(images) / T).log_softmax(1), p, reduction="batchmean")
    loss.backward()
    optimizer.step()
    return loss


other_ways = [step_by_hand]
