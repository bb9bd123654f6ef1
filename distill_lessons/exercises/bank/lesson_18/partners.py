"""Find the bug: pairs from two folders."""

from __future__ import annotations

import torch

from distill_lessons.exercises.dice import dice
from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import Case


def _folders(seed: int) -> list[Case]:
    cases = [
        Case(
            'images "7.png", "10.png", "2.png" and sounds "007.wav", "002.wav", "010.wav"',
            (["7.png", "10.png", "2.png"], ["007.wav", "002.wav", "010.wav"]),
        )
    ]
    for n in (6, 9):
        rng = dice(seed, n)
        some = torch.randperm(30, generator=rng)[: n - 3] + 6
        numbers = torch.cat([torch.tensor([5, 40, 111]), some])  # of one to three digits
        orders = [numbers[torch.randperm(n, generator=rng)].tolist() for _ in range(2)]
        images = [f"{k}.png" for k in orders[0]]
        sounds = [f"{k:03d}.wav" for k in orders[1]]
        cases.append(Case(f"{n} images and {n} sounds", (images, sounds)))
    return cases


GIVEN = '''\
def partners(images, sounds):
    """File names such as "7.png" and "007.wav", in any order: the same numbers in both lists.

    Returns for each image the index of its sound in the list `sounds`.
    """
    images_in_order = sorted(range(len(images)), key=lambda i: images[i])
    sounds_in_order = sorted(range(len(sounds)), key=lambda j: sounds[j])
    found = [0] * len(images)
    for i, j in zip(images_in_order, sounds_in_order):
        found[i] = j
    return found
'''

exercise = Exercise(
    title="Find the bug: pairs from two folders",
    kind="bug",
    given=GIVEN,
    difficulty="easy",
    importance="high",
    minutes=5,
    hints=(
        "Print both lists in the order into which they are sorted. Where does 10 stand?",
        "Names are sorted as words are, letter by letter. What should be compared are the numbers "
        "in them. `int` reads digits as a number, whether or not it begins with zeros.",
    ),
    cases=_folders,
)

# ==== Judging =====================================================================================

from collections.abc import Callable, Sequence

from distill_lessons.exercises.parts import Judging, Mistake


def _sorted(
    key: Callable[[str], int | str], *, backwards: bool = False, inverse: bool = False
) -> Callable[[Sequence[str], Sequence[str]], list[int]]:
    """Return the partners that two sorted lists give, with room for mistakes."""

    def found(images: Sequence[str], sounds: Sequence[str]) -> list[int]:
        first = sorted(range(len(images)), key=lambda i: key(images[i]))
        second = sorted(range(len(sounds)), key=lambda j: key(sounds[j]), reverse=backwards)
        if inverse:
            first, second = second, first
        partner = dict(zip(first, second, strict=True))
        return [partner[i] for i in range(len(images))]

    return found


def _number(name: str) -> int:
    return int(name.partition(".")[0])


judging = Judging(
    reference=_sorted(_number),
    mistakes=(
        Mistake("as given", _sorted(str), "", given=True),
        Mistake(
            "in the order of the folders",
            lambda images, sounds: list(range(len(images))),
            "The first image is not the partner of the first sound: the lists are in any order.",
        ),
        Mistake(
            "the other way round",
            _sorted(_number, inverse=True),
            "You return for each sound the index of its image.",
        ),
        Mistake(
            "backwards",
            _sorted(_number, backwards=True),
            "One of the lists is sorted backwards.",
        ),
        Mistake(
            "the sorted order",
            lambda images, sounds: sorted(range(len(sounds)), key=lambda j: _number(sounds[j])),
            "This is the order of the sounds, whatever the order of the images is.",
        ),
        Mistake(
            "the numbers",
            lambda images, sounds: [_number(name) for name in images],
            "These are the numbers in the names. What is asked for is where each sound stands in "
            "its list.",
        ),
    ),
)

# ==== Solution ====================================================================================


# As words "10.png" comes before "7.png", but "007.wav" before "010.wav". As numbers both lists have
# one order.
def partners(images, sounds):
    def number(name):
        return int(name.split(".")[0])

    images_in_order = sorted(range(len(images)), key=lambda i: number(images[i]))
    sounds_in_order = sorted(range(len(sounds)), key=lambda j: number(sounds[j]))
    found = [0] * len(images)
    for i, j in zip(images_in_order, sounds_in_order):
        found[i] = j
    return found


def by_name(images, sounds):
    return [sounds.index(image.removesuffix(".png").zfill(3) + ".wav") for image in images]


def by_dict(images, sounds):
    place = {int(name[:-4]): j for j, name in enumerate(sounds)}
    return [place[int(name[:-4])] for name in images]


other_ways = [by_name, by_dict]
