"""A data set as tensors in memory, split into train, valid and test.

What `load` returns are images: float32 in [0, 1], ``(N, C, H, W)``, with int64 labels ``(N,)``. A
`Split` of your own may hold other inputs and other targets. Nothing here knows about models.
What is read, and from where, is the business of `sources`.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from distill_lessons import seeds, tensors
from distill_lessons.settings import Settings, whole_number
from distill_lessons.settings import load as load_settings
from distill_lessons.sources import averaging
from distill_lessons.tensors import Target

# The label of an image without a label. It is torch's `ignore_index`, which cross-entropy skips.
UNLABELLED = -100

# How many images a cpu-profile lesson takes from a large data set: train, valid, test.
CPU_LIMITS = (4000, 1000, 2000)
# And how many values an image of theirs may hold. MNIST's 784 may stay; 32×32 pixels in colour, on
# which ten convolutional teachers train for minutes, become 16×16.
CPU_VALUES = 1024
# Shares of a source that comes in one piece. The test share is the largest that leaves enough to
# train on: with digits, 360 test images resolve 0.3 points.
SHARES = (0.70, 0.10, 0.20)


@dataclass(frozen=True)
class Split:
    """Examples with their targets.

    Attributes:
        x: inputs with N examples along the first axis. Floats: images in [0, 1] ``(N, C, H, W)``,
            tables ``(N, F)``, spectra... Or int64: tokens ``(N, L)``.
        y: labels from 0 to K-1, or `UNLABELLED`, shape ``(N,)``, int64. Or another target: a tensor
            ``(N, ...)`` such as soft targets or class maps, or a tuple or dict of such tensors,
            such as boxes and their classes; what it means is known to the objective of a training.
        mask: which places of each input count, ``(N, ...)``: the second argument of the model. None
            for a model of one argument.
    """

    x: Tensor
    y: Target
    mask: Tensor | None = None

    def __post_init__(self) -> None:
        """Refuse tensors that do not belong together.

        Raises:
            TypeError: if a part is not a tensor.
            ValueError: if shapes or types are wrong, a number is not finite, or there is no
                example.
        """
        tensors.check_examples(self.x, self.y, self.mask)

    def __len__(self) -> int:
        """Return the number of examples."""
        return len(self.x)

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """The arguments of a model: x, and the mask if there is one."""
        return (self.x,) if self.mask is None else (self.x, self.mask)

    def take(self, index: Tensor | Sequence[int]) -> Split:
        """Return the examples at `index`, in that order; a mask ``(N,)`` picks them too.

        Raises:
            TypeError: if `index` holds other things than whole numbers or booleans.
            ValueError: if it picks no example, or one that is not there.
        """
        picked = tensors.rows(index, len(self), self.x.device)
        return self._each(lambda part: part[picked])

    def to(self, device: str | torch.device) -> Split:
        """Return the split on `device`."""
        return self._each(lambda part: tensors.moved(part, device))

    def without_labels(self) -> Split:
        """Return the same examples with every target hidden: their labels are `UNLABELLED`."""
        hidden = torch.full((len(self),), UNLABELLED, device=self.x.device)
        return replace(self, y=hidden)

    def without_class(self, label: int) -> Split:
        """Return the split without the examples of class `label`."""
        label = whole_number("label", label, least=None)
        return self.take(torch.nonzero(tensors.class_labels("split.y", self.y) != label).flatten())

    def _each(self, change: Callable[[Tensor], Tensor]) -> Split:
        mask = None if self.mask is None else change(self.mask)
        return Split(change(self.x), tensors.each(change, self.y), mask)


@dataclass(frozen=True)
class Data:
    """A data set: three disjoint splits and the names of the classes."""

    name: str
    train: Split
    valid: Split
    test: Split
    classes: tuple[str, ...]

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of an image.

        Raises:
            ValueError: if the inputs are not images.
        """
        if self.train.x.ndim != 4:
            shape = tuple(self.train.x.shape)
            raise ValueError(f"{self.name} holds inputs of shape {shape}, not (N, C, H, W) images.")
        c, h, w = self.train.x.shape[1:]
        return c, h, w

    @property
    def n_classes(self) -> int:
        """K, the number of classes."""
        return len(self.classes)

    @property
    def n_features(self) -> int:
        """The number of inputs of a model; C * H * W for images."""
        return self.train.x[0].numel()

    def to(self, device: str | torch.device) -> Data:
        """Return the data set on `device`."""
        return replace(
            self,
            train=self.train.to(device),
            valid=self.valid.to(device),
            test=self.test.to(device),
        )


