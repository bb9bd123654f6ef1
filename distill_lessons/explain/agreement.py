"""Do two models agree: in what they predict, and in the reasons that attributions give for it?

A similarity means nothing alone: two maps of the same digits are alike whatever the models do. So
`beside_controls` sets a comparison beside others that show what high and low look like. All
intervals are 95 % intervals over *inputs*, given the models: they say how the number would change
with other images, not with other training seeds. Knows nothing about how attributions are made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from distill_lessons import losses
from distill_lessons.claims import mean_effect
from distill_lessons.explain.admission import admitted, logits
from distill_lessons.explain.arrays import Array, ArrayLike, of_class
from distill_lessons.explain.similarity import by_class, cosine, same_shape, spearman, topk_overlap
from distill_lessons.settings import whole_number
from distill_lessons.tensors import check_function, check_type

Explain = Callable[[nn.Module, Tensor], ArrayLike]
Side = nn.Module | ArrayLike | tuple[nn.Module, ArrayLike]


def compare_predictions(z_a: ArrayLike, z_b: ArrayLike, *, T: float = 1.0) -> pd.DataFrame:
    """Compare what two models predict for the same inputs.

    Args:
        z_a: logits, shape `(N, K)`, N >= 2.
        z_b: logits, the same shape.
        T: temperature of the KL.

    Returns:
        Columns `metric, value, low, high, n, chance, undefined`; rows "prediction agreement" (share
        of inputs with the same top class, Wilson's interval) and "KL(a || b)" in nats. Intervals
        are over inputs, given the two models.
    """
    za, zb = same_shape("z_a", z_a, "z_b", z_b)
    same = za.argmax(1) == zb.argmax(1)
    kl = losses.kl_divergence(torch.from_numpy(za), torch.from_numpy(zb), T).numpy()  # (N,)
    return _frame([_share("prediction agreement", same), _row("KL(a || b)", kl)])


def compare_attributions(
    a: ArrayLike, b: ArrayLike, *, k: int = 10, y: ArrayLike | None = None
) -> pd.DataFrame:
    """Compare two attributions of the same inputs.

    Args:
        a: attributions, shape `(N, *input_shape, K)`, N >= 2.
        b: the same shape.
        k: features in the top-k overlap.
        y: one class per input, shape `(N,)`: compare only the explanations of that class, such as
            the predicted one. By default each input's number is the mean over all K classes.

    Returns:
        Columns `metric, value, low, high, n, chance, undefined`; rows "cosine", "Spearman" and
        "top-k overlap". `chance` is what unrelated maps would give, `undefined` the number of
        (input, class) pairs in which a map was constant, so that the definition had to decide.
        Intervals are over inputs, given the two models or explainers.
    """
    k = whole_number("k", k)
    va, vb = same_shape("a", a, "b", b)
    if y is not None:
        va, vb = (of_class(v, y)[..., None] for v in (va, vb))
    flat_a, flat_b = by_class(va, vb)
    zero = (np.abs(flat_a).max(-1) == 0) | (np.abs(flat_b).max(-1) == 0)
    constant = (np.ptp(flat_a, axis=-1) == 0) | (np.ptp(flat_b, axis=-1) == 0)
    chance = k / flat_a.shape[-1]
    overlap = topk_overlap(va, vb, k=k).mean(1)
    rows = [
        _row("cosine", cosine(va, vb).mean(1), 0.0, int(zero.sum())),
        _row("Spearman", spearman(va, vb).mean(1), 0.0, int(constant.sum())),
        _row("top-k overlap", overlap, chance, int(zero.sum())),
    ]
    return _frame(rows)


def beside_controls(
    reference: Side,
    others: Mapping[str, Side],
    x: Tensor | None = None,
    *,
    explain: Explain | None = None,
    k: int = 10,
    y: ArrayLike | None = None,
    T: float = 1.0,
) -> pd.DataFrame:
    """Compare one model with several others, so that each number stands beside its controls.

    Controls that give the number for a student its meaning: the teacher itself under another
    background (by how much the explainer's own choice moves it; a student explained against the
    same background may come nearer), a second teacher, another teacher's student, and the teacher
    with random weights (nothing learnt), see `randomisation.randomised`.

    Args:
        reference: the model that all others are compared with; see `others`.
        others: name -> a model, or its attributions `(N, *input_shape, K)`, or both as a pair
            `(model, attributions)`. With attributions alone, predictions are not compared.
        x: the inputs that all see, shape `(N, *input_shape)`; needed where models are given.
        explain: `explain(model, x)` makes the attributions of models given without them; without
            it only their predictions are compared.
        k: features in the top-k overlap.
        y: see `compare_attributions`.
        T: temperature of the KL.

    Returns:
        The rows of `compare_predictions` and `compare_attributions` for each other model, with a
        column `comparison` in front. Intervals are over inputs.

    Raises:
        ValueError: if there is nothing to compare, x is missing, or shapes differ.
    """
    check_type("others", others, Mapping, "a dict, name to model or attributions")
    if explain is not None:
        check_function("explain", explain, "a model and its inputs")
    if not others:
        raise ValueError("others is empty; name at least the comparison and one control.")
    mine = _side("reference", "reference", reference, x, explain)
    parts = []
    for name, other in others.items():
        theirs = _side(f"others[{name!r}]", name, other, x, explain)
        found = []
        if mine[0] is not None and theirs[0] is not None:
            found.append(compare_predictions(mine[0], theirs[0], T=T))
        if mine[1] is not None and theirs[1] is not None:
            found.append(compare_attributions(mine[1], theirs[1], k=k, y=y))
        if not found:
            raise ValueError(
                f"others[{name!r}] and reference share neither models nor attributions; "
                "give both as models with explain=, or both as attributions."
            )
        parts += [table.assign(comparison=name) for table in found]
    joined = pd.concat(parts, ignore_index=True)
    return joined[["comparison", *joined.columns.drop("comparison")]]


def _share(metric: str, success: Array) -> dict[str, Any]:
    from scipy import stats  # slow to import

    n = _enough(success)
    # Wilson (1927): unlike Student's t never of width zero where all inputs agree
    ends = stats.binomtest(int(success.sum()), n).proportion_ci(method="wilson")
    return {"metric": metric, "value": success.mean(), "low": ends.low, "high": ends.high, "n": n}


def _row(metric: str, values: Array, chance: float = np.nan, undefined: int = 0) -> dict[str, Any]:
    _enough(values)
    effect = mean_effect(values)
    return {"metric": metric, "value": effect.value, "low": effect.low, "high": effect.high,
            "n": effect.n, "chance": chance, "undefined": undefined}  # fmt: skip


def _enough(values: Array) -> int:
    if len(values) < 2:
        raise ValueError(
            f"{len(values)} input gives no interval over inputs; compare on two or more."
        )
    return len(values)


def _frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    columns = ["metric", "value", "low", "high", "n", "chance", "undefined"]
    return pd.DataFrame([{"chance": np.nan, "undefined": 0, **row} for row in rows])[columns]


def _side(
    argument: str, name: str, side: Side, x: Tensor | None, explain: Explain | None
) -> tuple[Array | None, ArrayLike | None]:
    """Return the logits and the attributions of one side, None for what is not to be had."""
    model, given = side if isinstance(side, tuple) else (side, None)
    if not isinstance(model, nn.Module):
        check_type(argument, model, Tensor | np.ndarray, "a model, attributions, or both as a pair")
        return None, model
    if x is None:
        raise ValueError(f"x is missing, but {name!r} is a model; give the inputs to compare on.")
    if given is None and explain is not None:
        given = explain(model, x)
    return logits(model, admitted(model, x)), given
