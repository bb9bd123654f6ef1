"""What deep SHAP gets wrong is named before it runs, and only that."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from distill_lessons.explain.checks import check_explainable
from distill_lessons.explain.shap_adapters import shap_values


class Net(nn.Module):
    """Two linear layers and a ReLU module, put together by `forward_of`."""

    def __init__(self, forward_of):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.a, self.b, self.relu = nn.Linear(4, 4), nn.Linear(4, 3), nn.ReLU()
            self.scale = nn.Parameter(torch.rand(4))
        self.forward_of = forward_of

    def forward(self, x):
        return self.forward_of(self, x)


FINE = {
    "residual": lambda s, x: s.b(s.relu(s.a(x)) + x),
    "scaled by a parameter": lambda s, x: s.b(s.relu(s.a(x)) * s.scale / 2),
    "reshaped": lambda s, x: s.b(s.relu(s.a(x.view(x.shape[0], -1).T.T))[:, [3, 2, 1, 0]]),
    "centred": lambda s, x: s.b(s.relu(s.a(x))) - x.mean(-1, keepdim=True),
    "linear layer used twice": lambda s, x: s.b(s.relu(s.a(s.a(x)))),
    "branch on data": lambda s, x: s.b(s.relu(s.a(x))) if x.sum() > 0 else s.b(x),
}
WRONG = {
    "F.relu": (lambda s, x: s.b(F.relu(s.a(x))), "calls relu as a function"),
    "torch.relu": (lambda s, x: s.b(torch.relu(s.a(x))), "calls relu as a function"),
    "relu_": (lambda s, x: s.b(s.a(x).relu_()), "calls relu as a function"),
    "clamp": (lambda s, x: s.b(s.a(x).clamp(min=0)), "calls clamp as a function"),
    "reused": (lambda s, x: s.b(s.relu(s.a(s.relu(s.a(x))))), "'relu' .* is used 2 times"),
    "gate": (lambda s, x: s.b(torch.sigmoid(s.a(x)) * x), "multiplies or divides activations"),
    "gate in place": (lambda s, x: s.b(s.relu(s.a(x)).mul_(x)), "multiplies or divides"),
    "divisor": (lambda s, x: s.b(torch.div(s.scale, s.a(x) + 9)), "multiplies or divides"),
    "square": (lambda s, x: s.b(s.a(x) ** 2), "calls pow as a function"),
}


@pytest.mark.parametrize("name", FINE)
def test_nothing_is_said_of_what_is_right(name):
    model = Net(FINE[name])
    assert check_explainable(model, (4,)) == []
    x = torch.rand(2, 4, generator=torch.Generator().manual_seed(0))
    assert shap_values(model, x, 1 - x).gap < 1e-5  # and shap's own values add up


@pytest.mark.parametrize("name", WRONG)
def test_each_wrong_operation_is_named(name):
    forward_of, message = WRONG[name]
    problems = " ".join(check_explainable(Net(forward_of), (4,)))
    with pytest.raises(AssertionError, match=message):
        raise AssertionError(problems)
    x = torch.rand(2, 4, generator=torch.Generator().manual_seed(0))
    with pytest.raises(ValueError, match=f"deep SHAP would be wrong for this model: .*{message}"):
        shap_values(Net(forward_of), x, 1 - x)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (nn.ReLU(inplace=True), r"layer '1' \(ReLU\) works in place.*give it inplace=False"),
        (nn.SiLU(), r"layer '1' \(SiLU\) is unknown to DeepExplainer"),
        (nn.MaxPool2d(3, 2), r"overlapping windows \(kernel 3, stride 2\)"),
        (nn.MaxPool2d((2, 3), (2, 1)), "overlapping windows"),
    ],
)
def test_each_wrong_layer_is_named(layer, message):
    model = nn.Sequential(nn.Conv2d(1, 2, 3), layer)
    (problem,) = check_explainable(model, (1, 9, 9))
    with pytest.raises(AssertionError, match=message):
        raise AssertionError(problem)


def test_a_relu_that_stands_twice_in_a_sequential_is_named():
    relu = nn.ReLU()
    model = nn.Sequential(nn.Linear(4, 4), relu, nn.Linear(4, 4), relu, nn.Linear(4, 3))
    assert "used 2 times" in check_explainable(model, (4,))[0]


def test_the_usual_convolutional_net_is_fine():
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2),
        nn.Dropout(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(16, 3),
    )  # fmt: skip
    assert check_explainable(model, (3, 8, 8)) == []


def test_the_model_is_left_alone():
    model = Net(FINE["residual"]).train()
    state = torch.get_rng_state()
    check_explainable(model, (4,))
    assert model.training
    assert all(p.requires_grad for p in model.parameters())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    assert torch.equal(state, torch.get_rng_state())


def test_what_the_linter_names_is_really_wrong():
    # shap's own values for a net with F.relu miss the output: the linter is no false alarm.
    import shap

    model, x = Net(WRONG["F.relu"][0]).eval(), 3 * torch.eye(4)
    values = shap.DeepExplainer(model, -x).shap_values(x, check_additivity=False)
    with torch.no_grad():
        missed = (model(x) - model(-x).mean(0)).numpy() - np.asarray(values).sum(1)
    assert np.abs(missed).max() > 0.1
