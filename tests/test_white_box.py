"""Trees that are grown on any targets, cut, refilled and read; soft trees; their exact values."""

from __future__ import annotations

import itertools

import matplotlib.pyplot as plt
import numpy as np
import pytest
import shap
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.tree import DecisionTreeClassifier

from distill_lessons import models, plots, training
from distill_lessons.data import Split
from distill_lessons.explain import known, shapley
from distill_lessons.explain.shap_adapters import shap_values
from distill_lessons.fast import stacking
from distill_lessons.plots import wording
from distill_lessons.whitebox import trees
from distill_lessons.whitebox.soft_tree import SoftTree, soft_tree

DIGITS, LABELS = (part[:300] for part in load_digits(return_X_y=True))
ONE_HOT = np.eye(10)[LABELS]


def some(n: int, n_features: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, n_features)).astype(np.float32)


# --- growing, cutting, refilling -----------------------------------------------------------------


def test_on_one_hot_targets_the_tree_is_that_of_ginis_criterion() -> None:
    x = some(300, 6)  # no two questions are equally good
    ours = trees.grow(x, ONE_HOT, 4)
    theirs = DecisionTreeClassifier(max_depth=4, random_state=0).fit(x, LABELS)
    assert ours.tree_.feature.tolist() == theirs.tree_.feature.tolist()
    np.testing.assert_allclose(ours.predict(x), theirs.predict_proba(x), atol=1e-12)


def test_smoothed_labels_grow_the_same_tree_since_softness_alone_says_nothing() -> None:
    x = some(300, 6)
    hard, smooth = trees.grow(x, ONE_HOT, 2), trees.grow(x, 0.7 * ONE_HOT + 0.03, 2)
    assert hard.tree_.feature.tolist() == smooth.tree_.feature.tolist()
    np.testing.assert_allclose(smooth.predict(x), 0.7 * hard.predict(x) + 0.03, atol=1e-12)


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_a_deep_tree_cut_is_the_tree_grown_to_that_depth(depth: int) -> None:
    x, targets = some(400, 6), some(400, 3, seed=1)  # no two questions are equally good
    deep = trees.grow(x, targets, 6)
    fresh = some(50, 6, seed=2)
    cut = trees.at_depths(deep, fresh)[depth]
    np.testing.assert_allclose(cut, trees.grow(x, targets, depth).predict(fresh), atol=1e-12)


def test_an_input_ends_where_scikit_learn_says() -> None:
    tree = trees.grow(DIGITS, ONE_HOT, 6)
    assert trees.nodes_by_depth(tree, DIGITS)[-1].tolist() == tree.apply(DIGITS).tolist()
    images = torch.tensor(DIGITS).reshape(-1, 1, 8, 8)
    assert (trees.nodes_by_depth(tree, images) == trees.nodes_by_depth(tree, DIGITS)).all()


def test_refilled_with_its_own_targets_a_tree_answers_as_before() -> None:
    tree = trees.grow(DIGITS, ONE_HOT, 5)
    same = trees.refilled(tree, DIGITS, ONE_HOT)
    np.testing.assert_allclose(same, trees.node_values(tree), atol=1e-12)
    other = trees.refilled(tree, DIGITS, 2 * ONE_HOT + 1)
    np.testing.assert_allclose(other, 2 * trees.node_values(tree) + 1, atol=1e-12)


def test_a_node_that_nothing_reaches_answers_what_the_one_above_it_does() -> None:
    tree = trees.grow([[0.0], [1.0], [2.0]], [[1, 0], [0, 1], [1, 1]], 2)
    filled = trees.refilled(tree, [[0.0], [0.0]], [[4.0, 0.0], [2.0, 0.0]])
    assert (filled == [3.0, 0.0]).all()


def test_a_way_is_read_question_by_question() -> None:
    tree = trees.grow([[0, 0], [0, 1], [1, 0], [1, 1]], [[1, 0], [0, 1], [1, 0], [1, 0]], 2)
    for row in itertools.product((0.0, 1.0), repeat=2):
        way = trees.route(tree, np.array(row))
        assert [q.value for q in way] == [row[q.feature] for q in way]
        node = 0
        for q in way:
            assert q.node == node
            node = (tree.tree_.children_left if q.yes else tree.tree_.children_right)[node]
        assert tree.tree_.feature[node] < 0


GROWN = trees.grow(DIGITS, ONE_HOT, 3)


