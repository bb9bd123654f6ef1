"""Weights that are computed from others at each call: pruning, weight and spectral norm.

The tensor `layer.weight` is then a leftover of the last call. Nothing may read it, and no result
may depend on what ran before.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn.utils import parametrizations, prune

from distill_lessons.explain import (
    agreement,
    checks,
    gradients,
    groups,
    quality,
    randomisation,
    structure,
    units,
)
from distill_lessons.explain.permutation import permutation_importance
from distill_lessons.explain.shap_adapters import shap_values
from distill_lessons.explain.shapley import exact

Wrap = Callable[[nn.Module], object]


def old(name: str) -> Wrap:
    def wrap(layer: nn.Module) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # deprecated, and still in use
            getattr(nn.utils, name)(layer)

    return wrap


WRAPS: dict[str, Wrap] = {
    "weight_norm": parametrizations.weight_norm,
    "spectral_norm": parametrizations.spectral_norm,
    "orthogonal": parametrizations.orthogonal,
    "old weight_norm": old("weight_norm"),
    "old spectral_norm": old("spectral_norm"),
    "prune": lambda layer: prune.l1_unstructured(layer, "weight", amount=0.3),
}
HIDDEN = {"old weight_norm": "weight_v", "old spectral_norm": "weight_orig", "prune": "weight_orig"}


@pytest.fixture(scope="module")
def digits() -> tuple[torch.Tensor, torch.Tensor]:
    x, y = load_digits(return_X_y=True)
    x = torch.tensor(x[:400] / 16, dtype=torch.float32).view(-1, 1, 8, 8)
    return nn.functional.avg_pool2d(x, 2), torch.as_tensor(y[:400])


def trained(wrap: Wrap, digits: tuple[torch.Tensor, torch.Tensor]) -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = nn.Sequential(nn.Flatten(), nn.Linear(16, 12), nn.ReLU(), nn.Linear(12, 10))
        wrap(net[1])
        optimizer = torch.optim.Adam(net.parameters(), 1e-2)
        x, y = digits
        for _ in range(80):
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(x), y).backward()
            optimizer.step()
    return net  # its last step came after its last call: a leftover weight is out of date


def plain(net: nn.Module, x: torch.Tensor) -> nn.Sequential:
    """Return the same function as a net of ordinary layers."""
    twin = nn.Sequential(nn.Flatten(), nn.Linear(16, 12), nn.ReLU(), nn.Linear(12, 10))
    with torch.no_grad():
        net.eval()(x)  # torch computes the weight of this call
        twin[1].weight.copy_(net[1].weight)
        twin[1].bias.copy_(net[1].bias)
        twin[3].load_state_dict(net[3].state_dict())
    return twin


EXPLAIN: dict[str, Callable[[nn.Module, torch.Tensor, torch.Tensor], np.ndarray]] = {
    "permutation_importance": lambda net, x, y: (
        permutation_importance(net, x, y, repeats=2, metric="cross_entropy").importances
    ),
    "exact": lambda net, x, y: exact(net, x[:2], x[100:105], groups.columns((1, 4, 4))).values,
    "deep": lambda net, x, y: shap_values(net, x[:2], x[100:105]).values,
    "kernel": lambda net, x, y: (
        shap_values(net, x[:1], x[100:103], method="kernel", regions=groups.rows((1, 4, 4))).values
    ),
    "gradient": lambda net, x, y: gradients.gradient(net, x[:5]),
    "activations": lambda net, x, y: units.activations(net, x[:9], "1"),
    "first_layer_weights": lambda net, x, y: units.first_layer_weights(net, image_shape=(1, 4, 4)),
    "curves": lambda net, x, y: quality.curves(
        net, x[:3], gradients.gradient(net, x[:3]), baseline=0.0, seeds=1, steps=3
    )["score"].to_numpy(),
    "beside_controls": lambda net, x, y: agreement.beside_controls(
        net, {"moved": nn.Sequential(net, nn.Identity())}, x + 0.1
    )["value"].to_numpy(),
}


@pytest.mark.parametrize("wrap", WRAPS)
@pytest.mark.parametrize("name", EXPLAIN)
def test_the_weight_in_force_is_explained_whatever_ran_before(digits, name, wrap):
    x, y = digits
    net = trained(WRAPS[wrap], digits)
    fresh = EXPLAIN[name](net, x, y)  # straight after training: the leftover belongs to a graph
    with torch.inference_mode():
        net.eval()(x)
    after = EXPLAIN[name](net, x, y)
    np.testing.assert_array_equal(after, fresh)
    near = {"rtol": 1e-4, "atol": 2e-5}
    np.testing.assert_allclose(fresh, EXPLAIN[name](plain(net, x), x, y), **near)


@pytest.mark.parametrize("wrap", WRAPS)
def test_a_layer_that_hides_its_weight_is_not_said_to_be_randomised(digits, wrap):
    net = trained(WRAPS[wrap], digits)
    hidden = HIDDEN.get(wrap, "weight")
    with pytest.raises(ValueError, match=rf"layer '1' \(Linear\).*'{hidden}'.*[Rr]emove"):
        randomisation.randomised(net, 0)
    with pytest.raises(ValueError, match=r"layer '1' \(Linear\)"):
        quality.randomisation_check(net, digits[0][:4], gradients.gradient)
    # the remedy works: without the wrapping nothing of the training is left
    wrecked = [randomisation.randomised(plain(net, digits[0]), seed) for seed in range(5)]
    with torch.no_grad():
        hits = [float((w(digits[0]).argmax(1) == digits[1]).double().mean()) for w in wrecked]
        trained_hits = float((net(digits[0]).argmax(1) == digits[1]).double().mean())
    assert np.mean(hits) < 0.2 < 0.6 < trained_hits


def test_a_layer_that_forgets_a_parameter_is_named():
    class Scaled(nn.Linear):
        def __init__(self) -> None:
            super().__init__(4, 4)
            self.scale = nn.Parameter(torch.ones(4))

    with pytest.raises(ValueError, match=r"layer '0' \(Scaled\) keeps 'scale'"):
        randomisation.randomised(nn.Sequential(Scaled()), 0)
    randomisation.randomised(nn.Sequential(Scaled(), nn.Linear(4, 2)), 0, layers=["1"])


def test_running_statistics_are_learnt_too():
    net = nn.Sequential(nn.BatchNorm1d(4, affine=False), nn.Linear(4, 2))
    net(3 + torch.rand(8, 4))
    wrecked = randomisation.randomised(net, 0)
    assert not wrecked[0].running_mean.any()
    assert randomisation.resettable_layers(net) == ["0", "1"]


@pytest.mark.parametrize("wrap", WRAPS)
def test_the_table_of_layers_has_the_layer_and_not_what_makes_its_weight(digits, wrap):
    net = trained(WRAPS[wrap], digits)
    table = structure.layers(net, digits[0])
    assert table["layer"].tolist() == ["input", "0", "1", "2", "3"]
    assert table["kind"].tolist()[2] == "Linear"
    assert table["multiply_adds"].tolist() == [0, 0, 16 * 12, 0, 12 * 10]
    assert table["parameters"].sum() == sum(p.numel() for p in net.parameters())
    assert checks.check_explainable(net, (1, 4, 4)) == []


def test_a_tensor_kept_from_a_forward_pass_is_no_obstacle(digits):
    class Keeps(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(16, 8), nn.Linear(8, 3)
            self.maps: list[torch.Tensor] = []

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.last = self.a(x.flatten(1))
            self.maps = [self.last]
            return self.b(self.last.relu())

    net, x, y = Keeps(), digits[0], digits[1] % 3
    net(x).sum().backward()
    net.zero_grad()
    with pytest.raises(RuntimeError, match="deepcopy"):
        copy.deepcopy(net)
    kept = net.last
    permutation_importance(net, x, y, repeats=1)
    randomisation.randomised(net, 0)
    structure.layers(net, x)
    assert net.last is kept


def test_a_forward_of_its_own_is_not_skipped():
    # a method put on one layer, as quantisation and profiling tools do
    net = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    inner = net[0].forward
    net[0].forward = lambda x: -inner(x)
    x = torch.rand(40, 4, generator=torch.Generator().manual_seed(0))
    y = (x[:, 0] > 0.5).long()
    for metric in ("accuracy", "cross_entropy"):
        fast, slow = (
            permutation_importance(net, x, y, metric=metric, repeats=2, fast=fast).importances
            for fast in (True, False)
        )
        np.testing.assert_array_equal(fast, slow)
