"""Why entropy never falls."""

from __future__ import annotations

import torch

from distill_lessons.exercises.dice import dice
from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import Case


def _slopes(seed: int) -> list[Case]:
    rng = dice(seed)
    return [
        Case("z = [[0, 2]], T = 1", (torch.tensor([[0.0, 2.0]]), 1.0)),
        Case("z of shape (4, 5), T = 3", (4 * torch.randn(4, 5, generator=rng), 3.0)),
        Case("z of shape (2, 3), T = 0.5", (torch.randn(2, 3, generator=rng), 0.5)),
    ]


exercise = Exercise(
    title="Why entropy never falls",
    kind="code",
    difficulty="easy",
    importance="medium",
    minutes=6,
    points=2,
    hints=(
        "Each sum is an average with the weights p. Of what: in the first line, in the second?",
        "The mean logit of each image is a sum over classes, weighted with p: `(p * z).sum(1)`, "
        "shape (N,). The mean of the squares goes the same way.",
        "The variance is the mean of the squares minus the square of the mean. Divide it by "
        "`T**3`.",
    ),
    cases=_slopes,
)

# ==== Judging =====================================================================================

from torch import Tensor

from distill_lessons import losses
from distill_lessons.exercises.parts import Judging, Mistake


def _slope_by_autograd(z: Tensor, T: float) -> Tensor:
    def entropies(at: Tensor) -> Tensor:
        return losses.entropy((z.double() / at).softmax(1))

    slope: Tensor = torch.autograd.functional.jacobian(entropies, torch.tensor(T).double())
    return slope


def _moments(z: Tensor, T: float) -> tuple[Tensor, Tensor]:
    """Return mean and variance of the logits of each image under its soft targets."""
    p = (z / T).softmax(1)
    mean = torch.linalg.vecdot(p, z)
    return mean, torch.linalg.vecdot(p, (z - mean[:, None]).square())


judging = Judging(
    reference=_slope_by_autograd,
    mistakes=(
        Mistake(
            "T squared",
            lambda z, T: _moments(z, T)[1] / T**2,
            "The variance is right, but look at the power of T below it.",
        ),
        Mistake(
            "not divided",
            lambda z, T: _moments(z, T)[1],
            "That is the variance alone, without T below it.",
        ),
        Mistake(
            "variance of z/T",
            lambda z, T: _moments(z, T)[1] / T**5,
            "That is the variance of z/T, which is smaller by T²; the formula takes that of "
            "the logits z.",
        ),
        Mistake(
            "plain variance",
            lambda z, T: z.var(1, correction=0) / T**3,
            "That is the plain variance of the logits, in which all classes count alike. Here "
            "class k counts with its probability.",
        ),
        Mistake(
            "plain variance, K - 1",
            lambda z, T: z.var(1) / T**3,
            "That is the variance of a sample, in which all classes count alike. Here class k "
            "counts with its probability.",
        ),
        Mistake(
            "probabilities at T = 1",
            lambda z, T: _moments(z, 1.0)[1] / T**3,
            "Your probabilities are those at T = 1; take them at the T that is given.",
        ),
        Mistake(
            "mean not squared",
            lambda z, T: (_moments(z, T)[1] + _moments(z, T)[0] ** 2 - _moments(z, T)[0]) / T**3,
            "From the mean of the squares you subtract the mean; subtract the square of the mean.",
        ),
        Mistake(
            "mean not subtracted",
            lambda z, T: (_moments(z, T)[1] + _moments(z, T)[0] ** 2) / T**3,
            "That is the mean of the squares. The square of the mean has still to be subtracted.",
        ),
        Mistake(
            "all images together",
            lambda z, T: (_moments(z, T)[1] / T**3).sum(),
            "You sum over the images too; return one number per image, shape (N,).",
        ),
    ),
)

# ==== Solution ====================================================================================

import numpy as np
from scipy import special


# Where the formula comes from: write β = 1/T and Z = Σ exp(β z_k), so that log p_k = β z_k − log Z
# and H = log Z − β E[z]. The derivative of log Z by β is E[z], that of E[z] is Var(z), and so
# dH/dβ = E[z] − E[z] − β Var(z) = −β Var(z). With dβ/dT = −1/T² this is Var(z) / T³.
def entropy_slope(z, T):
    p = losses.soft_targets(z, T)
    mean = (p * z).sum(1)
    return ((p * z**2).sum(1) - mean**2) / T**3


def slope_in_a_loop(z, T):
    slopes = []
    for row in z.double().tolist():
        p = special.softmax(np.array(row) / T)
        slopes.append(sum(p[k] * (row[k] - p @ row) ** 2 for k in range(len(row))) / T**3)
    return slopes


def slope_by_differences(z, T):
    def entropy(at):
        p = torch.softmax(z.double() / at, 1)
        return -(p * p.log()).sum(1)

    return (entropy(T + 1e-4) - entropy(T - 1e-4)) / 2e-4


other_ways = [slope_in_a_loop, slope_by_differences]
