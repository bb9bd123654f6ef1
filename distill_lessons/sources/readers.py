"""Readers: from the verified files of a source to tensors.

Images become float32 in [0, 1], ``(N, C, H, W)``; labels int64, ``(N,)``. torch and numpy load on
first use, since the catalogue names these functions.
"""

from __future__ import annotations

import gzip
import pickle
import struct
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from distill_lessons.sources.record import Contents, Examples, File, Source

if TYPE_CHECKING:
    import numpy as np


def digits(source: Source, root: Path) -> Contents:
    """Return scikit-learn's 1,797 handwritten digits, ``(1797, 1, 8, 8)``; they need no file.

    Source: E. Alpaydin and C. Kaynak (1998), Optical Recognition of Handwritten Digits, UCI.
    """
    import torch
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    images = torch.tensor(x / 16.0, dtype=torch.float32).reshape(-1, *source.shape)
    return Contents((images, torch.tensor(y, dtype=torch.int64)), None, source.classes)


def idx(source: Source, root: Path) -> Contents:
    """Return a data set in MNIST's format: images and labels to train on, then the same to test.

    Args:
        source: its four files in that order, packed with gzip or not.
        root: the data folder.

    Returns:
        The images with their labels, and the test set.

    Raises:
        NotUsable: if a file is missing or is not the published one.
        ValueError: if a file does not hold what the record promises.
    """
    train_x, train_y, test_x, test_y = (_idx_array(file, root) for file in source.files)
    return Contents(
        _checked(source, train_x[:, None], train_y),
        _checked(source, test_x[:, None], test_y),
        source.classes,
    )


def _idx_array(file: File, root: Path) -> np.ndarray:
    """Read the format that is described at MNIST's home: a magic number, the sizes, the bytes."""
    import numpy as np

    raw = file.content(root)
    if file.path.endswith(".gz"):
        raw = gzip.decompress(raw)
    try:
        kind, n_axes = struct.unpack_from(">HBB", raw)[1:]
        sizes = struct.unpack_from(f">{n_axes}I", raw, 4)
        if kind == 8:  # bytes
            return np.frombuffer(raw, np.uint8, offset=4 + 4 * n_axes).reshape(sizes)
    except (struct.error, ValueError):
        pass
    raise ValueError(f"{root / file.path} is no IDX file of bytes.")


def cifar(source: Source, root: Path) -> Contents:
    """Return CIFAR-10: five files to train on and one to test on.

    Their authors publish them as pickles. Unpickling runs what a file says, so it is done only with
    bytes whose hash is the authors'.

    Raises:
        NotUsable: if a file is missing or is not the published one.
        ValueError: if a file does not hold what the record promises.
    """
    import numpy as np

    batches = [_unpickled(file.content(root)) for file in source.files]
    x = [np.asarray(batch["data"]).reshape(-1, *source.shape) for batch in batches]
    y = [np.asarray(batch["labels"]) for batch in batches]
    return Contents(
        _checked(source, np.concatenate(x[:-1]), np.concatenate(y[:-1])),
        _checked(source, x[-1], y[-1]),
        source.classes,
    )


def _unpickled(verified: bytes) -> dict[str, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numpy's, of an old spelling inside the authors' files
        content: dict[str, Any] = pickle.loads(verified, encoding="latin1")
    return content


def _checked(source: Source, x: np.ndarray, y: np.ndarray) -> Examples:
    """Return bytes as tensors; a record that does not fit its own files is refused."""
    import torch

    if x.shape != (len(y), *source.shape) or not 0 <= y.min() <= y.max() < len(source.classes):
        raise ValueError(
            f"The files of {source.name!r} hold images of shape {x.shape} and labels from "
            f"{y.min()} to {y.max()}; its record says {source.shape} and {len(source.classes)} "
            "classes."
        )
    return torch.from_numpy(x.copy()).float() / 255, torch.from_numpy(y.astype("int64"))
