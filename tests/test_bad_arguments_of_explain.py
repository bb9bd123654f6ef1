"""What explanations do with everything that is likely to be given them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from arguments import (
    COUNT,
    FINE,
    FREE,
    FUNCTION,
    IMAGES,
    MODEL,
    NOT_FINITE,
    REFUSED,
    SAME,
    SEED,
    SHAPE,
    TEMPERATURE,
    WORD,
    Z_OTHER,
    K,
    N,
    Row,
    X,
    Y,
    Z,
    complaints,
    made,
    missing_arguments,
    net,
    refused,
)
from torch import nn

from distill_lessons.explain import (
    agreement,
    checks,
    gradients,
    groups,
    output,
    quality,
    randomisation,
    similarity,
    structure,
    units,
)
from distill_lessons.explain.permutation import permutation_importance
from distill_lessons.explain.shap_adapters import shap_values
from distill_lessons.explain.shapley import exact, shapley_of_game

QUARTERS = groups.patches(SHAPE, 2)
MAPS = np.random.default_rng(0).normal(size=(N, *SHAPE, K))
OTHER_MAPS = MAPS[::-1].copy()

# ---- Kinds that only these functions know --------------------------------------------------------

INPUTS = IMAGES | NOT_FINITE | made(
    REFUSED, empty=lambda good: good[:0], whole=lambda good: good.long()
)  # fmt: skip
BACKGROUND = INPUTS | made(REFUSED, one_image=lambda good: good[0])
CLASSES = (
    refused(text="1", fraction=[1.9], beyond=3, negative=-1, empty=[], words=["1"])
    | made(FINE, none=lambda good: None, reversed=lambda good: [2, 0])
    | made(SAME, numpy=np.array, tensor=torch.tensor, one=lambda good: np.int64(good[0]))
)
SIZE = COUNT | made(FINE, huge=lambda good: 10**9)
SIGMA = refused(none=None, text="1", negative=-1.0, nan=float("nan"), inf=float("inf"))
MEMORY = refused(
    none=None, text="64", zero=0, negative=-1.0, nan=float("nan"), inf=float("inf")
) | made(SAME, numpy=np.float32, whole=int)
TOLERANCE = refused(
    text="1", negative=-1.0, nan=float("nan"), inf=float("inf"), a_list=[1.0]
) | made(SAME, numpy=np.float64, none=lambda good: None)
NUMPY = {"numpy": lambda good: np.asarray(good), "a_list": lambda good: np.asarray(good).tolist()}
TABLE_KINDS = (
    refused(none=None, text="z", number=3)
    | made(
        REFUSED,
        empty=lambda good: good[:0],
        flat=lambda good: good[0],
        nan=lambda good: good * float("nan"),
        inf=lambda good: good / 0,
    )
    | made(SAME, **NUMPY, double=lambda good: torch.as_tensor(good).double())
)
LOGITS = TABLE_KINDS | made(
    REFUSED, one_class=lambda good: good[:, :1]
) | made(SAME, with_gradient=lambda good: good.clone().requires_grad_())  # fmt: skip
ATTRIBUTIONS = TABLE_KINDS | made(
    REFUSED, no_classes=lambda good: good[..., 0, 0, 0, 0], one_shape_less=lambda good: good[:, 0]
)
PAIR = TABLE_KINDS | made(REFUSED, fewer=lambda good: good[1:])
LABELS = refused(none=None, text="x", number=3) | made(
    REFUSED,
    floats=lambda good: good.float(),
    onehot=lambda good: torch.nn.functional.one_hot(good, 3),
    fewer=lambda good: good[1:],
    beyond=lambda good: good + 3,
    negative=lambda good: good - 3,
) | made(SAME, numpy=lambda good: good.numpy(), small=lambda good: good.to(torch.uint8))  # fmt: skip
GROUPS = refused(text="rows", number=3, words=[["a"]], empty=[], fraction=[[0.5]]) | made(
    REFUSED, beyond=lambda good: [[99]], twice=lambda good: [[1, 1]], hole=lambda good: [[]]
)
BASELINE = refused(none=None, text="0", nan=float("nan"), inf=float("inf")) | made(
    REFUSED, other=lambda good: torch.zeros(1, 5, 5), other_rows=lambda good: torch.zeros(7, *SHAPE)
) | made(
    SAME,
    whole=lambda good: 0,
    image=lambda good: torch.zeros(SHAPE),
    double=lambda good: torch.zeros(SHAPE, dtype=torch.float64),
    numpy=lambda good: np.zeros(SHAPE),
)  # fmt: skip


def conv() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3))


def by_gradient(**more: Any) -> dict[str, Any]:
    return {"model": net(), "x": X, "classes": [1], "centre": True, "batch_size": 4, **more}


GRADIENT = {"model": MODEL, "x": INPUTS, "classes": CLASSES, "centre": FREE, "batch_size": SIZE}
SHAP = {"model": MODEL, "x": INPUTS, "background": BACKGROUND, "memory": MEMORY}

# ---- The table -----------------------------------------------------------------------------------

TABLE = {
    "gradients.gradient": Row(gradients.gradient, by_gradient, GRADIENT),
    "gradients.gradient_x_input": Row(gradients.gradient_x_input, by_gradient, GRADIENT),
    "gradients.integrated_gradients": Row(
        gradients.integrated_gradients,
        lambda: by_gradient(baseline=0.0, steps=3),
        {**GRADIENT, "baseline": BASELINE, "steps": COUNT},
    ),
    "gradients.smoothgrad": Row(
        gradients.smoothgrad,
        lambda: by_gradient(sigma=0.1, samples=2, seed=0),
        {**GRADIENT, "sigma": SIGMA, "samples": COUNT, "seed": SEED},
    ),
    "gradients.grad_cam": Row(
        gradients.grad_cam,
        lambda: {**by_gradient(), "model": conv(), "layer": "0", "relu": True},
        {**GRADIENT, "layer": refused(number=3, unknown="no", a_list=["0"]), "relu": FREE},
        but={("model", "lazy"): REFUSED, ("x", "flat"): REFUSED},
    ),
    "gradients.completeness_gap": Row(
        gradients.completeness_gap,
        lambda: {"model": net(), "x": X, "attributions": MAPS, "baseline": 0.0, "centre": True},
        {
            "model": MODEL, "x": INPUTS, "attributions": ATTRIBUTIONS,
            "baseline": BASELINE, "centre": FREE,
        },
    ),
    "permutation.permutation_importance": Row(
        permutation_importance,
        lambda: {
            "model": net(), "x": X, "y": Y, "metric": "soft_targets", "groups": QUARTERS,
            "repeats": 2, "seed": 0, "per_class": False, "teacher_logits": Z, "T": 2.0,
            "memory": 64.0, "fast": True,
        },
        {
            "model": MODEL, "x": INPUTS, "y": LABELS, "metric": WORD, "groups": GROUPS,
            "repeats": COUNT, "seed": SEED, "per_class": FREE,
            "teacher_logits": LOGITS | made(REFUSED, fewer=lambda good: good[1:]),
            "T": TEMPERATURE, "memory": MEMORY, "fast": FREE,
        },
    ),
    "shap_adapters.shap_values": Row(
        shap_values,
        lambda: {
            "model": net(), "x": X[:2], "background": X[4:7], "method": "permutation",
            "output": "logits", "regions": QUARTERS, "samples": 2, "l1_reg": 0, "engine": "auto",
            "seed": 0, "tolerance": 0.5, "memory": 64.0,
        },
        {
            **SHAP, "method": WORD, "output": WORD, "regions": GROUPS, "samples": COUNT,
            "l1_reg": FREE, "engine": WORD, "seed": SEED, "tolerance": TOLERANCE,
        },
        but={("samples", "none"): FINE},
    ),
    "shapley.exact": Row(
        exact,
        lambda: {
            "model": net(), "x": X[:2], "background": X[4:7], "regions": QUARTERS,
            "output": "logits", "memory": 64.0,
        },
        {**SHAP, "regions": GROUPS, "output": WORD},
    ),
    "shapley.shapley_of_game": Row(
        shapley_of_game,
        lambda: {"values": np.arange(8.0)},
        {
            "values": refused(none=None, text="v", number=3, short=[1.0, 2.0, 3.0], one=[1.0])
            | made(SAME, a_list=lambda good: good.tolist(), tensor=torch.as_tensor)
        },
    ),
    "checks.check_explainable": Row(
        checks.check_explainable,
        lambda: {"model": net(), "x_shape": SHAPE},
        {
            "model": MODEL,
            "x_shape": refused(none=None, text="1x4", number=4, other=(1, 5, 5), zero=(1, 0, 4))
            | made(SAME, a_list=list, size=torch.Size),
        },
        but={("model", "one_number"): FINE, ("model", "meta"): FINE},
    ),
    "similarity.cosine": Row(
        similarity.cosine, lambda: {"a": MAPS, "b": OTHER_MAPS}, {"a": PAIR, "b": PAIR}
    ),
    "similarity.spearman": Row(
        similarity.spearman,
        lambda: {"a": MAPS, "b": OTHER_MAPS, "absolute": False},
        {"a": PAIR, "b": PAIR, "absolute": FREE},
    ),
    "similarity.topk_overlap": Row(
        similarity.topk_overlap,
        lambda: {"a": MAPS, "b": OTHER_MAPS, "k": 3},
        {"a": PAIR, "b": PAIR, "k": COUNT | refused(beyond=17)},
    ),
    "agreement.compare_predictions": Row(
        agreement.compare_predictions,
        lambda: {"z_a": Z, "z_b": Z_OTHER, "T": 2.0},
        {"z_a": PAIR, "z_b": PAIR, "T": TEMPERATURE},
    ),
    "agreement.compare_attributions": Row(
        agreement.compare_attributions,
        lambda: {"a": MAPS, "b": OTHER_MAPS, "k": 3, "y": Y},
        {"a": PAIR, "b": PAIR, "k": COUNT | refused(beyond=17), "y": LABELS},
        but={("y", "none"): FINE},
    ),
    "quality.curves": Row(
        quality.curves,
        lambda: {
            "model": net(), "x": X, "attributions": MAPS, "baseline": 0.0, "y": Y, "steps": 3,
            "seeds": 1,
        },
        {
            "model": MODEL, "x": INPUTS, "attributions": ATTRIBUTIONS, "baseline": BASELINE,
            "y": LABELS, "steps": COUNT | refused(beyond=17), "seeds": COUNT,
        },
        but={("y", "none"): FINE},
    ),
    "quality.stability": Row(
        quality.stability,
        lambda: {
            "model": net(), "x": X, "explain": gradients.gradient, "sigma": 0.1, "repeats": 2,
            "seed": 0,
        },
        {
            "model": MODEL, "x": INPUTS, "explain": FUNCTION, "sigma": SIGMA | refused(zero=0.0),
            "repeats": COUNT, "seed": SEED,
        },
    ),
    "quality.effective_features": Row(
        quality.effective_features, lambda: {"attributions": MAPS}, {"attributions": ATTRIBUTIONS}
    ),
    "output.entropy": Row(
        output.entropy, lambda: {"z": Z, "T": 2.0}, {"z": LOGITS, "T": TEMPERATURE}
    ),
    "output.margin": Row(
        output.margin,
        lambda: {"z": Z, "y": Y, "T": 2.0},
        {"z": LOGITS, "y": LABELS, "T": TEMPERATURE},
        but={("y", "none"): FINE},
    ),
    "output.soft_confusion": Row(
        output.soft_confusion,
        lambda: {"z": Z, "y": Y, "T": 2.0, "classes": ["a", "b", "c"]},
        {
            "z": LOGITS, "y": LABELS, "T": TEMPERATURE,
            "classes": refused(number=3, fewer=["a"]) | made(SAME, none=lambda good: None),
        },
    ),
    "units.activations": Row(
        units.activations,
        lambda: {"model": net(), "x": X, "layer": "1", "pool": "mean", "batch_size": 4},
        {"model": MODEL, "x": INPUTS, "layer": WORD, "pool": WORD, "batch_size": SIZE},
    ),
    "units.most_exciting": Row(
        units.most_exciting,
        lambda: {"activations": Z, "k": 2},
        {"activations": TABLE_KINDS, "k": COUNT | refused(beyond=10)},
    ),
    "structure.layers": Row(
        structure.layers,
        lambda: {"model": net(), "x": X},
        {"model": MODEL, "x": made(REFUSED, empty=lambda good: good[:0])},
        but={("model", "meta"): None, ("model", "one_number"): None},
    ),
    "randomisation.randomised": Row(
        randomisation.randomised,
        lambda: {"model": net(), "seed": 0, "layers": ["1"]},
        {
            "model": MODEL, "seed": SEED,
            "layers": refused(number=3, unknown=["no"]),
        },
        but={("model", n): None for n in ("other_size", "one_number", "meta", "lazy")},
    ),
}  # fmt: skip

PAIRS = [(name, argument) for name, row in TABLE.items() for argument in row.kinds]


@pytest.mark.parametrize(("name", "argument"), PAIRS, ids=[".".join(pair) for pair in PAIRS])
def test_an_argument_is_taken_or_refused_by_name(name: str, argument: str) -> None:
    assert complaints(TABLE[name], argument) == []


@pytest.mark.parametrize("name", TABLE)
def test_the_table_knows_every_argument(name: str) -> None:
    assert missing_arguments(TABLE[name]) == []
