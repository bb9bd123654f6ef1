"""Lesson 07 in another style."""

from typing import Any

import numpy as np
import torch
from scipy.spatial.distance import cdist

from distill_lessons.explain import quality, shap_adapters


def cosine_with_torch(a: Any, b: Any) -> Any:
    flat = [torch.as_tensor(v).flatten(1, -2) for v in (a, b)]
    return torch.nn.functional.cosine_similarity(*flat, dim=1).float()


def cosine_in_loops(a: Any, b: Any) -> list[list[float]]:
    return [
        [
            float(
                np.dot(p[..., k].ravel(), q[..., k].ravel())
                / np.sqrt(np.sum(p[..., k] ** 2) * np.sum(q[..., k] ** 2))
            )
            for k in range(a.shape[-1])
        ]
        for p, q in zip(a, b, strict=True)
    ]


def image_by_pairs(a: Any, b: Any) -> float:
    cosines = np.array([[np.mean(cosine_in_loops(p[None], q[None])) for q in b] for p in a])
    n = len(a)
    return float(np.trace(cosines) / n - (cosines.sum() - np.trace(cosines)) / (n * (n - 1)))


def image_with_scipy(a: Any, b: Any) -> Any:
    classes = range(a.shape[-1])
    flat = [[v[..., k].reshape(len(v), -1) for k in classes] for v in (a, b)]
    table = np.mean([1 - cdist(p, q, "cosine") for p, q in zip(*flat, strict=True)], axis=0)
    table = torch.from_numpy(table)
    off = table[~torch.eye(len(table), dtype=torch.bool)]
    return table.diagonal().mean() - off.mean()


def deletion_by_the_package(model: Any, x: Any, credit: Any, baseline: Any, k: int) -> Any:
    attributions = credit[None, ..., None].expand(*x.shape, model(x).shape[1])
    table = quality.curves(
        model, x, attributions, baseline=baseline, y=np.array([k]), steps=credit.numel(), seeds=1
    )
    falls = table[(table["kind"] == "deletion") & (table["order"] == "attribution")]
    return falls.sort_values("fraction")["score"].to_numpy()


def deletion_with_numpy(model: Any, x: Any, credit: Any, baseline: Any, k: int) -> Any:
    points, order = [], np.argsort(-credit.numpy().ravel(), kind="stable")
    for count in range(len(order) + 1):
        mixed = x.numpy().ravel().copy()
        mixed[order[:count]] = baseline.numpy().ravel()[order[:count]]
        z = model(torch.from_numpy(mixed).view(x.shape)).numpy()[0].astype(np.float64)
        points.append(np.exp(z[k]) / np.exp(z).sum())
    return np.array(points)


def agreements_kept_by_net(teacher: Any, students: Any, x: Any, background: Any) -> Any:
    kept = {
        net: shap_adapters.shap_values(net, x, background).values for net in (teacher, *students)
    }
    return np.array([np.mean(cosine_in_loops(kept[teacher], kept[net])) for net in students])


STYLES = {
    "map_cosine": [cosine_with_torch, cosine_in_loops],
    "this_image": [image_by_pairs, image_with_scipy],
    "deletion_curve": [deletion_by_the_package, deletion_with_numpy],
    "agreements": [agreements_kept_by_net],
}
