"""Which inputs does a model rely on? Shuffling groups, the loop, exact importance, copies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from distill_lessons import models
from distill_lessons.exercises.compare import plain
from distill_lessons.exercises.exercise import Case, Exercise, Mistake


def _by_hand() -> nn.Sequential:
    """The net of the lesson's table: of two pixels it reads the first. Logits: 1, and 2 × it."""
    net = models.mlp((1, 1, 2), 2, ()).requires_grad_(False)
    weight, bias = net.parameters()
    weight.copy_(torch.tensor([[0.0, 0.0], [2.0, 0.0]]))
    bias.copy_(torch.tensor([1.0, 0.0]))
    return net


def _net(shape: tuple[int, int, int], classes: int, seed: int) -> nn.Sequential:
    net = models.mlp(shape, classes, (8,), seed=seed).requires_grad_(False)
    for weight in net.parameters():
        weight.mul_(3.0)  # fresh weights are small, and shuffling would hardly change an answer
    return net


def _tiny_images() -> tuple[Tensor, Tensor]:
    x = torch.tensor([[0.0, 0], [0, 1], [1, 0], [1, 1]]).view(4, 1, 1, 2)
    return x, torch.tensor([0, 0, 1, 1])


def _watched(answer: Callable[..., Any], model: nn.Module, x: Tensor, *given: Any) -> Any:
    """Return the answer, and whether the model was given images.

    A net that flattens reads flat rows as well: its logits would not tell.
    """
    shapes = set()
    watch = model.register_forward_pre_hook(lambda _, inputs: shapes.add(inputs[0].shape[1:]))
    try:
        found = plain(answer(model, x, *given))
    finally:
        watch.remove()
    if found is None:
        return None
    # Where nothing falls, 1 − 1 in single precision may be a hundred-millionth.
    found = round(found, 6) if isinstance(found, float) else found
    return {"the importance": found, "the model is given images": shapes <= {x.shape[1:]}}


FLAT = (
    "Your numbers are right, but the model was given flat rows of pixels. It reads images, "
    "(N, C, H, W), and a convolutional net would stop here: `mixed.view_as(x)`."
)


def _flat(answer: Callable[..., Any]) -> Callable[..., Any]:
    """Return the same answer, which asks the model about flat rows."""

    def asks(model: nn.Module, x: Tensor, *given: Any) -> Any:
        return answer(lambda images: model(images.flatten(1)), x, *given)

    return asks


# Shuffle a group ---------------------------------------------------------------------------------


def _groups(seed: int) -> list[Case]:
    dice = torch.Generator().manual_seed(seed)
    six = torch.arange(12.0).view(3, 1, 2, 2)
    return [
        Case(
            "x of shape (3, 1, 2, 2) with the values 0 to 11, group [1, 2], order [2, 0, 1]",
            (six, torch.tensor([1, 2]), torch.tensor([2, 0, 1])),
        ),
        Case(
            "x of shape (5, 2, 2, 3), group [0, 4, 7], order [3, 4, 0, 2, 1]",
            (
                torch.rand(5, 2, 2, 3, generator=dice),
                torch.tensor([0, 4, 7]),
                torch.tensor([3, 4, 0, 2, 1]),
            ),
        ),
    ]


def _keeps_x(answer: Any, x: Tensor, group: Tensor, order: Tensor) -> Any:
    before = x.clone()
    try:
        found = answer(x, group, order)
    except IndexError as error:
        if "broadcast together" in str(error):  # `[order, group]`: the first thing one writes
            error.args = (
                f"{error}. One bracket with both, `[order, group]`, pairs the first of `order` "
                "with the first of `group`, and so on. Take it in two steps: the images of "
                "`order`, and of these the columns of the group.",
            )
        raise
    return None if found is None else {"images": found, "x is as it was": torch.equal(x, before)}


