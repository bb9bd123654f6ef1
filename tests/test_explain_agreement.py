"""Similarities against scipy and scikit-learn, tables and controls by hand."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays as numpy_arrays
from scipy import stats
from sklearn.metrics.pairwise import cosine_similarity
from torch import nn

from distill_lessons.explain import agreement, gradients, randomisation, similarity

RNG = np.random.default_rng(0)
A = RNG.normal(size=(6, 1, 4, 4, 3))
B = 0.7 * A + RNG.normal(size=A.shape)
B[:, :, 0] = A[:, :, 0] = 0.0  # ties, as the dark margin of a digit has


def column(a: np.ndarray, n: int, k: int) -> np.ndarray:
    return a[n, ..., k].ravel()


def test_against_scipy_and_sklearn() -> None:
    cosine, rank = similarity.cosine(A, B), similarity.spearman(A, B)
    size = similarity.spearman(A, B, absolute=True)
    assert cosine.shape == rank.shape == size.shape == (6, 3)
    for n in range(6):
        for k in range(3):
            a, b = column(A, n, k), column(B, n, k)
            assert cosine[n, k] == pytest.approx(cosine_similarity(a[None], b[None])[0, 0])
            assert rank[n, k] == pytest.approx(stats.spearmanr(a, b).statistic)
            assert size[n, k] == pytest.approx(stats.spearmanr(abs(a), abs(b)).statistic)


def test_by_hand() -> None:
    a = np.array([3.0, 0.0, 4.0, -5.0])[None, :, None]  # (1, 4, 1)
    b = np.array([4.0, 1.0, 3.0, 0.0])[None, :, None]
    # 3·4 + 4·3 = 24 over √50 √26
    assert similarity.cosine(a, b).item() == pytest.approx(24 / np.sqrt(50 * 26))
    # ranks 3 2 4 1 and 4 2 3 1: 1 − 6·(1 + 0 + 1 + 0) / (4·15)
    assert similarity.spearman(a, b).item() == pytest.approx(0.8)
    # by size 2 1 3 4 and 4 2 3 1: 1 − 6·(4 + 1 + 0 + 9) / 60
    assert similarity.spearman(a, b, absolute=True).item() == pytest.approx(-0.4)
    # the two strongest: {−5, 4} at 3, 2 and {4, 3} at 0, 2
    assert similarity.topk_overlap(a, b, k=2).item() == 0.5
    # of four, b has only three that are not zero, a only three: 0, 2 in common
    assert similarity.topk_overlap(a, b, k=4).item() == 0.5


def test_zero_and_constant_maps_agree_with_nothing() -> None:
    zero, flat, map_ = np.zeros((2, 4, 1)), np.ones((2, 4, 1)), np.arange(8.0).reshape(2, 4, 1)
    for other in (zero, flat, map_):
        assert (similarity.cosine(zero, other) == 0).all()
        assert (similarity.topk_overlap(zero, other, k=2) == 0).all()
        assert (similarity.spearman(flat, other) == 0).all()
    table = agreement.compare_attributions(flat, map_, k=2).set_index("metric")
    assert table["undefined"].to_dict() == {"cosine": 0, "Spearman": 2, "top-k overlap": 0}
    table = agreement.compare_attributions(zero, map_, k=2).set_index("metric")
    assert table["undefined"].to_dict() == {"cosine": 2, "Spearman": 2, "top-k overlap": 2}


def test_tiny_attributions_do_not_underflow() -> None:
    np.testing.assert_allclose(similarity.cosine(A * 1e-200, B), similarity.cosine(A, B))


MAPS = numpy_arrays(np.float64, (2, 5, 2), elements=st.integers(-4, 4).map(float))


@settings(max_examples=60, deadline=None)
@given(MAPS, MAPS)
def test_symmetry_range_and_scale(a: np.ndarray, b: np.ndarray) -> None:
    measures = (
        similarity.cosine,
        similarity.spearman,
        lambda p, q: similarity.topk_overlap(p, q, k=2),
    )
    for measure in measures:
        value = measure(a, b)
        np.testing.assert_allclose(value, measure(b, a))
        assert (np.abs(value) <= 1).all()
        np.testing.assert_allclose(value, measure(8 * a, b), atol=1e-12)
    np.testing.assert_allclose(similarity.cosine(a, -b), -similarity.cosine(a, b))
    own = similarity.cosine(a, a)
    np.testing.assert_allclose(own, np.abs(a).max(1) > 0)  # 1, or 0 for a map of zeros


def test_compare_predictions_by_hand() -> None:
    za = np.log([[0.5, 0.5], [0.9, 0.1], [0.2, 0.8], [0.6, 0.4]]) + 3.0
    zb = np.log([[0.25, 0.75], [0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
    za[0] += [0.0, -1e-12]  # the tie falls to class 0: one disagreement of four
    table = agreement.compare_predictions(za, zb).set_index("metric")
    share = table.loc["prediction agreement"]
    # Wilson's interval for 3 of 4
    want = stats.binomtest(3, 4).proportion_ci(method="wilson")
    assert share["value"] == 0.75
    np.testing.assert_allclose([share["low"], share["high"]], [want.low, want.high], rtol=1e-6)
    # ½ ln(.5/.25) + ½ ln(.5/.75) for the first input, 0 for the others
    kl = (0.5 * np.log(2) + 0.5 * np.log(2 / 3)) / 4
    assert table.loc["KL(a || b)", "value"] == pytest.approx(kl)
    assert table.loc["KL(a || b)", "low"] < kl < table.loc["KL(a || b)", "high"]
    assert set(table["n"]) == {4}
    everyone = agreement.compare_predictions(za, za).set_index("metric")
    assert everyone.loc["prediction agreement", "low"] < 1  # four of four prove little
    assert everyone.loc["prediction agreement", "high"] == pytest.approx(1)


def test_kl_against_scipy() -> None:
    za, zb = RNG.normal(size=(2, 9, 5)) * 4
    pa, pb = (np.exp(z / 2) / np.exp(z / 2).sum(1, keepdims=True) for z in (za, zb))
    table = agreement.compare_predictions(za, zb, T=2.0).set_index("metric")
    assert table.loc["KL(a || b)", "value"] == pytest.approx(stats.entropy(pa, pb, axis=1).mean())


@pytest.mark.parametrize("same", range(0, 41, 8))
def test_the_interval_of_the_prediction_agreement_is_wilsons(same: int) -> None:
    n, z = 40, stats.norm.ppf(0.975)
    za = np.tile([1.0, 0.0], (n, 1))
    zb = np.where(np.arange(n)[:, None] < same, za, za[:, ::-1])
    row = agreement.compare_predictions(za, zb).iloc[0]
    p = same / n
    middle, half = p + z**2 / (2 * n), z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    ends = (middle + np.array([-half, half])) / (1 + z**2 / n)  # Wilson (1927)
    assert row["value"] == p
    np.testing.assert_allclose([row["low"], row["high"]], ends, atol=1e-12)


def test_compare_attributions_by_hand() -> None:
    table = agreement.compare_attributions(A, B, k=4).set_index("metric")
    per_input = similarity.cosine(A, B).mean(1)
    half = stats.t.ppf(0.975, 5) * stats.sem(per_input)
    row = table.loc["cosine"]
    np.testing.assert_allclose(
        [row["value"], row["low"], row["high"]],
        per_input.mean() + np.array([0, -half, half]),
    )
    assert table["chance"].to_dict() == {"cosine": 0, "Spearman": 0, "top-k overlap": 4 / 16}
    y = np.array([0, 1, 2, 0, 1, 2])
    one = agreement.compare_attributions(A, B, k=4, y=y).set_index("metric")
    chosen = similarity.cosine(A, B)[np.arange(6), y]
    assert one.loc["cosine", "value"] == pytest.approx(chosen.mean())


def mlp(seed: int) -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 3))


X = torch.rand(12, 1, 4, 4, generator=torch.Generator().manual_seed(0))


def test_a_comparison_beside_its_controls() -> None:
    teacher, other = mlp(0), mlp(1)
    maps = gradients.gradient_x_input(teacher, X)
    table = agreement.beside_controls(
        teacher,
        {
            "another background": (teacher, maps),
            "second teacher": other,
            "attributions only": gradients.gradient_x_input(other, X),
            "random weights": randomisation.randomised(teacher, 5),
        },
        X,
        explain=gradients.gradient_x_input,
        k=3,
    )
    assert list(table.columns)[:3] == ["comparison", "metric", "value"]
    value = table.set_index(["comparison", "metric"])["value"]
    assert value["another background", "prediction agreement"] == 1
    assert value["another background", "cosine"] == pytest.approx(1)
    assert value["another background", "KL(a || b)"] == pytest.approx(0, abs=1e-7)
    for metric in ("cosine", "Spearman", "top-k overlap"):
        assert value["attributions only", metric] == value["second teacher", metric] < 0.9
    assert ("attributions only", "KL(a || b)") not in value
    direct = agreement.compare_attributions(maps, gradients.gradient_x_input(other, X), k=3)
    rows = table[table["comparison"] == "second teacher"].iloc[2:, 1:]
    pd.testing.assert_frame_equal(rows.reset_index(drop=True), direct)


def test_models_without_an_explainer_compare_predictions() -> None:
    table = agreement.beside_controls(mlp(0), {"other": mlp(1)}, X)
    assert table["metric"].tolist() == ["prediction agreement", "KL(a || b)"]


class Mixed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3)
        self.norm = nn.BatchNorm2d(2)
        self.attend = nn.MultiheadAttention(2, 1, batch_first=True)
        self.head = nn.Linear(2, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.norm(self.conv(x)).flatten(2).swapaxes(1, 2)
        return self.head(self.attend(h, h, h)[0].mean(1))


def test_randomised_is_a_fresh_copy() -> None:
    model = Mixed().train()
    model(X)  # moves the running mean of batch norm
    before = {k: v.clone() for k, v in model.state_dict().items()}
    state = torch.get_rng_state()
    one, same, two = (randomisation.randomised(model, seed) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(v, model.state_dict()[k]) for k, v in before.items())
    assert one.training
    for name, value in one.state_dict().items():
        assert torch.equal(value, same.state_dict()[name])
    for name in ("conv.weight", "attend.in_proj_weight", "attend.out_proj.weight", "head.weight"):
        assert not torch.equal(one.state_dict()[name], before[name]), name
        assert not torch.equal(one.state_dict()[name], two.state_dict()[name]), name
    assert not one.norm.running_mean.any()
    # a layer's own initialisation: uniform within 1 / √fan-in
    assert one.conv.weight.abs().max() <= 1 / 3
    part = randomisation.randomised(model, 1, layers=["head"])
    assert torch.equal(part.conv.weight, model.conv.weight)
    assert not torch.equal(part.head.weight, model.head.weight)
    assert randomisation.resettable_layers(model) == [
        "conv",
        "norm",
        "attend",
        "attend.out_proj",  # attention itself resets only the bias of this one
        "head",
    ]
    assert randomisation.resettable_layers(nn.Linear(2, 2)) == [""]


def test_bad_input() -> None:
    nan = A.copy()
    nan[0, 0, 1, 1, 1] = np.nan

    class Free(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.w = nn.Parameter(torch.zeros(2))

    tables = np.zeros((4, 3))
    cases = [
        (lambda: similarity.cosine(A, B[:5]), "a has shape (6, 1, 4, 4, 3) but b has (5, 1"),
        (lambda: similarity.cosine(nan, B), "a holds 1 NaN or infinite values of 288"),
        (lambda: similarity.spearman(A, nan), "b holds 1 NaN or infinite values of 288"),
        (lambda: similarity.spearman(tables, tables), "attributions are (N, *input_shape, K)"),
        (lambda: similarity.topk_overlap(A, B, k=17), "k=17 must be from 1 to 16"),
        (lambda: similarity.topk_overlap(A, B, k=0), "k=0 must be from 1 to 16"),
        (lambda: agreement.compare_attributions(A[:1], B[:1]), "1 input gives no interval"),
        (lambda: agreement.compare_attributions(A, B, y=np.zeros(5, int)), "y has shape (5,)"),
        (lambda: agreement.compare_predictions(tables, tables[:, :2]), "z_a has shape (4, 3) but"),
        (
            lambda: agreement.compare_predictions(tables[:1], tables[:1]),
            "1 input gives no interval",
        ),
        (lambda: agreement.compare_predictions(tables[0], tables[0]), "z_a has shape (3,)"),
        (lambda: agreement.compare_predictions(tables, tables, T=-1), "T=-1 must be"),
        (lambda: agreement.beside_controls(A, {}), "others is empty"),
        (lambda: agreement.beside_controls(mlp(0), {"b": mlp(1)}), "x is missing, but 'reference'"),
        (lambda: agreement.beside_controls(A, {"b": mlp(1)}, X), "share neither models nor"),
        (lambda: randomisation.randomised(Free(), 0), "(Free) has weights but no reset_parameters"),
        (lambda: randomisation.randomised(nn.ReLU(), 0), "model=ReLU has no weights"),
        (lambda: randomisation.randomised(Mixed(), 0, layers=["haed"]), "Did you mean 'head'?"),
    ]
    for call, message in cases:
        with pytest.raises(ValueError, match=re.escape(message)):
            call()
