"""Soft decision trees: every gate sends an input both ways, with a probability for each.

So the tree has gradients and is trained like any net. Knows nothing about training.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from distill_lessons.models import seeded
from distill_lessons.settings import whole_number

DEEPEST = 12  # 4,096 leaves


class SoftTree(nn.Module):
    """A full tree of linear gates whose leaves each hold one distribution over the classes.

    Its answer is the leaves' mean distribution, weighted by how likely each leaf is reached. The
    model returns the logarithms: logits whose softmax at T = 1 is that mean. The gate i has the
    gates ``2 i + 1`` (left) and ``2 i + 2`` (right) below it.

    Args:
        n_features: F, of a flattened input.
        n_classes: K.
        depth: gates on the way to a leaf, from 1 to 12.

    Raises:
        TypeError: if a number is not whole.
        ValueError: if it is out of range.

    Source: Frosst and Hinton (2017), arXiv:1711.09784, sections 2 and 3; without their penalty for
        gates that send everything one way.
    """

    def __init__(self, n_features: int, n_classes: int, depth: int) -> None:
        """Make gates that are nearly undecided, and leaves that hardly prefer a class."""
        super().__init__()
        self.depth = whole_number("depth", depth)
        if self.depth > DEEPEST:
            raise ValueError(
                f"depth={depth} makes {2**self.depth:,} leaves; use at most {DEEPEST}."
            )
        self.gates = nn.Linear(whole_number("n_features", n_features), 2**self.depth - 1)
        n_classes = whole_number("n_classes", n_classes, least=2)
        self.leaves = nn.Parameter(0.1 * torch.randn(2**self.depth, n_classes))

    def extra_repr(self) -> str:
        """Return the depth."""
        return f"depth={self.depth}"

    def log_reach(self, x: Tensor) -> Tensor:
        """Return the logarithm of each leaf's probability to be reached, ``(N, 2^depth)``."""
        gate = self.gates(x.flatten(1))
        right, left = F.logsigmoid(gate), F.logsigmoid(-gate)
        reach = torch.zeros_like(gate[:, :1])
        for level in range(self.depth):
            here = slice(2**level - 1, 2 ** (level + 1) - 1)
            both = torch.stack([reach + left[:, here], reach + right[:, here]], dim=2)
            reach = both.flatten(1)
        return reach

    def forward(self, x: Tensor) -> Tensor:
        """Return the logarithms of the mean distribution, ``(N, K)``."""
        p = self.log_reach(x).exp() @ self.leaves.softmax(1)
        return p.clamp_min(torch.finfo(p.dtype).tiny).log()

    def one_path(self, x: Tensor) -> Tensor:
        """Return the log-probabilities of the likeliest leaf alone, ``(N, K)``.

        That is the answer of a reader who follows one path instead of adding up all of them.
        """
        return self.leaves.log_softmax(1)[self.log_reach(x).argmax(1)]


def soft_tree(n_features: int, n_classes: int, depth: int, *, seed: int = 0) -> SoftTree:
    """Build a soft decision tree.

    Args:
        n_features: F, of an input, which is flattened; C * H * W for images.
        n_classes: K.
        depth: gates on the way to a leaf, from 1 to 12.
        seed: of the initial weights.

    Raises:
        TypeError: if a number is not whole.
        ValueError: if it is out of range.

    >>> tree = soft_tree(64, 10, depth=3)
    >>> tree.one_path(torch.zeros(2, 1, 8, 8)).shape
    torch.Size([2, 10])
    """
    net = seeded(lambda: SoftTree(n_features, n_classes, depth), seed)
    assert isinstance(net, SoftTree)
    return net
