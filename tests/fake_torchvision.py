"""Stands in for torchvision: a data set of 90 tiny images that is "downloaded" without a network.

`on_download` is called in the middle of each download, with half of the files written.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import torch

FILES = {"train": 60, "test": 30}


def nothing(folder: Path) -> None:
    pass


on_download: Callable[[Path], None] = nothing


class MNIST:
    classes = ("0 - zero", "1 - one", "2 - two")

    def __init__(self, root: str, train: bool = True, download: bool = False) -> None:
        folder = Path(root) / "MNIST" / "raw"
        if download and not all((folder / name).exists() for name in FILES):
            folder.mkdir(parents=True)
            (folder / "train").write_text("whole")
            on_download(folder)
            (folder / "test").write_text("whole")
        if not all((folder / name).exists() for name in FILES):
            raise RuntimeError("Dataset not found. You can use download=True to download it")
        if any((folder / name).read_text() != "whole" for name in FILES):
            raise ValueError("invalid literal")  # what torchvision says of an empty file
        n = FILES["train" if train else "test"]
        self.targets = torch.arange(n) % 3
        # Every image is of one brightness, by which it can be told from all others.
        brightness = torch.arange(n, dtype=torch.uint8) + (0 if train else 100)
        self.data = brightness[:, None, None].expand(n, 4, 4)


datasets = SimpleNamespace(MNIST=MNIST)
