"""What the students of a stack minimise, as the gradients that it leaves in their weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from distill_lessons.fast import batched, closed_form
from distill_lessons.objectives import Batch, Loss, Objective, check_one_number, check_value

# parameters and buffers, stacked, and a batch of each student: x (S, B, ...), y (S, B) and index
# (S, B). Leaves the gradients in the parameters, and returns numbers (S, ...) that are finite where
# a student's training is.
Backward = Callable[[dict[str, Tensor], dict[str, Tensor], Tensor, Tensor, Tensor], Tensor]
# logits (S, B, K), labels (S, B), indices (S, B) -> gradient of each loss for the logits (S, B, K)
Gradient = Callable[[Tensor, Tensor, Tensor], Tensor]


def _of_logits(student: nn.Module, gradient: Gradient) -> Backward:
    run = batched.runner(student)

    def backward(
        params: dict[str, Tensor], buffers: dict[str, Tensor], x: Tensor, y: Tensor, index: Tensor
    ) -> Tensor:
        z = run(params, buffers, x)  # (S, B, K)
        slopes = gradient(z, y, index)
        z.backward(slopes)
        return slopes

    return backward


def of_distillation(
    z_teacher: Tensor, T: Sequence[float], alpha: Sequence[float], student: nn.Module
) -> Backward:
    """Return the distillation loss, its gradient written down."""
    Ts, weights = closed_form.terms(T, alpha, z_teacher)
    each = torch.arange(len(z_teacher), device=z_teacher.device)[:, None]  # (S, 1)

    def gradient(z: Tensor, y: Tensor, index: Tensor) -> Tensor:
        rows = z_teacher[each, index] if z_teacher.ndim == 3 else z_teacher[index]  # (S, B, K)
        target = closed_form.targets(rows, y, Ts)
        return closed_form.gradient(z, target, Ts, weights)

    return _of_logits(student, gradient)


def of_loss(loss: Loss, student: nn.Module) -> Backward:
    """Return a loss of one student's logits, labels and indices, for all."""
    all_losses = vmap(loss)

    def gradient(z: Tensor, y: Tensor, index: Tensor) -> Tensor:
        logits = z.detach().requires_grad_()
        # The gradient of the sum is every student's own: none of them sees another's logits.
        return torch.autograd.grad(all_losses(logits, y, index).sum(), logits)[0]

    return _of_logits(student, gradient)


class _Seen(nn.Module):
    """An objective as a net's forward pass, so that it runs with the weights of any student."""

    def __init__(self, objective: Objective, student: nn.Module) -> None:
        super().__init__()
        self.objective, self.student = objective, student

    def forward(self, *batch: Tensor) -> Tensor:
        return self.objective(self.student, Batch(*batch))


def of_objective(objective: Objective, student: nn.Module) -> Backward:
    """Return an objective of one student and a batch, for all.

    Raises:
        ValueError: from what is returned, if the objective cannot run under vmap, or what it gives
            is not one number that depends on the weights.
    """
    seen = _Seen(objective, student)

    def of_one(params: dict[str, Tensor], buffers: dict[str, Tensor], *batch: Tensor) -> Tensor:
        weights = {f"student.{name}": tensor for name, tensor in (params | buffers).items()}
        value: Tensor = functional_call(seen, weights, batch)
        check_one_number(value)
        return value

    of_all = vmap(of_one)

    def backward(
        params: dict[str, Tensor], buffers: dict[str, Tensor], x: Tensor, y: Tensor, index: Tensor
    ) -> Tensor:
        try:
            values: Tensor = of_all(params, buffers, x, y, index)  # (S,)
        except RuntimeError as error:  # random numbers, or a branch on values
            raise ValueError(
                f"objective cannot run in a stack: {str(error).splitlines()[0]} Train the students "
                "one by one with training.fit."
            ) from error
        total = values.sum()  # its gradient is every student's own: none sees another's weights
        check_value(total)
        total.backward()
        return values.detach()

    return backward
