"""Lesson 18 in small: each win beside the control that makes its claim fall."""

from __future__ import annotations

import functools

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from distill_lessons import data, evaluation, models
from distill_lessons.claims import Claim, mean_effect
from distill_lessons.data import Split
from distill_lessons.fast import repeats, stacking
from distill_lessons.robust.stack import Stack
from distill_lessons.senses import domains, sound, views

R, K, STEPS, GUESS = 5, 10, 120, 0.1
VIEWS = {
    "blurred": lambda x: domains.blurred(x, 1.0),
    "rotated": lambda x: domains.rotated(x, 25),
    "inverted": lambda x: 1 - x,
    "sums": views.sums,
    "sound": lambda x: sound.heard(x, seed=0),
}


def wins(treated: np.ndarray, control: np.ndarray | float, by: float = 0.0) -> bool:
    effect = mean_effect(treated - control, unit="points", per="repeats")
    return Claim("The treated wins.", effect, above=by, below=None).holds


@functools.cache
def drawn() -> repeats.Repeats:
    digits = data.load("digits")
    return repeats.draw(
        digits, lambda s: models.mlp(digits.image_shape, K, (64,), seed=s), R, steps=150,
        spare=600, lr=3e-3,
    )  # fmt: skip


@functools.cache
def seen(view: str) -> Tensor:
    return VIEWS[view](drawn().pool.x)


def accuracy(z: Tensor) -> np.ndarray:
    draws = drawn()
    return (z.argmax(2) == draws.pool.y).float().gather(1, draws.test).mean(1).numpy()


@functools.cache
def there(domain: str) -> Tensor:
    """What the teachers say of all images of a domain, (R, N, K)."""
    return stacking.predict_many(drawn().teachers, seen(domain))


def taught(view: str, z: Tensor | None = None, rows: Tensor | None = None) -> np.ndarray:
    draws, x = drawn(), seen(view)
    how = {} if z is None else {"z_teacher": z, "T": 4.0, "alpha": 0.0}
    rows = draws.spare if rows is None else rows
    starts = [1000 + s for s in draws.seeds]  # apart from their teachers
    nets = [models.mlp(tuple(x.shape[1:]), K, (32,), seed=s) for s in starts]
    if view in ("sums", "sound"):  # each in units of the images that it learns from
        nets = [
            nn.Sequential(views.Units(x[own]), net) for own, net in zip(rows, nets, strict=True)
        ]
    on = Split(x, draws.pool.y)
    stacking.fit_many(nets, on, rows=rows, seeds=starts, steps=STEPS, lr=1e-2, **how)
    return accuracy(stacking.predict_many(nets, x))


@functools.cache
def pairs(view: str) -> np.ndarray:
    return taught(view, drawn().z)


@functools.cache
def few_labels(view: str) -> np.ndarray:
    draws = drawn()
    return taught(view, rows=draws.labelled(50, draws.spare))


def shuffled(view: str) -> np.ndarray:
    draws, z = drawn(), drawn().z.clone()
    dice = torch.Generator().manual_seed(0)
    for r, rows in enumerate(draws.spare):
        z[r, rows] = draws.z[r, rows[torch.randperm(len(rows), generator=dice)]]
    return taught(view, z)


def matched(domain: str) -> Tensor:
    draws, x, z = drawn(), seen(domain), there(domain).clone()
    for rows in (draws.spare, draws.test):
        brought = domains.match_moments(x[rows], draws.pool.x[draws.train])
        index = rows[..., None].expand(-1, -1, K)
        z.scatter_(1, index, evaluation.predict(Stack(draws.teachers), brought))
    return z


def test_no_image_of_a_teacher_is_a_target_or_a_test_image() -> None:
    draws = drawn()
    for parts in zip(draws.train, draws.spare, draws.test, strict=True):
        every = torch.cat(parts)
        assert len(every) == len(every.unique())


def test_pairs_beat_few_labels_by_eye_and_ear_until_they_are_shuffled() -> None:
    for view in ("rotated", "inverted", "sums", "sound"):
        assert wins(pairs(view), few_labels(view), 0.02), view
        control = shuffled(view)
        assert not wins(control, few_labels(view)), view
        assert not wins(control, GUESS, 0.05), view
        assert not wins(-control, -GUESS, 0.05), view


def test_a_student_distilled_there_ends_where_its_teacher_stands() -> None:
    for domain in ("rotated", "inverted"):
        student, teacher = taught(domain, there(domain)), accuracy(there(domain))
        assert not wins(student, teacher, 0.03), domain
        assert not wins(teacher, student, 0.08), domain
        assert wins(few_labels(domain), student, 0.1), domain
        assert wins(pairs(domain), student, 0.1), domain


def test_matched_moments_bring_a_blur_home_and_leave_an_inversion() -> None:
    assert wins(accuracy(matched("blurred")), accuracy(there("blurred")), 0.02)
    assert accuracy(matched("inverted")).mean() < 0.05
    assert accuracy(there("inverted")).mean() < GUESS


def test_a_list_of_labels_teaches_on_its_own_images_and_not_on_others() -> None:
    draws = drawn()
    own = draws.labelled(50)
    known = torch.zeros_like(draws.z)
    hard = 40.0 * F.one_hot(draws.pool.y, K).float()
    known.scatter_(1, own[..., None].expand(-1, -1, K), hard[own])
    assert wins(taught("inverted", known, own), GUESS, 0.5)
    assert not wins(taught("inverted", known, draws.spare[:, :50]), GUESS, 0.1)


def test_what_a_lesson_plays_is_heard_as_the_class_that_it_is() -> None:
    assert wins(pairs("sound"), GUESS, 0.7)