def load(
    name: str = "digits",
    *,
    root: str | Path | None = None,
    seed: int = 0,
    limits: Sequence[int | None] = (None, None, None),
) -> Data:
    """Load a data set and split it.

    The splits are stratified, disjoint, and the same for the same seed on every machine. A source
    that brings its own test set keeps it; of the others a fifth is held out.

    Args:
        name: of a source in `distill_lessons.sources.catalogue`, such as ``"digits"``; or
            ``"folder:PATH"`` for a folder that holds one folder of images per class, or
            ``"folder:PATH?size=N"`` for images whose longer side has N pixels.
        root: where the files are or will be downloaded; by default ``DISTILL_DATA``. Digits need
            none.
        seed: decides which image goes into which split.
        limits: at most so many images in train, valid and test; None for all.

    Returns:
        The data set, on the CPU.

    Raises:
        ValueError: if the name is unknown, or a class has too few images for the three splits.
        FileNotFoundError: if the files are neither there nor to be had.

    >>> digits = load("digits")
    >>> digits.image_shape, digits.n_classes, len(digits.train)
    ((1, 8, 8), 10, 1258)
    """
    from distill_lessons.sources import fetch
    from distill_lessons.sources.find import find

    source = find(name)
    limits = _checked_limits(limits)
    if root is not None:
        tensors.check_type("root", root, str | os.PathLike, "the path of a folder")
    root = load_settings().data_dir if root is None else Path(root)
    examples, own_test, classes = fetch.read(source, root)

    everything = Split(*examples)
    labels = tensors.class_labels(f"the target of {name!r}", everything.y)
    parts = tensors.split_indices(labels, SHARES, seed=seed, classes=classes)
    if own_test is None:
        train, valid, test = map(everything.take, parts)
    else:
        train = everything.take(torch.cat([parts[0], parts[2]]))
        valid, test = everything.take(parts[1]), Split(*own_test)
    train, valid, test = (
        s if n is None or n >= len(s) else stratified_subset(s, n, seed=seed)
        for s, n in zip((train, valid, test), limits, strict=True)
    )
    return Data(name, train, valid, test, classes)


def from_settings(config: Settings) -> Data:
    """Load the data set that the settings name, in the size of their profile, on their device.

    In the ``cpu`` profile there are fewer images, and large ones are averaged unless their size was
    asked for: what a lesson costs follows from both. A line says so.

    Raises:
        ValueError: if it is too small for the lessons, or see `load`.
        FileNotFoundError: see `load`.
    """
    limits = config.pick(cpu=CPU_LIMITS, full=(None, None, None))
    found = load(config.dataset, root=config.data_dir, seed=config.seed, limits=limits)
    check_enough(found)
    if config.profile == "cpu" and "?size=" not in config.dataset:
        train, valid, test = (
            replace(split, x=averaging.averaged(split.x, CPU_VALUES))
            for split in (found.train, found.valid, found.test)
        )
        before, found = found.image_shape, Data(found.name, train, valid, test, found.classes)
        if found.image_shape != before:
            averaging.say(found.name, before, found.image_shape)
    return found.to(config.device)


def check_enough(found: Data) -> None:
    """Refuse a data set that is too small for the lessons.

    The largest draw that every lesson makes is one of 50 labels, or of five a class.

    Raises:
        ValueError: if there are fewer training images than that.
    """
    needed = max(50, 5 * found.n_classes)
    if len(found.train) < needed:
        total = sum(len(s) for s in (found.train, found.valid, found.test))
        raise ValueError(
            f"{found.name} holds {total} images, of which {len(found.train)} are to train on; the "
            f"lessons need {needed} to train on, about {math.ceil(needed / SHARES[0]) + 5} in all. "
            "Add images."
        )


def stratified_subset(split: Split, n: int, *, seed: int) -> Split:
    """Draw `n` images with the classes in their proportions (as even as whole numbers allow).

    Args:
        split: where to draw from.
        n: how many images, from K to the size of the split.
        seed: same seed, same images.

    Raises:
        ValueError: if the split does not hold `n` images, or `n` leaves a class without one.
    """
    tensors.check_type("split", split, Split, "a Split, such as data.train")
    return split.take(stratified_index(tensors.class_labels("split.y", split.y), n, seed=seed))


def stratified_index(y: Tensor, n: int, *, seed: int) -> Tensor:
    """Return the indices of `n` images with the classes in their proportions; see above.

    Args:
        y: labels, shape ``(N,)``.
        n: how many, from K to N.
        seed: same seed, same images.

    Returns:
        Indices into `y`, shape ``(n,)``, on its device.

    Raises:
        TypeError: if `y` is not a tensor of whole numbers, or `n` is not a whole number.
        ValueError: if there are not `n` images, or `n` leaves a class without one.
    """
    tensors.check_each_labelled(y)
    n = whole_number("n", n, least=None)
    if n > len(y):
        raise ValueError(f"n={n} images asked of a split of {len(y)}; ask for fewer.")
    present = y.unique()
    if n < len(present):
        raise ValueError(f"n={n} leaves some of the {len(present)} classes empty; ask for more.")
    generator = seeds.generator(seed)
    on_cpu = y.cpu()
    labels, counts = on_cpu.unique(return_counts=True)
    parts = []
    for label, k in zip(labels, tensors.apportioned(counts, n), strict=True):
        index = torch.nonzero(on_cpu == label).flatten()
        parts.append(index[torch.randperm(len(index), generator=generator)[:k]])
    joined = torch.cat(parts)
    return joined[torch.randperm(n, generator=generator)].to(y.device)


def _checked_limits(limits: Sequence[int | None]) -> list[int | None]:
    if not isinstance(limits, Sequence) or len(limits) != 3:
        raise ValueError(
            f"limits={limits!r} must be three numbers, for train, valid and test; None for all."
        )
    return [None if n is None else whole_number("limits", n) for n in limits]
