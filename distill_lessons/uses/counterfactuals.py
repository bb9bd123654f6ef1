"""Counterfactuals: few changes of an input that make a model answer otherwise.

A change replaces one group of features, a pixel or a patch, by what an alternative image has there:
black, white, or a real image of another class. The search is greedy: at each step it tries every
change and keeps the one that brings the other answer nearest. So it finds *a* short way, not always
the shortest, and what it finds is true of the model that was asked, not of the world.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import grad

from distill_lessons import evaluation
from distill_lessons.explain.admission import admitted
from distill_lessons.explain.groups import Groups
from distill_lessons.settings import one_of, whole_number
from distill_lessons.tensors import check_finite, check_numbers
from distill_lessons.uses.alternatives import alternatives_for, members

CELLS = 2**24  # numbers in the images of one try; bounds the memory


@dataclass(frozen=True)
class Changes:
    """What a search found for N images.

    Attributes:
        x: the changed images, shaped like the originals; as far as it came where `found` is false.
        found: whether the model answers as wanted, ``(N,)``.
        n: how many groups were changed, ``(N,)``.
        order: which, from first to last, ``(N, budget)``, filled up with -1.
        before: what the model said of the originals, ``(N,)``.
        after: what it says of `x`, ``(N,)``.
    """

    x: Tensor
    found: Tensor
    n: Tensor
    order: Tensor
    before: Tensor
    after: Tensor


def margins(z: Tensor, own: Tensor, target: Tensor | None = None) -> Tensor:
    """Return how near another answer is: above 0 once it is given.

    Args:
        z: logits ``(..., K)``.
        own: the answer that is to be left, ``(...)``, int64.
        target: the answer wanted, ``(...)``; by default any but `own`.

    Returns:
        The best logit wanted minus the best one not wanted, ``(...)``.

    Raises:
        TypeError: if an argument is no tensor.
        ValueError: if shapes do not fit, a logit is not finite, or a class is none of K.

    >>> margins(torch.tensor([3.0, 1.0, 2.5]), torch.tensor(0)).item()
    -0.5
    """
    check_numbers("z", z)
    if z.ndim < 1 or z.shape[-1] < 2 or z.numel() == 0 or not z.is_floating_point():
        raise ValueError(
            f"z has shape {tuple(z.shape)} and type {z.dtype}; give logits as floats, (..., K)."
        )
    check_finite("z", z.view(-1, z.shape[-1]), "row")
    for name, of in (("own", own), ("target", own if target is None else target)):
        _check_answers(name, of, z)
    return _margins(z, own, target)


def _margins(z: Tensor, own: Tensor, target: Tensor | None) -> Tensor:
    """Return the margins; checks nothing."""
    wanted = own if target is None else target
    mine = z.gather(-1, wanted[..., None])[..., 0]
    others = z.scatter(-1, wanted[..., None], -math.inf).amax(-1)
    return others - mine if target is None else mine - others


def search(
    model: nn.Module,
    x: Tensor,
    alternatives: Tensor,
    *,
    groups: Groups | None = None,
    target: Tensor | None = None,
    budget: int = 10,
    candidates: int = 256,
    missing: str = "refuse",
    stop: bool = True,
) -> Changes:
    """Search for few changes that make the model answer otherwise.

    Args:
        model: returns logits ``(N, K)``; asked in eval mode and left as it was.
        x: images ``(N, ...)``.
        alternatives: what a group may be replaced by: images ``(V, ...)`` for all, or ``(N, V,
            ...)`` for each its own.
        groups: what changes together, see `explain.groups`; by default pixels with their channels.
        target: the class wanted for each image, ``(N,)``; by default any other.
        budget: the most groups that may change.
        candidates: how many changes to try at each step. Where there are more, those with the
            best slopes are tried.
        missing: where no counterfactual is found within the budget, ``"refuse"`` raises an error
            and ``"mark"`` goes on, with `Changes.found` false.
        stop: False to spend the whole budget on every image, whatever the model says on the way.

    Raises:
        TypeError: if an argument is of another type.
        ValueError: if parts do not fit, an image has its target already, or no counterfactual is
            found within the budget.

    Source: Wachter, Mittelstadt and Russell (2018), arXiv:1711.00399, for what a counterfactual
        is; for changes taken from another image Goyal et al. (2019), arXiv:1904.07451.
    """
    budget, candidates = whole_number("budget", budget), whole_number("candidates", candidates)
    one_of("missing", missing, ("refuse", "mark"))
    x = admitted(model, x)
    alternatives = alternatives_for(x, alternatives)
    inside = members(x, groups)
    z = evaluation.predict(model, x)
    before = z.argmax(1)
    target = _target(target, before, z)
    order = torch.full((len(x), budget), -1, device=x.device)
    at, n = x.flatten(1).clone(), torch.zeros_like(before)
    score = _margins(z, before, target)
    with torch.no_grad(), evaluation.evaluating(model):
        for step in range(budget):
            left = ((score <= 0) | (not stop)).nonzero()[:, 0]
            for rows in _pieces(left, candidates, at.shape[1]):
                best, group, images = _step(
                    model, at[rows].view(-1, *x.shape[1:]), alternatives, rows, inside,
                    order[rows], before[rows], None if target is None else target[rows], candidates,
                )  # fmt: skip
                able = best > -math.inf
                rows = rows[able]
                at[rows], score[rows] = images[able], best[able]
                order[rows, step] = group[able]
                n[rows] += 1
    changed = at.view_as(x)
    after = evaluation.predict(model, changed).argmax(1)
    found = after != before if target is None else after == target
    if missing == "refuse" and not bool(found.all()):
        first = int((~found).nonzero()[0])
        raise ValueError(
            f"budget={budget}: image {first} keeps the answer {int(before[first])} after "
            f"{int(n[first])} changes ({int((~found).sum())} of {len(x)} images do not flip); give "
            "a larger budget or other alternatives, or take missing='mark'."
        )
    return Changes(changed, found, n, order, before, after)


def _step(
    model: nn.Module,
    x: Tensor,
    alternatives: Tensor,
    rows: Tensor,
    inside: Tensor,
    used: Tensor,
    own: Tensor,
    target: Tensor | None,
    candidates: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return each image's best margin after one more change, its group, and the image, flat."""
    flat = x.flatten(1)  # (n, D)
    others = alternatives[rows] if alternatives.ndim > x.ndim else alternatives[None]
    others = others.flatten(2).expand(len(x), -1, -1)  # (n, V, D)
    n_ways = others.shape[1] * len(inside)
    step = others - flat[:, None]  # (n, V, D)
    idle = ((step != 0).to(flat) @ inside.to(flat).T == 0).flatten(1)  # (n, V * G)
    done = torch.zeros(len(x), len(inside) + 1, dtype=torch.bool, device=x.device)
    done.scatter_(1, used % (len(inside) + 1), torch.ones_like(used, dtype=torch.bool))
    idle |= done[:, :-1].repeat(1, others.shape[1])
    if n_ways <= candidates:
        tried = torch.arange(n_ways, device=x.device).expand(len(x), -1)
    else:  # where there are too many, ask those first that the slopes recommend
        slope = grad(lambda x: _margins(model(x), own, target).sum())(x).flatten(1)
        promise = ((step * slope[:, None]) @ inside.to(flat).T).flatten(1)
        tried = promise.masked_fill(idle, -math.inf).topk(candidates, 1).indices
    v, g = tried // len(inside), tried % len(inside)  # (n, M)
    images = torch.where(
        inside[g], others.gather(1, v[..., None].expand(-1, -1, flat.shape[1])), flat[:, None]
    )  # (n, M, D)
    z = model(images.reshape(-1, *x.shape[1:])).view(*tried.shape, -1)
    each = own[:, None].expand(tried.shape)
    wanted = None if target is None else target[:, None].expand(tried.shape)
    score = _margins(z, each, wanted).masked_fill(idle.gather(1, tried), -math.inf)
    best, which = score.max(1)
    row = torch.arange(len(x), device=x.device)
    return best, g[row, which], images[row, which]


