"""Distillation: each image meets its own teacher logits, labels count only where they should."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from distill_lessons import evaluation, losses, models, training
from distill_lessons.data import UNLABELLED, Split
from distill_lessons.distillation import (
    distill,
    fine_tune,
    join,
    marginal_noise,
    teacher_logits,
    uniform_noise,
)
from distill_lessons.fast import closed_form

properties = settings(deadline=None, max_examples=40, derandomize=True)


def toy(n: int = 50, k: int = 3, seed: int = 0) -> Split:
    g = torch.Generator().manual_seed(seed)
    y = torch.arange(n) % k
    return Split(0.5 * torch.rand(n, 1, 4, 4, generator=g) + 0.5 * y[:, None, None, None] / k, y)


def net(seed: int = 0, k: int = 3) -> nn.Sequential:
    return models.mlp((1, 4, 4), k, (8,), seed=seed)


def weights(model: nn.Module) -> Tensor:
    return torch.cat([t.detach().double().flatten() for t in model.state_dict().values()])


@pytest.fixture(scope="module")
def teacher() -> nn.Sequential:
    model = net(seed=9)
    training.fit(model, toy(), steps=150, batch_size=50, lr=0.03)
    return model


@pytest.fixture(scope="module")
def z(teacher: nn.Module) -> Tensor:
    return teacher_logits(teacher, toy().x)


def distilled(z: Tensor, split: Split | None = None, **arguments) -> Tensor:
    student = net()
    arguments.setdefault("steps", 12)
    distill(student, toy() if split is None else split, z, batch_size=16, **arguments)
    return weights(student)


# ---- The teacher ---------------------------------------------------------------------------------


def test_teacher_logits_are_those_of_each_image_in_eval_mode() -> None:
    teacher = models.mlp((1, 4, 4), 3, (8,), dropout=0.5)
    z = teacher_logits(teacher, toy().x)
    assert not z.requires_grad
    assert not z.is_inference()
    teacher.eval()
    for i in (0, 7, 49):
        torch.testing.assert_close(z[i], teacher(toy().x[i : i + 1])[0])


def test_a_frozen_teacher_is_unchanged_by_distillation() -> None:
    norm = nn.BatchNorm1d(16)
    teacher = nn.Sequential(nn.Flatten(), norm, nn.Linear(16, 3), nn.Dropout(0.5))
    norm.eval()
    modes = [m.training for m in teacher.modules()]
    before = {k: v.clone() for k, v in teacher.state_dict().items()}
    z = teacher_logits(teacher, toy().x)
    distill(net(), toy(), z, epochs=3, alpha=0.5)
    assert all(torch.equal(v, before[k]) for k, v in teacher.state_dict().items())
    assert all(p.grad is None for p in teacher.parameters())
    assert [m.training for m in teacher.modules()] == modes


def test_teacher_logits_are_left_alone(z: Tensor) -> None:
    tracked = z.clone().requires_grad_()
    distill(net(), toy(), tracked, steps=2)
    assert tracked.grad is None
    assert torch.equal(tracked, z)


def test_teacher_that_diverged() -> None:
    class Broken(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.full((len(x), 3), math.nan)

    with pytest.raises(ValueError, match="teacher_logits holds NaN .* first in row 0"):
        teacher_logits(Broken(), toy().x)


# ---- Lookup by index -----------------------------------------------------------------------------


def spied(monkeypatch) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Collect what the loss is given at each step: student logits, soft targets, labels."""
    seen = []
    original = closed_form.loss

    def spy(student: Tensor, target: Tensor, *others: Tensor) -> Tensor:
        soft, onehot = target.mT  # (B, K) each
        seen.append((student.detach(), soft, onehot.argmax(1)))
        return original(student, target, *others)

    monkeypatch.setattr(closed_form, "loss", spy)
    return seen


def test_each_image_meets_its_own_teacher_logits(z: Tensor, monkeypatch) -> None:
    seen, student = spied(monkeypatch), net()
    for parameter in student.parameters():
        parameter.requires_grad_(False)
    student[3].bias.requires_grad_()
    distill(student, toy(), z, epochs=1, batch_size=16, lr=1e-12)  # it stays what it is
    soft_targets = losses.soft_targets(z, 4.0)
    z_student = evaluation.predict(student, toy().x)
    order = []
    for logits, soft, labels in seen:
        index = torch.cdist(soft, soft_targets).argmin(1).tolist()
        torch.testing.assert_close(soft, soft_targets[index])
        torch.testing.assert_close(logits, z_student[index])
        assert torch.equal(labels, toy().y[index])
        order += index
    assert sorted(order) == list(range(50))
    assert order != sorted(order)