def _group_by_mask(x: Tensor, group: Tensor, order: Tensor) -> Tensor:
    chosen = torch.zeros(x[0].numel(), dtype=torch.bool).index_fill(0, group, True)
    return torch.where(chosen.view(x.shape[1:]), x.index_select(0, order), x)


def _not_written_back(x: Tensor, group: Tensor, order: Tensor) -> Tensor:
    return x.clone()


def _in_place(x: Tensor, group: Tensor, order: Tensor) -> Tensor:
    x.copy_(_group_by_mask(x, group, order))
    return x


shuffle_group = Exercise(
    lesson="05",
    name="shuffle_group",
    title="Shuffle a group",
    kind="code",
    difficulty="easy",
    importance="high",
    minutes=5,
    hints=(
        "Work on a copy, flattened so that every feature is a column: what is its shape?",
        "Take it in two steps: first all columns of the other images, `x.flatten(1)[order]`, then "
        "of these the columns of the group.",
        "Write them to `mixed[:, group]`, and give `mixed` the shape of x.",
    ),
    cases=_groups,
    ask=_keeps_x,
    reference=_group_by_mask,
    mistakes=(
        Mistake(
            "not written back",
            _not_written_back,
            "The images come back unchanged. A shuffled column has to be written into the copy; "
            "to give a new name to it changes nothing.",
        ),
        Mistake(
            "in place",
            _in_place,
            "Your images are right, but x itself was changed. `flatten` of a tensor shares its "
            "memory, so work on a copy.",
        ),
        Mistake(
            "whole images",
            lambda x, group, order: x[order],
            "You moved whole images. Only the features of the group come from another image.",
        ),
        Mistake(
            "given, not taken",
            lambda x, group, order: _group_by_mask(x, group, order.argsort()),
            "You move the other way: image i gives its values to image order[i]. It is to take "
            "its values from there.",
        ),
    ),
)

# The loop ----------------------------------------------------------------------------------------


def _labelled(seed: int) -> list[Case]:
    dice = torch.Generator().manual_seed(seed)
    x = torch.rand(6, 1, 2, 2, generator=dice)
    y = torch.randint(3, (6,), generator=dice)
    return [
        Case(
            "the four images worked by hand, order [2, 1, 0, 3]",
            (_by_hand(), *_tiny_images(), torch.tensor([2, 1, 0, 3])),
        ),
        Case(
            "6 images of shape (1, 2, 2), 3 classes",
            (_net((1, 2, 2), 3, seed), x, y, torch.tensor([4, 0, 5, 1, 3, 2])),
        ),
    ]


def _lost(z: Tensor, y: Tensor) -> Tensor:
    """Cross-entropy of each image, shape of `y`."""
    return z.logsumexp(-1) - z.gather(-1, y[..., None])[..., 0]


def _all_mixtures(x: Tensor, order: Tensor) -> Tensor:
    """Every feature taken from `x[order]` in turn, shape `(features, N, C, H, W)`."""
    flat = x.flatten(1)
    features = torch.arange(flat.shape[1])
    mixed = flat.expand(len(features), *flat.shape).clone()
    mixed[features, :, features] = flat[order].T
    return mixed.view(-1, *x.shape)


def _rises(model: nn.Module, x: Tensor, y: Tensor, order: Tensor) -> Tensor:
    mixed = _all_mixtures(x, order)
    z = model(mixed.flatten(0, 1)).view(*mixed.shape[:2], -1)
    return _lost(z, y.expand(z.shape[:2])).mean(1) - _lost(model(x), y).mean()


def _never_fresh(model: nn.Module, x: Tensor, y: Tensor, order: Tensor) -> Tensor:
    dirty, found = x.flatten(1).clone(), []
    for column, values in zip(dirty.T, x.flatten(1)[order].T, strict=True):
        column.copy_(values)
        found.append(_lost(model(dirty.view(x.shape)), y).mean() - _lost(model(x), y).mean())
    return torch.stack(found)


