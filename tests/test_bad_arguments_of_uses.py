"""What counterfactuals, surrogates and trained reasons do with all that may be given."""

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
    LABELLED_SPLIT,
    LABELS,
    LOGITS,
    MODEL,
    NO_TENSOR,
    NOT_FINITE,
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
    Kind,
    N,
    Row,
    X,
    Y,
    Z,
    made,
    net,
    refused,
    split,
    table_tests,
)

from distill_lessons.explain import groups
from distill_lessons.uses import (
    alternatives,
    counterfactuals,
    influence,
    patchwork,
    reasons,
    surrogates,
)

ENDS = torch.stack([torch.zeros(SHAPE), torch.ones(SHAPE)])
TILES = groups.patches(SHAPE, 2)
KEPT = np.array([[1, 1, 1, 1], [1, 0, 1, 1], [0, 1, 1, 0], [0, 0, 1, 1], [1, 1, 0, 0]], bool)
PIXELS = IMAGES | NOT_FINITE | made(
    REFUSED, whole=lambda good: (9 * good).long(), empty=lambda good: good[:0]
)  # fmt: skip
OTHERS = NO_TENSOR | ON_META | NOT_FINITE | made(
    REFUSED, smaller=lambda good: good[..., 1:], empty=lambda good: good[:0],
    flat=lambda good: good[:, 0, 0, 0],
) | made(SAME, double=lambda good: good.double(), whole=lambda good: good.long())  # fmt: skip
GROUPS = refused(number=3, empty=[], beyond=[[99]], empty_group=[[]], twice=[[0, 0]])
REGIONS = GROUPS | refused(none=None) | made(REFUSED, part=lambda good: good[1:])
TARGET: Kind = LABELS | made(FINE, none=lambda good: None)
TABLES = refused(none=None, text="x", words=[["a"]]) | made(
    REFUSED, flat=lambda good: np.ravel(good), fewer=lambda good: good[..., 1:, :]
)  # fmt: skip
NUMBERS = refused(none=None, text="x", negative=-np.ones(5), nan=np.full(5, math.nan)) | made(
    REFUSED, fewer=lambda good: good[1:], zeros=lambda good: 0 * good
) | made(SAME, a_list=lambda good: good.tolist())  # fmt: skip
BASELINE = refused(none=None, text="x", nan=math.nan) | made(
    REFUSED, smaller=lambda good: good[..., 1:]
) | made(SAME, double=lambda good: good.double())  # fmt: skip
NOT_NEGATIVE = (
    refused(none=None, text="2", two_axes=torch.ones(2, 2), negative=-0.1, nan=math.nan)
    | refused(inf=math.inf)
    | OTHER_NUMBERS
    | made(FINE, zero=lambda good: 0.0)
)


def doubtful() -> torch.nn.Sequential:
    """A net that does not give the same answer to all."""
    model = net()
    with torch.no_grad():
        model[-1].bias -= model(X).mean(0)
    return model


def target() -> torch.Tensor:
    return (net()(X).argmax(1) + 1) % 3


def searched() -> dict[str, Any]:
    return {
        "model": net(), "x": X.clone(), "alternatives": ENDS.clone(), "groups": list(TILES),
        "target": target(), "budget": 3, "candidates": 5, "missing": "mark", "stop": True,
    }  # fmt: skip


def masked() -> dict[str, Any]:
    return {
        "model": net(), "x": X.clone(), "regions": list(TILES), "baseline": X.mean(0),
        "output": "logits",
    }  # fmt: skip


