"""Students side by side end where each would have ended alone; effects against SciPy."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd
import pytest
import scipy.stats
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from distill_lessons import evaluation, models, training
from distill_lessons.data import UNLABELLED, Split
from distill_lessons.distillation import distill, teacher_logits
from distill_lessons.fast import batched
from distill_lessons.fast.stacking import fit_many, predict_many
from distill_lessons.objectives import Loss, cross_entropy
from distill_lessons.sweep import measure_many, paired_effect, sweep

N, K, SHAPE = 40, 3, (1, 8, 8)


def toy(n: int = N, seed: int = 0) -> Split:
    g = torch.Generator().manual_seed(seed)
    y = torch.arange(n) % K
    return Split(0.5 * torch.rand(n, *SHAPE, generator=g) + 0.5 * y[:, None, None, None] / K, y)


def small_mlp(seed: int) -> nn.Sequential:
    return models.mlp(SHAPE, K, (8,), seed=seed)


def small_cnn(seed: int) -> nn.Sequential:
    return models.cnn(SHAPE, K, width=3, seed=seed)


@pytest.fixture(scope="module")
def z() -> Tensor:
    teacher = small_mlp(9)
    training.fit(teacher, toy(), steps=60, lr=0.01)
    return teacher_logits(teacher, toy().x)


def weights(model: nn.Module) -> Tensor:
    return torch.cat([t.detach().flatten() for t in model.state_dict().values()])


def assert_alike(students: list[nn.Module], expected: list[nn.Module]) -> None:
    for student, alone in zip(students, expected, strict=True):
        torch.testing.assert_close(weights(student), weights(alone), atol=1e-5, rtol=0)


# ---- The stack against the loop ------------------------------------------------------------------

GRID = list(itertools.product([0, 3], [1.0, 4.0, 20.0], [0.0, 0.4, 1.0]))  # seed, T, alpha


@pytest.mark.parametrize("build", [small_mlp, small_cnn])
def test_every_student_ends_where_it_would_alone(build, z: Tensor) -> None:
    split = toy()
    students = [build(seed) for seed, _, _ in GRID]
    seeds, Ts, alphas = zip(*GRID, strict=True)
    # 40 images in batches of 16: an epoch is 3 steps, the last of 8 images; 10 steps end within one
    fit_many(students, split, z, steps=10, T=Ts, alpha=alphas, seeds=seeds, batch_size=16, lr=0.01)
    expected = []
    for seed, T, alpha in GRID:
        alone = build(seed)
        distill(alone, split, z, steps=10, T=T, alpha=alpha, seed=seed, batch_size=16, lr=0.01)
        assert (weights(alone) - weights(build(seed))).abs().max() > 0.01  # it has learned
        expected.append(alone)
    assert_alike(students, expected)


@pytest.mark.parametrize("build", [small_mlp, small_cnn])
def test_without_a_teacher_every_student_is_a_plain_fit(build) -> None:
    students, expected = [[build(s) for s in range(3)] for _ in range(2)]
    fit_many(students, toy(), steps=10, batch_size=16, lr=0.01)
    for seed, alone in enumerate(expected):
        training.fit(alone, toy(), steps=10, batch_size=16, lr=0.01, seed=seed)
    assert_alike(students, expected)


def test_unlabelled_images_in_a_stack(z: Tensor) -> None:
    split = toy()
    split.y[::3] = UNLABELLED
    students, expected = [[small_mlp(s) for s in range(2)] for _ in range(2)]
    fit_many(students, split, z, steps=8, T=2.0, alpha=0.5, batch_size=16, lr=0.01)
    for seed, alone in enumerate(expected):
        distill(alone, split, z, steps=8, T=2.0, alpha=0.5, batch_size=16, lr=0.01, seed=seed)
    assert_alike(students, expected)


def test_each_student_may_have_its_own_images(z: Tensor) -> None:
    split = toy()
    g = torch.Generator().manual_seed(0)
    rows = torch.stack([torch.randperm(N, generator=g)[:20] for _ in range(3)])
    students, expected = [[small_mlp(s) for s in range(3)] for _ in range(2)]
    fit_many(students, split, z, steps=8, T=2.0, alpha=0.5, rows=rows, batch_size=16, lr=0.01)
    for seed, alone in enumerate(expected):
        own = split.take(rows[seed])
        distill(
            alone, own, z[rows[seed]], steps=8, T=2.0, alpha=0.5, batch_size=16, lr=0.01, seed=seed
        )
    assert_alike(students, expected)


@pytest.mark.parametrize("chunk", [1, 2, 5, 64])
def test_chunks_change_memory_and_not_results(chunk: int, z: Tensor) -> None:
    students, whole = [[small_mlp(s) for s in range(5)] for _ in range(2)]
    arguments = {"steps": 6, "T": [1.0, 2.0, 4.0, 8.0, 16.0], "alpha": 0.2, "batch_size": 16}
    fit_many(students, toy(), z, chunk=chunk, **arguments)
    fit_many(whole, toy(), z, **arguments)
    assert_alike(students, whole)
    torch.testing.assert_close(
        predict_many(students, toy().x, chunk=chunk), predict_many(whole, toy().x)
    )


def test_no_more_than_a_chunk_is_stacked_at_once(z: Tensor, monkeypatch) -> None:
    from distill_lessons.fast import stacking as module

    sizes, original = [], module.stack_module_state

    def spy(nets: list[nn.Module]) -> object:
        sizes.append(len(nets))
        return original(nets)

    monkeypatch.setattr(module, "stack_module_state", spy)
    students = [small_mlp(s) for s in range(5)]
    fit_many(students, toy(), z, steps=1, chunk=2)
    predict_many(students, toy().x, chunk=3)
    assert sizes == [2, 2, 1, 3, 2]


def test_runs_are_repeatable_and_touch_no_global_random_state(z: Tensor) -> None:
    before = torch.get_rng_state()
    first, again = [[small_mlp(s) for s in range(2)] for _ in range(2)]
    fit_many(first, toy(), z, steps=5, alpha=0.5)
    torch.rand(1)
    state = torch.get_rng_state()
    fit_many(again, toy(), z, steps=5, alpha=0.5)
    assert torch.equal(torch.get_rng_state(), state)
    assert not torch.equal(before, state)
    assert all(torch.equal(weights(a), weights(b)) for a, b in zip(first, again, strict=True))


def test_every_part_of_every_student_ends_in_its_own_mode(z: Tensor) -> None:
    students = [small_mlp(s) for s in range(4)]
    students[1].eval()
    students[2][2].eval()
    modes = [[m.training for m in student.modules()] for student in students]
    fit_many(students, toy(), z, steps=2, chunk=3)
    measure_many(students, toy())
    assert [[m.training for m in student.modules()] for student in students] == modes


# ---- Both ways through a stack -------------------------------------------------------------------


def two_hidden(seed: int) -> nn.Sequential:
    return models.mlp(SHAPE, 10, (12, 7), seed=seed)


def linear(seed: int) -> nn.Sequential:
    return models.mlp(SHAPE, 10, (), seed=seed)


class Residual(nn.Module):
    """A net that is no plain stack of layers."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(64, 8), nn.Linear(72, 10, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        flat = x.flatten(1)
        return self.last(torch.cat([flat, torch.tanh(self.first(flat))], 1))


