"""How a teacher is asked and a student taught, and two ways each to do it wrong.

What asks takes a teacher, images ``(N, ...)``, labels ``(N,)`` and dice, and returns one epoch of
batches: images, labels and the teacher's logits. What teaches trains a student in place and returns
its last loss.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from distill_lessons.faults.losses import kd_loss

Batches = list[tuple[Tensor, Tensor, Tensor]]


def asked(teacher: nn.Module, x: Tensor, y: Tensor, dice: torch.Generator) -> Batches:
    """Return shuffled batches with what the teacher says of each image: the right one."""
    teacher.eval()
    order = torch.randperm(len(x), generator=dice).to(x.device)
    with torch.no_grad():
        return [(x[i], y[i], teacher(x[i])) for i in order.split(25)]


def asked_in_train_mode(teacher: nn.Module, x: Tensor, y: Tensor, dice: torch.Generator) -> Batches:
    """Ask a teacher whose dropout is at work: it says something else each time."""
    teacher.train()
    order = torch.randperm(len(x), generator=dice).to(x.device)
    with torch.no_grad():
        return [(x[i], y[i], teacher(x[i])) for i in order.split(25)]


def asked_in_another_order(
    teacher: nn.Module, x: Tensor, y: Tensor, dice: torch.Generator
) -> Batches:
    """Shuffle once for the teacher and once more for the student: answers to other images."""
    teacher.eval()

    def loader() -> list[Tensor]:  # as shuffle=True does: another order on every pass
        return list(torch.randperm(len(x), generator=dice).to(x.device).split(25))

    with torch.no_grad():
        answers = [teacher(x[i]) for i in loader()]
    return [(x[i], y[i], z) for i, z in zip(loader(), answers, strict=True)]


def distil(
    student: nn.Module,
    teacher: nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    epochs: int = 50,
    seed: int = 0,
    ask: Callable[..., Any] = asked,
    loss: Callable[..., Tensor] = kd_loss,
    seen: Callable[[float], None] = lambda value: None,
) -> float:
    """Train a student on what its teacher says: the right one.

    Args:
        student: trained in place.
        teacher: asked once an epoch.
        x: images ``(N, ...)``.
        y: their labels ``(N,)``.
        epochs: passes over the images.
        seed: of their order.
        ask: what asks the teacher, such as `asked`.
        loss: what is minimised, such as `losses.kd_loss`, at T = 4 and alpha = 0.1.
        seen: called with the loss of every step.

    Returns:
        The loss of the last step.
    """
    student.train()
    optimizer = torch.optim.Adam(student.parameters(), lr=1e-2)
    dice = torch.Generator().manual_seed(seed)
    for _ in range(epochs):
        for images, labels, z in ask(teacher, x, y, dice):
            value = loss(student(images), z, labels, 4.0, 0.1)
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
            seen(value.item())
    return value.item()


def never_heard(
    student: nn.Module, teacher: nn.Module, x: Tensor, y: Tensor, *, epochs: int = 50, seed: int = 0
) -> float:
    """Train a student on the labels alone; its teacher is only mentioned."""
    student.train()
    teacher.eval()
    optimizer = torch.optim.Adam(student.parameters(), lr=1e-2)
    dice = torch.Generator().manual_seed(seed)
    for _ in range(epochs):
        for batch in asked(teacher, x, y, dice):
            images, labels = batch[:2]
            value = F.cross_entropy(student(images), labels)
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
    return value.item()


def one_optimiser(
    student: nn.Module, teacher: nn.Module, x: Tensor, y: Tensor, *, epochs: int = 50, seed: int = 0
) -> float:
    """Let one optimiser move both nets: the teacher comes to meet its student."""
    student.train()
    teacher.eval()
    optimizer = torch.optim.Adam([*student.parameters(), *teacher.parameters()], lr=1e-2)
    dice = torch.Generator().manual_seed(seed)
    for _ in range(epochs):
        for i in torch.randperm(len(x), generator=dice).to(x.device).split(25):
            value = kd_loss(student(x[i]), teacher(x[i]), y[i], 4.0, 0.1)
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
    return value.item()


# As the lesson hands them out: what asks, and what teaches.
ASK = {"F": asked_in_train_mode, "G": asked, "H": asked_in_another_order}
TEACH = {"I": one_optimiser, "J": never_heard, "K": distil}
