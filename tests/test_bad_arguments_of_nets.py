"""What the zoo, stacks and sweeps do with everything that is likely to be given them."""

from __future__ import annotations

import pandas as pd
import torch
from arguments import (
    ALPHA,
    COUNT,
    FINE,
    FREE,
    FUNCTION,
    IMAGES,
    LABELLED_SPLIT,
    MODEL,
    NOT_RUN,
    PAIRED_LOGITS,
    RATE,
    REFUSED,
    SAME,
    SEED,
    SHAPE,
    SPLIT,
    TEMPERATURE,
    WORD,
    K,
    N,
    Row,
    X,
    Z,
    made,
    net,
    refused,
    split,
    table_tests,
    trained,
)
from torch import nn

from distill_lessons import models, sweep
from distill_lessons.fast import stacking

MODULES = ["models", "sweep", "fast.stacking"]


def nets() -> list[nn.Module]:
    return [net(0), net(1)]


# ---- Kinds that only these functions know --------------------------------------------------------

SHAPES = refused(
    none=None, text="1x4", number=16, flat=(4, 4), empty=(1, 0, 4), negative=(1, -4, 4)
) | (
    refused(fraction=(1, 4.5, 4), words=("1", "4", "4")) | made(SAME, a_list=list, size=torch.Size)
)
HIDDEN = refused(none=None, number=8, text="8", zero=(0,), negative=(-8,), fraction=(8.5,)) | made(
    SAME, a_list=list
)
STUDENTS = refused(none=None, empty=[], text="nets", numbers=[1, 2]) | made(
    REFUSED,
    one_net=lambda good: good[0],
    twice=lambda good: [good[0], good[0]],
    other_layers=lambda good: [good[0], models.mlp(SHAPE, K, (9,))],
    other_images=lambda good: [models.mlp((1, 5, 5), K, (8,)) for _ in range(2)],
)
MANY_NUMBERS = refused(
    none=None, text="2", words=["1", "2"], wrong_number=[1.0] * 3, nan=float("nan")
)
ROWS = refused(none_of_it=torch.zeros(2, 0).long(), a_list=[[0], [1]], text="all") | made(
    REFUSED,
    numpy=lambda good: good.numpy(),
    floats=lambda good: good.float(),
    flat=lambda good: good[0],
    beyond=lambda good: good + N,
    negative=lambda good: good - N,
    of_others=lambda good: good[:1],
    meta=lambda good: good.to("meta"),
)
ROWS_OF_ONE = refused(
    none_of_it=torch.zeros(1, 0).long(), a_list=[[0]], text="all", numpy=torch.zeros(1, 2).numpy(),
    floats=torch.zeros(1, 2), flat=torch.arange(2), beyond=torch.full((1, 2), N),
    negative=torch.full((1, 2), -1), of_others=torch.zeros(2, 2).long(),
) | made(SAME, every_image=lambda good: torch.arange(N)[None])  # fmt: skip


# ---- The table -----------------------------------------------------------------------------------

