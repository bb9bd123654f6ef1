"""A test for what asks the teacher."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from distill_lessons.exercises import testing
from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import Case
from distill_lessons.faults import teaching


def _in_order(teacher: nn.Module, x: Tensor, y: Tensor, dice: torch.Generator) -> Any:
    z = teacher.eval()(x).detach()
    yield from zip(x.split(7), y.split(7), z.split(7), strict=True)


def _shuffled_first(teacher: nn.Module, x: Tensor, y: Tensor, dice: torch.Generator) -> Any:
    order = torch.rand(len(x), generator=dice).argsort()
    x, y = x[order], y[order]
    with torch.inference_mode():
        z = torch.stack([teacher.eval()(image[None])[0] for image in x])
    return [[x, y, z]]


def _labels_left(teacher: nn.Module, x: Tensor, y: Tensor, dice: torch.Generator) -> Any:
    batches = teaching.asked(teacher, x, y, dice)
    sizes = [len(images) for images, _, _ in batches]
    return [(a, labels, z) for (a, _, z), labels in zip(batches, y.split(sizes), strict=True)]


def _one_late(teacher: nn.Module, x: Tensor, y: Tensor, dice: torch.Generator) -> Any:
    batches = teaching.asked(teacher, x, y, dice)
    return [(images, labels, z.roll(1, 0)) for images, labels, z in batches]


def _softened(teacher: nn.Module, x: Tensor, y: Tensor, dice: torch.Generator) -> Any:
    return [(a, labels, z.softmax(1)) for a, labels, z in teaching.asked(teacher, x, y, dice)]


def _askers(seed: int) -> list[Case]:
    right = {
        "that shuffles": teaching.asked,
        "that keeps the order, in batches of seven": _in_order,
        "that gives all in one batch": _shuffled_first,
    }
    wrong = {
        "dropout at work": teaching.asked_in_train_mode,
        "answers in another order": teaching.asked_in_another_order,
        "labels in another order": _labels_left,
        "each answer one image late": _one_late,
        "probabilities for logits": _softened,
    }
    return testing.programs(seed, right, wrong)


exercise = Exercise(
    title="A test for what asks the teacher",
    kind="code",
    difficulty="medium",
    importance="high",
    minutes=10,
    points=2,
    hints=(
        "You have the images of each batch, and the teacher. What should the logits beside them "
        "be?",
        "`models.mlp(shape, K, (8,), dropout=0.5)` makes a teacher that says something else in "
        "train mode. In eval mode it always says the same.",
        "For the labels: make each one something that its image tells, such as the number in its "
        "first pixel.",
    ),
    cases=_askers,
    ask=testing.run,
)

# ==== Judging =====================================================================================

from collections.abc import Callable

from distill_lessons import models
from distill_lessons.exercises import testing
from distill_lessons.exercises.parts import Mistake


def _asks(
    *,
    dropout: float = 0.5,
    n: int = 60,
    labels: bool = True,
    logits: bool = True,
    order: bool = False,
) -> Callable[..., None]:
    """Return a test of what comes back, which looks at more or less of it."""

    def test(asked: Callable[..., Any]) -> None:
        x = torch.arange(4.0 * n).view(n, 1, 2, 2) / (4 * n)
        y = torch.arange(n)
        teacher = models.mlp((1, 2, 2), 3, (16,), dropout=dropout, seed=0)
        rows = []
        for images, given, z in asked(teacher, x, y, torch.Generator().manual_seed(0)):
            at = (images[:, 0, 0, 0] * n).round().long()
            rows.append(at)
            said = teacher.eval()(images)
            assert not labels or bool((given == at).all())
            assert not logits or bool(torch.isclose(z, said, atol=1e-5).all())
        assert torch.equal(torch.cat(rows) if order else torch.cat(rows).sort().values, y)

    return test


judging = testing.judging(
    _asks(),
    Mistake(
        "no dropout",
        _asks(dropout=0.0),
        "Your teacher says the same in train mode and in eval mode, so nobody sees in which it was "
        "asked.",
    ),
    Mistake(
        "labels not looked at",
        _asks(labels=False),
        "You look at the logits. The labels can lose their images, too.",
    ),
    Mistake(
        "logits not looked at",
        _asks(logits=False),
        "You look at the labels. Most faults are in the logits.",
    ),
    Mistake(
        "order demanded",
        _asks(order=True),
        "You ask for the images in the order in which they came. A program may shuffle, as long as "
        "it takes labels and logits along.",
    ),
    Mistake(
        "one image",
        _asks(n=1),
        "With a single image nothing can be out of order.",
    ),
)

# ==== Solution ====================================================================================


# Every label is told by its image, and every row of logits by the teacher itself. Its dropout shows
# in which mode it was asked. Nothing is said of the order: a program may shuffle.
def test_asked(asked):
    x = torch.rand(30, 1, 2, 2)
    y = (10 * x[:, 0, 0, 0]).long()
    teacher = models.mlp((1, 2, 2), 3, (16,), dropout=0.5, seed=0)
    for images, labels, z in asked(teacher, x, y, torch.Generator().manual_seed(0)):
        assert torch.equal(labels, (10 * images[:, 0, 0, 0]).long())
        assert torch.allclose(z, teacher.eval()(images), atol=1e-5)


def by_lookup(asked: Any) -> None:
    x, y = torch.eye(30).view(30, 1, 5, 6), torch.arange(30)
    teacher = models.mlp((1, 5, 6), 4, (32,), dropout=0.4, seed=1)
    table = teacher.eval()(x).tolist()
    teacher.train()
    seen = 0
    for images, labels, z in asked(teacher, x, y, torch.Generator()):
        for image, label, row in zip(images, labels.tolist(), z.tolist()):
            assert int(image.argmax()) == label
            assert max(abs(a - b) for a, b in zip(row, table[label])) < 1e-4
            seen += 1
    assert seen == 30


other_ways = [by_lookup]
