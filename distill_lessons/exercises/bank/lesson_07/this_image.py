"""The missing control."""

from __future__ import annotations

import numpy as np

from distill_lessons.exercises.dice import mixed
from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import Case


def _two_models(seed: int) -> list[Case]:
    rng = np.random.default_rng(mixed(seed))
    every = []
    sizes = ((3, (1, 1, 3), 1), (5, (2, 2, 3), 4), (4, (1, 1, 2), 1), (4, (1, 2, 2), 2))
    for n, shape, classes in sizes:
        # What is drawn for every image; without it cosines of other images may be negative.
        common = (n != 4) * rng.normal(size=(1, *shape, classes))
        mine = rng.normal(size=(n, *shape, classes))
        a, b = (common + mine + 0.3 * rng.normal(size=mine.shape) for _ in range(2))
        words = f"{n} images of shape {shape}, {classes} class{'es' if classes > 1 else ''}"
        if shape == (1, 2, 2):
            words, b = f"{words}, each beside the map of another one", np.roll(b, 1, axis=0)
        every.append(Case(words, (a, b)))
    return every


exercise = Exercise(
    title="The missing control",
    kind="code",
    difficulty="medium",
    importance="high",
    minutes=8,
    points=2,
    hints=(
        "`np.roll(b, 1, axis=0)` sets each map of the teacher beside the student's map of the "
        "image before. Which shifts are there with N images?",
        "The shifts 1 to N − 1 together go through all pairs of two different images; shift 0 "
        "is the agreement on the same image.",
        "`similarity.cosine(a, np.roll(b, shift, axis=0)).mean()` for each shift, then their mean.",
    ),
    cases=_two_models,
)

# ==== Judging =====================================================================================

from distill_lessons.exercises.bank.lesson_07.common import Map, beside
from distill_lessons.exercises.parts import Judging, Mistake


def _others(table: Map) -> Map:
    return table[~np.eye(len(table), dtype=bool)]


def _upper(table: Map) -> Map:
    return table[np.triu_indices(len(table), 1)]


def _above_others(a: Map, b: Map) -> float:
    same, table = beside(a, b)
    return float(same.mean() - _others(table).mean())


judging = Judging(
    reference=_above_others,
    mistakes=(
        Mistake(
            "the same image among the others",
            lambda a, b: float(beside(a, b)[0].mean() - beside(a, b)[1].mean()),
            "The same image is among your others. Leave out i = j, or the control holds what it "
            "should be compared with.",
        ),
        Mistake(
            "the control alone",
            lambda a, b: float(_others(beside(a, b)[1]).mean()),
            "This is the agreement across images. By how much is it higher on the same image?",
        ),
        Mistake(
            "the agreement alone",
            lambda a, b: float(beside(a, b)[0].mean()),
            "This is the agreement on the same image. What do the maps of other images reach?",
        ),
        Mistake(
            "one neighbour",
            lambda a, b: float(beside(a, b)[0].mean() - beside(a, np.roll(b, 1, axis=0))[0].mean()),
            "You compared with one other image each. Take the mean over all others.",
        ),
        Mistake(
            "each pair once",
            lambda a, b: float(beside(a, b)[0].mean() - _upper(beside(a, b)[1]).mean()),
            "You took pairs with i < j only. But a[i] beside b[j] is not a[j] beside b[i]: the two "
            "models differ, so both count.",
        ),
        Mistake(
            "all classes in one vector",
            lambda a, b: _above_others(*(v.reshape(*v.shape[:-2], -1, 1) for v in (a, b))),
            "You made one vector of all classes of an image. As in exercise 1, each class has a "
            "cosine of its own; take their mean.",
        ),
        Mistake(
            "one model's own maps",
            lambda a, b: float(beside(a, b)[0].mean() - _others(beside(a, a)[1]).mean()),
            "Your control compares maps of one and the same model. Keep the two models, and change "
            "only the image.",
        ),
        Mistake(
            "others minus same",
            lambda a, b: -_above_others(a, b),
            "The sign is wrong: same image minus other images.",
        ),
    ),
)

# ==== Solution ====================================================================================

from typing import Any

import torch
from scipy.spatial.distance import cdist

from distill_lessons.explain import similarity


# Every shift from 1 to N − 1 sets each image beside another one; together they are all pairs.
# With deep SHAP the second mean is near zero by construction: x explained against b is minus b
# explained against x. Harder to pass is another image of the *same* class, b[mate]: 0.40 of 0.99
# remain there, but about as much between two maps of one net that has learned nothing.
def this_image(a, b):
    others = [similarity.cosine(a, np.roll(b, shift, axis=0)).mean() for shift in range(1, len(a))]
    return similarity.cosine(a, b).mean() - np.mean(others)


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


other_ways = [image_by_pairs, image_with_scipy]
