"""Who is found first?"""

from __future__ import annotations

import numpy as np

from distill_lessons.exercises.dice import mixed
from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import Case


def _rankings(seed: int) -> list[Case]:
    score = np.array([0.1, 0.05, 0.8, 0.7, 0.2, 0.9])
    wrong = np.array([1, 0, 0, 1, 1, 1])
    words = "six images, of which the 1st, 4th, 5th and 6th are wrong, n = 3"
    cases = [Case(words, (score, wrong, 3))]
    # The three at the border are all wrong: however the tie is broken, two of the four are found.
    tied = np.array([0.4, 0.1, 0.9, 0.4, 0.4, 0.7, 0.2])
    wrong = np.array([1, 0, 0, 1, 1, 1, 0])
    words = "seven images, three of which tie at 0.4, all three wrong, n = 3"
    cases.append(Case(words, (tied, wrong, 3)))
    for n_images, n_wrong, n in ((20, 7, 5), (31, 6, 11)):
        rng = np.random.default_rng(mixed(seed, n_images))
        wrong = (rng.permutation(n_images) < n_wrong).astype(int)
        score = rng.permutation(n_images) + (0.5 * n_images + 0.25) * wrong
        # At least one of each kind among the first n, so that no share is 0 or 1.
        score[np.flatnonzero(wrong)[0]] = score[np.flatnonzero(wrong == 0)[0]] = 5.0 * n_images
        score[np.flatnonzero(wrong)[1]] = -1.0
        score[np.flatnonzero(wrong == 0)[0]] += 1
        words = f"{n_images} images, {n_wrong} of them wrong, n = {n}"
        cases.append(Case(words, (score, wrong, n)))
    return cases


exercise = Exercise(
    title="Who is found first?",
    kind="code",
    difficulty="easy",
    importance="medium",
    minutes=4,
    hints=(
        "`np.argsort(-score)[:n]` are the images that a person looks at.",
        "How many of them are wrong, divided by how many wrong ones there are at all?",
    ),
    cases=_rankings,
)

# ==== Judging =====================================================================================

from collections.abc import Callable
from typing import Any

from distill_lessons.exercises.parts import Judging, Mistake

Array = np.ndarray[Any, Any]


def _share(
    looked: Callable[[Array, int], Any] = lambda score, n: np.argsort(-score)[:n],
    of: Callable[[Array, Array], float] = lambda hits, wrong: hits.sum() / wrong.sum(),
) -> Callable[[Array, Array, int], float]:
    return lambda score, wrong, n: float(of(wrong[looked(score, n)], wrong))


judging = Judging(
    reference=_share(),
    mistakes=(
        Mistake(
            "share of those looked at",
            _share(of=lambda hits, wrong: hits.mean()),
            "This is the share of wrong labels among the n. Asked for is the share of all wrong "
            "labels that is among them.",
        ),
        Mistake(
            "the lowest",
            _share(lambda score, n: np.argsort(score)[:n]),
            "You look at the n with the *lowest* scores.",
        ),
        Mistake(
            "the first in the file",
            _share(lambda score, n: np.arange(n)),
            "You look at the first n of the file. The score has to decide.",
        ),
        Mistake(
            "a count",
            _share(of=lambda hits, wrong: hits.sum()),
            "This is a number of images. Divide by that of all wrong labels.",
        ),
        Mistake(
            "of all images",
            _share(of=lambda hits, wrong: hits.sum() / len(wrong)),
            "You divide by the number of all images. Divide by that of the wrong ones.",
        ),
        Mistake(
            "one too many",
            _share(lambda score, n: np.argsort(-score)[: n + 1]),
            "You look at one image too many.",
        ),
        Mistake(
            "all that tie",
            _share(lambda score, n: score >= np.sort(score)[-n]),
            "Where scores tie, you look at more than n images. The person looks at exactly n.",
        ),
        Mistake(
            "none that tie",
            _share(lambda score, n: score > np.sort(score)[-n - 1]),
            "Where scores tie, you look at fewer than n images. The person looks at exactly n.",
        ),
        Mistake(
            "the best possible",
            lambda score, wrong, n: float(min(1.0, n / wrong.sum())),
            "This is the best that any score could reach.",
        ),
        Mistake("all", lambda score, wrong, n: 1.0, "This says that all are found, always."),
        Mistake("none", lambda score, wrong, n: 0.0, "This says that none is found, ever."),
    ),
)

# ==== Solution ====================================================================================


# A person looks at n images, those with the highest scores: how many of all errors are among them?
def found_share(score, wrong, n):
    looked_at = np.argsort(-score)[:n]
    return wrong[looked_at].sum() / wrong.sum()


def in_loops(score, wrong, n):
    ranked = sorted(zip(score.tolist(), wrong.tolist(), strict=True), reverse=True)
    return sum(is_wrong for _, is_wrong in ranked[:n]) / sum(wrong.tolist())


def by_recall(score, wrong, n):
    from sklearn.metrics import recall_score

    looked_at = np.zeros(len(score), dtype=bool)
    looked_at[np.argpartition(score, -n)[-n:]] = True
    return recall_score(wrong, looked_at)


other_ways = [in_loops, by_recall]
