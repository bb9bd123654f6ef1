"""A chord for every column."""

from __future__ import annotations

import torch

from distill_lessons.exercises.dice import dice
from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import Case


def _rows(seed: int) -> list[Case]:
    quarter = torch.tensor([[1.0, 1.0, 0.5, 0.0], [0.0, 1.0, 1.0, 1.0]])
    words = "two rows, tones of 250 and 125 Hz, four samples at 1000 a second"
    cases = [Case(words, (quarter, torch.tensor([250.0, 125.0]), 1000))]
    for rows, samples, rate in ((3, 24, 2000), (5, 30, 1600)):
        rng = dice(seed, rows)
        loudness = torch.rand(rows, samples, generator=rng)
        tones = (100 + 500 * torch.rand(rows, generator=rng)).sort(descending=True).values
        words = f"{rows} rows, {samples} samples at {rate} a second"
        cases.append(Case(words, (loudness, tones, rate)))
    return cases


exercise = Exercise(
    title="A tone for every row",
    kind="code",
    difficulty="medium",
    importance="medium",
    minutes=7,
    points=2,
    hints=(
        "Sample number i is played i / rate seconds after the start.",
        "A tone of f Hz is sin(2π f t) at the time t. `tones[:, None] * t` has a row for each "
        "tone; then multiply by the loudness and take the mean over the rows.",
    ),
    cases=_rows,
)

# ==== Judging =====================================================================================

import math
from collections.abc import Callable

from torch import Tensor

from distill_lessons.exercises.parts import Judging, Mistake


def _played(
    wave: Callable[[float], float] = lambda turns: math.sin(2 * math.pi * turns),
    time: Callable[[int, int], float] = lambda i, rate: i / rate,
    row: Callable[[int, int], int] = lambda h, rows: h,
    loud: Callable[[float], float] = lambda a: a,
    share: Callable[[int], float] = lambda rows: 1 / rows,
) -> Callable[[Tensor, Tensor, int], list[float]]:
    """Return the sound, with room for mistakes; number by number."""

    def found(loudness: Tensor, tones: Tensor, rate: int) -> list[float]:
        heights, pitch, H = loudness.tolist(), tones.tolist(), len(tones)
        return [
            share(H)
            * sum(loud(heights[h][i]) * wave(pitch[row(h, H)] * time(i, rate)) for h in range(H))
            for i in range(loudness.shape[1])
        ]

    return found


def _reference(loudness: Tensor, tones: Tensor, rate: int) -> Tensor:
    at = torch.arange(loudness.shape[1], dtype=torch.float64, device=loudness.device) / rate
    waves = torch.sin(2 * math.pi * tones.double()[:, None] * at)
    return torch.einsum("hl,hl->l", loudness, waves.to(loudness)) / len(tones)


judging = Judging(
    reference=_reference,
    mistakes=(
        Mistake(
            "no 2π",
            _played(wave=math.sin),
            "A wave of f Hz goes through a full turn f times a second, and a full turn is 2π.",
        ),
        Mistake(
            "samples for seconds",
            _played(time=lambda i, rate: float(i)),
            "You take the number of the sample for seconds. There are `rate` samples in a second.",
        ),
        Mistake(
            "upside down",
            _played(row=lambda h, rows: rows - 1 - h),
            "Each row sounds with the tone of another one: the picture is upside down.",
        ),
        Mistake(
            "cosine",
            _played(wave=lambda turns: math.cos(2 * math.pi * turns)),
            "Each tone starts at its crest here. It is a sine, which starts at 0.",
        ),
        Mistake(
            "the sum",
            _played(share=lambda rows: 1.0),
            "This is the sum over the rows, without the factor 1/H that keeps it within [-1, 1].",
        ),
        Mistake(
            "loudness left out",
            _played(loud=lambda a: 1.0),
            "All rows sound equally loud, so that every picture sounds the same.",
        ),
        Mistake(
            "on or off",
            _played(loud=lambda a: float(a > 0.5)),
            "A row is silent or at full loudness here. Grey is in between.",
        ),
        Mistake(
            "one sample late",
            _played(time=lambda i, rate: (i + 1) / rate),
            "The first sample is played at the time 0.",
        ),
    ),
)

# ==== Solution ====================================================================================


# Samples count time in steps of 1 / rate seconds, and a tone of f Hz makes f full turns in each
# second.
def sum_of_tones(loudness, tones, rate):
    t = torch.arange(loudness.shape[1], device=loudness.device) / rate
    waves = torch.sin(2 * torch.pi * tones[:, None] * t)
    return (loudness * waves).mean(dim=0)


def row_by_row(loudness, tones, rate):
    sound = 0
    t = torch.linspace(0, (loudness.shape[1] - 1) / rate, loudness.shape[1])
    for loud, f in zip(loudness, tones):
        sound = sound + loud * torch.sin(2 * torch.pi * f * t) / len(tones)
    return sound


def in_numpy(loudness, tones, rate):
    import numpy as np

    t = np.arange(loudness.shape[1]) / rate
    waves = np.exp(2j * np.pi * np.outer(tones.double().numpy(), t)).imag
    return (loudness.numpy() * waves).sum(0) / len(tones)


other_ways = [row_by_row, in_numpy]
