"""Every metric on a case worked by hand, on a model that learnt, and on explanations that lie."""

from __future__ import annotations

import re

import matplotlib as mpl
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from distill_lessons.explain import gradients, quality

mpl.use("Agg")


class Fixed(nn.Module):
    """Logits (5 + w · x, 5): p of class 0 is the logistic function of w · x."""

    def __init__(self, w: list[float]) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.tensor(w))

    def forward(self, x: Tensor) -> Tensor:
        z = x.flatten(1) @ self.w
        return torch.stack([z, torch.zeros_like(z)], 1) + 5.0


def logistic(z: float) -> float:
    return 1 / (1 + np.exp(-z))


W = [2.0, 1.0, -1.0]
ONES = torch.ones(2, 3)


def contributions(model: nn.Module, x: Tensor) -> np.ndarray:
    return gradients.gradient_x_input(model, x)  # exact for a linear model


def mean_curve(table: object, kind: str, order: str) -> np.ndarray:
    part = table[(table["kind"] == kind) & (table["order"] == order)]
    return part.groupby("fraction")["score"].mean().to_numpy()


def test_curves_by_hand() -> None:
    model = Fixed(W)
    table = quality.curves(model, ONES, contributions(model, ONES), baseline=0.0, steps=3, seeds=2)
    # order 2, 1, −1: deletion leaves 2, 0, −1, 0; insertion gives 0, 2, 3, 2
    down = [logistic(z) for z in (2, 0, -1, 0)]
    up = [logistic(z) for z in (0, 2, 3, 2)]
    np.testing.assert_allclose(mean_curve(table, "deletion", "attribution"), down, rtol=1e-6)
    np.testing.assert_allclose(mean_curve(table, "insertion", "attribution"), up, rtol=1e-6)
    assert len(table) == 2 * 4 * 2 * (1 + 2)  # kinds, points, inputs, orders
    area = quality.areas(table).set_index(["kind", "order"])
    # trapezoids of width one third
    by_hand = (down[0] / 2 + down[1] + down[2] + down[3] / 2) / 3
    assert area.loc[("deletion", "attribution"), "value"] == pytest.approx(by_hand)
    by_hand = (up[0] / 2 + up[1] + up[2] + up[3] / 2) / 3
    assert area.loc[("insertion", "attribution"), "value"] == pytest.approx(by_hand)
    for kind, sign in (("deletion", -1), ("insertion", 1)):
        gain = sign * (
            area.loc[(kind, "attribution"), "value"] - area.loc[(kind, "random"), "value"]
        )
        assert area.loc[(kind, "gain"), "value"] == pytest.approx(gain)
    assert area["better"].tolist() == ["lower", "lower", "higher", "higher", "higher", "higher"]


def test_random_orders_average_over_all_orders() -> None:
    # two features, two orders: deleting one leaves 2 or 1, each half of the time
    model, x = Fixed([2.0, 1.0]), torch.ones(400, 2)
    table = quality.curves(model, x, contributions(model, x), baseline=0.0, steps=2, seeds=10)
    want = [logistic(3), (logistic(2) + logistic(1)) / 2, logistic(0)]
    np.testing.assert_allclose(mean_curve(table, "deletion", "random"), want, atol=0.005)


def test_the_best_ranking_beats_random_and_the_reversed_one_loses() -> None:
    model = Fixed([4.0, 3.0, 2.0, 1.0, 0.5, -0.5, -1.0, -2.0])
    x = torch.rand(30, 8, generator=torch.Generator().manual_seed(0))
    maps = contributions(model, x)
    y = np.zeros(30, int)
    gains = {}
    for name, ranking in (("best", maps), ("reversed", -maps)):
        table = quality.areas(quality.curves(model, x, ranking, baseline=0.0, y=y, steps=8))
        gains[name] = table[table["order"] == "gain"]
    assert (gains["best"]["low"] > 0).all()
    assert (gains["reversed"]["high"] < 0).all()