@pytest.mark.parametrize(
    ("said", "call"),
    [
        ("depth=0 must be at least 1", lambda: trees.grow(DIGITS, ONE_HOT, 0)),
        ("depth=1.5 must be a whole", lambda: trees.grow(DIGITS, ONE_HOT, 1.5)),
        ("targets has shape", lambda: trees.grow(DIGITS, LABELS, 3)),
        ("targets has shape", lambda: trees.grow(DIGITS, ONE_HOT[1:], 3)),
        ("targets holds NaN", lambda: trees.grow(DIGITS, ONE_HOT * np.nan, 3)),
        ("targets is list", lambda: trees.grow(DIGITS, [["a"]] * 300, 3)),
        ("x holds NaN", lambda: trees.grow(DIGITS * np.inf, ONE_HOT, 3)),
        ("x has shape", lambda: trees.grow(DIGITS[0], ONE_HOT, 3)),
        ("x has shape", lambda: trees.grow(DIGITS[:0], ONE_HOT[:0], 3)),
        ("x has 63 features, but", lambda: trees.at_depths(GROWN, DIGITS[:, 1:])),
        ("values has shape", lambda: trees.at_depths(GROWN, DIGITS, np.zeros((2, 10)))),
        ("targets has shape", lambda: trees.refilled(GROWN, DIGITS, ONE_HOT[1:])),
        ("row is str", lambda: trees.route(GROWN, "x")),
        ("tree has not been grown", lambda: trees.node_values(DecisionTreeClassifier())),
        ("tree", lambda: trees.node_values(torch.nn.Linear(2, 2))),
        ("background has 63", lambda: known.tree_values(GROWN, DIGITS, DIGITS[:, 1:])),
        ("weight has shape", lambda: known.linear_values(np.ones((3, 2)), DIGITS, DIGITS)),
        ("depth=0 must be at least 1", lambda: soft_tree(64, 10, 0)),
        ("depth=13 makes 8,192 leaves", lambda: SoftTree(64, 10, 13)),
        ("n_classes", lambda: soft_tree(64, 1, 2)),
    ],
)
def test_what_does_not_fit_is_refused_by_name(said: str, call) -> None:
    with pytest.raises((ValueError, TypeError)) as refusal:
        call()
    assert said in str(refusal.value)


# --- exact Shapley values ------------------------------------------------------------------------


def by_force(tree, row: np.ndarray, background: np.ndarray) -> np.ndarray:
    """The Shapley values by definition: every coalition of the features."""
    table = []
    for inside in shapley.coalitions(len(row)):
        table.append(tree.predict(np.where(inside, row, background)).mean(0))
    return shapley.shapley_of_game(np.array(table))


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000), st.integers(1, 6), st.integers(1, 3))
def test_tree_values_are_those_of_all_coalitions(seed: int, depth: int, n_outputs: int) -> None:
    x = np.random.default_rng(seed).integers(0, 4, (40, 5)).astype(np.float32)  # ties, repeats
    tree = trees.grow(x, some(40, n_outputs + 1, seed), depth)
    background = x[30:]
    values = known.tree_values(tree, x[:3], background)
    for row, own in zip(x[:3], values, strict=True):
        np.testing.assert_allclose(own, by_force(tree, row, background), atol=1e-10)
    total = tree.predict(x[:3]) - tree.predict(background).mean(0)
    np.testing.assert_allclose(values.sum(1), total, atol=1e-10)


def test_tree_values_are_shaps() -> None:
    cancer = load_breast_cancer()
    x = cancer.data.astype(np.float32)
    tree = DecisionTreeClassifier(max_depth=5, random_state=0).fit(x, cancer.target)
    theirs = shap.TreeExplainer(tree, x[:50], feature_perturbation="interventional")
    expected = theirs.shap_values(x[50:70], check_additivity=False)
    np.testing.assert_allclose(known.tree_values(tree, x[50:70], x[:50]), expected, atol=1e-6)


def test_a_tree_that_asks_nothing_credits_nobody() -> None:
    tree = trees.grow(DIGITS, np.ones((300, 2)), 3)
    assert not known.tree_values(tree, DIGITS[:2], DIGITS).any()


def test_linear_values_are_deep_shap_and_those_of_all_coalitions() -> None:
    net = models.mlp((1, 2, 2), 3, (), seed=0)
    x = torch.rand(6, 1, 2, 2, generator=torch.Generator().manual_seed(0))
    values = known.linear_values(net[-1].weight, x[:2], x[2:])
    deep = shap_values(net, x[:2], x[2:], method="deep", output="logits").values
    np.testing.assert_allclose(values, deep.reshape(values.shape), atol=1e-6)
    exact = shapley.exact(net, x[:2], x[2:], [[0], [1], [2], [3]], output="logits").values
    np.testing.assert_allclose(values, exact, atol=1e-6)


# --- the soft tree -------------------------------------------------------------------------------


