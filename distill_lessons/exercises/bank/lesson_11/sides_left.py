"""What the first layers leave of an image."""

from __future__ import annotations

import torch

from distill_lessons.exercises.dice import dice
from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import Case


def _stems(seed: int) -> list[Case]:
    cases = [Case("16 pixels, kernel 5, step 2, margin 1", (16, [(5, 2, 1)]))]
    for n in (2, 4):
        rng = dice(seed, n)
        side = 37 + 2 * int(torch.randint(20, (1,), generator=rng))
        layers = []
        for _ in range(n):
            kernel, step, margin = (
                int(torch.randint(low, high, (1,), generator=rng))
                for low, high in ((3, 6), (1, 4), (0, 2))
            )
            layers.append((kernel, step, margin))
        layers[0] = (4, 2, 1)  # an odd side: the last step does not fit
        words = f"{side} pixels, (kernel, step, margin) = {', '.join(map(str, layers))}"
        cases.append(Case(words, (side, layers)))
    return cases


exercise = Exercise(
    title="What a stem leaves",
    kind="code",
    difficulty="easy",
    importance="high",
    minutes=5,
    hints=(
        "With its margins an image of `side` pixels is `side + 2 * margin` wide. How far can the "
        "kernel move before it would stand over the edge?",
        "A last step that does not fit is not made: `//` divides and drops what is left over. "
        "Places are one more than steps.",
    ),
    cases=_stems,
)

# ==== Judging =====================================================================================

from collections.abc import Callable, Sequence

from distill_lessons.exercises.parts import Judging, Mistake

_Layers = Sequence[tuple[int, int, int]]


def _followed(
    one: Callable[[int, int, int, int], int] = lambda s, k, t, m: (s + 2 * m - k) // t + 1,
    of: Callable[[list[int]], list[int]] = lambda sides: sides,
) -> Callable[[int, _Layers], list[int]]:
    """Return the sides after each layer, with room for mistakes."""

    def sides(side: int, layers: _Layers) -> list[int]:
        found = []
        for kernel, step, margin in layers:
            side = one(side, kernel, step, margin)
            found.append(side)
        return of(found)

    return sides


judging = Judging(
    reference=_followed(),
    mistakes=(
        Mistake(
            "steps, not places",
            _followed(lambda s, k, t, m: (s + 2 * m - k) // t),
            "You count the steps. The kernel also has a place before its first step.",
        ),
        Mistake(
            "one margin",
            _followed(lambda s, k, t, m: (s + m - k) // t + 1),
            "The margin is added on both sides of the image.",
        ),
        Mistake(
            "margin left out",
            _followed(lambda s, k, t, m: (s - k) // t + 1),
            "The margin is missing. It makes the image wider on both sides.",
        ),
        Mistake(
            "a last step over the edge",
            _followed(lambda s, k, t, m: -(-(s + 2 * m - k) // t) + 1),
            "You count a step that would carry the kernel over the edge. It is not made.",
        ),
        Mistake(
            "kernel left out",
            _followed(lambda s, k, t, m: (s + 2 * m - 1) // t + 1),
            "The kernel has a width of its own, and stops where its far end meets the edge.",
        ),
        Mistake(
            "divided by the step",
            _followed(lambda s, k, t, m: s // t),
            "That is right only where kernel and margin happen to fit together.",
        ),
        Mistake(
            "from the first side each time",
            lambda side, layers: [(side + 2 * m - k) // t + 1 for k, t, m in layers],
            "Each layer sees what the one before it has left, not the image.",
        ),
        Mistake(
            "backwards",
            _followed(of=lambda sides: sides[::-1]),
            "The order is wrong: the first layer's side comes first.",
        ),
    ),
)

# ==== Solution ====================================================================================


# From its first place the kernel makes as many whole steps as the rest of the padded row has room
# for.
def sides_left(side, layers):
    found = []
    for kernel, step, margin in layers:
        room = side + 2 * margin - kernel
        side = room // step + 1
        found.append(side)
    return found


def by_torch(side, layers):
    x, found = torch.zeros(1, 1, side, 1), []
    for kernel, step, margin in layers:
        x = torch.nn.functional.conv2d(
            x, torch.zeros(1, 1, kernel, 1), stride=(step, 1), padding=(margin, 0)
        )
        found.append(x.shape[2])
    return found


def by_counting(side, layers):
    found = []
    for kernel, step, margin in layers:
        starts = range(-margin, side + margin - kernel + 1, step)
        found.append(side := len(starts))
    return found


other_ways = [by_torch, by_counting]