def residual(seed: int) -> nn.Module:
    return models.seeded(Residual, seed)


def shared_relu(seed: int) -> nn.Module:
    flat, first, relu, second, _, last = two_hidden(seed)
    return nn.Sequential(flat, first, relu, second, relu, last)


def without_bias(seed: int) -> nn.Module:
    flat, _, relu, last = models.mlp(SHAPE, 10, (8,), seed=seed)
    return nn.Sequential(
        flat, models.seeded(lambda: nn.Linear(64, 8, bias=False), seed), relu, last
    )


def hooked(seed: int) -> nn.Module:
    net = two_hidden(seed)
    net[2].register_forward_hook(lambda module, args, out: 2 * out)
    return net


WAYS = {
    two_hidden: True,
    linear: True,
    residual: False,
    shared_relu: False,
    without_bias: False,
    hooked: False,
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("build", "plain"), WAYS.items())
def test_ten_classes_mixed_terms_and_missing_labels(build, plain: bool, dtype, monkeypatch) -> None:
    ran = []
    original = batched._run_plain
    monkeypatch.setattr(batched, "_run_plain", lambda *a: ran.append(1) or original(*a))
    g = torch.Generator().manual_seed(1)
    split = Split(torch.rand(N, *SHAPE, generator=g).to(dtype), torch.arange(N) % 10)
    split.y[::4] = UNLABELLED
    z_teacher = 4 * torch.randn(N, 10, generator=g)  # of a teacher in single precision
    arguments = {"steps": 9, "batch_size": 16, "lr": 0.01}
    students = [build(seed).to(dtype) for seed, _, _ in GRID]
    seeds, Ts, alphas = zip(*GRID, strict=True)
    fit_many(students, split, z_teacher, T=Ts, alpha=alphas, seeds=seeds, **arguments)
    assert bool(ran) == plain
    expected = []
    for seed, T, alpha in GRID:
        expected.append(build(seed).to(dtype))
        distill(expected[-1], split, z_teacher, T=T, alpha=alpha, seed=seed, **arguments)
    assert_alike(students, expected)


