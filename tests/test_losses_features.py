"""Losses of features, relations and logits: hand-worked cases, oracles, what they are blind to."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from distill_lessons import losses

LABELS = torch.tensor([0, 3, 1, 2, 2, 0])
properties = settings(deadline=None, max_examples=30, derandomize=True)


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


# name -> the loss, and what it compares: six images
LOSSES: dict[str, tuple[Callable[[Tensor, Tensor], Tensor], Tensor, Tensor]] = {
    "hint": (losses.hint, random(6, 5), random(6, 5, seed=1)),
    "attention": (losses.attention_transfer, random(6, 2, 3, 3), random(6, 4, 3, 3, seed=1)),
    "contrastive": (losses.contrastive, random(6, 5), random(6, 5, seed=1)),
    "distance": (losses.relational_distance, random(6, 3), random(6, 5, seed=1)),
    "angle": (losses.relational_angle, random(6, 3), random(6, 5, seed=1)),
    "similarity": (losses.similarity_preserving, random(6, 3), random(6, 5, seed=1)),
    "decoupled": (
        lambda z_s, z_t: losses.decoupled_kd(z_s, z_t, LABELS, T=4.0),
        random(6, 4),
        random(6, 4, seed=1),
    ),
    "standardised": (
        lambda z_s, z_t: losses.standardised_kd(z_s, z_t, T=2.0),
        random(6, 4),
        random(6, 4, seed=1),
    ),
}
every_loss = pytest.mark.parametrize(("loss", "student", "teacher"), LOSSES.values(), ids=LOSSES)


# ---- Hand-worked ---------------------------------------------------------------------------------


def test_distances_of_a_line_and_a_triangle() -> None:
    # On the line the distances are 3, 4 and 1, mean 8/3; in the triangle 3, 4 and 5, mean 4:
    # 9/8, 12/8, 3/8 beside 6/8, 8/8, 10/8. Halves of the squared gaps: (9 + 16 + 49) / 128.
    line = torch.tensor([[0.0], [3.0], [4.0]])
    triangle = torch.tensor([[0.0, 0.0], [3.0, 0.0], [0.0, 4.0]])
    found = losses.relational_distance(line, triangle)
    assert found.item() == pytest.approx((9 + 16 + 49) / 128 / 3)


def test_angles_of_a_line_and_a_right_angle() -> None:
    # At the corners 0 and 1 of the right triangle the cosines are 0 and 1/√2, on the line 0-1-2
    # with image 0 in the middle -1, 1 and 1. Each triple stands twice in 27 entries.
    line = torch.tensor([[0.0], [-1.0], [1.0]])
    right = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    gap = 1 - 1 / math.sqrt(2)
    expected = 2 * (0.5 * 1 + 2 * 0.5 * gap**2) / 27
    assert losses.relational_angle(line, right).item() == pytest.approx(expected)


def test_attention_of_channels_that_look_at_different_places() -> None:
    # Squares summed over channels: (9 + 16, 0) beside (0, 1) and, at length 1, (1, 0) and (0, 1).
    student = torch.tensor([[[[3.0, 0.0]], [[-4.0, 0.0]]]])
    teacher = torch.tensor([[[[0.0, 1.0]]]])
    assert losses.attention_transfer(student, teacher).item() == pytest.approx(2.0)


def test_similarities_of_two_right_angles() -> None:
    # Orthogonal images: a table of ones on the diagonal. The same image twice: rows (1, 1) / √2.
    apart, same = torch.eye(2), torch.ones(2, 1)
    root = 1 / math.sqrt(2)
    expected = (2 * (1 - root) ** 2 + 2 * root**2) / 4
    assert losses.similarity_preserving(apart, same).item() == pytest.approx(expected)


# ---- Oracles -------------------------------------------------------------------------------------


def test_distances_agree_with_a_loop() -> None:
    _, student, teacher = LOSSES["distance"]

    def of(h: Tensor) -> list[float]:
        pairs = itertools.combinations(h.tolist(), 2)
        distances = [math.dist(p, q) for p, q in pairs]
        return [d / (sum(distances) / len(distances)) for d in distances]

    expected = F.smooth_l1_loss(torch.tensor(of(student)), torch.tensor(of(teacher)))
    found = losses.relational_distance(student, teacher)
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)


def test_angles_agree_with_a_loop() -> None:
    _, student, teacher = LOSSES["angle"]

    def of(h: Tensor) -> Tensor:
        cosines = torch.zeros(6, 6, 6, dtype=torch.float64)
        for i, j, k in itertools.permutations(range(6), 3):
            cosines[i, j, k] = F.cosine_similarity(h[j] - h[i], h[k] - h[i], dim=0)
        for i, j in itertools.permutations(range(6), 2):
            cosines[i, j, j] = 1.0
        return cosines

    expected = F.smooth_l1_loss(of(student), of(teacher))
    torch.testing.assert_close(losses.relational_angle(student, teacher), expected)


def test_similarities_agree_with_numpy() -> None:
    _, student, teacher = LOSSES["similarity"]

    def of(h: np.ndarray) -> np.ndarray:
        table = h @ h.T
        return table / np.linalg.norm(table, axis=1, keepdims=True)

    expected = ((of(student.numpy()) - of(teacher.numpy())) ** 2).mean()
    assert losses.similarity_preserving(student, teacher).item() == pytest.approx(expected)


def test_contrast_is_the_cross_entropy_of_finding_one_s_own_image() -> None:
    _, student, teacher = LOSSES["contrastive"]
    cosines = F.cosine_similarity(student[:, None], teacher[None], dim=2)
    expected = F.cross_entropy(cosines / 0.2, torch.arange(6))
    torch.testing.assert_close(losses.contrastive(student, teacher, T=0.2), expected)
    blind = losses.contrastive(torch.ones(6, 5), teacher)
    assert blind.item() > losses.contrastive(teacher, teacher).item()


def test_decoupled_parts_agree_with_scipy() -> None:
    _, z_s, z_t = LOSSES["decoupled"]
    p, q = ((z / 4.0).softmax(1).numpy() for z in (z_t, z_s))
    first, second = [], []
    for row, y in enumerate(LABELS.tolist()):
        first.append(scipy.stats.entropy([p[row, y], 1 - p[row, y]], [q[row, y], 1 - q[row, y]]))
        second.append(scipy.stats.entropy(np.delete(p[row], y), np.delete(q[row], y)))  # normalises
    for target, others in ((1.0, 8.0), (1.0, 0.0), (0.0, 1.0)):
        found = losses.decoupled_kd(
            z_s, z_t, LABELS, T=4.0, target_weight=target, others_weight=others
        )
        expected = 16 * (target * np.mean(first) + others * np.mean(second))
        assert found.item() == pytest.approx(expected)


def test_weighed_by_the_teacher_s_doubt_the_parts_are_the_plain_loss_again() -> None:
    _, z_s, z_t = LOSSES["decoupled"]
    for row in range(6):
        one = slice(row, row + 1)
        doubt = 1 - (z_t[one] / 2.0).softmax(1)[0, LABELS[row]].item()
        parts = losses.decoupled_kd(z_s[one], z_t[one], LABELS[one], T=2.0, others_weight=doubt)
        plain = losses.kd_loss(z_s[one], z_t[one], None, T=2.0, alpha=0.0)
        assert parts.item() == pytest.approx(plain.item())


def test_a_certain_teacher_leaves_the_decoupled_loss_finite() -> None:
    z_t = torch.tensor([[1e5, 0.0, -1e5]])
    z_s = torch.tensor([[-1e4, 0.0, 1e4]], requires_grad=True)
    value = losses.decoupled_kd(z_s, z_t, torch.tensor([0]), T=1.0)
    value.backward()
    assert value.isfinite()
    assert z_s.grad is not None
    assert z_s.grad.isfinite().all()


def test_standardised_logits_agree_with_scipy() -> None:
    _, z_s, z_t = LOSSES["standardised"]
    expected = torch.from_numpy(scipy.stats.zscore(z_s.numpy(), axis=1))
    torch.testing.assert_close(losses.standardised(z_s), expected)
    plain = losses.kd_loss(expected, losses.standardised(z_t), None, T=2.0, alpha=0.0)
    torch.testing.assert_close(losses.standardised_kd(z_s, z_t, T=2.0), plain)
    assert losses.standardised(torch.ones(2, 3)).tolist() == [[0.0] * 3] * 2


@pytest.mark.parametrize("width", [2, 9])
def test_cka_agrees_with_its_definition_by_kernels(width: int) -> None:
    a, b = random(6, width), random(6, 4, seed=1)
    centre = np.eye(6) - 1 / 6
    k, other = (centre @ (h @ h.mT).numpy() @ centre for h in (a, b))
    expected = np.sum(k * other) / np.sqrt(np.sum(k**2) * np.sum(other**2))
    assert losses.linear_cka(a, b).item() == pytest.approx(expected)
    assert losses.linear_cka(b, a).item() == pytest.approx(expected)


# ---- Properties ----------------------------------------------------------------------------------


@every_loss
def test_no_gradient_reaches_the_teacher(loss, student: Tensor, teacher: Tensor) -> None:
    student, teacher = (t.clone().requires_grad_() for t in (student, teacher))
    loss(student, teacher).backward()
    assert teacher.grad is None
    assert student.grad is not None
    assert student.grad.abs().max() > 0


@every_loss
def test_gradients_are_those_of_the_values(loss, student: Tensor, teacher: Tensor) -> None:
    assert torch.autograd.gradcheck(loss, (student.clone().requires_grad_(), teacher))


@every_loss
def test_a_stack_gives_what_each_gives_alone(loss, student: Tensor, teacher: Tensor) -> None:
    students = torch.stack([student, 2 * student.flip(0)])
    teachers = torch.stack([teacher, teacher.roll(1, 0)])
    expected = [loss(s, t) for s, t in zip(students, teachers, strict=True)]
    torch.testing.assert_close(torch.func.vmap(loss)(students, teachers), torch.stack(expected))


@every_loss
def test_a_student_equal_to_its_teacher_has_the_least_loss(loss, student, teacher) -> None:
    equal = loss(teacher, teacher)
    assert equal <= loss(student, teacher) if student.shape == teacher.shape else equal < 1e-12


@every_loss
def test_images_that_are_one_point_of_the_layer_leave_the_gradient_finite(
    loss, student: Tensor, teacher: Tensor
) -> None:
    for dead in (torch.zeros_like(student), student[:1].expand_as(student)):
        dead = dead.clone().requires_grad_()
        value = loss(dead, teacher)
        value.backward()
        assert value.isfinite()
        assert dead.grad is not None
        assert dead.grad.isfinite().all()


@properties
@given(scale=st.floats(0.01, 100), shift=st.floats(-10, 10), seed=st.integers(0, 1000))
def test_what_relations_are_blind_to(scale: float, shift: float, seed: int) -> None:
    h, teacher = random(5, 3, seed=seed), random(5, 4, seed=seed + 1)
    rotation, _ = torch.linalg.qr(random(3, 3, seed=seed + 2))
    moved = scale * h @ rotation + shift
    for measure in (losses.relational_distance, losses.relational_angle, losses.linear_cka):
        torch.testing.assert_close(measure(moved, teacher), measure(h, teacher))
    turned = scale * h @ rotation  # similarities do see a shift
    torch.testing.assert_close(
        losses.similarity_preserving(turned, teacher), losses.similarity_preserving(h, teacher)
    )


@properties
@given(scale=st.floats(0.01, 100), shift=st.floats(-10, 10), seed=st.integers(0, 1000))
def test_standardised_logits_have_neither_scale_nor_shift(scale, shift, seed: int) -> None:
    z_s, z_t = random(4, 5, seed=seed), random(4, 5, seed=seed + 1)
    torch.testing.assert_close(
        losses.standardised_kd(scale * z_s + shift, z_t, T=1.0),
        losses.standardised_kd(z_s, z_t, T=1.0),
    )


@properties
@given(seed=st.integers(0, 1000))
def test_cka_goes_from_0_to_1(seed: int) -> None:
    a, b = random(6, 3, seed=seed), random(6, 5, seed=seed + 1)
    assert 0 <= losses.linear_cka(a, b) <= 1
    assert losses.linear_cka(a, a).item() == pytest.approx(1.0)


def test_cka_of_a_layer_that_says_the_same_to_all_is_undefined() -> None:
    assert losses.linear_cka(torch.ones(4, 2), torch.eye(4)).isnan()


def test_projected_answers_as_its_student_and_trains_both() -> None:
    student, projector = torch.nn.Linear(4, 3), torch.nn.Linear(3, 7)
    both = losses.Projected(student, projector)
    x = random(2, 4).float()
    assert torch.equal(both(x), student(x))
    names = {"student.weight", "student.bias", "projector.weight", "projector.bias"}
    assert {name for name, _ in both.named_parameters()} == names


# ---- Refused by name -----------------------------------------------------------------------------

H, WIDE, MAPS = torch.ones(4, 8), torch.ones(4, 32), torch.ones(4, 2, 3, 3)
Z, Y = torch.ones(4, 3), torch.zeros(4, dtype=torch.int64)
WRONG = {
    "a projector is missing": (losses.hint, (H, WIDE), r"torch.nn.Linear\(8, 32\)"),
    "the projector does not fit": (
        losses.hint, (torch.nn.Linear(8, 16)(H), WIDE), r"torch.nn.Linear\(16, 32\)",
    ),
    "another batch": (losses.hint, (WIDE[:3], WIDE), "student has features of 3 images"),
    "no tensor": (losses.hint, ([[1.0]], WIDE), "student is"),
    "no axis of images": (losses.hint, (H[0], WIDE), "student has shape"),
    "whole numbers": (losses.hint, (H.long(), WIDE), r"student has type .* \.float"),
    "contrast without projector": (losses.contrastive, (H, WIDE), "projector"),
    "contrast of one image": (losses.contrastive, (H[:1], H[:1]), "at least 2 images"),
    "contrast of maps": (losses.contrastive, (MAPS, MAPS), "student has shape"),
    "distances of another batch": (
        losses.relational_distance, (H[:3], WIDE), "student has features of 3 images",
    ),
    "distances of one image": (losses.relational_distance, (H[:1], WIDE[:1]), "at least 2 images"),
    "angles of two images": (losses.relational_angle, (H[:2], WIDE[:2]), "at least 3 images"),
    "similarities of another batch": (
        losses.similarity_preserving, (H, WIDE[:2]), "teacher of 2",
    ),
    "cka of another batch": (losses.linear_cka, (H, WIDE[:2]), "a has features of 4 .* b of 2"),
    "attention of vectors": (losses.attention_transfer, (H, MAPS), "student has shape"),
    "attention of another size": (
        losses.attention_transfer, (MAPS, MAPS[..., :2]), "adaptive_avg_pool2d",
    ),
    "logits of other classes": (losses.standardised_kd, (Z, WIDE), "teacher_logits has shape"),
}  # fmt: skip


@pytest.mark.parametrize(("loss", "given", "message"), WRONG.values(), ids=WRONG)
def test_what_does_not_fit_is_refused_by_name(loss, given, message: str) -> None:
    more = {"T": 1.0} if loss is losses.standardised_kd else {}
    with pytest.raises((ValueError, TypeError), match=message):
        loss(*given, **more)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"T": 0.0}, "T=0.0"),
        ({"labels": Y[:3]}, "labels has shape"),
        ({"labels": Y.float()}, "labels has type"),
        ({"target_weight": -1.0}, "target_weight=-1.0"),
        ({"others_weight": math.inf}, "others_weight=inf"),
        ({"student_logits": Z[:, :2], "teacher_logits": Z[:, :2]}, "at least 3 classes"),
    ],
)
def test_what_the_decoupled_loss_refuses(changed: dict[str, object], message: str) -> None:
    good = {"student_logits": Z, "teacher_logits": Z, "labels": Y, "T": 2.0}
    assert losses.decoupled_kd(**good).item() == 0
    with pytest.raises((ValueError, TypeError), match=message):
        losses.decoupled_kd(**good | changed)
