"""Nets of the sizes that were asked for, and their costs counted by hand."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from distill_lessons import models
from distill_lessons.models import (
    cnn,
    count_multiply_adds,
    count_parameters,
    latency,
    mlp,
    suited,
)

SHAPE = (3, 9, 10)  # neither square nor grey nor a multiple of four


def weights(model: nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in model.parameters()])


# ---- Costs ---------------------------------------------------------------------------------------


def test_cost_of_an_mlp_by_hand() -> None:
    net = mlp((1, 8, 8), 10, hidden=(32, 16))
    # weights 64·32 + 32·16 + 16·10 = 2048 + 512 + 160 = 2720, biases 32 + 16 + 10 = 58
    assert count_parameters(net) == 2778
    assert count_multiply_adds(net, (1, 8, 8)) == 2720


def test_cost_of_a_cnn_by_hand() -> None:
    net = cnn((1, 8, 8), 10, width=4)
    # conv 1: 4·1·3·3 + 4 = 40; conv 2: 8·4·3·3 + 8 = 296; linear: 8·2·2·10 + 10 = 330
    assert count_parameters(net) == 666
    # conv 1 at 8·8 places: 64·36 = 2304; conv 2 at 4·4: 16·288 = 4608; linear: 320
    assert count_multiply_adds(net, (1, 8, 8)) == 7232


def test_cost_of_images_that_pool_unevenly() -> None:
    # 9×10 -> 4×5 -> 2×2: the linear layer sees 2·4·2·2 = 32 numbers.
    net = cnn(SHAPE, 5, width=4)
    assert count_parameters(net) == (4 * 27 + 4) + (8 * 36 + 8) + (32 * 5 + 5)
    assert count_multiply_adds(net, SHAPE) == 90 * 4 * 27 + 20 * 8 * 36 + 160
    assert net(torch.rand(2, *SHAPE)).shape == (2, 5)


class Reader(nn.Module):
    """Attention over the rows of an image, then an LSTM."""

    def __init__(self) -> None:
        super().__init__()
        self.attend = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.remember = nn.LSTM(8, 4, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.remember(self.attend(x[:, 0]))[0][:, -1]


def test_cost_of_attention_and_memory_by_hand() -> None:
    # 6 rows of 8: 8·24 in, 2 heads of 6·6·4 twice, 8·8 out, 8·16 and 16·8 after it; LSTM: 4 gates
    attention = 6 * 192 + 2 * 2 * 144 + 6 * 64 + 2 * 6 * 128
    assert count_multiply_adds(Reader(), (1, 6, 8)) == attention + 6 * 4 * (8 + 4) * 4


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16])
def test_cost_of_other_precisions_and_of_a_net_without_weights(dtype: torch.dtype) -> None:
    assert count_multiply_adds(mlp((1, 4, 4), 3, (8,)).to(dtype), (1, 4, 4)) == 128 + 24
    assert count_multiply_adds(nn.Flatten(), (1, 4, 4)) == 0
    assert count_parameters(nn.Flatten()) == 0


def test_counting_leaves_the_model_alone() -> None:
    net = mlp((1, 4, 4), 3, (8,), dropout=0.5)
    net[2].eval()
    modes = [m.training for m in net.modules()]
    count_multiply_adds(net, (1, 4, 4))
    assert [m.training for m in net.modules()] == modes
    assert not any(m._forward_hooks for m in net.modules())


# ---- Structure -----------------------------------------------------------------------------------


@pytest.mark.parametrize("hidden", [(), (8,), (8, 6, 4)])
def test_mlp_has_a_fresh_activation_for_each_use_and_ends_in_logits(hidden) -> None:
    net = mlp(SHAPE, 5, hidden)
    kinds = [type(m) for m in net]
    assert kinds == [nn.Flatten, *[nn.Linear, nn.ReLU] * len(hidden), nn.Linear]
    activations = [m for m in net if isinstance(m, nn.ReLU)]
    assert len({id(m) for m in activations}) == len(hidden)
    assert not any(m.inplace for m in activations)
    assert net(torch.rand(2, *SHAPE)).shape == (2, 5)
    # Logits may be negative and rows need not sum to one: there is no softmax inside.
    z = net(100 * torch.rand(50, *SHAPE))
    assert z.min() < 0
    assert not torch.allclose(z.sum(1), torch.ones(50))


def test_cnn_has_a_fresh_activation_for_each_use_and_no_overlapping_pool() -> None:
    net = cnn(SHAPE, 5)
    activations = [m for m in net if isinstance(m, nn.ReLU)]
    assert len({id(m) for m in activations}) == 2
    pools = [m for m in net if isinstance(m, nn.AvgPool2d)]
    assert [(p.kernel_size, p.stride) for p in pools] == [(2, 2), (2, 2)]
    assert isinstance(net[-1], nn.Linear)


@pytest.mark.parametrize(("hidden", "width"), [((512, 512), 16), ((64,), 5), ((32,), 4), ((1,), 1)])
def test_colour_images_get_a_conv_net_of_the_width_that_the_docstring_says(hidden, width) -> None:
    net, same = suited(SHAPE, 5, hidden, seed=3), cnn(SHAPE, 5, width=width, seed=3)
    assert repr(net) == repr(same)
    assert torch.equal(weights(net), weights(same))


@pytest.mark.parametrize(
    ("shape", "hidden"), [((1, 9, 10), (32,)), ((2, 9, 10), (8, 6)), (SHAPE, ())]
)
def test_other_images_and_linear_models_get_an_mlp_as_before(shape, hidden) -> None:
    net, same = suited(shape, 5, hidden, seed=3), mlp(shape, 5, hidden, seed=3)
    assert repr(net) == repr(same)
    assert torch.equal(weights(net), weights(same))


def test_dropout_stands_after_each_hidden_layer_and_works_only_in_training() -> None:
    net = mlp(SHAPE, 5, (8, 6), dropout=0.5)
    assert [m.p for m in net if isinstance(m, nn.Dropout)] == [0.5, 0.5]
    assert not any(isinstance(m, nn.Dropout) for m in mlp(SHAPE, 5, (8, 6)))
    x = torch.rand(4, *SHAPE)
    net.eval()
    assert torch.equal(net(x), net(x))


# ---- Randomness ----------------------------------------------------------------------------------


@pytest.mark.parametrize("build", [mlp, cnn])
def test_initial_weights_depend_on_the_seed_alone(build) -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = weights(build((1, 8, 8), 10, seed=3))
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert torch.equal(first, weights(build((1, 8, 8), 10, seed=3)))
    assert not torch.equal(first, weights(build((1, 8, 8), 10, seed=4)))


def test_random_state_comes_back_when_building_fails() -> None:
    def fail() -> nn.Module:
        torch.rand(3)
        raise RuntimeError

    before = torch.get_rng_state()
    with pytest.raises(RuntimeError):
        models.seeded(fail, seed=0)
    assert torch.equal(torch.get_rng_state(), before)


# ---- Latency -------------------------------------------------------------------------------------


def test_latency_is_the_median_of_the_timed_passes(monkeypatch) -> None:
    passes = 0
    # Five passes that only look at the clock, then three that take 1, 9 and 2 ms.
    clock = iter([0.0] * 5 + [1.0, 1.001, 2.0, 2.009, 3.0, 3.002])
    monkeypatch.setattr(models, "time", SimpleNamespace(perf_counter=lambda: next(clock)))

    def count(*_: object) -> None:
        nonlocal passes
        passes += 1

    net = mlp((1, 4, 4), 3, (8,))
    net.register_forward_hook(count)
    assert latency(net, torch.rand(1, 1, 4, 4), repeats=3) == pytest.approx(2.0)
    assert passes == 9  # one to see that the net takes such images


def test_latency_waits_for_the_device_of_the_images(monkeypatch) -> None:
    waited: list[torch.device] = []
    monkeypatch.setattr(torch.accelerator, "synchronize", waited.append)
    for name in ("cpu", "cuda:1", "mps"):
        models._wait_for(torch.device(name))
    assert waited == [torch.device("cuda:1"), torch.device("mps")]
    monkeypatch.setattr(models, "_wait_for", waited.append)
    waited.clear()
    latency(mlp((1, 4, 4), 3, (8,)), torch.rand(1, 1, 4, 4), repeats=2)
    assert waited == [torch.device("cpu")] * 2 * (5 + 2)  # before and after each pass


@pytest.mark.filterwarnings("ignore:.*weight_norm.* is deprecated")
def test_latency_spoils_no_weights_that_are_made_on_the_way() -> None:
    net = nn.Sequential(nn.Flatten(), nn.utils.weight_norm(nn.Linear(16, 3)))
    latency(net, torch.rand(1, 1, 4, 4), repeats=1)
    net(torch.rand(1, 1, 4, 4)).sum().backward()


def test_latency_leaves_the_images_as_they_are() -> None:
    x = torch.rand(2, 1, 4, 4)
    before = x.clone()
    doubling = mlp((1, 4, 4), 3, (8,))
    doubling.register_forward_pre_hook(lambda module, inputs: inputs[0].mul_(2))
    latency(doubling, x, repeats=1)
    assert torch.equal(x, before)


def test_latency_is_positive_and_restores_the_mode() -> None:
    norms = nn.BatchNorm1d(16), nn.BatchNorm1d(16).eval()  # one trains, one is frozen
    net = nn.Sequential(nn.Flatten(), *norms, nn.Linear(16, 3))
    before = [m.training for m in net.modules()]
    state = net[1].running_mean.clone()
    assert latency(net, torch.rand(2, 1, 4, 4), repeats=2) > 0
    assert [m.training for m in net.modules()] == before
    assert torch.equal(net[1].running_mean, state)


# ---- Bad input -----------------------------------------------------------------------------------

ERRORS = {
    "flat shape": (lambda: mlp((8, 8), 10), r"image_shape=\(8, 8\) must be \(C, H, W\), all pos"),
    "empty shape": (lambda: cnn((1, 0, 8), 10), r"image_shape=\(1, 0, 8\) must be \(C, H, W\)"),
    "one class": (lambda: mlp((1, 8, 8), 1), "n_classes=1: a classifier needs at least two"),
    "no unit": (lambda: mlp((1, 8, 8), 10, (8, 0)), r"hidden=\(8, 0\): every layer needs at lea"),
    "no width": (lambda: cnn((1, 8, 8), 10, width=0), "width=0: every layer needs at least one"),
    "tiny image": (lambda: cnn((1, 3, 8), 10), r"image_shape=\(1, 3, 8\): two poolings need .*4×4"),
    "no unit in colour": (lambda: suited(SHAPE, 5, (-1,)), r"hidden=\(-1,\): every layer needs at"),
    "tiny in colour": (lambda: suited((3, 3, 8), 10), r"image_shape=\(3, 3, 8\): two poolings"),
    "all dropped": (lambda: mlp((1, 8, 8), 10, dropout=1.0), r"dropout=1.0 must be a probability"),
    "negative dropout": (
        lambda: mlp((1, 8, 8), 10, dropout=-0.1),
        r"dropout=-0.1 must be .* \[0, 1",
    ),
    "no repeats": (
        lambda: latency(mlp((1, 4, 4), 3), torch.rand(1, 1, 4, 4), repeats=0),
        "repeats=0 must be at least 1",
    ),
}


@pytest.mark.parametrize(("call", "expected"), ERRORS.values(), ids=ERRORS)
def test_bad_input(call, expected: str) -> None:
    with pytest.raises(ValueError, match=f"^{expected}"):
        call()
