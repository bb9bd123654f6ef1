"""The losses against hand-worked numbers, torch, SciPy and the properties they must have."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import Tensor
from torch.nn import functional as F

from distill_lessons.data import UNLABELLED
from distill_lessons.fast import closed_form
from distill_lessons.losses import (
    centred,
    entropy,
    kd_loss,
    kl_divergence,
    logit_matching,
    soft,
    soft_targets,
)

properties = settings(deadline=None, max_examples=60, derandomize=True)
temperatures = st.floats(0.05, 100.0)
alphas = st.floats(0.0, 1.0)


@st.composite
def batches(draw: st.DrawFn, bound: float = 30.0) -> tuple[Tensor, Tensor, Tensor]:
    """Student logits, teacher logits, labels of one batch; float64, so that rounding is small."""
    n, k = draw(st.integers(1, 6)), draw(st.integers(2, 7))
    rows = arrays(np.float64, (n, k), elements=st.floats(-bound, bound, width=32))
    labels = st.lists(st.sampled_from([UNLABELLED, *range(k)]), min_size=n, max_size=n)
    return torch.from_numpy(draw(rows)), torch.from_numpy(draw(rows)), torch.tensor(draw(labels))


def random_batch(n: int = 5, k: int = 4, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    g = torch.Generator().manual_seed(seed)
    z_s, z_t = 3 * torch.randn(2, n, k, generator=g, dtype=torch.float64)
    return z_s, z_t, torch.randint(0, k, (n,), generator=g)


# ---- Hand-worked ---------------------------------------------------------------------------------


def test_soft_targets_of_a_hand_worked_example() -> None:
    # z / T = (ln 3, 0), so p = (3, 1) / 4; at T=1, z = (ln 9, 0) and p = (9, 1) / 10.
    z = torch.tensor([[2 * math.log(3), 0.0]])
    torch.testing.assert_close(soft_targets(z, T=2), torch.tensor([[0.75, 0.25]]))
    torch.testing.assert_close(soft_targets(z), torch.tensor([[0.9, 0.1]]))


# Logits chosen so that at T=2 the softmaxes are fractions.
Z_TEACHER = 2 * torch.tensor([[3.0, 1.0], [1.0, 4.0]], dtype=torch.float64).log()  # p below
Z_STUDENT = 2 * torch.tensor([[1.0, 1.0], [2.0, 1.0]], dtype=torch.float64).log()  # q below
#   row 1: p = (3/4, 1/4), q = (1/2, 1/2): KL = 3/4 ln(3/2) + 1/4 ln(1/2)   = 0.130812
#   row 2: p = (1/5, 4/5), q = (2/3, 1/3): KL = 1/5 ln(3/10) + 4/5 ln(12/5) = 0.459580
KL = (0.130812, 0.459580)
#   soft term: T² times their mean                        4 * 0.295196       = 1.180785
#   at T=1 the student's row 1 is (1/2, 1/2), its row 2 is (4, 1)/5; with the labels 0 and 1
#   hard term: (ln 2 + ln 5) / 2                                             = 1.151293
#   alpha = 1/4:                        1.151293 / 4 + 1.180785 * 3 / 4      = 1.173412
LABELS = torch.tensor([0, 1])


@pytest.mark.parametrize(
    ("alpha", "expected"), [(0.0, 1.180785), (1.0, 1.151293), (0.25, 1.173412)]
)
def test_kd_loss_of_a_hand_worked_example(alpha: float, expected: float) -> None:
    value = kd_loss(Z_STUDENT, Z_TEACHER, LABELS, T=2.0, alpha=alpha)
    assert value.item() == pytest.approx(expected, abs=2e-6)


def test_kl_divergence_of_the_same_example_is_teacher_first_and_one_number_an_image() -> None:
    assert kl_divergence(Z_TEACHER, Z_STUDENT, T=2.0).tolist() == pytest.approx(KL, abs=1e-6)


def test_logit_matching_of_a_hand_worked_example() -> None:
    # Centred: student (-1, 1), teacher (-2, 2); squared differences 1 and 1, half their mean 1/2.
    student, teacher = torch.tensor([[0.0, 2.0]]), torch.tensor([[7.0, 11.0]])
    assert logit_matching(student, teacher).item() == pytest.approx(0.5)


def test_entropy_of_a_coin_a_certainty_and_a_uniform_distribution() -> None:
    p = torch.tensor([[0.5, 0.5, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.25, 0.25, 0.25, 0.25]])
    assert entropy(p).tolist() == pytest.approx([math.log(2), 0.0, math.log(4)])


# ---- Oracles -------------------------------------------------------------------------------------


@pytest.mark.parametrize("T", [0.5, 1.0, 4.0, 20.0])
@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
def test_kd_loss_agrees_with_torch(T: float, alpha: float) -> None:
    z_s, z_t, y = random_batch()
    soft = F.kl_div(
        F.log_softmax(z_s / T, 1), F.log_softmax(z_t / T, 1), reduction="batchmean", log_target=True
    )
    expected = alpha * F.cross_entropy(z_s, y) + (1 - alpha) * T**2 * soft
    torch.testing.assert_close(kd_loss(z_s, z_t, y, T=T, alpha=alpha), expected)


def test_entropy_and_kl_agree_with_scipy() -> None:
    z_s, z_t, _ = random_batch()
    p, q = soft_targets(z_t, T=3.0).numpy(), soft_targets(z_s, T=3.0).numpy()
    np.testing.assert_allclose(entropy(torch.from_numpy(p)), scipy.stats.entropy(p, axis=1))
    np.testing.assert_allclose(kl_divergence(z_t, z_s, T=3.0), scipy.stats.entropy(p, q, axis=1))


# ---- Gradients -----------------------------------------------------------------------------------


def gradient(z_s: Tensor, z_t: Tensor, y: Tensor | None, T: float, alpha: float) -> Tensor:
    z_s = z_s.clone().requires_grad_()
    kd_loss(z_s, z_t, y, T=T, alpha=alpha).backward()
    assert z_s.grad is not None
    return z_s.grad


@pytest.mark.parametrize("T", [0.5, 1.0, 4.0])
@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
def test_gradient_is_that_of_the_derivation(T: float, alpha: float) -> None:
    z_s, z_t, y = random_batch()
    p, q = torch.softmax(z_t / T, 1), torch.softmax(z_s / T, 1)
    hard = torch.softmax(z_s, 1) - F.one_hot(y, z_s.shape[1])
    expected = ((1 - alpha) * T * (q - p) + alpha * hard) / len(z_s)
    torch.testing.assert_close(gradient(z_s, z_t, y, T, alpha), expected)


def test_gradient_becomes_independent_of_a_growing_temperature() -> None:
    z_s, z_t, _ = random_batch()
    matching = z_s.clone().requires_grad_()
    logit_matching(matching, z_t).backward()
    far = [
        float((gradient(z_s, z_t, None, T, 0.0) - matching.grad).norm() / matching.grad.norm())
        for T in (10.0, 100.0, 1000.0)
    ]
    # The next term of the expansion is of order 1/T: ten times T, a tenth of the distance.
    assert far[1] < far[0] / 8
    assert far[2] < far[1] / 8
    assert far[2] < 0.01


def test_no_gradient_reaches_the_teacher() -> None:
    z_s, z_t, y = random_batch()
    z_s.requires_grad_()
    z_t.requires_grad_()
    kd_loss(z_s, z_t, y, T=2.0, alpha=0.5).backward()
    assert z_t.grad is None
    assert z_s.grad is not None
    z_s.grad = None
    logit_matching(z_s, z_t).backward()
    assert z_t.grad is None
    assert z_s.grad is not None


# ---- Extremes ------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("T", [1.0, 4.0])
def test_huge_logits_stay_finite_and_right(dtype: torch.dtype, T: float) -> None:
    z_s = torch.tensor([[1e4, -1e4, 0.0]], dtype=dtype, requires_grad=True)
    z_t = torch.tensor([[-1e4, 1e4, 0.0]], dtype=dtype)
    # p = (0, 1, 0), q = (1, 0, 0) to machine precision: KL = 2e4 / T, CE with label 1 is 2e4.
    value = kd_loss(z_s, z_t, torch.tensor([1]), T=T, alpha=0.5)
    value.backward()
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx(0.5 * 2e4 + 0.5 * T**2 * 2e4 / T, rel=2e-3)
    # Both terms push by (q - p): (1 - alpha) T (q - p) + alpha (q - onehot).
    expected = (0.5 * T + 0.5) * torch.tensor([[1.0, -1.0, 0.0]])
    torch.testing.assert_close(z_s.grad.float(), expected)


def test_half_precision_is_computed_in_float32() -> None:
    z_s, z_t, y = (t.half() if t.is_floating_point() else t for t in random_batch())
    wide = kd_loss(z_s.float(), z_t.float(), y, T=0.1, alpha=0.5)
    assert kd_loss(z_s, z_t, y, T=0.1, alpha=0.5).item() == wide.item()
    assert soft_targets(z_s).dtype == torch.float32


def exact(z_s: Tensor, z_t: Tensor, T: float) -> float:
    """T² KL(p || q), averaged over the batch, in a hundred digits."""

    def log_soft(row: list[float]) -> list[mpmath.mpf]:
        z = [mpmath.mpf(v) / mpmath.mpf(T) for v in row]
        norm = mpmath.log(sum(map(mpmath.exp, z)))
        return [v - norm for v in z]

    with mpmath.workdps(100):
        total = mpmath.mpf(0)
        for student, teacher in zip(z_s.tolist(), z_t.tolist(), strict=True):
            pairs = zip(log_soft(teacher), log_soft(student), strict=True)
            total += sum(mpmath.exp(p) * (p - q) for p, q in pairs)
        return float(total * mpmath.mpf(T) ** 2 / len(z_t))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("T", [1e-3, 0.5, 1.0, 4.0, 20.0, 1e2, 1e3, 1e4, 1e5, 1e7, 1e15, 1e30])
def test_loss_is_precise_at_every_temperature(T: float, dtype: torch.dtype) -> None:
    for scale in (0.01, 1.0, 30.0):
        z_s, z_t = scale * torch.randn(2, 4, 10, generator=torch.Generator().manual_seed(1))
        z_s, z_t = z_s.to(dtype).requires_grad_(), z_t.to(dtype)
        value = kd_loss(z_s, z_t, None, T=T, alpha=0.0)
        rounding = 100 * torch.finfo(dtype).eps
        assert value.item() == pytest.approx(exact(z_s, z_t, T), rel=rounding)
        (gradient,) = torch.autograd.grad(value, z_s)
        assert gradient.isfinite().all()
        if 1e3 * scale < T:  # there the gradient is that of the limit
            matching = centred(z_s - z_t) / z_s.numel()
            torch.testing.assert_close(gradient, matching, rtol=0, atol=0.02 * scale)


def test_loss_and_divergence_are_finite_at_the_ends_of_the_numbers() -> None:
    z_s, z_t, _ = (t.float() for t in random_batch())
    limit = logit_matching(z_s, z_t).item()
    for T in (3e38, 1e300):
        assert kd_loss(z_s, z_t, None, T=T, alpha=0.0).item() == pytest.approx(limit)
        assert (kl_divergence(z_t, z_s, T=T) == 0).all()
    for T in (1e-38, 1e-45, 1e-300):
        assert kd_loss(z_s, z_t, None, T=T, alpha=0.0).item() == pytest.approx(0, abs=1e-30)
        assert kl_divergence(z_t, z_s, T=T).isfinite().all()
        hard = F.one_hot(z_t.argmax(1), z_t.shape[1]).float()
        assert torch.equal(soft_targets(z_t, T), hard)


def test_tied_logits_stay_tied_at_the_lowest_temperature() -> None:
    assert soft_targets(torch.tensor([[5.0, 3.0, 5.0]]), T=1e-38).tolist() == [[0.5, 0.0, 0.5]]


@pytest.mark.parametrize("T", [0.5, 4.0, 1e3, 1e4])
def test_loss_is_never_negative_for_almost_equal_logits(T: float) -> None:
    g = torch.Generator().manual_seed(0)
    for size in (0.0, 1e-7, 1e-4, 1e-2):
        z_t = 20 * torch.randn(8, 10, generator=g)
        z_s = z_t + size * torch.randn(8, 10, generator=g)
        assert kd_loss(z_s, z_t, None, T=T, alpha=0.0) >= 0
        assert kl_divergence(z_t, z_s, T).min() >= 0
        assert in_closed_form(z_s, z_t, torch.zeros(8).long(), T, 0.0)[0] >= 0


# ---- Labels that are missing ---------------------------------------------------------------------


def test_hard_term_averages_over_the_labelled_images_alone() -> None:
    z_s, z_t, y = random_batch()
    hidden = y.clone()
    hidden[[1, 3]] = UNLABELLED
    seen = [0, 2, 4]
    expected = F.cross_entropy(z_s[seen], y[seen])
    torch.testing.assert_close(kd_loss(z_s, z_t, hidden, T=2.0, alpha=1.0), expected)


def test_without_any_label_only_the_soft_term_is_left() -> None:
    z_s, z_t, y = random_batch()
    none = torch.full_like(y, UNLABELLED)
    soft = kd_loss(z_s, z_t, y, T=2.0, alpha=0.0)
    assert kd_loss(z_s, z_t, None, T=2.0, alpha=0.0) == soft
    torch.testing.assert_close(kd_loss(z_s, z_t, none, T=2.0, alpha=0.4), 0.6 * soft)


# ---- Properties ----------------------------------------------------------------------------------


@properties
@given(batches(), temperatures)
def test_divergence_is_never_negative_and_zero_for_equals(batch, T) -> None:
    z_s, z_t, _ = batch
    assert kl_divergence(z_t, z_s, T).min() >= -1e-12
    assert kl_divergence(z_t, z_t, T).abs().max() == 0
    assert kd_loss(z_t, z_t, None, T=T, alpha=0.0) == 0


@properties
@given(batches(), temperatures, alphas)
def test_loss_equals_torch_for_any_batch(batch, T, alpha) -> None:
    z_s, z_t, y = batch
    log_q, log_p = F.log_softmax(z_s / T, 1), F.log_softmax(z_t / T, 1)
    soft = F.kl_div(log_q, log_p, reduction="batchmean", log_target=True)
    hard = F.cross_entropy(z_s, y, reduction="sum") / max(1, int((y != UNLABELLED).sum()))
    expected = alpha * hard + (1 - alpha) * T**2 * soft
    torch.testing.assert_close(
        kd_loss(z_s, z_t, y, T=T, alpha=alpha), expected, rtol=1e-9, atol=1e-9 * max(1, T**2)
    )


@properties
@given(batches(), temperatures, alphas, st.floats(-20, 20), st.floats(-20, 20))
def test_a_constant_per_image_changes_nothing(batch, T, alpha, a, b) -> None:
    z_s, z_t, y = batch
    before = kd_loss(z_s, z_t, y, T=T, alpha=alpha)
    shifts = torch.linspace(0, 1, len(y), dtype=z_s.dtype)[:, None]  # another one in each row
    after = kd_loss(z_s + a * shifts, z_t + b + shifts, y, T=T, alpha=alpha)
    torch.testing.assert_close(after, before, rtol=1e-8, atol=1e-8 * max(1, T**2))
    torch.testing.assert_close(
        logit_matching(z_s + a * shifts, z_t + b), logit_matching(z_s, z_t), rtol=1e-8, atol=1e-8
    )


@properties
@given(batches(), temperatures, alphas, st.randoms(use_true_random=False))
def test_order_of_images_and_of_classes_changes_nothing(batch, T, alpha, random) -> None:
    z_s, z_t, y = batch
    before = kd_loss(z_s, z_t, y, T=T, alpha=alpha)
    rows = list(range(len(y)))
    random.shuffle(rows)
    after = kd_loss(z_s[rows], z_t[rows], y[rows], T=T, alpha=alpha)
    torch.testing.assert_close(after, before, rtol=1e-9, atol=1e-9)
    classes = list(range(z_s.shape[1]))
    random.shuffle(classes)
    places = torch.tensor(classes).argsort()  # class c is now at places[c]
    renamed = torch.where(y == UNLABELLED, y, places[y.clamp(min=0)])
    after = kd_loss(z_s[:, classes], z_t[:, classes], renamed, T=T, alpha=alpha)
    torch.testing.assert_close(after, before, rtol=1e-9, atol=1e-9)


@properties
@given(batches(), temperatures, alphas, alphas)
def test_loss_is_linear_in_alpha(batch, T, a, b) -> None:
    z_s, z_t, y = batch
    ends = [kd_loss(z_s, z_t, y, T=T, alpha=v) for v in (a, b)]
    middle = kd_loss(z_s, z_t, y, T=T, alpha=(a + b) / 2)
    torch.testing.assert_close(middle, (ends[0] + ends[1]) / 2, rtol=1e-9, atol=1e-9)


@properties
@given(batches(bound=10.0), st.floats(0.1, 5.0), st.floats(1.5, 10.0))
def test_higher_temperature_means_higher_entropy_and_the_same_order(batch, T, factor) -> None:
    z = batch[0]
    cool, warm = soft_targets(z, T), soft_targets(z, T * factor)
    torch.testing.assert_close(warm.sum(1), torch.ones(len(z), dtype=z.dtype))
    assert (entropy(warm) >= entropy(cool) - 1e-12).all()
    assert (warm.gather(1, z.argmax(1)[:, None])[:, 0] >= warm.amax(1) - 1e-12).all()


@properties
@given(batches())
def test_limits_of_temperature_are_the_hard_label_and_the_uniform_distribution(batch) -> None:
    z = batch[0].float()
    k = z.shape[1]
    torch.testing.assert_close(soft_targets(z, 1e7), torch.full_like(z, 1 / k), atol=1e-5, rtol=0)
    top = z.topk(2).values
    clear = top[:, 0] - top[:, 1] > 0.1
    hard = F.one_hot(z.argmax(1), k).float()
    torch.testing.assert_close(soft_targets(z, 1e-3)[clear], hard[clear], atol=1e-6, rtol=0)


@properties
@given(batches())
def test_soft_term_tends_to_logit_matching(batch) -> None:
    z_s, z_t, _ = batch
    soft = kd_loss(z_s, z_t, None, T=1e5, alpha=0.0)
    torch.testing.assert_close(soft, logit_matching(z_s, z_t), rtol=1e-2, atol=1e-3)


@properties
@given(batches())
def test_centred_logits_have_mean_zero_and_the_same_softmax(batch) -> None:
    z = batch[0]
    torch.testing.assert_close(centred(z).mean(1), torch.zeros(len(z), dtype=z.dtype))
    torch.testing.assert_close(soft_targets(centred(z)), soft_targets(z))


def test_loss_changes_with_the_teacher_and_not_with_its_order_alone() -> None:
    z_s, z_t, y = random_batch()
    before = kd_loss(z_s, z_t, y, T=4.0, alpha=0.5)
    other = z_t.clone()
    other[0, 0] += 1
    assert kd_loss(z_s, other, y, T=4.0, alpha=0.5) != before
    assert kd_loss(z_s, z_t.flip(0), y, T=4.0, alpha=0.5) != before
    assert kd_loss(z_s, other, y, T=4.0, alpha=1.0) == kd_loss(z_s, z_t, y, T=4.0, alpha=1.0)


# ---- Bad input: the message names the argument, the value and the remedy -----------------------

GOOD = torch.zeros(3, 4)


@pytest.mark.parametrize("T", [0.0, -1.0, math.inf, math.nan])
def test_bad_temperature(T: float) -> None:
    with pytest.raises(ValueError, match=f"T={T} must be a positive number; T=1 is the plain"):
        kd_loss(GOOD, GOOD, None, T=T, alpha=0.0)
    with pytest.raises(ValueError, match=f"T={T} must be a positive number"):
        soft_targets(GOOD, T)
    with pytest.raises(ValueError, match=f"T={T} must be a positive number"):
        kl_divergence(GOOD, GOOD, T)


@pytest.mark.parametrize("alpha", [-0.1, 1.1, math.nan])
def test_bad_alpha(alpha: float) -> None:
    with pytest.raises(ValueError, match=rf"alpha={alpha} must be in \[0, 1\]: 1 is labels only"):
        kd_loss(GOOD, GOOD, torch.zeros(3).long(), T=1.0, alpha=alpha)


def broken(value: float) -> Tensor:
    z = GOOD.clone()
    z[1, 2] = value
    return z


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_logits_that_are_not_finite(value: float) -> None:
    for argument, call in {
        "logits": lambda: soft_targets(broken(value)),
        "student_logits": lambda: kd_loss(broken(value), GOOD, None, T=1.0, alpha=0.0),
        "teacher_logits": lambda: kl_divergence(broken(value), GOOD),
    }.items():
        with pytest.raises(ValueError, match=rf"^{argument} holds NaN .* row 1; .* learning rate"):
            call()
    with pytest.raises(ValueError, match="^teacher_logits holds NaN or infinite"):
        kd_loss(GOOD, broken(value), None, T=1.0, alpha=0.0)
    with pytest.raises(ValueError, match="^teacher_logits holds NaN or infinite"):
        logit_matching(GOOD, broken(value))


@pytest.mark.parametrize("shape", [(4,), (3, 4, 1), (0, 4), (3, 1)])
def test_logits_of_a_wrong_shape(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"^logits has shape \(.*\); logits need \(N, K\), K >= 2"):
        soft_targets(torch.zeros(shape))


def test_logits_that_are_integers() -> None:
    with pytest.raises(ValueError, match=r"logits has type torch.int64; .* use .float\(\)"):
        soft_targets(torch.zeros(3, 4).long())


@pytest.mark.parametrize("shape", [(3, 5), (2, 4)])
def test_teacher_and_student_of_different_shapes(shape: tuple[int, int]) -> None:
    expected = (
        r"teacher_logits has shape \(\d, \d\) but student_logits has \(3, 4\); .* same images"
    )
    for call in (
        lambda z: kd_loss(GOOD, z, None, T=1.0, alpha=0.0),
        lambda z: kl_divergence(z, GOOD),
        lambda z: logit_matching(GOOD, z),
    ):
        with pytest.raises(ValueError, match=expected):
            call(torch.zeros(shape))


@pytest.mark.parametrize("label", [4, -1, -7])
def test_label_out_of_range(label: int) -> None:
    expected = f"labels holds {label}; with 4 classes labels go from 0 to 3, and -100 marks"
    with pytest.raises(ValueError, match=expected):
        kd_loss(GOOD, GOOD, torch.tensor([0, label, 3]), T=1.0, alpha=0.5)


def test_labels_of_a_wrong_number() -> None:
    with pytest.raises(ValueError, match=r"labels has shape \(2,\) for 3 rows .* one label each"):
        kd_loss(GOOD, GOOD, torch.tensor([0, 1]), T=1.0, alpha=0.5)


def test_labels_of_a_wrong_type() -> None:
    with pytest.raises(ValueError, match=r"labels has type torch.float32; .* use .long\(\)"):
        kd_loss(GOOD, GOOD, torch.zeros(3), T=1.0, alpha=0.5)


def test_alpha_without_labels() -> None:
    with pytest.raises(ValueError, match=r"alpha=0.5 weighs labels, but labels is None; use alpha"):
        kd_loss(GOOD, GOOD, None, T=1.0, alpha=0.5)


@pytest.mark.parametrize(
    "p", [torch.tensor([[2.0, -1.0]]), torch.tensor([[1.0, 1.0]]), torch.tensor([0.5, 0.5])]
)
def test_entropy_of_what_is_no_distribution(p: Tensor) -> None:
    with pytest.raises(ValueError, match=r"^probabilities must have .* give softmax\(logits\)"):
        entropy(p)


def test_unchecked_loss_runs_under_vmap() -> None:
    z_s, z_t, y = random_batch()
    Ts, alpha_s = torch.tensor([1.0, 4.0]), torch.tensor([0.0, 0.5])
    stacked = torch.func.vmap(soft._kd_loss, in_dims=(None, None, None, 0, 0))
    each = [kd_loss(z_s, z_t, y, T=T, alpha=a) for T, a in ((1.0, 0.0), (4.0, 0.5))]
    torch.testing.assert_close(stacked(z_s, z_t, y, Ts, alpha_s), torch.stack(each))


# ---- The loss with its gradient written down -----------------------------------------------------


def by_autograd(z_s: Tensor, z_t: Tensor, y: Tensor, T: float, alpha: float) -> list[Tensor]:
    """The definition's value and the gradient that autograd finds for it."""
    leaf = z_s.clone().requires_grad_()
    value = kd_loss(leaf, z_t, y, T=T, alpha=alpha)
    return [value.detach(), *torch.autograd.grad(value, leaf)]


