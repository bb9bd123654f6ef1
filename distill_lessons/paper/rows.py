"""What a step of the table starts from, and the rows in which it says what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from distill_lessons import data, distillation
from distill_lessons.data import Data, Split
from distill_lessons.paper import experiments
from distill_lessons.paper.recipes import DISTILLED, Recipe
from distill_lessons.settings import number
from distill_lessons.tensors import class_labels

SEEDS = (0, 1, 2, 3, 4)
LISTED = 400  # a net with more errors than that is kept as a count


@dataclass(frozen=True)
class Row:
    """What one kind of net does, one number for each seed.

    Attributes:
        what: the experiment.
        state: ``"done"``, ``"diverged"`` or ``"not run"``.
        recipe: every number of the training.
        seeds: of the nets.
        errors: misread test images.
        on_left_out: of these, images of the classes that the transfer set lacks.
        validation: misread images of the 10,000 on which choices are made.
        shift: what was added to the bias of these classes.
        wrong: the misread test images themselves, as places in the test set, if they are few.
        seconds: for all seeds together.
    """

    what: str
    state: str = "done"
    recipe: dict[str, Any] = field(default_factory=dict)
    seeds: tuple[int, ...] = ()
    errors: tuple[int, ...] = ()
    on_left_out: tuple[int, ...] = ()
    validation: tuple[int, ...] = ()
    shift: tuple[float, ...] = ()
    wrong: tuple[tuple[int, ...], ...] = ()
    seconds: float = 0.0


@dataclass
class Work:
    """What the steps share.

    Attributes:
        pool: all images that may be learned from.
        test: those on which errors are counted.
        valid: which images of the pool are for choices, indices ``(n,)``.
        rest: all others.
        n_classes: K.
        seeds: of the nets.
        shorter: by how much every training is shortened, 1 for not at all.
        z: the teachers' logits for the pool, ``(S, N, K)``, once there are teachers.
        chosen: the distilled student's recipe, once it has been chosen.
    """

    pool: Split
    test: Split
    valid: Tensor
    rest: Tensor
    n_classes: int
    seeds: tuple[int, ...] = SEEDS
    shorter: float = 1.0
    z: Tensor | None = None
    chosen: Recipe = DISTILLED

    @property
    def logits(self) -> Tensor:
        """The teachers' logits for the pool.

        Raises:
            ValueError: if there are no teachers yet.
        """
        if self.z is None:
            raise ValueError("there are no teachers yet; run the step 'teacher' before.")
        return self.z


def begin(found: Data, *, shorter: float = 1.0, seeds: Sequence[int] = SEEDS) -> Work:
    """Return what the steps start from: a sixth of the training images is kept for choices.

    Args:
        found: the data set; its train and valid are pooled, as the paper trains on all 60,000.
        shorter: divides every number of epochs, for a try.
        seeds: of the nets.

    Raises:
        ValueError: if `shorter` is below 1.
    """
    if not number("shorter", shorter) >= 1:
        raise ValueError(f"shorter={shorter} must be at least 1, for trainings of full length.")
    pool = distillation.join(found.train, found.valid)
    labels = class_labels("train.y", pool.y)
    valid = data.stratified_index(labels, len(pool) // 6, seed=0)
    kept = torch.ones(len(pool), dtype=torch.bool, device=labels.device)
    kept[valid] = False
    rest = kept.nonzero().flatten()
    return Work(pool, found.test, valid, rest, found.n_classes, tuple(seeds), shorter)


def counted(what: str, recipe: Recipe, shared: Work, z: Tensor) -> Row:
    """Return the row of nets with the logits z of the test images, ``(S, N, K)``."""
    wrong = experiments.wrong(z, shared.test)
    found = errors(z, shared.test)
    places = [tuple(w.nonzero().flatten().tolist()) for w in wrong] if max(found) <= LISTED else []
    return Row(what, recipe=asdict(recipe), seeds=shared.seeds, errors=found, wrong=tuple(places))


def judged(what: str, recipe: Recipe, shared: Work, nets: Sequence[nn.Module]) -> Row:
    """Return the row of nets that only validation images judge."""
    valid = shared.pool.take(shared.valid)
    found = errors(experiments.logits(nets, valid), valid)
    return Row(what, recipe=asdict(recipe), seeds=shared.seeds[: len(nets)], validation=found)


def diverged(what: str, recipe: Recipe, shared: Work, error: ValueError) -> Row:
    """Return the row of nets whose training stopped being finite; raise what is another error."""
    if "no longer finite" not in str(error):
        raise error
    return Row(what, "diverged", recipe=asdict(recipe), seeds=shared.seeds)


def errors(z: Tensor, split: Split) -> tuple[int, ...]:
    """Return how many images each net misreads, from its logits ``(S, N, K)``."""
    return tuple(experiments.wrong(z, split).sum(1).tolist())