@pytest.mark.parametrize("alpha", [0.0, 1.0])
@pytest.mark.parametrize("build", [two_hidden, residual])
def test_a_term_that_all_students_lack(build, alpha: float) -> None:
    g = torch.Generator().manual_seed(1)
    split = Split(torch.rand(N, *SHAPE, generator=g), torch.arange(N) % 10)
    z_teacher = 4 * torch.randn(N, 10, generator=g)
    arguments = {"steps": 9, "T": 2.0, "alpha": alpha, "batch_size": 16, "lr": 0.01}
    students, expected = [[build(s) for s in range(3)] for _ in range(2)]
    fit_many(students, split, z_teacher, **arguments)
    for seed, alone in enumerate(expected):
        distill(alone, split, z_teacher, seed=seed, **arguments)
    assert_alike(students, expected)


def test_a_frozen_layer_stays_frozen(z: Tensor) -> None:
    students, expected = [[small_mlp(s) for s in range(2)] for _ in range(2)]
    for net in (*students, *expected):
        net[1].requires_grad_(False)
    fit_many(students, toy(), z, steps=8, alpha=0.5, batch_size=16, lr=0.01)
    for seed, alone in enumerate(expected):
        distill(alone, toy(), z, steps=8, T=1.0, alpha=0.5, batch_size=16, lr=0.01, seed=seed)
    assert_alike(students, expected)
    assert torch.equal(students[1][1].weight, small_mlp(1)[1].weight)


# ---- Another loss --------------------------------------------------------------------------------


def without_t_squared(z: Tensor) -> Loss:
    def loss(logits: Tensor, labels: Tensor, index: Tensor) -> Tensor:
        log_p, log_q = (z[index] / 4).log_softmax(1), (logits / 4).log_softmax(1)
        soft = (log_p.exp() * (log_p - log_q)).sum(1).mean()
        return 0.1 * F.cross_entropy(logits, labels) + 0.9 * soft

    return loss


@pytest.mark.parametrize("build", [small_mlp, small_cnn])
def test_another_loss_in_a_stack_is_that_loss_in_fit(build, z: Tensor) -> None:
    students, expected = [[build(s) for s in range(3)] for _ in range(2)]
    arguments = {"loss": without_t_squared(z), "steps": 10, "batch_size": 16, "lr": 0.01}
    fit_many(students, toy(), **arguments)
    for seed, alone in enumerate(expected):
        training.fit(alone, toy(), seed=seed, **arguments)
    assert_alike(students, expected)


