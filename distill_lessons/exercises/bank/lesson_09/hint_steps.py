"""Find the bug: a hint that teaches the wrong net."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from distill_lessons import models
from distill_lessons.exercises.dice import dice, mixed
from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.nets import flat_weights
from distill_lessons.exercises.parts import Case


def _nets(seed: int) -> list[Case]:
    cases = []
    for n, width, wider, steps in ((4, 2, 3, 3), (6, 3, 5, 4)):
        parts = [
            models.seeded(partial(nn.Linear, a, b), mixed(seed, 10 * n + place))
            for place, (a, b) in enumerate(((4, width), (width, wider), (4, wider)))
        ]
        x = torch.randn(n, 4, generator=dice(seed, n))
        words = (
            f"{n} images, {width} features in the student, {wider} in the teacher, {steps} steps"
        )
        cases.append(Case(words, (*parts, x, steps)))
    return cases


def _trained(
    train: Callable[..., Any],
    student: nn.Module,
    projector: nn.Module,
    teacher: nn.Module,
    x: Tensor,
    steps: int,
) -> dict[str, Any] | None:
    before = [flat_weights(net) for net in (student, projector, teacher)]
    found = train(student, projector, teacher, x, steps)
    if found is None:
        return None
    names = ("the student's weights", "the projector's weights", "the teacher's weights")
    after = [flat_weights(net) for net in (student, projector, teacher)]
    moved = {
        f"how far {name} move": new - old
        for name, new, old in zip(names, after, before, strict=True)
    }
    return {"the losses": found} | moved


GIVEN = '''\
def hint_steps(student, projector, teacher, x, steps):
    """student: x to (N, D), projector: (N, D) to (N, D'), teacher: x to (N, D')."""
    weights = [*student.parameters(), *teacher.parameters()]
    optimizer = torch.optim.SGD(weights, lr=0.1)
    values = []
    for _ in range(steps):
        loss = (projector(student(x)) - teacher(x)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        values.append(loss.item())
    return values
'''

exercise = Exercise(
    title="Find the bug: a hint that teaches the wrong net",
    kind="bug",
    given=GIVEN,
    difficulty="easy",
    importance="high",
    minutes=5,
    hints=(
        "The loss falls, which two nets can bring about: either may go to meet the other. Which "
        "nets move here?",
        "Whose weights does the optimiser hold, and whose should it?",
    ),
    cases=_nets,
    ask=_trained,
    may_change=(0, 1, 2),
)

# ==== Judging =====================================================================================

from distill_lessons.exercises.parts import Judging, Mistake


def _steps(
    which: str = "sp", *, lr: float = 0.1, clears: bool = True
) -> Callable[..., list[float]]:
    """Return a training in which some of student, projector and teacher move, written out."""

    def train(
        student: nn.Module, projector: nn.Module, teacher: nn.Module, x: Tensor, steps: int
    ) -> list[float]:
        nets = {"s": student, "p": projector, "t": teacher}
        weights = [w for name in which for w in nets[name].parameters()]
        sums = [torch.zeros_like(w) for w in weights]
        values = []
        for _ in range(steps):
            loss = (projector(student(x)) - teacher(x)).square().mean()
            slopes = torch.autograd.grad(loss, weights)
            sums = [slope if clears else slope + s for slope, s in zip(slopes, sums, strict=True)]
            with torch.no_grad():
                for weight, slope in zip(weights, sums, strict=True):
                    weight.sub_(lr * slope)
            values.append(loss.item())
        return values

    return train


judging = Judging(
    reference=_steps(),
    mistakes=(
        Mistake("as given", _steps("st"), "", given=True),
        Mistake(
            "the student alone",
            _steps("s"),
            "Now the teacher stands still, but so does the projector: the student has to fit its "
            "features to a random translation.",
        ),
        Mistake(
            "all three",
            _steps("spt"),
            "The teacher still moves: it comes to meet the student, and the loss falls for the "
            "wrong reason.",
        ),
        Mistake(
            "the projector alone",
            _steps("p"),
            "The projector learns to translate, and the student stands still: it gets no hint.",
        ),
        Mistake(
            "projector and teacher",
            _steps("pt"),
            "The student stands still, and the teacher moves. It should be the other way about.",
        ),
        Mistake(
            "gradients pile up",
            _steps(clears=False),
            "The gradients of earlier steps are still there: clear them at each step.",
        ),
        Mistake("another rate", _steps(lr=0.01), "Leave the learning rate as it was, 0.1."),
    ),
)

# ==== Solution ====================================================================================


# The optimiser held the teacher's weights in place of the projector's. So the teacher came to meet
# the student, and the loss fell all the same: a falling loss does not say who has learned.
def hint_steps(student, projector, teacher, x, steps):
    weights = [*student.parameters(), *projector.parameters()]
    optimizer = torch.optim.SGD(weights, lr=0.1)
    values = []
    for _ in range(steps):
        loss = (projector(student(x)) - teacher(x).detach()).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        values.append(loss.item())
    return values


def with_two_optimisers(student: Any, projector: Any, teacher: Any, x: Any, steps: Any) -> Any:
    both = [torch.optim.SGD(net.parameters(), lr=0.1) for net in (student, projector)]
    with torch.no_grad():
        target = teacher(x)
    values = []
    for _ in range(steps):
        loss = torch.nn.functional.mse_loss(projector(student(x)), target)
        for optimizer in both:
            optimizer.zero_grad()
        loss.backward()
        for optimizer in both:
            optimizer.step()
        values.append(loss.detach())
    return torch.stack(values)


def with_a_copy(student: Any, projector: Any, teacher: Any, x: Any, steps: Any) -> Any:
    target = copy.deepcopy(teacher)(x).detach()
    net = nn.Sequential(student, projector)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    values = []
    for _ in range(int(steps)):
        optimizer.zero_grad()
        loss = ((net(x) - target) ** 2).mean()
        loss.backward()
        optimizer.step()
        values.append(float(loss))
    return values


other_ways = [with_two_optimisers, with_a_copy]
