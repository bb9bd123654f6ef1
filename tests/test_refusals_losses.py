"""Bad arguments of losses, stacks and sweeps: the right result, or a sentence that names them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from strays import (
    LAZY,
    NO_FUNCTION,
    NO_LABELS,
    NO_NUMBER,
    NO_RATE,
    NO_SPLIT,
    NO_TENSOR,
    NO_WHOLE,
    TOO_SMALL,
    UNFIT,
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

NO_Z = {
    "None": None,
    "NumPy": Z.numpy(),
    "a list": Z.tolist(),
    "flat": Z[:, 0],
    "one class": Z[:, :1],
    "no row": Z[:0],
    "NaN": Z * math.nan,
    "infinity": Z * math.inf,
    "whole numbers": Z.long(),
}
NO_Y = {
    "NumPy": Y.numpy(),
    "a list": Y.tolist(),
    "floats": Y.float(),
    "bytes": Y.byte(),
    "a column": Y[:, None],
    "too few": Y[:3],
    "label 3": Y + 1,
    "label -1": Y - 1,
}
NO_T = NO_NUMBER | TOO_SMALL | {"NaN": math.nan, "infinity": math.inf}
NO_ALPHA = NO_NUMBER | {"negative": -0.1, "above 1": 1.1, "NaN": math.nan}
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
    "soft_targets logits": ("logits", losses.soft_targets, NO_Z),
    "soft_targets T": (r"\bT=", lambda v: losses.soft_targets(Z, v), NO_T),
    "kd_loss student_logits": ("student_logits", lambda v: kd(student_logits=v), NO_Z),
    "kd_loss teacher_logits": (
        "teacher_logits",
        lambda v: kd(teacher_logits=v),
        NO_Z | {"K 2": Z[:, :2], "too few": Z[:3]},
    ),
    "kd_loss labels": ("labels", lambda v: kd(labels=v), NO_Y | {"None with alpha": None}),
    "kd_loss T": (r"\bT=", lambda v: kd(T=v), NO_T),
    "kd_loss alpha": ("alpha", lambda v: kd(alpha=v), NO_ALPHA),
    "kl_divergence teacher": ("teacher_logits", lambda v: losses.kl_divergence(v, Z), NO_Z),
    "kl_divergence student": ("student_logits", lambda v: losses.kl_divergence(Z, v), NO_Z),
    "kl_divergence T": (r"\bT=", lambda v: losses.kl_divergence(Z, Z, v), NO_T),
    "logit_matching student": ("student_logits", lambda v: losses.logit_matching(v, Z), NO_Z),
    "logit_matching teacher": ("teacher_logits", lambda v: losses.logit_matching(Z, v), NO_Z),
    "entropy probabilities": (
        "probabilities",
        losses.entropy,
        {k: v for k, v in NO_Z.items() if k not in ("one class", "no row")} | {"logits": Z},
    ),
    "centred logits": (
        "logits",
        losses.centred,
        {"None": None, "NumPy": Z.numpy(), "whole numbers": Z.long()},
    ),
    "fit_many students": (
        "students",
        lambda v: fit_many(v, S, steps=1),
        {"None": None, "a net": net(), "none": [], "numbers": [1, 2], "unlike": [net(), nn.ReLU()]}
        | {"one net twice": [net()] * 2, "lazy": list(LAZY.values())},
    ),
    "fit_many split": (
        r"split|transfer|\bx\b",
        lambda v: many(split=v),
        NO_SPLIT | UNKNOWN_LABEL | UNFIT | MASKED | {"soft": NO_LABELS["soft"]},
    ),
    "fit_many split without labels": (
        "alpha=0.5",
        lambda v: many(split=v),
        {"none": NO_LABELS["none"]},
    ),
    "fit_many z_teacher": (
        "z_teacher",
        lambda v: many(z_teacher=v),
        NO_Z | {"K 2": Z[:, :2], "too few": Z[:3], "another device": Z.to("meta")},
    ),
    "fit_many steps": ("steps", lambda v: many(steps=v), NO_WHOLE | TOO_SMALL),
    "fit_many batch_size": ("batch_size", lambda v: many(batch_size=v), NO_WHOLE | TOO_SMALL),
    "fit_many chunk": ("chunk", lambda v: many(chunk=v), NO_WHOLE | TOO_SMALL),
    "fit_many lr": ("lr", lambda v: many(lr=v), NO_RATE),
    "fit_many T": (
        r"\bT\b",
        lambda v: many(T=v),
        {k: v for k, v in NO_T.items() if k != "two numbers"} | {"three": [1.0, 2.0, 3.0]},
    ),
    "fit_many alpha": (
        r"\balpha\b",
        lambda v: many(alpha=v),
        {k: v for k, v in NO_ALPHA.items() if k != "two numbers"} | {"three": [0.1, 0.2, 0.3]},
    ),
    "fit_many seeds": (
        "seed",
        lambda v: many(seeds=v),
        {"a number": 3, "text": "ab", "floats": [0.5, 1.5], "too few": [1], "None": [None, 1]},
    ),
    "fit_many rows": (
        "rows",
        lambda v: many(rows=v),
        {"a list": [[0], [1]], "NumPy": np.zeros((2, 3), int), "floats": torch.zeros(2, 3)}
        | {"flat": torch.tensor([0, 1]), "too far": torch.tensor([[0], [N]]), "text": "ab"}
        | {"none": torch.zeros(2, 0).long(), "a mask": torch.ones(2, N) > 0},
    ),
    "fit_many loss": (
        "loss",
        lambda v: fit_many(pair(), S, steps=1, loss=v),
        NO_FUNCTION | {"a module": nn.CrossEntropyLoss()},
    ),
    "predict_many students": (
        "students",
        lambda v: predict_many(v, X),
        {"None": None, "a net": net(), "none": [], "numbers": [1, 2], "unlike": [net(), nn.ReLU()]},
    ),
    "predict_many x": (
        r"\bx\b",
        lambda v: predict_many(pair(), v),
        NO_TENSOR | {k: s.x for k, s in UNFIT.items()} | {"flat": X.flatten(), "bytes": X.byte()},
    ),
    "predict_many chunk": (
        "chunk",
        lambda v: predict_many(pair(), X, chunk=v),
        NO_WHOLE | TOO_SMALL,
    ),
    "measure_many students": (
        "students",
        lambda v: sweep.measure_many(v, S),
        {"None": None, "none": [], "diverged": [Answers(lambda x: x[:, :3] * math.nan)]},
    ),
    "measure_many split": (
        r"split|\bx\b",
        lambda v: sweep.measure_many(pair(), v),
        NO_SPLIT | NO_LABELS | UNKNOWN_LABEL | UNFIT | MASKED,
    ),
    "sweep build": ("build|students", lambda v: swept(build=v), {"None": None, "3": lambda s: 3}),
    "sweep transfer": (
        r"split|transfer|\bx\b",
        lambda v: swept(transfer=v),
        NO_SPLIT | UNKNOWN_LABEL | UNFIT | MASKED,
    ),
    "sweep measure": (
        r"measure|\bx\b",
        lambda v: swept(measure=v),
        NO_SPLIT | NO_LABELS | UNKNOWN_LABEL | UNFIT | MASKED,
    ),
    "sweep z_teacher": ("z_teacher", lambda v: swept(z_teacher=v), NO_Z),
    "sweep Ts": (
        r"\bT",
        lambda v: swept(Ts=v),
        {"None": None, "a number": 4.0, "none": [], "negative": [-1.0], "text": ["a"]},
    ),
    "sweep alphas": (
        "alpha",
        lambda v: swept(alphas=v),
        {"None": None, "a number": 0.5, "none": [], "above 1": [2.0], "text": ["a"]},
    ),
    "sweep seeds": (
        "seed",
        lambda v: swept(seeds=v),
        {"None": None, "a number": 3, "none": [], "floats": [0.5], "text": ["a"]},
    ),
    "sweep steps": ("steps", lambda v: swept(steps=v), NO_WHOLE | TOO_SMALL),
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