def test_another_loss_needs_no_labels(z: Tensor) -> None:
    def match(logits: Tensor, labels: Tensor, index: Tensor) -> Tensor:
        return (logits - z[index]).square().mean()

    students, expected = [[small_mlp(s) for s in range(2)] for _ in range(2)]
    fit_many(students, toy().without_labels(), loss=match, steps=4)
    for seed, alone in enumerate(expected):
        training.fit(alone, toy(), match, steps=4, seed=seed)
    assert_alike(students, expected)


@pytest.mark.parametrize("given", [{"z_teacher": torch.zeros(N, K)}, {"T": 2.0}, {"alpha": 0.5}])
def test_another_loss_beside_the_parts_of_the_usual_one(given) -> None:
    with pytest.raises(
        ValueError, match="^loss replaces the distillation loss, .* function itself"
    ):
        fit_many(pair(), toy(), loss=cross_entropy, steps=1, **given)


# ---- Measuring -----------------------------------------------------------------------------------


@pytest.mark.parametrize("build", [small_mlp, small_cnn])
def test_measuring_many_equals_measuring_each(build) -> None:
    students = [build(s) for s in range(5)]
    found = measure_many(students, toy(seed=4))
    assert list(found.columns) == ["accuracy", "loss"]
    for row, student in zip(found.itertuples(), students, strict=True):
        alone = evaluation.evaluate(student, toy(seed=4))
        assert row.accuracy == pytest.approx(alone["accuracy"])
        assert row.loss == pytest.approx(alone["loss"], rel=1e-5)
    z = predict_many(students, toy().x, chunk=2)
    assert z.shape == (5, N, K)
    assert not z.is_inference()
    assert not z.requires_grad
    for logits, student in zip(z, students, strict=True):
        torch.testing.assert_close(logits, evaluation.predict(student, toy().x))


def test_dropout_sleeps_while_students_are_measured() -> None:
    students = [models.mlp(SHAPE, K, (8,), dropout=0.5, seed=s) for s in range(2)]
    z = predict_many(students, toy().x)
    torch.testing.assert_close(z[1], evaluation.predict(students[1], toy().x))


def test_a_sweep_is_tidy_and_each_row_is_the_student_it_says(z: Tensor) -> None:
    frame = sweep(
        small_mlp,
        toy(),
        z,
        toy(seed=4),
        Ts=[1.0, 4.0],
        alphas=[0.0, 0.5],
        seeds=[5, 6, 7],
        steps=6,
        batch_size=16,
        lr=0.01,
    )
    assert list(frame.columns) == ["seed", "T", "alpha", "accuracy", "loss"]
    assert len(frame) == 12
    assert not frame.duplicated(["seed", "T", "alpha"]).any()
    assert not frame.isna().any(axis=None)
    for row in frame.itertuples():
        alone = small_mlp(row.seed)
        distill(
            alone,
            toy(),
            z,
            steps=6,
            T=row.T,
            alpha=row.alpha,
            seed=row.seed,
            batch_size=16,
            lr=0.01,
        )
        assert row.loss == pytest.approx(evaluation.evaluate(alone, toy(seed=4))["loss"], abs=1e-5)


# ---- Paired effects ------------------------------------------------------------------------------


def runs() -> pd.DataFrame:
    g = np.random.default_rng(0)
    rows = [
        {"seed": seed, "T": T, "alpha": alpha, "accuracy": 0.8 + 0.01 * T + 0.05 * g.normal()}
        for seed in range(8)
        for T in (1.0, 4.0)
        for alpha in (0.0, 0.3)
    ]
    return pd.DataFrame(rows).sample(frac=1, random_state=0)  # the order of rows says nothing


