"""Where images come from: scikit-learn's digits, torchvision's data sets, a folder of one's own.

Each reader returns all images and labels of a source as tensors. Splitting is the business of
`data`.
"""

from __future__ import annotations

import http.client
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

XY = tuple[Tensor, Tensor]

# Class names and folder of each torchvision data set.
_TORCHVISION = {
    "mnist": ("MNIST", "MNIST"),
    "fashion_mnist": ("FashionMNIST", "FashionMNIST"),
    "kmnist": ("KMNIST", "KMNIST"),
    "cifar10": ("CIFAR10", "cifar-10-batches-py"),
}
_IMAGE_ENDINGS = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"}


def read_digits() -> tuple[Tensor, Tensor, tuple[str, ...]]:
    """Return scikit-learn's 1,797 handwritten digits, ``(1797, 1, 8, 8)``; they need no file.

    Source: E. Alpaydin and C. Kaynak (1998), Optical Recognition of Handwritten Digits, UCI.
    """
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    images = torch.tensor(x / 16.0, dtype=torch.float32).reshape(-1, 1, 8, 8)
    return images, torch.tensor(y, dtype=torch.int64), tuple("0123456789")


def read_torchvision(name: str, root: Path) -> tuple[XY, XY, tuple[str, ...]]:
    """Return train and test images of a torchvision data set, downloading it if it is not there.

    torchvision verifies each file by its hash. The download goes into a temporary folder that is
    renamed when it is whole, so that many kernels may start at once on one shared folder, and an
    interrupted download leaves nothing that looks finished.

    Args:
        name: a key of the table in this module, such as ``"mnist"``.
        root: the data folder.

    Returns:
        ``(x, y)`` of the training images, ``(x, y)`` of the test images, the names of the classes.

    Raises:
        FileNotFoundError: if the files are not there and cannot be downloaded.
    """
    class_name, folder = _TORCHVISION[name]
    train, test = _open(class_name, root), _open(class_name, root, train=False)
    if train is None or test is None:
        _download(class_name, folder, root, name)
        train, test = _open(class_name, root), _open(class_name, root, train=False)
    if train is None or test is None:
        raise FileNotFoundError(_not_found(name, root / folder, "what came is unreadable"))
    # Some class names are like "0 - zero"; the figure labels want the short form.
    classes = tuple(str(c).split(" - ")[0] for c in train.classes)
    return _tensors(train), _tensors(test), classes


def is_there(name: str, root: Path) -> bool:
    """Tell whether the files of a torchvision data set are in `root`; nothing is downloaded."""
    class_name, _ = _TORCHVISION[name]
    return all(_open(class_name, root, train=train) is not None for train in (True, False))


def _open(class_name: str, root: Path, train: bool = True) -> Any:
    import torchvision

    make = getattr(torchvision.datasets, class_name)
    try:
        return make(str(root), train=train, download=False)
    # torchvision's "Dataset not found or corrupted", and what it says of files that are cut short.
    except (RuntimeError, ValueError, AssertionError, EOFError):
        return None


def _download(class_name: str, folder: str, root: Path, name: str) -> None:
    import torchvision

    target = root / folder
    try:
        root.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=f".{folder}-", dir=root))
    except OSError as error:
        raise FileNotFoundError(_not_found(name, target, str(error))) from error
    try:
        make = getattr(torchvision.datasets, class_name)
        make(str(staging), train=True, download=True)
        make(str(staging), train=False, download=True)
        _place(staging / folder, target, lambda where: _open(class_name, where) is not None)
    except (RuntimeError, OSError, EOFError, http.client.HTTPException) as error:
        raise FileNotFoundError(_not_found(name, target, str(error))) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _place(staged: Path, target: Path, is_whole: Callable[[Path], bool]) -> None:
    """Rename a whole data set into its place, where other kernels may do the same just now.

    Half a data set that is in the way is the user's: it is kept, under another name. Only the
    kernel that could create the mark in it moves it; otherwise one kernel, having looked a moment
    ago, would move the good copy that another has just put there.
    """
    mark = target / ".being-set-aside"
    problem = OSError("another kernel has been moving it for too long")
    for _ in range(100):
        try:
            staged.replace(target)
            return
        except OSError as error:  # something is there
            problem = error
        if is_whole(target.parent):
            return  # another kernel was first, which is as good
        try:
            mark.touch(exist_ok=False)
        except FileNotFoundError:
            continue  # another kernel has moved it
        except FileExistsError:
            time.sleep(0.05)  # another kernel is moving it
            continue
        if not is_whole(target.parent):
            aside = Path(tempfile.mkdtemp(prefix=f"{target.name}-set-aside-", dir=target.parent))
            target.replace(aside / target.name)
            mark = aside / target.name / mark.name
        mark.unlink()
        mark = target / mark.name
    raise problem


