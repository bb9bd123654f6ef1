"""What explanations are used for, each function against an oracle or worked by hand."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score
from sklearn.metrics.pairwise import cosine_distances
from torch import Tensor, nn
from torch.nn import functional as F

from distill_lessons import losses, models
from distill_lessons.data import Split
from distill_lessons.explain import groups
from distill_lessons.fast import stacking
from distill_lessons.objectives import Batch
from distill_lessons.uses import (
    alternatives,
    counterfactuals,
    influence,
    patchwork,
    reasons,
    surrogates,
)

N, K, SHAPE = 6, 3, (1, 2, 3)
G = torch.Generator().manual_seed(0)
X, Y = torch.rand(N, *SHAPE, generator=G), torch.arange(N) % K
ENDS = torch.stack([torch.zeros(SHAPE), torch.ones(SHAPE)])
FEW = settings(max_examples=15, deadline=None)


def net(seed: int = 0, hidden: tuple[int, ...] = (8,), k: int = K) -> nn.Sequential:
    """A net that is sure enough of itself for a change to matter."""
    found = models.mlp(SHAPE, k, hidden, seed=seed)
    with torch.no_grad():
        for weight in found.parameters():
            weight.mul_(3)
    return found


def smooth(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Flatten(), nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, K))


def batch(x: Tensor = X) -> Batch:
    return Batch(x, Y, torch.arange(len(x)))


# --- counterfactuals -----------------------------------------------------------------------------


def exhaustive(model: nn.Module, image: Tensor, most: int) -> int | None:
    """Return the fewest pixels whose change to black or white flips the answer, of all ways."""
    own = int(model(image[None]).argmax())
    for n in range(1, most + 1):
        for pixels in itertools.combinations(range(image.numel()), n):
            for values in itertools.product((0.0, 1.0), repeat=n):
                changed = image.clone().flatten()
                changed[list(pixels)] = torch.tensor(values)
                if int(model(changed.view(1, *SHAPE)).argmax()) != own:
                    return n
    return None


@pytest.mark.parametrize("seed", range(4))
def test_a_search_on_a_linear_model_of_two_classes_is_the_shortest(seed: int) -> None:
    model = net(seed, (), 2)
    found = counterfactuals.search(model, X, ENDS, budget=6, missing="mark")
    wanted = [exhaustive(model, image, 6) for image in X]
    assert [int(n) if ok else None for n, ok in zip(found.n, found.found, strict=True)] == wanted


@pytest.mark.parametrize("seed", [1, 2, 4])
def test_a_search_on_a_net_is_never_shorter_than_the_shortest_and_finds_a_single_pixel(
    seed: int,
) -> None:
    model = net(seed)
    found = counterfactuals.search(model, X, ENDS, budget=6, missing="mark")
    assert found.found.any()
    for image, n, ok in zip(X, found.n.tolist(), found.found, strict=True):
        least = exhaustive(model, image, 3)
        if ok and n <= 3:
            assert least is not None
            assert n >= least
        if least == 1:
            assert n == 1


def test_the_greedy_search_is_not_always_the_shortest() -> None:
    """Two pixels count only together, and a third one leads astray: the caution of the lesson."""

    class Both(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            a, b, c = x.flatten(1)[:, :3].unbind(1)
            return torch.stack([0 * a + 1.5, 2 * a * b + 0.5 * c], 1)

    image = torch.zeros(1, *SHAPE)
    found = counterfactuals.search(Both(), image, ENDS)
    assert exhaustive(Both(), image[0], 3) == 2
    assert found.n.tolist() == [3]


@FEW
@given(seed=st.integers(0, 50), budget=st.integers(1, 6), stop=st.booleans())
def test_what_changed_is_what_the_order_says(seed: int, budget: int, stop: bool) -> None:
    model = net(seed)
    model.train()
    found = counterfactuals.search(model, X, ENDS, budget=budget, missing="mark", stop=stop)
    assert model.training
    assert all(weight.grad is None for weight in model.parameters())
    assert torch.equal(found.found, found.after != found.before)
    for image, changed, n, order in zip(X, found.x, found.n, found.order, strict=True):
        touched = (image != changed).flatten().nonzero()[:, 0].tolist()
        assert sorted(order[order >= 0].tolist()) == touched
        assert len(touched) == int(n) == (budget if not stop else len(touched))
        assert set(changed.flatten()[touched].tolist()) <= {0.0, 1.0}


def test_margins_are_those_of_a_loop() -> None:
    z = torch.randn(5, 4, generator=G)
    own = torch.tensor([0, 3, 1, 2, 2])
    rows = list(zip(z.tolist(), own.tolist(), strict=True))
    by_hand = [max(v for k, v in enumerate(row) if k != mine) - row[mine] for row, mine in rows]
    assert counterfactuals.margins(z, own).tolist() == pytest.approx(by_hand)
    target = (own + 1) % 4
    to_target = counterfactuals.margins(z, own, target)
    torch.testing.assert_close(to_target, -counterfactuals.margins(z, target))
    assert torch.equal(to_target > 0, z.argmax(1) == target)


def test_a_target_is_reached_by_patches_of_a_real_image() -> None:
    model = net(2)
    real = torch.rand(60, *SHAPE, generator=G)
    donor, target = alternatives.nearest_other(model, X, real)
    columns = groups.columns(SHAPE)
    found = counterfactuals.search(
        model, X, donor[:, None], groups=columns, target=target, budget=3
    )
    assert torch.equal(found.after, target)  # all columns are the donor itself, so it is there
    inside = (found.x == X) | (found.x == donor)
    assert bool(inside.all())


def test_few_candidates_do_for_a_linear_model_since_its_slopes_are_exact() -> None:
    model = net(1, (), 2)
    some, every = (counterfactuals.search(model, X, ENDS, candidates=n, missing="mark")
                   for n in (1, 12))  # fmt: skip
    assert torch.equal(some.order, every.order)


def test_a_counterfactual_that_does_not_exist_is_refused_by_name() -> None:
    model = net(0, ())
    with torch.no_grad():
        model[1].bias[:] = torch.tensor([0.0, 500.0, 0.0])  # whatever the image
    with pytest.raises(ValueError, match=r"budget=6: image 0 keeps the answer 1 after 6 changes"):
        counterfactuals.search(model, X, ENDS, budget=6)
    marked = counterfactuals.search(model, X, ENDS, budget=6, missing="mark")
    assert not marked.found.any()
    with pytest.raises(ValueError, match="target: image 0 is already answered with 1"):
        counterfactuals.search(model, X, ENDS, target=torch.ones(N, dtype=torch.int64))


def test_nothing_is_changed_where_the_alternative_is_the_image_itself() -> None:
    found = counterfactuals.search(net(), X, X[:, None], missing="mark")
    assert found.n.tolist() == [0] * N
    assert torch.equal(found.x, X)


@FEW
@given(seed=st.integers(0, 99))
def test_chance_changes_as_many_as_asked(seed: int) -> None:
    n = torch.arange(N)
    found = alternatives.at_random(X, ENDS, n, seed=seed)
    assert (found != X).flatten(1).sum(1).tolist() == n.tolist()
    assert torch.equal(found, alternatives.at_random(X, ENDS, n, seed=seed))


def test_the_nearest_other_is_that_of_a_loop() -> None:
    model, real = net(2), torch.rand(40, *SHAPE, generator=G)
    donor, target = alternatives.nearest_other(model, X, real)
    said, of_real = model(X).argmax(1), model(real).argmax(1)
    for i in range(N):
        far = [(float((X[i] - r).norm()), j) for j, r in enumerate(real) if of_real[j] != said[i]]
        nearest = min(far)[1]
        assert torch.equal(donor[i], real[nearest])
        assert target[i] == of_real[nearest]


def test_without_an_other_the_nearest_stands_in_for_the_second_choice() -> None:
    model, real = net(2), torch.rand(40, *SHAPE, generator=G)
    model[-1].bias.data[1] += 100  # a net that has learned nothing answers everything alike
    donor, target = alternatives.nearest_other(model, X, real)
    assert torch.equal(target, model(X).topk(2).indices[:, 1])
    nearest = torch.cdist(X.flatten(1), real.flatten(1)).argmin(1)
    assert torch.equal(donor, real[nearest])


# --- LIME ----------------------------------------------------------------------------------------


def test_weights_are_those_of_the_package_lime() -> None:
    """Its kernel and distance, as lime 0.2 writes them: sqrt(exp(-d²/w²)), cosine distance."""
    kept = surrogates.random_masks(7, 40, seed=1)
    d = cosine_distances(kept.astype(float), np.ones((1, 7))).ravel()
    np.testing.assert_allclose(
        surrogates.local_weights(kept, 0.25), np.sqrt(np.exp(-(d**2) / 0.25**2)), rtol=1e-9
    )
    assert surrogates.local_weights(np.zeros((1, 4)), 0.5)[0] == pytest.approx(np.exp(-2))


def test_a_ridge_by_hand() -> None:
    # One region, shown or hidden, equal weights 1: middle 1/2, so the slope is
    # sum (x - 1/2)(z - 3) / (sum (x - 1/2)^2 + penalty) = 2 * (1/2 * 1) / (2 * 1/4 + 1/2) = 1.
    values, intercept = surrogates.weighted_ridge(
        [[1.0], [0.0]], [[4.0], [2.0]], [1.0, 1.0], penalty=0.5
    )
    assert values.tolist() == [[1.0]]
    assert intercept.tolist() == [2.5]  # 3 - 1/2


@pytest.mark.parametrize("penalty", [1e-3, 1.0, 30.0])
def test_the_ridge_and_its_fit_are_those_of_scikit_learn(penalty: float) -> None:
    rng = np.random.default_rng(0)
    kept = surrogates.random_masks(5, 60, seed=0)
    z, weights = rng.normal(size=(2, 60, 3)), rng.random(60)
    values, intercept = surrogates.weighted_ridge(kept, z, weights, penalty=penalty)
    guessed = kept @ values + intercept[:, None]
    fit = surrogates.r_squared(z, guessed, weights)
    for image in range(2):
        theirs = Ridge(alpha=penalty).fit(kept, z[image], sample_weight=weights)
        np.testing.assert_allclose(values[image], theirs.coef_.T, atol=1e-9)
        np.testing.assert_allclose(intercept[image], theirs.intercept_, atol=1e-9)
        scores = r2_score(
            z[image], theirs.predict(kept), sample_weight=weights, multioutput="raw_values"
        )
        np.testing.assert_allclose(fit[image], scores, atol=1e-9)


def test_lime_is_a_ridge_on_masked_images_done_one_by_one() -> None:
    model, regions = net(3), groups.columns(SHAPE)
    behind = X.mean(0)
    found = surrogates.lime(model, X, regions=regions, baseline=behind, n=50, width=0.4, seed=7)
    kept = surrogates.random_masks(3, 50, seed=7)
    weights = surrogates.local_weights(kept, 0.4)
    for i, image in enumerate(X):
        answers = []
        for row in kept:
            masked = behind.clone()
            masked[..., torch.as_tensor(row)] = image[..., torch.as_tensor(row)]
            z = model(masked[None])[0].detach()
            answers.append((z - z.mean()).tolist())
        theirs = Ridge(alpha=1.0).fit(kept, answers, sample_weight=weights)
        np.testing.assert_allclose(found.values[i], theirs.coef_.T, atol=1e-4)
        np.testing.assert_allclose(found.predict(kept)[i], theirs.predict(kept), atol=1e-4)


def test_a_linear_model_is_its_own_surrogate_and_probabilities_are_not() -> None:
    model, regions = net(1, ()), groups.singles(6)
    weight = model[1].weight.detach()
    worth = (weight - weight.mean(0)).T.numpy() * X.flatten(1)[..., None].numpy()  # (N, 6, K)
    one = surrogates.one_hidden(model, X, regions=regions, baseline=0.0)
    np.testing.assert_allclose(one.values, worth, atol=1e-4)
    kept = surrogates.random_masks(6, 64, seed=0)
    fitted = surrogates.lime(model, X, regions=regions, baseline=0.0, penalty=1e-9, n=64)
    np.testing.assert_allclose(fitted.values, worth, atol=1e-3)
    assert fitted.r2.min() > 0.999
    bent = surrogates.lime(
        model, X, regions=regions, baseline=0.0, penalty=1e-9, n=64, output="probabilities"
    )
    assert bent.r2.mean() < 0.99
    z = surrogates.answers(model, X, kept, regions=regions, baseline=0.0)
    np.testing.assert_allclose(one.predict(kept), z, atol=1e-4)


def test_a_narrow_kernel_leaves_nothing_but_the_penalty() -> None:
    wide, narrow = (
        surrogates.lime(net(1, ()), X, regions=groups.singles(6), baseline=0.0, width=w, n=60)
        for w in (0.5, 0.02)
    )
    assert np.abs(narrow.values).max() < 0.1 * np.abs(wide.values).max()


def test_a_constant_answer_has_no_fit() -> None:
    same = np.ones((4, 1))
    assert surrogates.r_squared(same, same, np.ones(4)).tolist() == [0.0]


# --- reasons -------------------------------------------------------------------------------------


def slope_of(model: nn.Module, image: Tensor, k: int) -> Tensor:
    leaf = image[None].clone().requires_grad_()
    z = model(leaf)[0]
    (found,) = torch.autograd.grad(z[k] - z.mean(), leaf, create_graph=True)
    return found[0]


def test_slopes_are_those_of_autograd_image_by_image() -> None:
    model = smooth(0)
    found = reasons.class_slopes(model, X, Y)
    for i in range(N):
        torch.testing.assert_close(found[i], slope_of(model, X[i], int(Y[i])))
    assert found.requires_grad


def test_gaps_are_one_minus_the_cosine_of_torch() -> None:
    a, b = torch.randn(2, N, *SHAPE, generator=G)
    wanted = 1 - F.cosine_similarity(a.flatten(1), b.flatten(1))
    torch.testing.assert_close(reasons.gaps(a, b), wanted)
    assert reasons.gaps(a, 3 * a).abs().max() < 1e-5
    assert reasons.gaps(torch.zeros_like(a), b).isfinite().all()


@pytest.mark.parametrize("weight", [0.0, 2.5])
def test_slopes_like_the_teachers_against_autograd(weight: float) -> None:
    teacher, student = smooth(1), smooth(2)
    z = teacher(X).detach()
    k = z.argmax(1)
    slopes = reasons.class_slopes(teacher, X, k).detach()
    value = reasons.like_teacher(z, slopes, weight=weight, T=2.0)(student, batch())
    p = (z / 2).softmax(1)
    soft = -(p * (student(X) / 2).log_softmax(1)).sum(1).mean() * 4
    own = torch.stack([slope_of(student, X[i], int(k[i])) for i in range(N)])
    apart = 1 - F.cosine_similarity(own.flatten(1), slopes.flatten(1))
    by_hand = soft + weight * apart.mean()
    torch.testing.assert_close(value, by_hand)
    weights = list(student.parameters())
    found, wanted = (torch.autograd.grad(v, weights, allow_unused=True) for v in (value, by_hand))
    for a, b in zip(found, wanted, strict=True):
        torch.testing.assert_close(a, b)
    if weight == 0:  # then it is plain distillation, up to what does not depend on the student
        plain = 4 * losses.kl_divergence(z, student(X), T=2.0).mean()
        entropy = -(p * p.log()).sum(1).mean() * 4
        torch.testing.assert_close(value, plain + entropy)


def test_right_reasons_against_autograd() -> None:
    model = smooth(3)
    mask = torch.tensor([[[False, True, False], [True, False, False]]])
    value = reasons.right_reasons(mask, weight=0.7)(model, batch())
    leaf = X.clone().requires_grad_()
    (slope,) = torch.autograd.grad(model(leaf).log_softmax(1).sum(), leaf, create_graph=True)
    penalty = sum((slope[i][mask] ** 2).sum() for i in range(N)) / N
    by_hand = F.cross_entropy(model(X), Y) + 0.7 * penalty
    torch.testing.assert_close(value, by_hand)
    for a, b in zip(*(torch.autograd.grad(v, list(model.parameters()), allow_unused=True)
                      for v in (value, by_hand)), strict=True):  # fmt: skip
        torch.testing.assert_close(a, b)


def test_weights_of_images_side_by_side_are_two_trainings() -> None:
    teacher = smooth(1)
    z = teacher(X).detach()
    slopes = reasons.class_slopes(teacher, X, z.argmax(1)).detach()
    twice = Split(X.repeat(2, 1, 1, 1), Y.repeat(2))
    rows = torch.arange(2 * N).view(2, N)
    both = [net(5), net(5)]
    objective = reasons.like_teacher(
        z.repeat(2, 1), slopes.repeat(2, 1, 1, 1),
        weight=torch.tensor([0.5, 4.0]).repeat_interleave(N),
    )  # fmt: skip
    stacking.fit_many(both, twice, objective=objective, rows=rows, seeds=[0, 0], steps=5)
    for student, weight in zip(both, (0.5, 4.0), strict=True):
        alone = [net(5)]
        objective = reasons.like_teacher(z, slopes, weight=weight)
        stacking.fit_many(alone, Split(X, Y), objective=objective, seeds=[0], steps=5)
        torch.testing.assert_close(student(X), alone[0](X), atol=1e-4, rtol=1e-4)


# --- influence and patchwork ---------------------------------------------------------------------


def test_self_influence_is_the_squared_gradient_of_each_image() -> None:
    model = net(4)
    found = influence.self_influence(model, Split(X, Y), batch_size=4)
    for i in range(N):
        loss = F.cross_entropy(model(X[i : i + 1]), Y[i : i + 1])
        slopes = torch.autograd.grad(loss, list(model.parameters()))
        torch.testing.assert_close(found[i], sum((s**2).sum() for s in slopes))


def test_self_influence_of_a_linear_model_by_its_formula() -> None:
    model = net(4, ())
    error = model(X).detach().softmax(1) - F.one_hot(Y, K)
    by_formula = (error**2).sum(1) * ((X.flatten(1) ** 2).sum(1) + 1)
    torch.testing.assert_close(influence.self_influence(model, Split(X, Y)), by_formula)


def test_a_unit_sees_its_patch_and_nothing_else() -> None:
    columns = groups.columns(SHAPE)
    counts = patchwork.dealt([2.0, 0.0, 1.0], 3)
    seen = patchwork.views(counts, columns, SHAPE)
    assert seen.int().tolist() == [[1, 0, 0, 1, 0, 0]] * 2 + [[0, 0, 1, 0, 0, 1]]
    model = patchwork.Patchwork(SHAPE, K, seen, seed=0)
    other = X.clone()
    other[..., 1] = 0.77
    assert torch.equal(model(X), model(other))
    whole = models.mlp(SHAPE, K, (3,), seed=0)
    full = patchwork.Patchwork(SHAPE, K, torch.ones(3, 6, dtype=torch.bool), seed=0)
    torch.testing.assert_close(full(X), whole(X))


@FEW
@given(shares=st.lists(st.floats(0, 9), min_size=1, max_size=8), n=st.integers(1, 40))
def test_units_are_dealt_out_to_the_last_and_in_proportion(shares: list[float], n: int) -> None:
    if sum(shares) < 1e-3:
        shares = [*shares, 1.0]
    counts = patchwork.dealt(shares, n)
    assert counts.sum() == n
    exact = np.array(shares) / sum(shares) * n
    assert np.abs(counts - exact).max() < 1 + 1e-9
