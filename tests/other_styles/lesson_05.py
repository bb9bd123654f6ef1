"""Lesson 05 in another style."""

from typing import Any

import numpy as np
import torch
from torch.nn import functional as F


def group_with_numpy(x: Any, group: Any, order: Any) -> Any:
    mixed = x.numpy().astype(np.float64).reshape(len(x), -1)
    mixed[:, group] = mixed[np.ix_(order, group)]
    return mixed.reshape(x.shape)


def group_image_by_image(x: Any, group: Any, order: Any) -> Any:
    mixed = x.clone()
    for i, other in enumerate(order):
        for j in group:
            mixed[i].view(-1)[j] = x[other].reshape(-1)[j]
    return mixed


def rises_with_numpy(model: Any, x: Any, y: Any, order: Any) -> Any:
    def loss(flat: np.ndarray) -> float:
        z = model(torch.from_numpy(flat).float().view_as(x)).numpy().astype(np.float64)
        q = np.exp(z) / np.exp(z).sum(1, keepdims=True)
        return float(-np.log(q[np.arange(len(y)), y]).mean())

    flat = x.flatten(1).numpy()
    found = []
    for j in range(flat.shape[1]):
        mixed = flat.copy()
        mixed[:, j] = flat[order.numpy(), j]
        found.append(loss(mixed) - loss(flat))
    return np.array(found)


def rises_image_by_image(model: Any, x: Any, y: Any, order: Any) -> list[float]:
    found = []
    for j in range(x[0].numel()):
        total = 0.0
        for i in range(len(x)):
            image = x[i : i + 1].clone()
            image.view(-1)[j] = x[order[i]].flatten()[j]
            total += F.cross_entropy(model(image), y[i : i + 1]).item()
            total -= F.cross_entropy(model(x[i : i + 1]), y[i : i + 1]).item()
        found.append(total / len(x))
    return found


def row_at_once(x: Any, group: Any, seed: int) -> Any:
    order = np.random.default_rng(seed).permutation(len(x))  # other dice are as good
    mixed = x.flatten(1).clone()
    mixed[:, group] = mixed[order][:, group]
    return mixed.view(x.shape)


def row_with_numpy(x: Any, group: Any, seed: int) -> Any:
    rows = x.numpy().reshape(len(x), -1).copy()
    part = rows[:, group.numpy()]
    np.random.default_rng(seed).shuffle(part)
    rows[:, group.numpy()] = part
    return rows.reshape(x.shape)


def exact_pair_by_pair(model: Any, x: Any, y: Any, j: int) -> float:
    before = float((model(x).argmax(1) == y).float().mean())
    hits = 0
    for i in range(len(x)):
        for k in range(len(x)):
            image = x[i : i + 1].clone()
            image.view(-1)[j] = x[k].flatten()[j]
            hits += int(model(image).argmax(1).item() == y[i].item())
    return before - hits / len(x) ** 2


STYLES = {
    "shuffle_group": [group_with_numpy, group_image_by_image],
    "loss_rises": [rises_with_numpy, rises_image_by_image],
    "row_together": [row_at_once, row_with_numpy],
    "exact_importance": [exact_pair_by_pair],
}
