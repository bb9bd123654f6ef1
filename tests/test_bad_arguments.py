"""What losses, training, measuring and data do with everything that is likely to be given them."""

from __future__ import annotations

from typing import Any

import torch
from arguments import (
    ALPHA,
    ANY_SIZE,
    COUNT,
    FINE,
    FREE,
    FUNCTION,
    IMAGES,
    LABELLED_SPLIT,
    LABELS,
    LOGITS,
    MODEL,
    NOT_FINITE,
    NOT_RUN,
    PAIRED_LOGITS,
    RATE,
    REFUSED,
    SAME,
    SEED,
    SPLIT,
    TEMPERATURE,
    WORD,
    Z_OTHER,
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
    trained,
)
from torch import nn

from distill_lessons import (
    augmentation,
    data,
    distillation,
    evaluation,
    losses,
    objectives,
    training,
)
from distill_lessons.data import UNLABELLED
from distill_lessons.fast import optimisers

MODULES = [
    "losses.soft", "losses.checks", "objectives", "training", "fast.optimisers", "distillation",
    "evaluation", "data", "augmentation",
]  # fmt: skip

# ---- Kinds that only these functions know --------------------------------------------------------

ON_ITS_DEVICE = {("like", "meta"): None, ("split", "meta"): None}  # the result is there too
UNLABELLED_TOO = made(FINE, unlabelled=lambda good: torch.full_like(good, UNLABELLED))
PROBABILITIES = LOGITS | made(
    REFUSED,
    logits=lambda good: 5 * good - 1,
    negative=lambda good: -good,
    double_mass=lambda g: 2 * g,
)
NO_NET = {name: MODEL[name] for name in ("none", "text", "its_class", "a_function", "number")}


def entered(manager: Any) -> Any:
    def enter(**given: Any) -> None:
        with manager(*given.values()):
            pass

    return enter


# ---- The table -----------------------------------------------------------------------------------

