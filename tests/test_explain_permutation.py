"""Permutation importance: exactly scikit-learn's, and against a loop that shuffles by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import load_digits
from sklearn.inspection import permutation_importance as sklearn_importance
from torch import nn

from distill_lessons.explain import groups, metrics
from distill_lessons.explain.permutation import permutation_importance


class AsEstimator(ClassifierMixin, BaseEstimator):
    """A torch model as scikit-learn sees one."""

    def __init__(self, model=None, shape=None, n_classes=10):
        self.model, self.shape, self.classes_ = model, shape, np.arange(n_classes)

    def fit(self, x, y):
        return self

    def __sklearn_is_fitted__(self):
        return True

    def predict(self, x):
        with torch.no_grad():
            return self.model(torch.from_numpy(x).view(-1, *self.shape)).argmax(1).numpy()


def trained(model, x, y, steps=60):
    generator = torch.Generator().manual_seed(0)
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    for _ in range(steps):
        i = torch.randint(len(x), (64,), generator=generator)
        loss = nn.functional.cross_entropy(model.train()(x[i]), y[i])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.eval()


def seeded(build, seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return build()


def mlp(n_features, *hidden, k=10, bias=True):
    layers, width = [nn.Flatten()], n_features
    for units in hidden:
        layers += [nn.Linear(width, units, bias=bias), nn.ReLU(), nn.Dropout(0.2)]
        width = units
    return seeded(lambda: nn.Sequential(*layers, nn.Linear(width, k)))


def conv(channels=1, k=10):
    return seeded(
        lambda: nn.Sequential(
            nn.Conv2d(channels, 6, 3), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(54, k)
        )
    )


@pytest.fixture(scope="module")
def digits():
    x, y = load_digits(return_X_y=True)
    return torch.tensor(x / 16, dtype=torch.float32).view(-1, 1, 8, 8), torch.as_tensor(y)


@pytest.fixture(scope="module")
def net(digits):
    return trained(mlp(64, 32), *digits)


def colour(digits):
    """Three classes, three channels, the channels not equal."""
    x, y = digits
    x, y = x[y < 3], y[y < 3]
    return torch.cat([x, 1 - x, x.flip(3)], 1), y


def theirs(model, x, y, repeats, seed, k=10):
    estimator = AsEstimator(model, tuple(x.shape[1:]), k)
    found = sklearn_importance(
        estimator, x.flatten(1).numpy(), y.numpy(), n_repeats=repeats, random_state=seed
    )
    return found.importances


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize("seed", [0, 7])
def test_exactly_equal_to_sklearn_on_64_features(digits, net, fast, seed):
    x, y = digits[0][:600], digits[1][:600]
    ours = permutation_importance(net, x, y, repeats=5, seed=seed, fast=fast)
    np.testing.assert_array_equal(ours.importances, theirs(net, x, y, 5, seed))
    assert ours.importances.dtype == np.float64
    assert ours.importances.max() > 0.01  # the comparison is not one of zeros


def test_exactly_equal_to_sklearn_on_784_features(digits):
    x, y = digits
    x = nn.functional.interpolate(x, size=(28, 28), mode="bilinear")[:400]
    model = trained(mlp(784, 128), x, y[:400])
    ours = permutation_importance(model, x, y[:400], repeats=3)
    np.testing.assert_array_equal(ours.importances, theirs(model, x, y[:400], 3, 0))


@pytest.mark.parametrize(
    "build",
    [
        pytest.param(lambda: mlp(64), id="linear"),
        pytest.param(lambda: mlp(64, 24, 24), id="two hidden layers"),
        pytest.param(lambda: mlp(64, 24, bias=False), id="no bias"),
        pytest.param(lambda: nn.Sequential(nn.Identity(), mlp(64, 24)), id="nested"),
        pytest.param(conv, id="convolutional"),
    ],
)
def test_equal_to_sklearn_for_other_models(digits, build):
    x, y = digits[0][:300], digits[1][:300]
    model = trained(build(), x, y)
    ours = permutation_importance(model, x, y, repeats=2, seed=3)
    np.testing.assert_array_equal(ours.importances, theirs(model, x, y, 2, 3))


def test_colour_images_of_three_classes(digits):
    x, y = colour(digits)
    model = trained(conv(3, 3), x, y)
    ours = permutation_importance(model, x[:200], y[:200], repeats=2)
    np.testing.assert_array_equal(ours.importances, theirs(model, x[:200], y[:200], 2, 0, k=3))
    by_channel = permutation_importance(model, x, y, groups=groups.channels((3, 8, 8)))
    assert by_channel.mean.shape == (3,)


@pytest.mark.parametrize("fast", [True, False])
def test_tied_classes_are_judged_as_the_plain_way_judges_them(digits, net, fast):
    x, y = digits[0][:200], digits[1][:200]
    model = mlp(64, 32).eval()
    model.load_state_dict(net.state_dict())
    with torch.no_grad():  # class 1 is a copy of class 0, 3 of 2, and so on: every image is a tie
        model[-1].weight[1::2] = model[-1].weight[::2]
        model[-1].bias[1::2] = model[-1].bias[::2]
    ours = permutation_importance(model, x, y, repeats=3, fast=fast)
    np.testing.assert_array_equal(ours.importances, theirs(model, x, y, 3, 0))


def offset(kind, size):
    """Inputs whose mean is `size` times their spread, and a net that cancels it."""
    generator = torch.Generator().manual_seed(1)
    x = torch.rand(300, 12, generator=generator)
    model = seeded(lambda: nn.Sequential(nn.Linear(12, 16), nn.ReLU(), nn.Linear(16, 4)))
    with torch.no_grad():
        if kind == "two columns":
            x[:, :2] += size
            model[0].weight[:, 1] = -model[0].weight[:, 0]
        elif kind == "every column":
            x += size
            model[0].bias -= model[0].weight.sum(1) * size
        else:  # one image
            x[7] += size
        model[2].bias -= model(x).median(0).values  # no class wins everywhere
        y = model(x).argmax(1)
    y[::5] = 0
    return model, x, y


@pytest.mark.parametrize("size", [1e2, 1e4, 1e5, 1e6, 1e7])
@pytest.mark.parametrize("kind", ["two columns", "every column", "one image"])
def test_badly_conditioned_inputs_differ_in_no_bit(kind, size):
    model, x, y = offset(kind, size)
    expected = theirs(model, x, y, 3, 0, k=4)
    for fast in (True, False):
        ours = permutation_importance(model, x, y, repeats=3, fast=fast)
        np.testing.assert_array_equal(ours.importances, expected)
    assert expected.max() > 0.01


@pytest.mark.parametrize("kind", ["two columns", "every column"])
def test_near_ties_grow_with_the_inputs_and_not_without_need(kind):
    near = {}
    for size in (0.0, 1e6):
        model, x, _ = offset(kind, size)
        with torch.no_grad():
            near[size] = metrics.near_tie(model, x, model(x), memory=64)
    assert near[1e6] > 1e3 * near[0.0]
    with torch.no_grad():  # at rest it is what it was: a share of the largest logit
        model, x, _ = offset(kind, 0.0)
        assert near[0.0] < 4 * metrics.NEAR_TIE * float(model(x).abs().max())


def by_hand(model, x, y, group, repeats, seed, score):
    """Shuffle as scikit-learn does, all features of the group together, and run everything."""
    shuffler = np.random.RandomState(np.random.RandomState(seed).randint(2**31))
    step, mixed, found = np.arange(len(x)), x.flatten(1).clone(), []
    for _ in range(repeats):
        shuffler.shuffle(step)
        mixed[:, group] = mixed[step][:, group]
        with torch.no_grad():
            found.append(score(model(mixed.view(x.shape)).double()))
    with torch.no_grad():
        return np.array([score(model(x).double()) - value for value in found])


SCORES = {
    "accuracy": lambda z, y, t: float((z.argmax(1) == y).double().mean()),
    "cross_entropy": lambda z, y, t: -float(nn.functional.cross_entropy(z, y)),
    "soft_targets": lambda z, y, t: (
        -float(
            nn.functional.kl_div((z / 4).log_softmax(1), (t / 4).softmax(1), reduction="batchmean")
        )
    ),
}


@pytest.mark.parametrize("metric", SCORES)
@pytest.mark.parametrize("kind", ["mlp", "conv"])
def test_groups_and_metrics_against_a_loop(digits, net, metric, kind):
    x, y = digits[0][:300], digits[1][:300]
    model = net if kind == "mlp" else trained(conv(), x, y)
    teacher = 2 * trained(mlp(64, 16), x, y)(x).detach()
    made = [*groups.patches((1, 8, 8), 4), groups.rows((1, 8, 8))[3], np.arange(64)]
    ours = permutation_importance(
        model, x, y, metric=metric, groups=made, repeats=3, seed=5, teacher_logits=teacher, T=4.0
    )
    for i, group in enumerate(made):
        expected = by_hand(
            model, x, y, group, 3, 5, lambda z: SCORES[metric](z, y, teacher.double())
        )
        np.testing.assert_allclose(ours.importances[i], expected, rtol=0, atol=2e-6)
    with torch.no_grad():
        baseline = SCORES[metric](model(x).double(), y, teacher.double())
    assert abs(ours.baseline) == pytest.approx(abs(baseline), abs=1e-6)


def test_per_class_importances_average_to_the_whole(digits, net):
    x, y = digits[0][:500], digits[1][:500]
    whole = permutation_importance(net, x, y, repeats=3)
    parts = permutation_importance(net, x, y, repeats=3, per_class=True)
    assert parts.importances.shape == (64, 3, 10)
    share = np.bincount(y, minlength=10) / len(y)
    np.testing.assert_allclose(parts.importances @ share, whole.importances, atol=1e-12)
    np.testing.assert_allclose(parts.baseline @ share, whole.baseline, atol=1e-12)
    threes = by_hand(
        net, x, y, [28], 3, 0, lambda z: float((z.argmax(1) == y)[y == 3].double().mean())
    )
    np.testing.assert_allclose(parts.importances[28, :, 3], threes, atol=1e-12)


def test_a_class_without_images_has_no_importance(digits, net):
    x, y = colour(digits)
    found = permutation_importance(net, x[:, :1], y, repeats=2, per_class=True)
    assert np.isnan(found.mean[:, 3:]).all()
    assert np.isfinite(found.mean[:, :3]).all()


def test_worked_by_hand():
    # The class is 1 where the first feature is: the model reads it, and nothing else.
    model = nn.Linear(2, 2)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[0.0, 0.0], [1.0, 0.0]]))
        model.bias.copy_(torch.tensor([0.5, 0.0]))
    x = torch.tensor([[1.0, 5.0], [0.0, 5.0], [1.0, 5.0], [0.0, 6.0]])
    found = permutation_importance(model, x, torch.tensor([1, 0, 1, 0]), repeats=4, seed=1)
    assert found.baseline == 1.0
    # Half of the values are 1, so each shuffle puts a wrong value on 0, 2 or all 4 images.
    assert set(found.importances[0]) <= {0.0, 0.5, 1.0}
    assert found.importances[0].max() > 0
    assert not found.importances[1].any()


def test_the_interval_is_students_over_repeats(digits, net):
    x, y = digits[0][:200], digits[1][:200]
    found = permutation_importance(net, x, y, repeats=6, metric="cross_entropy")
    low, high = stats.t.interval(
        0.95, 5, loc=found.mean[30], scale=stats.sem(found.importances[30])
    )
    assert found.low[30] == pytest.approx(low)
    assert found.high[30] == pytest.approx(high)
    once = permutation_importance(net, x, y, repeats=1)
    assert np.isnan(once.low).all()


def test_a_shuffle_that_changes_nothing_costs_nothing(digits, net):
    x, y = digits[0][:200].clone(), digits[1][:200]
    x[:, :, 0] = 0.25
    found = permutation_importance(net, x, y, groups=groups.rows((1, 8, 8))[:1])
    assert found.rows == 0
    assert not found.importances.any()


def test_the_memory_limit_changes_no_number(digits, net):
    x, y = digits[0][:300], digits[1][:300]
    for model in (net, trained(conv(), x, y)):
        roomy = permutation_importance(model, x, y, repeats=2)
        tight = permutation_importance(model, x, y, repeats=2, memory=0.01)
        np.testing.assert_array_equal(roomy.importances, tight.importances)


def test_model_and_random_state_are_left_alone(digits, net):
    x, y = digits[0][:100], digits[1][:100]
    model = mlp(64, 16).train()
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    permutation_importance(model, x, y, repeats=2)
    assert model.training
    assert all(p.requires_grad and p.grad is None for p in model.parameters())
    assert torch.equal(before[0], torch.get_rng_state())
    np.testing.assert_array_equal(before[1], np.random.get_state()[1])  # noqa: NPY002


def test_a_label_map_is_a_list_of_groups(digits, net):
    x, y = digits[0][:200], digits[1][:200]
    halves = (torch.arange(64).view(8, 8) >= 32).long()
    a = permutation_importance(net, x, y, groups=halves, repeats=2)
    b = permutation_importance(net, x, y, groups=[range(32), range(32, 64)], repeats=2)
    np.testing.assert_array_equal(a.importances, b.importances)


def test_groups_tile_the_image():
    shape = (3, 5, 7)
    for made in (
        groups.rows(shape),
        groups.columns(shape),
        groups.pixels(shape),
        groups.channels(shape),
        groups.singles(105),
        groups.patches(shape, 2),
        groups.patches(shape, (5, 1)),
    ):
        np.testing.assert_array_equal(np.sort(np.concatenate(made)), np.arange(105))
    assert len(groups.patches(shape, 2)) == 3 * 4
    assert groups.pixels(shape)[8].tolist() == [8, 43, 78]


def test_paint_puts_values_where_the_groups_are():
    made = groups.patches((1, 4, 4), 2)
    drawn = groups.paint(np.arange(8.0).reshape(4, 2), made, (1, 4, 4))
    assert drawn.shape == (1, 4, 4, 2)
    np.testing.assert_array_equal(drawn[0, 2:, :2], np.full((2, 2, 2), [4.0, 5.0]))
    assert np.isnan(groups.paint([1.0], made[:1], (1, 4, 4))[0, 3, 3])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"metric": "acuracy"}, "metric='acuracy' is unknown. Did you mean 'accuracy'"),
        ({"repeats": 0}, "repeats=0 must be at least 1"),
        ({"groups": []}, "groups is an empty list"),
        ({"groups": [[1], []]}, "group 1 is empty"),
        ({"groups": [[64]]}, "group 0 must hold feature numbers from 0 to 63"),
        ({"groups": [[1, 1]]}, "group 0 names a feature twice"),
        ({"groups": np.zeros((3, 3), int)}, r"label map of shape \(3, 3\) does not fit"),
        ({"groups": np.zeros((8, 8))}, "label map of float64 values"),
        ({"metric": "soft_targets"}, "give teacher_logits"),
        (
            {"metric": "soft_targets", "teacher_logits": torch.zeros(5, 10)},
            r"teacher_logits has shape \(5, 10\)",
        ),
        (
            {"metric": "soft_targets", "teacher_logits": torch.zeros(50, 10), "T": 0.0},
            "T=0.0 must be a",
        ),
        (
            {"metric": "soft_targets", "teacher_logits": torch.full((50, 10), torch.nan)},
            "teacher_logits holds 500 NaN or infinite values of 500",
        ),
        (
            {"metric": "soft_targets", "teacher_logits": np.full((50, 10), np.inf)},
            "teacher_logits holds 500 NaN or infinite values of 500",
        ),
        ({"memory": 1e-6}, "memory=1e-06 MiB is less than one input takes"),
        ({"y": torch.zeros(3).long()}, r"y has shape \(3,\) for 50 inputs"),
        ({"x": torch.zeros(50, 1, 8, 8).long()}, "give a float tensor"),
    ],
)
def test_bad_input_is_refused(digits, net, change, message):
    arguments = {"x": digits[0][:50], "y": digits[1][:50], **change}
    with pytest.raises(ValueError, match=message):
        permutation_importance(net, **arguments)


def test_probabilities_are_warned_of(digits, net):
    model = nn.Sequential(net, nn.Softmax(dim=1))
    with pytest.warns(UserWarning, match="rows sum to 1"):
        permutation_importance(model, digits[0][:50], digits[1][:50], repeats=1)


def test_patches_larger_than_the_image_are_refused():
    with pytest.raises(ValueError, match="size=9 must be from 1 to the image's 8×8 pixels"):
        groups.patches((1, 8, 8), 9)


def test_paint_wants_one_value_per_group():
    with pytest.raises(ValueError, match=r"values has shape \(2,\) for 1 groups"):
        groups.paint([1.0, 2.0], [[0]], (1, 1, 2))