def test_a_shuffled_loader_gives_the_loss_of_the_ordered_one(z: Tensor) -> None:
    split, student = toy(), net()
    training.fit(student, split, steps=50, batch_size=50, lr=0.03)
    index = torch.arange(len(split))
    found = []
    for shuffle in (False, True):
        loader = DataLoader(
            TensorDataset(split.x, split.y, index),
            batch_size=16,
            shuffle=shuffle,
            generator=torch.Generator().manual_seed(3),
        )
        total = sum(
            losses.kd_loss(student(x), z[i], y, T=4.0, alpha=0.3).item() * len(i)
            for x, y, i in loader
        )
        found.append(total / len(split))
    assert found[0] == pytest.approx(found[1], rel=1e-5)
    # Without the lookup it would not: the rows of the teacher stand in the order of the images.
    assert losses.kd_loss(student(split.x), z.flip(0), split.y, T=4.0, alpha=0.3).item() != (
        pytest.approx(found[0], rel=1e-2)
    )


def test_shuffled_images_with_their_logits_have_the_same_loss_each(z: Tensor) -> None:
    split, student = toy(), net()
    order = torch.randperm(50, generator=torch.Generator().manual_seed(0))
    each = losses.kl_divergence(z, evaluation.predict(student, split.x), T=4.0)
    shuffled = losses.kl_divergence(z[order], evaluation.predict(student, split.x[order]), T=4.0)
    torch.testing.assert_close(shuffled, each[order])
    # And a training on all images at once does not see their order.
    students = [net(), net()]
    distill(students[0], split, z, steps=3, batch_size=50)
    distill(students[1], split.take(order), z[order], steps=3, batch_size=50)
    torch.testing.assert_close(weights(students[0]), weights(students[1]), atol=1e-6, rtol=0)