TABLE = {
    "losses.soft.soft_targets": Row(
        losses.soft_targets,
        lambda: {"logits": Z, "T": 2.0},
        {"logits": LOGITS, "T": TEMPERATURE},
    ),
    "losses.soft.kd_loss": Row(
        losses.kd_loss,
        lambda: {
            "student_logits": Z, "teacher_logits": Z_OTHER,
            "labels": Y, "T": 2.0, "alpha": 0.5,
        },
        {
            "student_logits": PAIRED_LOGITS,
            "teacher_logits": PAIRED_LOGITS,
            "labels": LABELS | UNLABELLED_TOO,
            "T": TEMPERATURE,
            "alpha": ALPHA,
        },
    ),
    "losses.soft.kl_divergence": Row(
        losses.kl_divergence,
        lambda: {"teacher_logits": Z, "student_logits": Z_OTHER, "T": 2.0},
        {"teacher_logits": PAIRED_LOGITS, "student_logits": PAIRED_LOGITS, "T": TEMPERATURE},
    ),
    "losses.soft.entropy": Row(
        losses.entropy, lambda: {"probabilities": Z.softmax(1)}, {"probabilities": PROBABILITIES}
    ),
    "losses.soft.logit_matching": Row(
        losses.logit_matching,
        lambda: {"student_logits": Z, "teacher_logits": Z_OTHER},
        {"student_logits": PAIRED_LOGITS, "teacher_logits": PAIRED_LOGITS},
    ),
    "losses.soft.centred": Row(
        losses.centred,
        lambda: {"logits": Z},
        {"logits": LOGITS},
        # Any rows will do, and what is not finite stays so: it also runs where nothing may branch.
        but={
            ("logits", name): None
            for name in ("flat", "deep", "empty", "one_class", *NOT_FINITE)
        },
    ),
    "losses.checks.check_temperature": Row(
        losses.check_temperature, lambda: {"T": 2.0}, {"T": TEMPERATURE}
    ),
    "losses.checks.check_alpha": Row(losses.check_alpha, lambda: {"alpha": 0.5}, {"alpha": ALPHA}),
    "losses.checks.check_logits": Row(
        losses.check_logits,
        lambda: {"argument": "logits", "logits": Z},
        {"argument": FREE, "logits": LOGITS},
    ),
    "losses.checks.check_same_shape": Row(
        losses.check_same_shape,
        lambda: {"argument": "a", "a": Z, "other": "b", "b": Z},
        {
            "argument": FREE,
            "other": FREE,
            "a": made(REFUSED, fewer=lambda good: good[1:]),
            "b": made(REFUSED, fewer=lambda good: good[1:]),
        },
    ),
    "losses.checks.check_labels": Row(
        losses.check_labels,
        lambda: {"argument": "labels", "labels": Y, "logits": Z},
        {"argument": FREE, "labels": LABELS | UNLABELLED_TOO, "logits": FREE},
    ),
    "objectives.of_logits": Row(
        objectives.of_logits, lambda: {"loss": objectives.cross_entropy}, {"loss": FUNCTION}
    ),
    "objectives.batches": Row(
        objectives.batches,
        lambda: {
            "n": 4, "batch_size": 2,
            "generator": torch.Generator().manual_seed(0), "device": "cpu",
        },
        {
            "n": COUNT,
            "batch_size": COUNT,
            "generator": refused(none=None, seed=0),
            "device": refused(unknown="gpu"),
        },
    ),
    "training.threshold": Row(
        training.threshold,
        lambda: {"dataset": "folder:x", "n_classes": 3},
        {"dataset": FREE, "n_classes": COUNT},
    ),
    "training.fit": Row(
        training.fit,
        lambda: {
            "model": net(), "split": split(), "loss": objectives.cross_entropy, "objective": None,
            "also": (), "epochs": None, "steps": 2, "valid": split(), "accept_loss": 1e-9,
            "batch_size": 4, "lr": 0.01, "weight_decay": 0.5, "optimizer": None,
            "schedule": None, "augment": None, "seed": 0, "checkpoint": None, "title": "",
        },
        {
            "model": MODEL,
            "split": LABELLED_SPLIT,
            "loss": FUNCTION | refused(none=None, a_module=nn.CrossEntropyLoss()),
            "objective": FUNCTION,
            "also": refused(none=None, number=3, words=["net"]) | made(SAME, a_list=list),
            "epochs": refused(beside_steps=1, zero=0),
            "steps": COUNT,
            "valid": LABELLED_SPLIT,
            "accept_loss": RATE | made(FINE, none=lambda good: None),
            "batch_size": COUNT | made(FINE, huge=lambda good: 10**9),
            "lr": RATE,
            "weight_decay": RATE | made(FINE, zero=lambda good: 0.0),
            "optimizer": FUNCTION,
            "schedule": FUNCTION,
            "augment": FUNCTION,
            "seed": SEED,
            "checkpoint": refused(number=3, inside_a_file=__file__ + "/x"),
            "title": FREE,
        },
        found=trained("model"),
    ),
    "fast.optimisers.check_rate": Row(optimisers.check_rate, lambda: {"lr": 0.01}, {"lr": RATE}),
    "distillation.teacher_logits": Row(
        distillation.teacher_logits,
        lambda: {"teacher": net(), "x": X, "mask": None},
        {"teacher": MODEL, "x": IMAGES | NOT_FINITE, "mask": refused(text="mask", number=3)},
    ),
    "distillation.distill": Row(
        lambda student, transfer, z_teacher, T, alpha, steps: distillation.distill(
            student, transfer, z_teacher, T=T, alpha=alpha, steps=steps
        ),
        lambda: {
            "student": net(), "transfer": split(), "z_teacher": Z,
            "T": 2.0, "alpha": 0.5, "steps": 2,
        },
        {
            "student": MODEL,
            "transfer": SPLIT,
            "z_teacher": PAIRED_LOGITS,
            "T": TEMPERATURE,
            "alpha": ALPHA,
            "steps": COUNT,
        },
        found=trained("student"),
        but={("T", "huge"): REFUSED},
    ),
    "distillation.consistent": Row(
        distillation.consistent,
        lambda: {"teacher": net(), "T": 2.0, "alpha": 0.5},
        {"teacher": MODEL, "T": TEMPERATURE, "alpha": ALPHA},
        but={("teacher", name): None for (_, name) in NOT_RUN},
    ),
    "distillation.check_distillation": Row(
        distillation.check_distillation,
        lambda: {"student": net(), "transfer": split(), "z_teacher": Z, "T": 2.0, "alpha": 0.5},
        {
            "student": MODEL,
            "transfer": SPLIT,
            "z_teacher": PAIRED_LOGITS,
            "T": TEMPERATURE,
            "alpha": ALPHA,
        },
        but={("T", "huge"): REFUSED},
    ),
    "distillation.fine_tune": Row(
        lambda student, labelled, lr, steps: distillation.fine_tune(
            student, labelled, lr=lr, steps=steps
        ),
        lambda: {"student": net(), "labelled": split(), "lr": 0.01, "steps": 2},
        {"student": MODEL, "labelled": LABELLED_SPLIT, "lr": RATE, "steps": COUNT},
        found=trained("student"),
    ),
    "distillation.join": Row(
        lambda splits: distillation.join(split(), splits),
        lambda: {"splits": split()},
        {"splits": SPLIT},
    ),
    "distillation.uniform_noise": Row(
        distillation.uniform_noise,
        lambda: {"like": split(), "n": 3, "seed": 0},
        {"like": SPLIT, "n": COUNT, "seed": SEED},
        but=ANY_SIZE | ON_ITS_DEVICE,
    ),
    "distillation.marginal_noise": Row(
        distillation.marginal_noise,
        lambda: {"like": split(), "n": 3, "seed": 0},
        {"like": SPLIT, "n": COUNT, "seed": SEED},
        but=ANY_SIZE,
    ),
    "evaluation.predict": Row(
        evaluation.predict,
        lambda: {"model": net(), "x": X, "mask": None, "batch_size": 4},
        {
            "model": MODEL,
            "x": IMAGES,
            "mask": refused(text="mask", number=3),
            "batch_size": COUNT | made(FINE, huge=lambda good: 10**9),
        },
    ),
    "evaluation.first_answer": Row(
        evaluation.first_answer,
        lambda: {"model": net(), "split": split()},
        {"model": MODEL, "split": SPLIT},
    ),
    "evaluation.as_input": Row(
        evaluation.as_input,
        lambda: {"model": net(), "x": X},
        {"model": MODEL, "x": IMAGES},
        but=NOT_RUN
        | {("x", name): None for name in ("smaller", "flat", "three_channels")}
        | {("model", "meta"): REFUSED},
    ),
    "evaluation.check_built": Row(
        evaluation.check_built, lambda: {"model": net()}, {"model": MODEL}, but=NOT_RUN
    ),
    "evaluation.check_repeatable": Row(
        evaluation.check_repeatable,
        lambda: {"model": net(), "x": X, "mask": None},
        {"model": MODEL, "x": IMAGES, "mask": refused(text="mask", number=3)},
    ),
    "evaluation.evaluate": Row(
        evaluation.evaluate,
        lambda: {"model": net(), "split": split()},
        {"model": MODEL, "split": LABELLED_SPLIT},
    ),
    "evaluation.labels_of": Row(
        evaluation.labels_of,
        lambda: {"argument": "split", "split": split(), "z": Z},
        {"argument": FREE, "split": LABELLED_SPLIT, "z": FREE},
        but=ANY_SIZE,
    ),
    "evaluation.calibration": Row(
        evaluation.calibration,
        lambda: {"model": net(), "split": split(), "bins": 3},
        {"model": MODEL, "split": LABELLED_SPLIT, "bins": COUNT},
    ),
    "evaluation.evaluating": Row(
        entered(evaluation.evaluating), lambda: {"model": net()}, {"model": NO_NET}
    ),
    "evaluation.training_mode": Row(
        entered(evaluation.training_mode), lambda: {"model": net()}, {"model": NO_NET}
    ),
    "data.load": Row(
        data.load,
        lambda: {"name": "digits", "root": None, "seed": 0, "limits": (50, 20, 20)},
        {
            "name": WORD,
            "root": refused(number=3, a_list=[]),
            "seed": SEED,
            "limits": refused(
                none=None, number=3, two=(1, 2), zero=(0, 1, 1), text=("1", "2", "3")
            ),
        },
    ),
    "data.stratified_subset": Row(
        data.stratified_subset,
        lambda: {"split": split(), "n": 6, "seed": 0},
        {"split": SPLIT, "n": COUNT | refused(too_many=N + 1, fewer_than_classes=2), "seed": SEED},
        but=ANY_SIZE,
    ),
    "data.stratified_index": Row(
        data.stratified_index,
        lambda: {"y": Y, "n": 6, "seed": 0},
        {"y": LABELS, "n": COUNT | refused(too_many=N + 1, fewer_than_classes=2), "seed": SEED},
        but={("y", name): None for name in ("fewer", "beyond", "negative")},  # without logits
    ),
    "augmentation.jitter": Row(
        augmentation.jitter,
        lambda: {"pixels": 2},
        {"pixels": COUNT | made(FINE, zero=lambda good: 0)},
    ),
    "augmentation.views": Row(
        augmentation.views,
        lambda: {"split": split(), "pixels": 1},
        {"split": SPLIT, "pixels": COUNT | made(FINE, zero=lambda good: 0)},
        but=ANY_SIZE | ON_ITS_DEVICE,
    ),
}  # fmt: skip

