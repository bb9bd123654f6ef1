"""Repeats with a split, a teacher and a student of their own, against loops of single runs."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from distill_lessons import distillation, evaluation, models, sweep, training
from distill_lessons.data import Data, Split
from distill_lessons.fast import repeats
from distill_lessons.fast.repeats import Repeats
from distill_lessons.fast.stacking import fit_many

K, SHAPE, R, STEPS = 3, (1, 4, 4), 3, 12


def some(n: int, seed: int) -> Split:
    g = torch.Generator().manual_seed(seed)
    y = torch.arange(n) % K
    return Split((torch.rand(n, *SHAPE, generator=g) + y[:, None, None, None] / 4) / 2, y)


FOUND = Data("toy", some(60, 0), some(12, 1), some(24, 2), ("a", "b", "c"))


def net(seed: int) -> nn.Module:
    return models.mlp(SHAPE, K, (6,), seed=seed)


def weights(model: nn.Module) -> Tensor:
    return torch.cat([p.detach().flatten() for p in model.parameters()])


@pytest.fixture(scope="module")
def drawn() -> Repeats:
    return repeats.draw(FOUND, net, R, steps=STEPS, batch_size=16, lr=1e-2)


def test_every_repeat_splits_the_pool_anew_in_the_sizes_of_the_data_set(drawn: Repeats) -> None:
    assert len(drawn.pool) == 96
    for train, valid, test in zip(drawn.train, drawn.valid, drawn.test, strict=True):
        assert (len(train), len(valid), len(test)) == (60, 12, 24)
        assert torch.cat([train, valid, test]).sort().values.equal(torch.arange(96))
        for part in (train, valid, test):
            assert drawn.pool.y[part].bincount(minlength=K).tolist() == [len(part) // K] * K
    assert len({tuple(test.sort().values.tolist()) for test in drawn.test}) == R


@given(
    sizes=st.lists(st.just(0) | st.integers(20, 30), max_size=3),
    more=st.lists(st.integers(0, K - 1), min_size=90, max_size=120),
    seed=st.integers(0, 99),
)
def test_a_pool_is_shared_out_once_with_its_classes_in_proportion(
    sizes: list[int], more: list[int], seed: int
) -> None:
    y = torch.tensor(more + list(range(K)) * 10)
    pool = Split(torch.zeros(len(y), *SHAPE), y)
    parts = repeats.shared_out(pool, sizes, seed=seed)
    assert [len(part) for part in parts[:-1]] == sizes
    assert torch.cat(parts).sort().values.equal(torch.arange(len(y)))
    for i, part in enumerate(parts[:-1]):
        there = y[torch.cat(parts[i:])].bincount(minlength=K)
        exact = len(part) * there / there.sum()
        assert (y[part].bincount(minlength=K) - exact).abs().max() < 1
    again = repeats.shared_out(pool, sizes, seed=seed)
    assert all(a.equal(b) for a, b in zip(parts, again, strict=True))


def test_each_teacher_is_the_one_that_fit_trains_on_its_own_images(drawn: Repeats) -> None:
    for r, seed in enumerate(drawn.seeds):
        alone = net(seed)
        own = drawn.pool.take(drawn.train[r])
        training.fit(alone, own, steps=STEPS, batch_size=16, lr=1e-2, seed=seed)
        torch.testing.assert_close(weights(drawn.teachers[r]), weights(alone), rtol=0, atol=1e-5)
        z = evaluation.predict(alone, drawn.pool.x)
        torch.testing.assert_close(drawn.z[r], z, rtol=0, atol=1e-4)


@pytest.mark.parametrize("alpha", [0.0, 0.3])
def test_each_student_is_the_one_that_its_own_teacher_distils_alone(
    drawn: Repeats, alpha: float
) -> None:
    students = [net(100 + seed) for seed in drawn.seeds]
    fit_many(
        students, drawn.pool, drawn.z, rows=drawn.train, seeds=drawn.seeds, T=2.0, alpha=alpha,
        steps=STEPS, batch_size=16, lr=1e-2, chunk=2,
    )  # fmt: skip
    measured = sweep.measure_many(students, drawn.pool, drawn.test)
    for r, seed in enumerate(drawn.seeds):
        alone, own = net(100 + seed), drawn.pool.take(drawn.train[r])
        z = distillation.teacher_logits(drawn.teachers[r], own.x)
        distillation.distill(
            alone, own, z, T=2.0, alpha=alpha, steps=STEPS, batch_size=16, lr=1e-2, seed=seed
        )
        torch.testing.assert_close(weights(students[r]), weights(alone), rtol=0, atol=1e-5)
        expected = evaluation.evaluate(alone, drawn.pool.take(drawn.test[r]))
        assert measured.loc[r].to_dict() == pytest.approx(expected, abs=1e-4)


def test_a_sweep_over_repeats_gives_each_seed_its_own_images_and_teacher(drawn: Repeats) -> None:
    frame = sweep.sweep(
        net, drawn.pool, drawn.z, drawn.pool, Ts=[1.0, 3.0], alphas=[0.0, 0.5], seeds=drawn.seeds,
        rows=drawn.train, measured_rows=drawn.valid, steps=STEPS, batch_size=16, lr=1e-2,
    )  # fmt: skip
    for _, row in frame.iterrows():
        r = drawn.seeds.index(int(row.seed))
        alone, own = net(int(row.seed)), drawn.pool.take(drawn.train[r])
        distillation.distill(
            alone, own, drawn.z[r][drawn.train[r]], T=row["T"], alpha=row.alpha, steps=STEPS,
            batch_size=16, lr=1e-2, seed=int(row.seed),
        )  # fmt: skip
        expected = evaluation.evaluate(alone, drawn.pool.take(drawn.valid[r]))
        assert row[["accuracy", "loss"]].to_dict() == pytest.approx(expected, abs=1e-4)


def test_labelled_images_are_each_repeats_own(drawn: Repeats) -> None:
    rows = drawn.labelled(9)
    assert rows.shape == (R, 9)
    for own, train in zip(rows, drawn.train, strict=True):
        assert set(own.tolist()) <= set(train.tolist())
        assert drawn.pool.y[own].bincount(minlength=K).tolist() == [3] * K
    assert drawn.labelled(9, drawn.train).equal(rows)
    for own, valid in zip(drawn.labelled(6, drawn.valid), drawn.valid, strict=True):
        assert set(own.tolist()) <= set(valid.tolist())
        assert drawn.pool.y[own].bincount(minlength=K).tolist() == [2] * K
    with pytest.raises(ValueError, match=rf"rows has shape \({R - 1}, .*give \({R}, n\)"):
        drawn.labelled(9, drawn.train[1:])


def test_two_seeds_share_no_repeat_and_one_seed_gives_the_same() -> None:
    first, again, other = (repeats.draw(FOUND, net, 2, steps=1, seed=seed) for seed in (0, 0, 1))
    assert first.z.equal(again.z)
    assert first.train.equal(again.train)
    assert not set(first.seeds) & set(other.seeds)
    assert not first.train.equal(other.train)


def test_a_table_of_logits_too_few_is_refused(drawn: Repeats) -> None:
    with pytest.raises(ValueError, match="z_teacher has 2 tables for 3 students"):
        fit_many([net(s) for s in range(3)], drawn.pool, drawn.z[:2], steps=1, alpha=0.0)
    broken = drawn.z.clone()
    broken[2, 5, 1] = float("nan")
    with pytest.raises(ValueError, match="NaN"):
        fit_many([net(s) for s in range(3)], drawn.pool, broken, steps=1, alpha=0.0)


def test_rows_that_do_not_fit_are_refused_when_measuring(drawn: Repeats) -> None:
    with pytest.raises(ValueError, match="rows has shape"):
        sweep.measure_many(drawn.teachers, drawn.pool, drawn.test[:2])
    with pytest.raises(ValueError, match="from 0 to 95"):
        sweep.measure_many(drawn.teachers, drawn.pool, drawn.test + 96)


def test_bad_arguments_are_named() -> None:
    with pytest.raises(TypeError, match="found"):
        repeats.draw(some(30, 0), net, 2, steps=1)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="n_repeats=0"):
        repeats.draw(FOUND, net, 0, steps=1)
    with pytest.raises(TypeError, match="build"):
        repeats.draw(FOUND, None, 2, steps=1)  # type: ignore[arg-type]


def test_spare_images_are_in_no_other_part_and_no_teacher_has_seen_them() -> None:
    kept = repeats.draw(FOUND, net, R, steps=STEPS, batch_size=16, lr=1e-2, spare=21)
    for parts in zip(kept.train, kept.valid, kept.test, kept.spare, strict=True):
        assert [len(part) for part in parts] == [39, 12, 24, 21]
        assert torch.cat(parts).sort().values.equal(torch.arange(96))
        assert kept.pool.y[parts[-1]].bincount(minlength=K).tolist() == [7] * K
    alone = net(kept.seeds[0])
    seen = kept.pool.take(kept.train[0])
    training.fit(alone, seen, steps=STEPS, batch_size=16, lr=1e-2, seed=kept.seeds[0])
    torch.testing.assert_close(weights(kept.teachers[0]), weights(alone), rtol=0, atol=1e-5)


def test_without_spare_images_the_parts_are_as_before(drawn: Repeats) -> None:
    assert drawn.spare.shape == (R, 0)


@pytest.mark.parametrize("spare", [-1, 58, 1.5])
def test_a_teacher_is_left_with_some_of_each_class(spare: float) -> None:
    with pytest.raises((ValueError, TypeError), match=r"spare=.*(must|keep fewer)"):
        repeats.draw(FOUND, net, R, steps=STEPS, spare=spare)
