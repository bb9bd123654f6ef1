"""An image as a sound, a player for it, and an ear.

The image is swept from left to right. Each row is a tone, high at the top and low at the bottom,
and sounds as loud as the row is bright where the sweep is. It is the rule of a device that lets
blind people hear what a camera sees (Meijer 1992). A colour image is reduced to its grey values.
"""

from __future__ import annotations

import html
import math
from functools import cache

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from distill_lessons import page, seeds
from distill_lessons.senses.views import grey
from distill_lessons.settings import number, whole_number
from distill_lessons.tensors import check_finite, check_numbers

RATE = 8000  # samples a second, as on the telephone: enough for tones below 4000 Hz
SECONDS = 0.5  # one sweep
LOWEST, HIGHEST = 350.0, 2800.0  # the tones of the bottom and the top row, in Hz
WINDOW, HOP = 256, 192  # what the ear takes in at a time, and how far it moves on, in samples
BANDS = 16  # of the ear, in even steps of pitch
LOWEST_HEARD, HIGHEST_HEARD = 250.0, 3500.0
QUIET, LOUD = -6.0, -2.0  # powers of ten that become 0 and 1


def tones(rows: int) -> Tensor:
    """Return the tone of each row in Hz, from the top: even steps of pitch, ``(H,)``.

    Args:
        rows: H.

    Raises:
        TypeError: if `rows` is no whole number.
        ValueError: if it is not positive.

    >>> tones(4).round(decimals=6).tolist()
    [2800.0, 1400.0, 700.0, 350.0]
    """
    rows = whole_number("rows", rows)
    return torch.logspace(math.log2(HIGHEST), math.log2(LOWEST), rows, base=2, dtype=torch.float64)


def loudness(x: Tensor) -> Tensor:
    """Return how bright each row is at each moment of the sweep, ``(N, H, L)`` with L samples.

    Between the middles of two columns it moves in a straight line: steps would click.

    Args:
        x: images ``(N, C, H, W)``.

    Raises:
        TypeError: if `x` is no tensor.
        ValueError: if `x` holds no images.
    """
    return F.interpolate(grey(x), size=round(RATE * SECONDS), mode="linear")


def sound(x: Tensor) -> Tensor:
    """Return each image as a sound of half a second at 8000 samples a second, ``(N, L)``.

    Args:
        x: images ``(N, C, H, W)``.

    Returns:
        Samples in [-1, 1]: the mean over the rows of loudness times tone.

    Raises:
        TypeError: if `x` is no tensor.
        ValueError: if `x` holds no images.

    Source: Meijer (1992), IEEE Transactions on Biomedical Engineering 39(2), section III.
    """
    rows = grey(x).shape[1]
    at = torch.arange(round(RATE * SECONDS), dtype=torch.float64) / RATE  # in seconds
    waves = (2 * math.pi * tones(rows)[:, None] * at).sin().to(x)  # (H, L)
    # A few images at a time: every row of each has a loudness for all samples.
    parts = [torch.einsum("nhl,hl->nl", loudness(some), waves) for some in x.split(64)]
    return torch.cat(parts) / rows


def spectrogram(sound: Tensor, rate: int) -> Tensor:
    """Return what the ear hears: the power in each band over time, on a logarithmic scale.

    Args:
        sound: samples ``(N, L)``.
        rate: samples a second. The ear is made for 8000: of a recording at another rate it would
            take every tone for another one.

    Returns:
        From 0 (too quiet to hear) to 1, in the form of images: ``(N, 1, 16, frames)``, the highest
        band first.

    Raises:
        TypeError: if `sound` is no tensor, or `rate` no whole number.
        ValueError: if the rate is another, the sound is shorter than a window, or a sample is not
            finite.
    """
    rate = whole_number("rate", rate)
    if rate != RATE:
        raise ValueError(
            f"rate={rate} samples a second, but this ear is made for {RATE}: resample first, with "
            f"scipy.signal.resample_poly(sound, {RATE}, {rate}, axis=-1)."
        )
    check_numbers("sound", sound)
    if sound.ndim != 2 or not sound.is_floating_point() or sound.shape[1] < WINDOW:
        raise ValueError(
            f"sound has shape {tuple(sound.shape)} and type {sound.dtype}; give samples as floats, "
            f"(N, L), at least {WINDOW} of them each."
        )
    check_finite("sound", sound, "sound")
    if sound.dtype not in (torch.float32, torch.float64):  # for which there is no transform
        sound = sound.float()
    parts = [_bands().to(some) @ _waves(some).abs() ** 2 for some in sound.split(512)]
    heard = torch.cat(parts).clamp_min(10.0**QUIET).log10()
    return ((heard - QUIET) / (LOUD - QUIET)).clamp(0, 1)[:, None]


