"""Students of one shape trained side by side, their weights stacked along a first axis S.

Adam treats every number by itself, so one Adam over the stack is S Adams, and every student ends
where `training.fit` would have taken it alone. So does SGD, with momentum or without.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.func import stack_module_state, vmap
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from distill_lessons import checkpoints, evaluation, losses
from distill_lessons.data import Split
from distill_lessons.distillation import check_distillation
from distill_lessons.fast import alike, backward, batched, captured, closed_form, optimisers
from distill_lessons.objectives import Loss, Objective, check_loss
from distill_lessons.progress import ticking
from distill_lessons.seeds import checked, generator
from distill_lessons.settings import whole_number
from distill_lessons.tensors import check_function, check_rows, check_type, class_labels


def fit_many(
    students: Sequence[nn.Module],
    split: Split,
    z_teacher: Tensor | None = None,
    *,
    steps: int,
    T: float | Sequence[float] = 1.0,
    alpha: float | Sequence[float] = 1.0,
    loss: Loss | None = None,
    objective: Objective | None = None,
    seeds: Sequence[int] | None = None,
    rows: Tensor | None = None,
    batch_size: int = 64,
    lr: float = 1e-3,
    optimizer: optimisers.MakesOptimizer | None = None,
    schedule: optimisers.Schedule | None = None,
    chunk: int = 64,
    checkpoint: str | Path | None = None,
    title: str = "",
) -> None:
    """Train students of one shape side by side, in place, each as `training.fit` would alone.

    That is up to rounding, since a stack adds in another order and training amplifies it. After 600
    steps on the digits, at learning rates up to 3e-3, weights of fully connected nets were within
    4e-6 of those from `training.fit` and weights of convolutional nets within 5e-3, with equal
    accuracies; at 1e-2 single weights of convolutional nets were off by 1, and two accuracies of
    six by one image of 359.

    Args:
        students: S nets of the same shape, each with its own weights, without dropout or batch
            normalisation.
        split: the images.
        z_teacher: the teacher's logits for them, ``(N, K)``; or, where every student has a teacher
            of its own, one such table each, ``(S, N, K)``. May be left out where every alpha is 1.
        steps: optimiser steps of every student.
        T: temperature, one for all or one per student.
        alpha: weight of the hard term, one for all or one per student.
        loss: what every student minimises instead, as in `training.fit`: a function of one
            student's logits, labels and indices. It runs under `torch.func.vmap`, so it must not
            branch on values; leave out `z_teacher`, T and alpha, which belong to the usual loss.
        objective: what every student minimises where a loss of the logits is not enough, as in
            `training.fit`: a function of one student and an `objectives.Batch`. It too runs under
            `torch.func.vmap`. Modules that are to be trained along are parts of the students, see
            `losses.Projected`.
        seeds: decide the order in which each student sees the images; by default 0 to S-1.
        rows: the images that each student may see, indices ``(S, n)``; by default all of them.
        batch_size: images in a step of one student.
        lr: learning rate.
        optimizer: makes another optimiser than Adam, as in `training.fit`; one that treats every
            number by itself, as SGD does, with momentum or without.
        schedule: makes a learning-rate schedule of the optimiser; it moves on after every step.
        chunk: how many students run at once; bounds the memory.
        checkpoint: a folder in which a killed training is kept, as in `training.fit`.
        title: stands beside the progress bar.

    Raises:
        TypeError: if a number is not one, or `students` are not nets.
        ValueError: if an argument is out of range, or the students cannot be stacked.
    """
    steps = whole_number("steps", steps)
    batch_size = whole_number("batch_size", batch_size)
    chunk = whole_number("chunk", chunk)
    alike.check_alike(students)
    alike.check_trainable(students)
    n_students = len(students)
    check_type("split", split, Split, "a Split, such as data.train")
    split = replace(split, x=evaluation.as_input(students[0], split.x).detach())
    if split.mask is not None:
        raise ValueError("split has a mask, but stacked nets take x alone; use training.fit.")
    seeds = range(n_students) if seeds is None else seeds
    check_type("seeds", seeds, Iterable, "a list of whole numbers, one for each student")
    seeds = list(seeds)
    Ts, alphas = (
        alike.one_each(name, value, n_students) for name, value in (("T", T), ("alpha", alpha))
    )
    if len(seeds) != n_students:
        raise ValueError(
            f"seeds has {len(seeds)} entries for {n_students} students; give one each."
        )
    optimisers.check_rate(lr)
    own_loss = loss is not None or objective is not None
    if loss is not None and objective is not None:
        raise ValueError("loss= and objective= both say what to minimise; give one of them.")
    if own_loss and not (z_teacher is None and set(Ts) == set(alphas) == {1.0}):
        raise ValueError(
            f"{'loss' if objective is None else 'objective'} replaces the distillation loss, so "
            "z_teacher, T and alpha would not be looked at; give them to the function itself."
        )
    if loss is not None:
        check_loss(loss)
    if objective is not None:
        check_function("objective", objective, "the model and a batch")
    if own_loss:
        alphas = [0.0] * n_students  # whether labels are needed, the function must know
    rows = torch.arange(len(split)).expand(n_students, -1) if rows is None else rows
    rows = check_rows("rows", rows, n_students, len(split)).cpu()
    alike.check_labelled(rows, alphas, split)
    if z_teacher is None:
        if not own_loss and any(a < 1 for a in alphas):
            raise ValueError("z_teacher is missing; only students with alpha=1 learn without it.")
        z = evaluation.predict(students[0], split.x[:1])  # (1, K)
        z_teacher = torch.zeros_like(z).expand(len(split), -1)  # it will weigh nothing
    own = isinstance(z_teacher, Tensor) and z_teacher.ndim == 3
    if own and len(z_teacher) != n_students:
        raise ValueError(
            f"z_teacher has {len(z_teacher)} tables for {n_students} students; give each its own, "
            "(S, N, K), or one for all, (N, K)."
        )
    for t, a in set(zip(Ts, alphas, strict=True)):
        check_distillation(students[0], split, z_teacher[0] if own else z_teacher, t, a)
    if own:
        losses.check_logits("z_teacher", z_teacher.flatten(0, 1))
    z_teacher = closed_form.wide(z_teacher, split.x)

    def minimised(part: slice) -> backward.Backward:
        if objective is not None:
            return backward.of_objective(objective, students[0])
        if loss is not None:
            return backward.of_loss(loss, students[0])
        z = z_teacher[part] if own else z_teacher
        return backward.of_distillation(z, Ts[part], alphas[part], students[0])

    about = (split.x, split.y, z_teacher, rows, Ts, alphas, steps, batch_size)
    starts = range(0, n_students, chunk)
    with ticking(len(starts) * steps, title or f"training {n_students} students") as tick:
        for start in starts:
            part = slice(start, start + chunk)
            _fit_chunk(
                students[part],
                split,
                minimised(part),
                seeds[part],
                rows[part],
                steps,
                batch_size,
                lr,
                partial(optimisers.make, lr=lr, optimizer=optimizer, schedule=schedule),
                start,
                partial(
                    checkpoints.keeping,
                    None
                    if checkpoint is None
                    else checkpoints.folder_in(checkpoint, f"{start:04d}"),
                    about=(repr(students[0]), *about, start, chunk, list(map(checked, seeds))),
                ),
                tick,
            )


def _fit_chunk(
    students: Sequence[nn.Module],
    split: Split,
    leave_gradients: backward.Backward,
    seeds: Sequence[int],
    rows: Tensor,
    steps: int,
    batch_size: int,
    lr: float,
    moving: Callable[..., tuple[Optimizer, LRScheduler | None]],
    start: int,
    keeping: Callable[..., AbstractContextManager[checkpoints.Keeper]],
    tick: Callable[[], None],
) -> None:
    with _all(evaluation.training_mode, students):
        params, buffers = stack_module_state(list(students))  # each (S, ...)
        alike.check_same_forward(students, params, buffers, split.x[:8], start)
    optimizer, scheduler = moving(params.values())
    orders = [generator(seed) for seed in seeds]
    labels = class_labels("split.y", split.y)
    device = split.x.device
    n = rows.shape[1]
    per_epoch = math.ceil(n / batch_size)

    def compute(index: Tensor) -> Tensor:  # (S, B)
        x = split.x.index_select(0, index.flatten()).unflatten(0, index.shape)
        optimizer.zero_grad(set_to_none=True)
        return leave_gradients(params, buffers, x, labels[index], index)

    def shuffled() -> Tensor:
        # Every student has its own order, drawn as `fit` draws it: (S, n) for one epoch.
        drawn = torch.stack([torch.randperm(n, generator=g) for g in orders])
        return rows.gather(1, drawn).to(device)

    uses = (students[0], leave_gradients)
    advance = captured.Step(compute, optimizer, device, uses=uses, steady=scheduler is None)
    with (
        evaluation.training_mode(students[0]),
        advance.running(),
        keeping(lambda: params | buffers, optimizer, scheduler, orders) as keeper,
    ):
        done = keeper.restore().get("step", 0)
        for _ in range(done):
            tick()
        begun, states, epoch = done % per_epoch, [g.get_state() for g in orders], shuffled()
        while done < steps:
            batches = epoch.split(min(batch_size, n), dim=1)
            for index in batches[begun : begun + steps - done]:
                keeper.save(done, states)
                found = advance(index)
                if scheduler is not None:
                    scheduler.step()
                tick()
                done += 1
            all_finite = found.isfinite().reshape(len(found), -1).all(1)
            if done < steps:  # drawn here, while a GPU is still at the steps launched above
                begun, states, epoch = 0, [g.get_state() for g in orders], shuffled()
            for seed, finite in zip(seeds, all_finite.tolist(), strict=True):
                if not finite:
                    raise ValueError(
                        f"the loss of the student of seed {seed} is no longer finite with lr={lr}; "
                        "try a tenth of it."
                    )
        keeper.save(done, [g.get_state() for g in orders], over=True)
    with torch.no_grad():
        for s, student in enumerate(students):
            for name, tensor in (*student.named_parameters(), *student.named_buffers()):
                tensor.copy_((params if name in params else buffers)[name][s])


@contextmanager
def _all(
    mode: Callable[[nn.Module], AbstractContextManager[None]], students: Sequence[nn.Module]
) -> Iterator[None]:
    """Put every student into a mode: torch stacks only nets that are in the same one."""
    with ExitStack() as stack:
        for student in students:
            stack.enter_context(mode(student))
        yield


def predict_many(
    students: Sequence[nn.Module], x: Tensor, *, chunk: int = 16, batch_size: int = 2048
) -> Tensor:
    """Return the logits of all students for the same images, shape ``(S, N, K)``.

    Args:
        students: S nets of the same shape.
        x: images ``(N, C, H, W)``.
        chunk: how many students run at once.
        batch_size: how many images go through at once, over all of these; bounds the memory.

    Raises:
        ValueError: if there is no student, or they are not built alike.
    """
    chunk = whole_number("chunk", chunk)
    batch_size = whole_number("batch_size", batch_size)
    alike.check_alike(students)
    x = evaluation.as_input(students[0], x)
    if alike.shared_weights(students[0]):  # torch would leave its stand-ins in a repeated layer
        return torch.stack([evaluation.predict(net, x, batch_size=batch_size) for net in students])
    return torch.cat(
        [
            _predict_chunk(students[start : start + chunk], x, batch_size, start)
            for start in range(0, len(students), chunk)
        ]
    )


def _predict_chunk(students: Sequence[nn.Module], x: Tensor, batch_size: int, start: int) -> Tensor:
    with torch.no_grad(), _all(evaluation.evaluating, students):
        params, buffers = stack_module_state(list(students))
        with evaluation.refusing(x):
            alike.check_same_forward(students, params, buffers, x[:8], start)
            parts = [
                vmap(partial(batched.forward, students[0], part))(params, buffers)
                for part in x.split(min(len(x), max(1, batch_size // len(students))))
            ]
    return torch.cat(parts, dim=1)
