"""Find the bug: the teacher gives way."""

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


def _nets(seed: int) -> list[Case]:
    cases = []
    for n, shape, T, lr in ((2, (1, 1, 2), 2.0, 0.1), (6, (1, 2, 2), 4.0, 0.03)):
        student = models.mlp(shape, 3, (4,), seed=mixed(seed)).insert(1, StillDropout())
        teacher = models.mlp(shape, 3, (5,), seed=mixed(seed, 1)).insert(3, StillDropout()).eval()
        with torch.no_grad():
            for weight in teacher.parameters():
                weight.mul_(4)  # a teacher that is sure of something, so that steps are long
        for net in (student, teacher):  # as if left over from a training before this one
            for weight in net.parameters():
                weight.grad = torch.full_like(weight, 0.5)
        x = torch.randn(n, *shape, generator=dice(seed))
        words = f"{n} images of {shape[1] * shape[2]} pixels, three classes, T = {T:g}, lr = {lr}"
        cases.append(Case(words, (student, teacher, x, T, lr)))
    return cases


def _after_a_step(
    step: Callable[..., Any], student: nn.Module, teacher: nn.Module, x: Tensor, T: float, lr: float
) -> dict[str, Any] | None:
    nets = (student, teacher)
    before = [flat_weights(net) for net in nets]
    left_over = [
        (weight, weight.grad.clone()) for weight in teacher.parameters() if weight.grad is not None
    ]
    loss = step(student, teacher, x, T, lr)
    if loss is None:
        return None
    moved, drifted = (flat_weights(net) - old for net, old in zip(nets, before, strict=True))
    return {
        "the loss": loss,
        "the teacher's weights stay": bool((drifted == 0).all()),
        "no new gradient reaches the teacher": all(
            weight.grad is None or not weight.grad.any() or torch.equal(weight.grad, old)
            for weight, old in left_over
        ),
        "how far the student's weights move": moved,
    }


GIVEN = """\
def student_step(student, teacher, x, T, lr):
    weights = [*student.parameters(), *teacher.parameters()]
    optimizer = torch.optim.SGD(weights, lr=lr)
    p = torch.softmax(teacher(x) / T, dim=1)
    log_q = torch.log_softmax(student(x) / T, dim=1)
    loss = T**2 * F.kl_div(log_q, p, reduction="batchmean")
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()
"""

exercise = Exercise(
    title="Find the bug: the teacher gives way",
    kind="bug",
    given=GIVEN,
    difficulty="medium",
    importance="high",
    minutes=6,
    points=2,
    hints=(
        "Whose weights may change in a step of distillation? Whose does this optimiser hold?",
        "With the optimiser fixed, autograd still works its way back through the teacher. Its "
        "logits are constants: how does the loss of this lesson say so?",
        "`torch.no_grad()` around the call of the teacher, or `.detach()` on what it returns.",
    ),
    cases=_nets,
    ask=_after_a_step,
    may_change=(0, 1),
)

# ==== Judging =====================================================================================

from distill_lessons import losses
from distill_lessons.exercises.parts import Judging, Mistake


def _step(
    moves: str,
    *,
    detached: bool = False,
    clears: bool = True,
    modes: tuple[bool, bool] = (True, False),
    layers: slice = slice(None),
) -> Callable[..., float]:
    """Return a step whose gradients are found without backward, with room for mistakes."""

    def step(student: nn.Module, teacher: nn.Module, x: Tensor, T: float, lr: float) -> float:
        student.train(modes[0])
        teacher.train(modes[1])
        loss = T**2 * losses.kl_divergence(teacher(x), student(x), T).mean()
        for name, net in (("student", student), ("teacher", teacher)):
            weights = list(net.parameters())
            slopes = torch.autograd.grad(loss, weights, retain_graph=True)
            for weight, slope in zip(weights, slopes, strict=True):
                new = torch.zeros_like(slope) if detached and net is teacher else slope
                weight.grad = new if clears or weight.grad is None else new + weight.grad
            if name in moves:
                torch.optim.SGD(weights[layers], lr=lr).step()
        return loss.item()

    return step