ASKED = {"model": MODEL, "x": PIXELS, "regions": REGIONS, "baseline": BASELINE, "output": WORD}
# Other labels are other targets; one that is the answer already is refused, but not as a label.
TABLE = {
    "uses.counterfactuals.margins": Row(
        counterfactuals.margins,
        lambda: {"z": Z.clone(), "own": Y.clone(), "target": (Y + 1) % 3},
        {"z": LOGITS, "own": LABELS, "target": LABELS},
        but={("target", "none"): FINE, ("z", "flat"): None},
    ),
    "uses.counterfactuals.search": Row(
        counterfactuals.search,
        searched,
        {
            "model": MODEL,
            "x": PIXELS,
            "alternatives": OTHERS,
            "groups": GROUPS | made(FINE, none=lambda good: None),
            "target": TARGET,
            "budget": COUNT,
            "candidates": COUNT,
            "missing": WORD,
            "stop": {},
        },
        but={("target", "none"): FINE},
    ),
    "uses.alternatives.nearest_other": Row(
        alternatives.nearest_other,
        lambda: {"model": doubtful(), "x": X[:4].clone(), "real": X.flip(0).clone()},
        {"model": MODEL, "x": PIXELS, "real": PIXELS},
    ),
    "uses.alternatives.at_random": Row(
        alternatives.at_random,
        lambda: {"x": X.clone(), "alternatives": ENDS.clone(), "n": Y.clone(),
                 "groups": list(TILES), "seed": 1},
        {
            "x": NO_TENSOR | ON_META | NOT_FINITE,
            "alternatives": OTHERS,
            "n": NO_TENSOR | ON_META | made(
                REFUSED, floats=lambda good: good.float(), fewer=lambda good: good[1:],
                negative=lambda good: good - 1, too_many=lambda good: good + 9,
            ),
            "groups": GROUPS | made(FINE, none=lambda good: None),
            "seed": SEED,
        },
    ),
    "uses.surrogates.random_masks": Row(
        surrogates.random_masks,
        lambda: {"n_regions": 4, "n": 6, "seed": 1},
        {"n_regions": COUNT, "n": COUNT, "seed": SEED},
    ),
    "uses.surrogates.local_weights": Row(
        surrogates.local_weights,
        lambda: {"kept": KEPT.copy(), "width": 0.5},
        {"kept": refused(none=None, text="x", flat=KEPT[0], empty=KEPT[:0]), "width": RATE},
    ),
    "uses.surrogates.weighted_ridge": Row(
        surrogates.weighted_ridge,
        lambda: {"kept": KEPT.astype(float), "z": Z[:5].double().numpy(),
                 "weights": np.arange(1.0, 6.0), "penalty": 0.5},
        {"kept": TABLES, "z": TABLES, "weights": NUMBERS, "penalty": RATE},
    ),
    "uses.surrogates.r_squared": Row(
        surrogates.r_squared,
        lambda: {"z": Z[:5].double().numpy(), "guessed": Z[1:6].double().numpy(),
                 "weights": np.arange(1.0, 6.0)},
        {"z": TABLES, "guessed": TABLES, "weights": NUMBERS},
    ),
    "uses.surrogates.answers": Row(
        surrogates.answers,
        lambda: masked() | {"kept": KEPT.copy()},
        ASKED | {"kept": refused(none=None, flat=KEPT[0], empty=KEPT[:0], fewer=KEPT[:, 1:])},
    ),
    "uses.surrogates.one_hidden": Row(surrogates.one_hidden, masked, ASKED),
    "uses.surrogates.lime": Row(
        surrogates.lime,
        lambda: masked() | {"n": 12, "width": 0.5, "penalty": 0.5, "seed": 3},
        ASKED | {"n": COUNT, "width": RATE, "penalty": RATE, "seed": SEED},
    ),
    "uses.influence.self_influence": Row(
        influence.self_influence,
        lambda: {"model": net(), "split": split(), "batch_size": 4},
        {"model": MODEL, "split": LABELLED_SPLIT, "batch_size": COUNT},
    ),
    "uses.patchwork.dealt": Row(
        patchwork.dealt,
        lambda: {"shares": np.array([1.0, 2.0, 3.0]), "n_units": 7},
        {
            "shares": refused(none=None, zeros=[0.0, 0.0], nan=[1.0, math.nan], table=[[1.0]])
            | made(SAME, a_list=lambda good: good.tolist()),
            "n_units": COUNT,
        },
    ),
    "uses.patchwork.views": Row(
        patchwork.views,
        lambda: {"counts": [1, 0, 2, 1], "groups": list(TILES), "image_shape": SHAPE},
        {
            "counts": refused(none=None, fewer=[1, 2], negative=[1, -1, 2, 1],
                              floats=[1.0, 0.0, 2.0, 1.0]),
            "groups": GROUPS,
            "image_shape": refused(none=None, number=3, smaller=(1, 2, 2)),
        },
        but={("image_shape", "smaller"): None},
    ),
    "uses.reasons.class_slopes": Row(
        reasons.class_slopes,
        lambda: {"model": net(), "x": X.clone(), "classes": Y.clone()},
        {"model": MODEL, "x": PIXELS, "classes": LABELS},
    ),
    "uses.reasons.all_class_slopes": Row(
        reasons.all_class_slopes,
        lambda: {"model": net(), "x": X.clone()},
        {"model": MODEL, "x": PIXELS},
    ),
    "uses.reasons.gaps": Row(
        reasons.gaps,
        lambda: {"slopes": X.clone(), "wanted": X.flip(0).clone()},
        {
            "slopes": NO_TENSOR | ON_META | OTHER_PRECISION
            | made(REFUSED, fewer=lambda good: good[1:]),
            "wanted": NO_TENSOR | ON_META | OTHER_PRECISION
            | made(REFUSED, fewer=lambda good: good[1:]),
        },
    ),
    "uses.reasons.like_teacher": Row(
        reasons.like_teacher,
        lambda: {"z": Z.clone(), "slopes": X.clone(), "weight": 0.5, "T": 2.0},
        {
            "z": LOGITS,
            "slopes": NO_TENSOR | ON_META | NOT_FINITE | made(
                REFUSED, fewer=lambda good: good[1:], empty=lambda good: good[:0]
            ),
            "weight": NOT_NEGATIVE,
            "T": TEMPERATURE,
        },
        found=lambda given, objective: [],
    ),
    "uses.reasons.right_reasons": Row(
        reasons.right_reasons,
        lambda: {"mask": X[0] > 0.5, "weight": 0.5},
        {
            "mask": NO_TENSOR | ON_META | made(
                REFUSED, floats=lambda good: good.float(), nothing=lambda good: good & False
            ),
            "weight": NOT_NEGATIVE,
        },
        found=lambda given, objective: [],
    ),
}  # fmt: skip
UNCHECKED = {
    "uses.alternatives.members": "part of a search, which checks",
    "uses.alternatives.alternatives_for": "part of a search, which checks",
}
MODULES = [f"uses.{name}" for name in ("alternatives", "counterfactuals", "influence", "patchwork",
                                       "reasons", "surrogates")]  # fmt: skip
(
    test_an_argument_is_taken_or_refused_by_name,
    test_the_table_knows_every_public_function,
    test_the_table_knows_every_argument,
) = table_tests(TABLE, UNCHECKED, MODULES)


def test_a_patchwork_refuses_views_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="seen has 3 columns for images of 16"):
        patchwork.Patchwork(SHAPE, 3, torch.ones(2, 3, dtype=torch.bool), seed=0)
    with pytest.raises(ValueError, match="seen has shape .* true or false"):
        patchwork.Patchwork(SHAPE, 3, torch.ones(2, 16), seed=0)
    with pytest.raises(TypeError, match="seen"):
        patchwork.Patchwork(SHAPE, 3, [[True]], seed=0)


def test_an_objective_refuses_a_mask_of_another_size() -> None:
    objective = reasons.right_reasons(torch.ones(1, 3, 3, dtype=torch.bool), weight=1.0)
    from distill_lessons.objectives import Batch

    with pytest.raises(ValueError, match="mask has shape"):
        objective(net(), Batch(X, Y, torch.arange(N)))
