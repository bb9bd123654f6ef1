"""Permutation importance: how much worse does a model get when one input is shuffled?

Shuffling a feature over the images keeps its values and breaks its tie to everything else. Works
for any model that gives logits, any group of features, several metrics, and each class apart.
Knows nothing about how a model was trained, or about single predictions (`shapley`).

Two things make it fast, and neither changes a number. An image whose shuffled value equals its own
is not run again. And a model that begins with a linear layer has `h = W x + b`, to which a shuffled
group g only adds `W_g (x'_g − x_g)`. Sums in another order may differ in the last bits, so for
accuracy every image whose two best classes are so nearly tied that these could decide is judged
again by the plain way (`metrics.near_tie`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from distill_lessons import seeds
from distill_lessons.explain import forward
from distill_lessons.explain.admission import admitted
from distill_lessons.explain.arrays import Array, ArrayLike, check_logits, labels
from distill_lessons.explain.groups import Groups, as_groups, singles
from distill_lessons.explain.metrics import METRICS, near_tie, scorer
from distill_lessons.settings import one_of, whole_number


@dataclass(frozen=True)
class Importance:
    """What shuffling did. Positive means: the model got worse, so it relies on the group.

    Attributes:
        importances: fall of the accuracy, or rise of the loss, shape `(G, repeats)`; with
            `per_class` `(G, repeats, K)`, NaN for a class without images.
        mean: over repeats, shape `(G,)` or `(G, K)`.
        low: lower end of the 95 % interval of the mean over permutations (Student's t), NaN with
            one repeat. It does not hold the doubt about other images or another trained model.
        high: upper end.
        baseline: the metric unshuffled, a float or `(K,)`.
        metric: its name.
        rows: images that went through the model again.
    """

    importances: Array
    mean: Array
    low: Array
    high: Array
    baseline: Array
    metric: str
    rows: int


def permutation_importance(
    model: nn.Module,
    x: Tensor,
    y: ArrayLike,
    *,
    metric: str = "accuracy",
    groups: Groups | None = None,
    repeats: int = 10,
    seed: int = 0,
    per_class: bool = False,
    teacher_logits: ArrayLike | None = None,
    T: float = 1.0,
    memory: float = 256.0,
    fast: bool = True,
) -> Importance:
    """Measure how much a model relies on each feature or group of features.

    With the same seed single features are shuffled as
    `sklearn.inspection.permutation_importance` shuffles them, so the accuracies are the same unless
    the model itself answers an image otherwise in another batch. That holds in both ways, fast and
    plain: where rounding could decide between two classes, however large the sums in the first
    layer, the image is judged the plain way. Losses agree up to rounding.

    Args:
        model: returns logits `(N, K)`; run in eval mode on a copy.
        x: inputs, shape `(N, *input_shape)`. Importances belong to this split: on training data
            they also show what the model learned by heart.
        y: labels, shape `(N,)`.
        metric: `"accuracy"`, `"cross_entropy"` (with the labels, in nats), or `"soft_targets"`, the
            KL divergence from the teacher's soft targets, in nats.
        groups: index lists into the flattened input, or a label map (see `groups`); by default each
            feature alone. All features of a group move with the same permutation.
        repeats: permutations per group.
        seed: of the permutations.
        per_class: measure on the images of each class apart.
        teacher_logits: shape `(N, K)`, for `"soft_targets"`; finite.
        T: temperature of the soft targets.
        memory: limit for temporary arrays in MiB.
        fast: use the linear first layer where there is one; False gives the plain way.

    Returns:
        The importances with their intervals.

    Raises:
        ValueError: for bad arguments, which the message names, or a model that gives other logits
            each time or mixes the rows of a batch.

    Source: Breiman (2001), Random forests, section 10; Fisher, Rudin & Dominici (2019), All models
        are wrong, but many are useful, section 3.
    """
    net = forward.private_copy(model)
    x = admitted(net, x)
    one_of("metric", metric, METRICS)
    forward.check_memory(memory)
    if whole_number("repeats", repeats, least=None) < 1:
        raise ValueError(f"repeats={repeats} must be at least 1; intervals need 2.")
    made = singles(x[0].numel()) if groups is None else as_groups(groups, tuple(x.shape[1:]))
    base = check_logits(forward.evaluate(net, x, memory), len(x))  # (N, K)
    home = forward.home_of_doubles(x.device)  # of all that is added up
    truth = torch.as_tensor(labels(y, base.cpu().numpy())).long().to(home)
    near = near_tie(net, x, base, memory) if metric == "accuracy" else 0.0
    score = scorer(metric, truth, base, near, teacher_logits, T)
    before = score(base, torch.arange(len(x), device=home), True)[0]  # (N,) float64
    orders = torch.as_tensor(_permutations(len(x), repeats, seed), device=x.device)

    # Scores are summed per class; without per_class all images belong to one class.
    member = truth if per_class else torch.zeros_like(truth)
    onehot = torch.nn.functional.one_hot(member, base.shape[1] if per_class else 1).double()
    rerun = _rerun(net, x, memory, fast)
    flat = x.flatten(1)
    moves = (flat != flat[0]).any(0).cpu().numpy()  # a feature that is the same everywhere does not
    still = before.repeat(repeats, 1) @ onehot
    sums = torch.zeros(len(made), repeats, onehot.shape[1], dtype=torch.float64, device=home)
    doubts: list[Tensor] = []  # columns: group, repeat, image
    rows, start, told = 0, time.perf_counter(), False
    for g, group in enumerate(made):
        moving = group[moves[group]]
        if not len(moving) and g + 1 < len(made):
            sums[g] = still
            continue
        index = torch.as_tensor(moving, device=x.device)
        changed = _changed(flat, moving, orders)  # positions in (R, N)
        scores = before.repeat(repeats, 1)  # (R, N)
        for part, z in rerun(index, changed, orders):
            part = part.to(home)
            values, tied = score(z, part % len(x), False)
            scores.view(-1)[part] = values
            if len(tied):
                at = part[tied]
                scores.view(-1)[at] = 0.0  # counted when judged again
                doubts.append(torch.stack([torch.full_like(at, g), at // len(x), at % len(x)], 1))
        sums[g] = scores @ onehot
        rows += len(changed)
        if sum(map(len, doubts)) >= len(x) or (doubts and g + 1 == len(made)):
            for again in torch.cat(doubts).split(len(x)):
                cases = again.to(x.device)
                z = forward.evaluate(net, _shuffled(x, made, orders, cases), memory)
                hits = score(z[: len(again)], again[:, 2], True)[0]
                sums.index_put_(
                    (again[:, 0], again[:, 1], member[again[:, 2]]), hits, accumulate=True
                )
            doubts = []
        spent, share = time.perf_counter() - start, (g + 1) / len(made)
        if not told and spent > 0.2:
            forward.announce("permutation importance", int(rows / share), spent / share)
            told = True
    sign = 1.0 if metric == "accuracy" else -1.0
    baseline = before @ onehot / onehot.sum(0)  # (K,), or (1,) for all images
    change = sign * (baseline - sums / onehot.sum(0))  # (G, R, K) or (G, R, 1)
    keep = slice(None) if per_class else 0
    return _summary(change[..., keep].cpu().numpy(), baseline[keep], metric, rows)


def _permutations(n: int, repeats: int, seed: int) -> Array:
    """Return scikit-learn's shuffles, `(repeats, n)`: the same for every column, each on the last.

    Row k of column j after repeat r is `x[order[r, k], j]`.
    """
    shuffler = np.random.RandomState(np.random.RandomState(_legacy(seed)).randint(2**31))
    step, order, orders = np.arange(n), np.arange(n), []
    for _ in range(repeats):
        shuffler.shuffle(step)
        order = order[step]
        orders.append(order)
    return np.stack(orders)


def _legacy(seed: int) -> int:
    """Return a seed that NumPy's old generator, which scikit-learn uses, takes: 32 bits of it."""
    return seeds.checked(seed) % 2**32


def _changed(flat: Tensor, group: Array, orders: Tensor) -> Tensor:
    """Return the positions in `(R, N)` whose image gets at least one new value."""
    new = torch.zeros(orders.shape, dtype=torch.bool, device=flat.device)
    for j in group.tolist():
        column = flat[:, j].contiguous()
        new |= column[orders] != column
    return new.view(-1).nonzero()[:, 0]


def _shuffled(x: Tensor, groups: list[Array], orders: Tensor, cases: Tensor) -> Tensor:
    """Return the images of `cases (M, 3)`: group, repeat, image; repeated to a batch of N.

    A batch as large as the plain way's: matrix products may round otherwise in another size.
    """
    cases = cases.repeat(len(x) // len(cases) + 1, 1)[: len(x)]
    flat = x.flatten(1)
    mixed, other = flat[cases[:, 2]], orders[cases[:, 1], cases[:, 2]]
    for g in cases[:, 0].unique().cpu().tolist():
        at = (cases[:, 0] == g).nonzero()
        group = torch.as_tensor(groups[g], device=x.device)
        mixed[at, group] = flat[other[at], group]
    return mixed.view(x.shape)


# (group, changed positions, orders) -> pieces of those positions with their logits (M, K)
Rerun = Callable[[Tensor, Tensor, Tensor], Iterator[tuple[Tensor, Tensor]]]


def _rerun(net: nn.Module, x: Tensor, memory: float, fast: bool) -> Rerun:
    flat = x.flatten(1)
    split = forward.split_linear(net, x) if fast else None
    if split is not None:
        first, rest = split
        hidden = forward.evaluate(nn.Sequential(nn.Flatten(), first), x, memory)  # (N, H)
        row_bytes = forward.bytes_per_row(nn.Sequential(*rest), hidden)
    else:
        row_bytes = forward.bytes_per_row(net, x)
    chunk = forward.rows_per_chunk(row_bytes, memory)

    def pieces(group: Tensor, changed: Tensor, orders: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        mine = flat[:, group]  # (N, |g|)
        if split is not None:
            weight = first.weight[:, group].T.contiguous()  # (|g|, H)
        for part in changed.split(chunk):
            own, other = part % len(x), orders.view(-1).index_select(0, part)
            theirs = mine.index_select(0, other)
            with torch.no_grad():
                if split is None:
                    mixed = flat.index_select(0, own)
                    mixed[:, group] = theirs
                    yield part, net(mixed.view(-1, *x.shape[1:]))
                else:
                    step = theirs.sub_(mine.index_select(0, own))
                    h = hidden.index_select(0, own).addmm_(step, weight)  # (M, H)
                    yield part, forward.run_layers(rest, h)

    return pieces


def _summary(values: Array, baseline: Tensor, metric: str, rows: int) -> Importance:
    mean, half = values.mean(1), np.full_like(values[:, 0], np.nan)
    repeats = values.shape[1]
    if repeats > 1:
        from scipy import stats  # slow to import

        error = values.std(1, ddof=1) / np.sqrt(repeats)
        half = float(stats.t.ppf(0.975, repeats - 1)) * error
    return Importance(values, mean, mean - half, mean + half, baseline.cpu().numpy(), metric, rows)
