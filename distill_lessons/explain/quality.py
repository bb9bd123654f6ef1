"""Is an explanation any good: does the model react to it, is it stable, does it need the weights?

Deletion and insertion curves, stability under noise, the model-randomisation check, the effective
number of features. Every metric says which direction is better, and what it cannot see. Intervals
are 95 % intervals over inputs, given the model. Knows nothing about how attributions are made.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from distill_lessons.claims import mean_effect
from distill_lessons.explain.admission import admitted, logits
from distill_lessons.explain.agreement import Explain
from distill_lessons.explain.arrays import (
    Array,
    ArrayLike,
    baseline_for,
    finite,
    labels,
    of_class,
)
from distill_lessons.explain.output import probabilities
from distill_lessons.explain.randomisation import randomised, resettable_layers
from distill_lessons.explain.similarity import cosine, spearman
from distill_lessons.seeds import generator as seeded
from distill_lessons.settings import number, whole_number
from distill_lessons.tensors import check_function, check_type

BETTER = {"deletion": "lower", "insertion": "higher"}


def curves(
    model: nn.Module,
    x: Tensor,
    attributions: ArrayLike,
    *,
    baseline: Tensor | float,
    y: ArrayLike | None = None,
    steps: int = 16,
    seeds: int = 5,
) -> pd.DataFrame:
    """Remove, or bring in, features in the order of their attribution and watch the class go.

    Deletion replaces the features with the largest attribution first by the baseline: the faster
    the probability falls, the better; **lower is better**. Insertion starts from the baseline and
    puts them back: the faster it rises, the better; **higher is better**. The same with features in
    random order says what a worthless ranking gets. The images on the way are like none the model
    was trained on, and the result depends on the baseline.

    Args:
        model: returns logits `(N, K)`.
        x: inputs, shape `(N, *input_shape)`. A pixel of an image `(N, C, H, W)` is one feature: its
            channels go together, and their attributions are summed.
        attributions: shape `(N, *input_shape, K)`.
        baseline: what replaces a feature: one input, one per input, or a number.
        y: the class to watch in each input, shape `(N,)`; by default the predicted one.
        steps: steps from nothing to everything, at most the number of features.
        seeds: random orders, 1 or more.

    Returns:
        Columns `kind` ("deletion", "insertion"), `order` ("attribution", "random"), `seed`,
        `input`, `fraction` of features replaced or put in, and `score`: the probability of the
        class. One row per input and point of a curve.

    Raises:
        ValueError: if shapes differ, attributions are NaN, or steps or seeds are out of range.

    Source: Petsiuk, Das & Saenko (2018), RISE, section 4.2.
    """
    given, full = finite("attributions", attributions), admitted(model, x)
    z = logits(model, full)
    if given.shape != (*x.shape, z.shape[1]):
        raise ValueError(
            f"attributions has shape {given.shape}; "
            f"for this x and all classes it must be {(*x.shape, z.shape[1])}."
        )
    watched = z.argmax(1) if y is None else labels(y, z)
    channels = x.shape[1] if x.ndim == 4 else 1
    worth = of_class(given, watched).reshape(len(x), channels, -1).sum(1)  # (N, D)
    n_features = worth.shape[1]
    if not 1 <= whole_number("steps", steps, least=None) <= n_features:
        raise ValueError(f"steps={steps} must be from 1 to {n_features}, the number of features.")
    if whole_number("seeds", seeds, least=None) < 1:
        raise ValueError(f"seeds={seeds} leaves no random order to compare with; give 1 or more.")
    empty = baseline_for(full, baseline)
    counts = np.linspace(0, n_features, steps + 1).round().astype(int)
    orders = {("attribution", 0): np.argsort(-worth, axis=1, kind="stable")}
    for seed in range(seeds):
        plain = np.tile(np.arange(n_features), (len(x), 1))
        orders["random", seed] = np.random.default_rng(seed).permuted(plain, axis=1)
    parts = []
    for (order, seed), features in orders.items():
        place = np.argsort(features, axis=1)  # (N, D), 0 for the feature that goes first
        for kind, start, end in (("deletion", full, empty), ("insertion", empty, full)):
            for count in counts:
                mixed = _replaced(start, end, torch.from_numpy(place < count))
                score = probabilities(logits(model, mixed))[np.arange(len(x)), watched]
                parts.append(
                    pd.DataFrame(
                        {
                            "kind": kind,
                            "order": order,
                            "seed": seed,
                            "input": np.arange(len(x)),
                            "fraction": count / n_features,
                            "score": score,
                        }
                    )
                )
    return pd.concat(parts, ignore_index=True)


def areas(table: pd.DataFrame) -> pd.DataFrame:
    """Return the area under deletion and insertion curves, beside that of random orders.

    Args:
        table: the result of `curves`, for at least two inputs.

    Returns:
        Columns `kind, order, value, low, high, n, better`. `order` is "attribution", "random" (mean
        over its seeds) or "gain": how much better than random the attribution does, input by input,
        so that for both kinds a *higher* gain is better and 0 is a worthless ranking. Areas are
        mean probabilities, from 0 to 1. Deletion: lower is better. Insertion: higher is better.
    """
    check_type("table", table, pd.DataFrame, "the DataFrame that curves returns")
    missing = {"kind", "order", "input", "fraction", "score"} - set(table.columns)
    if missing or table.empty:
        raise ValueError(f"table lacks {sorted(missing) or 'rows'}; give what curves returns.")
    rows = []
    for kind, better in BETTER.items():
        part = table[table["kind"] == kind]
        area = {}
        for order in ("attribution", "random"):
            mean = part[part["order"] == order].groupby(["input", "fraction"])["score"].mean()
            grid = mean.unstack("fraction")  # (N, points)
            area[order] = np.trapezoid(grid.to_numpy(), grid.columns.to_numpy(float), axis=1)
        sign = 1 if better == "higher" else -1
        area["gain"] = sign * (area["attribution"] - area["random"])
        for order, values in area.items():
            direction = "higher" if order == "gain" else better
            rows.append({"kind": kind, "order": order, **_interval(values), "better": direction})
    return pd.DataFrame(rows)


def stability(
    model: nn.Module,
    x: Tensor,
    explain: Explain,
    *,
    sigma: float = 0.05,
    repeats: int = 5,
    seed: int = 0,
) -> Array:
    """Return how alike the explanations of an input and of slightly noisy copies of it are.

    **Higher is better**, 1 is best: the noise changed nothing. But an explanation that ignores the
    model is the most stable of all, so read this beside `randomisation_check`.

    Args:
        model: returns logits `(N, K)`.
        x: inputs, shape `(N, *input_shape)`.
        explain: `explain(model, x)` returns attributions `(N, *input_shape, K)`.
        sigma: standard deviation of the normal noise > 0, in units of x.
        repeats: noisy copies per input.
        seed: of the noise.

    Returns:
        Mean cosine over copies and classes, shape `(N,)`, from −1 to 1.

    Raises:
        ValueError: if sigma or repeats is not positive.

    Source: the question is Alvarez-Melis & Jaakkola's (2018), On the robustness of interpretability
    methods; the cosine replaces their Lipschitz ratio, so that explainers of other units compare.
    """
    if not 0 < number("sigma", sigma) < np.inf:
        raise ValueError(f"sigma={sigma} must be > 0; 0.05 of the input's range is a small noise.")
    if whole_number("repeats", repeats, least=None) < 1:
        raise ValueError(f"repeats={repeats} leaves nothing to compare; give 1 or more.")
    check_function("explain", explain, "a model and its inputs")
    generator = seeded(seed)
    calm = explain(model, x)
    alike = []
    for _ in range(repeats):
        noise = sigma * torch.randn(x.shape, generator=generator)
        alike.append(cosine(calm, explain(model, x + noise.to(x))).mean(1))
    return np.asarray(np.mean(alike, axis=0))


def randomisation_check(
    model: nn.Module,
    x: Tensor,
    explain: Explain,
    *,
    cascade: bool = True,
    seeds: int = 3,
) -> pd.DataFrame:
    """Destroy the model's weights from the top layer down and see whether the explanation notices.

    An explanation of what the model has learnt must change when nothing learnt is left: **lower is
    better**, a rank correlation near 0 with all layers randomised is what one hopes for. One that
    stays near 1 shows the input, not the model. A low value does not prove the explanation right.

    Args:
        model: any model that `randomisation.randomised` can copy.
        x: inputs, shape `(N, *input_shape)`, N >= 2.
        explain: `explain(model, x)` returns attributions `(N, *input_shape, K)`.
        cascade: also the steps on the way; otherwise only all layers at once.
        seeds: random weights drawn, 1 or more; each input's number is the mean over them.

    Returns:
        Columns `step` (layers randomised so far), `layer` (the last of them), `metric` ("Spearman,
        signed" and "Spearman, absolute"), `value, low, high, n`. Compare both: sizes that survive
        while signs change often come from the input's own shape.

    Raises:
        ValueError: if seeds < 1, or a layer cannot be randomised.

    Source: Adebayo et al. (2018), Sanity checks for saliency maps, section 3.
    """
    if whole_number("seeds", seeds, least=None) < 1:
        raise ValueError(f"seeds={seeds} draws no random weights; give 1 or more.")
    check_function("explain", explain, "a model and its inputs")
    top_down = resettable_layers(model)[::-1]
    original = explain(model, x)
    rows = []
    for step in range(1 if cascade else len(top_down), len(top_down) + 1):
        # top layer first: with one seed its new weights are the same at every step
        wrecks = [randomised(model, seed, layers=top_down[:step]) for seed in range(seeds)]
        maps = [explain(wreck, x) for wreck in wrecks]
        for word in ("signed", "absolute"):
            values = [spearman(original, m, absolute=word == "absolute").mean(1) for m in maps]
            where = {"step": step, "layer": top_down[step - 1], "metric": f"Spearman, {word}"}
            rows.append({**where, **_interval(np.mean(values, axis=0))})
    return pd.DataFrame(rows)


def effective_features(attributions: ArrayLike) -> Array:
    """Return how many features an explanation spreads over: exp of the entropy of its shares.

    With the shares `s_i = |a_i| / sum |a|` it is exp(−Σ s_i log s_i): 1 if one feature has it all,
    D if all D have the same. **Lower is shorter to read**, not more faithful. Zeros count nothing.

    Args:
        attributions: shape `(N, *input_shape, K)`.

    Returns:
        Shape `(N, K)`, from 1 to D; 0 for a map of zeros, which uses no feature.

    >>> effective_features(np.array([[[1.0], [-1.0], [0.0]]])).round(6)  # two of three features
    array([[2.]])
    """
    array = finite("attributions", attributions)
    if array.ndim < 3:
        raise ValueError(f"attributions has shape {array.shape}; give (N, *input_shape, K).")
    size = np.abs(array).reshape(len(array), -1, array.shape[-1])  # (N, D, K)
    total = size.sum(1, keepdims=True)
    share = np.divide(size, total, out=np.zeros_like(size), where=total > 0)
    entropy = -(share * np.log(np.where(share > 0, share, 1.0))).sum(1)
    return np.asarray(np.where(total[:, 0] > 0, np.exp(entropy), 0.0))


def _replaced(start: Tensor, end: Tensor, mask: Tensor) -> Tensor:
    """Return `start` with the features in `mask (N, D)` taken from `end`; channels go together."""
    shape = (len(start), 1, *start.shape[2:]) if start.ndim == 4 else start.shape
    return torch.where(mask.reshape(shape).to(start.device), end, start)


def _interval(values: Array) -> dict[str, float]:
    if len(values) < 2:
        raise ValueError(f"{len(values)} input gives no interval over inputs; give at least two.")
    effect = mean_effect(values)
    return {"value": effect.value, "low": effect.low, "high": effect.high, "n": effect.n}