judging = Judging(
    reference=_step("student", detached=True),
    mistakes=(
        Mistake("as given", _step("student and teacher"), "", given=True),
        Mistake(
            "gradient still flows",
            _step("student"),
            "The teacher's weights stay now. But every "
            "step still computes a gradient for them: time and memory for nothing, and the next "
            "optimiser that holds them will use it.",
        ),
        Mistake(
            "the student frozen too",
            _step("nobody", detached=True),
            "The teacher is frozen, and so is the student: nothing moves any more.",
        ),
        Mistake(
            "the wrong one frozen",
            _step("teacher"),
            "The optimiser holds the teacher's weights only. The student is the one to move.",
        ),
        Mistake(
            "the teacher's old gradient",
            _step("student and teacher", detached=True, clears=False),
            "No new gradient reaches the teacher, but the optimiser still holds its weights: a "
            "gradient left over from the teacher's own training moves them.",
        ),
        Mistake(
            "the student in eval mode",
            _step("student", detached=True, modes=(False, False)),
            "The teacher is safe now. But the student was in eval mode, where its dropout does "
            "nothing; it came in train mode.",
        ),
        Mistake(
            "the teacher in train mode",
            _step("student", detached=True, modes=(True, True)),
            "The teacher's weights are safe now. But it was in train mode, and its dropout makes "
            "soft targets of another net; it came in eval mode.",
        ),
        Mistake(
            "the last layer only",
            _step("student", detached=True, layers=slice(-2, None)),
            "The teacher is safe now. But of the student only the last layer moves.",
        ),
        Mistake(
            "no zero_grad",
            _step("student", detached=True, clears=False),
            "The teacher is safe now. But the student's step carries an older gradient along: "
            "gradients add up unless they are cleared.",
        ),
    ),
)

# ==== Solution ====================================================================================

from torch.nn import functional as F


# The optimiser held the weights of both nets, and the loss sent a gradient to both. Now it holds
# the student's only, and the teacher's probabilities are constants. (With constants and zero_grad,
# SGD would leave the teacher alone even in its list. But it has no business there.)
def student_step(student, teacher, x, T, lr):
    optimizer = torch.optim.SGD(student.parameters(), lr=lr)
    with torch.no_grad():
        p = torch.softmax(teacher(x) / T, dim=1)
    log_q = torch.log_softmax(student(x) / T, dim=1)
    loss = T**2 * F.kl_div(log_q, p, reduction="batchmean")
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


def step_without_optimizer(student, teacher, x, T, lr):
    log_p = torch.log_softmax(teacher(x).detach() / T, dim=1)
    log_q = torch.log_softmax(student(x) / T, dim=1)
    loss = T**2 * F.kl_div(log_q, log_p, reduction="batchmean", log_target=True)
    weights = list(student.parameters())
    for weight, slope in zip(weights, torch.autograd.grad(loss, weights), strict=True):
        weight.data = weight.data - lr * slope
    return loss


def step_with_a_frozen_teacher(student, teacher, x, T, lr):
    teacher.requires_grad_(False)
    optimizer = torch.optim.SGD([*student.parameters(), *teacher.parameters()], lr=lr)
    p = torch.softmax(teacher(x) / T, dim=1)
    log_q = torch.log_softmax(student(x) / T, dim=1)
    loss = T**2 * F.kl_div(log_q, p, reduction="sum") / len(x)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return float(loss)


def step_with_a_teacher_that_gets_no_gradient(student, teacher, x, T, lr):
    optimizer = torch.optim.SGD([*student.parameters(), *teacher.parameters()], lr=lr)
    p = torch.softmax(teacher(x).detach() / T, dim=1)
    log_q = torch.log_softmax(student(x) / T, dim=1)
    loss = T**2 * F.kl_div(log_q, p, reduction="batchmean")
    optimizer.zero_grad(set_to_none=False)
    loss.backward()
    optimizer.step()
    return loss.item()


other_ways = [
    step_without_optimizer,
    step_with_a_frozen_teacher,
    step_with_a_teacher_that_gets_no_gradient,
]