def test_a_soft_tree_worked_by_hand() -> None:
    tree = SoftTree(1, 2, 2)
    gates = torch.tensor([0.5, 0.2, 0.9])
    with torch.no_grad():
        tree.gates.weight.zero_()
        tree.gates.bias.copy_(gates.logit())
        tree.leaves.copy_(torch.tensor([[0.9, 0.1], [0.5, 0.5], [0.2, 0.8], [0.6, 0.4]]).log())
    x = torch.zeros(1, 1)
    reach = tree.log_reach(x).exp()
    torch.testing.assert_close(reach, torch.tensor([[0.4, 0.1, 0.05, 0.45]]))
    mean = 0.4 * 0.9 + 0.1 * 0.5 + 0.05 * 0.2 + 0.45 * 0.6
    torch.testing.assert_close(tree(x).exp(), torch.tensor([[mean, 1 - mean]]))
    torch.testing.assert_close(tree.one_path(x).exp(), torch.tensor([[0.6, 0.4]]))


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 6), st.integers(0, 1000))
def test_a_soft_trees_leaves_share_the_input_out(depth: int, seed: int) -> None:
    tree = soft_tree(4, 3, depth, seed=seed)
    x = 20 * torch.randn(5, 1, 2, 2, generator=torch.Generator().manual_seed(seed))
    ones = torch.ones(5)
    torch.testing.assert_close(tree.log_reach(x).exp().sum(1), ones)
    torch.testing.assert_close(tree(x).exp().sum(1), ones)
    assert tree(x).isfinite().all()


def test_with_sure_gates_the_likeliest_path_is_all_there_is() -> None:
    tree = soft_tree(4, 3, 3)
    with torch.no_grad():
        tree.gates.weight.mul_(1e4)
    x = torch.rand(20, 1, 2, 2, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(tree(x), tree.one_path(x), atol=1e-3, rtol=0)


def test_the_one_training_loop_trains_it_alone_and_in_a_stack() -> None:
    x = torch.rand(64, 1, 2, 2, generator=torch.Generator().manual_seed(0))
    split = Split(x, (x[:, 0, 0, 0] > x[:, 0, 1, 1]).long())
    alone, stacked = (soft_tree(4, 2, 2, seed=0) for _ in range(2))
    training.fit(alone, split, steps=60, lr=5e-2)
    stacking.fit_many([stacked, soft_tree(4, 2, 2, seed=1)], split, steps=60, lr=5e-2)
    torch.testing.assert_close(alone.leaves, stacked.leaves, atol=1e-4, rtol=0)
    assert (alone(x).argmax(1) == split.y).float().mean() > 0.9


# --- a win of the lesson, and the control that takes it away -------------------------------------


def accuracy_at(depth: int, tree, x: np.ndarray, y: np.ndarray) -> float:
    return float((trees.at_depths(tree, x)[depth].argmax(1) == y).mean())


def test_soft_targets_win_over_classes_and_not_over_labels_by_entropy() -> None:
    """The lesson's claim at miniature size, without a net: targets say which digits are alike."""
    x, y = load_digits(return_X_y=True)
    centres = np.stack([x[y == k].mean(0) for k in range(10)])
    apart = ((centres[:, None] - centres[None]) ** 2).sum(2)
    alike = np.exp(-apart / apart.mean())
    alike /= alike.sum(1, keepdims=True)
    won, left = [], []
    for seed in range(6):
        order = np.random.default_rng(seed).permutation(len(x))
        a, b = order[:600], order[600:]
        hard = accuracy_at(3, trees.grow(x[a], np.eye(10)[y[a]], 3), x[b], y[b])
        soft = accuracy_at(3, trees.grow(x[a], alike[y[a]], 3), x[b], y[b])
        entropy = DecisionTreeClassifier(criterion="entropy", max_depth=3, random_state=0)
        control = accuracy_at(3, entropy.fit(x[a], y[a]), x[b], y[b])
        won.append(soft - hard)
        left.append(soft - control)
    assert np.mean(won) > 0.02  # the win
    assert np.mean(left) < 0.01  # is gone beside its control


# --- the figure ----------------------------------------------------------------------------------


def test_a_reading_shows_the_way_and_fills_the_bars_of_what_was_asked() -> None:
    names, classes = [f"pixel {j}" for j in range(64)], [str(k) for k in range(10)]
    row = DIGITS[7]
    values = known.tree_values(GROWN, row[None], DIGITS)[0, :, 3]
    left, right = plots.reading(GROWN, row, values, names, classes, "One digit", most=5)
    asked = {names[q.feature] for q in trees.route(GROWN, row)}
    said = [text.get_text().replace("\n", " ") for text in left.texts]
    for name in asked:
        assert any(words.startswith(f"{name} ≤") for words in said)
    bold = sum(text.get_bbox_patch().get_linewidth() > 2 for text in left.texts)
    assert bold == len(trees.route(GROWN, row)) + 1  # the questions and the leaf
    labels = [label.get_text() for label in right.get_yticklabels()]
    assert 1 <= len(labels) <= 5
    for bar, label in zip(right.patches, labels, strict=True):
        hollow = bar.get_facecolor()[:3] == (1.0, 1.0, 1.0)
        assert hollow == (label not in asked)
        assert bar.get_width() == pytest.approx(values[names.index(label)])
    assert all(name in wording.noted(left.figure, shown=True) for name in asked)
    plt.close(left.figure)
