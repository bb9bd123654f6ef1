"""Outputs by hand, and against torch."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
import torch
from torch.distributions import Categorical

from distill_lessons.explain import output

# logarithms of probabilities, so that softmax gives them back
P = np.array([[0.7, 0.2, 0.1], [0.1, 0.5, 0.4], [0.25, 0.35, 0.4], [0.0, 1.0, 0.0]])
Z = np.log(np.maximum(P, 1e-300)) + np.array([[1.0], [-2.0], [0.0], [0.0]])  # a shift is not seen
Y = np.array([0, 2, 1, 1])


def test_by_hand() -> None:
    np.testing.assert_allclose(output.confidence(Z), [0.7, 0.5, 0.4, 1.0])
    np.testing.assert_allclose(output.margin(Z), [0.5, 0.1, 0.05, 1.0])
    np.testing.assert_allclose(output.margin(Z, Y), [0.5, -0.1, -0.05, 1.0])
    # −.7 ln .7 − .2 ln .2 − .1 ln .1 and so on; 0 ln 0 counts 0
    np.testing.assert_allclose(output.entropy(Z), [0.8018, 0.9433, 1.0805, 0.0], atol=5e-5)


@pytest.mark.parametrize("T", [0.5, 1.0, 20.0])
def test_against_torch(T: float) -> None:
    z = torch.randn(50, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 5
    p = (z / T).softmax(1)
    np.testing.assert_allclose(output.probabilities(z, T=T), p, rtol=1e-12)
    np.testing.assert_allclose(
        output.entropy(z, T=T), Categorical(p).entropy(), rtol=1e-9, atol=1e-12
    )
    top = p.topk(2).values
    np.testing.assert_allclose(output.confidence(z, T=T), top[:, 0], rtol=1e-12)
    np.testing.assert_allclose(output.margin(z, T=T), top[:, 0] - top[:, 1], atol=1e-12)


def test_large_logits_do_not_overflow() -> None:
    z = np.array([[1e4, 0.0], [-1e4, -1e4]])
    np.testing.assert_allclose(output.probabilities(z), [[1, 0], [0.5, 0.5]])
    np.testing.assert_allclose(output.entropy(z), [0, np.log(2)], atol=1e-12)


def test_summary_and_cases() -> None:
    table = output.summary(Z, Y)
    assert table["predicted"].tolist() == [0, 1, 2, 1]
    assert table["second"].tolist()[:3] == [1, 2, 1]
    assert table["correct"].tolist() == [True, False, False, True]
    picked = output.cases(Z, Y, n=1)
    # surest right: 3; largest entropy: 2; surest mistake: 1
    assert picked[["case", "input"]].to_numpy().tolist() == [
        ["confident", 3],
        ["confused", 2],
        ["wrong", 1],
    ]
    right = output.cases(Z[[0, 3]], Y[[0, 3]], n=2)
    assert "wrong" not in set(right["case"])  # no mistake, no row


def test_soft_confusion_by_hand() -> None:
    table = output.soft_confusion(Z[:3], np.array([0, 1, 1]), classes=["a", "b", "c"])
    assert list(table.index) == list(table.columns) == ["a", "b", "c"]
    # row b: mean of (.1, .5, .4) and (.25, .35, .4); nothing was measured for c
    want = [[0.7, 0.2, 0.1], [0.175, 0.425, 0.4], [np.nan] * 3]
    np.testing.assert_allclose(table.to_numpy(), want)
    assert isinstance(table, pd.DataFrame)
    assert table.index.name == "true class"


def test_bad_input() -> None:
    cases = [
        (lambda: output.entropy(Z, T=0), "T=0 must be"),
        (lambda: output.entropy(Z[0]), "z has shape (3,); logits are (N, K)"),
        (lambda: output.confidence(Z * np.nan), "z holds 12 NaN or infinite values of 12"),
        (lambda: output.confidence(Z[:0]), "z has shape (0, 3) and holds nothing"),
        (lambda: output.margin(Z, Y[:2]), "y has shape (2,) for 4 inputs"),
        (lambda: output.margin(Z, Y + 1), "y holds the label 3; with 3 classes"),
        (lambda: output.margin(Z, Y * 1.0), "y holds float64 values; labels are whole numbers"),
        (lambda: output.cases(Z, Y, n=0), "n=0 picks no input"),
        (lambda: output.soft_confusion(Z, Y, classes=["a"]), "classes has 1 names for 3 logits"),
    ]
    for call, message in cases:
        with pytest.raises(ValueError, match=re.escape(message)):
            call()
