"""Exact Shapley values by axiom and by brute force; shap's explainers against them."""

from __future__ import annotations

import itertools
import math
import random

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn.datasets import load_digits
from torch import nn

from distill_lessons.explain import forward, groups, rescale, sampled, shapley
from distill_lessons.explain.additive import checked
from distill_lessons.explain.rescale import relu_stack
from distill_lessons.explain.shap_adapters import estimate_rows, shap_values
from distill_lessons.explain.shapley import coalitions, exact, shapley_matrix, shapley_of_game


def seeded(build, seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return build().eval()


def mlp(n_features, *hidden, k=10, seed=0):
    def build():
        layers, width = [nn.Flatten()], n_features
        for units in hidden:
            layers += [nn.Linear(width, units), nn.ReLU()]
            width = units
        return nn.Sequential(*layers, nn.Linear(width, k))

    return seeded(build, seed)


def conv(channels, k, side=8):
    return seeded(
        lambda: nn.Sequential(
            nn.Conv2d(channels, 5, 3, padding=1),
            nn.ReLU(),
            nn.AvgPool2d(2),
            nn.Conv2d(5, 6, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(6 * (side // 4) ** 2, k),
        )
    )


def trained(model, x, y, steps=250):
    generator = torch.Generator().manual_seed(0)
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    for _ in range(steps):
        i = torch.randint(len(x), (128,), generator=generator)
        loss = nn.functional.cross_entropy(model(x[i]), y[i])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model


@pytest.fixture(scope="module")
def digits():
    """Digits pooled to 4×4, so that each pixel is one of 16 regions."""
    x, y = load_digits(return_X_y=True)
    x = torch.tensor(x / 16, dtype=torch.float32).view(-1, 1, 8, 8)
    return nn.functional.avg_pool2d(x, 2), torch.as_tensor(y)


@pytest.fixture(scope="module")
def net(digits):
    return trained(mlp(16, 64), *digits)


@pytest.fixture(scope="module")
def truth(digits, net):
    return exact(net, digits[0][:3], digits[0][100:150], groups.singles(16))


def relative(values, truth):
    return (
        np.abs(values.reshape(truth.values.shape) - truth.values).sum() / np.abs(truth.values).sum()
    )


# --- games ----------------------------------------------------------------------------------------

few = settings(deadline=None, max_examples=60)
numbers = st.floats(-100, 100, allow_subnormal=False)


@st.composite
def games(draw, n_games=1):
    n = draw(st.integers(1, 6))
    return [draw(arrays.arrays(np.float64, 2**n, elements=numbers)) for _ in range(n_games)]


@few
@given(games())
def test_efficiency_all_that_is_won_is_shared_out(made):
    (v,) = made
    assert shapley_of_game(v).sum() == pytest.approx(v[-1] - v[0], abs=1e-9)


@few
@given(games(2), numbers, numbers)
def test_linearity(made, a, b):
    v, w = made
    joint = shapley_of_game(a * v + b * w)
    np.testing.assert_allclose(joint, a * shapley_of_game(v) + b * shapley_of_game(w), atol=1e-7)


@few
@given(games(), st.integers(0, 5), numbers)
def test_dummy_a_player_who_always_adds_c_gets_c(made, player, c):
    (v,) = made
    n = len(v).bit_length() - 1
    player %= n
    inside = coalitions(n)[:, player]
    v = v.copy()
    v[inside] = v[np.flatnonzero(inside) - 2**player] + c
    assert shapley_of_game(v)[player] == pytest.approx(c, abs=1e-9)


@few
@given(games(), st.integers(0, 5), st.integers(0, 5))
def test_symmetry_players_who_add_the_same_get_the_same(made, first, second):
    (v,) = made
    n = len(v).bit_length() - 1
    first, second = first % n, second % n
    swapped = coalitions(n)
    swapped[:, [first, second]] = swapped[:, [second, first]]
    mirror = swapped @ (1 << np.arange(n))  # the coalition with the two players exchanged
    values = shapley_of_game(v + v[mirror])
    assert values[first] == pytest.approx(values[second], abs=1e-9)


def test_three_players_worked_by_hand():
    # The glove game: player 0 has a left glove, 1 and 2 a right one each; a pair is worth 1.
    v = np.array([float(0 in s and (1 in s or 2 in s)) for s in in_order(3)])
    np.testing.assert_allclose(shapley_of_game(v), [2 / 3, 1 / 6, 1 / 6])


def in_order(n):
    return [set(np.flatnonzero(row)) for row in coalitions(n)]


def test_weights_of_each_player_sum_to_zero_and_joins_to_one():
    matrix = shapley_matrix(5)
    np.testing.assert_allclose(matrix.sum(1), 0, atol=1e-12)
    np.testing.assert_allclose(np.where(matrix > 0, matrix, 0).sum(1), 1)


def test_a_table_of_the_wrong_length_is_no_game():
    with pytest.raises(ValueError, match=r"values has 6 rows; n players have 2\^n coalitions"):
        shapley_of_game(np.zeros(6))


# --- exact values of a model ----------------------------------------------------------------------


def brute_force(model, x, background, regions, view):
    """Average each region's gain over all orders of arrival, with the plain model."""
    n, found = len(regions), []
    for image in x.flatten(1):
        known = {}

        def value(inside, image=image, known=known):
            if inside not in known:
                mixed = background.flatten(1).clone()
                for r in inside:
                    mixed[:, regions[r]] = image[regions[r]]
                with torch.no_grad():
                    known[inside] = view(model(mixed.view(-1, *x.shape[1:]))).mean(0).numpy()
            return known[inside]

        total = np.zeros((n, len(value(frozenset()))))
        for order in itertools.permutations(range(n)):
            for i, r in enumerate(order):
                total[r] += value(frozenset(order[: i + 1])) - value(frozenset(order[:i]))
        found.append(total / math.factorial(n))
    return np.stack(found)


VIEWS = {
    "centred": lambda z: z - z.mean(1, keepdim=True),
    "logits": lambda z: z,
    "softmax": lambda z: z.softmax(1),
}


@pytest.mark.parametrize("output", VIEWS)
@pytest.mark.parametrize(
    "build",
    [
        pytest.param(lambda: mlp(12, 7, k=3), id="one hidden layer"),
        pytest.param(lambda: mlp(12, 7, 5, k=3), id="two hidden layers"),
        pytest.param(lambda: mlp(12, k=4), id="linear"),
        pytest.param(
            lambda: seeded(
                lambda: nn.Sequential(nn.Conv2d(3, 4, 2), nn.Tanh(), nn.Flatten(), nn.Linear(4, 3))
            ),
            id="convolutional",
        ),
    ],
)
def test_exact_equals_brute_force_over_all_orders_of_six_players(build, output):
    model = build().double()
    generator = torch.Generator().manual_seed(1)
    x = torch.rand(2, 3, 2, 2, generator=generator, dtype=torch.float64)
    background = torch.rand(5, 3, 2, 2, generator=generator, dtype=torch.float64)
    regions = [np.array(r) for r in ([0, 5], [1], [2, 3, 4], [6, 11], [7, 8], [9, 10])]
    ours = exact(model, x, background, regions, output=output)
    expected = brute_force(model, x, background, regions, VIEWS[output])
    np.testing.assert_allclose(ours.values, expected, rtol=0, atol=1e-12)
    assert ours.values.shape == (2, 6, len(ours.base))
    assert ours.gap < 1e-12
    assert ours.rows == 2 * 2**6 * 5


@pytest.mark.parametrize("output", VIEWS)
def test_a_region_that_is_the_same_in_both_images_is_a_null_player(output, monkeypatch):
    model, regions = mlp(6, 7, 5, k=3).double(), [np.array([r]) for r in range(6)]
    generator = torch.Generator().manual_seed(2)
    x = torch.randint(2, (3, 6), generator=generator).double()
    background = torch.cat([torch.randint(2, (7, 6), generator=generator).double(), x[:1]])
    run, plain = [], shapley.image_game

    def counted(model, x, background, regions, **options):
        game = plain(model, x, background, regions, **options)
        return lambda masks: (run.append(len(masks) * len(x) * len(background)), game(masks))[1]

    monkeypatch.setattr(shapley, "image_game", counted)
    found = exact(model[1:], x, background, regions, output=output)
    expected = brute_force(model[1:], x, background, regions, VIEWS[output])
    np.testing.assert_allclose(found.values, expected, rtol=0, atol=1e-12)
    unlike = (x[:, None] != background).sum(2)  # regions in which a pair differs
    assert sum(run) == int((2**unlike)[unlike > 0].sum()) < found.rows / 4


@pytest.mark.parametrize("method", ["exact", "deep", "kernel", "permutation", "gradient"])
def test_a_linear_model_has_the_closed_form(method):
    model = mlp(8, k=3)
    generator = torch.Generator().manual_seed(0)
    x, background = torch.rand(2, 8, generator=generator), torch.rand(9, 8, generator=generator)
    model = model[1]  # Linear alone, on flat inputs
    found = shap_values(model, x, background, method=method, output="logits")
    weight = model.weight.detach().numpy().T  # (8, 3)
    closed = weight * (x - background.mean(0)).numpy()[..., None]
    # Expected gradients draw background rows at random: exact only on average.
    np.testing.assert_allclose(found.values, closed, atol=0.15 if method == "gradient" else 1e-6)
    assert found.values.shape == (2, 8, 3)


def test_chunks_change_no_value(digits, net):
    x, background = digits[0][:2], digits[0][100:110]
    columns = groups.columns((1, 4, 4))
    for model in (net, conv(1, 10, side=4)):
        roomy = exact(model, x, background, columns)
        tight = exact(model, x, background, columns, memory=0.05)
        np.testing.assert_allclose(roomy.values, tight.values, atol=1e-6)


def test_fast_and_general_game_agree(digits, net, truth):
    class Opaque(nn.Module):  # not a plain stack: takes the general path
        def __init__(self):
            super().__init__()
            self.net = net

        def forward(self, x):
            return self.net(x)

    quarters = groups.patches((1, 4, 4), 2)
    x, background = digits[0][:3], digits[0][100:150]
    fast, general = (exact(m, x, background, quarters) for m in (net, Opaque()))
    np.testing.assert_allclose(fast.values, general.values, atol=2e-6)


def test_centred_values_are_logit_values_centred(digits, net):
    x, background = digits[0][:2], digits[0][100:120]
    halves = groups.patches((1, 4, 4), (2, 4))
    raw = exact(net, x, background, halves, output="logits").values
    centred = exact(net, x, background, halves).values
    np.testing.assert_allclose(centred, raw - raw.mean(-1, keepdims=True), atol=1e-6)


# --- approximations against exact values ----------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "bound"),  # relative L1 errors that were measured before this package existed
    [
        ({"method": "deep"}, 0.076),
        ({"method": "deep", "engine": "shap"}, 0.076),
        ({"method": "gradient"}, 0.11),
        ({"method": "kernel", "samples": 2080}, 0.008),
        ({"method": "kernel", "samples": 2080, "l1_reg": "num_features(10)"}, 0.119),
        ({"method": "permutation", "samples": 1}, 0.068),
        ({"method": "permutation", "samples": 10}, 0.021),
        ({"method": "permutation", "samples": 50}, 0.010),
    ],
    ids=str,
)
def test_each_explainer_is_as_near_to_exact_values_as_was_measured(
    digits, net, truth, arguments, bound
):
    found = shap_values(net, digits[0][:3], digits[0][100:150], **arguments)
    assert found.values.shape == (3, 1, 4, 4, 10)
    assert found.values.dtype == np.float64
    assert (
        1e-4 < relative(found.values, truth) <= bound
    )  # near, and not the exact values themselves
    np.testing.assert_allclose(found.base, truth.base, atol=1e-6)
    np.testing.assert_allclose(found.outputs, truth.outputs, atol=1e-6)
    if arguments["method"] != "gradient":
        assert found.gap < 1e-5


def test_no_regularisation_is_better_than_shaps_default(digits, net, truth):
    x, background = digits[0][:3], digits[0][100:150]
    default, ours = (
        shap_values(net, x, background, method="kernel", samples=500, l1_reg=reg).values
        for reg in ("num_features(10)", 0)
    )
    assert relative(ours, truth) < relative(default, truth) / 3


def test_softmax_adds_up_and_is_wrong(digits, net):
    x, background = digits[0][:3], digits[0][100:150]
    truth = shap_values(net, x, background, method="exact", output="softmax")
    found = shap_values(net, x, background, output="softmax")
    assert found.gap < 1e-5
    assert relative(found.values, truth) > 0.2


@pytest.mark.parametrize("n", [1, 2, 5])
def test_one_round_of_orders_is_exact_where_players_meet_in_pairs(n):
    """An order and its reverse share every pair's surplus equally, and no third player matters."""
    alone, pairs = np.random.default_rng(n).normal(size=(2, n, n))

    def game(masks):
        inside = np.asarray(masks, dtype=float)
        return np.stack([inside @ alone[0], np.einsum("si,ij,sj->s", inside, pairs, inside)], 1)

    found = sampled.permutation(game, n, rounds=1, seed=0)
    np.testing.assert_allclose(found, shapley_of_game(game(coalitions(n))), atol=1e-12)


def test_all_orders_of_three_players_come_up_equally_often():
    def game(masks):
        return np.asarray(masks).all(1)[:, None] * 1.0  # it takes all three

    found = sampled.permutation(game, 3, rounds=3000, seed=0)
    np.testing.assert_allclose(found[:, 0], 1 / 3, atol=0.04)  # five standard errors


@pytest.mark.parametrize("method", ["kernel", "permutation", "exact"])
def test_regions_are_players(digits, net, method):
    x, background = digits[0][:2], digits[0][100:110]
    quarters = groups.patches((1, 4, 4), 2)
    found = shap_values(net, x, background, method=method, regions=quarters)
    assert found.values.shape == (2, 4, 10)
    # Four players have 14 coalitions besides none and all: kernel runs them all.
    close = {"kernel": 1e-5, "permutation": 0.15, "exact": 0.0}[method]
    expected = exact(net, x, background, quarters).values
    np.testing.assert_allclose(found.values, expected, atol=close)


@pytest.mark.parametrize("method", ["deep", "gradient"])
def test_regions_add_up_pixels(digits, net, method):
    x, background = digits[0][:2], digits[0][100:110]
    rows = groups.rows((1, 4, 4))
    by_row = shap_values(net, x, background, method=method, regions=rows)
    by_pixel = shap_values(net, x, background, method=method)
    np.testing.assert_allclose(by_row.values, by_pixel.values.sum((1, 3)), atol=1e-12)


def test_every_background_row_counts():
    # shap's masker would keep 100 rows of these 150 without a word.
    model = mlp(4, 8, k=3)
    generator = torch.Generator().manual_seed(0)
    x, background = torch.rand(1, 4, generator=generator), torch.rand(150, 4, generator=generator)
    background[100:] += 3
    model = nn.Sequential(*list(model)[1:])
    truth = exact(model, x, background, groups.singles(4))
    for method in ("kernel", "permutation"):
        found = shap_values(model, x, background, method=method, samples=100)
        np.testing.assert_allclose(found.values, truth.values, atol=0.02)
        np.testing.assert_allclose(found.base, truth.base, atol=1e-6)


def test_features_that_never_differ_get_nothing(digits, net):
    x, background = digits[0][:1].clone(), digits[0][100:110].clone()
    x[..., 0], background[..., 0] = 0.5, 0.5
    for method in ("kernel", "permutation", "deep", "exact"):
        found = shap_values(net, x, background, method=method)
        np.testing.assert_allclose(found.values[0, :, :, 0], 0, atol=1e-6)
    same = shap_values(net, x, x, method="kernel")
    assert not same.values.any()


# --- the rescale rule -----------------------------------------------------------------------------


@pytest.mark.parametrize("output", ["centred", "logits"])
@pytest.mark.parametrize("hidden", [(), (24,), (16, 12), (12, 10, 8)])
@pytest.mark.parametrize("k", [3, 10])
def test_our_rescale_rule_is_deep_explainer(digits, hidden, k, output, monkeypatch):
    model = mlp(16, *hidden, k=k).double()
    x, background = digits[0][:4].double(), digits[0][100:120].double()
    ours = shap_values(model, x, background, output=output)
    theirs = shap_values(model, x, background, output=output, engine="shap")
    np.testing.assert_allclose(ours.values, theirs.values, rtol=0, atol=1e-8)
    tight = shap_values(model, x, background, output=output, memory=0.3)
    np.testing.assert_allclose(ours.values, tight.values, rtol=0, atol=1e-12)
    monkeypatch.setattr(rescale, "MANY_WEIGHTS", 0)  # as for a wide first layer
    sparse = shap_values(model, x, background, output=output)
    np.testing.assert_allclose(ours.values, sparse.values, rtol=0, atol=1e-12)


def test_our_rescale_rule_holds_in_single_precision(digits, net):
    x, background = digits[0][:5], digits[0][100:200]
    ours = shap_values(net, x, background)
    theirs = shap_values(net, x, background, engine="shap")
    assert np.abs(ours.values - theirs.values).max() < 1e-5


def test_the_rule_is_used_for_plain_relu_nets_only():
    x = torch.zeros(1, 1, 4, 4)
    assert relu_stack(mlp(16, 8), x) is not None
    assert relu_stack(nn.Sequential(nn.Identity(), mlp(16, 8), nn.Dropout()), x) is not None
    assert relu_stack(conv(1, 3), x) is None
    assert relu_stack(nn.Sequential(nn.Flatten(), nn.Linear(16, 4), nn.Tanh()), x) is None
    assert relu_stack(nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2)), x) is None
    hooked = mlp(16, 8)
    hooked[1].register_forward_hook(lambda *_: None)
    assert relu_stack(hooked, x) is None


# --- colour images and convolutions ---------------------------------------------------------------


@pytest.mark.parametrize("k", [3, 10])
@pytest.mark.parametrize("method", ["deep", "gradient", "permutation", "exact"])
def test_colour_images_through_a_convolutional_net(method, k):
    generator = torch.Generator().manual_seed(0)
    x, background = (torch.rand(n, 3, 8, 8, generator=generator) for n in (2, 6))
    model = conv(3, k)
    patches = groups.patches((3, 8, 8), 4) if method in ("permutation", "exact") else None
    found = shap_values(model, x, background, method=method, regions=patches)
    assert found.values.shape == ((2, 3, 8, 8, k) if patches is None else (2, 4, k))
    assert np.abs(found.values).max() > 1e-3
    if method != "gradient":
        assert found.gap < 1e-5
    # Deep SHAP is an approximation, but over whole patches it is near the truth.
    tiles = groups.patches((3, 8, 8), 4)
    truth = exact(model, x, background, tiles).values
    if patches is None:
        flat = found.values.reshape(2, -1, k)
        found_tiles = np.stack([flat[:, tile].sum(1) for tile in tiles], 1)
    else:
        found_tiles = found.values
    assert np.corrcoef(found_tiles.ravel(), truth.ravel())[0, 1] > 0.9


# --- good manners ---------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["deep", "gradient", "kernel", "permutation", "exact"])
def test_model_and_random_states_are_left_alone(digits, method):
    model = nn.Sequential(nn.Dropout(), conv(1, 3, side=4)).train()
    states = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()  # noqa: NPY002
    weights = {name: p.detach().clone() for name, p in model.named_parameters()}
    with torch.no_grad():  # explainers need gradients; the caller need not allow them
        shap_values(
            model,
            digits[0][:1],
            digits[0][100:103],
            method=method,
            regions=groups.columns((1, 4, 4)),
            samples=None if method in ("deep", "exact") else 14,
        )
    assert torch.equal(states[0], torch.get_rng_state())
    np.testing.assert_array_equal(states[1], np.random.get_state()[1])  # noqa: NPY002
    assert states[2] == random.getstate()
    assert model.training
    assert model[0].training
    assert all(torch.equal(p, weights[name]) for name, p in model.named_parameters())
    assert all(p.requires_grad and p.grad is None for p in model.parameters())
    assert not any(
        m._forward_hooks or m._backward_hooks or hasattr(m, "x") for m in model.modules()
    )


@pytest.mark.parametrize("method", ["gradient", "kernel", "permutation"])
def test_the_seed_decides(digits, net, method):
    x, background = digits[0][:1], digits[0][100:110]
    first, again, other = (
        shap_values(net, x, background, method=method, samples=30, seed=seed).values
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 1e-6


def test_rows_are_counted(digits, net):
    x, background = digits[0][:2], digits[0][100:110]
    made = {"method": "permutation", "samples": 4, "regions": groups.rows((1, 4, 4))}
    expected = estimate_rows("permutation", 2, 10, 4, 10, 4)
    assert expected == 2 * 10 * 4 * 9
    found = shap_values(net, x, background, **made)
    # shap runs two more coalitions an image: once none, once all, for its own bookkeeping.
    assert expected <= found.rows <= expected + 2 * 2 * 10
    assert estimate_rows("exact", 1, 50, 16, 10) == 65_536 * 50
    assert estimate_rows("deep", 3, 100, 0, 10) == 3000
    assert estimate_rows("gradient", 3, 100, 0, 10, 200) == 6000
    assert estimate_rows("kernel", 1, 50, 4, 10, 2080) == 16 * 50


def test_a_long_run_is_told_before(capsys, monkeypatch):
    monkeypatch.setenv("DISTILL_LIVE", "1")
    assert forward.announce("kernel SHAP", 3_276_800, 12.3)
    assert capsys.readouterr().out == (
        "kernel SHAP: 3,276,800 rows through the model, about 12 s.\n"
    )
    assert not forward.announce("kernel SHAP", 10, 0.1)
    monkeypatch.setenv("DISTILL_LIVE", "0")
    assert not forward.announce("kernel SHAP", 3_276_800, 12.3)
    assert capsys.readouterr().out == ""


# --- bad input ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"background": torch.zeros(5, 1, 8, 8)}, r"background has shape \(5, 1, 8, 8\)"),
        ({"background": torch.zeros(0, 1, 4, 4)}, r"background has shape \(0, 1, 4, 4\)"),
        ({"background": None}, "background has shape None"),
        ({"background": torch.full((5, 1, 4, 4), torch.nan)}, "background holds 80 NaN"),
        ({"x": torch.full((1, 1, 4, 4), torch.nan)}, "x holds 16 NaN"),
        ({"method": "depp"}, "method='depp' is unknown. Did you mean 'deep'"),
        ({"output": "probabilities"}, "output='probabilities' is unknown"),
        ({"engine": "fast"}, "engine='fast' is unknown"),
        ({"samples": 0, "method": "kernel"}, "samples=0 must be at least 1"),
        ({"regions": []}, "groups is an empty list"),
        ({"regions": [range(16), []]}, "group 1 is empty"),
        ({"regions": [range(9), range(8, 16)]}, "groups overlap: feature 8 is in 2 of them"),
        ({"regions": [range(9)]}, "groups leave out 7 features, the first is 9"),
        ({"memory": 1e-6, "method": "exact"}, "memory=1e-06 MiB is less than one input takes"),
    ],
)
def test_bad_input_is_refused(digits, net, change, message):
    arguments = {"x": digits[0][:2], "background": digits[0][100:105], **change}
    with pytest.raises(ValueError, match=message):
        shap_values(net, **arguments)


