"""One image file of whatever kind, decoded to the size that is used."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

T = TypeVar("T")

ORIENTATION = 0x0112  # the EXIF tag
_SIDEWAYS = {5, 6, 7, 8}  # its values that exchange width and height
_GREY = {"1", "L", "LA", "La"}
# Twice the size is decoded and then averaged, as Pillow's own thumbnails are.
_MARGIN = 2


class Picture(NamedTuple):
    """An image as numbers.

    Attributes:
        values: ``(H, W)`` if grey, else ``(H, W, 3)``; bytes, or float32 for grey of 16 bits.
        peak: the largest value of an image with 16 bits; 0 for one with fewer.
        transparent: whether any part was transparent, and is now white.
    """

    values: np.ndarray
    peak: int
    transparent: bool


def size(path: Path) -> tuple[int, int]:
    """Return width and height as the picture is meant to be seen; nothing is decoded.

    Raises:
        ValueError: if it is not a readable image.
    """
    return _opened(path, _upright_size)


def read(path: Path, width: int, height: int) -> Picture:
    """Return a picture upright, in the given size, on a white ground.

    A JPEG is decoded straight to a fraction of its size, so that photographs cost little.

    Raises:
        ValueError: if it is not a readable image.
    """
    return _opened(path, lambda image: _picture(image, width, height))


def _opened(path: Path, use: Callable[[Image], T]) -> T:
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                return use(image)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        limit = (Image.MAX_IMAGE_PIXELS or 0) / 1e6
        raise ValueError(
            f"{path} has more than {limit:.0f} million pixels; make it smaller or remove it."
        ) from None
    except Exception as error:  # a decoder raises whatever it likes
        raise ValueError(f"{path} is not a readable image ({error}); remove it.") from error


def _upright_size(image: Image) -> tuple[int, int]:
    width, height = image.size
    # A TIFF's size is that of the picture upright. A PNG's entry may stand after the pixels, and
    # then is not worth decoding them: only the choice of the size would be another.
    if image.format == "TIFF" or (image.format == "PNG" and "exif" not in image.info):
        return width, height
    with contextlib.suppress(Exception):  # an entry that cannot be read says nothing
        if image.getexif().get(ORIENTATION) in _SIDEWAYS:
            return height, width
    return width, height


def _picture(image: Image, width: int, height: int) -> Picture:
    import numpy as np
    from PIL import Image

    if image.mode in ("I", "F"):
        raise ValueError(f"its pixels are of type {image.mode}, whose range is open: use 8 bits")
    deep = any(";16" in str(tile) for tile in getattr(image, "tile", ()))
    side = _MARGIN * max(width, height)  # either way up
    image.draft(image.mode, (side, side))
    image.load()
    _turn_upright(image)
    alpha = image.has_transparency_data
    if image.mode.startswith("I;16"):
        if alpha:
            raise ValueError("it has 16 bits and a transparent value: use 8 bits")
        raw = np.asarray(image).astype(np.float32)
        values = np.array(_resized(Image.fromarray(raw), width, height))
        return Picture(values.clip(0, raw.max()), int(raw.max()), False)
    # Pillow keeps only the upper 8 of 16 bits where there are several channels.
    peak = int(np.asarray(image)[..., :3].max()) << 8 if deep else 0
    mode = "L" if image.mode in _GREY else "RGB"
    small = _resized(image.convert("RGBA" if alpha else mode), width, height)
    if not alpha:
        return Picture(np.array(small), peak, False)
    on_white = Image.alpha_composite(Image.new("RGBA", small.size, "white"), small)
    opaque = np.asarray(small)[..., 3].min() == 255
    return Picture(np.array(on_white.convert(mode)), peak, not opaque)


def _turn_upright(image: Image) -> None:
    from PIL import ImageOps

    with contextlib.suppress(Exception):  # as above; the picture is good all the same
        ImageOps.exif_transpose(image, in_place=True)


def _resized(image: Image, width: int, height: int) -> Image:
    from PIL.Image import Resampling

    return image.resize((width, height), Resampling.BICUBIC, reducing_gap=3.0)
