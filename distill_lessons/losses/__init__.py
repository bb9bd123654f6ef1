"""What a student is to copy, as a number: pure functions of tensors.

| module | what is compared |
|---|---|
| `soft` | soft targets: the distillation loss and its limit, the matching of logits |
| `logits` | logits in other ways: decoupled, without their scale |
| `features` | a hidden layer: hints through a projector, attention, contrast |
| `relations` | the places of a batch's images: distances, angles, similarities; CKA |
| `checks` | nothing: it refuses arguments that do not fit |
"""

from distill_lessons.losses.checks import (
    check_alpha,
    check_labels,
    check_logits,
    check_same_shape,
    check_temperature,
)
from distill_lessons.losses.features import (
    Projected,
    attention_map,
    attention_transfer,
    contrastive,
    hint,
)
from distill_lessons.losses.logits import decoupled_kd, standardised, standardised_kd
from distill_lessons.losses.relations import (
    linear_cka,
    relational_angle,
    relational_distance,
    similarity_preserving,
)
from distill_lessons.losses.soft import (
    centred,
    entropy,
    kd_loss,
    kl_divergence,
    logit_matching,
    soft_targets,
)

__all__ = [
    "Projected",
    "attention_map",
    "attention_transfer",
    "centred",
    "check_alpha",
    "check_labels",
    "check_logits",
    "check_same_shape",
    "check_temperature",
    "contrastive",
    "decoupled_kd",
    "entropy",
    "hint",
    "kd_loss",
    "kl_divergence",
    "linear_cka",
    "logit_matching",
    "relational_angle",
    "relational_distance",
    "similarity_preserving",
    "soft_targets",
    "standardised",
    "standardised_kd",
]
