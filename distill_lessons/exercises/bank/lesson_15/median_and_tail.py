"""Find the bug: the first calls."""

from __future__ import annotations

import numpy as np

from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import Case


def _times(seed: int) -> list[Case]:
    rng = np.random.default_rng((15, seed))
    by_hand = np.concatenate([np.full(5, 500.0), rng.permutation(np.arange(1.0, 102.0))])
    cases = [Case("five calls of 500 ms, then 1 to 101 ms in some order, warm_up = 5",
                  (by_hand, 5))]  # fmt: skip
    for n, warm_up in ((201, 10), (301, 20)):  # at these sizes all ways to count agree
        calm = rng.lognormal(0.0, 0.3, n)
        calm[rng.integers(n, size=n // 30)] *= 8
        first = rng.lognormal(2.5, 0.5, warm_up)
        words = f"{n} calls after {warm_up} of warm-up"
        cases.append(Case(words, (np.concatenate([first, calm]), warm_up)))
    return cases


GIVEN = '''\
def median_and_tail(times, warm_up):
    """times: of all calls, in their order. Returns (median, tail) without the first `warm_up`.

    The tail is the time within which 99 of 100 calls are done.
    """
    times = sorted(times)[warm_up:]
    n = len(times)
    return times[n // 2], times[int(0.99 * n)]
'''

exercise = Exercise(
    title="Find the bug: the first calls",
    kind="bug",
    given=GIVEN,
    difficulty="easy",
    importance="medium",
    minutes=5,
    hints=(
        "Run it by hand on the times 9, 1, 2, 3 with a warm-up of one call. Which call is left "
        "out?",
        "After `sorted`, where do the first calls stand?",
    ),
    cases=_times,
)

# ==== Judging =====================================================================================

from collections.abc import Callable, Sequence

from distill_lessons.exercises.parts import Judging, Mistake

Summary = Callable[[Sequence[float], int], tuple[float, float]]


def _of(
    chosen: Callable[[np.ndarray, int], np.ndarray],
    middle: Callable[[np.ndarray], float] = np.median,
    tail: float = 0.99,
) -> Summary:
    def found(times: Sequence[float], warm_up: int) -> tuple[float, float]:
        left = chosen(np.asarray(times, dtype=float), warm_up)
        return float(middle(left)), float(np.quantile(left, tail))

    return found


def _later(times: np.ndarray, warm_up: int) -> np.ndarray:
    return times[warm_up:]


judging = Judging(
    reference=_of(_later),
    mistakes=(
        Mistake(
            "as given",
            lambda times, warm_up: (
                sorted(times)[warm_up:][(len(times) - warm_up) // 2],
                sorted(times)[warm_up:][int(0.99 * (len(times) - warm_up))],
            ),
            "",
            given=True,
        ),
        Mistake(
            "nothing left out",
            _of(lambda times, warm_up: times),
            "The first calls are still in it.",
        ),
        Mistake(
            "the last ones",
            _of(lambda times, warm_up: times[: len(times) - warm_up]),
            "You leave out the last calls. The first ones are slow.",
        ),
        Mistake(
            "the slowest ones",
            _of(lambda times, warm_up: np.sort(times)[: len(times) - warm_up]),
            "You leave out the slowest calls, whenever they came. A slow call later on is what the "
            "tail is there to show.",
        ),
        Mistake(
            "the mean",
            _of(_later, middle=np.mean),
            "This is the mean: a few hiccups pull it up. The median stands in the middle.",
        ),
        Mistake(
            "the slowest",
            _of(_later, tail=1.0),
            "This is the slowest call of all. Of a hundred calls one may be slower than the tail.",
        ),
        Mistake("95 of 100", _of(_later, tail=0.95), "This is the time of 95 of 100 calls."),
    ),
)

# ==== Solution ====================================================================================


# Sorting first puts the slow first calls at the end, and the slice then throws the fastest away.
def median_and_tail(times, warm_up):
    times = sorted(times[warm_up:])
    n = len(times)
    return times[n // 2], times[int(0.99 * n)]


def by_numpy(times, warm_up):
    left = np.asarray(times)[warm_up:]
    return np.median(left), np.quantile(left, 0.99)


def by_statistics(times, warm_up):
    import statistics

    left = list(times)[warm_up:]
    return [statistics.median(left), sorted(left)[round(0.99 * (len(left) - 1))]]


other_ways = [by_numpy, by_statistics]
