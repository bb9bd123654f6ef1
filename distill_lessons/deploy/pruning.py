"""A net most of whose weights are zero: which stay is decided by their size.

A mask says which weights are left. It is a part of the net, so pruned nets are trained, stacked and
asked as any others, and a weight that was taken away stays away.

Source: Han et al. (2015), Learning both Weights and Connections for Efficient Neural Networks,
arXiv:1506.02626.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from distill_lessons import evaluation
from distill_lessons.settings import number


class Masked(nn.Linear):
    """A linear layer some of whose weights count as zero.

    Args:
        linear: the layer whose weights it takes over; all of them count at first.
    """

    def __init__(self, linear: nn.Linear) -> None:
        """Copy the weights, in their place and precision."""
        weight = linear.weight
        super().__init__(
            linear.in_features,
            linear.out_features,
            bias=linear.bias is not None,
            device=weight.device,
            dtype=weight.dtype,
        )
        self.load_state_dict(linear.state_dict())
        self.register_buffer("mask", torch.ones_like(weight))
        self.mask: Tensor

    def forward(self, x: Tensor) -> Tensor:
        """Return what the layer makes of `x` with the weights that are left."""
        return F.linear(x, self.weight * self.mask, self.bias)


def prunable(net: nn.Module) -> nn.Module:
    """Return a copy of a net whose linear layers have masks, none of them in use yet.

    Raises:
        TypeError: if it is no module.
        ValueError: if it has other layers with weights, or no linear layer.
    """
    evaluation.check_built(net)
    found = copy.deepcopy(net)
    for name, module in list(found.named_modules()):
        own = list(module.parameters(recurse=False))
        if isinstance(module, nn.Linear) and name:
            parent, _, child = name.rpartition(".")
            setattr(found.get_submodule(parent), child, Masked(module))
        elif own:
            raise ValueError(
                f"layer {name!r} ({type(module).__name__}) has weights that cannot be pruned "
                "here; give a net of linear layers, such as models.mlp(...)."
            )
    _masked(found)
    return found


def prune(net: nn.Module, share: float, *, together: bool = False) -> None:
    """Keep the largest weights of a net, in place; what was taken away before stays away.

    Args:
        net: from `prunable`.
        share: of all weights of a layer that are left afterwards, in (0, 1]; at least one.
        together: compare the weights of all layers with one another instead of each layer's own.
            Layers whose weights are small by nature may then lose all of them.

    Raises:
        TypeError: if `net` is no module.
        ValueError: if it is not from `prunable`, or `share` is out of range.
    """
    if not 0 < number("share", share) <= 1:
        raise ValueError(f"share={share} must be above 0 and at most 1: the part that is left.")
    layers = _masked(net)
    sizes = [layer.weight.detach().abs() * layer.mask for layer in layers]
    groups = [list(range(len(layers)))] if together else [[i] for i in range(len(layers))]
    for group in groups:
        flat = torch.cat([sizes[i].flatten() for i in group])
        kept = torch.zeros_like(flat)
        kept[flat.topk(max(1, round(share * len(flat)))).indices] = 1
        for i, mask in zip(group, kept.split([sizes[i].numel() for i in group]), strict=True):
            layers[i].mask.mul_(mask.view_as(layers[i].mask))


def left(net: nn.Module) -> list[int]:
    """Return how many weights each linear layer of a pruned net has left.

    Raises:
        TypeError: if `net` is no module.
        ValueError: if it is not from `prunable`.
    """
    return [int(layer.mask.sum()) for layer in _masked(net)]


def _masked(net: nn.Module) -> list[Masked]:
    evaluation.check_built(net)
    layers = [module for module in net.modules() if isinstance(module, Masked)]
    if not layers:
        raise ValueError(
            f"net={type(net).__name__} has no layer with a mask; give what pruning.prunable "
            "returned for a net of linear layers."
        )
    return layers