def in_closed_form(z_s: Tensor, z_t: Tensor, y: Tensor, T: float, alpha: float) -> list[Tensor]:
    pair, weight = closed_form.terms(T, alpha, z_t)
    value, gradient = closed_form.value_and_gradient(
        z_s, closed_form.targets(z_t, y, pair), pair, weight
    )
    return [value, gradient]


@properties
@given(batches(), st.floats(0.5, 50.0), alphas)
def test_the_written_gradient_is_that_of_the_loss(batch, T: float, alpha: float) -> None:
    # a batch without any label is among the drawn ones
    found, expected = in_closed_form(*batch, T, alpha), by_autograd(*batch, T, alpha)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_the_written_gradient_of_narrow_logits(dtype: torch.dtype, alpha: float) -> None:
    z_s, z_t, y = random_batch()
    found = in_closed_form(z_s.to(dtype), z_t.float(), y, 4.0, alpha)
    value, gradient = by_autograd(z_s.to(dtype).float(), z_t.float(), y, 4.0, alpha)
    torch.testing.assert_close(found[0], value)
    torch.testing.assert_close(found[1], gradient.to(dtype))


@pytest.mark.parametrize("T", [1e-38, 0.1, 1.0, 4.0, 100.0, 1e3, 1e4, 1e5])
def test_the_written_value_in_single_precision(T: float) -> None:
    z_s, z_t, y = (t.float() if t.is_floating_point() else t for t in random_batch(8, 10))
    value, gradient = in_closed_form(z_s, z_t, y, T, 0.0)
    wide, wide_gradient = in_closed_form(z_s.double(), z_t.double(), y, T, 0.0)
    expected = kd_loss(z_s, z_t, y, T=T, alpha=0.0).item()
    # The gap between p and q falls as 1/T and their rounding does not.
    assert value.item() == pytest.approx(expected, rel=1e-5 + 1e-7 * T, abs=1e-28)
    assert wide.item() == pytest.approx(expected, rel=1e-6, abs=1e-28)
    error = (gradient - wide_gradient).norm() / wide_gradient.norm().clamp(min=1e-20)
    assert error < 1e-5 + 1e-7 * T


