"""Guess the members."""

from __future__ import annotations

import numpy as np

from distill_lessons.exercises.dice import mixed
from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import Case
from distill_lessons.robust import membership


def _shadows(seed: int) -> list[Case]:
    by_hand = np.array([0.1, 0.2, 0.9]), np.array([0.5, 1.0]), np.array([0.15, 0.2, 0.495, 0.95])
    cases = [Case("members 0.1, 0.2, 0.9, others 0.5, 1.0, losses 0.15, 0.2, 0.495, 0.95", by_hand)]
    # Here the difference is larger where the others are ahead; that is no threshold for members.
    small = np.array([3, 4, 5, 9]), np.array([1, 1.5, 2, 6, 7]), np.array([0.8, 4.5, 5.0, 8.0])
    words = "members 0.003, 0.004, 0.005, 0.009, others 0.001, 0.0015, 0.002, 0.006, 0.007"
    cases.append(Case(words, tuple(losses / 1000 for losses in small)))
    # Sizes without a common factor: two thresholds are then never equally good.
    for n, m in ((7, 16), (23, 9)):
        rng = np.random.default_rng(mixed(seed, n))
        members, others = rng.exponential(0.4, n), 0.25 + rng.exponential(1.0, m)
        every = np.sort(np.concatenate([members, others]))
        # Just below each loss of the shadow model, so that it does not matter where between two of
        # them a threshold lies.
        asked = every - 0.01 * np.diff(every, prepend=0)
        words = f"a shadow model's losses on {n} members and {m} others, {n + m} losses to judge"
        cases.append(Case(words, (members, others, rng.permutation(asked))))
    return cases


exercise = Exercise(
    title="Guess the members",
    kind="code",
    difficulty="medium",
    importance="medium",
    minutes=8,
    points=2,
    hints=(
        "Try each of the shadow model's losses as threshold t. Which share of its members has a "
        "loss of at most t, and which share of the others?",
        "Keep the t for which the first share minus the second is largest. The losses that are to "
        "be judged have no say in it.",
        "`losses <= t` is the answer, one true or false for each.",
    ),
    not_by=(membership.best_threshold, membership.advantage),
    cases=_shadows,
)

# ==== Judging =====================================================================================

from collections.abc import Callable
from typing import Any

from distill_lessons.exercises.parts import Judging, Mistake

Array = np.ndarray[Any, Any]


def _guess(threshold: Callable[[Array, Array, Array], Any]) -> Callable[..., Array]:
    return lambda members, others, losses: losses <= threshold(members, others, losses)


def _by_counts(members: Array, others: Array, losses: Array) -> Any:
    tried = np.concatenate([members, others])
    return max(tried, key=lambda t: (members <= t).sum() - (others <= t).sum())


def _worst(members: Array, others: Array, losses: Array) -> Any:
    tried = np.concatenate([members, others])
    return min(tried, key=lambda t: (members <= t).mean() - (others <= t).mean())


def _last_member(members: Array, others: Array) -> Any:
    """Return the largest loss of a member up to the best threshold: as good a threshold itself."""
    return members[members <= membership.best_threshold(members, others)].max()


def _largest_either_way(members: Array, others: Array, losses: Array) -> Any:
    tried = np.concatenate([members, others])
    return max(tried, key=lambda t: abs((members <= t).mean() - (others <= t).mean()))


judging = Judging(
    reference=_guess(lambda members, others, losses: membership.best_threshold(members, others)),
    mistakes=(
        Mistake(
            "turned",
            lambda members, others, losses: losses > membership.best_threshold(members, others),
            "You call members those with the *large* losses. A model errs less on what it was "
            "trained on.",
        ),
        Mistake(
            "counts, not shares",
            _guess(_by_counts),
            "You subtract counts. The two sets differ in size: compare shares.",
        ),
        Mistake(
            "finds every member",
            _guess(lambda members, others, losses: members.max()),
            "Your threshold is the largest loss of a member. It finds all members, and takes many "
            "others for one.",
        ),
        Mistake(
            "no false alarm",
            _guess(lambda members, others, losses: np.nextafter(others.min(), 0)),
            "Your threshold lies below all others: no false alarm, but many members are missed.",
        ),
        Mistake(
            "between the means",
            _guess(lambda members, others, losses: (members.mean() + others.mean()) / 2),
            "You take the middle of the two means. It is not the threshold with the best guesses.",
        ),
        Mistake(
            "median of the losses to judge",
            _guess(lambda members, others, losses: np.median(losses)),
            "You take the median of the losses that are to be judged: then half of them are "
            "members, whatever the shadow model says.",
        ),
        Mistake(
            "the worst",
            _guess(_worst),
            "You took the threshold with the *smallest* difference.",
        ),
        Mistake(
            "either way",
            _guess(_largest_either_way),
            "You take the largest difference either way. Where the *others* are ahead, a small "
            "loss does not tell a member.",
        ),
        Mistake(
            "below the threshold",
            lambda members, others, losses: losses < _last_member(members, others),
            "A loss of exactly t counts as a member's: *at most* t.",
        ),
        Mistake(
            "the threshold itself",
            lambda members, others, losses: membership.best_threshold(members, others),
            "This is the threshold. Say for each loss whether it is a member's.",
        ),
    ),
)

# ==== Solution ====================================================================================


# The threshold is chosen where the members are known, on the shadow model, and then it is fixed.
def guess_members(shadow_members, shadow_others, losses):
    best, best_gap = None, -1.0
    for t in np.concatenate([shadow_members, shadow_others]):
        gap = (shadow_members <= t).mean() - (shadow_others <= t).mean()
        if gap > best_gap:
            best, best_gap = t, gap
    return losses <= best


def with_tables(shadow_members, shadow_others, losses):
    tried = np.sort(np.concatenate([shadow_members, shadow_others]))
    shares = [
        (np.asarray(part)[:, None] <= tried).mean(0) for part in (shadow_members, shadow_others)
    ]
    return (losses <= tried[(shares[0] - shares[1]).argmax()]).astype(float)


def with_roc(shadow_members, shadow_others, losses):
    from sklearn.metrics import roc_curve

    truth = [1] * len(shadow_members) + [0] * len(shadow_others)
    scores = [-loss for loss in [*shadow_members, *shadow_others]]
    false, found, cuts = roc_curve(truth, scores, drop_intermediate=False)
    t = -cuts[(found - false).argmax()]
    return [bool(loss <= t) for loss in losses]


other_ways = [with_tables, with_roc]

borrowed = [
    lambda members, others, losses: losses <= membership.best_threshold(members, others),
]
