"""Expected calibration error."""

from __future__ import annotations

import torch

from distill_lessons import evaluation
from distill_lessons.exercises.dice import dice
from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import Case


def _confidences(seed: int) -> list[Case]:
    rng = dice(seed)
    confidence = 0.1 + 0.9 * torch.rand(40, generator=rng)
    right = (torch.rand(40, generator=rng) < 0.6).float()
    confidence[0], right[0] = 1.0, 0.0  # sure and wrong: it matters into which bin it falls
    return [
        Case(
            "confidence = [0.8, 0.6, 0.3, 1.0], right = [1, 1, 1, 0], 2 bins",
            (torch.tensor([0.8, 0.6, 0.3, 1.0]), torch.tensor([1.0, 1.0, 1.0, 0.0]), 2),
        ),
        Case("40 images, 5 bins", (confidence, right, 5)),
        Case(
            "confidence = [0.95, 0.99, 0.75], right = [1, 1, 0], 10 bins: eight hold no image",
            (torch.tensor([0.95, 0.99, 0.75]), torch.tensor([1.0, 1.0, 0.0]), 10),
        ),
    ]


exercise = Exercise(
    title="Expected calibration error",
    kind="code",
    difficulty="medium",
    importance="medium",
    minutes=6,
    points=2,
    hints=(
        "`inside` is a mask of the images in the bin: `confidence[inside]` are their confidences.",
        "The accuracy in the bin is the mean of `right` under the same mask.",
        "The weight is a share: the images in the bin, `inside.sum()`, over all images.",
    ),
    cases=_confidences,
    not_by=(evaluation.calibration,),
)

# ==== Judging =====================================================================================

import numpy as np
import pandas as pd
from torch import Tensor

from distill_lessons.exercises.parts import Judging, Mistake


def _gaps(confidence: Tensor, right: Tensor, bins: int) -> pd.DataFrame:
    """Return one row for each bin that holds images: the signed gap and the number of images."""
    frame = pd.DataFrame({"gap": (confidence - right).numpy()})
    edges = np.linspace(0, 1, bins + 1)[1:-1]
    return frame.groupby(np.digitize(confidence.numpy(), edges))["gap"].agg(["mean", "size"])


def _weighted(confidence: Tensor, right: Tensor, bins: int) -> float:
    gaps = _gaps(confidence, right, bins)
    return float(np.average(gaps["mean"].abs(), weights=gaps["size"]))


judging = Judging(
    reference=_weighted,
    mistakes=(
        Mistake(
            "bins count alike",
            lambda c, right, bins: float(_gaps(c, right, bins)["mean"].abs().mean()),
            "Every bin counts the same in your mean, though some hold many more images. Weight the "
            "gaps by images.",
        ),
        Mistake(
            "every bin the same weight",
            lambda c, right, bins: float(_gaps(c, right, bins)["mean"].abs().sum() / bins),
            "Your weight is the same for every bin, empty ones included. It should be the share of "
            "all images that lie in the bin.",
        ),
        Mistake(
            "signed gaps",
            lambda c, right, bins: float((c - right).mean()),
            "Bins that are too bold and bins that are too modest cancel in your sum: each gap "
            "counts by its size, without its sign.",
        ),
        Mistake(
            "overconfidence",
            lambda c, right, bins: float((c - right).mean().abs()),
            "That is the gap of all images together; the bins play no part.",
        ),
        Mistake(
            "a gap for every image",
            lambda c, right, bins: float((c - right).abs().mean()),
            "You took the absolute difference image by image. Average within a bin first: even a "
            "calibrated net is never 80 % right on a single image.",
        ),
        Mistake(
            "the surest are lost",
            lambda c, right, bins: (
                _weighted(c[c < 1], right[c < 1], bins) * float((c < 1).sum()) / len(c)
            ),
            "Images with a confidence of exactly 1 fall into none of your bins; they belong to the "
            "last one.",
        ),
        Mistake(
            "empty bins",
            lambda c, right, bins: (
                _weighted(c, right, bins) if len(_gaps(c, right, bins)) == bins else np.nan
            ),
            "A bin without images has the mean nan, and nan times 0 is nan too, as is every sum "
            "that it enters. Skip such a bin.",
        ),
        Mistake(
            "not divided",
            lambda c, right, bins: _weighted(c, right, bins) * len(c),
            "Your sum is weighted by numbers of images, but not divided by all images.",
        ),
    ),
)

# ==== Solution ====================================================================================

from distill_lessons import data


# Average within a bin, take the size of the gap, weight it by images. The course's
# `evaluation.calibration` does the same. On small data the result depends on the number of bins:
# never compare two errors that were found with different bins.
def calibration_error(confidence, right, bins):
    bin_of = (confidence * bins).long().clamp(max=bins - 1)
    total = 0.0
    for b in range(bins):
        inside = bin_of == b
        if inside.any():
            gap = confidence[inside].mean() - right[inside].mean()
            weight = inside.sum() / len(confidence)
            total += float(weight * abs(gap))
    return total


def ece_in_numpy(confidence, right, bins):
    confidence, right = confidence.numpy().astype(np.float64), right.numpy()
    total = 0.0
    for low in np.arange(bins) / bins:
        inside = (confidence > low) & (confidence <= low + 1 / bins + 1e-12)
        if inside.sum():
            total += abs(confidence[inside].mean() - right[inside].mean()) * inside.mean()
    return total


other_ways = [
    ece_in_numpy,
    lambda c, right, bins: (
        sum(abs(((c - right) * ((c * bins).ceil() == b)).sum()) for b in range(1, bins + 1))
        / len(c)
    ),
]


def error_of_a_net_that_says_so(confidence, right, bins):
    others = (1 - confidence[:, None]).clamp(min=1e-30).expand(-1, 10) / 10
    z = torch.cat([confidence[:, None], others], 1).log()
    told = data.Split(z, 1 - right.long())  # class 0 is the guess
    return evaluation.calibration(torch.nn.Identity(), told, bins=bins)[1]


borrowed = [error_of_a_net_that_says_so]
