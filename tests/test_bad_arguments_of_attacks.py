"""What attacks, mishaps, temperatures and guesses at membership do with all that may be given."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from arguments import (
    COUNT,
    FINE,
    IMAGES,
    LABELS,
    LOGITS,
    MODEL,
    NO_NUMBER,
    NO_TENSOR,
    NOT_FINITE,
    ON_META,
    OTHER_NUMBERS,
    OTHER_PRECISION,
    RATE,
    REFUSED,
    SAME,
    SEED,
    WORD,
    G,
    N,
    Row,
    X,
    Y,
    Z,
    made,
    net,
    refused,
    table_tests,
)

from distill_lessons.robust import attacks, corruptions, membership
from distill_lessons.robust.stack import Stack
from distill_lessons.robust.temperature import fit_temperature

EPS = (
    NO_NUMBER
    | refused(negative=-0.1, nan=math.nan, inf=math.inf)
    | OTHER_NUMBERS
    | made(FINE, zero=lambda good: 0.0, huge=lambda good: 1e6)
)
BOUNDS = refused(
    none=None,
    text="01",
    one_number=1.0,
    three=(0.0, 0.5, 1.0),
    reversed=(1.0, 0.0),
    equal=(0.0, 0.0),
    nan=(0.0, math.nan),
    open=(0.0, math.inf),
    words=("a", "b"),
) | made(SAME, a_list=list, numpy=lambda good: tuple(map(np.float32, good)))
NARROW = made(REFUSED, narrow=lambda good: (0.4, 0.6))  # images reach out of it
PIXELS = IMAGES | NOT_FINITE | made(
    REFUSED, whole=lambda good: (9 * good).long(), empty=lambda good: good[:0]
)  # fmt: skip
IN_RANGE = made(REFUSED, too_bright=lambda good: good + 0.5, too_dark=lambda good: good - 0.5)
# Of any size, where they are not given to a net.
ANY_SIZE = {("x", "smaller"): None, ("x", "three_channels"): None}
START = PIXELS | made(FINE, none=lambda good: None)


def attacked() -> dict[str, Any]:
    return {"model": net(), "x": X.clone(), "y": Y.clone(), "loss": "margin"}


ATTACKED = {"model": MODEL, "x": PIXELS, "y": LABELS, "loss": WORD}
LOSSES = (
    refused(none=None, text="x", a_number=3, empty=[], two_axes=np.ones((2, 2)))
    | made(REFUSED, nan=lambda good: [*good, math.nan], words=lambda good: ["a", "b"])
    | made(SAME, a_list=list, tensor=torch.tensor, single=lambda good: good.astype(np.float32))
)


def told() -> dict[str, Any]:
    return {"members": np.array([0.125, 0.25, 1.5]), "others": np.array([0.5, 1.0, 2.0, 1.25])}


TABLE = {
    "robust.attacks.image_losses": Row(
        attacks.image_losses,
        lambda: {"z": Z.clone(), "y": Y.clone(), "loss": "margin"},
        {"z": LOGITS, "y": LABELS, "loss": WORD},
    ),
    "robust.attacks.slope": Row(attacks.slope, attacked, ATTACKED),
    "robust.attacks.fgsm": Row(
        attacks.fgsm,
        lambda: attacked() | {"eps": 0.125, "bounds": (0.0, 1.0)},
        ATTACKED | {"x": PIXELS | IN_RANGE, "eps": EPS, "bounds": BOUNDS | NARROW},
    ),
    "robust.attacks.pgd": Row(
        attacks.pgd,
        lambda: (
            attacked()
            | {"eps": 0.125, "steps": 3, "step_size": 0.0625, "bounds": (0.0, 1.0)}
            | {"start": attacks.random_start(X, 0.1, seed=0), "batch_size": 4}
        ),
        ATTACKED
        | {"x": PIXELS | IN_RANGE, "eps": EPS, "bounds": BOUNDS | NARROW, "batch_size": COUNT}
        | {"steps": COUNT, "step_size": RATE, "start": START},
        but={("step_size", "none"): FINE},
    ),
    "robust.attacks.into_ball": Row(
        attacks.into_ball,
        lambda: {"changed": X + 0.2, "x": X.clone(), "eps": 0.125, "bounds": (0.0, 1.0)},
        {
            "changed": NO_TENSOR
            | ON_META
            | OTHER_PRECISION
            | NOT_FINITE
            | made(REFUSED, smaller=lambda good: good[..., 1:]),
            "x": NO_TENSOR
            | ON_META
            | OTHER_PRECISION
            | NOT_FINITE
            | made(REFUSED, fewer=lambda good: good[1:]),
            "eps": EPS,
            "bounds": BOUNDS,
        },
    ),
    "robust.attacks.random_start": Row(
        attacks.random_start,
        lambda: {"x": X.clone(), "eps": 0.125, "seed": 3},
        {
            "x": NO_TENSOR
            | ON_META
            | OTHER_PRECISION
            | made(REFUSED, whole=lambda good: good.long()),
            "eps": EPS,
            "seed": SEED,
        },
    ),
    "robust.corruptions.noisy": Row(
        corruptions.noisy,
        lambda: {"x": X.clone(), "std": 0.25, "seed": 3},
        {"x": PIXELS | IN_RANGE, "std": EPS, "seed": SEED},
        but=ANY_SIZE,
    ),
    "robust.corruptions.shifted": Row(
        corruptions.shifted,
        lambda: {"x": X.clone(), "pixels": 1, "seed": 3},
        {"x": PIXELS | IN_RANGE, "pixels": COUNT | refused(too_far=4), "seed": SEED},
        but=ANY_SIZE | {("pixels", "zero"): FINE},
    ),
    "robust.corruptions.covered": Row(
        corruptions.covered,
        lambda: {"x": X.clone(), "size": 2, "seed": 3, "value": 0.5},
        {
            "x": PIXELS | IN_RANGE,
            "size": COUNT | refused(too_large=5),
            "seed": SEED,
            "value": NO_NUMBER | OTHER_NUMBERS | refused(negative=-0.1, above=1.1, nan=math.nan),
        },
        but=ANY_SIZE | {("size", "zero"): FINE},
    ),
    "robust.temperature.fit_temperature": Row(
        fit_temperature,
        lambda: {"z": Z.clone(), "y": Y.clone()},
        {"z": LOGITS, "y": LABELS},
    ),
    "robust.membership.auroc": Row(membership.auroc, told, {"members": LOSSES, "others": LOSSES}),
    "robust.membership.best_threshold": Row(
        membership.best_threshold, told, {"members": LOSSES, "others": LOSSES}
    ),
    "robust.membership.advantage": Row(
        membership.advantage,
        lambda: told() | {"threshold": 0.5},
        {
            "members": LOSSES,
            "others": LOSSES,
            "threshold": NO_NUMBER | OTHER_NUMBERS | refused(nan=math.nan),
        },
    ),
}
MODULES = [f"robust.{name}" for name in ("attacks", "corruptions", "temperature", "membership")]
(
    test_an_argument_is_taken_or_refused_by_name,
    test_the_table_knows_every_public_function,
    test_the_table_knows_every_argument,
) = table_tests(TABLE, {}, MODULES)


def test_a_stack_refuses_what_it_cannot_hold() -> None:
    with pytest.raises(ValueError, match="students is empty"):
        Stack([])
    with pytest.raises(TypeError, match="list of nets"):
        Stack(net())
    shared = torch.nn.Linear(3, 3)
    with pytest.raises(ValueError, match="one by one"):
        Stack([torch.nn.Sequential(torch.nn.Flatten(), shared, shared)])
    stack = Stack([net(0), net(1)])
    for x in (X, X.expand(3, *X.shape)):
        with pytest.raises(ValueError, match="stack of 2 nets; give each"):
            stack(x)
    with pytest.raises(ValueError, match="y has shape"):
        attacks.pgd(stack, X.expand(2, *X.shape), Y, eps=0.1)
    y = torch.randint(3, (2, N), generator=G)
    assert attacks.fgsm(stack, X.expand(2, *X.shape), y, eps=0.1).shape == (2, *X.shape)