def _labels_too(model: nn.Module, x: Tensor, y: Tensor, order: Tensor) -> Tensor:
    z = torch.stack([model(part) for part in _all_mixtures(x, order)])
    return _lost(z, y[order].expand(z.shape[:2])).mean(1) - _lost(model(x), y).mean()


def _of_softmax(model: nn.Module, x: Tensor, y: Tensor, order: Tensor) -> Tensor:
    return _rises(lambda images: model(images).softmax(-1), x, y, order)  # type: ignore[arg-type]


loss_rises = Exercise(
    lesson="05",
    name="loss_rises",
    title="The loop, with another loss",
    kind="code",
    difficulty="medium",
    importance="high",
    minutes=8,
    points=2,
    hints=(
        "Three lines per feature: shuffle, predict, subtract. What has to be made anew each time?",
        "`nn.functional.cross_entropy(model(mixed.view_as(x)), y)` is the loss after the shuffle; "
        "y stays with its images.",
        "Begin each feature with `mixed = x.flatten(1).clone()`, and collect after minus before.",
    ),
    cases=_labelled,
    ask=_watched,
    reference=_rises,
    mistakes=(
        Mistake("flat rows", _flat(_rises), FLAT),
        Mistake(
            "before minus after",
            lambda *given: -_rises(*given),
            "The sign is turned: the importance is how much the loss rises.",
        ),
        Mistake(
            "never fresh",
            _never_fresh,
            "The features shuffled earlier are still shuffled. Each feature starts from fresh "
            "images.",
        ),
        Mistake(
            "labels shuffled too",
            _labels_too,
            "The labels went along with the shuffle. Only one feature may move: then even a pixel "
            "that nobody uses must have importance 0.",
        ),
        Mistake(
            "sum over images",
            lambda model, x, *given: len(x) * _rises(model, x, *given),
            "This is the sum over the images; the mean is due.",
        ),
        Mistake(
            "without subtracting",
            lambda model, x, y, order: _rises(model, x, y, order) + _lost(model(x), y).mean(),
            "This is the loss after the shuffle. How large was it before?",
        ),
        Mistake(
            "cross-entropy of probabilities",
            _of_softmax,
            "The cross-entropy of torch takes logits; a softmax before it is one too many.",
        ),
    ),
)

# A row that is torn apart ------------------------------------------------------------------------


def _rows(seed: int) -> list[Case]:
    dice = torch.Generator().manual_seed(seed)
    return [
        Case(
            f"{n} images of shape {shape}, group {group}",
            (torch.rand(n, *shape, generator=dice), torch.tensor(group), seed + n),
        )
        for n, shape, group in ((7, (1, 2, 3), [3, 4, 5]), (9, (2, 2, 2), [0, 1, 4, 5]))
    ]


def _properties(answer: Any, x: Tensor, group: Tensor, seed: int) -> Any:
    before = x.clone().double()
    found = answer(x, group, seed)
    if found is None:
        return None
    after = torch.as_tensor(found).detach().double()
    shape = list(after.shape)
    if after.shape != x.shape:
        after = torch.zeros_like(before)
    taken, donors = after.flatten(1)[:, group], before.flatten(1)[:, group]
    rest = [j for j in range(x[0].numel()) if j not in group.tolist()]
    return {
        "shape": shape,
        "x is as it was": torch.equal(x.double(), before),
        "features outside the group": after.flatten(1)[:, rest],
        "something is shuffled": not torch.equal(taken, donors),
        "values of each column, sorted": after.flatten(1).sort(0).values,
        "each image gets its whole group from one image": all(
            any(torch.equal(row, donor) for donor in donors) for row in taken
        ),
        "the same seed gives the same shuffle": all(
            torch.equal(_run(answer, before, group, seed), after) for _ in range(3)
        ),
        "another seed gives another shuffle": not all(
            torch.equal(_run(answer, before, group, seed + n), after) for n in (1, 2, 3)
        ),
    }


