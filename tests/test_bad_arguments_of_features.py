"""What the losses of features and relations do with everything that is likely to be given them.

They look at shapes and types and not at values, so that they run under `torch.func.vmap`.
"""

from __future__ import annotations

import math

import torch
from arguments import (
    FINE,
    LABELS,
    NO_NUMBER,
    NO_TENSOR,
    NOT_FINITE,
    ON_META,
    OTHER_NUMBERS,
    OTHER_PRECISION,
    PAIRED_LOGITS,
    REFUSED,
    TEMPERATURE,
    Z_OTHER,
    G,
    K,
    N,
    Row,
    Y,
    Z,
    made,
    refused,
    table_tests,
)

from distill_lessons import losses

H, H_OTHER = torch.randn(2, N, 5, generator=G)
MAPS, MAPS_OTHER = torch.randn(2, N, 3, 4, 4, generator=G)
FEATURES = (
    NO_TENSOR
    | ON_META
    | OTHER_PRECISION
    | made(
        REFUSED,
        whole=lambda good: good.long(),
        flat=lambda good: good[0],
        empty=lambda good: good[:0],
        fewer_rows=lambda good: good[1:],
    )
)
AS_WIDE = FEATURES | made(REFUSED, narrower=lambda good: good[:, 1:])
AS_LARGE = FEATURES | made(REFUSED, smaller=lambda good: good[..., 1:])
LOGITS_OF_ANY_VALUE = {name: kind for name, kind in PAIRED_LOGITS.items() if name not in NOT_FINITE}
WEIGHT = (
    NO_NUMBER
    | refused(negative=-0.1, nan=math.nan, inf=math.inf)
    | OTHER_NUMBERS
    | made(FINE, zero=lambda good: 0.0)
)
ALONE = {("features", "fewer_rows"): None}
ANY_VALUE = {("labels", name): None for name in ("beyond", "negative")}


def features() -> dict[str, torch.Tensor]:
    return {"student": H.clone(), "teacher": H_OTHER.clone()}


def logits() -> dict[str, torch.Tensor]:
    return {"student_logits": Z.clone(), "teacher_logits": Z_OTHER.clone()}


PAIR = {"student": FEATURES, "teacher": FEATURES}
PAIR_OF_LOGITS = dict.fromkeys(("student_logits", "teacher_logits"), LOGITS_OF_ANY_VALUE)
TABLE = {
    "losses.features.hint": Row(losses.hint, features, dict.fromkeys(PAIR, AS_WIDE)),
    "losses.features.attention_map": Row(
        losses.attention_map, lambda: {"features": MAPS.clone()}, {"features": FEATURES}, but=ALONE
    ),
    "losses.features.attention_transfer": Row(
        losses.attention_transfer,
        lambda: {"student": MAPS.clone(), "teacher": MAPS_OTHER.clone()},
        dict.fromkeys(PAIR, AS_LARGE),
    ),
    "losses.features.contrastive": Row(
        losses.contrastive,
        lambda: features() | {"T": 0.5},
        dict.fromkeys(PAIR, AS_WIDE) | {"T": TEMPERATURE},
        but={("T", "tiny"): None},  # cosines over T are beyond a float there
    ),
    "losses.relations.relational_distance": Row(losses.relational_distance, features, PAIR),
    "losses.relations.relational_angle": Row(losses.relational_angle, features, PAIR),
    "losses.relations.similarity_preserving": Row(losses.similarity_preserving, features, PAIR),
    "losses.relations.linear_cka": Row(
        losses.linear_cka,
        lambda: {"a": H.clone(), "b": H_OTHER.clone()},
        {"a": FEATURES, "b": FEATURES},
    ),
    "losses.logits.decoupled_kd": Row(
        losses.decoupled_kd,
        lambda: (
            logits() | {"labels": Y.clone(), "T": 2.0, "target_weight": 1.0, "others_weight": 2.0}
        ),
        PAIR_OF_LOGITS
        | {"labels": LABELS, "T": TEMPERATURE, "target_weight": WEIGHT, "others_weight": WEIGHT},
        but=ANY_VALUE,
    ),
    "losses.logits.standardised": Row(
        losses.standardised,
        lambda: {"logits": Z.clone()},
        {"logits": LOGITS_OF_ANY_VALUE},
        but={("logits", name): None for name in ("fewer_rows", "fewer_classes")},
    ),
    "losses.logits.standardised_kd": Row(
        losses.standardised_kd, lambda: logits() | {"T": 2.0}, PAIR_OF_LOGITS | {"T": TEMPERATURE}
    ),
}
assert K == 3  # the fewest classes that decoupled_kd takes
(
    test_an_argument_is_taken_or_refused_by_name,
    test_the_table_knows_every_public_function,
    test_the_table_knows_every_argument,
) = table_tests(TABLE, {}, ["losses.features", "losses.relations", "losses.logits"])