def test_paired_effect_agrees_with_scipy() -> None:
    frame = runs()
    effect = paired_effect(frame, {"T": 4.0, "alpha": 0.3}, {"T": 1.0, "alpha": 0.3})
    chosen = frame[frame["alpha"] == 0.3].pivot(index="seed", columns="T", values="accuracy")
    interval = scipy.stats.ttest_rel(chosen[4.0], chosen[1.0]).confidence_interval(0.95)
    assert effect.low == pytest.approx(interval.low)
    assert effect.high == pytest.approx(interval.high)
    assert effect.value == pytest.approx((chosen[4.0] - chosen[1.0]).mean())
    assert effect.n == 8
    assert effect.wins == int((chosen[4.0] > chosen[1.0]).sum())
    assert effect.unit == "points"


def test_paired_effect_of_another_column_and_pair() -> None:
    frame = runs().rename(columns={"seed": "split", "accuracy": "loss"})
    effect = paired_effect(
        frame,
        {"T": 1, "alpha": 0.3},
        {"T": 4, "alpha": 0.3},
        value="loss",
        pair_by="split",
        unit="",
    )
    mirrored = paired_effect(
        frame,
        {"T": 4, "alpha": 0.3},
        {"T": 1, "alpha": 0.3},
        value="loss",
        pair_by="split",
        unit="",
    )
    assert (effect.low, effect.high) == pytest.approx((-mirrored.high, -mirrored.low))
    assert effect.unit == ""


def test_paired_effect_finds_numbers_that_are_equal_but_for_rounding() -> None:
    frame = runs().replace({"alpha": {0.3: 0.1 + 0.2}})
    assert paired_effect(frame, {"T": 4.0, "alpha": 0.3}, {"T": 1.0, "alpha": 0.3}).n == 8


def test_paired_effect_picks_by_words_too() -> None:
    frame = pd.DataFrame(
        {"seed": [0, 1] * 2, "kind": ["a", "a", "b", "b"], "accuracy": [1, 3, 0, 1]}
    )
    assert paired_effect(frame, {"kind": "a"}, {"kind": "b"}, unit="").value == 1.5


EFFECT_ERRORS = {
    "no such column": (
        {"temperature": 4.0},
        {},
        r"treatment names \['temperature'\], no columns of frame; use some of",
    ),
    "no such row": (
        {"T": 4.0, "alpha": 0.0},
        {"T": 2.0, "alpha": 0.0},
        r"control=\{'T': 2.0, 'alpha': 0.0\} picks no row of the frame; check its values",
    ),
    "no such number, then another": (
        {"T": 2.0, "alpha": 0.3},
        {"T": 1.0, "alpha": 0.3},
        r"treatment=\{'T': 2.0, 'alpha': 0.3\} picks no row of the frame; check its values",
    ),
    "nothing like a number": (
        {"T": "4", "alpha": 0.3},
        {"T": 1.0, "alpha": 0.3},
        r"treatment=\{'T': '4', 'alpha': 0.3\} picks no row",
    ),
    "several rows": (
        {"T": 4.0},
        {"T": 1.0},
        r"treatment=\{'T': 4.0\} picks several rows for one seed; name more columns",
    ),
}


@pytest.mark.parametrize(
    ("treatment", "control", "expected"), EFFECT_ERRORS.values(), ids=EFFECT_ERRORS
)
def test_bad_arguments_of_paired_effect(treatment, control, expected: str) -> None:
    with pytest.raises(ValueError, match=f"^{expected}"):
        paired_effect(runs(), treatment, control)


def test_pairs_without_a_partner() -> None:
    frame = runs()
    frame = frame[(frame["seed"] != 3) | (frame["T"] == 1.0)]
    with pytest.raises(ValueError, match="treatment and control have different values of 'seed'"):
        paired_effect(frame, {"T": 4.0, "alpha": 0.3}, {"T": 1.0, "alpha": 0.3})


def test_a_value_that_is_missing() -> None:
    with pytest.raises(ValueError, match="value='f1' is no column of frame; use one of"):
        paired_effect(runs(), {"T": 4.0}, {"T": 1.0}, value="f1")


# ---- Bad input -----------------------------------------------------------------------------------


def with_tanh() -> nn.Sequential:
    """An MLP of the same parameters with another activation."""
    flat, first, _, last = small_mlp(0)
    return nn.Sequential(flat, first, nn.Tanh(), last)


