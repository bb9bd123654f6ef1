"""Decision trees as students: grown on any targets, cut at any depth, read question by question.

scikit-learn grows them. A tree minimises the squared error of its targets, so labels, a teacher's
classes, its soft targets and its logits differ in nothing but the targets. Knows nothing about
nets and training.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from sklearn.tree import BaseDecisionTree, DecisionTreeRegressor

from distill_lessons.settings import whole_number
from distill_lessons.tensors import check_type, float_array

Array = np.ndarray[Any, Any]


class Question(NamedTuple):
    """One question on the way of an input through a tree.

    Attributes:
        node: its number in the tree.
        feature: which input is looked at.
        threshold: whether that input is at most this, is asked.
        value: the input.
    """

    node: int
    feature: int
    threshold: float
    value: float

    @property
    def yes(self) -> bool:
        """Whether the input is at most the threshold: then the way goes left."""
        return self.value <= self.threshold


def table(argument: str, x: Any) -> Array:
    """Return inputs ``(N, ...)`` as a table ``(N, F)`` in float32, the precision of a tree.

    Raises:
        TypeError: if they are no numbers.
        ValueError: if there is no input, or one holds NaN or infinity.
    """
    found = _numbers(argument, x)
    if found.ndim < 2 or found.size == 0:
        raise ValueError(
            f"{argument} has shape {found.shape}; give at least one input, (N, F) or images."
        )
    return np.ascontiguousarray(found.reshape(len(found), -1), dtype=np.float32)


def _numbers(argument: str, value: Any) -> Array:
    """Return finite numbers as float64; raise an error that names the argument otherwise."""
    found = float_array(argument, value)
    if not np.isfinite(found).all():
        raise ValueError(f"{argument} holds NaN or infinite numbers; a tree cannot compare them.")
    return found


def grow(x: Any, targets: Any, depth: int, *, seed: int = 0) -> DecisionTreeRegressor:
    """Grow a tree that minimises the squared error of its targets, question by question.

    On one-hot targets that is Gini's criterion, so the tree is the one that a classifier grows.

    Args:
        x: inputs ``(N, ...)``, such as images; they are flattened.
        targets: ``(N, K)``: one-hot labels or classes, soft targets, or logits.
        depth: the most questions that an input is asked, at least 1.
        seed: which of several questions that are equally good is taken.

    Raises:
        TypeError: if `depth` is no whole number.
        ValueError: if `depth` is less than 1, or inputs and targets do not fit.

    Source: Breiman, Friedman, Olshen and Stone (1984), Classification and Regression Trees,
        chapters 2 and 8.

    >>> tree = grow([[0.0], [1.0], [2.0]], [[1, 0], [0, 1], [0, 1]], depth=1)
    >>> tree.predict([[0.2], [5.0]]).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    depth = whole_number("depth", depth)
    x, targets = table("x", x), _targets(targets, len(x))
    return DecisionTreeRegressor(max_depth=depth, random_state=seed).fit(x, targets)


def node_values(tree: BaseDecisionTree) -> Array:
    """Return what a tree answers in each of its nodes, ``(nodes, K)``.

    Raises:
        TypeError: if `tree` is no decision tree of scikit-learn.
        ValueError: if it has not been grown.
    """
    check_type("tree", tree, BaseDecisionTree, "a tree of scikit-learn, such as trees.grow(...)")
    if not hasattr(tree, "tree_"):
        raise ValueError("tree has not been grown yet; use trees.grow(x, targets, depth).")
    found = np.asarray(tree.tree_.value)  # regressors (nodes, K, 1), classifiers (nodes, 1, K)
    return found[:, 0, :] if hasattr(tree, "classes_") else found[:, :, 0]


def inputs_of(tree: BaseDecisionTree, argument: str, x: Any) -> Array:
    """Return inputs of a grown tree as a `table`.

    Raises:
        TypeError: if they are no numbers.
        ValueError: if there is no input, one holds NaN or infinity, or the tree takes others.
    """
    found, n_features = table(argument, x), tree.tree_.n_features
    if found.shape[1] != n_features:
        raise ValueError(
            f"{argument} has {found.shape[1]} features, but the tree was grown on {n_features}; "
            "give it the same ones."
        )
    return found


