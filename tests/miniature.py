"""A miniature of MNIST, on which every lesson runs through its `full` profile in seconds.

The images are made here: 28×28, ten classes, strokes and specks on black, in torchvision's files.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_mnist

from distill_lessons import settings, training
from distill_lessons.fast import stacking
from distill_lessons.faults import teaching
from distill_lessons.settings import Settings
from distill_lessons.sources.catalogue import SOURCES

IMAGES = {"train": 240, "t10k": 40}
# The most that a lesson may ask for: of whatever `pick` gives, and of a training.
PICKED = 16
TRAINED = {"steps": 10, "epochs": 5}


def files() -> dict[str, bytes]:
    """Return the files of the miniature by name, as MNIST's are called."""
    dice = np.random.default_rng(0)
    strokes = np.zeros((10, 28, 28))
    strokes[:, 10:18, 10:18] = np.kron(dice.random((10, 4, 4)) ** 2, np.ones((2, 2)))
    made = {}
    for part, n in IMAGES.items():
        y = np.arange(n) % 10
        x = strokes[y] * dice.uniform(0.3, 1, (n, 28, 28))
        x[:, 3::7, 3::7] = dice.integers(2, size=(n, 4, 4))  # specks: no part is always blank
        head = struct.pack(">HBBIII", 0, 8, 3, n, 28, 28)
        made[f"{part}-images-idx3-ubyte"] = head + np.uint8(255 * x).tobytes()
        made[f"{part}-labels-idx1-ubyte"] = tiny_mnist.labels(y.tolist())
    return made


def install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write the files below a data folder, and set a lesson in `full` to them, every size capped.

    Nothing but sizes is other than in a run on MNIST: the files are read and verified, `pick` gives
    the value for `full`, and every call is the lesson's own.
    """
    made = files()
    tiny_mnist.write(folder, made)
    record = replace(
        SOURCES["mnist"],
        images=(IMAGES["train"], IMAGES["t10k"]),
        mirrors=(),
        downloads=tiny_mnist.downloads(made),
    )
    monkeypatch.setitem(SOURCES, "mnist", record)
    monkeypatch.setattr(Settings, "pick", lambda self, cpu, full: shrunk(full))
    shorten_trainings(monkeypatch.setattr)
    for name, value in {
        "DISTILL_PROFILE": "full",
        "DISTILL_DATASET": "mnist",
        "DISTILL_DATA": str(folder),
        "DISTILL_DEVICE": "cpu",
        "DISTILL_STRICT": "0",  # nobody says that the claims hold on such images
        "CUDA_VISIBLE_DEVICES": "-1",  # as a lesson on the CPU sets it, for good
    }.items():
        monkeypatch.setenv(name, value)


def shorten_trainings(put: Callable[[Any, str, Any], None] = setattr) -> None:
    """Cap the steps and epochs of every training in this process, or until `put` undoes it."""
    for module in (training, stacking):
        put(module, "whole_number", capped)
    # The loops of lesson 19 are written out plainly, without a check of what they are given.
    vars(teaching).setdefault("range", range)
    put(teaching, "range", lambda epochs: range(min(epochs, TRAINED["epochs"])))


def shrunk(full: Any) -> Any:
    """Return a value of `pick` with every whole number in it capped; a rate stays what it is."""
    if isinstance(full, tuple | list):
        return type(full)(map(shrunk, full))
    return min(full, PICKED) if isinstance(full, int) else full


def capped(argument: str, value: int, *, least: int | None = 1) -> int:
    whole = settings.whole_number(argument, value, least=least)
    return min(whole, TRAINED.get(argument, whole))
