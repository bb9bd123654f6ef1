"""What explanations do with everything that is likely to be given them."""

from __future__ import annotations

import math
import pkgutil
from typing import Any

import numpy as np
import torch
from arguments import (
    COUNT,
    FINE,
    FREE,
    IMAGES,
    LABELS,
    MODEL,
    NOT_FINITE,
    NOT_RUN,
    ON_META,
    OTHER_NUMBERS,
    OTHER_PRECISION,
    RATE,
    REFUSED,
    SAME,
    SEED,
    SHAPE,
    TEMPERATURE,
    WORD,
    Z_OTHER,
    K,
    Kind,
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
from torch import Tensor, nn

from distill_lessons import explain, models
from distill_lessons.explain import (
    agreement,
    arrays,
    checks,
    gradients,
    groups,
    known,
    output,
    permutation,
    quality,
    randomisation,
    shap_adapters,
    shapley,
    similarity,
    structure,
    units,
)
from distill_lessons.explain.additive import Explanation
from distill_lessons.whitebox import trees

MODULES = [f"explain.{module.name}" for module in pkgutil.iter_modules(explain.__path__)]
G = torch.Generator().manual_seed(1)
A, B = torch.randn(2, N, *SHAPE, K, generator=G)
FEW, BACKGROUND = X[:4], X[4:7]
REGIONS = groups.patches(SHAPE, 2)

# ---- Kinds that only these functions know --------------------------------------------------------

AS_ARRAY = made(SAME, numpy=lambda good: good.numpy(), a_list=lambda good: good.tolist())
ARRAY = (
    refused(none=None, text="x")
    | ON_META
    | NOT_FINITE
    | OTHER_PRECISION
    | AS_ARRAY
    | made(REFUSED, empty=lambda good: good[:0], flat=lambda good: good.flatten())
)
PAIRED = ARRAY | made(REFUSED, fewer=lambda good: good[1:], other_size=lambda good: good[..., 1:])
LOGITS = ARRAY | made(REFUSED, one_class=lambda good: good[:, :1])
CLASSES = LABELS | AS_ARRAY | made(SAME, narrow=lambda good: good.int())
INPUTS = IMAGES | NOT_FINITE | made(REFUSED, empty=lambda good: good[:0])
BASELINE = (
    refused(none=None, text="0", nan=math.nan, inf=math.inf)
    | OTHER_NUMBERS
    | made(
        REFUSED, other_size=lambda good: torch.zeros(1, 5, 5), a_nan=lambda good: X[0] * math.nan
    )
    | made(FINE, image=lambda good: X.mean(0))
)
MEMORY = refused(none=None, text="64", zero=0.0, negative=-1.0, nan=math.nan) | OTHER_NUMBERS
WHICH = refused(text="0", fraction=[1.9], nan=math.nan, beyond=[K], negative=[-1], number_beyond=K)
SHAPES = refused(none=None, text="1x4", number=16, empty=(1, 0, 4), negative=(1, -4, 4)) | refused(
    fraction=(1, 4.5, 4), words=("1", "4", "4")
) | made(SAME, a_list=list)  # fmt: skip
GROUPS = refused(
    none=None, text="rows", number=3, empty=[], an_empty_one=[[0], []], beyond=[[0, 99]],
    negative=[[-1]], fractions=[[0.5]], doubles=[[0, 0]],
) | made(SAME, lists=lambda good: [list(map(int, g)) for g in good])  # fmt: skip
MAYBE_GROUPS = {name: case for name, case in GROUPS.items() if name != "none"}
FUNCTION = refused(none=None, text="f", number=3)


def conv() -> nn.Sequential:
    return models.cnn(SHAPE, K, width=2)


def saliency(model: nn.Module, x: Tensor) -> Any:
    return gradients.gradient(model, x)


def values_of(given: dict[str, Any], found: Explanation) -> Any:
    return found.values, found.base, found.outputs  # and not the seconds that it took


def of_images(function: Any, **more: Any) -> Row:
    """The row of a method that explains images by their gradients."""
    kinds: dict[str, Kind] = {
        "model": MODEL, "x": INPUTS, "classes": WHICH, "centre": FREE, "batch_size": COUNT,
    }  # fmt: skip
    good = {"classes": None, "centre": True, "batch_size": 2}
    return Row(
        function,
        lambda: (
            {"model": net(), "x": FEW} | good | {name: value for name, (value, _) in more.items()}
        ),
        kinds | {name: kind for name, (_, kind) in more.items()},
    )


# ---- The table -----------------------------------------------------------------------------------

TABLE = {
    "explain.agreement.compare_predictions": Row(
        agreement.compare_predictions,
        lambda: {"z_a": Z, "z_b": Z_OTHER, "T": 2.0},
        {"z_a": LOGITS | PAIRED, "z_b": LOGITS | PAIRED, "T": TEMPERATURE},
    ),
    "explain.agreement.compare_attributions": Row(
        agreement.compare_attributions,
        lambda: {"a": A, "b": B, "k": 3, "y": Y},
        {"a": PAIRED, "b": PAIRED, "k": COUNT | refused(too_many=17), "y": CLASSES},
        but={("y", "none"): FINE},
    ),
    "explain.agreement.beside_controls": Row(
        agreement.beside_controls,
        lambda: {
            "reference": net(0), "others": {"other": net(1)}, "x": FEW, "explain": saliency, "k": 3,
            "y": None, "T": 2.0,
        },
        {
            "reference": refused(none=None, text="net", number=3),
            "others": refused(none=None, empty={}, text="net", a_net=net(2), no_nets={"a": 3}),
            "x": INPUTS,
            "explain": refused(text="f", number=3),
            "k": COUNT | refused(too_many=17),
            "y": refused(text="y", fewer=[0], beyond=[K] * 4),
            "T": TEMPERATURE,
        },
    ),
    "explain.arrays.of_class": Row(
        arrays.of_class,
        lambda: {"attributions": A, "y": Y},
        {"attributions": ARRAY, "y": CLASSES},
        but={("attributions", "flat"): REFUSED},
    ),
    "explain.checks.check_explainable": Row(
        checks.check_explainable,
        lambda: {"model": net(), "x_shape": SHAPE},
        {"model": MODEL, "x_shape": SHAPES | refused(other=(1, 5, 5))},
        but={("model", "one_number"): None},  # it is the operations that are looked at
    ),
    "explain.gradients.gradient": of_images(gradients.gradient),
    "explain.gradients.gradient_x_input": of_images(gradients.gradient_x_input),
    "explain.gradients.integrated_gradients": of_images(
        gradients.integrated_gradients, baseline=(0.0, BASELINE), steps=(4, COUNT)
    ),
    "explain.gradients.smoothgrad": of_images(
        gradients.smoothgrad,
        sigma=(0.1, RATE | made(FINE, zero=lambda good: 0.0)),
        samples=(2, COUNT),
        seed=(0, SEED),
    ),
    "explain.gradients.grad_cam": of_images(
        gradients.grad_cam,
        model=(conv(), MODEL),
        layer=("3", refused(number=3, unknown="no such") | made(FINE, none=lambda g: None)),
        relu=(True, FREE),
    ),
    "explain.gradients.completeness_gap": Row(
        gradients.completeness_gap,
        lambda: {"model": net(), "x": X, "attributions": A, "baseline": 0.0, "centre": True},
        {
            "model": MODEL,
            "x": INPUTS,
            "attributions": PAIRED,
            "baseline": BASELINE,
            "centre": FREE,
        },
    ),
    "explain.known.linear_values": Row(
        known.linear_values,
        lambda: {"weight": Z[:2, :2], "x": Z_OTHER[:3, :2], "background": Z[4:7, :2]},
        {
            "weight": ARRAY | made(REFUSED, other_size=lambda good: good[..., 1:]),
            **dict.fromkeys(
                ("x", "background"), ARRAY | made(REFUSED, other_size=lambda good: good[..., 1:])
            ),
        },
    ),
    "explain.known.tree_values": Row(
        known.tree_values,
        lambda: {"tree": trees.grow(X, Z, 3), "x": FEW, "background": BACKGROUND},
        {
            "tree": refused(none=None, text="tree", number=3, a_net=net()),
            **dict.fromkeys(
                ("x", "background"), ARRAY | made(REFUSED, other_size=lambda good: good[..., 1:])
            ),
        },
    ),
    "explain.groups.singles": Row(groups.singles, lambda: {"n_features": 4}, {"n_features": COUNT}),
    **{
        f"explain.groups.{name}": Row(
            getattr(groups, name), lambda: {"image_shape": SHAPE}, {"image_shape": SHAPES}
        )
        for name in ("pixels", "rows", "columns", "channels")
    },
    "explain.groups.patches": Row(
        groups.patches,
        lambda: {"image_shape": SHAPE, "size": 2},
        {"image_shape": SHAPES, "size": COUNT | made(SAME, pair=lambda good: (2, 2))},
        but={("size", "a_list"): None, ("size", "two_numbers"): None},
    ),
    "explain.groups.from_map": Row(
        groups.from_map,
        lambda: {"label_map": torch.arange(16).reshape(4, 4) % 3, "input_shape": SHAPE},
        {
            "label_map": refused(none=None, text="map", number=1, other=np.zeros((5, 5), int))
            | refused(fractions=np.full((4, 4), 0.5), nan=np.full((4, 4), math.nan))
            | AS_ARRAY
            | ON_META,
            "input_shape": SHAPES,
        },
    ),
    "explain.groups.as_groups": Row(
        groups.as_groups,
        lambda: {"groups": REGIONS, "input_shape": SHAPE, "partition": True},
        {"groups": GROUPS | refused(overlap=[range(16), [0]], gap=[[0]]), "input_shape": SHAPES,
         "partition": FREE},
    ),
    "explain.groups.paint": Row(
        groups.paint,
        lambda: {"values": Z[:4], "groups": REGIONS, "input_shape": SHAPE},
        {"values": ARRAY, "groups": GROUPS, "input_shape": SHAPES},
    ),
    **{
        f"explain.output.{name}": Row(
            getattr(output, name), lambda: {"z": Z, "T": 2.0}, {"z": LOGITS, "T": TEMPERATURE}
        )
        for name in ("confidence", "entropy", "probabilities")
    },
    "explain.output.margin": Row(
        output.margin,
        lambda: {"z": Z, "y": Y, "T": 2.0},
        {"z": LOGITS, "y": CLASSES, "T": TEMPERATURE},
        but={("y", "none"): FINE},
    ),
    "explain.output.summary": Row(
        output.summary,
        lambda: {"z": Z, "y": Y, "T": 2.0},
        {"z": LOGITS, "y": CLASSES, "T": TEMPERATURE},
    ),
    "explain.output.cases": Row(
        output.cases,
        lambda: {"z": Z, "y": Y, "n": 2, "T": 2.0},
        {"z": LOGITS, "y": CLASSES, "n": COUNT, "T": TEMPERATURE},
    ),
    "explain.output.soft_confusion": Row(
        output.soft_confusion,
        lambda: {"z": Z, "y": Y, "T": 2.0, "classes": ["a", "b", "c"]},
        {"z": LOGITS, "y": CLASSES, "T": TEMPERATURE,
         "classes": refused(number=3, two=["a", "b"], text="ab")},
    ),
    "explain.permutation.permutation_importance": Row(
        permutation.permutation_importance,
        lambda: {
            "model": net(), "x": X, "y": Y, "metric": "soft_targets", "groups": REGIONS, "repeats": 2,  # noqa: E501
            "seed": 0, "per_class": False, "teacher_logits": Z, "T": 2.0, "memory": 64.0,
            "fast": True,
        },
        {
            "model": MODEL,
            "x": INPUTS,
            "y": CLASSES,
            "metric": WORD,
            "groups": MAYBE_GROUPS,
            "repeats": COUNT,
            "seed": SEED,
            "per_class": FREE,
            "teacher_logits": LOGITS | PAIRED,
            "T": TEMPERATURE,
            "memory": MEMORY,
            "fast": FREE,
        },
    ),
    "explain.quality.curves": Row(
        quality.curves,
        lambda: {"model": net(), "x": X, "attributions": A, "baseline": 0.0, "y": Y, "steps": 4,
                 "seeds": 2},
        {
            "model": MODEL,
            "x": INPUTS,
            "attributions": PAIRED,
            "baseline": BASELINE,
            "y": CLASSES,
            "steps": COUNT,
            "seeds": COUNT,
        },
        but={("y", "none"): FINE},
    ),
    "explain.quality.stability": Row(
        quality.stability,
        lambda: {"model": net(), "x": FEW, "explain": saliency, "sigma": 0.1, "repeats": 2, "seed": 0},  # noqa: E501
        {
            "model": MODEL,
            "x": INPUTS,
            "explain": FUNCTION,
            "sigma": RATE,
            "repeats": COUNT,
            "seed": SEED,
        },
    ),
    "explain.quality.randomisation_check": Row(
        quality.randomisation_check,
        lambda: {"model": net(), "x": FEW, "explain": saliency, "cascade": True, "seeds": 2},
        {"model": MODEL, "x": INPUTS, "explain": FUNCTION, "cascade": FREE, "seeds": COUNT},
        but={("model", "double"): FINE},  # other numbers are drawn
    ),
    "explain.quality.areas": Row(
        quality.areas,
        lambda: {"table": quality.curves(net(), X, A, baseline=0.0, steps=4, seeds=2)},
        {"table": refused(none=None, text="t", a_dict={"a": [1]})
         | made(REFUSED, empty=lambda good: good.iloc[:0], no_column=lambda good: good.iloc[:, :1])},  # noqa: E501
    ),
    "explain.quality.effective_features": Row(
        quality.effective_features, lambda: {"attributions": A}, {"attributions": ARRAY}
    ),
    "explain.randomisation.randomised": Row(
        randomisation.randomised,
        lambda: {"model": net(), "seed": 0, "layers": ["1"]},
        {
            "model": MODEL,
            "seed": SEED,
            "layers": refused(number=3, unknown=["9"], empty=[], numbers=[1])
            | made(FINE, none=lambda good: None),
        },
        but=NOT_RUN | {("model", "double"): FINE},  # other numbers are drawn
    ),
    "explain.randomisation.resettable_layers": Row(
        randomisation.resettable_layers, lambda: {"model": net()}, {"model": MODEL}, but=NOT_RUN
    ),
    "explain.shap_adapters.shap_values": Row(
        shap_adapters.shap_values,
        lambda: {
            "model": net(), "x": FEW[:2], "background": BACKGROUND, "method": "deep",
            "output": "centred", "regions": REGIONS, "samples": None, "l1_reg": 0, "engine": "auto",
            "seed": 0, "tolerance": 1e-3, "memory": 64.0,
        },
        {
            "model": MODEL,
            "x": INPUTS,
            "background": INPUTS,
            "method": WORD,
            "output": WORD,
            "regions": MAYBE_GROUPS | refused(gap=[[0]]),
            "samples": refused(here=10, text="10"),  # deep draws none
            "l1_reg": FREE,  # for kernel alone, tried there
            "engine": WORD,
            "seed": SEED,
            "tolerance": refused(text="1", nan=math.nan, negative=-1.0) | made(FINE, none=lambda g: None),  # noqa: E501
            "memory": MEMORY,
        },
        found=values_of,
    ),
    "explain.shapley.coalitions": Row(
        shapley.coalitions, lambda: {"n_players": 3}, {"n_players": COUNT | refused(many=40)}
    ),
    "explain.shapley.shapley_matrix": Row(
        shapley.shapley_matrix, lambda: {"n_players": 3}, {"n_players": COUNT | refused(many=40)}
    ),
    "explain.shapley.shapley_of_game": Row(
        shapley.shapley_of_game,
        lambda: {"values": torch.arange(8.0)},
        {"values": refused(none=None, text="v", empty=[], odd=[1.0, 2.0, 3.0]) | NOT_FINITE | ON_META  # noqa: E501
         | AS_ARRAY},
    ),
    "explain.shapley.exact": Row(
        shapley.exact,
        lambda: {
            "model": net(), "x": FEW, "background": BACKGROUND, "regions": REGIONS,
            "output": "centred", "memory": 64.0,
        },
        {
            "model": MODEL,
            "x": INPUTS,
            "background": INPUTS,
            "regions": GROUPS | refused(gap=[[0]]),
            "output": WORD,
            "memory": MEMORY,
        },
        found=values_of,
    ),
    "explain.similarity.cosine": Row(
        similarity.cosine, lambda: {"a": A[..., 0], "b": B[..., 0]}, {"a": PAIRED, "b": PAIRED}
    ),
    "explain.similarity.spearman": Row(
        similarity.spearman,
        lambda: {"a": A[..., 0], "b": B[..., 0], "absolute": False},
        {"a": PAIRED, "b": PAIRED, "absolute": FREE},
    ),
    "explain.similarity.topk_overlap": Row(
        similarity.topk_overlap,
        lambda: {"a": A[..., 0], "b": B[..., 0], "k": 3},
        {"a": PAIRED, "b": PAIRED, "k": COUNT | refused(too_many=17)},
    ),
    "explain.structure.layers": Row(
        structure.layers,
        lambda: {"model": net(), "x": FEW},
        {"model": MODEL, "x": INPUTS},
        but={("model", "one_number"): None} | {("x", name): None for name in NOT_FINITE},  # shapes
    ),
    "explain.units.first_layer_weights": Row(
        units.first_layer_weights,
        lambda: {"model": net(), "image_shape": SHAPE, "layer": "1"},
        {
            "model": MODEL,
            "image_shape": SHAPES | refused(other=(1, 5, 5)),
            "layer": refused(number=1, unknown="9", no_weights="2"),
        },
        but=NOT_RUN,
    ),
    "explain.units.activations": Row(
        units.activations,
        lambda: {"model": net(), "x": FEW, "layer": "1", "pool": "mean", "batch_size": 2},
        {
            "model": MODEL,
            "x": INPUTS,
            "layer": WORD | refused(empty=""),
            "pool": WORD,
            "batch_size": COUNT,
        },
        but={("model", "one_number"): None},
    ),
}  # fmt: skip

# Machinery that the functions above call with what they have checked; it asks nothing of its own.
SHARED = {f"explain.{name}" for name in ("additive", "admission", "forward", "metrics", "rescale",
                                         "scores", "tracing")}  # fmt: skip
UNCHECKED = {
    "explain.arrays.labels": "a check",
    "explain.arrays.finite": "a check",
    "explain.arrays.check_finite": "a check",
    "explain.arrays.check_logits": "a check",
    "explain.arrays.baseline_for": "a check, tried through integrated_gradients",
    "explain.similarity.same_shape": "a check",
    "explain.groups.checked_image_shape": "a check, tried through pixels",
    "explain.similarity.by_class": "called by compare_attributions",
    "explain.shap_adapters.estimate_rows": "called by shap_values",
    "explain.shap_adapters.wrapped": "called by shap_values",
    "explain.sampled.kernel": "called by shap_values",
    "explain.sampled.permutation": "called by shap_values",
    "explain.sampled.played": "called by shap_values",
    "explain.shapley.image_game": "called by exact",
}
(
    test_an_argument_is_taken_or_refused_by_name,
    test_the_table_knows_every_public_function,
    test_the_table_knows_every_argument,
) = table_tests(TABLE, UNCHECKED, [module for module in MODULES if module not in SHARED])
