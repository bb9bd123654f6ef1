"""A device without double precision, as Apple's GPUs are: computed on the CPU, and strict.

Tensors on it are wrappers. An operation that would put float64 on the device raises the TypeError
that MPS raises; tensors of two devices do not mix.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map_only

NAME = "lazy"  # a device type that torch knows of, that needs no driver, and that nobody uses


class _OnDevice(Tensor):
    @staticmethod
    def __new__(cls, inner: Tensor) -> _OnDevice:
        return Tensor._make_wrapper_subclass(
            cls,
            inner.shape,
            strides=inner.stride(),
            storage_offset=inner.storage_offset(),
            dtype=inner.dtype,
            device=torch.device(NAME, 0),
            requires_grad=inner.requires_grad,
        )

    def __init__(self, inner: Tensor) -> None:
        self.inner = inner

    __torch_function__ = torch._C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(func, args, kwargs or {})


def _run(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    given = [t for t in tree_flatten((args, kwargs))[0] if isinstance(t, Tensor)]
    on_device = [isinstance(t, _OnDevice) for t in given]
    wanted = kwargs.get("device")
    target = any(on_device) if wanted is None else torch.device(wanted).type == NAME
    moves = "copy" in func.__name__  # to another device; numbers (0 dimensions) go along anywhere
    apart = [t for t, on in zip(given, on_device, strict=True) if not on and t.ndim > 0]
    if any(on_device) and apart and not moves:
        raise RuntimeError(f"Expected all tensors to be on the same device: {func}")
    args, kwargs = tree_map_only(_OnDevice, lambda t: t.inner, (args, kwargs))
    if wanted is not None:
        kwargs = kwargs | {"device": "cpu"}

    def placed(t: Tensor) -> Tensor:
        if t.dtype == torch.float64:
            raise TypeError(f"Cannot convert a tensor to float64: the device has none ({func}).")
        return _OnDevice(t)

    out = func(*args, **kwargs)
    return tree_map_only(Tensor, placed, out) if target else out


class _Everywhere(TorchDispatchMode):
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(func, args, kwargs or {})


@contextmanager
def fake_device() -> Iterator[str]:
    """Make the device `NAME` work inside."""
    with _Everywhere():
        yield NAME
