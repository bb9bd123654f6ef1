"""What the small nets of the questions are made of, and the questions about what trains them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn


class StillDropout(nn.Module):
    """Dropout whose dice always fall the same way: in train mode every second unit is silent.

    So an answer in the wrong mode gives other numbers, and one that asks the net once more than
    others do gives the same.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Silence every second entry of the last axis and double the others, in train mode."""
        if not self.training:
            return x
        kept = torch.arange(x.shape[-1], device=x.device) % 2 == 0
        return 2 * x * kept


def flat_weights(net: nn.Module) -> Tensor:
    """Return a copy of all weights of a net in one row."""
    return nn.utils.parameters_to_vector(net.parameters()).detach().clone()


NO_WAY_BACK = (
    "The number is right, but nothing can be learned from it: no gradient finds its way from this "
    "loss back to the student's logits. `.detach()`, `.item()`, `torch.no_grad()` and NumPy cut "
    "that way."
)


def with_its_gradient(
    loss: Callable[..., Any], z_student: Tensor, *given: Any
) -> dict[str, Any] | None:
    """Return a loss, and the gradient that it sends to the student's logits.

    Args:
        loss: takes the student's logits first.
        z_student: logits, ``(N, K)``.
        given: whatever else the loss takes.
    """
    with torch.enable_grad():
        leaf = z_student.clone().requires_grad_()
        value = loss(leaf, *given)
        if value is None:
            return None
        slope = torch.zeros_like(leaf)
        if isinstance(value, Tensor) and value.requires_grad:
            (found,) = torch.autograd.grad(value.sum(), leaf, allow_unused=True)
            if found is not None:
                slope = found.round(decimals=6)  # what rounding leaves of a zero is none
    return {
        "the loss": value,
        "a gradient reaches the student's logits": bool(slope.any()),
        "the gradient for the student's logits": slope,
    }