def _run(answer: Any, x: Tensor, group: Tensor, seed: int) -> Tensor:
    return torch.as_tensor(answer(x.float(), group, seed)).detach().double()


def _random_order(x: Tensor, seed: int) -> Tensor:
    return torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))


def _torn(x: Tensor, group: Tensor, seed: int) -> Tensor:
    dice = torch.Generator().manual_seed(seed)
    torn = x.flatten(1).clone()
    for j in group.tolist():
        torn[:, j] = torn[torch.randperm(len(x), generator=dice), j]
    return torn.view(x.shape)


def _with_replacement(x: Tensor, group: Tensor, seed: int) -> Tensor:
    drawn = torch.randint(len(x), (len(x),), generator=torch.Generator().manual_seed(seed))
    return _group_by_mask(x, group, drawn)


def _turned_by_one(x: Tensor, group: Tensor, seed: int) -> Tensor:
    return _group_by_mask(x, group, torch.arange(len(x)).roll(1))


def _unseeded(x: Tensor, group: Tensor, seed: int) -> Tensor:
    order = np.random.default_rng().permutation(len(x))
    return _group_by_mask(x, group, torch.from_numpy(order))


row_together = Exercise(
    lesson="05",
    name="row_together",
    title="Find the bug: a row torn apart",
    kind="bug",
    difficulty="medium",
    importance="high",
    minutes=5,
    points=2,
    hints=(
        "Look at image 0 after the shuffle. From how many other images does it have its row?",
        "How often is an order drawn, and how often should it be?",
    ),
    cases=_rows,
    ask=_properties,
    reference=lambda x, group, seed: _group_by_mask(x, group, _random_order(x, seed)),
    mistakes=(
        Mistake("as given", _torn, "", given=True),
        Mistake(
            "whole images",
            lambda x, group, seed: x[_random_order(x, seed)],
            "Now whole images change places. Only the features of the group may move.",
        ),
        Mistake(
            "nothing shuffled",
            lambda x, group, seed: x.clone(),
            "The images come back unchanged: nothing is shuffled any more.",
        ),
        Mistake(
            "with replacement",
            _with_replacement,
            "Some images give their row twice and others not at all. In a shuffle each value "
            "occurs as often as before.",
        ),
        Mistake(
            "always the same order",
            _turned_by_one,
            "Every seed gives the same shuffle. The order is to be drawn by dice that `seed` "
            "seeds.",
        ),
        Mistake(
            "dice without a seed",
            _unseeded,
            "The same seed gives another shuffle each time, so nobody can repeat the experiment. "
            "Hand the dice that `seed` seeds to whatever draws the order.",
        ),
    ),
)

# Without any dice --------------------------------------------------------------------------------


def _few_images(seed: int) -> list[Case]:
    dice = torch.Generator().manual_seed(seed)
    rare = torch.tensor([[0.0, 1], [0, 0], [0, 1], [1, 0]]).view(4, 1, 1, 2)
    net, x = _net((1, 2, 2), 3, seed), torch.rand(9, 1, 2, 2, generator=dice)
    y = net(x).argmax(1)
    y[0] = (y[0] + 1) % 3  # one wrong answer, so that the accuracy before is not 1
    every = [
        Case("the four images worked by hand, j = 0", (_by_hand(), *_tiny_images(), 0)),
        Case(
            "four images of which only the last one has pixel 0 lit, j = 0",
            (_by_hand(), rare, torch.tensor([0, 0, 0, 1]), 0),
        ),
    ]
    return every + [
        Case(f"9 images of shape (1, 2, 2), 3 classes, j = {j}", (net, x, y, j)) for j in range(4)
    ]


def _right(model: nn.Module, flat: Tensor, x: Tensor, y: Tensor) -> float:
    return float((model(flat.view(-1, *x.shape[1:])).argmax(1) == y).double().mean())


