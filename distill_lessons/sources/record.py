"""What is known about a source of data, in one record, and whether its files are as published.

Loads neither torch nor numpy, so that whatever only asks for a name or a threshold stays light.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor

# Inputs (N, ...), class labels (N,) and, for models that take one, a mask.
Examples = tuple["Tensor", ...]


class Contents(NamedTuple):
    """What a reader returns.

    Attributes:
        train: ``(x, y)`` or ``(x, y, mask)``, as in `data.Split`, of the examples to train on, or
            of all examples where there is no test set.
        test: the same of the source's own test set; None if it has none.
        classes: names of the K classes, in the order of the labels.
    """

    train: Examples
    test: Examples | None
    classes: tuple[str, ...]


def hash_of(classes: Sequence[str], arrays: Iterable[Any]) -> str:
    """Return a hash of the names of classes and of arrays or tensors on the CPU, in their order."""
    import numpy as np

    found = hashlib.sha256(json.dumps(classes).encode())
    for part in arrays:
        array = np.ascontiguousarray(part)
        found.update(f"{array.dtype}{array.shape}".encode())
        found.update(array.data)
    return found.hexdigest()[:16]


class NotUsable(Exception):
    """A file of a source is missing or is not the published one."""


class File(NamedTuple):
    """A file as it lies in the data folder.

    Attributes:
        path: below the data folder, with forward slashes.
        md5: of its content, as the authors of the data or torchvision publish it. MD5 does not
            protect against two files made to collide, but against one made to match a given hash.
    """

    path: str
    md5: str

    def lies(self, root: Path) -> Path:
        """Return where the file is: what was downloaded by hand may still be packed, as ``.gz``."""
        path = root / self.path
        packed = path.with_name(f"{path.name}.gz")
        return packed if packed.exists() and not path.exists() else path

    def content(self, root: Path) -> bytes:
        """Return the content, verified: the bytes that were hashed are those that are returned.

        Args:
            root: the data folder.

        Raises:
            NotUsable: if the file is missing, cannot be read, or is not the published one.
        """
        path = self.lies(root)
        try:
            raw = path.read_bytes()
            raw = raw if path == root / self.path else gzip.decompress(raw)
        except FileNotFoundError:
            raise NotUsable(f"{path} is not there") from None
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise NotUsable(f"{path} cannot be unpacked ({error})") from error
        except OSError as error:
            raise NotUsable(f"{path} cannot be read ({error.strerror})") from error
        if not self.is_published(raw):
            raise NotUsable(f"{path} is damaged or altered: its hash is not the published one")
        return raw

    def is_published(self, content: bytes) -> bool:
        """Tell whether this is the content that was published."""
        return hashlib.md5(content, usedforsecurity=False).hexdigest() == self.md5

    def problem(self, root: Path) -> str:
        """Return a sentence about what is wrong with the file; nothing where nothing is."""
        try:
            self.content(root)
        except NotUsable as problem:
            return str(problem)
        return ""


class Download(NamedTuple):
    """A file as it lies on a server.

    Attributes:
        name: what is appended to a mirror's address.
        files: what it becomes. From a ``.tar.gz`` they are its members of the same path; any other
            download becomes one file, unpacked if only the download's name ends in ``.gz``.
    """

    name: str
    files: tuple[File, ...]


@dataclass(frozen=True)
class Source:
    """A data set that a lesson can be given.

    Attributes:
        name: what a learner writes into ``DISTILL_DATASET``.
        reader: returns its `Contents`, given this record and the data folder.
        classes: names of the K classes; none if they are known only once the source is read.
        shape: of one example, such as ``(C, H, W)`` in pixels; none likewise.
        images: how many to train on and to test on; zeros likewise.
        threshold: validation loss, in nats, at which a lesson accepts its teacher; None for half
            the loss of ignorance, log K.
        reference: who made it, and where it is described.
        place: where it is, if it is not in the data folder, such as "inside scikit-learn".
        megabytes: how much is downloaded.
        mirrors: addresses that are tried in turn.
        downloads: what is fetched from them, and how the files are verified. None if the source
            needs no download.
        check: returns sentences about what is wrong with a source that has no such files, given the
            data folder, without reading it all.
    """

    name: str
    reader: Callable[[Source, Path], Contents]
    classes: tuple[str, ...] = ()
    shape: tuple[int, ...] = ()
    images: tuple[int, int] = (0, 0)
    threshold: float | None = None
    reference: str = ""
    place: str = ""
    megabytes: int = 0
    mirrors: tuple[str, ...] = ()
    downloads: tuple[Download, ...] = ()
    check: Callable[[Path], list[str]] | None = None

    @property
    def files(self) -> tuple[File, ...]:
        """Every file that must be in the data folder."""
        return tuple(file for download in self.downloads for file in download.files)

    def problems(self, root: Path) -> list[str]:
        """Return what keeps the source from being read, a sentence each; nothing is changed.

        Args:
            root: the data folder.
        """
        if self.check is not None:
            return self.check(root)
        if self.files and not any(file.lies(root).exists() for file in self.files):
            return [f"{self.name} is not in {root}"]
        return list(filter(None, (file.problem(root) for file in self.files)))

    def where(self, root: Path) -> str:
        """Return where the source is, as the end of a sentence.

        Args:
            root: the data folder.
        """
        return self.place or f"in {root}"
