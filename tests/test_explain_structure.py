"""The layer graph of plain and branching nets, weights as images, what excites a unit."""

from __future__ import annotations

import re

import matplotlib as mpl
import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from distill_lessons import plots
from distill_lessons.explain import structure, units

mpl.use("Agg")
import matplotlib.pyplot as plt


@pytest.fixture(autouse=True)
def _close_figures() -> object:
    yield
    plt.close("all")


def plain() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1, groups=1),
        nn.BatchNorm2d(4),
        nn.ReLU(inplace=True),
        nn.AvgPool2d(2),
        nn.Sequential(nn.Conv2d(4, 6, 3, groups=2), nn.ReLU()),
        nn.Flatten(),
        nn.Dropout(),
        nn.Linear(24, 3),
    )


class Branching(nn.Module):
    """A residual sum, two parallel branches, and a sum at the very end."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 4, 3, padding=1)
        self.inner = nn.Conv2d(4, 4, 3, padding=1)
        self.relu = nn.ReLU()
        self.left = nn.Conv2d(4, 2, 1)
        self.right = nn.Conv2d(4, 3, 1)
        self.flat = nn.Flatten()
        self.head = nn.Linear(5 * 64, 3)
        self.short = nn.Linear(5 * 64, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.relu(self.stem(x))
        x = self.relu(x + self.inner(x))
        x = self.flat(torch.cat([self.left(x), self.right(x)], 1))
        return self.head(x) + self.short(x)


X = torch.rand(20, 1, 8, 8, generator=torch.Generator().manual_seed(0))


def test_plain_net_by_hand() -> None:
    table = structure.layers(plain(), X).set_index("layer")
    assert list(table.index) == ["input", "0", "1", "2", "3", "4.0", "4.1", "5", "6", "7"]
    chain = ["input", "0", "1", "2", "3", "4.0", "4.1", "5", "6"]
    assert list(table["inputs"])[1:] == [(name,) for name in chain]
    assert not table["joined_by"].any()
    assert table.loc["4.0", "output_shape"] == (6, 2, 2)
    assert table.loc["5", "output_shape"] == (24,)
    # 4·1·9 + 4; 2·4 of batch norm; 6·2·9 + 6 with two groups; 24·3 + 3
    assert table["parameters"].tolist() == [0, 40, 8, 0, 0, 114, 0, 0, 0, 75]
    # 64 places × 4 maps × 9; 4 places × 6 maps × 2·9; 24·3
    assert table["multiply_adds"].tolist() == [0, 2304, 0, 0, 0, 432, 0, 0, 0, 72]


@pytest.mark.parametrize("build", [plain, Branching])
def test_totals_equal_torchs_own_counter(build: type[nn.Module]) -> None:
    net = build().eval()
    table = structure.layers(net, X)
    assert table["parameters"].sum() == sum(p.numel() for p in net.parameters())
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        net(X[:1])
    assert table["multiply_adds"].sum() * 2 == counter.get_total_flops()


def test_branches_are_found() -> None:
    table = structure.layers(Branching(), X).set_index("layer")
    assert table.loc["relu", "inputs"] == ("stem",)
    assert table.loc["relu#2", "inputs"] == ("relu", "inner")  # the residual sum; a second use
    assert table.loc["relu#2", "joined_by"] == "add"
    assert table.loc["left", "inputs"] == table.loc["right", "inputs"] == ("relu#2",)
    assert table.loc["flat", "inputs"] == ("left", "right")
    assert table.loc["flat", "joined_by"] == "concatenate"
    assert table.loc["output", "inputs"] == ("head", "short")
    assert table.loc["output", "joined_by"] == "add"


def test_tokens_attention_and_tuples() -> None:
    class Reader(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = nn.Embedding(10, 8)
            self.attend = nn.MultiheadAttention(8, 2, batch_first=True)
            self.remember = nn.LSTM(8, 5, batch_first=True)
            self.head = nn.Linear(5, 3)

        def forward(self, tokens: torch.Tensor) -> torch.Tensor:
            h = self.embed(tokens)
            h = h + self.attend(h, h, h)[0]
            return self.head(self.remember(h)[0][:, -1])

    net = Reader()
    table = structure.layers(net, torch.randint(10, (2, 6))).set_index("layer")
    assert list(table.index) == ["input", "embed", "attend", "remember", "head"]
    assert table.loc["embed", "inputs"] == ("input",)
    assert table.loc["remember", "inputs"] == ("embed", "attend")
    assert table["parameters"].sum() == sum(p.numel() for p in net.parameters())
    # 6 tokens: 8·24 in; 2 heads of 6·6·4 twice; 8·8 out. 6 steps of 4 gates, 8 + 5 numbers to 5.
    assert table.loc["attend", "multiply_adds"] == 6 * 192 + 2 * 2 * 144 + 6 * 64
    assert table.loc["remember", "multiply_adds"] == 6 * 4 * 13 * 5


def test_a_layer_with_weights_of_which_nothing_is_counted_is_not_called_free() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 4), nn.PReLU(), nn.ReLU(), nn.Linear(4, 3))
    costs = structure.layers(net, X).set_index("layer")["multiply_adds"]
    assert np.isnan(costs["2"])
    assert costs.drop("2").tolist() == [0, 0, 256, 0, 12]


def test_a_look_leaves_no_trace() -> None:
    net = Branching().requires_grad_(False).train()
    structure.layers(net, X)
    assert net.training
    assert not any(p.requires_grad for p in net.parameters())
    assert not any(m._forward_hooks for m in net.modules())
    net = plain().train()
    before = net[1].running_mean.clone()
    units.activations(net, X, "1")
    assert net.training
    assert torch.equal(net[1].running_mean, before)
    assert not any(m._forward_hooks for m in net.modules())


def test_first_layer_weights() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 5), nn.ReLU(), nn.Linear(5, 3))
    images = units.first_layer_weights(net, image_shape=(1, 8, 8))
    assert images.shape == (5, 1, 8, 8)
    assert images[2, 0, 1, 3] == net[1].weight[2, 1 * 8 + 3].item()
    conv = plain()
    np.testing.assert_array_equal(units.first_layer_weights(conv), conv[0].weight.detach())
    assert units.first_layer_weights(conv, layer="4.0").shape == (6, 2, 3, 3)


def test_drawn_weights_are_the_weights() -> None:
    weights = np.arange(-6.0, 6.0).reshape(3, 1, 2, 2)
    ax = plots.weights(weights, columns=2)
    picture = ax.images[0].get_array().filled(np.nan)
    assert picture.shape == (5, 5)  # 2 × 2 tiles of 2 × 2 with a gap of one
    np.testing.assert_array_equal(picture[:2, 3:], weights[1, 0])
    np.testing.assert_array_equal(picture[3:, :2], weights[2, 0])
    assert np.isnan(picture[2]).all()
    assert ax.images[0].get_clim() == (-6.0, 6.0)  # zero is white
    assert ax.get_title(loc="left") == "What 3 units of the first layer look for"


def test_activations_equal_the_layers_output() -> None:
    net = plain().eval()
    with torch.no_grad():
        before_relu = net[1](net[0](X))  # the ReLU that follows works in place
        small = net[4](net[3](net[2](before_relu.clone())))
        logits = net(X)
    near = {"rtol": 1e-5, "atol": 1e-6}
    mean = units.activations(net, X, "1", batch_size=7)
    np.testing.assert_allclose(mean, before_relu.mean((2, 3)), **near)
    peak = units.activations(net, X, "4", pool="max")
    np.testing.assert_allclose(peak, small.amax((2, 3)), **near)
    every = units.activations(net, X, "4", pool="none")
    np.testing.assert_allclose(every, small.flatten(1), **near)
    np.testing.assert_allclose(units.activations(net, X, "7"), logits, **near)


def test_bad_input() -> None:
    net = plain()
    values = np.zeros((4, 3))
    linear = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))

    cases = [
        (lambda: structure.layers(net, X[:0]), "x holds no input"),
        (lambda: units.activations(net, X, "4.00"), "Did you mean '4.0'?"),
        (lambda: units.activations(net, X, "1", pool="avg"), "pool='avg' is unknown"),
        (lambda: units.first_layer_weights(nn.ReLU()), "has no Linear or Conv2d layer"),
        (lambda: units.first_layer_weights(linear), "image_shape=None must be (C, H, W)"),
        (
            lambda: units.first_layer_weights(linear, image_shape=(1, 8, 7)),
            "image_shape=(1, 8, 7) must be (C, H, W) with product 64",
        ),
        (lambda: units.first_layer_weights(net, layer="0.0"), "layer='0.0' is unknown"),
        (lambda: plots.weights(values), "weights has shape (4, 3)"),
    ]
    for call, message in cases:
        with pytest.raises(ValueError, match=re.escape(message)):
            call()


def test_a_model_whose_layers_are_not_called() -> None:
    class Functional(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.idle = nn.Linear(64, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return nn.functional.linear(x.flatten(1), self.idle.weight)

    with pytest.raises(ValueError, match="model=Functional calls no layer"):
        structure.layers(Functional(), X)
    with pytest.raises(ValueError, match="layer='idle' is never called"):
        units.activations(Functional(), X, "idle")
