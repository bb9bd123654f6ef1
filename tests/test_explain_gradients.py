"""Gradients against captum, hand-worked nets, and what integrated gradients promise."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from captum import attr as captum
from torch import nn

from distill_lessons.explain import arrays, gradients

K = 3


def small_conv() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.AvgPool2d(2),
        nn.Conv2d(4, 5, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.Flatten(),
        nn.Dropout(0.5),
        nn.Linear(5 * 4 * 4, K),
    )


@pytest.fixture(scope="module")
def net() -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = small_conv().double()
        model(torch.rand(64, 2, 8, 8, dtype=torch.float64))  # batch norm learns its statistics
    return model.train()


@pytest.fixture(scope="module")
def x() -> torch.Tensor:
    return torch.rand(5, 2, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def by_captum(explainer: object, x: torch.Tensor, **options: object) -> np.ndarray:
    """Stack captum's attributions for every class into our contract."""
    maps = [explainer.attribute(x.clone().requires_grad_(), target=k, **options) for k in range(K)]
    return torch.stack(maps, -1).detach().numpy()


class Squares(nn.Module):
    """z_k = sum_i c_ki x_i²: its gradient is 2 c_ki x_i."""

    def __init__(self) -> None:
        super().__init__()
        self.c = nn.Parameter(torch.tensor([[1.0, 2.0], [0.0, -1.0]]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.square() @ self.c.T


def test_by_hand() -> None:
    x = torch.tensor([[3.0, 1.0]])
    raw = gradients.gradient(Squares(), x, centre=False)
    np.testing.assert_allclose(raw, [[[6.0, 0.0], [4.0, -2.0]]])  # (1, 2 features, 2 classes)
    np.testing.assert_allclose(gradients.gradient(Squares(), x), [[[3.0, -3.0], [3.0, -3.0]]])
    times = gradients.gradient_x_input(Squares(), x, centre=False)
    np.testing.assert_allclose(times, [[[18.0, 0.0], [4.0, -2.0]]])
    # the path from 1: 2 c ∫ (1 + t (x − 1)) dt (x − 1) = c (x² − 1)
    path = gradients.integrated_gradients(Squares(), x, baseline=1.0, centre=False)
    np.testing.assert_allclose(path, [[[8.0, 0.0], [0.0, 0.0]]], atol=1e-5)


def test_gradients_equal_captum(net: nn.Module, x: torch.Tensor) -> None:
    ours = gradients.gradient(net, x, centre=False, batch_size=2)
    times = gradients.gradient_x_input(net, x, centre=False)
    net.eval()
    try:
        np.testing.assert_allclose(ours, by_captum(captum.Saliency(net), x, abs=False), atol=1e-12)
        np.testing.assert_allclose(times, by_captum(captum.InputXGradient(net), x), atol=1e-12)
    finally:
        net.train()


def test_integrated_gradients_equal_captum(net: nn.Module, x: torch.Tensor) -> None:
    baseline = torch.full((2, 8, 8), 0.3, dtype=torch.float64)
    ours = gradients.integrated_gradients(net, x, baseline=baseline, steps=20, centre=False)
    net.eval()
    try:
        theirs = by_captum(
            captum.IntegratedGradients(net),
            x,
            baselines=baseline[None],
            n_steps=20,
            method="riemann_middle",
        )
    finally:
        net.train()
    np.testing.assert_allclose(ours, theirs, atol=1e-12)


@pytest.mark.parametrize("relu", [True, False])
def test_grad_cam_equals_captum(net: nn.Module, x: torch.Tensor, relu: bool) -> None:
    ours = gradients.grad_cam(net, x, relu=relu, centre=False)
    first = gradients.grad_cam(net, x, layer="0", relu=relu, centre=False)
    net.eval()
    # captum reads the layer's output after an in-place ReLU has overwritten it; we do not
    net[5].inplace = False
    try:
        for mine, layer in ((ours, net[4]), (first, net[0])):
            cam = captum.LayerGradCam(net, layer)
            for k in range(K):
                small = cam.attribute(x, target=k, relu_attributions=relu)
                large = captum.LayerAttribution.interpolate(small, (8, 8), "bilinear")
                for channel in range(2):
                    np.testing.assert_allclose(
                        mine[:, channel, ..., k], large[:, 0].detach().numpy(), atol=1e-12
                    )
    finally:
        net[5].inplace = True
        net.train()


def test_smoothgrad_comes_close_to_captum(net: nn.Module, x: torch.Tensor) -> None:
    ours = gradients.smoothgrad(net, x, sigma=0.2, samples=400, centre=False)
    net.eval()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        noisy = captum.NoiseTunnel(captum.Saliency(net))
        theirs = by_captum(noisy, x, abs=False, nt_samples=400, stdevs=0.2)
    net.train()
    plain = gradients.gradient(net, x, centre=False)
    apart, smoothed = np.abs(ours - theirs).mean(), np.abs(plain - theirs).mean()
    assert apart < smoothed / 4  # two draws of the noise, against no noise at all


def test_smoothgrad_by_hand() -> None:
    # the gradient of Squares is linear in x, so the mean over noise is the gradient at the mean
    x = torch.tensor([[3.0, 1.0]])
    noise = torch.stack(
        [
            torch.randn((1, 2), generator=g)
            for g in [torch.Generator().manual_seed(7)]
            for _ in range(4)
        ]
    ).mean(0)
    ours = gradients.smoothgrad(Squares(), x, sigma=0.5, samples=4, seed=7)
    np.testing.assert_allclose(ours, gradients.gradient(Squares(), x + 0.5 * noise), rtol=1e-5)
    still = gradients.smoothgrad(Squares(), x, sigma=0.0, samples=2)
    np.testing.assert_allclose(still, gradients.gradient(Squares(), x))


@pytest.mark.parametrize("centre", [True, False])
def test_integrated_gradients_are_complete(net: nn.Module, x: torch.Tensor, centre: bool) -> None:
    gaps = []
    for steps in (4, 256):
        ig = gradients.integrated_gradients(net, x, baseline=0.0, steps=steps, centre=centre)
        gap = gradients.completeness_gap(net, x, ig, baseline=0.0, centre=centre)
        assert gap.shape == (5, K)
        gaps.append(np.abs(gap).max())
    assert gaps[1] < 2e-3
    assert gaps[1] < gaps[0] / 5
    # gradient × input makes no such promise
    other = gradients.gradient_x_input(net, x, centre=centre)
    assert (
        np.abs(gradients.completeness_gap(net, x, other, baseline=0.0, centre=centre)).max() > 0.01
    )


METHODS = {
    "gradient": gradients.gradient,
    "gradient_x_input": gradients.gradient_x_input,
    "integrated": lambda *a, **k: gradients.integrated_gradients(*a, baseline=0.0, steps=3, **k),
    "smoothgrad": lambda *a, **k: gradients.smoothgrad(*a, samples=2, **k),
    "grad_cam": gradients.grad_cam,
}


@pytest.mark.parametrize("name", METHODS)
def test_contract(net: nn.Module, x: torch.Tensor, name: str) -> None:
    method = METHODS[name]
    everything = method(net, x)
    assert everything.shape == (5, 2, 8, 8, K)
    assert np.abs(everything).max() > 0
    np.testing.assert_allclose(method(net, x, batch_size=2), everything, atol=1e-12)
    np.testing.assert_array_equal(method(net, x, classes=[2, 0]), everything[..., [2, 0]])
    np.testing.assert_array_equal(method(net, x, classes=1), everything[..., [1]])
    if name != "grad_cam":  # its ReLU is not linear
        np.testing.assert_allclose(everything.sum(-1), 0, atol=1e-12)  # centred


@pytest.mark.parametrize("name", METHODS)
def test_leaves_no_trace(net: nn.Module, x: torch.Tensor, name: str) -> None:
    net[1].eval()  # a part in a mode of its own
    modes = [m.training for m in net.modules()]
    weights = {k: v.clone() for k, v in net.state_dict().items()}
    before, state = x.clone(), torch.get_rng_state()
    numpy_state = np.random.get_state()[1].copy()  # noqa: NPY002
    with torch.no_grad():  # gradients are taken even here
        METHODS[name](net, x)
    assert [m.training for m in net.modules()] == modes
    assert all(torch.equal(v, net.state_dict()[k]) for k, v in weights.items())
    assert all(p.grad is None for p in net.parameters())
    assert all(not m._forward_hooks for m in net.modules())
    assert torch.equal(before, x)
    assert not x.requires_grad
    assert torch.equal(torch.get_rng_state(), state)
    assert (np.random.get_state()[1] == numpy_state).all()  # noqa: NPY002
    net.train()


def test_frozen_model_and_first_layer_in_place(x: torch.Tensor) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        conv = nn.Conv2d(2, 2, 3)
        frozen = nn.Sequential(nn.ReLU(inplace=True), conv, nn.Flatten(), nn.Linear(72, K))
    frozen = frozen.double().requires_grad_(False)
    shifted = x - 0.5
    want = gradients.gradient(frozen, shifted.relu()) * (shifted.numpy() > 0)[..., None]
    np.testing.assert_allclose(gradients.gradient(frozen, shifted), want)
    assert gradients.grad_cam(frozen, x).shape == (5, 2, 8, 8, K)


def test_of_class_picks_the_class() -> None:
    a = np.arange(12.0).reshape(2, 2, 3)
    np.testing.assert_array_equal(arrays.of_class(a, np.array([2, 0])), [[2, 5], [6, 9]])


class NoGradient(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.detach().flatten(1)[:, :3]


def test_bad_input(net: nn.Module, x: torch.Tensor) -> None:
    flat = nn.Sequential(nn.Flatten(), nn.Linear(128, K)).double()
    cases = [
        (lambda: gradients.grad_cam(flat, x), "has no nn.Conv2d layer"),
        (lambda: gradients.grad_cam(net, x.flatten(1)), "x has shape (5, 128); Grad-CAM needs"),
        (lambda: gradients.grad_cam(net, x, layer="8"), "layer='8' gives (5, 3); Grad-CAM needs"),
        (lambda: gradients.gradient(net, x, classes=3), "classes=3 must name some"),
        (lambda: gradients.gradient(net, x, classes=[]), "classes=[] must name some"),
        (lambda: gradients.gradient(net, x * torch.nan), "x holds 640 NaN"),
        (lambda: gradients.gradient(net, x.long()), "x is torch.int64 (5, 2, 8, 8); give a float"),
        (lambda: gradients.gradient(net, x[:0]), "x has shape (0, 2, 8, 8) and holds nothing"),
        (lambda: gradients.gradient(net[:2], x), "model returned shape (5, 4, 8, 8)"),
        (lambda: gradients.gradient(NoGradient(), x), "output without gradient"),
        (
            lambda: gradients.integrated_gradients(net, x, baseline=0.0, steps=0),
            "steps=0 leaves no point",
        ),
        (
            lambda: gradients.integrated_gradients(net, x, baseline=torch.zeros(1, 8, 8)),
            "baseline has shape (1, 8, 8) for inputs of shape (2, 8, 8)",
        ),
        (lambda: gradients.smoothgrad(net, x, sigma=-1), "sigma=-1 must be >= 0"),
        (lambda: gradients.smoothgrad(net, x, samples=0), "samples=0 leaves nothing"),
        (
            lambda: gradients.completeness_gap(net, x, np.zeros((5, 2, 8, 8, 2)), baseline=0.0),
            "attributions has shape (5, 2, 8, 8, 2)",
        ),
    ]
    for call, message in cases:
        with pytest.raises(ValueError, match=re.escape(message)):
            call()


def test_unknown_layer_names_the_nearest(x: torch.Tensor) -> None:
    net = nn.Sequential()
    net.add_module("convolution", nn.Conv2d(2, 2, 3))
    with pytest.raises(ValueError, match="Did you mean 'convolution'"):
        gradients.grad_cam(net, x.float(), layer="convolutoin")


def test_a_layer_that_is_never_called(x: torch.Tensor) -> None:
    class Idle(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.used = nn.Sequential(nn.Flatten(), nn.Linear(128, K))
            self.idle = nn.Conv2d(2, 2, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.used(x)

    with pytest.raises(ValueError, match="layer='idle' gives nothing: it is never called"):
        gradients.grad_cam(Idle(), x.float())


def test_probabilities_are_warned_of(x: torch.Tensor) -> None:
    soft = nn.Sequential(nn.Flatten(), nn.Linear(128, K), nn.Softmax(1)).double()
    with pytest.warns(UserWarning, match="rows sum to 1"):
        gradients.gradient(soft, x)
