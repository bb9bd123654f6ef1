"""Attacks, mishaps, stacks of nets, temperatures and membership, each against an oracle."""

from __future__ import annotations

import copy
import itertools
import math
from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn
from torch.nn import functional as F

from distill_lessons import data, evaluation, models, training
from distill_lessons.data import Split
from distill_lessons.fast import stacking
from distill_lessons.robust import attacks, corruptions, membership
from distill_lessons.robust.stack import Stack
from distill_lessons.robust.temperature import COLDEST, fit_temperature

N, K, SHAPE = 7, 3, (1, 4, 4)
G = torch.Generator().manual_seed(0)
X, Y = torch.rand(N, *SHAPE, generator=G), torch.arange(N) % K
FEW = settings(max_examples=25, deadline=None)


def net(seed: int = 0, hidden: tuple[int, ...] = (8,)) -> nn.Sequential:
    return models.mlp(SHAPE, K, hidden, seed=seed)


class Curved(nn.Module):
    """A net that the fast stack does not know, so that it runs through vmap."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.body = net(seed)

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x).tanh() * 3


@cache
def trained() -> tuple[nn.Module, Split]:
    digits = data.load("digits")
    model = models.mlp(digits.image_shape, 10, (32,), seed=0)
    training.fit(model, digits.train, steps=120, lr=1e-2)
    return model, digits.test


# --- losses and their slope ----------------------------------------------------------------------


def test_a_linear_model_is_attacked_as_by_hand() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(3, 2))
    with torch.no_grad():
        model[1].weight[:] = torch.tensor([[1.0, -2.0, 0.0], [3.0, -3.0, 0.0]])
        model[1].bias[:] = 0
    x, y = torch.tensor([[[[0.5, 0.5, 0.95]]]]), torch.tensor([0])
    # The wrong logit minus the right one rises by w1 - w0 = (2, -1, 0): up, down, and nothing.
    for loss in attacks.LOSSES:
        moved = attacks.fgsm(model, x, y, eps=0.1, loss=loss)
        assert moved.flatten().tolist() == pytest.approx([0.6, 0.4, 0.95])
    margin = attacks.image_losses(model(x), y, loss="margin")
    after = attacks.image_losses(model(moved), y, loss="margin")
    assert (after - margin).item() == pytest.approx(0.1 * (2 + 1))  # eps times the sum of sizes


def test_losses_are_those_of_torch_and_of_a_loop() -> None:
    z = torch.randn(5, 4, generator=G)
    y = torch.tensor([0, 3, 1, 2, 2])
    theirs = F.cross_entropy(z, y, reduction="none")
    torch.testing.assert_close(attacks.image_losses(z, y), theirs)
    by_hand = [
        max(v for k, v in enumerate(row) if k != label) - row[label]
        for row, label in zip(z.tolist(), y.tolist(), strict=True)
    ]
    assert attacks.image_losses(z, y, loss="margin").tolist() == pytest.approx(by_hand)
    wrong = attacks.image_losses(z, y, loss="margin") > 0
    assert (wrong == (z.argmax(1) != y)).all()


@pytest.mark.parametrize("loss", attacks.LOSSES)
def test_the_slope_is_that_of_autograd_image_by_image(loss: str) -> None:
    model = net()
    found = attacks.slope(model, X, Y, loss=loss)
    for i in range(N):
        leaf = X[i : i + 1].clone().requires_grad_()
        attacks.image_losses(model(leaf), Y[i : i + 1], loss=loss).sum().backward()
        torch.testing.assert_close(found[i : i + 1], leaf.grad)


# --- FGSM and PGD --------------------------------------------------------------------------------


def as_defined(model: nn.Module, x: Tensor, y: Tensor, eps: float, a: float, n: int) -> Tensor:
    """PGD as its usual definition reads, pixel by pixel, without a random start."""
    at = x.clone()
    for _ in range(n):
        at = at.detach().requires_grad_()
        (slope,) = torch.autograd.grad(F.cross_entropy(model(at), y), at)
        step = (at + a * slope.sign()).detach()
        at = (x + (step - x).clamp(-eps, eps)).clamp(0, 1)
    return at


@pytest.mark.parametrize("steps", [1, 4])
def test_pgd_is_its_definition(steps: int) -> None:
    model, test = trained()
    x, y = test.x[:40], test.y[:40]
    found = attacks.pgd(model, x, y, eps=0.2, steps=steps, step_size=0.07)
    torch.testing.assert_close(found, as_defined(model, x, y, 0.2, 0.07, steps))


def test_one_full_step_of_pgd_is_fgsm() -> None:
    once = attacks.pgd(net(), X, Y, eps=0.1, steps=1, step_size=0.1)
    assert torch.equal(once, attacks.fgsm(net(), X, Y, eps=0.1))
    by_default = attacks.pgd(net(), X, Y, eps=0.1, steps=1)  # a longer step, cut back to the ball
    assert torch.equal(by_default, once)


@FEW
@given(
    eps=st.floats(0, 1.5),
    steps=st.integers(1, 4),
    loss=st.sampled_from(attacks.LOSSES),
    seed=st.integers(0, 50),
)
def test_pgd_stays_in_the_ball_and_in_the_range(
    eps: float, steps: int, loss: str, seed: int
) -> None:
    start = attacks.random_start(X, 2 * eps, seed=seed)
    found = attacks.pgd(net(seed), X, Y, eps=eps, steps=steps, loss=loss, start=start)
    assert (found - X).abs().max().item() <= eps + 1e-6
    assert found.min().item() >= 0
    assert found.max().item() <= 1
    assert torch.equal(attacks.into_ball(found, X, eps), found)


@FEW
@given(eps=st.floats(0.01, 0.5), loss=st.sampled_from(attacks.LOSSES), seed=st.integers(0, 50))
def test_a_linear_model_of_two_classes_never_gets_better_under_pgd(
    eps: float, loss: str, seed: int
) -> None:
    model = models.mlp(SHAPE, 2, (), seed=seed)
    y = Y.clamp(max=1)
    clean = attacks.image_losses(model(X), y, loss=loss)
    found = attacks.pgd(model, X, y, eps=eps, steps=3, loss=loss)
    assert (attacks.image_losses(model(found), y, loss=loss) >= clean - 1e-6).all()
    # and there it is the worst of all: every corner of the ball is at most as bad
    corner = attacks.into_ball(X + eps * torch.randn(X.shape).sign(), X, eps)
    worst = attacks.pgd(model, X, y, eps=eps, steps=1, loss=loss)
    gap = attacks.image_losses(model(worst), y, loss=loss) - attacks.image_losses(
        model(corner), y, loss=loss
    )
    assert gap.min().item() >= -1e-5


def test_an_attack_does_what_noise_of_its_size_does_not() -> None:
    model, test = trained()
    clean = evaluation.evaluate(model, test)["accuracy"]
    noise = (test.x + attacks.random_start(test.x, 0.1, seed=0)).clamp(0, 1)
    attacked = attacks.pgd(model, test.x, test.y, eps=0.1, steps=5)
    after = {
        name: evaluation.evaluate(model, Split(x, test.y))["accuracy"]
        for name, x in (("noise", noise), ("attacked", attacked))
    }
    assert clean - after["noise"] < 0.05
    assert clean - after["attacked"] > 0.3


def test_with_the_whole_range_to_move_in_nothing_is_recognised() -> None:
    model, test = trained()
    found = attacks.pgd(model, test.x, test.y, eps=1.0, steps=40, step_size=0.1, loss="margin")
    assert evaluation.evaluate(model, Split(found, test.y))["accuracy"] < 0.02


def test_a_model_that_is_very_sure_hides_its_slope_and_the_margin_finds_it() -> None:
    """The same net with logits times 200 answers the same, and cross-entropy sees no slope."""
    model, test = trained()
    sure = copy.deepcopy(model)
    with torch.no_grad():
        sure[-1].weight *= 200
        sure[-1].bias *= 200
    x, y = test.x[:60], test.y[:60]
    vanished = attacks.slope(sure, x, y).abs().amax((1, 2, 3)) < 1e-12
    assert vanished.float().mean().item() > 0.5
    same = [attacks.pgd(m, x, y, eps=0.1, steps=3, loss="margin") for m in (model, sure)]
    torch.testing.assert_close(same[0], same[1])


def test_batches_and_modes_change_nothing() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(16, K))
    model.train()
    whole = attacks.pgd(model, X, Y, eps=0.1, steps=3)
    assert torch.equal(whole, attacks.pgd(model, X, Y, eps=0.1, steps=3, batch_size=2))
    assert model.training
    assert model[1].training
    assert all(p.grad is None and p.requires_grad for p in model.parameters())
    with torch.no_grad():  # an attack needs its own gradient, whatever is set outside
        assert torch.equal(whole, attacks.pgd(model, X, Y, eps=0.1, steps=3))


# --- stacks --------------------------------------------------------------------------------------


@pytest.mark.parametrize("build", [net, Curved])
def test_a_stack_is_attacked_as_its_nets_are_one_by_one(build: type) -> None:
    nets = [build(seed) for seed in range(3)]
    x, y = torch.rand(3, N, *SHAPE, generator=G), torch.randint(K, (3, N), generator=G)
    stack = Stack(nets)
    torch.testing.assert_close(
        stack(x), torch.stack([m(part) for m, part in zip(nets, x, strict=True)])
    )
    for loss in attacks.LOSSES:
        found = attacks.pgd(stack, x, y, eps=0.1, steps=3, loss=loss)
        alone = [
            attacks.pgd(m, part, labels, eps=0.1, steps=3, loss=loss)
            for m, part, labels in zip(nets, x, y, strict=True)
        ]
        torch.testing.assert_close(found, torch.stack(alone))
        cut = attacks.pgd(stack, x, y, eps=0.1, steps=3, loss=loss, batch_size=4)
        torch.testing.assert_close(cut, found)
    stack.train()
    assert not stack.first.training


def test_a_stack_keeps_copies() -> None:
    nets = [net(0), net(1)]
    stack = Stack(nets)
    before = stack(X.expand(2, *X.shape))
    with torch.no_grad():
        nets[0][-1].bias += 1
    assert torch.equal(stack(X.expand(2, *X.shape)), before)


class Either(nn.Module):
    def __init__(self, activation: object) -> None:
        super().__init__()
        self.last, self.activation = nn.Linear(16, K), activation

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(self.last(x.flatten(1)))


def test_nets_that_only_look_alike_are_not_stacked() -> None:
    stack = Stack([Either(torch.tanh), Either(torch.relu)])
    with pytest.raises(ValueError, match="computes something else"):
        stack(X.expand(2, *X.shape))


def test_adversarial_training_in_a_stack_is_that_of_each_net_alone() -> None:
    split, start = Split(X, Y), attacks.random_start(X, 0.1, seed=0)

    def objective(model: nn.Module, batch: object) -> Tensor:
        x = attacks.pgd(model, batch.x, batch.y, eps=0.1, steps=2, start=start[batch.index])
        return F.cross_entropy(model(x), batch.y)

    together, alone = [net(0), net(1)], [net(0), net(1)]
    how = {"steps": 6, "batch_size": 4, "lr": 1e-2}
    stacking.fit_many(together, split, objective=objective, seeds=[0, 1], **how)
    for seed, model in enumerate(alone):
        training.fit(model, split, objective=objective, seed=seed, **how)
        for a, b in zip(together[seed].parameters(), model.parameters(), strict=True):
            torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-4)


def test_adversarial_training_helps_against_the_attack() -> None:
    digits = data.load("digits")

    def objective(model: nn.Module, batch: object) -> Tensor:
        return F.cross_entropy(
            model(attacks.pgd(model, batch.x, batch.y, eps=0.1, steps=2)), batch.y
        )

    robust = models.mlp(digits.image_shape, 10, (32,), seed=0)
    training.fit(robust, digits.train, objective=objective, steps=120, lr=1e-2)
    accuracy = {}
    for name, model in (("plain", trained()[0]), ("robust", robust)):
        x = attacks.pgd(model, digits.test.x, digits.test.y, eps=0.1, steps=5)
        accuracy[name] = evaluation.evaluate(model, Split(x, digits.test.y))["accuracy"]
    assert accuracy["robust"] > accuracy["plain"] + 0.15


# --- mishaps -------------------------------------------------------------------------------------


def test_noise_has_its_size_and_stays_in_the_range() -> None:
    grey = torch.full((50, 1, 8, 8), 0.5)
    noise = corruptions.noisy(grey, 0.05, seed=1) - 0.5
    assert noise.std().item() == pytest.approx(0.05, rel=0.05)
    loud = corruptions.noisy(grey, 2.0, seed=1)
    assert (loud.min().item(), loud.max().item()) == (0, 1)
    assert torch.equal(corruptions.noisy(X, 0.0, seed=1), X)
    again = corruptions.noisy(grey, 0.05, seed=1) - 0.5
    assert torch.equal(noise, again)
    assert not torch.equal(noise, corruptions.noisy(grey, 0.05, seed=2) - 0.5)


def test_every_image_is_shifted_in_one_of_four_ways() -> None:
    x = torch.rand(2, 30, 2, 5, 4, generator=G)
    found = corruptions.shifted(x, 2, seed=0)
    ways = []
    for dims, by in ((-2, 2), (-2, -2), (-1, 2), (-1, -2)):
        moved = x.roll(by, dims)
        edge = torch.arange(2) if by > 0 else torch.arange(-2, 0)
        moved.index_fill_(x.ndim + dims, edge % x.shape[dims], 0.0)
        ways.append((moved == found).flatten(2).all(2))
    assert torch.stack(ways).any(0).all()
    assert all(way.any() for way in ways)
    assert torch.equal(corruptions.shifted(x, 0, seed=0), x)


def test_a_square_is_covered_and_nothing_else() -> None:
    x = 0.1 + 0.8 * torch.rand(2, 40, 3, 6, 5, generator=G)
    found = corruptions.covered(x, 2, seed=0, value=1.0)
    changed = (found != x).flatten(0, 1)
    assert (changed.sum((2, 3)) == 4).all()  # of every channel
    assert (found[found != x] == 1).all()
    for image in changed[:, 0]:
        rows, columns = image.nonzero().T
        assert rows.max() - rows.min() == columns.max() - columns.min() == 1
    places = {tuple(image.nonzero()[0].tolist()) for image in changed[:, 0]}
    assert len(places) > 10
    assert {place[0] for place in places} == set(range(5))
    assert torch.equal(corruptions.covered(x, 0, seed=0), x)


# --- temperature ---------------------------------------------------------------------------------


def nll(T: float, z: Tensor, y: Tensor) -> float:
    return F.cross_entropy(z.double() / T, y).item()


@pytest.mark.parametrize("scale", [0.3, 1.0, 8.0])
def test_the_temperature_is_the_one_that_scipy_finds(scale: float) -> None:
    z, y = scale * torch.randn(60, 4, generator=G), torch.randint(4, (60,), generator=G)
    z[torch.arange(60), y] += 1.5 * scale
    theirs = optimize.minimize_scalar(
        lambda log_T: nll(math.exp(log_T), z, y), bounds=(-4, 4), method="bounded",
        options={"xatol": 1e-10},
    )  # fmt: skip
    assert fit_temperature(z, y).item() == pytest.approx(math.exp(theirs.x), rel=1e-4)


def test_many_models_have_each_its_own_temperature() -> None:
    z = torch.randn(3, 50, 4, generator=G) * torch.tensor([1.0, 3.0, 9.0])[:, None, None]
    y = torch.randint(4, (3, 50), generator=G)
    z.scatter_add_(2, y[..., None], z.std((1, 2), keepdim=True).expand(-1, 50, -1))
    each = torch.stack([fit_temperature(*pair) for pair in zip(z, y, strict=True)])
    torch.testing.assert_close(fit_temperature(z, y), each)


@FEW
@given(scale=st.floats(0.2, 5), seed=st.integers(0, 100))
def test_scaled_logits_scale_the_temperature_and_keep_the_top_class(
    scale: float, seed: int
) -> None:
    rng = torch.Generator().manual_seed(seed)
    z, y = torch.randn(30, 3, generator=rng), torch.randint(3, (30,), generator=rng)
    z[torch.arange(30), y] += 0.7
    T = fit_temperature(z, y).item()
    if 0.1 < T < 10:
        assert fit_temperature(scale * z, y).item() == pytest.approx(scale * T, rel=1e-3)
    assert nll(T, z, y) <= nll(1.0, z, y) + 1e-9
    assert ((z / T).argmax(1) == z.argmax(1)).all()


def test_a_model_that_is_always_right_cannot_be_too_sure() -> None:
    z = torch.eye(3) * 2
    assert fit_temperature(z, torch.arange(3)).item() == pytest.approx(COLDEST)


# --- membership ----------------------------------------------------------------------------------


def test_auroc_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    members, others = rng.integers(0, 6, 40) / 5, rng.integers(0, 8, 30) / 5  # with many ties
    truth = np.r_[np.ones(40), np.zeros(30)]
    theirs = roc_auc_score(truth, -np.r_[members, others])
    assert membership.auroc(members, others) == pytest.approx(theirs)
    assert membership.auroc(members, members) == pytest.approx(0.5)


@FEW
@given(
    members=st.lists(st.floats(0, 5, width=16), min_size=1, max_size=12),
    others=st.lists(st.floats(0, 5, width=16), min_size=1, max_size=12),
)
def test_no_threshold_is_better_than_the_best_one(
    members: list[float], others: list[float]
) -> None:
    best = membership.best_threshold(members, others)
    reached = membership.advantage(members, others, best)
    every = sorted({*members, *others})
    middles = [(a + b) / 2 for a, b in itertools.pairwise(every)]
    tried = [membership.advantage(members, others, t) for t in middles]
    assert reached == pytest.approx(max(tried, default=0.0))
    assert membership.auroc(members, others) + membership.auroc(others, members) == pytest.approx(1)


def test_an_untrained_net_tells_nothing_and_one_that_knows_by_heart_tells_much() -> None:
    digits = data.load("digits")
    few, fresh = digits.train.take(range(60)), digits.test
    told = {}
    for name, steps in (("untrained", 0), ("by heart", 200)):
        model = models.mlp(digits.image_shape, 10, (64,), seed=0)
        if steps:
            training.fit(model, few, steps=steps, lr=1e-2)
        z = [evaluation.predict(model, part.x) for part in (few, fresh)]
        found = [attacks.image_losses(a, part.y) for a, part in zip(z, (few, fresh), strict=True)]
        told[name] = membership.auroc(*found)
    assert told["untrained"] == pytest.approx(0.5, abs=0.08)
    assert told["by heart"] > 0.7