# What is not called with what a learner gives, and why.
UNCHECKED = {
    "losses.checks.check_features": "the check of features, tried through their losses",
    "losses.checks.check_pair": "the check of logits, tried through losses.logits",
    "losses.checks.check_weight": "the check of a weight, tried through decoupled_kd",
    "losses.checks.alike": "takes what was checked",
    "objectives.cross_entropy": "called by the loop with a batch of a checked split",
    "objectives.batch_of": "called by the loop",
    "objectives.backward": "called by the loop",
    "objectives.check_last_batch": "called by the loop with what it has checked",
    "objectives.check_loss": "the check of loss=, tried through fit",
    "objectives.check_loss_for": "the check of loss=, tried through fit",
    "objectives.weights_of": "the check of also=, tried through fit",
    "objectives.check_value": "the check of what a loss returns, tried in test_training",
    "objectives.check_one_number": "a part of it",
    "fast.optimisers.make": "the check of optimizer= and schedule=, tried through fit",
    "evaluation.refusing": "words for what goes wrong inside",
    "evaluation.refusing_in_place": "words for what goes wrong inside",
    "data.from_settings": "takes settings, which are checked",
    "data.check_enough": "takes data that were loaded",
}
(
    test_an_argument_is_taken_or_refused_by_name,
    test_the_table_knows_every_public_function,
    test_the_table_knows_every_argument,
) = table_tests(TABLE, UNCHECKED, MODULES)
