"""A net as a file in the ONNX format, run by onnxruntime, and the same in whole numbers.

What comes back is a module: everything that asks a net for logits asks it too. The three libraries
are the extra `deploy`; `missing` says in a sentence that they are not there.
"""

from __future__ import annotations

import copy
import importlib.util
import logging
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from distill_lessons import evaluation, files
from distill_lessons.deploy import int8
from distill_lessons.tensors import check_tensor

LIBRARIES = ("onnx", "onnxruntime", "onnxscript")
CLOSE = 1e-4  # of the largest logit: how far two libraries may be apart by rounding
INPUT, OUTPUT = "x", "logits"


def missing() -> str:
    """Return "" if the extra is installed, else a sentence that says what to do about it."""
    absent = [name for name in LIBRARIES if importlib.util.find_spec(name) is None]
    if not absent:
        return ""
    return (
        f"Without {', '.join(absent)} the parts with ONNX files are left out; "
        'pip install "distill-lessons[deploy]" adds them.'
    )


class OnnxNet(nn.Module):
    """A net that onnxruntime runs from a file, on one thread of the CPU.

    Args:
        path: the file, from `export` or `quantise`.

    Raises:
        ImportError: if the extra is not installed.
        ValueError: if the file is no ONNX net with one input and one output.
        OSError: if it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        """Read the file and plan the run."""
        _check_installed()
        import onnxruntime

        super().__init__()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        content = Path(path).read_bytes()
        try:
            session = onnxruntime.InferenceSession(
                content, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # of a class for each kind of fault
            what = str(error).splitlines()[0]
            raise ValueError(
                f"path={Path(path).name!r} is no ONNX net ({what}); give a file that "
                "onnx_net.export wrote."
            ) from error
        names = [part.name for part in (*session.get_inputs(), *session.get_outputs())]
        if names != [INPUT, OUTPUT]:
            raise ValueError(
                f"path={Path(path).name!r} has the inputs and outputs {names}, not "
                f"{[INPUT, OUTPUT]}; give a file that onnx_net.export wrote."
            )
        self._run = session.run
        self._shape = tuple(session.get_inputs()[0].shape[1:])

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits ``(N, K)``; no derivative goes through."""
        if tuple(x.shape[1:]) != self._shape:
            raise ValueError(
                f"x has shape {tuple(x.shape)}; the file takes {('N', *self._shape)} and no other "
                "shape."
            )
        pixels = np.ascontiguousarray(x.detach().cpu().numpy(), dtype=np.float32)
        return torch.from_numpy(self._run([OUTPUT], {INPUT: pixels})[0]).to(x.device)

    def __deepcopy__(self, memo: Any) -> OnnxNet:
        """Return the net itself: nothing in it ever changes, and a session has no copy."""
        return self


def export(net: nn.Module, x: Tensor, path: Path) -> OnnxNet:
    """Write a net as an ONNX file, read it back and see that it says the same.

    Args:
        net: any net of layers that the format knows; left as it was.
        x: some images ``(N, C, H, W)``, at least one. The file takes any number of this shape.
        path: where to; the file is written whole or not at all.

    Returns:
        The net in the file.

    Raises:
        ImportError: if the extra is not installed.
        TypeError: if `net` is no module, or `x` no tensor.
        ValueError: if a layer cannot be exported, there is no image, or the file does not say what
            the net says.
        OSError: if the file cannot be written.
    """
    _check_installed()
    evaluation.check_built(net)
    x = _images(net, x)
    plain = copy.deepcopy(net).cpu().float().eval().requires_grad_(False)
    two = x[:1].cpu().float().expand(2, *x.shape[1:])  # one image would fix the number at one
    try:
        content = _written(plain, two)
    except Exception as error:  # the exporter has many classes for what it cannot do
        name, kind = _culprit(plain, two)
        raise ValueError(
            f"layer {name!r} ({kind}) cannot be exported to ONNX; replace it by layers that the "
            "format knows, or export the net without it."
        ) from error
    with tempfile.TemporaryDirectory() as folder:
        trial = Path(folder) / "net.onnx"
        trial.write_bytes(content)
        check_same(net, OnnxNet(trial), x)
    files.write(Path(path), content)
    return OnnxNet(path)


