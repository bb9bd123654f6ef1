"""Explaining: scikit-learn's permutation importance, shap's DeepExplainer, a loop over games."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import shap
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.inspection import permutation_importance as sklearn_importance
from sklearn.tree import DecisionTreeClassifier
from torch import Tensor, nn

from benchmarks.inputs import SHAPE, Setup
from benchmarks.timing import Array, Comparison
from distill_lessons.explain import groups, known
from distill_lessons.explain.permutation import permutation_importance
from distill_lessons.explain.shap_adapters import shap_values
from distill_lessons.explain.shapley import exact

HIDDEN = (128,)
DEEPER = (128, 64)  # with one hidden layer deep SHAP has a short cut; most nets have more
WIDE = (512, 512)  # where most of the work lies behind the first layer


class AsEstimator(ClassifierMixin, BaseEstimator):
    """A torch model as scikit-learn wants one."""

    def __init__(self, model: nn.Module, device: torch.device) -> None:
        self.model, self.device, self.classes_ = model, device, np.arange(10)

    def fit(self, x: Array, y: Array) -> AsEstimator:
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def predict(self, x: Array) -> Array:
        with torch.no_grad():
            return self.model(torch.from_numpy(x).to(self.device)).argmax(1).cpu().numpy()


def permutation(setup: Setup) -> Comparison:
    n, repeats = setup.sizes.shuffled_images, setup.sizes.shuffles
    net, split = setup.trained(HIDDEN), setup.first(n)
    estimator = AsEstimator(net, setup.device)
    x, y = split.x.flatten(1).cpu().numpy(), split.y.cpu().numpy()

    def ours(repeat: int) -> Array:
        return permutation_importance(
            net, split.x, split.y, repeats=repeats, seed=repeat
        ).importances

    def theirs(repeat: int, rows: int = n) -> Array:
        found = sklearn_importance(
            estimator, x[:rows], y[:rows], n_repeats=repeats, random_state=repeat, n_jobs=1
        )
        return np.asarray(found.importances)

    return Comparison(
        ours=ours,
        theirs=theirs,
        tolerance=0.0,
        unit="run",
        repeats=2,  # the rival takes most of a minute
        warm_up=lambda: (ours(0), theirs(0, rows=20), None)[-1],
        note=f"{n:,} images of {setup.images}, {repeats} repeats; exactly equal.",
    )


def deep(setup: Setup, hidden: tuple[int, ...] = DEEPER) -> Comparison:
    n, n_back = setup.sizes.explained, setup.sizes.background
    net = setup.trained(hidden)
    x, background = setup.train.x[:n], setup.train.x[n : n + n_back]

    def ours(repeat: int) -> Array:
        return shap_values(net, x, background, method="deep", output="logits").values

    def theirs(repeat: int) -> Array:
        return np.asarray(shap.DeepExplainer(net, background).shap_values(x))

    return Comparison(
        ours=ours,
        theirs=theirs,
        tolerance=1e-6,
        unit="image",
        ours_units=n,
        theirs_units=n,
        note=f"{n} images of {setup.images}, {n_back} background images, {_net(hidden)}, all "
        "classes. Pixels that a background image has in common with most others are not multiplied "
        "with the first layer, where that is wide.",
    )


def _net(hidden: tuple[int, ...]) -> str:
    return "-".join(map(str, (784, *hidden, 10)))


def shapley_loop(
    model: nn.Module, image: Tensor, background: Tensor, regions: list[Array]
) -> Array:
    """Return the Shapley value of each region, `(R, K)`: a loop over all coalitions.

    The background images of a coalition run as one batch, and no coalition runs twice.
    """
    n = len(regions)
    region_of = torch.empty(image.numel(), dtype=torch.long, device=image.device)
    for r, region in enumerate(regions):
        region_of[torch.as_tensor(region, device=image.device)] = r
    flat, back = image.flatten(), background.flatten(1)
    value: dict[int, Tensor] = {}  # a coalition is a number: region r is in it if bit r is set
    with torch.no_grad():
        for members in itertools.product([False, True], repeat=n):
            inside = torch.tensor(members, device=image.device)[region_of]  # (F,)
            mixed = torch.where(inside, flat, back)  # (B, F)
            code = sum(2**r for r in range(n) if members[r])
            value[code] = model(mixed.view(-1, *SHAPE)).mean(0)  # (K,)
    table = torch.stack([value[code] for code in range(2**n)]).double().cpu().numpy()
    codes = np.arange(2**n)
    size = np.array([code.bit_count() for code in range(2**n)])
    weight = np.array(
        [math.factorial(s) * math.factorial(n - 1 - s) / math.factorial(n) for s in range(n)]
    )
    phi = []
    for r in range(n):
        without = codes[codes & 2**r == 0]
        gain = table[without + 2**r] - table[without]  # (2^(R-1), K)
        phi.append(weight[size[without]] @ gain)
    return np.stack(phi)


def exact_shapley(setup: Setup, hidden: tuple[int, ...] = HIDDEN) -> Comparison:
    n, n_back = setup.sizes.exact_images, setup.sizes.exact_background
    if len(hidden) > 1:
        n_back = min(n_back, 10)  # the loop takes long enough
    net = setup.trained(hidden)
    x, background = setup.train.x[:n], setup.train.x[n : n + n_back]
    regions = groups.patches(SHAPE, setup.sizes.patch)

    def ours(repeat: int, regions: Any = regions) -> Array:
        return exact(net, x, background, regions, output="logits").values[repeat % n]

    def theirs(repeat: int, regions: Any = regions) -> Array:
        return shapley_loop(net, x[repeat % n], background, regions)

    def warm_up() -> None:
        halves = groups.patches(SHAPE, 14)
        ours(0, regions=halves), theirs(0, regions=halves)

    return Comparison(
        ours=ours,
        theirs=theirs,
        tolerance=1e-5,
        unit="image",
        ours_units=n,
        theirs_units=1,
        warm_up=warm_up,
        note=f"{n} images of {setup.images} by us, one in full by the loop in each repeat (each "
        f"time another); {n_back} background images, {_net(hidden)}, all classes. The loop runs "
        "every coalition; we skip those that only differ in regions where image and background "
        "image are equal, blank margins above all.",
    )


def tree_shap(setup: Setup) -> Comparison:
    n, n_back = 2 * setup.sizes.explained, setup.sizes.background
    x = setup.train.x.flatten(1).cpu().numpy()
    tree = DecisionTreeClassifier(max_depth=6, random_state=0)
    tree.fit(x, setup.train.y.cpu().numpy())
    background, explained = x[:n_back], x[n_back : n_back + n]

    def ours(repeat: int) -> Array:
        return known.tree_values(tree, x=explained, background=background)

    def theirs(repeat: int) -> Array:
        explainer = shap.TreeExplainer(tree, background, feature_perturbation="interventional")
        return np.asarray(explainer.shap_values(explained, check_additivity=False))

    return Comparison(
        ours=ours,
        theirs=theirs,
        tolerance=1e-6,
        unit="image",
        ours_units=len(explained),
        theirs_units=len(explained),
        note=f"{len(explained)} images of {setup.images}, {n_back} background images, a tree of "
        "depth 6, all classes.",
    )
