"""How much do they contradict each other?"""

from __future__ import annotations

import torch

from distill_lessons import losses, teachers
from distill_lessons.exercises.dice import dice
from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import Case


def _answers(seed: int) -> list[Case]:
    by_hand = torch.tensor([[[30.0, 0.0], [0.0, 0.0]], [[0.0, 30.0], [0.0, 0.0]]])
    cases = [
        Case("two teachers; on one image they contradict, on the other both are torn", (by_hand,))
    ]
    for m, n, k in ((3, 4, 5), (5, 3, 2)):
        z = 2 * torch.randn(m, n, k, generator=dice(seed, m))
        cases.append(Case(f"{m} teachers, {n} images, {k} classes", (z,)))
    return cases


exercise = Exercise(
    title="How much do they contradict each other?",
    kind="code",
    difficulty="medium",
    importance="high",
    minutes=8,
    points=2,
    hints=(
        "Two entropies: that of the mean distribution, and the mean of the teachers' own. Which "
        "comes first, the mean or the entropy?",
        "Where p can be 0, p log p is 0: `torch.special.entr(p)` is minus p log p and knows that.",
    ),
    not_by=(teachers.disagreement, losses.entropy),
    cases=_answers,
)

# ==== Judging =====================================================================================

from collections.abc import Callable
from typing import Any

from scipy import special, stats
from torch import Tensor

from distill_lessons.exercises.parts import Judging, Mistake


def _entropy(p: Tensor) -> Tensor:
    return -torch.xlogy(p, p).sum(-1)


def _gap(z: Tensor) -> Tensor:
    p = z.double().softmax(-1)
    mean = p.mean(0, keepdim=True)
    return (torch.xlogy(p, p) - torch.xlogy(p, mean)).sum(-1).mean(0)


def _of(measure: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    return lambda z: measure(z.softmax(-1))


def _shares(p: Tensor) -> Tensor:
    return torch.nn.functional.one_hot(p.argmax(-1), p.shape[-1]).float().mean(0)


judging = Judging(
    reference=_gap,
    mistakes=(
        Mistake(
            "the whole doubt",
            _of(lambda p: _entropy(p.mean(0))),
            "This is the entropy of the mean distribution. It is high, too, where all teachers "
            "agree that they do not know.",
        ),
        Mistake(
            "the teachers' own doubt",
            _of(lambda p: _entropy(p).mean(0)),
            "This is how unsure the teachers are on average. It says nothing about whether they "
            "contradict each other.",
        ),
        Mistake(
            "the other way round",
            lambda z: -_gap(z),
            "You subtract the wrong way about: the mean distribution is the less sure one.",
        ),
        Mistake(
            "the mean of the logits",
            lambda z: _entropy(z.mean(0).softmax(-1)) - _entropy(z.softmax(-1)).mean(0),
            "You take the softmax of the mean logits. Take the mean of the softmaxes.",
        ),
        Mistake(
            "votes only",
            _of(lambda p: _entropy(_shares(p))),
            "This is the entropy of their votes. How sure each of them is has gone.",
        ),
        Mistake(
            "bits",
            lambda z: _gap(z) / torch.log(torch.tensor(2.0)),
            "This is in bits. Use the natural logarithm.",
        ),
        Mistake(
            "summed over the teachers",
            lambda z: len(z) * _gap(z),
            "You sum over the teachers. Take the mean.",
        ),
        Mistake(
            "one number",
            lambda z: _gap(z).mean(),
            "This is one number for all images. Each image has its own.",
        ),
        Mistake(
            "a variance",
            _of(lambda p: p.var(0, correction=0).sum(-1)),
            "This is the variance of the probabilities: another measure of the same idea. Asked "
            "for is the difference of the two entropies.",
        ),
    ),
)

# ==== Solution ====================================================================================


# All doubt there is, minus the doubt that each teacher has by itself: what is left is that they
# contradict each other.
def contradiction(z):
    p = z.softmax(dim=-1)
    total = torch.special.entr(p.mean(dim=0)).sum(dim=-1)
    own = torch.special.entr(p).sum(dim=-1).mean(dim=0)
    return total - own


def by_divergences(z: Any) -> Any:
    p = torch.distributions.Categorical(logits=z)
    mean = torch.distributions.Categorical(probs=p.probs.mean(dim=0))
    return torch.distributions.kl_divergence(p, mean).mean(dim=0)


def with_scipy(z: Any) -> Any:
    p = special.softmax(z.double().numpy(), axis=2)
    return stats.entropy(p.mean(axis=0), axis=1) - stats.entropy(p, axis=2).mean(axis=0)


other_ways = [by_divergences, with_scipy]

borrowed = [teachers.disagreement, lambda z: teachers.disagreement(z)]
