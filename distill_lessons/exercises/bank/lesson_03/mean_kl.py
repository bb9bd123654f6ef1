"""The KL of a batch."""

from __future__ import annotations

import torch

from distill_lessons import losses
from distill_lessons.exercises.dice import dice
from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import Case


def _distributions(seed: int) -> list[Case]:
    rng = dice(seed)
    p, q = (2 * torch.randn(2, 4, 10, generator=rng)).softmax(2)
    more_p, more_q = torch.randn(2, 6, 3, generator=rng).softmax(2)
    sure = torch.tensor([[0.99, 0.0099, 0.0001], [0.0002, 0.0008, 0.999]])
    by_hand = torch.tensor([[0.7, 0.2, 0.1]]), torch.tensor([[0.5, 0.25, 0.25]])
    return [
        Case("p = [[0.7, 0.2, 0.1]], q = [[0.5, 0.25, 0.25]]", by_hand),
        Case("four images, ten classes", (p, q)),
        Case("six images, three classes", (more_p, more_q)),
        Case("two images of which p is nearly sure", (sure, more_q[:2].clone())),
    ]


exercise = Exercise(
    title="The KL of a batch",
    kind="code",
    difficulty="easy",
    importance="high",
    minutes=4,
    hints=(
        "Two steps: one number for each image, then one number for the batch.",
        "Within an image the teacher's probabilities do the weighing, so its classes are summed, "
        "along dimension 1. Over the images you take the mean.",
        "The surprise in excess at a class is `p.log() - q.log()`.",
    ),
    cases=_distributions,
    not_by=(losses.kl_divergence,),
)

# ==== Judging =====================================================================================

from scipy import special
from torch.nn import functional as F

from distill_lessons.exercises.parts import Judging, Mistake

judging = Judging(
    reference=lambda p, q: special.rel_entr(p.double().numpy(), q.double().numpy()).sum(1).mean(),
    mistakes=(
        Mistake(
            "mean over classes",
            lambda p, q: (p * (p / q).log()).mean(),
            "Your KL is averaged over classes. They are summed; only the images are averaged.",
        ),
        Mistake(
            "sum over the batch",
            lambda p, q: (p * (p / q).log()).sum(),
            "Your KL is summed over the images too, so it grows with the batch. Average over them.",
        ),
        Mistake(
            "one number per image",
            lambda p, q: (p * (p / q).log()).sum(1),
            "You have one number for each image. The mean over the batch is missing.",
        ),
        Mistake(
            "one number per class",
            lambda p, q: (p * (p / q).log()).sum(0),
            "You summed along dimension 0, the images. The classes are dimension 1.",
        ),
        Mistake(
            "arguments swapped",
            lambda p, q: (q * (q / p).log()).sum(1).mean(),
            "That is KL(q‖p), the student's. The teacher's probabilities p do the weighing.",
        ),
        Mistake(
            "cross-entropy",
            lambda p, q: -(p * q.log()).sum(1).mean(),
            "That is the cross-entropy. It is not 0 for q = p: the teacher's own entropy is still "
            "in it.",
        ),
        Mistake(
            "bits",
            lambda p, q: (p * (p / q).log2()).sum(1).mean(),
            "That is in bits. The course counts in nats, with the natural logarithm.",
        ),
        Mistake(
            "softmax for log-softmax",
            lambda p, q: F.kl_div(q, p, reduction="batchmean"),
            "`F.kl_div` got probabilities as its first argument. It takes the student's "
            "*logarithms* there.",
        ),
        Mistake(
            "log of the teacher",
            lambda p, q: F.kl_div(q.log(), p.log(), reduction="batchmean"),
            "`F.kl_div` got the teacher's logarithms. It takes the logarithm of its second "
            "argument itself, and there is none of a negative number.",
        ),
    ),
)

# ==== Solution ====================================================================================

import numpy as np


# The classes are weighed by p, and p sums to 1 over them: so they are summed. Only the images are
# averaged. A mean over both would make the loss K times too small.
def mean_kl(p, q):
    return (p * (p.log() - q.log())).sum(1).mean()


def kl_in_a_loop(p, q):
    total = 0.0
    for ours, theirs in zip(p.tolist(), q.tolist(), strict=True):
        total += sum(a * np.log(a / b) for a, b in zip(ours, theirs, strict=True))
    return total / len(p)


other_ways = [
    kl_in_a_loop,
    lambda p, q: F.kl_div(q.double().log(), p.double(), reduction="batchmean"),
    lambda p, q: special.rel_entr(p.numpy(), q.numpy()).sum() / p.shape[0],
]

borrowed = [lambda p, q: losses.kl_divergence(p.log(), q.log()).mean()]