def test_distill_equals_a_loop_written_out(z: Tensor) -> None:
    split, expected = toy(), net()
    optimizer = torch.optim.Adam(expected.parameters(), lr=0.01)
    generator = torch.Generator().manual_seed(5)
    for _ in range(3):
        for index in torch.randperm(50, generator=generator).split(16):
            loss = losses.kd_loss(
                expected(split.x[index]), z[index], split.y[index], T=2.0, alpha=0.3
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    found = distilled(z, steps=None, epochs=3, T=2.0, alpha=0.3, lr=0.01, seed=5)
    torch.testing.assert_close(found, weights(expected), atol=1e-7, rtol=0)


def test_the_history_holds_the_distillation_loss(z: Tensor) -> None:
    student = net()
    history = distill(student, toy(), z, epochs=1, batch_size=50, T=2.0, alpha=0.3)
    first = losses.kd_loss(evaluation.predict(net(), toy().x), z, toy().y, T=2.0, alpha=0.3)
    assert history.rows[0]["train_loss"] == pytest.approx(first.item(), rel=1e-6)


def test_a_student_comes_to_agree_with_its_teacher(teacher: nn.Module, z: Tensor) -> None:
    student, unseen = net(), toy(200, seed=4)
    before = losses.kl_divergence(z, evaluation.predict(student, toy().x), T=4.0).mean()
    distill(student, toy().without_labels(), z, steps=150, batch_size=50, lr=0.03)
    after = losses.kl_divergence(z, evaluation.predict(student, toy().x), T=4.0).mean()
    assert after < before / 10
    guesses = [evaluation.predict(m, unseen.x).argmax(1) for m in (student, teacher)]
    assert (guesses[0] == guesses[1]).float().mean() > 0.9


# ---- Labels --------------------------------------------------------------------------------------


def test_with_alpha_zero_the_labels_are_never_looked_at(z: Tensor) -> None:
    wrong = Split(toy().x, (toy().y + 1) % 3)
    with_labels = distilled(z)
    assert torch.equal(with_labels, distilled(z, wrong))
    assert torch.equal(with_labels, distilled(z, toy().without_labels()))
    assert not torch.equal(with_labels, distilled(z, alpha=0.1))
    assert not torch.equal(distilled(z, alpha=0.1), distilled(z, wrong, alpha=0.1))


def test_with_alpha_one_the_teacher_is_never_looked_at(z: Tensor) -> None:
    plain = net()
    training.fit(plain, toy(), steps=12, batch_size=16)
    assert torch.equal(distilled(z, alpha=1.0), distilled(-z, alpha=1.0))
    torch.testing.assert_close(distilled(z, alpha=1.0), weights(plain), atol=1e-7, rtol=0)
    assert not torch.equal(distilled(z), distilled(-z))


def test_temperature_matters(z: Tensor) -> None:
    assert not torch.allclose(distilled(z, T=1.0), distilled(z, T=8.0), atol=1e-4)


def test_a_transfer_set_apart_from_the_labelled_set(teacher: nn.Module) -> None:
    labelled, rest = toy(9), toy(60, seed=1).without_labels()
    transfer = join(labelled, rest)
    assert len(transfer) == 69
    assert torch.equal(transfer.x[9:], rest.x)
    assert transfer.y[:9].tolist() == labelled.y.tolist()
    assert (transfer.y[9:] == UNLABELLED).all()
    z = teacher_logits(teacher, transfer.x)
    # The hard term is the mean over the nine labelled images.
    student = net()
    history = distill(student, transfer, z, epochs=1, batch_size=69, alpha=1.0)
    hard = losses.kd_loss(
        evaluation.predict(net(), labelled.x), z[:9], labelled.y, T=1.0, alpha=1.0
    )
    assert history.rows[0]["train_loss"] == pytest.approx(hard.item(), rel=1e-6)


def test_fine_tuning_is_hard_label_training_at_a_tenth_of_the_rate(z: Tensor) -> None:
    tuned, expected = net(), net()
    for student in (tuned, expected):
        distill(student, toy(), z, steps=4)
    before = weights(tuned)
    fine_tune(tuned, toy(9), epochs=2, seed=1)
    training.fit(expected, toy(9), epochs=2, lr=1e-4, seed=1)
    assert torch.equal(weights(tuned), weights(expected))
    assert not torch.equal(weights(tuned), before)


def test_fine_tuning_needs_labels() -> None:
    with pytest.raises(ValueError, match="split holds images without labels, .* give labelled"):
        fine_tune(net(), toy().without_labels(), epochs=1)


# ---- Noise as a transfer set ---------------------------------------------------------------------


def test_uniform_noise_fills_the_unit_interval() -> None:
    noise = uniform_noise(toy(), 2000, seed=0)
    assert noise.x.shape == (2000, 1, 4, 4)
    assert (noise.y == UNLABELLED).all()
    assert noise.x.min() >= 0
    assert noise.x.max() <= 1
    # 2,000 draws of a pixel: the mean's standard error is .0065, the standard deviation's .003
    torch.testing.assert_close(noise.x.mean(0), torch.full((1, 4, 4), 0.5), atol=0.03, rtol=0)
    std = torch.full((1, 4, 4), 12**-0.5)
    torch.testing.assert_close(noise.x.std(0), std, atol=0.02, rtol=0)


@properties
@given(st.integers(1, 8), st.integers(1, 3), st.integers(1, 20), st.integers(0, 99))
def test_marginal_noise_takes_each_pixel_from_that_place(n_real, channels, n, seed) -> None:
    x = torch.arange(n_real * channels * 6).float().reshape(n_real, channels, 2, 3)  # all differ
    noise = marginal_noise(Split(x, torch.zeros(n_real).long()), n, seed=seed)
    assert noise.x.shape == (n, channels, 2, 3)
    assert (noise.y == UNLABELLED).all()
    place = x[:1] % (channels * 6)
    assert torch.equal(noise.x % (channels * 6), place.expand_as(noise.x))


def test_marginal_noise_keeps_the_marginals_and_breaks_the_ties_of_places() -> None:
    # Real images are of one brightness each: their pixels are equal, and those of noise are not.
    brightness = torch.tensor([0.0, 0.0, 0.0, 1.0])
    like = Split(brightness[:, None, None, None].expand(4, 1, 4, 4), torch.zeros(4).long())
    noise = marginal_noise(like, 4000, seed=0).x.flatten(1)
    torch.testing.assert_close(noise.mean(0), torch.full((16,), 0.25), atol=0.03, rtol=0)
    correlation = torch.corrcoef(noise.T) - torch.eye(16)
    assert correlation.abs().max() < 0.08


@pytest.mark.parametrize("make", [uniform_noise, marginal_noise])
def test_noise_depends_on_the_seed_alone(make) -> None:
    before = torch.get_rng_state()
    first = make(toy(), 5, seed=1)
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(1)
    assert torch.equal(first.x, make(toy(), 5, seed=1).x)
    assert not torch.equal(first.x, make(toy(), 5, seed=2).x)


# ---- Bad input -----------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [uniform_noise, marginal_noise])
@pytest.mark.parametrize("n", [0, -3])
def test_no_noise(make, n: int) -> None:
    with pytest.raises(ValueError, match=f"^n={n} must be at least 1"):
        make(toy(), n, seed=0)


def test_joining_images_of_different_shapes() -> None:
    other = Split(torch.zeros(2, 3, 4, 4), torch.zeros(2).long())
    with pytest.raises(
        ValueError, match=r"images of shapes \[\(1, 4, 4\), \(3, 4, 4\)\]; join tho"
    ):
        join(toy(), other)


def test_joining_nothing() -> None:
    with pytest.raises(ValueError, match=r"splits have images of shapes \[\]; join those of one"):
        join()


ERRORS = {
    "temperature": ({"T": 0.0}, "T=0.0 must be a positive number; T=1 is the plain softmax"),
    "alpha": ({"alpha": 1.5}, r"alpha=1.5 must be in \[0, 1\]: 1 is labels only, 0 is soft"),
    "rows": (
        {"z_teacher": torch.zeros(49, 3)},
        r"z_teacher has 49 rows for 50 transfer images; compute it with teacher_logits\(teacher, ",
    ),
    "one row": ({"z_teacher": torch.zeros(3)}, r"z_teacher has shape \(3,\); logits need \(N, K\)"),
    "classes": (
        {"z_teacher": torch.zeros(50, 5)},
        "z_teacher has 5 classes but the student returns 3 logits; .* know the same classes",
    ),
    "diverged": (
        {"z_teacher": torch.full((50, 3), math.inf)},
        "z_teacher holds NaN or infinite numbers, first in row 0; .* lower its learning rate",
    ),
    "label": (
        {"transfer": Split(toy().x, toy().y + 1)},
        "transfer.y holds 3; with 3 classes labels go from 0 to 2, and -100 marks",
    ),
    "no label": (
        {"transfer": toy().without_labels(), "alpha": 0.5},
        "alpha=0.5 weighs labels, but no transfer image has one; use alpha=0",
    ),
    "budget": ({"steps": None}, "epochs=None and steps=None: give exactly one"),
}


@pytest.mark.parametrize(("changes", "expected"), ERRORS.values(), ids=ERRORS)
def test_bad_arguments_of_distill(changes, expected: str) -> None:
    student = net()
    arguments = {"transfer": toy(), "z_teacher": torch.zeros(50, 3), "steps": 1} | changes
    with pytest.raises(ValueError, match=f"^{expected}"):
        distill(student, **arguments)
    assert torch.equal(weights(student), weights(net()))


def test_the_defaults_are_four_and_zero(z: Tensor) -> None:
    assert torch.equal(distilled(z), distilled(z, T=4.0, alpha=0.0))


# ---- High temperatures ---------------------------------------------------------------------------


@pytest.mark.parametrize("T", [1.0, 1e3, 1e4])
def test_the_reported_loss_of_a_student_equal_to_its_teacher_is_zero(z: Tensor, T: float) -> None:
    student, split = net(), toy()
    own = teacher_logits(student, split.x)
    history = distill(student, split, own, T=T, epochs=1, lr=1e-12)
    assert 0 <= history.rows[0]["train_loss"] < 1e-5
    # and of any student what the definition says
    history = distill(student, split, z, T=T, epochs=1, lr=1e-12)
    expected = losses.kd_loss(own, z, None, T=T, alpha=0.0).item()
    assert history.rows[0]["train_loss"] == pytest.approx(expected, rel=1e-3)


def test_a_temperature_at_which_rounding_would_teach() -> None:
    with pytest.raises(ValueError, match=r"^T=1e\+08 is above 100000, .* is losses.logit_matching"):
        distill(net(), toy(), torch.zeros(len(toy()), 3), T=1e8, steps=1)