def test_the_background_must_be_given(digits, net):
    with pytest.raises(TypeError, match="background"):
        shap_values(net, digits[0][:2])


def test_more_than_16_regions_are_refused():
    model, x = mlp(17, 4), torch.zeros(1, 17)
    with pytest.raises(ValueError, match=r"regions has 17 regions: 2\^17 coalitions are too many"):
        exact(model, x, x, groups.singles(17))


def test_probabilities_are_warned_of_once(digits, net):
    model = nn.Sequential(net, nn.Softmax(dim=1))
    with pytest.warns(UserWarning, match="rows sum to 1") as seen:
        shap_values(model, digits[0][:2], digits[0][100:105], method="kernel", samples=99)
    assert len([w for w in seen if "rows sum to 1" in str(w.message)]) == 1


def test_nan_attributions_are_refused():
    values, z = np.full((1, 2, 3), np.nan), np.zeros((1, 3))
    with pytest.raises(ValueError, match="method='deep' gave 6 NaN or infinite attributions"):
        checked(values, z[0], z, "deep", 0, 0.0)


def test_nan_gradients_are_refused():
    class Root(nn.Module):  # finite everywhere, with an infinite slope at zero
        def forward(self, x):
            return torch.stack([x.sum(1), (x.sum(1) * 0).sqrt()], 1)

    with pytest.raises(ValueError, match="method='gradient' gave .* NaN or infinite attributions"):
        shap_values(Root(), torch.ones(1, 4), torch.zeros(2, 4), method="gradient")


def test_a_gap_is_refused_with_its_likely_cause(digits, net):
    x, background = digits[0][:2], digits[0][100:105]
    found = shap_values(net, x, background, method="gradient", samples=5, tolerance=0.0)
    assert found.gap > 0.01  # reported, not judged: gradient adds up only on average
    message = "method='deep': .* miss the model's output by 1 .* Likely cause: no rule"
    with pytest.raises(ValueError, match=message):
        checked(np.zeros((1, 4, 2)), np.zeros(2), np.ones((1, 2)), "deep", 0, 0.0, cause="no rule")


def test_a_model_whose_rows_depend_on_one_another_has_no_exact_values(digits):
    class Relative(nn.Module):
        def forward(self, x):
            z = x.flatten(1)[:, :3]
            return z - 3 * z.max(0).values

    with pytest.raises(ValueError, match="change with the other rows of the batch"):
        exact(Relative(), digits[0][:2], digits[0][100:105], groups.columns((1, 4, 4)))
