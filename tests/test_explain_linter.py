"""What deep SHAP gets wrong is named before it runs, and only that."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from distill_lessons import models
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
            self.own, self.swish = Flat(), Swish()
            self.register_buffer("order", torch.tensor([[2, 0, 1, 3]]))
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
    "masked by a parameter": lambda s, x: s.b(s.a(x) * (s.scale > 0.5)),
    "where, by place": lambda s, x: s.b(torch.where(s.scale > 0.5, s.a(x), x)),
    "gathered by place": lambda s, x: s.b(s.a(x).gather(1, s.order.expand(len(x), 4))),
    "a column set": lambda s, x: s.b(put(s.a(x).clone(), (slice(None), 0), x[:, 1])),
    "summed in place": lambda s, x: s.b((s.a(x) + 0).add_(x)),
    "zeros like": lambda s, x: s.b(s.a(x) + torch.zeros_like(x) + x.new_ones(4)),
    "looked at": lambda s, x: look(s, s.b(s.relu(s.a(x)))),
    "rows one by one": lambda s, x: s.b(torch.stack([row + 0 for row in s.relu(s.a(x))])),
    "in the shape of another": lambda s, x: s.b(s.relu(s.a(x)).view_as(x).type_as(x).to(x)),
    "scaled, in the shape of another": lambda s, x: s.b(s.a(x) * s.scale.expand_as(x)),
    "a homemade layer": lambda s, x: s.b(s.own(s.a(x))),
}


def put(h, where, value):
    h[where] = value
    return h


def look(net, z):
    """Compute what does not reach the output: for a log, say."""
    net.seen = (z.detach().norm(), z.argmax(1), (z > 0).float().mean(), z.exp())
    return z


def quietly(h):
    with torch.no_grad():
        return h * 2


class Flat(nn.Module):
    def forward(self, x):
        return x.reshape(len(x), -1)


class Swish(nn.Module):
    def forward(self, x):
        return x * torch.sigmoid(x)


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
    "inverse": (lambda s, x: s.b(1 / (s.a(x) + 9)), "calls (rdiv|rtruediv) as a function"),
    "mask": (lambda s, x: s.b(s.a(x) * (s.a(x) > 0)), "calls gt as a function"),
    "mask as numbers": (lambda s, x: s.b((s.a(x) > 0).float() + x), "calls gt as a function"),
    "set by mask": (
        lambda s, x: s.b(put(s.a(x).clone(), s.a(x) < 0, 0.0)),
        "calls (lt|setitem) as a function",
    ),
    "masked_fill": (lambda s, x: s.b(x.masked_fill(s.a(x) < 0, 0.0)), "calls lt as a function"),
    "where": (lambda s, x: s.b(torch.where(x > 0.5, x, 0.1)), "calls gt as a function"),
    "max": (lambda s, x: s.b(s.a(x)) + s.a(x).max(1, True).values, "calls max as a function"),
    "max by index": (
        lambda s, x: s.b(x + s.a(x).gather(1, s.a(x).argmax(1, keepdim=True))),
        "calls argmax as a function",
    ),
    "max by a number": (
        lambda s, x: s.b(x + s.a(x)[:, [int(s.a(x)[0].argmax())]]),
        "reads numbers out of an activation .__int__",
    ),
    "item": (lambda s, x: s.b(x * s.a(x)[0, 0].item()), "reads numbers out of an activation .item"),
    "numpy": (
        lambda s, x: s.b(x + torch.from_numpy(np.exp(x.detach().numpy()))),
        "reads numbers out of an activation .numpy",
    ),
    "a detached norm": (
        lambda s, x: s.b(s.a(x) / s.a(x).detach().norm(dim=1, keepdim=True)),
        "loses the gradient .detach.*multiplies or divides activations",
    ),
    "without gradient": (lambda s, x: s.b(x + quietly(s.a(x))), "loses the gradient .mul"),
    "a gate on a part": (
        lambda s, x: s.b(shrunk(s.a(x).clone(), s.a(x)[:, :2])),
        "multiplies or divides activations",
    ),
    "attention to constants": (
        lambda s, x: s.b(F.scaled_dot_product_attention(s.a(x), torch.eye(4), torch.eye(4))),
        "calls scaled_dot_product_attention as a function",
    ),
    "a homemade activation": (
        lambda s, x: s.b(s.swish(s.a(x))),
        r"forward\(\) of 'swish' \(Swish\) calls sigmoid as a function",
    ),
    "F.softmax": (lambda s, x: s.b(s.a(x).softmax(1)), "calls softmax as a function"),
    "in place on a layer's output": (
        lambda s, x: s.b(s.a(x).add_(x)),
        r"changes the output of layer 'a' in place \(add\)",
    ),
    "in place on a part of it": (
        lambda s, x: s.b(put(s.relu(s.a(x)), (slice(None), 0), 1.0)),
        r"changes the output of layer 'relu' in place \(setitem\)",
    ),
    "in place on the input": (
        lambda s, x: s.b(s.a(x.mul_(2))),
        r"changes the input in place \(mul\)",
    ),
}


def shrunk(h, gate):
    h[:, :2].mul_(gate)
    return h


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
        (nn.Softmax(dim=1), r"layer '1' \(Softmax\) .* whose outputs depend on one another"),
        (nn.Softmax2d(), r"layer '1' \(Softmax2d\) is unknown to DeepExplainer"),
        (
            nn.BatchNorm2d(2, track_running_stats=False),
            r"layer '1' \(BatchNorm2d\) has no running statistics",
        ),
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


def test_hooks_that_a_failed_explainer_left_behind_are_no_operations_of_the_net():
    import shap

    net = models.cnn((1, 8, 8), 3, width=2)
    x = torch.rand(6, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    expected = shap_values(net, x[:2], x[2:]).values
    relu = nn.ReLU()
    reused = nn.Sequential(*(relu if isinstance(layer, nn.ReLU) else layer for layer in net))
    with pytest.raises(RuntimeError, match="size of tensor"):  # one ReLU, of two sizes
        shap.DeepExplainer(reused, x[2:]).shap_values(x[:2])
    assert any(module._backward_hooks for module in net.modules())
    assert check_explainable(net, (1, 8, 8)) == []
    np.testing.assert_allclose(shap_values(net, x[:2], x[2:]).values, expected, atol=1e-6)


def test_the_model_is_left_alone():
    model = Net(FINE["residual"]).train()
    state = torch.get_rng_state()
    check_explainable(model, (4,))
    assert model.training
    assert all(p.requires_grad for p in model.parameters())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    assert torch.equal(state, torch.get_rng_state())


def test_a_softmax_inside_is_named_where_shap_is_wrong_without_a_word():
    import shap

    first = nn.Linear(3, 3, bias=False)
    last = nn.Linear(3, 2, bias=False)
    with torch.no_grad():
        first.weight.copy_(2 * torch.eye(3))
        last.weight.copy_(torch.eye(3)[:2])  # two of its outputs are taken
    model = nn.Sequential(first, nn.Softmax(dim=1), last)
    x, background = torch.tensor([[0.1, 1.0, 0.1]]), torch.zeros(1, 3)
    theirs = shap.DeepExplainer(model, background).shap_values(x, check_additivity=False)
    exact = shap_values(model, x, background, method="exact", output="logits").values
    np.testing.assert_allclose(exact[0, :, 0], [0.033, -0.229, -0.013], atol=6e-4)
    np.testing.assert_allclose(theirs[0, :, 0], [-0.209, 0, 0], atol=6e-4)  # and it adds up
    with pytest.raises(ValueError, match=r"layer '1' \(Softmax\).*use method='permutation'"):
        shap_values(model, x, background, output="logits")


@pytest.mark.parametrize("name", ["mask", "max by index", "without gradient", "a detached norm"])
def test_what_is_named_does_not_add_up_in_shap(name):
    import shap

    model, x = Net(WRONG[name][0]).eval(), 3 * torch.eye(4) - 1
    values = shap.DeepExplainer(model, -x).shap_values(x, check_additivity=False)
    with torch.no_grad():
        missed = (model(x) - model(-x).mean(0)).numpy() - np.asarray(values).sum(1)
    assert np.abs(missed).max() > 0.1


@pytest.mark.parametrize(
    "name", ["in place on a layer's output", "in place on a part of it", "in place on the input"]
)
def test_what_is_named_for_working_in_place_fails_in_shap(name):
    import shap

    with pytest.raises(RuntimeError, match="in-?place"):
        shap.DeepExplainer(Net(WRONG[name][0]).eval(), torch.rand(2, 4)).shap_values(
            torch.rand(2, 4)
        )


@pytest.mark.parametrize(
    ("x_shape", "message"),
    [
        ((5,), r"x_shape=\(5,\) does not go through model=Net: .*mat1 and mat2"),
        ((), r"x_shape=\(\) must be the shape of one input"),
        ((0,), r"x_shape=\(0,\) must be the shape of one input"),
        (4, r"x_shape=4 must be the shape of one input"),
        (None, r"x_shape=None must be the shape of one input"),
    ],
)
def test_a_shape_that_does_not_fit_is_refused(x_shape, message):
    with pytest.raises(ValueError, match=message):
        check_explainable(Net(FINE["residual"]), x_shape)


def test_what_the_linter_names_is_really_wrong():
    # shap's own values for a net with F.relu miss the output: the linter is no false alarm.
    import shap

    model, x = Net(WRONG["F.relu"][0]).eval(), 3 * torch.eye(4)
    values = shap.DeepExplainer(model, -x).shap_values(x, check_additivity=False)
    with torch.no_grad():
        missed = (model(x) - model(-x).mean(0)).numpy() - np.asarray(values).sum(1)
    assert np.abs(missed).max() > 0.1
