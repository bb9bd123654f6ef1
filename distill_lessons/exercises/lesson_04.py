"""Lesson 04, distillation runs: rows by index, paired intervals, a missing class, controls."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from scipy import stats
from torch import Tensor, nn

from distill_lessons import losses, models
from distill_lessons.exercises.compare import plain
from distill_lessons.exercises.exercise import Case, Exercise, Mistake

_CHOICES = tuple(letter + digit for letter in "abc" for digit in "123")

# ---- The teacher's rows, by index ----------------------------------------------------------------


def _batches(seed: int) -> list[Case]:
    cases = []
    for order, K in (([2, 0, 3, 1], 3), ([5, 1, 7, 0, 3, 6, 2, 4], 5)):
        dice = torch.Generator().manual_seed(seed)
        student = models.mlp((1, 2, 2), K, (), seed=seed)
        optimizer = torch.optim.SGD(student.parameters(), lr=0.1)
        x = torch.rand(len(order), 1, 2, 2, generator=dice)
        z = 4 * torch.randn(len(order), K, generator=dice)
        half = len(order) // 2
        words = f"{len(order)} images, batches {order[:half]} and {order[half:]}, T = 2"
        cases.append(Case(words, (student, optimizer, x, z, torch.tensor(order), 2.0)))
    return cases


def _two_steps(
    step: Callable[..., Any],
    student: nn.Module,
    optimizer: Any,
    x: Tensor,
    z: Tensor,
    order: Tensor,
    T: float,
) -> dict[str, Any] | None:
    before = nn.utils.parameters_to_vector(student.parameters()).detach()
    found = [step(student, optimizer, x, z, index, T) for index in order.chunk(2)]
    moved = nn.utils.parameters_to_vector(student.parameters()).detach() - before
    if found == [None, None]:
        return None
    return {
        "the loss of the first batch": found[0],
        "the loss of the second batch": found[1],
        "how far the student's weights move": moved,
    }


def _step(
    images: Callable[[Tensor], Tensor] = lambda index: index,
    rows: Callable[[Tensor], Tensor] = lambda index: index,
    *,
    clears: bool = True,
    moves: bool = True,
) -> Callable[..., float]:
    """Return a step of gradient descent that needs no optimiser, with room for mistakes."""

    def step(
        student: nn.Module, optimizer: Any, x: Tensor, z: Tensor, index: Tensor, T: float
    ) -> float:
        z_teacher = z.index_select(0, rows(index))
        loss = T**2 * losses.kl_divergence(z_teacher, student(x[images(index)]), T).mean()
        weights = list(student.parameters())
        for weight, slope in zip(weights, torch.autograd.grad(loss, weights), strict=True):
            weight.grad = slope if clears or weight.grad is None else weight.grad + slope
            weight.data -= moves * optimizer.param_groups[0]["lr"] * weight.grad
        return loss.item()

    return step


def _first(index: Tensor) -> Tensor:
    return torch.arange(len(index))


index_step = Exercise(
    lesson="04",
    name="index_step",
    title="Find the bug: a student that never gets good",
    kind="bug",
    difficulty="easy",
    importance="high",
    minutes=5,
    hints=(
        "The first batch of the check is [2, 0]. Which image is the first in it, and which row of "
        "the table does this code give to it?",
        "The images are looked up by index. What about the teacher's logits?",
    ),
    cases=_batches,
    ask=_two_steps,
    reference=_step(),
    mistakes=(
        Mistake("as given", _step(rows=_first), "", given=True),
        Mistake(
            "always the first images",
            _step(images=_first, rows=_first),
            "Images and rows belong together now, but both are the first ones of the table in "
            "every batch. The rest is never seen.",
        ),
        Mistake(
            "rows in the order of the table",
            _step(rows=lambda index: index.sort().values),
            "The rows are those of this batch, but in the order of the table, not of the batch.",
        ),
        Mistake(
            "no zero_grad",
            _step(clears=False),
            "The rows are right. But the second step still carries the gradient of the first: "
            "gradients add up unless they are cleared.",
        ),
        Mistake("nothing moves", _step(moves=False), "The loss is right, but the weights stay."),
    ),
)

# ---- A paired interval ---------------------------------------------------------------------------


def _accuracies(seed: int) -> list[Case]:
    dice = torch.Generator().manual_seed(seed)
    a = 0.80 + 0.1 * torch.rand(10, generator=dice)
    b = a - 0.03 + 0.02 * torch.randn(10, generator=dice)
    five = 0.90 + 0.05 * torch.rand(2, 5, generator=dice)
    by_hand = torch.tensor([0.90, 0.92, 0.94]), torch.tensor([0.88, 0.91, 0.91])
    return [
        Case("a = [0.90, 0.92, 0.94], b = [0.88, 0.91, 0.91], t = 4.303", (*by_hand, 4.303)),
        Case("ten seeds, t = 2.262", (a, b, 2.262)),
        Case("five seeds, t = 2.776", (*five, 2.776)),
    ]


def _around(mean: float, half: float) -> list[float]:
    return [mean, mean - half, mean + half]


def _interval(half: Callable[[np.ndarray, float], float]) -> Callable[..., list[float]]:
    """Return a mean difference with an interval whose half width is made from the differences."""

    def answer(a: Tensor, b: Tensor, t: float) -> list[float]:
        d = np.subtract(a.double().numpy(), b.double().numpy())
        return _around(float(d.mean()), float(half(d, t)))

    return answer


def _unpaired(a: Tensor, b: Tensor, t: float) -> list[float]:
    a, b = a.double(), b.double()
    return _around(float(a.mean() - b.mean()), t * float((a.var() + b.var()) / len(a)) ** 0.5)


_right_interval = _interval(lambda d, t: t * stats.sem(d))

paired_interval = Exercise(
    lesson="04",
    name="paired_interval",
    title="A paired difference with its interval",
    kind="code",
    difficulty="medium",
    importance="high",
    minutes=8,
    points=2,
    hints=(
        "First of all take `a - b`: one difference per seed. From there on a and b are not needed.",
        "The half width is t times the standard error: the standard deviation of the differences "
        "over the square root of their number.",
        "`d.std()` of a tensor divides by n − 1, as it should; NumPy's divides by n unless you say "
        "`ddof=1`. Return mean, mean − half, mean + half.",
    ),
    cases=_accuracies,
    reference=_right_interval,
    mistakes=(
        Mistake(
            "unpaired",
            _unpaired,
            "The spread of a and of b was taken apart and added. A seed that is easy for one is "
            "easy for the other too: take the differences first, then their spread.",
        ),
        Mistake(
            "standard deviation",
            _interval(lambda d, t: t * d.std(ddof=1)),
            "That is how far single seeds scatter. How sure the mean is gets better with more "
            "seeds: the standard error is due.",
        ),
        Mistake(
            "standard deviation, n for n - 1",
            _interval(lambda d, t: t * d.std()),
            "Two things are off: your standard deviation divides by n, and it says how far single "
            "seeds scatter. The standard error of the mean is due.",
        ),
        Mistake(
            "n for n - 1",
            _interval(lambda d, t: t * d.std() / math.sqrt(len(d))),
            "Your standard deviation divides by n. The mean was taken from the same differences, "
            "so n − 1 is due.",
        ),
        Mistake(
            "n and n - 1 mixed up",
            _interval(lambda d, t: t * d.std(ddof=1) / math.sqrt(len(d) - 1)),
            "n − 1 belongs into the standard deviation. The root below it is that of n.",
        ),
        Mistake(
            "no root",
            _interval(lambda d, t: t * d.std(ddof=1) / len(d)),
            "You divided the standard deviation by n; the standard error divides by its root.",
        ),
        Mistake(
            "variance",
            _interval(lambda d, t: t * d.var(ddof=1) / math.sqrt(len(d))),
            "That is the variance. Its root, the standard deviation, is due.",
        ),
        Mistake(
            "no t",
            _interval(lambda d, t: stats.sem(d)),
            "That is one standard error to each side. A 95 % interval takes t of them.",
        ),
        Mistake(
            "no t, no root",
            _interval(lambda d, t: d.std(ddof=1)),
            "That is one standard deviation to each side. Two steps are missing: from it to the "
            "standard error of the mean, and from there, with t, to the interval.",
        ),
        Mistake(
            "two for t",
            _interval(lambda d, t: 1.96 * stats.sem(d)),
            "1.96 is right for very many seeds. With few the interval must be wider: use t.",
        ),
        Mistake(
            "b minus a",
            lambda a, b, t: _right_interval(b, a, t),
            "You take a away from b. The gain of a over b is due.",
        ),
        Mistake(
            "ends exchanged",
            lambda a, b, t: [_right_interval(a, b, t)[i] for i in (0, 2, 1)],
            "The upper end comes before the lower one.",
        ),
    ),
)

# ---- Wrong classes shuffled ----------------------------------------------------------------------


def _tables(seed: int) -> list[Case]:
    cases = []
    for number, (n, k) in enumerate(((12, 6), (30, 10))):
        z = 3 * torch.randn(n, k, generator=torch.Generator().manual_seed(100 * number + seed))
        dice = torch.Generator().manual_seed(seed)
        cases.append(Case(f"z of shape ({n}, {k})", (z, dice)))
    return cases


def _properties(shuffle: Callable[..., Any], z: Tensor, dice: Any) -> dict[str, Any] | None:
    given, start = z.clone(), dice.get_state()
    answers = [shuffle(z, dice)]
    if answers[0] is None:
        return None
    first = _table(answers[0])  # a copy: the second call must not change it
    second = _table(shuffle(z, dice))
    dice.set_state(start)
    again = _table(shuffle(given.clone(), dice))
    found: dict[str, Any] = {
        "the shape of the answer": str(tuple(first.shape)) if first.ndim else "no table",
        "the logits of every row, sorted": [],
        "the top class keeps its logit": False,
        "z itself is left as it was": torch.equal(z, given),
        "the wrong classes are shuffled": False,
        "every row is shuffled in its own way": False,
        "the same dice, thrown again, give another order": not torch.equal(first, second),
        "dice from the same seed give the same order": torch.equal(first, again),
    }
    if first.shape != given.shape:
        return found
    ordered, top = first.sort(1).values, given.argmax(1, keepdim=True)
    found["the logits of every row, sorted"] = ordered
    if not torch.equal(first.gather(1, top), given.gather(1, top)):
        return found
    found["the top class keeps its logit"] = True
    if torch.equal(ordered, given.sort(1).values):
        both = zip(given.tolist(), first.tolist(), strict=True)
        # For every row: from which place the logit at each of its places came.
        orders = [tuple(map(old.index, row)) for old, row in both]
        moved = sum(list(order) != sorted(order) for order in orders)
        found["the wrong classes are shuffled"] = moved > len(orders) / 2
        found["every row is shuffled in its own way"] = len(set(orders)) > len(orders) / 2
    return found


def _table(answer: Any) -> Tensor:
    try:
        return torch.tensor(plain(answer), dtype=torch.float32)
    except (TypeError, ValueError):  # words, a function, rows of several lengths
        return torch.tensor(0.0)


def _shuffled(z: Tensor, dice: torch.Generator) -> Tensor:
    top = torch.nn.functional.one_hot(z.argmax(1), z.shape[1]).bool()
    keys = torch.rand(z.shape, generator=dice).masked_fill(top, 2.0)
    places = (~top).nonzero()[:, 1].view(len(z), -1)  # of the wrong classes, (N, K-1)
    return z.scatter(1, places, z.gather(1, keys.argsort(1)[:, :-1]))


def _whole_rows(z: Tensor, dice: torch.Generator) -> Tensor:
    return z.gather(1, torch.rand(z.shape, generator=dice).argsort(1))


def _one_order(z: Tensor, dice: torch.Generator, *, fresh: bool = True) -> Tensor:
    n, k = z.shape
    top = torch.nn.functional.one_hot(z.argmax(1), k).bool()
    places = (~top).nonzero()[:, 1].view(n, -1)
    order = torch.randperm(k - 1, generator=dice) if fresh else torch.arange(k - 1).roll(1)
    return z.scatter(1, places, z.gather(1, places[:, order]))


def _own_dice(z: Tensor, dice: torch.Generator) -> Tensor:
    return _shuffled(z, torch.Generator().manual_seed(0))


def _unseeded_dice(z: Tensor, dice: torch.Generator) -> Tensor:
    other = torch.Generator()
    other.seed()  # drawn by the system: another one on every call
    return _shuffled(z, other)


def _in_place(z: Tensor, dice: torch.Generator) -> Tensor:
    return z.copy_(_shuffled(z, dice))


def _averaged(z: Tensor, dice: torch.Generator) -> Tensor:
    top = z.max(1, keepdim=True).values
    return torch.where(z == top, z, (z.sum(1, keepdim=True) - top) / (z.shape[1] - 1))


shuffle_wrong = Exercise(
    lesson="04",
    name="shuffle_wrong",
    title="Shuffled wrong classes",
    kind="code",
    difficulty="hard",
    importance="medium",
    minutes=10,
    points=3,
    hints=(
        "Begin with a copy, `z.clone()`, and go through its rows; a plain loop is fine.",
        "In each row: which columns are not the top one? Put them into a list; it has K − 1 "
        "entries, and K is `z.shape[1]`.",
        "`torch.randperm(n, generator=dice)` is a new order of n places. `row[others]`, with a "
        "list of columns, can stand on both sides of an assignment.",
    ),
    cases=_tables,
    ask=_properties,
    reference=_shuffled,
    mistakes=(
        Mistake(
            "the top class moves",
            _whole_rows,
            "The whole row is shuffled, and the top class with it. Such a teacher is wrong about "
            "its guess too; here only the wrong classes shall change places.",
        ),
        Mistake(
            "one order for all rows",
            _one_order,
            "All rows are shuffled by one order. Then the wrong classes have only been renamed, "
            "and what they know is still there. Throw the dice for each row.",
        ),
        Mistake(
            "always the same order",
            lambda z, dice: _one_order(z, dice, fresh=False),
            "That moves every logit by a fixed rule, without dice.",
        ),
        Mistake(
            "dice of its own",
            _own_dice,
            "The order does not come from the dice that were given: thrown again, they give the "
            "same order. Hand `dice` on as `generator`.",
        ),
        Mistake(
            "other dice",
            _unseeded_dice,
            "The order comes from other dice than the given ones, so nobody can repeat it: the "
            "same seed gives another table each time. Hand `dice` on as `generator`.",
        ),
        Mistake(
            "in place",
            _in_place,
            "z itself is shuffled, and every later cell that uses the table is spoiled. Work on a "
            "copy.",
        ),
        Mistake(
            "nothing is shuffled", lambda z, dice: z.clone(), "Every logit is where it was before."
        ),
        Mistake(
            "averaged",
            _averaged,
            "The wrong classes of a row are all made alike. Shuffled, they keep their values and "
            "change places.",
        ),
    ),
)

# ---- A bias for the missing class ----------------------------------------------------------------


def _shy(seed: int) -> list[Case]:
    cases = []
    for number, (n, k, lead) in enumerate(((40, 5, -6.0), (25, 3, 6.0))):
        dice = torch.Generator().manual_seed(100 * number + seed)
        z, missing = 2 * torch.randn(n, k, generator=dice), seed % k
        z[:, missing] += lead
        # Between the margins that lie furthest apart, so that no b has to be found to a hair.
        apart = _margins(z, missing).diff()[n // 8 : n // 2]
        share = (n // 8 + int(apart.argmax()) + 1) / n
        wins = float((z.argmax(1) == missing).float().mean())
        words = (
            f"z of shape ({n}, {k}), class {missing}, winning {wins:.0%} of the images at b = 0, "
            f"share {share:g}"
        )
        cases.append(Case(words, (z, missing, share)))
    by_hand = torch.tensor([[0.0, 1.0], [0.0, 2.0], [0.0, 3.0], [0.0, 4.0]])
    return [
        Case("z = [[0, 1], [0, 2], [0, 3], [0, 4]], class 0, share 0.75", (by_hand, 0, 0.75)),
        *cases,
    ]


def _with_the_bias(bias: Callable[..., Any], z: Tensor, k: int, share: float) -> Any:
    found = plain(bias(z.clone(), k, share))
    if isinstance(found, int | float):
        shifted = z.clone()
        shifted[:, k] += found
        found = float((shifted.argmax(1) == k).float().mean())
    return None if found is None else {"the share of images given to the class": found}


def _margins(z: Tensor, k: int) -> Tensor:
    """How much each image's best other class leads over class k, in order."""
    others = torch.cat([z[:, :k], z[:, k + 1 :]], dim=1)
    return (others.amax(1) - z[:, k]).sort().values


