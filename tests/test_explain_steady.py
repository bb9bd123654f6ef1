"""Models that cannot be explained one input at a time are refused, in one sentence, everywhere."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from distill_lessons import distillation
from distill_lessons.explain import agreement, gradients, groups, quality, units
from distill_lessons.explain.permutation import permutation_importance
from distill_lessons.explain.shap_adapters import shap_values
from distill_lessons.explain.shapley import exact

X = torch.rand(30, 1, 4, 4, generator=torch.Generator().manual_seed(0))
Y = torch.arange(30) % 3
QUARTERS = groups.patches((1, 4, 4), 2)


class Net(nn.Module):
    """A small net with something in its middle."""

    def __init__(self, middle: Callable[[nn.Module, Tensor], Tensor], **parts: nn.Module) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.first, self.act, self.last = nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 3)
            self.conv = nn.Conv2d(1, 1, 3, padding=1)
        for name, part in parts.items():
            self.add_module(name, part)
        self.middle = middle

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.middle(self, self.act(self.first(self.conv(x).flatten(1)))))


ASK: dict[str, Callable[[nn.Module], object]] = {
    "gradient": lambda net: gradients.gradient(net, X[:5]),
    "gradient_x_input": lambda net: gradients.gradient_x_input(net, X[:5]),
    "integrated_gradients": lambda net: gradients.integrated_gradients(net, X[:5], baseline=0.0),
    "smoothgrad": lambda net: gradients.smoothgrad(net, X[:5], samples=2),
    "grad_cam": lambda net: gradients.grad_cam(net, X[:5], layer="conv"),
    "permutation_importance": lambda net: permutation_importance(net, X, Y, repeats=1),
    "exact": lambda net: exact(net, X[:2], X[9:12], QUARTERS),
    **{
        f"{method} SHAP": lambda net, method=method: shap_values(
            net, X[:2], X[9:12], method=method, regions=QUARTERS, samples=15
        )
        for method in ("gradient", "kernel", "permutation")
    },
    "deep SHAP": lambda net: shap_values(net, X[:2], X[9:12], regions=QUARTERS),
    "curves": lambda net: quality.curves(net, X[:2], np.ones((2, 1, 4, 4, 3)), baseline=0.0),
    "beside_controls": lambda net: agreement.beside_controls(net, {"itself": net}, X),
    "completeness_gap": lambda net: gradients.completeness_gap(
        net, X[:2], np.ones((2, 1, 4, 4, 3)), baseline=0.0
    ),
    "activations": lambda net: units.activations(net, X, "first"),
    "teacher_logits": lambda net: distillation.teacher_logits(net, X),
}


@pytest.mark.parametrize("name", ASK)
def test_a_model_that_gives_other_logits_each_time_is_refused(name: str) -> None:
    restless = Net(lambda net, h: F.dropout(h))  # without training=net.training
    state = torch.get_rng_state()
    with pytest.raises(ValueError, match=r"gives other logits each time it is asked.*F.dropout"):
        ASK[name](restless)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("name", [name for name in ASK if name != "teacher_logits"])
def test_a_model_whose_rows_depend_on_one_another_is_refused_by_layer(name: str) -> None:
    net = Net(lambda net, h: net.norm(h), norm=nn.BatchNorm1d(8, track_running_stats=False))
    with pytest.raises(ValueError, match=r"layer 'norm' \(BatchNorm1d\) has no running statistics"):
        ASK[name](net)
    for mix in (lambda h: h.mean(0), lambda h: h.amax(0), lambda h: h.norm()):
        with pytest.raises(ValueError, match="change with the other rows of the batch"):
            ASK[name](Net(lambda net, h, mix=mix: h - mix(h)))


@pytest.mark.parametrize("name", ASK)
def test_what_is_steady_is_let_through(name: str) -> None:
    norm = nn.BatchNorm1d(8)
    net = Net(lambda net, h: net.drop(net.norm(h)), norm=norm, drop=nn.Dropout())
    net(X)  # the norm learns its statistics
    before = norm.running_mean.clone()
    ASK[name](net)
    assert net.training
    assert torch.equal(norm.running_mean, before)


@pytest.mark.parametrize("name", [name for name in ASK if name != "teacher_logits"])
def test_images_of_another_size_are_refused_by_their_shape(name: str) -> None:
    net = nn.Sequential()  # built for images of 3×3
    net.add_module("conv", nn.Conv2d(1, 1, 3, padding=1))
    net.add_module("first", nn.Flatten())
    net.add_module("last", nn.Linear(9, 3))
    with pytest.raises(ValueError, match=r"the model cannot take x of shape \(\d+, 1, 4, 4\)"):
        ASK[name](net)


@pytest.mark.parametrize("name", [name for name in ASK if name != "teacher_logits"])
def test_a_model_whose_weights_do_not_exist_yet_is_refused(name: str) -> None:
    net = nn.Sequential()
    net.add_module("conv", nn.Conv2d(1, 1, 3, padding=1))
    net.add_module("flat", nn.Flatten())
    net.add_module("first", nn.LazyLinear(3))
    with pytest.raises(ValueError, match=r"layer 'first' has no weights yet"):
        ASK[name](net)
    assert isinstance(net.first, nn.LazyLinear)  # still without weights


def residual(in_place: bool) -> nn.Module:
    """A net with a shortcut, once added with ``h += x`` to what a ReLU keeps for its gradient."""

    def add(net: nn.Module, h: Tensor) -> Tensor:
        out = net.act(h)
        if in_place:
            out += h
            return out
        return out + h

    return Net(add)


@pytest.mark.parametrize(
    "name", ["gradient", "gradient_x_input", "integrated_gradients", "smoothgrad", "gradient SHAP"]
)
def test_a_shortcut_added_in_place_is_said_with_the_way_out(name: str) -> None:
    with pytest.raises(ValueError, match=r"changes in place .* write h = h \+ x for h \+= x"):
        ASK[name](residual(in_place=True))
    ASK[name](residual(in_place=False))


class Shifted(Net):
    """A net that first changes its input, in place or not."""

    def __init__(self, in_place: bool) -> None:
        super().__init__(lambda net, h: h)
        self.in_place = in_place

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.sub_(0.3) if self.in_place else x - 0.3)


def numbers(found: object) -> np.ndarray:
    if not isinstance(found, Tensor):  # an Importance or an Explanation, or an array as it is
        found = getattr(found, "importances", getattr(found, "values", found))
    return np.asarray(found, dtype=float)


@pytest.mark.parametrize(
    "name", [name for name in ASK if name not in ("curves", "beside_controls")]
)
def test_images_stay_as_they_are_whatever_a_model_does_to_its_input(name: str) -> None:
    before = X.clone()
    if name == "deep SHAP":
        with pytest.raises(ValueError, match="changes the input in place"):
            ASK[name](Shifted(in_place=True))
    else:
        found = numbers(ASK[name](Shifted(in_place=True)))
        np.testing.assert_allclose(found, numbers(ASK[name](Shifted(in_place=False))), atol=1e-6)
    assert torch.equal(X, before)


def test_one_input_is_enough_to_see_that_rows_depend_on_one_another() -> None:
    with pytest.raises(ValueError, match="change with the other rows of the batch"):
        gradients.gradient(Net(lambda net, h: h / h.norm()), X[:1])


def test_rounding_is_no_restlessness() -> None:
    class Rounds(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.times = 0

        def forward(self, x: Tensor) -> Tensor:
            self.times += 1  # as sums in another order on a GPU
            return x.flatten(1)[:, :3] * (1 + 1e-6 * (self.times % 2))

    gradients.gradient(Rounds(), X)
