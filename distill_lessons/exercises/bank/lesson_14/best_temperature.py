"""Find the bug: whichever stands first."""

from __future__ import annotations

import torch

from distill_lessons.exercises.dice import dice
from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import Case


def _logits(seed: int) -> list[Case]:
    cases = []
    grid = tuple(round(0.25 * 1.25**k, 3) for k in range(16))  # 0.25 to 7.1
    for n, K, scale in ((40, 3, 6.0), (60, 5, 0.8), (50, 4, 3.0)):
        rng = dice(seed, n)
        y = torch.randint(K, (n,), generator=rng)
        z = torch.randn(n, K, generator=rng)
        z[torch.arange(n), y] += 1.5
        stretch = scale * (0.8 + 0.4 * torch.rand((), generator=rng))
        order = torch.randperm(len(grid), generator=rng).tolist()
        candidates = [grid[k] for k in order]
        words = f"{n} validation images, {K} classes, {len(grid)} temperatures in no order"
        cases.append(Case(words, (stretch * z, y, candidates)))
    return cases


GIVEN = '''\
def best_temperature(z, y, candidates):
    """z (N, K) logits of validation images, y (N,), candidates: temperatures. Returns one."""
    best, best_score = None, -float("inf")
    for T in candidates:
        p = (z / T).softmax(dim=1)
        score = (p.argmax(dim=1) == y).float().mean()
        if score > best_score:
            best, best_score = T, score
    return best
'''

exercise = Exercise(
    title="Find the bug: whichever stands first",
    kind="bug",
    given=GIVEN,
    difficulty="easy",
    importance="high",
    minutes=5,
    hints=(
        "Print the score of every candidate. What do you see, and why must it be so?",
        "A good confidence is large where the model is right and small where it errs. Lesson 01 "
        "had a loss that asks for just that.",
    ),
    cases=_logits,
)

# ==== Judging =====================================================================================

from collections.abc import Callable, Sequence

from torch import Tensor
from torch.nn import functional as F

from distill_lessons.exercises.parts import Judging, Mistake


def _best(score: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., float]:
    """Return the candidate with the largest score of logits that are divided by it."""

    def found(z: Tensor, y: Tensor, candidates: Sequence[float]) -> float:
        scores = [float(score(z / T, y)) for T in candidates]
        return candidates[scores.index(max(scores))]

    return found


def _likelihood(z: Tensor, y: Tensor) -> Tensor:
    return -F.cross_entropy(z, y)


def _confidence(z: Tensor, y: Tensor) -> Tensor:
    return z.softmax(1).amax(1).mean()


def _multiplied(z: Tensor, y: Tensor, candidates: Sequence[float]) -> float:
    scores = [float(_likelihood(z * T, y)) for T in candidates]
    return candidates[scores.index(max(scores))]


judging = Judging(
    reference=_best(_likelihood),
    mistakes=(
        Mistake("as given", _best(lambda z, y: (z.argmax(1) == y).float().mean()), "", given=True),
        Mistake(
            "the worst",
            _best(lambda z, y: -_likelihood(z, y)),
            "You take the candidate with the *largest* cross-entropy.",
        ),
        Mistake(
            "the most confident",
            _best(_confidence),
            "You take the temperature that makes the model most confident, right or wrong.",
        ),
        Mistake(
            "the least confident",
            _best(lambda z, y: -_confidence(z, y)),
            "You take the temperature that makes the model least confident, right or wrong.",
        ),
        Mistake(
            "no logarithm",
            _best(lambda z, y: z.softmax(1).gather(1, y[:, None]).mean()),
            "You average the probability of the right class without its logarithm: being sure and "
            "wrong then costs too little.",
        ),
        Mistake(
            "multiplied",
            _multiplied,
            "The logits are multiplied by T. A temperature divides them.",
        ),
        Mistake(
            "softmax of a softmax",
            _best(lambda z, y: _likelihood(z.softmax(1), y)),
            "You give probabilities to a cross-entropy that wants logits: it takes the softmax "
            "again.",
        ),
    ),
)

# ==== Solution ====================================================================================


# A temperature changes no model's top class, so all candidates have the same accuracy and the first
# one won. The cross-entropy looks at the confidence too.
def best_temperature(z, y, candidates):
    best, best_score = None, -float("inf")
    for T in candidates:
        p = (z / T).softmax(dim=1)
        score = p[torch.arange(len(y)), y].log().mean()
        if score > best_score:
            best, best_score = T, score
    return best


def by_cross_entropy(z, y, candidates):
    return min(candidates, key=lambda T: F.cross_entropy(z / T, y).item())


def by_nll(z, y, candidates):
    scores = torch.stack([F.nll_loss((z.double() / T).log_softmax(1), y) for T in candidates])
    return candidates[int(scores.argmin())]


other_ways = [by_cross_entropy, by_nll]