def test_class_to_watch_and_baseline() -> None:
    model = Fixed(W)
    maps = contributions(model, ONES)
    one = quality.curves(model, ONES, maps, baseline=-1.0, y=np.array([1, 1]), steps=3, seeds=1)
    # class 1 likes −1, 1, 2 in this order; the baseline −1 turns the signs: 2, 4, 2, −2
    want = [1 - logistic(z) for z in (2, 4, 2, -2)]
    np.testing.assert_allclose(mean_curve(one, "deletion", "attribution"), want, rtol=1e-5)


def test_channels_of_a_pixel_go_together() -> None:
    model = Fixed([3.0, 0.0, -1.0, 1.0])  # two channels of 1 × 2: pixel 0 has 3 − 1, pixel 1 has 1
    x = torch.ones(2, 2, 1, 2)
    table = quality.curves(model, x, contributions(model, x), baseline=0.0, steps=2, seeds=1)
    want = [logistic(z) for z in (3, 1, 0)]
    np.testing.assert_allclose(mean_curve(table, "deletion", "attribution"), want, rtol=1e-6)


def test_stability_by_hand() -> None:
    model = Fixed(W)
    # the gradient of a linear model does not depend on the input at all
    still = quality.stability(model, ONES, gradients.gradient, sigma=1.0)
    np.testing.assert_allclose(still, [1, 1])
    # a map that is the input: the cosine between x and x + noise, computed here once more
    moved = quality.stability(
        model, ONES, lambda _, x: x.numpy()[..., None], sigma=0.5, repeats=2, seed=3
    )
    generator = torch.Generator().manual_seed(3)
    want = []
    for _ in range(2):
        noisy = ONES + 0.5 * torch.randn((2, 3), generator=generator)
        want.append(torch.cosine_similarity(ONES, noisy, dim=1).numpy())
    np.testing.assert_allclose(moved, np.mean(want, axis=0), rtol=1e-5)


def trained() -> tuple[nn.Sequential, Tensor]:
    from sklearn.datasets import load_digits

    digits = load_digits(n_class=4)
    x = torch.tensor(digits.images, dtype=torch.float32)[:, None] / 16
    y = torch.tensor(digits.target)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 4))
    adam = torch.optim.Adam(net.parameters(), lr=0.01)
    for _ in range(60):
        adam.zero_grad()
        nn.functional.cross_entropy(net(x), y).backward()
        adam.step()
    assert (net(x).argmax(1) == y).float().mean() > 0.97
    return net, x[:40]


def test_randomisation_tells_a_picture_of_the_input_from_an_explanation() -> None:
    net, x = trained()

    def looks_like_the_digit(_: nn.Module, x: Tensor) -> np.ndarray:
        return x[..., None].expand(*x.shape, 4).numpy()

    picture = quality.randomisation_check(net, x, looks_like_the_digit, seeds=1)
    assert picture["step"].tolist() == [1, 1, 2, 2]
    assert picture["layer"].tolist() == ["3", "3", "1", "1"]  # from the top down
    np.testing.assert_allclose(picture["value"], 1.0)
    check = quality.randomisation_check(net, x, gradients.gradient, seeds=3)
    last = check[(check["step"] == 2) & (check["metric"] == "Spearman, signed")].iloc[0]
    assert abs(last["value"]) < 0.2
    assert last["low"] < last["value"] < last["high"]
    only = quality.randomisation_check(net, x, gradients.gradient, seeds=3, cascade=False)
    np.testing.assert_array_equal(only["value"], check["value"].tail(2))


def test_randomisation_sees_the_sign() -> None:
    class Flip(nn.Linear):
        """A layer whose reset turns its sign: sizes stay, signs change."""

        def reset_parameters(self) -> None:
            with torch.no_grad():
                self.weight.copy_(torch.tensor([[3.0, 2.0, 1.0], [0.0, 0.0, 0.0]]) * -1)
                self.bias.zero_()

    model = Flip(3, 2)
    with torch.no_grad():
        model.weight.mul_(-1)
    table = quality.randomisation_check(model, ONES, gradients.gradient, seeds=1)
    values = table.set_index("metric")["value"]
    assert values["Spearman, signed"] == pytest.approx(-1)
    assert values["Spearman, absolute"] == pytest.approx(1)