def _threshold(z: Tensor, k: int, share: float) -> float:
    margins, last = _margins(z, k), round(share * len(z))
    return float(margins[last - 1] + margins[min(last, len(z) - 1)]) / 2


def _by_probability(z: Tensor, k: int, share: float) -> float:
    return math.log(share / float(z.softmax(1)[:, k].mean()))


class_bias = Exercise(
    lesson="04",
    name="class_bias",
    title="A voice for the missing class",
    kind="code",
    difficulty="hard",
    importance="medium",
    minutes=10,
    points=3,
    hints=(
        "An image is given to class k as soon as its logit, with b, is above all others. How much "
        "is missing, image by image? Call this its margin.",
        "The best of the others: in a copy of z set column k to −inf, and take the largest of "
        "each row. The margin is that minus `z[:, k]`.",
        "A bias b wins every image whose margin is below b. So the fraction `share` of all margins "
        "has to lie below b: a quantile.",
    ),
    cases=_shy,
    ask=_with_the_bias,
    reference=_threshold,
    mistakes=(
        Mistake(
            "sign",
            lambda z, k, share: -_threshold(z, k, share),
            "The sign is turned. In the first input the class lies behind, so b has to lift it.",
        ),
        Mistake(
            "k among the others",
            lambda z, k, share: float((z.amax(1) - z[:, k]).quantile(share)),
            "Your b is never negative, but where the class wins too often b has to lower it. Leave "
            "k itself out of the best of the others.",
        ),
        Mistake(
            "the other share",
            lambda z, k, share: _threshold(z, k, 1 - share),
            "So many images are left to the *other* classes. The smallest margins are won first.",
        ),
        Mistake(
            "the class by itself",
            lambda z, k, share: float(torch.quantile(-z[:, k], share)),
            "You looked at the logit of the class alone. Whether it is named depends on the best "
            "of the others too.",
        ),
        Mistake(
            "mean margin",
            lambda z, k, share: float(_margins(z, k).mean()),
            "That is the mean margin, and `share` is not used: a mean does not say how many images "
            "lie below it.",
        ),
        Mistake(
            "probabilities matched",
            _by_probability,
            "The logarithm of a ratio of probabilities mends the mean *probability*, and only "
            "roughly. Here predictions are counted: which class has the largest logit.",
        ),
    ),
)

