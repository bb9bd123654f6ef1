"""Lesson 06 in another style."""

from collections import OrderedDict
from itertools import permutations
from typing import Any

import numpy as np
import torch
from torch import nn


def by_orders(value: Any, n: int, r: int) -> float:
    brought = []
    for order in permutations(range(n)):
        place = order.index(r)
        brought.append(value(order[: place + 1]) - value(order[:place]))
    return float(np.mean(brought))


def by_bits(value: Any, n: int, r: int) -> Any:
    share = np.float64(0)
    for mask in range(2**n):
        members = frozenset(p for p in range(n) if mask >> p & 1)
        if r not in members:
            size = len(members)
            weight = 1 / n
            for k in range(size):  # 1 / (n · C(n − 1, size)), factor by factor
                weight *= (k + 1) / (n - 1 - k)
            share += weight * (value(members | {r}) - value(members))
    return share


def value_with_numpy(model: Any, image: Any, background: Any, present: Any) -> Any:
    mixed = background.numpy().reshape(len(background), -1).copy()
    mixed[:, present.numpy()] = image.numpy().ravel()[present.numpy()]
    z = model(torch.from_numpy(mixed).view(background.shape)).numpy().astype(np.float64)
    return z.mean(0) - z.mean()


def value_in_a_loop(model: Any, image: Any, background: Any, present: Any) -> Any:
    total = 0
    for other in background.double():
        mixed = other.clone()
        for feature in present.tolist():
            mixed.view(-1)[feature] = image.view(-1)[feature]
        z = model(mixed[None].float())[0].double()
        total = total + (z - z.sum() / len(z))
    return total / len(background)


def net_by_name(linears: Any) -> nn.Module:
    named = OrderedDict([("flat", nn.Flatten())])
    for i, linear in enumerate(linears):
        if i:
            named[f"relu{i}"] = nn.ReLU()
        named[f"linear{i}"] = linear
    return nn.Sequential(named)


class Listed(nn.Module):
    def __init__(self, linears: Any) -> None:
        super().__init__()
        self.linears = nn.ModuleList(linears)
        self.relus = nn.ModuleList(nn.ReLU() for _ in linears[1:])

    def forward(self, x: torch.Tensor) -> Any:
        h = self.linears[0](x.reshape(len(x), -1))
        for relu, linear in zip(self.relus, self.linears[1:], strict=True):
            h = linear(relu(h))
        return h


STYLES = {
    "shapley_share": [by_orders, by_bits],
    "coalition_value": [value_with_numpy, value_in_a_loop],
    "build_net": [net_by_name, Listed],
}