def check_same(net: nn.Module, other: nn.Module, x: Tensor) -> None:
    """Raise an error unless two nets say the same of some images, up to rounding.

    Args:
        net: a net of torch.
        other: such as what a file holds.
        x: images ``(N, C, H, W)``, at least one.

    Raises:
        TypeError: if one is no module, or `x` no tensor.
        ValueError: if there is no image, or their logits differ by more than rounding explains.
    """
    x = _images(net, x)
    z, theirs = evaluation.predict(net, x), evaluation.predict(other, x)
    if z.shape != theirs.shape:
        raise ValueError(
            f"the file gives logits {tuple(theirs.shape)}, the net {tuple(z.shape)}: it is not "
            "the exported net; export it again."
        )
    gap = float((z.cpu().float() - theirs.cpu()).abs().max() / z.abs().max().clamp_min(1e-12))
    if not gap <= CLOSE:
        raise ValueError(
            f"the file's logits differ from the net's by {gap:.2g} of the largest, more than "
            f"rounding explains ({CLOSE:g}): it is not the exported net; export it again, in eval "
            "mode and from these weights."
        )


def quantise(source: Path, x: Tensor, path: Path, *, bits: int = 7) -> OnnxNet:
    """Write an exported net in whole numbers of a byte each, with scales calibrated on images.

    Args:
        source: the file that `export` wrote.
        x: images ``(N, C, H, W)`` for calibration; none of them should be a test image.
        path: where to; the file is written whole or not at all.
        bits: of a weight, 8 or 7. With 8 the result depends on the processor: those of Intel and
            AMD without VNNI instructions add pairs of products in 16 bits, where large ones do not
            fit and are cut off. With 7 they fit.

    Returns:
        The net in the new file.

    Raises:
        ImportError: if the extra is not installed.
        TypeError: if `x` is no tensor.
        ValueError: if there is no image, `source` is no net that takes them, or `bits` is another
            number.

    Source: the documentation of onnxruntime, "Quantize ONNX models", on U8S8 and `reduce_range`.
        OSError: if a file cannot be read or written.
    """
    _check_installed()
    if bits not in (7, 8):
        raise ValueError(f"bits={bits!r} must be 8, or 7 for processors without VNNI.")
    x = int8.calibration_images(OnnxNet(source), x)
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType
    from onnxruntime.quantization import quantize_static as rewrite

    class Images(CalibrationDataReader):  # type: ignore[misc]  # untyped
        def __init__(self) -> None:
            self._left = iter([{INPUT: x.cpu().float().numpy()}])

        def get_next(self) -> Any:
            return next(self._left, None)

    with tempfile.TemporaryDirectory() as folder, _quiet():
        made = Path(folder) / "int8.onnx"
        rewrite(
            str(source),
            str(made),
            Images(),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            reduce_range=bits == 7,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
        files.write(Path(path), made.read_bytes())
    return OnnxNet(path)


def _written(net: nn.Module, x: Tensor) -> bytes:
    with tempfile.TemporaryDirectory() as folder, _quiet():
        made = Path(folder) / "net.onnx"
        program = torch.onnx.export(
            net,
            (x,),
            dynamo=True,
            verbose=False,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_shapes=({0: torch.export.Dim("n")},),
        )
        assert program is not None
        program.save(str(made))
        return made.read_bytes()


def _culprit(net: nn.Module, x: Tensor) -> tuple[str, str]:
    """Return name and type of the first layer that cannot be exported by itself, or the net's."""
    inputs: dict[str, Tensor] = {}
    leaves = [(name, m) for name, m in net.named_modules() if name and not list(m.children())]

    def note(name: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        return lambda leaf, given: inputs.update({name: given[0]})

    hooks = [leaf.register_forward_pre_hook(note(name)) for name, leaf in leaves]
    try:
        with torch.no_grad():
            net(x)
    finally:
        for hook in hooks:
            hook.remove()
    for name, leaf in leaves:
        try:
            if name in inputs:
                _written(leaf, inputs[name])
        except Exception:
            return name, type(leaf).__name__
    return "the net itself", type(net).__name__


def _images(net: nn.Module, x: Tensor) -> Tensor:
    check_tensor("x", x)
    if len(x) == 0:
        raise ValueError(f"x has shape {tuple(x.shape)}; give at least one image.")
    return evaluation.as_input(net, x).detach()


def _check_installed() -> None:
    if said := missing():
        raise ImportError(said)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the libraries' advice out of the lesson: they log it to the root of all loggers."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
