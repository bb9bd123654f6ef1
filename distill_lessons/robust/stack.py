"""Many nets of one shape as one net: each answers to images of its own.

What is written for one net, such as an attack, then runs for all of them in one pass.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

from torch import Tensor, nn
from torch.func import stack_module_state

from distill_lessons.fast import alike, batched


class Stack(nn.Module):
    """S nets side by side, frozen and in eval mode: ``(S, N, ...)`` in, logits ``(S, N, K)`` out.

    It holds copies: training a net later leaves its stack as it was.

    Args:
        nets: S nets of the same layers and sizes.

    Raises:
        TypeError: if they are not nets.
        ValueError: if there is none, they are not built alike, or a layer is used twice.
    """

    def __init__(self, nets: Sequence[nn.Module]) -> None:
        """Copy the nets and lay their weights along a first axis."""
        alike.check_alike(nets)
        if again := alike.shared_weights(nets[0]):
            raise ValueError(
                f"nets use the weights {again[0]} again as {again[1]}; such nets do not stack: "
                "take them one by one."
            )
        super().__init__()
        self._nets = [copy.deepcopy(net).eval().requires_grad_(False) for net in nets]
        self.first = self._nets[0]  # its layers say how to run; its weights, where and how exactly
        params, buffers = stack_module_state(self._nets)
        self._weights: dict[str, Tensor] = params
        self._constants: dict[str, Tensor] = {k: v for k, v in buffers.items() if v is not None}
        self._run = batched.runner(self.first)
        self._compared = False

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of every net for its own images, ``(S, N, K)``."""
        if x.ndim < 3 or len(x) != len(self._nets):
            raise ValueError(
                f"x has shape {tuple(x.shape)} for a stack of {len(self._nets)} nets; give each "
                "its own images, (S, N, C, H, W): x.expand(S, *x.shape) for the same ones."
            )
        if not self._compared:  # nets of the same layers may still compute different things
            alike.check_same_forward(
                self._nets, self._weights, self._constants, x[0, :8].detach().clone()
            )
            self._compared = True
        return self._run(self._weights, self._constants, x)

    def train(self, mode: bool = True) -> Stack:
        """Stay in eval mode: a stack is asked and not trained."""
        return self
