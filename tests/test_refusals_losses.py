"""Losses, stacks and sweeps: what is odd and right, and what only they refuse."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from strays import (
    NO_LABELS,
    UNKNOWN_LABEL,
    Answers,
    N,
    S,
    Table,
    X,
    Y,
    Z,
    cases,
    check_refused,
    net,
    weights,
)
from torch import Tensor, nn

from distill_lessons import losses, models, sweep
from distill_lessons.data import Split
from distill_lessons.fast.stacking import fit_many, predict_many
from distill_lessons.objectives import cross_entropy

MASKED = {"a mask": Split(X, Y, X > 0)}


def pair() -> list[nn.Module]:
    return [net(0), net(1)]


def kd(**changes: Any) -> Tensor:
    given = {"student_logits": Z, "teacher_logits": 2 * Z, "labels": Y, "T": 2.0, "alpha": 0.5}
    given |= changes
    z_s, z_t, y = (given.pop(k) for k in ("student_logits", "teacher_logits", "labels"))
    return losses.kd_loss(z_s, z_t, y, **given)


def many(**changes: Any) -> None:
    students = changes.pop("students", None) or pair()
    split, z = changes.pop("split", S), changes.pop("z_teacher", Z)
    fit_many(students, split, z, **({"steps": 1, "alpha": 0.5, "T": 2.0} | changes))


def swept(**changes: Any) -> object:
    given: dict[str, Any] = {
        "build": net, "transfer": S, "z_teacher": Z, "measure": S,
        "Ts": [2.0], "alphas": [0.5], "seeds": [0], "steps": 1,
    }  # fmt: skip
    given |= changes
    front = [given.pop(k) for k in ("build", "transfer", "z_teacher", "measure")]
    return sweep.sweep(*front, **given)


TABLE: Table = {
    "kd_loss labels": (
        "labels",
        lambda v: losses.kd_loss(Z, 2 * Z, v, T=2.0, alpha=0.5),
        {"bytes": Y.byte(), "a column": Y[:, None]},
    ),
    "fit_many split": (
        r"split|transfer|\bx\b",
        lambda v: many(split=v),
        UNKNOWN_LABEL | MASKED | {"soft": NO_LABELS["soft"]},
    ),
    "fit_many split without labels": (
        "alpha=0.5",
        lambda v: many(split=v),
        {"none": NO_LABELS["none"]},
    ),
    "fit_many seeds": ("seed", lambda v: many(seeds=v), {"None": [None, 1]}),
    "fit_many rows": ("rows", lambda v: many(rows=v), {"a mask": torch.ones(2, N) > 0}),
    "fit_many loss": (
        "loss",
        lambda v: fit_many(pair(), S, steps=1, loss=v),
        {"a module": nn.CrossEntropyLoss()},
    ),
    "predict_many x": (r"\bx\b", lambda v: predict_many(pair(), v), {"bytes": X.byte()}),
    "measure_many students": (
        "students",
        lambda v: sweep.measure_many(v, S),
        {"diverged": [Answers(lambda x: x[:, :3] * math.nan)]},
    ),
    "measure_many split": ("split", lambda v: sweep.measure_many(pair(), v), MASKED),
    "sweep transfer": (r"split|transfer", lambda v: swept(transfer=v), UNKNOWN_LABEL | MASKED),
    "sweep measure": ("measure", lambda v: swept(measure=v), MASKED),
}


@pytest.mark.parametrize(("said", "call", "value"), cases(TABLE))
def test_bad_argument_is_refused_by_name(said: str, call, value) -> None:
    check_refused(said, call, value)


# ---- What looks odd and is right -----------------------------------------------------------------


@pytest.mark.parametrize("student", [torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("teacher", [torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("T", [1.0, 4.0, 1e4])
def test_logits_of_any_two_precisions_give_one_loss(student, teacher, T: float) -> None:
    z_s, z_t = Z.half(), (2 * Z).half()  # numbers that all three hold
    expected = kd(student_logits=z_s.double(), teacher_logits=z_t.double(), T=T)
    found = kd(student_logits=z_s.to(student), teacher_logits=z_t.to(teacher), T=T)
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=0)
    found = losses.kl_divergence(z_t.to(teacher), z_s.to(student), T)
    expected = losses.kl_divergence(z_t.double(), z_s.double(), T)
    torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=0)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16])
def test_stacks_take_images_of_another_precision(dtype: torch.dtype) -> None:
    there = Split(X.to(dtype), Y)
    back = Split(X.to(dtype).float(), Y)
    assert torch.equal(predict_many(pair(), there.x), predict_many(pair(), back.x))
    assert sweep.measure_many(pair(), there).equals(sweep.measure_many(pair(), back))
    first, second = pair(), pair()
    fit_many(first, there, Z, steps=3, alpha=0.5, T=2.0)
    fit_many(second, back, Z, steps=3, alpha=0.5, T=2.0)
    for a, b in zip(first, second, strict=True):
        torch.testing.assert_close(weights(a), weights(b), atol=1e-6, rtol=0)


def test_stacks_take_numpys_numbers_and_logits_with_a_gradient() -> None:
    first, second = pair(), pair()
    tracked = Z.clone().requires_grad_()
    seeds, odd = np.array([4, 7]), np.int64(3)
    fit_many(first, S, tracked, steps=odd, batch_size=odd, alpha=0.5, seeds=seeds, chunk=odd)
    fit_many(second, S, Z, steps=3, batch_size=3, alpha=0.5, seeds=[4, 7], chunk=3)
    assert all(torch.equal(weights(a), weights(b)) for a, b in zip(first, second, strict=True))
    assert tracked.grad is None


def test_a_stacks_batch_larger_than_the_split_is_the_split() -> None:
    first, second = pair(), pair()
    fit_many(first, S, steps=3, batch_size=10**30, loss=cross_entropy)
    fit_many(second, S, steps=3, batch_size=N, loss=cross_entropy)
    assert all(torch.equal(weights(a), weights(b)) for a, b in zip(first, second, strict=True))


def test_images_of_another_size_are_answered_by_stacks_of_any_net() -> None:
    for build in (models.mlp, models.cnn):
        students = [build((1, 4, 4), 3, seed=s) for s in range(2)]
        with pytest.raises(ValueError, match=r"^the model cannot take x of shape \(20, 2, 4, 4\)"):
            predict_many(students, torch.rand(20, 2, 4, 4))
