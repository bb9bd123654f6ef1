"""Domains, views and sounds, each against SciPy or a case worked by hand."""

from __future__ import annotations

import base64
import io
import math
import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import fft, ndimage, signal
from scipy.io import wavfile
from torch import nn

from distill_lessons import page, training
from distill_lessons.data import Split
from distill_lessons.senses import domains, sound, views

FEW = settings(max_examples=25, deadline=None)
G = torch.Generator().manual_seed(0)
X = torch.rand(4, 2, 7, 10, generator=G)
SEEDS = st.integers(0, 10_000)


def images(seed: int, *shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


# --- domains -------------------------------------------------------------------------------------


@pytest.mark.parametrize("sigma", [0.4, 1.0, 2.5])
def test_a_blur_is_scipys(sigma: float) -> None:
    theirs = ndimage.gaussian_filter(X.numpy(), (0, 0, sigma, sigma), mode="nearest")
    np.testing.assert_allclose(domains.blurred(X, sigma), theirs, atol=1e-6)


@pytest.mark.parametrize("degrees", [10, 25, -40, 90, 180, 400.5])
def test_a_turn_is_scipys(degrees: float) -> None:
    theirs = ndimage.rotate(
        X.numpy(), degrees, axes=(-2, -1), reshape=False, order=1, mode="grid-constant"
    )
    np.testing.assert_allclose(domains.rotated(X, degrees), theirs, atol=5e-6)


@given(SEEDS, st.floats(0, 4), st.floats(-400, 400))
@FEW
def test_domains_keep_the_form_and_the_range_of_images(seed: int, sigma: float, a: float) -> None:
    x = images(seed, 2, 3, 1, 5, 6)  # two sets of images
    for changed in (domains.blurred(x, sigma), domains.rotated(x, a)):
        assert changed.shape == x.shape
        assert 0 <= changed.min() <= changed.max() <= 1
    torch.testing.assert_close(domains.blurred(x, 0.1), x)  # reaches no other pixel
    torch.testing.assert_close(domains.rotated(x, 0), x)
    flat = torch.full_like(x, 0.5)
    torch.testing.assert_close(domains.blurred(flat, sigma), flat)


def test_four_quarter_turns_bring_an_image_back_and_one_is_torchs() -> None:
    x = images(1, 3, 1, 6, 6)
    turned = domains.rotated(x, 90)
    torch.testing.assert_close(turned, torch.rot90(x, 1, (-2, -1)))
    for _ in range(3):
        turned = domains.rotated(turned, 90)
    torch.testing.assert_close(turned, x)


def test_moments_are_matched_as_by_hand() -> None:
    x = torch.tensor([[0.2, 0.5], [0.4, 0.5]]).reshape(2, 1, 1, 2)
    like = torch.tensor([[0.0, 0.3], [1.0, 0.7]]).reshape(2, 1, 1, 2)
    # The first pixel lies as far below and above its mean as at home; the second never changes.
    matched = domains.match_moments(x, like).reshape(2, 2)
    torch.testing.assert_close(matched, torch.tensor([[0.0, 0.5], [1.0, 0.5]]))


@given(SEEDS, st.floats(0.05, 5), st.floats(-3, 3))
@FEW
def test_moments_become_those_of_home(seed: int, scale: float, shift: float) -> None:
    x, like = scale * images(seed, 2, 9, 1, 2, 3) + shift, images(seed + 1, 2, 12, 1, 2, 3)
    matched = domains.match_moments(x, like)
    torch.testing.assert_close(matched.mean(1), like.mean(1), atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(matched.std(1), like.std(1), atol=1e-4, rtol=1e-3)
    whole = domains.match_moments(x[0], like[0], per_pixel=False)
    assert float(whole.mean()) == pytest.approx(float(like[0].mean()), abs=1e-4)
    assert float(whole.std()) == pytest.approx(float(like[0].std()), rel=1e-3)
    # Each set has moments of its own, and brightness and contrast are undone whatever they were.
    torch.testing.assert_close(domains.match_moments(x[0], like[0]), matched[0])
    undone = domains.match_moments(images(seed, 2, 9, 1, 2, 3), like)
    torch.testing.assert_close(matched, undone, atol=1e-3, rtol=1e-3)


@given(SEEDS)
@FEW
def test_matching_leaves_an_inverted_image_inverted(seed: int) -> None:
    x = images(seed, 8, 1, 2, 2)
    matched = domains.match_moments(1 - x, x)
    torch.testing.assert_close(matched - x.mean(0), x.mean(0) - x, atol=1e-5, rtol=1e-4)


# --- views ---------------------------------------------------------------------------------------


def test_sums_are_means_of_rows_and_columns_of_grey_values() -> None:
    plain = X.numpy().mean(1)
    theirs = np.concatenate([plain.mean(2), plain.mean(1)], 1)
    np.testing.assert_allclose(views.sums(X)[:, 0, 0], theirs, atol=1e-6)


@pytest.mark.parametrize("n", [1, 2, 5, 28])
def test_cosines_are_scipys_transform(n: int) -> None:
    np.testing.assert_allclose(
        views.cosines(n), fft.dct(np.eye(n), axis=0, norm="ortho"), atol=1e-6
    )
    torch.testing.assert_close(views.cosines(n) @ views.cosines(n).T, torch.eye(n))


@pytest.mark.parametrize("keep", [1, 3, 8, 99])
def test_a_spectrum_is_scipys(keep: int) -> None:
    theirs = np.abs(fft.dctn(X.numpy().mean(1), axes=(1, 2), norm="ortho"))[:, :keep, :keep]
    theirs = theirs.reshape(4, -1) / math.sqrt(70)
    np.testing.assert_allclose(views.spectrum(X, keep)[:, 0, 0], theirs, atol=1e-6)


@given(SEEDS)
@FEW
def test_a_spectrum_keeps_the_power_and_loses_the_side(seed: int) -> None:
    x = images(seed, 3, 1, 5, 6)
    power = views.spectrum(x, 6).flatten(1).square().sum(1)
    torch.testing.assert_close(power, x.square().mean((1, 2, 3)))
    torch.testing.assert_close(views.spectrum(x), views.spectrum(x.flip(-1)))  # a mirror image


def test_units_are_those_of_the_examples_given_and_stay_so_in_training() -> None:
    like, x = images(0, 9, 1, 1, 6), images(1, 5, 1, 1, 6)
    net = nn.Sequential(views.Units(like), nn.Flatten(), nn.Linear(6, 2))
    theirs = (x.numpy() - like.numpy().mean()) / like.numpy().std(ddof=1)
    np.testing.assert_allclose(net[0](x), theirs, atol=1e-5)
    before = net[0](x)
    training.fit(net, Split(x, torch.tensor([0, 1, 0, 1, 0])), epochs=2, seed=0)
    assert net[0](x).equal(before)
    still = torch.full((3, 2), 0.4)
    torch.testing.assert_close(views.Units(still)(still + 1), torch.ones(3, 2))


@pytest.mark.parametrize(
    "like", [torch.ones(3, 2).long(), torch.ones(1), torch.tensor(0.5), torch.ones(0, 4)]
)
def test_units_of_too_few_or_whole_numbers_are_refused(like: torch.Tensor) -> None:
    with pytest.raises(ValueError, match=r"like has shape \(.*give at least 2 floats"):
        views.Units(like)
    with pytest.raises(ValueError, match="example 1 holds NaN in like"):
        views.Units(torch.tensor([0.0, math.nan, 1.0]))
    with pytest.raises(TypeError, match="like"):
        views.Units([0.0, 1.0])  # type: ignore[arg-type]


# --- sound ---------------------------------------------------------------------------------------


def test_one_bright_row_is_one_pure_tone() -> None:
    for row, tone in enumerate(sound.tones(4).tolist()):
        x = torch.zeros(1, 1, 4, 5)
        x[0, 0, row] = 1
        at = np.arange(4000) / 8000
        np.testing.assert_allclose(sound.sound(x)[0], np.sin(2 * np.pi * tone * at) / 4, atol=1e-5)


@given(SEEDS, st.floats(0, 1))
@FEW
def test_a_sound_is_as_loud_as_the_image_is_bright_and_that_of_its_grey_values(
    seed: int, dim: float
) -> None:
    x = images(seed, 2, 3, 4, 5)
    played = sound.sound(x)
    assert played.shape == (2, 4000)
    assert played.abs().max() <= 1
    torch.testing.assert_close(sound.sound(dim * x), dim * played, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(sound.sound(x.mean(1, keepdim=True)), played, atol=1e-5, rtol=1e-4)


def noise(n: int = 4096) -> torch.Tensor:
    return torch.randn(3, n, generator=torch.Generator().manual_seed(1)) / 4


SCIPYS = {
    "fs": sound.RATE,
    "window": "hann",
    "nperseg": sound.WINDOW,
    "noverlap": sound.WINDOW - sound.HOP,
}


@pytest.mark.filterwarnings("ignore:NOLA")  # at the two ends, which are left out
def test_the_ear_takes_in_what_scipy_does_and_scipy_makes_the_sound_of_it_again() -> None:
    samples = noise()
    waves = sound._waves(samples)
    _, _, theirs = signal.stft(samples.numpy(), boundary=None, padded=False, **SCIPYS)
    np.testing.assert_allclose(waves, theirs, atol=1e-7)
    _, back = signal.istft(waves.numpy(), boundary=False, **SCIPYS)
    inside = slice(sound.WINDOW, back.shape[1] - sound.WINDOW)
    np.testing.assert_allclose(back[:, inside], samples[:, inside], atol=1e-5)


def test_each_tone_is_loudest_in_the_band_of_its_pitch() -> None:
    at = torch.arange(4000) / sound.RATE
    tones = sound.tones(6).float()
    heard = sound.spectrogram((2 * math.pi * tones[:, None] * at).sin(), sound.RATE)
    bands = heard.mean(3).argmax(2).flatten().tolist()
    assert bands == sorted(set(bands))  # from high to low, each with a band of its own
    # Every frequency that can be heard reaches a band, and no band is deaf.
    inside = torch.fft.rfftfreq(sound.WINDOW, 1 / sound.RATE)
    reached = sound._bands()[:, (inside > sound.LOWEST_HEARD) & (inside < sound.HIGHEST_HEARD)]
    assert (reached.sum(0) > 0).all()
    assert (reached.sum(1) > 0).all()


@given(SEEDS, st.floats(0.01, 1))
@FEW
def test_louder_is_never_heard_as_quieter(seed: int, quieter: float) -> None:
    samples = torch.randn(2, 600, generator=torch.Generator().manual_seed(seed))
    loud, quiet = (sound.spectrogram(a * samples, sound.RATE) for a in (1.0, quieter))
    assert (loud >= quiet - 1e-6).all()
    assert 0 <= quiet.min() <= loud.max() <= 1
    assert (sound.spectrogram(0 * samples, sound.RATE) == 0).all()


def test_a_sound_at_another_rate_is_refused_and_resampled_as_the_message_says() -> None:
    tone = torch.sin(2 * math.pi * 700 * torch.arange(8000) / 16_000)[None]
    with pytest.raises(ValueError, match=r"rate=16000 .* made for 8000: resample .*resample_poly"):
        sound.spectrogram(tone, rate=16_000)
    resampled = signal.resample_poly(tone.numpy(), sound.RATE, 16_000, axis=-1)
    own = torch.sin(2 * math.pi * 700 * torch.arange(4000) / sound.RATE)[None]
    right, same = (sound.spectrogram(torch.as_tensor(s), sound.RATE) for s in (own, resampled))
    assert (right.mean(3).argmax(2) == same.mean(3).argmax(2)).all()


def test_what_is_heard_depends_on_the_seed_alone_and_noise_covers_what_is_quiet() -> None:
    x = images(3, 5, 1, 4, 4)
    first, again, other = (sound.heard(x, seed=s) for s in (1, 1, 2))
    torch.testing.assert_close(first, again, rtol=0, atol=0)
    assert not torch.equal(first, other)
    assert first.shape == (5, 1, sound.BANDS, 20)
    silent = sound.heard(torch.zeros_like(x), noise=0, seed=0)
    assert (silent == 0).all()
    assert (sound.heard(torch.zeros_like(x), noise=0.1, seed=0) > 0).any()


def test_a_player_plays_the_sound_and_says_it_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[tuple[str, str]] = []
    monkeypatch.setattr(page, "show", lambda markup, text: shown.append((markup, text)))
    samples = sound.sound(images(2, 1, 1, 4, 4))[0]
    words = 'A chord that is <louder> at "the end".'
    sound.play(samples, words)
    ((markup, text),) = shown
    assert text == f"Sound: {words}"
    assert "&lt;louder&gt;" in markup
    assert "<louder>" not in markup
    (packed,) = re.findall(r"data:audio/wav;base64,([^\"]*)", markup)
    rate, played = wavfile.read(io.BytesIO(base64.b64decode(packed)))
    assert rate == sound.RATE
    scaled = samples.numpy() / np.abs(samples.numpy()).max()
    np.testing.assert_allclose(played / 32767, scaled, atol=1e-4)
    assert len(markup) < 20_000  # it is stored in the notebook


@pytest.mark.parametrize(
    ("samples", "words", "says"),
    [
        (torch.zeros(100), "A sound of a hundred samples.", "all 0"),
        (torch.ones(2, 100), "A sound of a hundred samples.", r"shape \(2, 100\); give one sound"),
        (torch.ones(0), "A sound of a hundred samples.", "give one sound"),
        (torch.tensor([1.0, math.nan]), "A sound of two samples, at least.", "NaN in samples"),
        (torch.ones(100), "A sound.", "words='A sound.' are too few"),
    ],
)
def test_a_player_refuses_what_nobody_could_hear(
    samples: torch.Tensor, words: str, says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        sound.play(samples, words)
