"""Agreement in code."""

from __future__ import annotations

import numpy as np

from distill_lessons.exercises.dice import mixed
from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import Case
from distill_lessons.explain import similarity


def _maps(seed: int) -> list[Case]:
    rng = np.random.default_rng(mixed(seed))
    a = np.array([3.0, 4.0]).reshape(1, 1, 1, 2, 1)
    b = np.array([4.0, 3.0]).reshape(1, 1, 1, 2, 1)
    # Related maps of unequal size, so that it matters over what the sums run.
    size = np.array([1.0, 5.0, 1e-3, -2.0]).reshape(4, 1, 1, 1, 1)
    one, noise = rng.normal(size=(2, 4, 2, 2, 3, 3))
    return [
        Case("a = (3, 4) and b = (4, 3), one image of two pixels, one class", (a, b)),
        Case("4 images of shape (2, 2, 3), 3 classes", (size * one, one + noise)),
    ]


exercise = Exercise(
    title="Agreement in code",
    kind="code",
    difficulty="easy",
    importance="high",
    minutes=6,
    hints=(
        "Pixels and channels are what a map consists of; images and classes count the maps. Over "
        "which axes do the three sums run?",
        "`a.reshape(len(a), -1, a.shape[-1])` has shape `(N, D, K)`; sum over axis 1.",
    ),
    not_by=(similarity.cosine,),
    cases=_maps,
)

# ==== Judging =====================================================================================

from typing import Any

from distill_lessons.exercises.bank.lesson_07.common import Map
from distill_lessons.exercises.parts import Judging, Mistake
from distill_lessons.explain import similarity


def _ratio(a: Map, b: Map, axes: Any, *, keep: bool = True) -> Map:
    """Return the cosine over some axes, spread over `(N, K)` if they are not the right ones."""
    dot = (a * b).sum(axes, keepdims=keep)
    return np.asarray(
        dot / np.sqrt((a**2).sum(axes, keepdims=keep) * (b**2).sum(axes, keepdims=keep))
    )


def _classes_mixed(v: Map) -> Map:
    """Return `(N, 1, 1, D, K)` as an unlucky reshape gives it: classes and pixels mixed."""
    return v.reshape(len(v), v.shape[-1], -1).swapaxes(1, 2)[:, None, None]


judging = Judging(
    reference=similarity.cosine,
    mistakes=(
        Mistake(
            "all images in one vector",
            lambda a, b: _ratio(a, b, None, keep=False),
            "You made one vector of all images and classes, in which the large maps drown the "
            "small ones. Each image and class has a cosine of its own.",
        ),
        Mistake(
            "all classes in one vector",
            lambda a, b: _ratio(a, b, (1, 2, 3, 4), keep=False),
            "You made one vector of all classes of an image. Each class has a cosine of its own.",
        ),
        Mistake(
            "over the images too",
            lambda a, b: _ratio(a, b, (0, 1, 2, 3), keep=False),
            "You summed over the images as well. Each image has a cosine of its own.",
        ),
        Mistake(
            "not normed",
            lambda a, b: (a * b).sum((1, 2, 3)),
            "The product is not divided by the two norms, so a bolder map seems to agree more.",
        ),
        Mistake(
            "sizes only",
            lambda a, b: _ratio(np.abs(a), np.abs(b), (1, 2, 3), keep=False),
            "The signs are lost: a map that says the opposite would agree perfectly.",
        ),
        Mistake(
            "absolute",
            lambda a, b: np.abs(_ratio(a, b, (1, 2, 3), keep=False)),
            "The sign of the cosine is lost. A map that says the opposite has the cosine −1.",
        ),
        Mistake(
            "never negative",
            lambda a, b: _ratio(a, b, (1, 2, 3), keep=False).clip(0),
            "Your cosines are never negative. A map that says the opposite has the cosine −1.",
        ),
        Mistake(
            "classes mixed",
            lambda a, b: _ratio(_classes_mixed(a), _classes_mixed(b), (1, 2, 3), keep=False),
            "Your maps mix pixels of several classes: `reshape(N, K, -1)` reads the numbers in "
            "their order, and K is the last axis. Keep it last, or move it first.",
        ),
        Mistake(
            "channels summed first",
            lambda a, b: _ratio(a.sum(1), b.sum(1), (1, 2), keep=False),
            "You summed the channels before the cosine, so credit for and against in one place "
            "cancels. Each channel of each pixel is an entry of the vector.",
        ),
        Mistake(
            "already averaged",
            lambda a, b: _ratio(a, b, (1, 2, 3), keep=False).mean(),
            "This is the mean of the cosines. Return them all, shape (N, K).",
        ),
    ),
)

# ==== Solution ====================================================================================

import torch


# Pixels and channels become one axis, and the three sums run over it alone.
def map_cosine(a, b):
    a, b = (v.reshape(len(v), -1, v.shape[-1]) for v in (a, b))  # (N, D, K)
    return (a * b).sum(1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1))


def cosine_with_torch(a: Any, b: Any) -> Any:
    a, b = (torch.as_tensor(v).flatten(1, -2) for v in (a, b))
    return torch.nn.functional.cosine_similarity(a, b, dim=1).float()


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


other_ways = [cosine_with_torch, cosine_in_loops]

borrowed = [similarity.cosine, lambda a, b: similarity.cosine(a, b)]
