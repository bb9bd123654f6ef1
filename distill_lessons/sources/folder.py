"""A folder of one's own images: one folder per class, any sizes, whatever a camera writes.

What a file says counts, not what the machine makes of it: names are put into one order on every
system, pictures stand upright, and each is decoded straight to the size that is used.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from distill_lessons.progress import progress
from distill_lessons.settings import expanded
from distill_lessons.sources import picture
from distill_lessons.sources.picture import Picture
from distill_lessons.sources.record import Contents, Source

ENDINGS = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"}
# The longer side in pixels unless another is asked for, which the lessons' nets are made for; and
# what may be asked for.
SIDE, SMALLEST, LARGEST = 32, 4, 512


def source(name: str) -> Source:
    """Return the record of a folder.

    Args:
        name: ``"folder:PATH"``, or ``"folder:PATH?size=N"`` for images whose longer side has N
            pixels.

    Raises:
        ValueError: if N is not a whole number from 4 to 512.
    """
    path, mark, size = name.removeprefix("folder:").partition("?size=")
    if mark and not (size.isdecimal() and SMALLEST <= int(size) <= LARGEST):
        raise ValueError(
            f"{name!r} asks for size={size!r}; write the pixels of the longer side, a whole number "
            f"from {SMALLEST} to {LARGEST}, as in folder:{path}?size={SIDE}."
        )
    side = int(size) if mark else None
    folder = expanded("name", path)
    return Source(
        name,
        reader=lambda record, root: read(folder, side),
        place=f"in {path}",
        check=lambda root: _problems(folder),
    )


def _problems(folder: Path) -> list[str]:
    try:
        classes(folder)
    except (ValueError, OSError) as error:
        return [str(error)]
    return []


def read(folder: Path, side: int | None = None) -> Contents:
    """Return the images of a folder that holds one folder per class.

    All images take one size: that of the image in the middle when they are sorted by area, scaled
    so that its longer side has `side` pixels. If every image is grey there is one channel, else
    three. Transparent parts become white, and pictures stand upright as their EXIF entry says. Grey
    values of 16 bits are divided by the largest number that has as many bits as the largest value.

    Args:
        folder: such as ``fruit/`` with ``fruit/apple/1.jpg``, ``fruit/pear/7.png``, ...
        side: pixels of the longer side; by default 32, or fewer if the images are smaller.

    Returns:
        Images ``(N, C, H, W)``, labels, no test set, and the names of the class folders in
        alphabetical order, capitals and small letters alike.

    Raises:
        FileNotFoundError: if the folder does not exist.
        ValueError: if it holds fewer than two class folders with images, a damaged image, anything
            that would be dropped or cannot be shown, or more than fits into memory.
    """
    import torch

    found, remarks = classes(folder)
    files = [file for images in found.values() for file in images]
    width, height = _target([picture.size(file) for file in files], side)
    _say_size(folder, len(files), width, height)
    pictures = [picture.read(file, width, height) for file in progress(files, "reading images")]
    top = _top(files, pictures)
    grey = all(p.values.ndim == 2 for p in pictures)
    x = torch.empty(len(files), 1 if grey else 3, height, width)
    for row, p in zip(x, pictures, strict=True):
        values = torch.from_numpy(p.values)
        row.copy_(values.permute(2, 0, 1) if values.ndim == 3 else values)
        row.div_(top if values.is_floating_point() else 255)
    y = torch.tensor([k for k, images in enumerate(found.values()) for _ in images])
    for remark in [*_remarks(pictures, top), *remarks]:
        print(f"folder:{folder}: {remark}.")
    return Contents((x, y), None, tuple(found))


def classes(folder: Path) -> tuple[dict[str, list[Path]], list[str]]:
    """Return the image files of each class, and a remark for whatever is left out.

    Names that begin with a dot are not looked at: systems and editors leave such files.

    Raises:
        FileNotFoundError: if the folder does not exist.
        ValueError: if fewer than two folders hold images; if one holds folders with images, which
            would be dropped, or something named like an image that is not a file; if its name
            cannot be shown in a figure.
    """
    if not folder.is_dir():
        raise FileNotFoundError(
            f"folder:{folder} does not exist. Write folder:PATH with the path of a folder that "
            "holds one folder of images per class."
        )
    found: dict[str, list[Path]] = {}
    others: Counter[str] = Counter()
    for path in _listed(folder):
        if not path.is_dir():
            others["in no class's folder"] += path.suffix.lower() in ENDINGS
            continue
        listed = _listed(path)
        images = [file for file in listed if _is_image(file)]
        others.update(f.suffix.lower() or "without ending" for f in listed if f not in set(images))
        if images and (name := _name(path)) in found:
            raise ValueError(f"{folder} holds two folders whose names read {name!r}; rename one.")
        if images:
            found[name] = images
        else:
            others[f"folder without images ({path.name})"] += 1
    if len(found) < 2:
        raise ValueError(
            f"folder:{folder} holds {len(found)} folders with images; a classifier needs at least "
            "two, one per class."
        )
    left_out = ", ".join(f"{n:,} {kind}" for kind, n in others.most_common() if n)
    return found, [f"left out: {left_out}"] if left_out else []


def _listed(folder: Path) -> list[Path]:
    """Return what is in a folder, in an order that is the same on every system.

    Windows sorts capitals and small letters alike, Linux capitals first; macOS writes accents as
    letters of their own.
    """
    visible = [path for path in folder.iterdir() if not path.name.startswith(".")]
    return sorted(visible, key=lambda p: (_composed(p.name).casefold(), _composed(p.name), p.name))


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _is_image(path: Path) -> bool:
    """Tell whether something in a class's folder counts as an image.

    Raises:
        ValueError: if it looks like one and would be dropped.
    """
    if path.suffix.lower() in ENDINGS:
        if not path.is_file():  # a pipe would never end
            raise ValueError(f"{path} is not a file that can be read; remove it.")
        return True
    if path.is_dir():
        below = (p for p in path.rglob("*") if p.suffix.lower() in ENDINGS)
        if inner := next((p for p in below if not p.name.startswith(".")), None):
            raise ValueError(
                f"{inner} lies one folder too deep and would be dropped: images lie directly in "
                "the folder of their class. Name the folder above the classes, or move the images."
            )
    return False


def _name(folder: Path) -> str:
    name = _composed(folder.name)
    if not name.isprintable() or "$" in name:
        raise ValueError(
            f"{str(folder)!r} cannot be the name of a class: figures take $ for a formula, and "
            "other signs of it cannot be shown. Rename the folder."
        )
    return name


def _target(sizes: Sequence[tuple[int, int]], side: int | None) -> tuple[int, int]:
    """Return the width and height of all images; one huge image changes nothing for the others."""
    by_area = sorted(sizes, key=lambda size: (size[0] * size[1], size))
    width, height = by_area[(len(by_area) - 1) // 2]
    longer = max(width, height)
    scale = (side or min(longer, SIDE)) / longer
    return max(1, round(width * scale)), max(1, round(height * scale))


def _say_size(folder: Path, n: int, width: int, height: int) -> None:
    """Say what the images will take, before the first is decoded.

    Raises:
        ValueError: if that is more than the memory that is free.
    """
    import psutil  # type: ignore[import-untyped]

    needed = n * 3 * height * width * 4
    print(
        f"folder:{folder}: {n:,} images of {height}×{width} pixels, at most "
        f"{max(1, needed // 10**6):,} MB. Another size: folder:{folder}?size=N for the longer side."
    )
    # Once as they are read, once more while they are split.
    if 3 * needed > (free := psutil.virtual_memory().available):
        raise ValueError(
            f"folder:{folder} would need {3 * needed / 1e9:.1f} GB of memory and {free / 1e9:.1f} "
            f"are free: write a smaller size, as in folder:{folder}?size={SIDE}."
        )


def _top(files: Sequence[Path], pictures: Sequence[Picture]) -> int:
    """Return the value that is white in grey images of 16 bits: 4095 if 12 bits are used.

    Raises:
        ValueError: if colours use so few of 16 bits that what Pillow keeps of them is too coarse.
    """
    colours = {f: p.peak for f, p in zip(files, pictures, strict=True) if p.values.ndim == 3}
    peak = max(colours.values(), default=0)
    if 0 < peak < 2**15:
        file = next(file for file, peak in colours.items() if peak)
        raise ValueError(
            f"{file} has 16 bits a channel, of which only the upper 8 can be read, and the values "
            f"of such images end at {peak + 255}: save them with 8 bits."
        )
    deep = max((p.peak for p in pictures if p.values.ndim == 2), default=0)
    return (1 << max(8, deep.bit_length())) - 1


def _remarks(pictures: Sequence[Picture], top: int) -> list[str]:
    """Return what was done to images beside scaling them."""
    remarks = []
    if n := sum(p.transparent for p in pictures):
        remarks.append(f"images with transparent parts, now on white: {n:,}")
    if n := sum(p.values.dtype.kind == "f" for p in pictures):
        remarks.append(f"images of 16 bits, whose white is {top:,}: {n:,}")
    return remarks