# ---- Reading -------------------------------------------------------------------------------------

missing_control = Exercise(
    lesson="04",
    name="missing_control",
    title="Read a result: what were the four points made of?",
    kind="read",
    difficulty="medium",
    importance="high",
    minutes=5,
    points=2,
    hints=(
        "What else differs between the two students besides the softness of the targets?",
        "Count the labels that stand behind each of the two students.",
        "In this lesson a gain was split in two by a second kind of teacher. Which section was it?",
    ),
    options=_CHOICES,
)

chosen_on_test = Exercise(
    lesson="04",
    name="chosen_on_test",
    title="Read a result: the best of 25",
    kind="read",
    difficulty="medium",
    importance="high",
    minutes=5,
    points=2,
    hints=(
        "Two statements are made: one about two cells that lie far apart in the table, one about "
        "the best cell. Judge them one by one.",
        "If all cells above T = 2 were equally good, would one of them still come out on top?",
        "Which images chose the cell, and which images say how good it is?",
    ),
    options=_CHOICES,
)

at_one = Exercise(
    lesson="04",
    name="at_one",
    title="Read a result: the same teacher at T = 1",
    kind="read",
    difficulty="easy",
    importance="medium",
    minutes=4,
    hints=(
        "The conclusion first: is each of the two gains above zero? Has any temperature above 4 "
        "been tried here?",
        "How much probability is left for the wrong classes? Look at "
        "`1 - losses.soft_targets(z, T).max(1).values.mean()` for T = 1 and for T = 4.",
    ),
    options=_CHOICES,
)