def test_effective_features_by_hand() -> None:
    maps = np.zeros((2, 4, 3))
    maps[0, :, 0] = [1, -1, 1, -1]  # four alike
    maps[0, 2, 1] = 7  # one alone
    maps[1, :, 0] = [0.5, 0.25, -0.25, 0]  # entropy ½ ln 2 + ½ ln 4 = 1.5 ln 2
    want = [[4, 1, 0], [2**1.5, 0, 0]]  # a map of zeros uses none
    np.testing.assert_allclose(quality.effective_features(maps), want)
    np.testing.assert_allclose(quality.effective_features(maps * -1e-3), want)


def test_real_maps_beat_random_order() -> None:
    net, x = trained()
    maps = gradients.integrated_gradients(net, x, baseline=0.0, steps=16)
    table = quality.areas(quality.curves(net, x, maps, baseline=0.0, steps=8, seeds=3))
    gains = table[table["order"] == "gain"]
    assert (gains["low"] > 0).all()
    assert (table["n"] == 40).all()


def test_leaves_no_trace() -> None:
    net, x = trained()
    net.train()
    net[2].eval()
    weights = {k: v.clone() for k, v in net.state_dict().items()}
    state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    quality.curves(net, x, gradients.gradient(net, x), baseline=0.0, steps=2, seeds=1)
    quality.stability(net, x, gradients.gradient, repeats=1)
    quality.randomisation_check(net, x, gradients.gradient, seeds=1)
    assert torch.equal(torch.get_rng_state(), state)
    assert (np.random.get_state()[1] == numpy_state).all()  # noqa: NPY002
    assert [m.training for m in net] == [True, True, False, True]
    assert all(torch.equal(v, net.state_dict()[k]) for k, v in weights.items())


def test_bad_input() -> None:
    model = Fixed(W)
    maps = contributions(model, ONES)
    grad = gradients.gradient

    def run(**changed: object) -> object:
        options = {"attributions": maps, "baseline": 0.0, "steps": 3, "seeds": 1} | changed
        return quality.curves(model, ONES, **options)

    cases = [
        (lambda: run(attributions=maps[:1]), "attributions has shape (1, 3, 2)"),
        (lambda: run(attributions=maps * np.nan), "attributions holds 12 NaN"),
        (lambda: run(steps=4), "steps=4 must be from 1 to 3, the number of features"),
        (lambda: run(steps=0), "steps=0 must be from 1 to 3"),
        (lambda: run(seeds=0), "seeds=0 leaves no random order"),
        (lambda: run(baseline=torch.zeros(2)), "baseline has shape (2,)"),
        (lambda: run(y=np.array([0, 2])), "y holds the label 2; with 2 classes"),
        (
            lambda: quality.areas(
                quality.curves(model, ONES[:1], maps[:1], baseline=0.0, steps=3, seeds=1)
            ),
            "1 input gives no interval",
        ),
        (lambda: quality.stability(model, ONES, grad, sigma=0), "sigma=0 must be > 0"),
        (lambda: quality.stability(model, ONES, grad, repeats=0), "repeats=0 leaves nothing"),
        (lambda: quality.randomisation_check(model, ONES, grad, seeds=0), "seeds=0 draws no"),
        (lambda: quality.randomisation_check(model, ONES, grad), "has weights but no reset_"),
        (lambda: quality.effective_features(maps[0]), "attributions has shape (3, 2)"),
        (lambda: quality.effective_features(maps * np.inf), "attributions holds"),
    ]
    for call, message in cases:
        with pytest.raises(ValueError, match=re.escape(message)):
            call()
