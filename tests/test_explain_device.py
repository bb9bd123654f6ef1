"""On a device without double precision everything is added up on the CPU, to the same numbers.

Backward passes do not run on the fake; what follows them goes to the CPU before it is widened.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from fake_device import fake_device
from torch import Tensor, nn

from distill_lessons.explain import agreement, gradients, groups, quality, randomisation, units
from distill_lessons.explain.permutation import permutation_importance
from distill_lessons.explain.shap_adapters import shap_values
from distill_lessons.explain.shapley import exact

X = torch.rand(40, 1, 4, 4, generator=torch.Generator().manual_seed(0))
Y = torch.arange(40) % 3
Z = torch.randn(40, 3, generator=torch.Generator().manual_seed(1))
QUARTERS = groups.patches((1, 4, 4), 2)


def mlp() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 3))


def conv() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Conv2d(1, 2, 3), nn.Tanh(), nn.Flatten(), nn.Linear(8, 3))


def importance(**more: object) -> Callable[[nn.Module, Tensor], np.ndarray]:
    return lambda net, x: permutation_importance(net, x, Y, repeats=2, **more).importances


def shap(method: str, **more: object) -> Callable[[nn.Module, Tensor], np.ndarray]:
    return lambda net, x: (
        shap_values(net, x[:2], x[5:9], method=method, regions=QUARTERS, **more).values
    )


ASK: dict[str, Callable[[nn.Module, Tensor], np.ndarray]] = {
    "accuracy": importance(),
    "cross_entropy": importance(metric="cross_entropy", per_class=True),
    "soft_targets": importance(metric="soft_targets", teacher_logits=Z, T=2.0),
    "exact": lambda net, x: exact(net, x[:2], x[5:9], QUARTERS).values,
    "softmax": lambda net, x: exact(net, x[:2], x[5:9], QUARTERS, output="softmax").values,
    "deep": shap("deep"),
    "kernel": shap("kernel"),
    "permutation": shap("permutation"),
    "completeness_gap": lambda net, x: gradients.completeness_gap(
        net, x[:4], np.ones((4, 1, 4, 4, 3)), baseline=x[4]
    ),
    "curves": lambda net, x: quality.curves(
        net, x[:4], np.ones((4, 1, 4, 4, 3)), baseline=x[5], steps=4
    )["score"].to_numpy(),
    "beside_controls": lambda net, x: agreement.beside_controls(
        net, {"wreck": randomisation.randomised(net, 0)}, x
    )["value"].to_numpy(),
    "activations": lambda net, x: units.activations(net, x, "2"),
}


@pytest.mark.parametrize("build", [mlp, conv])
@pytest.mark.parametrize("name", ASK)
def test_a_device_without_double_precision_gives_the_same_numbers(name, build):
    if (name, build) == ("deep", conv):
        pytest.skip("shap's own code, which we do not place")
    expected = ASK[name](build(), X)
    with fake_device() as device:
        net, x = build().to(device), X.to(device)
        assert next(net.parameters()).device.type == device == x.device.type
        found = ASK[name](net, x)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


def test_the_fake_is_strict():
    with fake_device() as device:
        x = X.to(device)
        with pytest.raises(TypeError, match="float64"):
            x.double()
        with pytest.raises(RuntimeError, match="same device"):
            _ = x + X
        assert x.cpu().double().dtype == torch.float64