def _all_pairs(model: nn.Module, x: Tensor, y: Tensor, j: int) -> float:
    flat = x.flatten(1)
    pairs = flat.repeat_interleave(len(x), 0)  # image i stands in rows i·N to i·N + N − 1
    pairs[:, j] = flat[:, j].repeat(len(x))
    return _right(model, flat, x, y) - _right(model, pairs, x, y.repeat_interleave(len(x)))


def _label_of_k(model: nn.Module, x: Tensor, y: Tensor, j: int) -> float:
    after = [
        _right(model, _with_value(x, j, value), x, label.expand(len(x)))
        for value, label in zip(x.flatten(1)[:, j], y, strict=True)
    ]
    return _right(model, x.flatten(1), x, y) - sum(after) / len(x)


def _with_value(x: Tensor, j: int, value: Tensor) -> Tensor:
    return x.flatten(1).index_fill(1, torch.tensor([j]), float(value))


def _mean_value(model: nn.Module, x: Tensor, y: Tensor, j: int) -> float:
    grey = x.flatten(1).clone()
    grey[:, j] = grey[:, j].mean()
    return _right(model, x.flatten(1), x, y) - _right(model, grey, x, y)


exact_importance = Exercise(
    lesson="05",
    name="exact_importance",
    title="Without any dice",
    kind="code",
    difficulty="hard",
    importance="medium",
    minutes=10,
    points=3,
    hints=(
        "Turn the two loops: which single value do all images have in feature j, if all of them "
        "take it from image k?",
        "For each k set the whole column to the one number `x.flatten(1)[k, j]` and note the "
        "accuracy. There are N of them.",
        "The mean of these N accuracies is the accuracy under the product of the marginals. "
        "Subtract it from the accuracy before.",
    ),
    cases=_few_images,
    ask=_watched,
    reference=_all_pairs,
    mistakes=(
        Mistake("flat rows", _flat(_all_pairs), FLAT),
        Mistake(
            "the label of image k",
            _label_of_k,
            "You compared with the label of image k. Image i keeps its own label; only feature j "
            "comes from k.",
        ),
        Mistake(
            "own value left out",
            lambda model, x, y, j: _all_pairs(model, x, y, j) * len(x) / (len(x) - 1),
            "You left out the pairs in which an image keeps its own value, k = i. Under the "
            "product of the marginals they occur like any other pair.",
        ),
        Mistake(
            "after minus before",
            lambda *given: -_all_pairs(*given),
            "The sign is turned: the importance is the fall in accuracy.",
        ),
        Mistake(
            "the mean value",
            _mean_value,
            "You put the mean value of the feature in its place, and asked once. Average the "
            "accuracies over all values, not the values.",
        ),
        Mistake(
            "accuracy after",
            lambda model, x, y, j: _right(model, x.flatten(1), x, y) - _all_pairs(model, x, y, j),
            "This is the accuracy after; its fall is due.",
        ),
    ),
)

# To read -----------------------------------------------------------------------------------------

postal_code = Exercise(
    lesson="05",
    name="postal_code",
    title="Where people live",
    kind="read",
    difficulty="medium",
    importance="high",
    minutes=5,
    points=2,
    hints=(
        "What does the model still know about the district while the postal code alone is "
        "shuffled?",
        "Think of the copied pixels: what did each of them seem to be worth, and what all four?",
    ),
    options=tuple(letter + number for letter in "abc" for number in "123"),
)

importance_of_x1 = Exercise(
    lesson="05",
    name="importance_of_x1",
    title="With pen and paper",
    kind="read",
    difficulty="hard",
    importance="medium",
    minutes=8,
    points=3,
    hints=(
        "After the shuffle the error is the noise plus a multiple of x₁′ − x₁. Which multiple?",
        "x₁′ and x₁ are independent and have the same variance. What is the mean of (x₁′ − x₁)²?",
    ),
)
