"""Lesson 02, what a teacher knows beyond the label: temperature, entropy, similarity, doubt."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from distill_lessons import losses
from distill_lessons.exercises.exercise import Case, Exercise, Mistake

odds_at_four = Exercise(
    lesson="02",
    name="odds_at_four",
    title="Odds by hand",
    kind="read",
    difficulty="easy",
    importance="high",
    minutes=3,
    hints=(
        "The logarithm of the odds is the difference of the two logits. What does T do to it?",
        "Half of a logarithm belongs to the square root. And a quarter of it?",
    ),
)


# ---- Softmax at a temperature --------------------------------------------------------------------

ODDS = torch.tensor([[16.0, 4.0, 1.0]]).log()  # at T = 2 the odds are 4 : 2 : 1


def _logits(seed: int) -> list[Case]:
    dice = torch.Generator().manual_seed(seed)
    large = torch.tensor([[1000.0, 998.0, 0.0], [-1000.0, -1001.0, -1002.0]])
    return [
        Case("z = [[log 16, log 4, log 1]], T = 2", (ODDS.clone(), 2.0)),
        Case("z = [[1000, 998, 0], [−1000, −1001, −1002]], T = 2", (large, 2.0)),
        Case("z = [[20, 20, 0]], T = 0.001", (torch.tensor([[20.0, 20.0, 0.0]]), 0.001)),
        Case("z of shape (4, 5), T = 4", (3 * torch.randn(4, 5, generator=dice), 4.0)),
        Case("z of shape (3, 3), T = 0.5", (torch.randn(3, 3, generator=dice), 0.5)),
    ]


def _to_the_letter(z: Tensor, T: float, largest: float = 0.0) -> Tensor:
    e = torch.exp((z - largest) / T)
    return e / e.sum(1)[:, None]


def _by_mean(z: Tensor, T: float) -> Tensor:
    e = ((z - z.mean(1)[:, None]) / T).exp()
    return e / e.sum(1)[:, None]


CLAMPED = (
    "Clamped logits that were different become equal: 1000 and 998 get the same probability. "
    "Whatever is done to a row has to keep the differences between its logits."
)

temperature_softmax = Exercise(
    lesson="02",
    name="temperature_softmax",
    title="A softmax for large logits",
    kind="code",
    difficulty="medium",
    importance="high",
    minutes=6,
    points=2,
    hints=(
        "Add the same number to all logits of an image: what happens to its probabilities? Which "
        "number would make exp harmless?",
        "Subtract from every row its own largest logit: `z.max(1, keepdim=True).values`. Then no "
        "exponent is above 0, and one of them is exactly 0.",
        "Divide by T, take exp, and divide each row by its sum. `keepdim=True` keeps the sums a "
        "column, so that each row is divided by its own.",
    ),
    cases=_logits,
    reference=losses.soft_targets,
    mistakes=(
        Mistake(
            "overflow",
            _to_the_letter,
            "The formula to the letter: exp of a large logit is inf, and inf / inf is nan. For "
            "very negative logits it is 0 / 0.",
        ),
        Mistake(
            "double precision",
            lambda z, T: _to_the_letter(z.double(), T),
            "Double precision holds larger numbers, but exp(20000) is too large for it as well. "
            "Change the exponent, not the kind of number.",
        ),
        Mistake(
            "the mean subtracted",
            _by_mean,
            "You subtract the mean of each row. The largest logit may still lie far above it, and "
            "its exp is still inf.",
        ),
        Mistake(
            "clamped above",
            lambda z, T: _to_the_letter((z / T).clamp(max=80), 1.0),
            CLAMPED,
        ),
        Mistake(
            "clamped on both sides",
            lambda z, T: _to_the_letter((z / T).clamp(-80, 80), 1.0),
            CLAMPED,
        ),
        Mistake(
            "one maximum for all",
            lambda z, T: _to_the_letter(z, T, float(z.max())),
            "You subtract the largest logit of the whole table. A row that lies far below it gets "
            "0 / 0; every row needs its own.",
        ),
        Mistake(
            "no temperature",
            lambda z, T: z.softmax(1),
            "T is not used: logits are divided by it before the softmax.",
        ),
        Mistake(
            "multiplied by T",
            lambda z, T: losses.soft_targets(z, 1 / T),
            "You multiply by T. A high temperature has to bring the classes together, so it "
            "divides the logits.",
        ),
        Mistake(
            "T after the softmax",
            lambda z, T: z.softmax(1) / T,
            "You divide probabilities by T: the rows no longer sum to 1, and the odds are as "
            "before. T belongs inside of the softmax.",
        ),
        Mistake(
            "over the images",
            lambda z, T: (z / T).softmax(0),
            "Your columns sum to 1, not your rows: the softmax runs over the classes, axis 1.",
        ),
    ),
)


# ---- Entropy against temperature -----------------------------------------------------------------


def _slopes(seed: int) -> list[Case]:
    dice = torch.Generator().manual_seed(seed)
    return [
        Case("z = [[0, 2]], T = 1", (torch.tensor([[0.0, 2.0]]), 1.0)),
        Case("z of shape (4, 5), T = 3", (4 * torch.randn(4, 5, generator=dice), 3.0)),
        Case("z of shape (2, 3), T = 0.5", (torch.randn(2, 3, generator=dice), 0.5)),
    ]


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


entropy_slope = Exercise(
    lesson="02",
    name="entropy_slope",
    title="Why entropy never falls",
    kind="code",
    difficulty="hard",
    importance="medium",
    minutes=10,
    points=3,
    hints=(
        "First the probabilities, at this T: `p = losses.soft_targets(z, T)`, shape (N, K).",
        "The mean logit of each image is a sum over classes, weighted with p: `(p * z).sum(1)`, "
        "shape (N,). The mean of the squares goes the same way.",
        "The variance is the mean of the squares minus the square of the mean. Divide it by "
        "`T**3`.",
    ),
    cases=_slopes,
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
            "Your probabilities are those at T = 1; they are due at the T that is given.",
        ),
        Mistake(
            "mean not squared",
            lambda z, T: (_moments(z, T)[1] + _moments(z, T)[0] ** 2 - _moments(z, T)[0]) / T**3,
            "From the mean of the squares you subtract the mean; the square of the mean is due.",
        ),
        Mistake(
            "mean not subtracted",
            lambda z, T: (_moments(z, T)[1] + _moments(z, T)[0] ** 2) / T**3,
            "That is the mean of the squares. The square of the mean has still to be subtracted.",
        ),
        Mistake(
            "all images together",
            lambda z, T: (_moments(z, T)[1] / T**3).sum(),
            "You sum over the images too; one number an image is due, shape (N,).",
        ),
    ),
)


# ---- From a file ---------------------------------------------------------------------------------


def _saved(seed: int) -> list[Case]:
    dice = torch.Generator().manual_seed(seed)
    return [
        Case("z = [[log 16, log 4, log 1]], T = 2", (ODDS.clone(), 2.0)),
        Case("z of shape (3, 5), T = 4", (4 * torch.randn(3, 5, generator=dice), 4.0)),
        Case("z = [[150, 10, 0]], T = 20", (torch.tensor([[150.0, 10.0, 0.0]]), 20.0)),
    ]


def _softened_twice(z: Tensor, T: float) -> Tensor:
    return losses.soft_targets(z.softmax(1), T)


targets_from_file = Exercise(
    lesson="02",
    name="targets_from_file",
    title="Find the bug: soft targets from a file",
    kind="bug",
    difficulty="medium",
    importance="high",
    minutes=5,
    points=2,
    hints=(
        "What is the largest difference that two entries of a row in the file can have? What "
        "becomes of it after a division by T, and a softmax?",
        "The second line is a good softmax at a temperature, if the file holds what it expects.",
    ),
    cases=_saved,
    reference=losses.soft_targets,
    mistakes=(
        Mistake("as given", _softened_twice, "", given=True),
        Mistake(
            "root of the probabilities",
            lambda z, T: (z.softmax(1).log() / T).softmax(1),
            "Nearly: the root undoes the first softmax as long as the file holds the number. But "
            "a probability of e to the −140 has become 0 in the file, and no root of 0 brings it "
            "back. Save something that does not vanish.",
        ),
        Mistake(
            "not softened",
            lambda z, T: z.softmax(1),
            "These are the probabilities at T = 1; T is not used any more.",
        ),
        Mistake(
            "divided only",
            lambda z, T: z.softmax(1) / T,
            "Probabilities divided by T are no probabilities: the rows do not sum to 1.",
        ),
        Mistake(
            "T twice",
            lambda z, T: losses.soft_targets(z, T * T),
            "T divides the logits twice: once on the way into the file and once on the way out.",
        ),
        Mistake(
            "softened twice",
            lambda z, T: _softened_twice(z / T, T),
            "There are still two softmaxes, one after the other, and each of them has its T.",
        ),
        Mistake(
            "softened, then softmax again",
            lambda z, T: losses.soft_targets(z, T).softmax(1),
            "There are still two softmaxes, one after the other.",
        ),
    ),
)


# ---- Similarity and doubt ------------------------------------------------------------------------


def _distances(seed: int) -> list[Case]:
    dice = torch.Generator().manual_seed(seed)
    line = torch.tensor([[0.0], [1.0], [3.0], [10.0]])
    far, labels = torch.cdist(line, line), torch.tensor([0, 0, 1, 1])
    plane = torch.randn(14, 2, generator=dice)
    three = torch.tensor([2, 0, 1, 0, 1, 2, 2, 1, 1, 0, 1, 1, 2, 1])
    on_a_line = "images of class 0 at 0 and 1 on a line, of class 1 at 3 and 10"
    return [
        Case(f"{on_a_line}; a = 0, b = 1", (far, labels, 0, 1)),
        Case(f"{on_a_line}; a = 1, b = 0", (far.clone(), labels.clone(), 1, 0)),
        Case("14 images of three classes; a = 2, b = 1", (torch.cdist(plane, plane), three, 2, 1)),
    ]


def _by_mask(far: Tensor, labels: Tensor, a: int, b: int) -> float:
    nearest = np.where(labels.numpy() == b, far.numpy(), np.inf).min(1)
    return -float(nearest[labels.numpy() == a].mean())


def _block(far: Tensor, labels: Tensor, a: int, b: int) -> np.ndarray:
    return far.numpy()[np.ix_(labels.numpy() == a, labels.numpy() == b)]


nearness = Exercise(
    lesson="02",
    name="nearness",
    title="A better similarity of pictures?",
    kind="code",
    difficulty="medium",
    importance="medium",
    minutes=8,
    points=2,
    hints=(
        "Cut a block out of the table first: a row for each image of class a, a column for each of "
        "class b. `far[labels == a]` cuts the rows; cut the columns in a second step, since two "
        "masks in one pair of brackets pick single entries.",
        "An image of class a is a row of the block: its nearest neighbour is the smallest entry of "
        "that row. Which axis does the minimum run along?",
        "`block.min(1).values` holds one distance an image of class a; take minus their mean.",
    ),
    cases=_distances,
    reference=_by_mask,
    mistakes=(
        Mistake(
            "the other axis",
            lambda far, labels, a, b: _by_mask(far, labels, b, a),
            "You look for the nearest image of class a, for each image of class b. It is due the "
            "other way round.",
        ),
        Mistake(
            "sign",
            lambda far, labels, a, b: -_by_mask(far, labels, a, b),
            "That is a distance. A similarity has to grow as classes come closer.",
        ),
        Mistake(
            "all neighbours",
            lambda far, labels, a, b: -_block(far, labels, a, b).mean(),
            "You average over all images of class b; only the nearest one counts.",
        ),
        Mistake(
            "one pair",
            lambda far, labels, a, b: -_block(far, labels, a, b).min(),
            "That is the closest pair of all. Every image of class a has a nearest neighbour of "
            "its own; average over them.",
        ),
        Mistake(
            "the farthest",
            lambda far, labels, a, b: -_block(far, labels, a, b).max(1).mean(),
            "You take the farthest image of class b, not the nearest.",
        ),
        Mistake(
            "one number an image",
            lambda far, labels, a, b: -_block(far, labels, a, b).min(1),
            "These are the distances image by image; their mean is still to be taken.",
        ),
    ),
)

doubt = Exercise(
    lesson="02",
    name="doubt",
    title="What doubt tells",
    kind="read",
    difficulty="medium",
    importance="high",
    minutes=5,
    points=2,
    hints=(
        "Take the images of one row of the table: which share of them is misread?",
        "The share of mistakes that lie in the first row is another question than the share of the "
        "first row that are mistakes.",
    ),
    options=tuple(letter + number for letter in "abc" for number in "123"),
)
