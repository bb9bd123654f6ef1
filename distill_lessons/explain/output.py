"""Output explanations: what the logits say about each input, and how they spread over classes.

Works on logits `z (N, K)` and gives arrays or DataFrames. Knows nothing about models, data sets or
attributions.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from distill_lessons.explain.arrays import Array, ArrayLike, finite, labels
from distill_lessons.losses import check_temperature
from distill_lessons.settings import whole_number
from distill_lessons.tensors import check_type


def confidence(z: ArrayLike, *, T: float = 1.0) -> Array:
    """Return the largest class probability of each input.

    Args:
        z: logits, shape `(N, K)`.
        T: temperature > 0.

    Returns:
        Shape `(N,)`, from 1/K (no idea) to 1 (sure). Sure is not right: see lesson 01, calibration.
    """
    return np.asarray(probabilities(z, T=T).max(1))


def entropy(z: ArrayLike, *, T: float = 1.0) -> Array:
    """Return the entropy of each input's class probabilities in nats.

    Args:
        z: logits, shape `(N, K)`.
        T: temperature > 0.

    Returns:
        Shape `(N,)`, from 0 (one class has everything) to log K (all classes alike).

    >>> entropy(np.zeros((1, 2))).round(4)  # log 2
    array([0.6931])
    """
    p = probabilities(z, T=T)
    # 0 log 0 = 0: a probability that underflowed adds nothing
    return np.asarray(-(p * np.log(np.where(p > 0, p, 1.0))).sum(1))


def margin(z: ArrayLike, y: ArrayLike | None = None, *, T: float = 1.0) -> Array:
    """Return by how much a class leads its strongest rival, as a difference of probabilities.

    Args:
        z: logits, shape `(N, K)`.
        y: labels, shape `(N,)`. With them the true class is measured against the best other class,
            and a wrong prediction has a negative margin. Without, the predicted class is measured.
        T: temperature > 0.

    Returns:
        Shape `(N,)`, from −1 (0 without labels) to 1.
    """
    p = probabilities(z, T=T)
    if y is None:
        second, first = np.sort(p, axis=1)[:, -2:].T
        return np.asarray(first - second)
    rows, own = np.arange(len(p)), labels(y, p)
    others = p.copy()
    others[rows, own] = -np.inf
    return np.asarray(p[rows, own] - others.max(1))


def summary(z: ArrayLike, y: ArrayLike, *, T: float = 1.0) -> pd.DataFrame:
    """Return one row per input with all that its output says.

    Args:
        z: logits, shape `(N, K)`.
        y: labels, shape `(N,)`.
        T: temperature > 0.

    Returns:
        Columns `input, label, predicted, second, correct, confidence, entropy, margin`; `second` is
        the runner-up class, `margin` the lead of the true class (negative where wrong).
    """
    p = probabilities(z, T=T)
    truth = labels(y, p)
    order = np.argsort(-p, axis=1, kind="stable")
    return pd.DataFrame(
        {
            "input": np.arange(len(p)),
            "label": truth,
            "predicted": order[:, 0],
            "second": order[:, 1],
            "correct": order[:, 0] == truth,
            "confidence": confidence(z, T=T),
            "entropy": entropy(z, T=T),
            "margin": margin(z, y, T=T),
        }
    )


def cases(z: ArrayLike, y: ArrayLike, *, n: int = 3, T: float = 1.0) -> pd.DataFrame:
    """Pick the inputs that show most: the surest, the most confused and the worst mistakes.

    Args:
        z: logits, shape `(N, K)`.
        y: labels, shape `(N,)`.
        n: how many of each case; fewer where the model makes fewer mistakes.
        T: temperature > 0.

    Returns:
        Rows of `summary` with a column `case` in front: `"confident"` (right, largest confidence),
        `"confused"` (largest entropy) and `"wrong"` (wrong, largest confidence).
    """
    n = whole_number("n", n, least=None)
    if n < 1:
        raise ValueError(f"n={n} picks no input; give 1 or more.")
    table = summary(z, y, T=T)
    right = table["correct"]
    picked = {
        "confident": table[right].nlargest(n, "confidence"),
        "confused": table.nlargest(n, "entropy"),
        "wrong": table[~right].nlargest(n, "confidence"),
    }
    parts = [rows.assign(case=case) for case, rows in picked.items()]
    joined = pd.concat(parts, ignore_index=True)
    return joined[["case", *table.columns]]


def soft_confusion(
    z: ArrayLike, y: ArrayLike, *, T: float = 1.0, classes: Sequence[str] | None = None
) -> pd.DataFrame:
    """Return the mean soft target of each true class: what the model finds similar to what.

    Row c, column k is the mean of `p_k` over the inputs whose label is c. The usual confusion
    matrix counts decisions; this one also sees the doubt behind a right decision.

    Args:
        z: logits, shape `(N, K)`.
        y: labels, shape `(N,)`.
        T: temperature > 0; a larger one shows smaller similarities.
        classes: K names; by default the numbers 0 to K − 1.

    Returns:
        Shape `(K, K)`, rows "true class", columns "soft target". Rows sum to 1. A class without
        an example in `y` has a row of NaN: nothing was measured.

    Raises:
        ValueError: for labels or class names that do not fit the logits.
    """
    p = probabilities(z, T=T)
    truth = labels(y, p)
    k = p.shape[1]
    if classes is not None:
        check_type("classes", classes, Sequence, "a sequence of K names")
    names = list(range(k)) if classes is None else list(classes)
    if len(names) != k:
        raise ValueError(f"classes has {len(names)} names for {k} logits; give one name per class.")
    member = np.eye(k)[truth]  # (N, K), one-hot
    counts = member.sum(0)[:, None]
    mean = np.divide(member.T @ p, counts, out=np.full((k, k), np.nan), where=counts > 0)
    return pd.DataFrame(
        mean, index=pd.Index(names, name="true class"), columns=pd.Index(names, name="soft target")
    )


def probabilities(z: ArrayLike, *, T: float = 1.0) -> Array:
    """Return softmax(z / T), shape `(N, K)`, in double precision.

    Raises:
        ValueError: if T is not positive, or z is not a finite table with at least two columns.
    """
    check_temperature(T)
    array = finite("z", z)
    if array.ndim != 2 or array.shape[1] < 2:
        raise ValueError(f"z has shape {array.shape}; logits are (N, K) with K >= 2 classes.")
    e = np.exp((array - array.max(1, keepdims=True)) / T)
    return np.asarray(e / e.sum(1, keepdims=True))