def with_norm() -> nn.Sequential:
    return nn.Sequential(nn.Flatten(), nn.BatchNorm1d(64), nn.Linear(64, K))


def with_channel_dropout() -> nn.Sequential:
    return nn.Sequential(nn.Dropout2d(0.5), nn.Flatten(), nn.Linear(64, K))


def pair() -> list[nn.Module]:
    return [small_mlp(0), small_mlp(1)]


STUDENT_ERRORS = {
    "none": (list, "students is empty; give at least one net"),
    "widths": (
        lambda: [small_mlp(0), models.mlp(SHAPE, K, (9,))],
        r"students\[1\] differs from students\[0\] in its layers; stack only nets that are built",
    ),
    "activations": (
        lambda: [small_mlp(0), with_tanh()],
        r"students\[1\] differs from students\[0\]",
    ),
    "one net twice": (lambda: pair()[:1] * 2, "students holds one net twice; build a net for each"),
    "dropout": (
        lambda: [models.mlp(SHAPE, K, (8,), dropout=0.1, seed=s) for s in range(2)],
        r"students contain Dropout, .* train them one by one with training.fit",
    ),
    "channel dropout": (
        lambda: [with_channel_dropout() for _ in range(2)],
        "students contain Dropout2d, .* train them one by one",
    ),
    "batch norm": (
        lambda: [with_norm() for _ in range(2)],
        "students contain BatchNorm1d, .* train them one by one",
    ),
}


@pytest.mark.parametrize(("students", "expected"), STUDENT_ERRORS.values(), ids=STUDENT_ERRORS)
def test_students_that_cannot_be_stacked(students, expected: str) -> None:
    with pytest.raises(ValueError, match=f"^{expected}"):
        fit_many(students(), toy(), steps=1)


def test_dropout_of_nothing_is_harmless() -> None:
    students = [nn.Sequential(nn.Flatten(), nn.Dropout(0.0), nn.Linear(64, K)) for _ in range(2)]
    fit_many(students, toy(), steps=1)


Z = torch.zeros(N, K)
FIT_ERRORS = {
    "steps": ({"steps": 0}, "steps=0 must be at least 1"),
    "batch size": ({"batch_size": 0}, "batch_size=0 must be at least 1"),
    "chunk": ({"chunk": -1}, "chunk=-1 must be at least 1"),
    "learning rate": ({"lr": 0.0}, "lr=0.0 must be a positive number; 1e-3 suits Adam"),
    "temperature": ({"T": [1.0, -1.0]}, "T=-1.0 must be a positive number"),
    "alpha": ({"alpha": 2.0}, r"alpha=2.0 must be in \[0, 1\]"),
    "temperatures": ({"T": [1.0] * 3}, "T has 3 values for 2 students; give one or 2"),
    "alphas": ({"alpha": [1.0]}, "alpha has 1 values for 2 students; give one or 2"),
    "seeds": ({"seeds": [1]}, "seeds has 1 entries for 2 students; give one each"),
    "teacher": (
        {"z_teacher": None, "alpha": [1.0, 0.5]},
        "z_teacher is missing; only students with alpha=1 learn without it",
    ),
    "teacher rows": ({"z_teacher": Z[1:]}, f"z_teacher has {N - 1} rows for {N} transfer images"),
    "teacher classes": (
        {"z_teacher": torch.zeros(N, 5)},
        "z_teacher has 5 classes but the student returns 3 logits",
    ),
    "flat rows": ({"rows": torch.arange(N)}, r"rows has shape \(40,\); give \(2, n\), n >= 1"),
    "rows for others": (
        {"rows": torch.zeros(3, 4).long()},
        r"rows has shape \(3, 4\); give \(2, n\), n >= 1",
    ),
    "empty rows": ({"rows": torch.zeros(2, 0).long()}, r"rows has shape \(2, 0\); give \(2, n\)"),
    "rows beyond": (
        {"rows": torch.full((2, 4), N)},
        f"rows must hold int64 indices of images, from 0 to {N - 1}",
    ),
    "negative rows": ({"rows": torch.full((2, 4), -1)}, "rows must hold int64 indices of images"),
    "float rows": ({"rows": torch.zeros(2, 4)}, "rows must hold int64 indices of images"),
    "no label": (
        {"split": toy().without_labels()},
        r"alpha=1.0 weighs labels, but rows\[0\] holds no labelled image; use alpha=0",
    ),
    "label": (
        {"split": Split(toy().x, toy().y + 1)},
        "transfer.y holds 3; with 3 classes labels go from 0 to 2",
    ),
}


