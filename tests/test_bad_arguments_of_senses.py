"""What domains, views and sounds do with all that may be given."""

from __future__ import annotations

import math
from typing import Any

import torch
from arguments import (
    COUNT,
    FINE,
    FREE,
    IMAGES,
    NO_NUMBER,
    NO_TENSOR,
    NOT_FINITE,
    ON_META,
    OTHER_NUMBERS,
    REFUSED,
    SEED,
    Row,
    X,
    made,
    refused,
    table_tests,
)

from distill_lessons.senses import domains, sound, views

PIXELS = IMAGES | NOT_FINITE | made(
    REFUSED,
    whole=lambda good: (9 * good).long(),
    empty=lambda good: good[:0],
    too_bright=lambda good: good + 0.5,
    too_dark=lambda good: good - 0.5,
)  # fmt: skip
ANY_SIZE = {("x", "smaller"): None, ("x", "three_channels"): None}
POSITIVE = (
    NO_NUMBER
    | refused(negative=-0.1, nan=math.nan, inf=math.inf)
    | OTHER_NUMBERS
    | made(FINE, zero=lambda good: 0.0)
)
SAMPLES = (
    NO_TENSOR
    | ON_META
    | NOT_FINITE
    | made(
        REFUSED,
        short=lambda good: good[:, :100],
        a_row=lambda good: good[0],
        whole=lambda good: good.long(),
    )
    | made(FINE, double=lambda good: good.double(), silent=lambda good: 0 * good)
)
SET = (
    NO_TENSOR
    | ON_META
    | NOT_FINITE
    | made(
        REFUSED,
        smaller=lambda good: good[..., 1:],
        single=lambda good: good[:1],
        whole=lambda good: good.long(),
        flat=lambda good: good[:, 0, 0],
    )
)


def of_images(call: Any, **more: Any) -> Row:
    def good() -> dict[str, Any]:
        return {"x": X.clone()} | {name: value for name, (value, _) in more.items()}

    return Row(
        call,
        good,
        {"x": PIXELS} | {name: kind for name, (_, kind) in more.items()},
        but=ANY_SIZE | {("sigma", "zero"): FINE},
        close=2e-2,  # of half precision, through sums of many samples
    )


TABLE = {
    "senses.domains.blurred": of_images(domains.blurred, sigma=(1.0, POSITIVE)),
    "senses.domains.rotated": of_images(
        domains.rotated,
        degrees=(25.0, NO_NUMBER | OTHER_NUMBERS | refused(nan=math.nan, inf=math.inf)),
    ),
    "senses.domains.match_moments": Row(
        domains.match_moments,
        lambda: {"x": X.clone(), "like": X.flip(0) / 2, "per_pixel": True},
        {"x": SET, "like": SET, "per_pixel": FREE},
    ),
    "senses.views.grey": of_images(views.grey),
    "senses.views.sums": of_images(views.sums),
    "senses.views.cosines": Row(views.cosines, lambda: {"n": 4}, {"n": COUNT}),
    "senses.views.spectrum": of_images(views.spectrum, keep=(3, COUNT)),
    "senses.sound.tones": Row(sound.tones, lambda: {"rows": 4}, {"rows": COUNT}),
    "senses.sound.loudness": of_images(sound.loudness),
    "senses.sound.sound": of_images(sound.sound),
    "senses.sound.spectrogram": Row(
        sound.spectrogram,
        lambda: {"sound": torch.linspace(-1, 1, 2 * 400).reshape(2, 400), "rate": 8000},
        {"sound": SAMPLES, "rate": COUNT | refused(other=44_100, half=4000)},
        but={("rate", "small_numpy"): None},
    ),
    "senses.sound.heard": of_images(sound.heard, noise=(0.0, POSITIVE), seed=(3, SEED)),
}
UNCHECKED = {"senses.sound.play": "shows a player; what it refuses is in test_senses"}
MODULES = [f"senses.{name}" for name in ("domains", "views", "sound")]
(
    test_an_argument_is_taken_or_refused_by_name,
    test_the_table_knows_every_public_function,
    test_the_table_knows_every_argument,
) = table_tests(TABLE, UNCHECKED, MODULES)
