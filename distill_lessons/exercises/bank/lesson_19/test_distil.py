"""A test for what teaches the student."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from distill_lessons.exercises import testing
from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import Case
from distill_lessons.faults import losses, teaching


def _all_at_once(student: nn.Module, teacher: nn.Module, x: Tensor, y: Tensor, epochs: int) -> None:
    """Take plain gradient steps on the soft term, all images in each."""
    with torch.no_grad():
        p = (teacher.eval()(x) / 2).softmax(1)
    optimizer = torch.optim.SGD(student.train().parameters(), lr=0.5)
    for _ in range(epochs):
        optimizer.zero_grad()
        F.cross_entropy(student(x) / 2, p).backward()
        optimizer.step()


def _a_copy(student: nn.Module, teacher: nn.Module, x: Tensor, y: Tensor, epochs: int) -> Any:
    return teaching.distil(copy.deepcopy(student), teacher, x, y, epochs=epochs)


def _roles_swapped(
    student: nn.Module, teacher: nn.Module, x: Tensor, y: Tensor, epochs: int
) -> Any:
    return teaching.distil(teacher, student, x, y, epochs=epochs)


def _own_logits(student: nn.Module, teacher: nn.Module, x: Tensor, y: Tensor, epochs: int) -> Any:
    loss = lambda z, target, *more: losses.kd_loss(z, z.detach(), *more)  # noqa: E731
    return teaching.distil(student, teacher, x, y, epochs=epochs, loss=loss)


def _teachers(seed: int) -> list[Case]:
    def few(distil: Any) -> Any:
        def runs(student: Any, teacher: Any, x: Any, y: Any, epochs: int = 1) -> Any:
            return distil(student, teacher, x, y, epochs=epochs)

        return runs

    right = {"of the lesson": few(teaching.distil), "with plain gradient steps": few(_all_at_once)}
    wrong = {
        "teacher never heard": few(teaching.never_heard),
        "one optimiser for both": few(teaching.one_optimiser),
        "student taught by itself": few(_own_logits),
        "a copy of the student is trained": few(_a_copy),
        "the teacher is trained": few(_roles_swapped),
    }
    return testing.programs(seed, right, wrong)


exercise = Exercise(
    title="A test for what teaches the student",
    kind="code",
    difficulty="medium",
    importance="high",
    minutes=8,
    points=2,
    hints=(
        "The two students start alike and see the same images. If they end alike, what did their "
        "teachers have to do with it?",
        "`flat_weights(net)` gives all weights of a net in one row; `torch.equal` compares two "
        "rows.",
        "`heard` is `not torch.equal(...)` of the two students, `unmoved` is `torch.equal(...)` of "
        "the teacher before and after.",
    ),
    cases=_teachers,
    ask=testing.run,
)

# ==== Judging =====================================================================================

from collections.abc import Callable

from distill_lessons import models
from distill_lessons.exercises import testing
from distill_lessons.exercises.nets import flat_weights
from distill_lessons.exercises.parts import Mistake


def _tests(asserts: Callable[..., Any]) -> Callable[[Callable[..., Any]], None]:
    """Return a test that runs a program with two teachers and asserts something of the nets."""

    def test(distil: Callable[..., Any]) -> None:
        x, y = torch.linspace(-2, 2, 24).view(6, 1, 2, 2), torch.arange(6) % 3
        students = [models.mlp((1, 2, 2), 3, (4,), seed=0) for _ in range(2)]
        teachers = [models.mlp((1, 2, 2), 3, (5,), seed=1 + n) for n in range(2)]
        before = [flat_weights(net) for net in (students[0], teachers[0])]
        for student, teacher in zip(students, teachers, strict=True):
            distil(student, teacher, x, y, epochs=1)
        after = [flat_weights(net) for net in (students[0], students[1], teachers[0])]
        assert asserts(*before, *after)

    return test


judging = testing.judging(
    _tests(lambda start, old, one, other, teacher: (one != other).any() and (old == teacher).all()),
    Mistake(
        "it learns",
        _tests(lambda start, old, one, *others: (start != one).any()),
        "You test that the student moves. It also moves without a teacher.",
    ),
    Mistake(
        "the teacher stays",
        _tests(lambda start, old, one, other, teacher: (old == teacher).all()),
        "You test that the teacher stays as it was. Does the student hear it?",
    ),
    Mistake(
        "it is heard",
        _tests(lambda start, old, one, other, teacher: (one != other).any()),
        "You test that another teacher makes another student. Are the teachers still what they "
        "were?",
    ),
    Mistake(
        "it learns and the teacher stays",
        _tests(
            lambda start, old, one, other, teacher: (start != one).any() and (old == teacher).all()
        ),
        "The student moves and the teacher stays: so it is, too, where the student never heard a "
        "word.",
    ),
    Mistake(
        "the other way round",
        _tests(lambda start, old, one, other, teacher: (one == other).all()),
        "You ask that both teachers make the same student. Then neither would have been heard.",
    ),
)

# ==== Solution ====================================================================================


# Two students that differ in nothing but their teachers: if they end alike, none was heard. A
# teacher that moves can be heard too, so that is asked by itself.
def test_distil(distil):
    x, y = torch.randn(8, 1, 2, 2), torch.arange(8) % 3
    students = [models.mlp((1, 2, 2), 3, (4,), seed=0) for _ in range(2)]
    teachers = [models.mlp((1, 2, 2), 3, (4,), seed=s) for s in (1, 2)]
    before = flat_weights(teachers[0])
    for student, teacher in zip(students, teachers):
        distil(student, teacher, x, y, epochs=2)
    heard = not torch.equal(flat_weights(students[0]), flat_weights(students[1]))
    unmoved = torch.equal(before, flat_weights(teachers[0]))
    assert heard
    assert unmoved


def by_what_they_say(distil: Any) -> None:
    x = torch.randn(5, 1, 1, 3, generator=torch.Generator().manual_seed(8))
    said = []
    for seed in (3, 4):
        teacher = models.mlp((1, 1, 3), 2, (), seed=seed)
        for weight in teacher.parameters():
            weight.data.mul_(10)
        student = models.mlp((1, 1, 3), 2, (), seed=0)
        kept = teacher(x).detach()
        distil(student, teacher, x, torch.zeros(5, dtype=torch.long), epochs=3)
        assert torch.allclose(kept, teacher(x))
        said.append(student(x).detach())
    assert (said[0] - said[1]).abs().max() > 1e-6


other_ways = [by_what_they_say]
