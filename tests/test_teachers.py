"""What many teachers say together: hand-worked cases, oracles, what holds for all answers."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
import torch
from arguments import (
    LABELS,
    LOGITS,
    REFUSED,
    SAME,
    TEMPERATURE,
    K,
    N,
    Row,
    Y,
    Z,
    made,
    refused,
    table_tests,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from distill_lessons import losses, teachers

properties = settings(deadline=None, max_examples=30, derandomize=True)
SEEDS = st.integers(0, 10_000)
TEMPERATURES = st.sampled_from([0.5, 1.0, 4.0, 50.0])


def answers(seed: int = 0, m: int = 4, n: int = 5, k: int = 3) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 3 * torch.randn(m, n, k, generator=generator, dtype=torch.float64)


def shares(seed: int, m: int = 4, n: int = 5) -> Tensor:
    return answers(seed, m, n, 2)[..., 0].softmax(0)


# ---- Hand-worked ---------------------------------------------------------------------------------


def test_two_teachers_of_whom_one_is_sure() -> None:
    # One says 9 to 1, the other 1 to 1: odds of 3 in the geometric mean, .7 in the plain one.
    z = torch.tensor([[[math.log(9.0), 0.0]], [[0.0, 0.0]]])
    assert teachers.mean_logits(z).softmax(1)[0].tolist() == pytest.approx([0.75, 0.25])
    assert teachers.mean_probabilities(z).softmax(1)[0].tolist() == pytest.approx([0.7, 0.3])


def test_a_class_that_one_teacher_excludes_lives_on_in_the_mean_of_probabilities() -> None:
    z = torch.tensor([[[0.0, 60.0]], [[5.0, 0.0]], [[5.0, 0.0]]])
    assert teachers.mean_logits(z).argmax(1).item() == 1
    assert teachers.mean_probabilities(z).argmax(1).item() == 0


def test_specialists_that_speak_louder_win_until_a_gate_weighs_them() -> None:
    z = torch.tensor([[[9.0, 8.0, 0.0]], [[0.0, 0.0, 1.0]]])
    groups, gate = [[0, 1], [2]], torch.tensor([[0.0, 0.0, 2.0]])
    assert teachers.glued(z, groups).tolist() == [[9.0, 8.0, 1.0]]
    of_first = 2 / (2 + math.e**2)
    first = 1 / (1 + math.e**-1)
    expected = [of_first * first, of_first * (1 - first), 1 - of_first]
    assert teachers.gated(z, groups, gate).exp()[0].tolist() == pytest.approx(expected)


# ---- Oracles -------------------------------------------------------------------------------------


def test_means_agree_with_scipy() -> None:
    z = answers()
    p = (z / 4).softmax(-1).numpy()
    found = losses.soft_targets(teachers.mean_logits(z), 4.0)
    geometric = scipy.stats.gmean(p, axis=0)
    np.testing.assert_allclose(found, geometric / geometric.sum(1, keepdims=True))
    found = losses.soft_targets(teachers.mean_probabilities(z, 4.0), 4.0)
    np.testing.assert_allclose(found, p.mean(0))


def test_weighted_means_agree_with_numpy() -> None:
    z, w = answers(), shares(1)
    expected = np.einsum("mn,mnk->nk", w, z)
    np.testing.assert_allclose(teachers.mean_logits(z, w), expected)
    expected = np.einsum("mn,mnk->nk", w, (z / 2).softmax(-1))
    found = losses.soft_targets(teachers.mean_probabilities(z, 2.0, w), 2.0)
    np.testing.assert_allclose(found, expected)


def test_votes_agree_with_counting() -> None:
    z = answers(m=7)
    choices = z.argmax(-1).numpy()
    expected = [np.bincount(choices[:, i], minlength=3) / 7 for i in range(5)]
    np.testing.assert_allclose(teachers.votes(z), expected)


def test_entropy_weights_agree_with_scipy() -> None:
    z = answers()
    entropies = scipy.stats.entropy((z / 2).softmax(-1).numpy(), axis=2)
    expected = np.exp(-entropies) / np.exp(-entropies).sum(0)
    np.testing.assert_allclose(teachers.entropy_weights(z, 2.0), expected)


def test_disagreement_agrees_with_scipy_in_both_of_its_forms() -> None:
    z = answers()
    p = z.softmax(-1).numpy()
    mean, entropy = p.mean(0), scipy.stats.entropy
    found = teachers.disagreement(z).numpy()
    np.testing.assert_allclose(found, entropy(mean, axis=1) - entropy(p, axis=2).mean(0))
    np.testing.assert_allclose(found, np.mean([entropy(q, mean, axis=1) for q in p], axis=0))


def test_one_teacher_for_each_image_agrees_with_a_loop() -> None:
    z, which = answers(), torch.tensor([3, 0, 1, 1, 2])
    found = teachers.one_each(z, which)
    for i, m in enumerate(which.tolist()):
        assert torch.equal(found[i], z[m, i])


def test_a_gated_mix_agrees_with_the_rule_of_total_probability() -> None:
    z, gate, groups = answers(m=3, k=6), answers(9, 1, 5, 6)[0], [[4, 0], [1], [5, 2, 3]]
    p_gate = gate.softmax(1)
    expected = torch.zeros(5, 6, dtype=torch.float64)
    for table, group in zip(z, groups, strict=True):
        expected[:, group] = table[:, group].softmax(1) * p_gate[:, group].sum(1, keepdim=True)
    torch.testing.assert_close(teachers.gated(z, groups, gate).exp(), expected)


# ---- What holds for all answers ------------------------------------------------------------------


@properties
@given(SEEDS, TEMPERATURES, st.integers(1, 5))
def test_copies_of_one_teacher_say_what_it_says(seed: int, T: float, m: int) -> None:
    z = answers(seed, 1).expand(m, -1, -1)
    torch.testing.assert_close(teachers.mean_logits(z), z[0])
    p = losses.soft_targets(teachers.mean_probabilities(z, T), T)
    torch.testing.assert_close(p, losses.soft_targets(z[0], T))
    torch.testing.assert_close(teachers.disagreement(z), torch.zeros(5, dtype=torch.float64))
    torch.testing.assert_close(teachers.entropy_weights(z), torch.full_like(z[..., 0], 1 / m))


@properties
@given(SEEDS, TEMPERATURES)
def test_the_order_of_the_teachers_does_not_count(seed: int, T: float) -> None:
    z, w = answers(seed), shares(seed)
    back = z.flip(0)
    torch.testing.assert_close(teachers.mean_logits(z, w), teachers.mean_logits(back, w.flip(0)))
    for mix in (teachers.mean_probabilities, teachers.votes, teachers.disagreement):
        torch.testing.assert_close(mix(z), mix(back))
    torch.testing.assert_close(
        teachers.entropy_weights(z, T), teachers.entropy_weights(back, T).flip(0)
    )


@properties
@given(SEEDS, st.integers(1, 6))
def test_disagreement_stays_within_its_bounds(seed: int, m: int) -> None:
    found = teachers.disagreement(10 * answers(seed, m))
    assert float(found.min()) >= 0
    assert float(found.max()) <= math.log(m) + 1e-9


@properties
@given(SEEDS)
def test_all_the_weight_on_one_teacher_is_that_teacher(seed: int) -> None:
    z = answers(seed)
    alone = [0.0, 0.0, 1.0, 0.0]
    torch.testing.assert_close(teachers.mean_logits(z, alone), z[2])
    mixed = teachers.mean_probabilities(z, 2.0, alone)
    torch.testing.assert_close(mixed.softmax(1), z[2].softmax(1))


@properties
@given(SEEDS)
def test_at_a_high_temperature_both_means_are_one(seed: int) -> None:
    z = answers(seed)
    limit = losses.centred(teachers.mean_logits(z))
    for T in (1e4, 1e9, 1e30):
        found = losses.centred(teachers.mean_probabilities(z, T))
        torch.testing.assert_close(found, limit, atol=20 / T + 1e-4, rtol=0)


@properties
@given(SEEDS)
def test_specialists_of_one_group_are_their_only_specialist(seed: int) -> None:
    z, gate = answers(seed, 1), answers(seed + 1, 1)[0]
    assert torch.equal(teachers.glued(z, [[2, 0, 1]]), z[0])
    torch.testing.assert_close(teachers.gated(z, [[0, 1, 2]], gate), z[0].log_softmax(1))


# ---- Bad arguments -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("z", "why"),
    [
        ([], "z holds no teacher; give the logits of at least one"),
        (torch.zeros(0, 4, 3), "z holds no teacher"),
        (
            [torch.zeros(4, 3), torch.zeros(4, 2)],
            r"z\[1\] has shape \(4, 2\) but z\[0\] has \(4",
        ),
        ([torch.zeros(4, 3), torch.zeros(5, 3)], "must see the same images"),
        (torch.zeros(4, 3), r"z has shape \(4, 3\); give the logits of M teachers"),
    ],
)
def test_teachers_that_do_not_go_together(z: object, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        teachers.mean_logits(z)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("weights", "why"),
    [
        ([0.5, 0.6], "sum to 1 over the teachers; divide"),
        ([1.5, -0.5], "must not be negative"),
        ([math.nan, 1.0], "sum to 1"),
        ([1.0], r"weights has shape \(1,\) for 2 teachers and 5 images"),
        (torch.full((5, 2), 0.5), r"give \(2,\) or \(2, 5\)"),
    ],
)
def test_weights_that_are_none(weights: object, why: str) -> None:
    for mean in (teachers.mean_logits, teachers.mean_probabilities):
        with pytest.raises(ValueError, match=why):
            mean(answers(m=2), weights=weights)  # type: ignore[operator]


@pytest.mark.parametrize("groups", [[[0, 1], [1, 2]], [[0], [1]], [[0, 1, 2]], [[0, 1], [3]], []])
def test_groups_that_do_not_share_out_the_classes(groups: list[list[int]]) -> None:
    with pytest.raises(ValueError, match="must share out the classes 0 to 2 over 2 specialists"):
        teachers.glued(answers(m=2), groups)


ANSWERS = torch.stack([Z, Z.flip(0)])
TEACHERS = {
    name: kind
    for name, kind in LOGITS.items()
    if name not in {"flat", "empty", "one_class", "a_list"}
} | made(
    REFUSED,
    one_table=lambda good: good[0],
    no_teacher=lambda good: good[:0],
    no_image=lambda good: good[:, :0],
    one_class=lambda good: good[..., :1],
    numbers=lambda good: good.tolist(),
    other_classes=lambda good: [good[0], good[1][:, 1:]],
    other_images=lambda good: [good[0], good[1][1:]],
) | made(SAME, a_list=lambda good: list(good), a_tuple=lambda good: tuple(good))  # fmt: skip
WEIGHTS = refused(
    text="even", too_many=[0.5, 0.25, 0.25], sum_2=[1.0, 1.0], negative=[2.0, -1.0],
    nan=[math.nan, 1.0], number=1.0,
) | made(
    SAME,
    a_list=lambda good: good.tolist(),
    numpy=lambda good: good.numpy(),
    for_each_image=lambda good: good[:, None].expand(-1, N),
)  # fmt: skip
GROUPS = refused(
    none=None, number=3, flat=[0, 1, 2], words=[["a", "b"], ["c"]], twice=[[0, 1], [1, 2]],
    one_left_out=[[0], [1]], beyond=[[0, 1], [3]], one_group=[[0, 1, 2]],
) | made(SAME, tuples=lambda good: tuple(map(tuple, good)), tensors=lambda good: [
    torch.tensor(group) for group in good])  # fmt: skip
WHICH = {
    name: kind for name, kind in LABELS.items() if name not in {"onehot", "beyond"}
} | made(REFUSED, beyond=lambda good: good + 2)  # fmt: skip


def given_teachers(**others: object) -> dict[str, object]:
    return {"z": ANSWERS.clone(), **others}


HALVES = torch.tensor([0.75, 0.25])
SPLIT_UP = [[0, 2], [1]]
TABLE = {
    "teachers.mean_logits": Row(
        teachers.mean_logits,
        lambda: given_teachers(weights=HALVES.clone()),
        {"z": TEACHERS, "weights": WEIGHTS},
    ),
    "teachers.mean_probabilities": Row(
        teachers.mean_probabilities,
        lambda: given_teachers(T=2.0, weights=HALVES.clone()),
        {"z": TEACHERS, "T": TEMPERATURE, "weights": WEIGHTS},
    ),
    "teachers.votes": Row(teachers.votes, given_teachers, {"z": TEACHERS}),
    "teachers.entropy_weights": Row(
        teachers.entropy_weights,
        lambda: given_teachers(T=2.0),
        {"z": TEACHERS, "T": TEMPERATURE},
    ),
    "teachers.one_each": Row(
        teachers.one_each,
        lambda: given_teachers(which=Y % 2),
        {"z": TEACHERS, "which": WHICH},
    ),
    "teachers.disagreement": Row(teachers.disagreement, given_teachers, {"z": TEACHERS}),
    "teachers.glued": Row(
        teachers.glued,
        lambda: given_teachers(groups=SPLIT_UP),
        {"z": TEACHERS, "groups": GROUPS},
    ),
    "teachers.gated": Row(
        teachers.gated,
        lambda: given_teachers(groups=SPLIT_UP, gate=Z.clone()),
        {
            "z": TEACHERS,
            "groups": GROUPS,
            "gate": LOGITS | made(REFUSED, fewer_rows=lambda good: good[1:]),
        },
    ),
    "teachers.stacked": Row(teachers.stacked, given_teachers, {"z": TEACHERS}),
}
assert K == 3
(
    test_an_argument_is_taken_or_refused_by_name,
    test_the_table_knows_every_public_function,
    test_the_table_knows_every_argument,
) = table_tests(TABLE, {}, ["teachers"])