def _waves(sound: Tensor) -> Tensor:
    """Return the short-time Fourier transform, ``(N, WINDOW / 2 + 1, frames)``, complex.

    A tone of height a has the size a / 2 at its own frequency.
    """
    window = torch.hann_window(WINDOW).to(sound)
    found = torch.stft(sound, WINDOW, HOP, window=window, center=False, return_complex=True)
    return found / window.sum()


@cache
def _bands() -> Tensor:
    """Return how much of each frequency each band takes in, ``(BANDS, WINDOW / 2 + 1)``.

    Triangles side by side on the scale of pitch; the narrowest hold one frequency at least.
    """
    steps = torch.logspace(math.log2(HIGHEST_HEARD), math.log2(LOWEST_HEARD), BANDS + 2, base=2)
    frequencies = torch.fft.rfftfreq(WINDOW, 1 / RATE)
    upper, middle, lower = (s[:, None] for s in (steps[:-2], steps[1:-1], steps[2:]))
    triangles = torch.minimum(
        (frequencies - lower) / (middle - lower), (upper - frequencies) / (upper - middle)
    ).clamp_min(0)
    nearest = (frequencies - middle).abs().argmin(1)
    return triangles.maximum(F.one_hot(nearest, len(frequencies)))


def heard(x: Tensor, *, noise: float = 0.01, seed: int) -> Tensor:
    """Return what the ear hears of images that are played in a room with noise.

    Args:
        x: images ``(N, C, H, W)``.
        noise: standard deviation of the noise in each sample; 0 for none.
        seed: same seed, same noise.

    Returns:
        Spectrograms ``(N, 1, 16, frames)``, see `spectrogram`.

    Raises:
        TypeError: if `x` is no tensor, or a number is not one.
        ValueError: if `noise` is negative or not finite, or `x` holds no images.
    """
    if not 0 <= number("noise", noise) < math.inf:
        raise ValueError(f"noise={noise} must be a number that is not negative; 0 is no noise.")
    dice = seeds.generator(seed)
    parts = []
    for some in x.split(512) if isinstance(x, Tensor) and x.ndim == 4 and len(x) else [x]:
        samples = sound(some)
        hiss = torch.randn(samples.shape, generator=dice).to(samples)
        parts.append(spectrogram(samples + noise * hiss, RATE))
    return torch.cat(parts)


def play(samples: Tensor, words: str, *, rate: int = RATE) -> None:
    """Show a player for a sound, and say in words what is to be heard.

    Args:
        samples: ``(L,)`` in any range; it is played as loud as it can be.
        words: what one hears, for those who do not.
        rate: samples a second.

    Raises:
        TypeError: if an argument is of another type.
        ValueError: if the sound is not one row of finite samples, is silent, or the words are too
            few.
    """
    from IPython.display import Audio

    rate = whole_number("rate", rate)
    check_numbers("samples", samples)
    if samples.ndim != 1 or samples.numel() == 0:
        raise ValueError(f"samples has shape {tuple(samples.shape)}; give one sound, (L,).")
    check_finite("samples", samples[None], "sound")
    if not isinstance(words, str) or len(words.strip()) < 20:
        raise ValueError(f"words={words!r} are too few; say in a sentence what is to be heard.")
    if not bool(samples.any()):
        raise ValueError("samples are all 0: there is nothing to be heard.")
    player = Audio(np.asarray(samples.detach().cpu(), dtype=np.float64), rate=rate)
    said = html.escape(words.strip())
    page.show(
        f'<div role="group" aria-label="{said}" style="margin:.4em 0">{player._repr_html_()}'
        f'<div style="max-width:46em"><em>{said}</em></div></div>',
        f"Sound: {words.strip()}",
    )