def test_written_gradients_of_several_students_are_each_ones_own() -> None:
    many = [random_batch(seed=s) for s in range(3)]
    many[1][2][2:] = UNLABELLED
    z_s, z_t, y = (torch.stack(parts) for parts in zip(*many, strict=True))
    Ts, alpha_s = [1.0, 4.0, 20.0], [0.0, 0.4, 1.0]
    pair, weight = closed_form.terms(Ts, alpha_s, z_t)
    found = closed_form.value_and_gradient(z_s, closed_form.targets(z_t, y, pair), pair, weight)
    for s, (batch, T, alpha) in enumerate(zip(many, Ts, alpha_s, strict=True)):
        own = closed_form.terms(T, alpha, z_t)
        alone = closed_form.value_and_gradient(
            batch[0], closed_form.targets(*batch[1:], own[0]), *own
        )
        torch.testing.assert_close((found[0][s], found[1][s]), alone)


def test_a_seeded_loss_passes_on_what_stands_above_it() -> None:
    z_s, z_t, y = random_batch()
    pair, weight = closed_form.terms(4.0, 0.3, z_t)
    leaf = z_s.requires_grad_()
    loss = closed_form.loss(leaf, closed_form.targets(z_t, y, pair), pair, weight)
    (gradient,) = torch.autograd.grad(-3 * loss, leaf)
    torch.testing.assert_close(gradient, -3 * by_autograd(z_s.detach(), z_t, y, 4.0, 0.3)[1])


def test_logits_are_widened_to_the_students_images_and_to_float32() -> None:
    half, single, double = (
        torch.zeros(1, 2, dtype=d) for d in (torch.half, torch.float, torch.double)
    )
    assert closed_form.wide(half, half).dtype == torch.float32
    assert closed_form.wide(single, double).dtype == torch.float64
    assert closed_form.wide(double, single).dtype == torch.float64
