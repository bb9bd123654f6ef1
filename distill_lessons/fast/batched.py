"""S nets of one shape as one call, their weights stacked along a first axis.

A plain stack of linear layers and ReLUs is one batched matrix product a layer; any other net runs
through `torch.func.vmap`, which costs more and asks nothing of it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

# stacked parameters, stacked buffers, images (S, B, C, H, W) -> logits (S, B, K)
Run = Callable[[dict[str, Tensor], dict[str, Tensor], Tensor], Tensor]


def runner(net: nn.Module) -> Run:
    """Return the function that runs all nets that are built like `net`, each on its own images."""
    if is_plain(net):
        return partial(_run_plain, net)
    run: Run = vmap(lambda params, buffers, x: forward(net, x, params, buffers))
    return run


def forward(net: nn.Module, x: Tensor, params: Any, buffers: Any) -> Tensor:
    """Run one net with other weights than its own."""
    out: Tensor = functional_call(net, (params, buffers), (x,))
    return out


def is_plain(net: nn.Module) -> bool:
    """Say whether a net is Flatten, then linear layers and ReLUs, without hooks or shared parts."""
    if type(net) is not nn.Sequential or len(net) == 0 or repr(net[0]) != repr(nn.Flatten()):
        return False
    hooks = any(m._forward_hooks or m._forward_pre_hooks for m in net.modules())
    shared = len(set(net)) < len(net)
    return not (hooks or shared) and all(
        type(layer) is nn.ReLU or (type(layer) is nn.Linear and layer.bias is not None)
        for layer in net[1:]
    )


def _run_plain(
    net: nn.Module, params: dict[str, Tensor], buffers: dict[str, Tensor], x: Tensor
) -> Tensor:
    h = x.flatten(2).mT  # (S, F, B)
    for name, layer in list(net.named_children())[1:]:
        if isinstance(layer, nn.ReLU):
            h = h.relu()
        else:
            bias = params[f"{name}.bias"][..., None]  # (S, H, 1)
            h = torch.baddbmm(bias, params[f"{name}.weight"], h)
    return h.mT