TABLE = {
    "models.seeded": Row(
        models.seeded,
        lambda: {"build": lambda: nn.Linear(2, 2), "seed": 0},
        {"build": FUNCTION | refused(none=None, no_net=lambda: 3), "seed": SEED},
    ),
    "models.mlp": Row(
        models.mlp,
        lambda: {"image_shape": SHAPE, "n_classes": 3, "hidden": (8,), "dropout": 0.25, "seed": 0},
        {
            "image_shape": SHAPES,
            "n_classes": COUNT | refused(one=1),
            "hidden": HIDDEN,
            "dropout": ALPHA | refused(one=1.0),
            "seed": SEED,
        },
    ),
    "models.cnn": Row(
        models.cnn,
        lambda: {"image_shape": SHAPE, "n_classes": 3, "width": 2, "seed": 0},
        {
            "image_shape": SHAPES | refused(tiny=(1, 3, 4)),
            "n_classes": COUNT | refused(one=1),
            "width": COUNT,
            "seed": SEED,
        },
    ),
    "models.suited": Row(
        models.suited,
        lambda: {"image_shape": SHAPE, "n_classes": 3, "hidden": (8,), "seed": 0},
        {
            "image_shape": SHAPES,
            "n_classes": COUNT | refused(one=1),
            "hidden": HIDDEN,
            "seed": SEED,
        },
    ),
    "models.count_parameters": Row(
        models.count_parameters, lambda: {"model": net()}, {"model": MODEL}, but=NOT_RUN
    ),
    "models.count_multiply_adds": Row(
        models.count_multiply_adds,
        lambda: {"model": net(), "image_shape": SHAPE},
        {"model": MODEL, "image_shape": SHAPES | refused(other=(1, 5, 5))},
        but={("model", "meta"): SAME},
    ),
    "models.latency": Row(
        models.latency,
        lambda: {"model": net(), "x": X, "repeats": 2},
        {
            "model": MODEL,
            "x": IMAGES | made(REFUSED, empty=lambda good: good[:0]),
            "repeats": COUNT,
        },
        found=lambda given, result: result > 0,
    ),
    "sweep.sweep": Row(
        sweep.sweep,
        lambda: {
            "build": net, "transfer": split(), "z_teacher": Z, "measure": split(), "Ts": [2.0],
            "alphas": [0.5], "seeds": [0], "steps": 2, "rows": None, "measured_rows": None,
            "jobs": None, "chunk": 64,
        },
        {
            "build": FUNCTION | refused(none=None, no_net=lambda seed: 3),
            "transfer": SPLIT,
            "z_teacher": PAIRED_LOGITS,
            "measure": LABELLED_SPLIT,
            "Ts": MANY_NUMBERS | refused(number=2.0, empty=[], zero=[0.0], wrong_number=["2"]),
            "alphas": MANY_NUMBERS | refused(number=0.5, empty=[], two=[2.0], wrong_number=["0"]),
            "seeds": refused(none=None, number=0, empty=[], words=["0"], fraction=[0.5]),
            "steps": COUNT,
            "rows": ROWS_OF_ONE,
            "measured_rows": ROWS_OF_ONE,
            "jobs": refused(zero=0, below=-2, text="2", fraction=1.5),
            "chunk": COUNT | made(FINE, huge=lambda good: 10**9),
        },
    ),
    "sweep.measure_many": Row(
        sweep.measure_many,
        lambda: {
            "students": nets(), "split": split(), "rows": torch.stack([torch.arange(N)] * 2),
        },
        {
            "students": STUDENTS,
            "split": LABELLED_SPLIT,
            "rows": ROWS | made(SAME, none=lambda good: None),
        },
        but={("students", "twice"): FINE},
    ),
    "sweep.paired_effect": Row(
        sweep.paired_effect,
        lambda: {
            "frame": pd.DataFrame(
                {"seed": [0, 1] * 2, "T": [1, 1, 4, 4], "accuracy": [0.1, 0.2, 0.4, 0.6]}
            ),
            "treatment": {"T": 4.0}, "control": {"T": 1.0}, "value": "accuracy", "pair_by": "seed",
            "unit": "points",
        },
        {
            "frame": refused(none=None, text="runs", a_dict={"seed": [0]}) | made(
                REFUSED,
                empty=lambda good: good.iloc[:0],
                words=lambda good: good.assign(accuracy="x"),
                nan=lambda good: good.assign(accuracy=float("nan")),
            ),
            "treatment": refused(none=None, text="T", absent={"T": 3.0}, no_column={"t": 4.0}),
            "control": refused(none=None, text="T", absent={"T": 3.0}, no_column={"t": 4.0}),
            "value": WORD,
            "pair_by": WORD,
            "unit": WORD | refused(percent="percent"),
        },
    ),
    "fast.stacking.fit_many": Row(
        stacking.fit_many,
        lambda: {
            "students": nets(), "split": split(), "z_teacher": Z, "steps": 2, "T": 2.0,
            "alpha": 0.5,
            "loss": None, "objective": None, "seeds": [0, 1],
            "rows": torch.stack([torch.arange(N)] * 2),
            "batch_size": 4, "lr": 0.01, "optimizer": None, "schedule": None,
            "chunk": 2, "checkpoint": None, "title": "",
        },
        {
            "students": STUDENTS,
            "split": SPLIT,
            "z_teacher": PAIRED_LOGITS,
            "steps": COUNT,
            "T": TEMPERATURE | MANY_NUMBERS | made(SAME, a_list=lambda good: [good, good]),
            "alpha": ALPHA | MANY_NUMBERS | made(SAME, a_list=lambda good: [good, good]),
            "loss": FUNCTION,
            "objective": FUNCTION,
            "seeds": refused(number=0, text="01", words=["0", "1"], one=[0], fraction=[0.5, 1]),
            "rows": ROWS | made(SAME, none=lambda good: None),
            "batch_size": COUNT | made(FINE, huge=lambda good: 10**9),
            "lr": RATE,
            "optimizer": FUNCTION,
            "schedule": FUNCTION,
            "chunk": COUNT | made(FINE, huge=lambda good: 10**9),
            "checkpoint": refused(number=3, inside_a_file=__file__ + "/x"),
            "title": FREE,
        },
        found=trained("students"),
        but={("T", "huge"): REFUSED, ("T", "two_numbers"): FINE, ("alpha", "two_numbers"): FINE},
    ),
    "fast.stacking.predict_many": Row(
        stacking.predict_many,
        lambda: {"students": nets(), "x": X, "chunk": 2, "batch_size": 4},
        {
            "students": STUDENTS,
            "x": IMAGES,
            "chunk": COUNT | made(FINE, huge=lambda good: 10**9),
            "batch_size": COUNT | made(FINE, huge=lambda good: 10**9),
        },
        but={("students", "twice"): FINE},
    ),
}  # fmt: skip

# What is not called with what a learner gives, and why.
UNCHECKED = {
    "models.multiply_adds": "takes no argument",
}
(
    test_an_argument_is_taken_or_refused_by_name,
    test_the_table_knows_every_public_function,
    test_the_table_knows_every_argument,
) = table_tests(TABLE, UNCHECKED, MODULES)