def _not_found(name: str, target: Path, why: str) -> str:
    found = "is incomplete or damaged there" if target.exists() else "is not there"
    return (
        f"The data set {name!r} was looked for in {target} and {found}; downloading it failed "
        f"too ({why}). Two ways out: copy the folder {target.name!r} from a machine that has it "
        f"to {target.parent} (or point DISTILL_DATA to where it is), or work with the digits, "
        "which need no file: unset DISTILL_DATASET."
    )


def _tensors(source: Any) -> XY:
    images = torch.as_tensor(np.asarray(source.data))  # (N, H, W) or (N, H, W, 3), uint8
    images = images[:, None] if images.ndim == 3 else images.permute(0, 3, 1, 2)
    return images.float() / 255, torch.as_tensor(source.targets, dtype=torch.int64)


def read_folder(folder: Path) -> tuple[Tensor, Tensor, tuple[str, ...]]:
    """Return the images of a folder that holds one folder per class.

    All images take the size of the first one; if every image is grey there is one channel, else
    three. Transparency is ignored.

    Args:
        folder: such as ``fruit/`` with ``fruit/apple/1.jpg``, ``fruit/pear/7.png``, ...

    Returns:
        Images ``(N, C, H, W)``, labels, and the names of the class folders in sorted order.

    Raises:
        FileNotFoundError: if the folder does not exist.
        ValueError: if it holds fewer than two class folders with images, or a damaged image.
    """
    from PIL import Image

    if not folder.is_dir():
        raise FileNotFoundError(
            f"folder:{folder} does not exist. Write folder:PATH with the path of a folder that "
            "holds one folder of images per class."
        )
    found: dict[str, list[Path]] = {}
    for sub in sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith(".")):
        files = sorted(f for f in sub.iterdir() if f.suffix.lower() in _IMAGE_ENDINGS)
        if files:
            found[sub.name] = files
    if len(found) < 2:
        raise ValueError(
            f"folder:{folder} holds {len(found)} folders with images; a classifier needs at least "
            "two, one per class."
        )
    images = []
    for file in (file for files in found.values() for file in files):
        try:
            with Image.open(file) as image:
                image.load()
                images.append(_eight_bits(image))
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise ValueError(f"{file} is not a readable image ({error}); remove it.") from error
    mode = "L" if all(image.mode == "L" for image in images) else "RGB"
    pixels = np.stack([np.asarray(i.convert(mode).resize(images[0].size)) for i in images])
    x = torch.tensor(pixels)
    x = x[:, None] if mode == "L" else x.permute(0, 3, 1, 2)
    y = torch.tensor([k for k, files in enumerate(found.values()) for _ in files])
    return x.float().div(255).contiguous(), y, tuple(found)


def _eight_bits(image: Any) -> Any:
    """Return a Pillow image in mode L if it is grey, else in mode RGB."""
    from PIL import Image

    if image.mode.startswith("I;16"):  # 16 bits, which `convert` would cut off at 255
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise ValueError(f"its pixels are of type {image.mode}, whose range is open: use 8 bits")
    return image.convert("L" if image.mode in ("1", "L", "LA") else "RGB")