@pytest.mark.parametrize(("changes", "expected"), FIT_ERRORS.values(), ids=FIT_ERRORS)
def test_bad_arguments_of_fit_many(changes, expected: str) -> None:
    students = pair()
    arguments = {"split": toy(), "z_teacher": Z, "steps": 1} | changes
    with pytest.raises(ValueError, match=f"^{expected}"):
        fit_many(students, **arguments)
    assert all(torch.equal(weights(a), weights(b)) for a, b in zip(students, pair(), strict=True))


def test_rows_of_one_student_without_a_label() -> None:
    split = toy()
    split.y[:5] = UNLABELLED
    rows = torch.tensor([[5, 6], [0, 1]])
    with pytest.raises(ValueError, match=r"alpha=0.5 .* rows\[1\] holds no labelled image"):
        fit_many(pair(), split, Z, steps=1, alpha=0.5, rows=rows)
    fit_many(pair(), split, Z, steps=1, alpha=[0.5, 0.0], rows=rows)


def test_a_student_that_diverges_is_named_with_the_remedy() -> None:
    students = pair()
    with torch.no_grad():
        students[1][3].weight.fill_(math.inf)
    with pytest.raises(
        ValueError, match=r"student of seed 7 is no longer finite with lr=0.01; try"
    ):
        fit_many(students, toy(), steps=2, seeds=[6, 7], lr=0.01)


def test_numbers_of_numpy_are_numbers(z: Tensor) -> None:
    students, expected = pair(), pair()
    fit_many(students, toy(), z, steps=1, T=np.float32(2), alpha=np.linspace(0, 1, 2))
    fit_many(expected, toy(), z, steps=1, T=2.0, alpha=[0.0, 1.0])
    assert_alike(students, expected)


@pytest.mark.parametrize("empty", ["Ts", "alphas", "seeds"])
def test_an_empty_grid(empty: str, z: Tensor) -> None:
    lists = {"Ts": [1.0], "alphas": [0.0], "seeds": [0]} | {empty: []}
    with pytest.raises(ValueError, match="seeds, Ts and alphas must each hold at least one value"):
        sweep(small_mlp, toy(), z, toy(), steps=1, **lists)


def test_a_sweep_measured_on_images_without_labels(z: Tensor) -> None:
    hidden = toy().without_labels()
    with pytest.raises(ValueError, match="measure holds images without labels; accuracy needs all"):
        # refused before the training, which would never end
        sweep(small_mlp, toy(), z, hidden, Ts=[1], alphas=[0], seeds=[0], steps=10**9)


def test_measuring_without_labels_or_students() -> None:
    with pytest.raises(ValueError, match="split holds images without labels; accuracy needs all"):
        measure_many(pair(), toy().without_labels())
    with pytest.raises(ValueError, match="students is empty; give at least one net"):
        measure_many([], toy())
    with pytest.raises(ValueError, match=r"students\[1\] differs from students\[0\] in its layers"):
        predict_many([small_mlp(0), with_tanh()], toy().x)


def test_effects_with_a_nan_are_refused() -> None:
    frame = runs()
    frame.loc[0, "accuracy"] = math.nan
    with pytest.raises(
        ValueError, match="frame holds NaN or infinite numbers in 'accuracy'; find the run"
    ):
        paired_effect(frame, {"T": 4.0, "alpha": 0.0}, {"T": 1.0, "alpha": 0.0})
