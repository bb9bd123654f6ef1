"""Wrong ways to move the weights of a net, of which exercises of several lessons know.

For judging alone: where a submission is graded, this file is empty.
"""

from __future__ import annotations

# ==== Judging =====================================================================================
from typing import Any

from torch import nn


def by_a_fresh_one(model: nn.Module, optimizer: Any) -> None:
    """Move them by a new optimiser with the given one's settings, which remembers no step."""
    type(optimizer)([dict(group) for group in optimizer.param_groups]).step()


def last_layer(model: nn.Module, optimizer: Any) -> None:
    """Move those of the last layer alone."""
    for weight in list(model.parameters())[:-2]:
        weight.grad = None
    optimizer.step()