def nodes_by_depth(tree: BaseDecisionTree, x: Any) -> Array:
    """Return the node that each input has reached after 0, 1, 2... questions, ``(depth + 1, N)``.

    A tree grows from its root, so one cut at depth d is the tree that would have been grown to it
    (but for ties), and one tree shows the accuracy at all depths. An input that is in a leaf stays.

    Args:
        tree: a grown tree.
        x: inputs ``(N, ...)``.

    Raises:
        TypeError: if `tree` is no decision tree of scikit-learn.
        ValueError: if it has not been grown, or takes other inputs.
    """
    node_values(tree)
    x, grown = inputs_of(tree, "x", x), tree.tree_
    rows, node = np.arange(len(x)), np.zeros(len(x), dtype=np.int64)
    reached = [node]
    for _ in range(tree.get_depth()):
        feature = grown.feature[node]
        left = x[rows, np.maximum(feature, 0)] <= grown.threshold[node]
        below = np.where(left, grown.children_left[node], grown.children_right[node])
        node = np.where(feature >= 0, below, node)
        reached.append(node)
    return np.stack(reached)


def at_depths(tree: BaseDecisionTree, x: Any, values: Array | None = None) -> Array:
    """Return what a tree answers when it is cut at depth 0, 1, 2..., ``(depth + 1, N, K)``.

    Args:
        tree: a grown tree.
        x: inputs ``(N, ...)``.
        values: what is answered in each node, ``(nodes, K)``, such as `refilled`; by default the
            tree's own.

    Raises:
        TypeError: if `tree` is no decision tree of scikit-learn.
        ValueError: if the inputs or values do not fit the tree.
    """
    own = node_values(tree)
    values = own if values is None else np.asarray(values, dtype=np.float64)
    if values.ndim != 2 or len(values) != len(own):
        raise ValueError(
            f"values has shape {values.shape} for a tree of {len(own)} nodes; give a row for each."
        )
    return np.asarray(values[nodes_by_depth(tree, x)])


def refilled(tree: BaseDecisionTree, x: Any, targets: Any) -> Array:
    """Return the mean target of the inputs that reach each node, ``(nodes, K)``.

    So a tree may keep its questions and get other answers. A node that no input reaches answers
    what the node above it does.

    Args:
        tree: a grown tree.
        x: inputs ``(N, ...)``.
        targets: ``(N, K)``.

    Raises:
        TypeError: if `tree` is no decision tree of scikit-learn.
        ValueError: if inputs, targets and tree do not fit.
    """
    reached = nodes_by_depth(tree, x)
    targets = _targets(targets, reached.shape[1])
    n_nodes, grown = len(node_values(tree)), tree.tree_
    total, count = np.zeros((n_nodes, targets.shape[1])), np.zeros(n_nodes)
    passed = np.vstack([np.ones_like(reached[:1], dtype=bool), reached[1:] != reached[:-1]])
    for node, there in zip(reached, passed, strict=True):
        np.add.at(total, node[there], targets[there])
        np.add.at(count, node[there], 1)
    found = total / np.maximum(count, 1)[:, None]
    for node in range(n_nodes):  # a node's number is smaller than those below it
        for below in (grown.children_left[node], grown.children_right[node]):
            if below >= 0 and count[below] == 0:
                found[below] = found[node]
    return found


def route(tree: BaseDecisionTree, row: Any) -> list[Question]:
    """Return the questions that one input is asked, in order.

    Args:
        tree: a grown tree.
        row: one input, ``(F,)`` or an image.

    Raises:
        TypeError: if `tree` is no decision tree of scikit-learn.
        ValueError: if it has not been grown, or takes other inputs.
    """
    values = table("row", _numbers("row", row)[None])
    nodes, grown = nodes_by_depth(tree, values)[:, 0], tree.tree_
    asked = []
    for node in dict.fromkeys(nodes.tolist()):
        feature = int(grown.feature[node])
        if feature >= 0:
            value = float(values[0, feature])
            asked.append(Question(node, feature, float(grown.threshold[node]), value))
    return asked


def _targets(targets: Any, n: int) -> Array:
    found = _numbers("targets", targets)
    if found.ndim != 2 or len(found) != n or found.shape[1] == 0:
        raise ValueError(
            f"targets has shape {found.shape} for {n} inputs; give (N, K): one-hot rows, "
            "probabilities or logits."
        )
    return found