def _pieces(rows: Tensor, candidates: int, n_features: int) -> Iterator[Tensor]:
    size = max(1, CELLS // (candidates * n_features))
    return iter(rows.split(size)) if len(rows) else iter(())


def _check_answers(argument: str, classes: Tensor, z: Tensor) -> None:
    """Raise an error unless `classes` has a class of logits `z` for each of their rows."""
    check_numbers(argument, classes)
    if classes.dtype != torch.int64 or classes.shape != z.shape[:-1]:
        raise ValueError(
            f"{argument} has shape {tuple(classes.shape)} and type {classes.dtype} for logits "
            f"{tuple(z.shape)}; give one class for each row, int64."
        )
    if int(classes.min()) < 0 or int(classes.max()) >= z.shape[-1]:
        raise ValueError(
            f"{argument} goes from {int(classes.min())} to {int(classes.max())}; the model's "
            f"classes are 0 to {z.shape[-1] - 1}: give some of them."
        )


def _target(target: Tensor | None, before: Tensor, z: Tensor) -> Tensor | None:
    if target is None:
        return None
    _check_answers("target", target, z)
    target = target.to(before.device)
    if bool((target == before).any()):
        first = int((target == before).nonzero()[0])
        raise ValueError(
            f"target: image {first} is already answered with {int(before[first])}; ask for "
            "another class."
        )
    return target
