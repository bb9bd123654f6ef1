"""What happens to the input on its way through a model: which operations are not linear in it.

The model runs once while every call of torch is looked at. A tensor is *followed* if its values
depend on the input, and it carries along the remarks on the operations that made it, so that only
what reaches the output is reported, and not what is computed for a log. Comparisons, indices and
detached copies are followed too: `h * (h > 0)` is a product of two things that move with the input.
Knows nothing about attributions; `checks` turns the remarks into advice.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from torch import Tensor
from torch.overrides import TorchFunctionMode, resolve_name

# Sums, and ways of laying tensors side by side: linear in all of their arguments together.
SUMS = {
    *("add", "sub", "rsub", "radd", "iadd", "isub", "cat", "concat", "concatenate", "stack"),
    *("hstack", "vstack", "where", "setitem", "copy"),
}
# Linear in one argument, as long as masks and indices do not depend on the input.
LINEAR = {
    *("neg", "sum", "mean", "cumsum", "diff", "positive", "identity", "clone", "contiguous"),
    *("flatten", "unflatten", "view", "view_as", "reshape", "reshape_as", "permute", "transpose"),
    *("t", "T", "mT", "movedim", "swapaxes", "squeeze", "unsqueeze", "expand", "expand_as"),
    *("repeat", "repeat_interleave", "tile", "iter", "chunk", "split", "tensor_split", "unbind"),
    *("getitem", "select", "narrow", "index_select", "gather", "take_along_dim", "masked_fill"),
    *("diagonal", "tril", "triu", "roll", "flip", "rot90", "pad", "unfold", "fold"),
    *("to", "type", "type_as", "float", "double", "half", "bfloat16", "cpu", "cuda"),
    *("avg_pool1d", "avg_pool2d", "adaptive_avg_pool2d", "interpolate", "pixel_shuffle"),
    *("dropout", "requires_grad"),
}
# Of further arguments these take a shape, a type or a device, and no value. torch itself calls
# `h.view_as(h)` around a layer with a backward hook, such as shap leaves behind when it fails.
LIKE = {"view_as", "reshape_as", "expand_as", "type_as", "to"}
# Linear as long as one factor alone depends on the input.
PRODUCTS = {
    *("mul", "imul", "rmul", "multiply", "div", "truediv", "itruediv", "divide", "matmul", "mm"),
    *("bmm", "einsum", "linear", "conv1d", "conv2d", "addmm", "baddbmm", "rmatmul", "dot", "lerp"),
    *("addcmul", "bilinear"),
}
DIVISIONS = {"div", "truediv", "itruediv", "divide"}
# After these, nobody can see what becomes of the values.
EXITS = {"item", "tolist", "numpy", "__int__", "__float__", "__index__", "__array__", "__complex__"}


class Remark(NamedTuple):
    """An operation that is not linear in the input.

    Attributes:
        kind: "call", "product", "no gradient", "exit" or "in place".
        name: of the operation.
        where: the module in whose `forward` it stands; empty for the model itself.
        layer: for "in place", the layer whose output is overwritten, or "the input".
    """

    kind: str
    name: str
    where: str
    layer: str = ""


@dataclass
class _Followed:
    tensor: Tensor  # kept, so that no other tensor gets its id
    remarks: dict[Remark, None]  # a set in the order of the operations


class Trace(TorchFunctionMode):
    """Follows what depends on the input, from `start` on, through everything that torch is asked.

    Layers that are judged by their type enclose their work in `enter` and `leave`.
    """

    def __init__(self) -> None:
        """Follow nothing yet."""
        super().__init__()
        self.forwards: list[str] = []  # whose `forward` is running, the innermost last
        self.depth = 0  # > 0 inside a layer that is judged by its type
        self.exits: dict[Remark, None] = {}
        self._followed: dict[int, _Followed] = {}
        self._outputs: dict[int, str] = {}  # storage -> the layer that wrote it

    def start(self, x: Tensor) -> None:
        """Follow the input."""
        self._follow(x, {})
        self._outputs[x.untyped_storage().data_ptr()] = "the input"

    def enter(self) -> None:
        """Note that a layer begins which is judged by its type."""
        self.depth += 1

    def leave(self, name: str, out: Any) -> None:
        """Note that this layer has returned `out`."""
        self.depth -= 1
        for tensor in tensors_in(out):
            self._outputs[tensor.untyped_storage().data_ptr()] = f"layer '{name}'"

    def remarks(self, out: Any) -> list[Remark]:
        """Return the remarks on what has reached `out`, each once."""
        reached = dict(self.exits)
        for tensor in tensors_in(out):
            reached |= self._followed[id(tensor)].remarks if id(tensor) in self._followed else {}
        return list(reached)

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Call what torch was asked for, and follow what comes of it."""
        kwargs = kwargs or {}
        name = _plain_name(func)
        values = args[:1] if name in LIKE else (args, kwargs)
        given = list(tensors_in(values))
        moving = [t for t in given if id(t) in self._followed]
        if not moving:
            return func(*args, **kwargs)
        versions = [t._version for t in given]  # an operation in place changes it
        had_gradient = any(t.requires_grad for t in moving)
        out = func(*args, **kwargs)
        if name == "iter":
            out = list(out)
        written = [t for t, version in zip(given, versions, strict=True) if t._version != version]
        found = {r: None for t in moving for r in self._followed[id(t)].remarks}
        if self.depth == 0:
            remark = self._remark(func, name, args, moving, written, out, had_gradient)
            if remark is not None and remark.kind == "exit":
                self.exits[remark] = None
            elif remark is not None:
                found[remark] = None
        if not (name.endswith("_like") or name.startswith("new_")):  # takes no value, only a shape
            for tensor in (*tensors_in(out), *written):
                self._follow(tensor, found)
        for tensor in written:  # its views and what it is a view of have changed with it
            for other in list(self._followed.values()):
                if _one_storage(other.tensor, tensor):
                    other.remarks |= found
        return iter(out) if name == "iter" else out

    def _follow(self, tensor: Tensor, remarks: dict[Remark, None]) -> None:
        known = self._followed.setdefault(id(tensor), _Followed(tensor, {}))
        known.remarks |= remarks

    def _remark(
        self,
        func: Any,
        name: str,
        args: tuple[Any, ...],
        moving: list[Tensor],
        written: list[Tensor],
        out: Any,
        had_gradient: bool,
    ) -> Remark | None:
        where = self.forwards[-1] if self.forwards else ""
        if getattr(func, "__name__", "") in EXITS:
            return Remark("exit", func.__name__, where)
        results = [*tensors_in(out), *written]
        if not results:
            return None  # asks for a shape or a truth value
        numbers = [t for t in results if t.is_floating_point()]
        if numbers and had_gradient and not any(t.requires_grad for t in numbers):
            return Remark("no gradient", name, where)
        choosing = any(not t.is_floating_point() for t in moving)  # a mask or an index
        divisor = name in DIVISIONS and len(args) > 1 and any(args[1] is t for t in moving)
        linear = (
            (name in SUMS and not choosing)
            or (name in LINEAR and len(moving) == 1)
            or (name in PRODUCTS and len(moving) == 1 and not divisor)
        )
        if not linear:
            return Remark("product" if name in PRODUCTS else "call", name, where)
        for tensor in written:
            layer = self._outputs.get(tensor.untyped_storage().data_ptr())
            if layer is not None:
                return Remark("in place", name, where, layer)
        return None


def tensors_in(value: Any) -> Iterator[Tensor]:
    """Yield the tensors in nested tuples, lists, dicts and slices."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        yield from tensors_in(list(value.values()))
    elif isinstance(value, slice):
        yield from tensors_in([value.start, value.stop, value.step])
    elif isinstance(value, tuple | list):
        for part in value:
            yield from tensors_in(part)


def _one_storage(a: Tensor, b: Tensor) -> bool:
    return a.untyped_storage().data_ptr() == b.untyped_storage().data_ptr()


def _plain_name(func: Any) -> str:
    parts = (resolve_name(func) or getattr(func, "__name__", str(func))).split(".")
    name = parts[-2] if parts[-1] in ("__get__", "__set__") else parts[-1]
    return str(name).strip("_")
