"""Sets of input features that are shuffled, hidden or explained together.

A group is an array of positions in the flattened image, so one list of groups serves images
`(C, H, W)` and flat inputs alike. A pixel has one feature per channel; all functions here but
`singles` and `channels` keep a pixel's channels together. Knows nothing about models.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
from torch import Tensor

from distill_lessons.explain.arrays import Array, ArrayLike, finite
from distill_lessons.settings import whole_number
from distill_lessons.tensors import check_type

Shape = tuple[int, ...]
Groups = Sequence[ArrayLike | Sequence[int]] | ArrayLike


def singles(n_features: int) -> list[Array]:
    """Return every feature as a group of its own.

    Raises:
        TypeError: if `n_features` is not a whole number.
        ValueError: if it is not positive.
    """
    return list(np.arange(whole_number("n_features", n_features))[:, None])


def pixels(image_shape: Shape) -> list[Array]:
    """Return one group per pixel: all its channels."""
    _, height, width = checked_image_shape(image_shape)
    return from_map(np.arange(height * width).reshape(height, width), image_shape)


def rows(image_shape: Shape) -> list[Array]:
    """Return one group per row of the image, top to bottom.

    >>> [group.tolist() for group in rows((1, 2, 3))]
    [[0, 1, 2], [3, 4, 5]]
    """
    _, height, width = checked_image_shape(image_shape)
    return from_map(np.repeat(np.arange(height)[:, None], width, axis=1), image_shape)


def columns(image_shape: Shape) -> list[Array]:
    """Return one group per column of the image, left to right."""
    _, height, width = checked_image_shape(image_shape)
    return from_map(np.repeat(np.arange(width)[None], height, axis=0), image_shape)


def patches(image_shape: Shape, size: int | tuple[int, int]) -> list[Array]:
    """Return square tiles, in reading order.

    Args:
        image_shape: `(C, H, W)`.
        size: side of a tile in pixels, or `(height, width)`. Where it does not divide the image,
            the last row or column of tiles is smaller.

    Raises:
        TypeError: if `size` is not made of whole numbers.
        ValueError: if `size` is less than one pixel or larger than the image.

    >>> [group.tolist() for group in patches((1, 2, 4), 2)]
    [[0, 1, 4, 5], [2, 3, 6, 7]]
    """
    _, height, width = checked_image_shape(image_shape)
    sides = tuple(size) if isinstance(size, tuple | list) else (size, size)
    if len(sides) != 2:
        raise ValueError(f"size={size!r} must be one number, or (height, width).")
    tall, wide = (whole_number("size", side, least=None) for side in sides)
    if not (1 <= tall <= height and 1 <= wide <= width):
        raise ValueError(f"size={size} must be from 1 to the image's {height}×{width} pixels.")
    down = np.arange(height)[:, None] // tall
    across = np.arange(width)[None] // wide
    return from_map(down * math.ceil(width / wide) + across, image_shape)


def channels(image_shape: Shape) -> list[Array]:
    """Return one group per colour channel."""
    n, height, width = checked_image_shape(image_shape)
    return list(np.arange(n * height * width).reshape(n, -1))


def from_map(label_map: ArrayLike, input_shape: Shape) -> list[Array]:
    """Return the groups that a map of whole-number labels draws, in the order of the labels.

    Args:
        label_map: one label per feature, shape `input_shape`, or `(H, W)` for all channels alike.
        input_shape: shape of one input.

    Raises:
        TypeError: if the map cannot be read as an array.
        ValueError: if the map does not fit the input or holds anything but whole numbers.
    """
    return _drawn("label_map", label_map, _shape("input_shape", input_shape))


def _drawn(argument: str, label_map: ArrayLike, input_shape: Shape) -> list[Array]:
    labels = _array(argument, label_map)
    if labels.shape not in (input_shape, input_shape[1:]) or labels.ndim == 0:
        raise ValueError(
            f"{argument}: a label map of shape {labels.shape} does not fit inputs {input_shape}; "
            "give one label per feature or pixel, or a list of index arrays."
        )
    if not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(
            f"{argument}: a label map of {labels.dtype} values; labels are whole numbers."
        )
    flat = np.broadcast_to(labels, input_shape).ravel()
    return [np.flatnonzero(flat == label) for label in np.unique(flat)]


def as_groups(groups: Groups, input_shape: Shape, *, partition: bool = False) -> list[Array]:
    """Return `groups` as index arrays, checked.

    Args:
        groups: a list of index arrays, or an array that is a label map (see `from_map`).
        input_shape: shape of one input.
        partition: whether every feature must belong to exactly one group.

    Raises:
        TypeError: if `groups` is not a list of index arrays.
        ValueError: for no group, an empty one, an index outside the input, a repeated feature or,
            where a partition is needed, groups that overlap or leave features out.
    """
    input_shape = _shape("input_shape", input_shape)
    if hasattr(groups, "shape"):
        return _drawn("groups", groups, input_shape)  # type: ignore[arg-type]
    check_type("groups", groups, Iterable, "a list of index arrays, such as groups.rows(shape)")
    n = math.prod(input_shape)
    made = [_array(f"group {i}", group).ravel() for i, group in enumerate(groups)]
    if not made or any(group.size == 0 for group in made):
        where = [i for i, group in enumerate(made) if group.size == 0]
        what = f"group {where[0]} is empty" if where else "groups is an empty list"
        raise ValueError(f"{what}; every group needs at least one feature.")
    for i, group in enumerate(made):
        if not np.issubdtype(group.dtype, np.integer) or group.min() < 0 or group.max() >= n:
            raise ValueError(
                f"group {i} must hold feature numbers from 0 to {n - 1}, "
                f"positions in the flattened input of shape {tuple(input_shape)}."
            )
    uses = np.bincount(np.concatenate(made), minlength=n)
    repeated = [i for i, group in enumerate(made) if len(np.unique(group)) < len(group)]
    if repeated:
        raise ValueError(f"group {repeated[0]} names a feature twice; name each one once.")
    if partition and uses.max() > 1:
        raise ValueError(
            f"groups overlap: feature {int(uses.argmax())} is in {uses.max()} of them. "
            "Each feature has one attribution, so give a partition: each one in exactly one group."
        )
    if partition and uses.min() == 0:
        raise ValueError(
            f"groups leave out {int((uses == 0).sum())} features, the first is "
            f"{int(uses.argmin())}. Give a partition: each feature in exactly one group."
        )
    return made


def paint(values: ArrayLike, groups: Groups, input_shape: Shape) -> Array:
    """Return a map that shows each group's value on all its features, for drawing.

    Args:
        values: one value per group on the first axis, shape `(G, ...)`.
        groups: the groups that the values belong to, without overlap.
        input_shape: shape of one input.

    Returns:
        Shape `(*input_shape, ...)`, NaN where no group is.

    >>> paint([1.0, 2.0], columns((1, 1, 2)), (1, 1, 2))
    array([[[1., 2.]]])
    """
    input_shape = _shape("input_shape", input_shape)
    made = as_groups(groups, input_shape)
    table = finite("values", values)
    if table.ndim == 0 or len(table) != len(made):
        raise ValueError(
            f"values has shape {table.shape} for {len(made)} groups; give one row for each."
        )
    flat = np.full((math.prod(input_shape), *table.shape[1:]), np.nan)
    for group, value in zip(made, table, strict=True):
        flat[group] = value
    return flat.reshape(*input_shape, *table.shape[1:])


def checked_image_shape(image_shape: Shape) -> tuple[int, int, int]:
    """Return `(C, H, W)` as plain numbers, or raise an error that names `image_shape`."""
    shape = _shape("image_shape", image_shape)
    if len(shape) != 3:
        raise ValueError(f"image_shape={shape} must be (C, H, W).")
    return shape[0], shape[1], shape[2]


def _shape(argument: str, shape: Shape) -> Shape:
    check_type(argument, shape, Sequence, "a shape, such as (1, 8, 8)")
    return tuple(whole_number(argument, size) for size in shape)


def _array(argument: str, value: object) -> Array:
    """Return whatever holds numbers as an array; a tensor must hold them where NumPy can read."""
    try:
        return np.asarray(value.detach().cpu() if isinstance(value, Tensor) else value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(f"{argument} is not an array of whole numbers: {error}") from error
